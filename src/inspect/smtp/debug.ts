// `debug ip inspect smtp`: the steps of the verb, parameter and reply automata, as IOS numbers their states.
//
// Called once per line and segment while a sink is set, never per octet.  Verb states are the nodes of the engine's own
// trie (verbs.ts).  IOS's other two automata decide nothing here: the parameter automaton looks for SIZE=, BODY=
// and AUTH= anywhere behind the verb, the reply automaton tells 2xx, 3xx and 4xx followed by a blank from all other lines.

import {
  SHAPE_COMMAND_END,
  SHAPE_PARAMETER,
  SHAPE_PARAMETER_MATCH,
  SHAPE_REPLY,
  SHAPE_REPLY_END,
  SHAPE_REPLY_MATCH,
  SHAPE_REPLY_TYPE,
  SHAPE_VERB,
  SHAPE_VERB_MATCH,
} from './debug-text.ts';
import { CR, LF, SP } from './phase.ts';
import { COMMAND_INDEX, DEBUG_PARAMETER, DEBUG_REPLY, LINE_START, MODE, MODE_SASL, REPLY_INDEX, REPLY_START } from './state.ts';
import { COLUMNS, FOLD, ROOT } from './trie.ts';
import type { Turn } from './turn.ts';
import { LAST_IOS_STATE, VRFY } from './verbs.ts';

/** Octets of the verb stage. */
const VERB_OCTETS = 4;
const ANY = 2;
const LINE_END = 3;
/** Pattern of the end of a command line. */
const LINE_END_ID = 6;
const FIRST_KEYWORD_STATE = 4;
const PARAMETERS = parameterTable();

// The reply automaton: three chains of digit, digit, digit, blank, line end behind states 1 to 3.
const FIRST_CHAIN = 4;
const CHAINS = 3;
/** Pattern that every reply line completes, and that of the first chain. */
const ANY_REPLY_ID = 13;
const FIRST_CHAIN_ID = 12;

/** next[state * 128 + octet] over the keywords and the blank, states numbered breadth first from 4; 0: no step. */
function parameterTable(): Uint8Array {
  const words = ['SIZE=', 'BODY=BINARYMIME', 'BODY=8BITMIME', 'AUTH=', ' '];
  const next = new Uint8Array(64 * 128);
  let states = FIRST_KEYWORD_STATE;
  for (let depth = 0; depth < 15; depth++) {
    for (const word of words) {
      if (word.length <= depth) continue;
      let state = 1;
      for (let i = 0; i < depth; i++) state = next[state * 128 + word.charCodeAt(i)]!;
      const c = word.charCodeAt(depth);
      if (next[state * 128 + c] === 0) next[state * 128 + c] = states++;
    }
  }
  return next;
}

/** Octets [from, to) of a command line, all that this segment has of it. */
export function traceCommand(turn: Turn, from: number, to: number): void {
  const { words, at } = turn;
  if (words[at + MODE] === MODE_SASL) return;
  const length = (turn.origin + from - words[at + LINE_START]!) | 0;
  const verbEnd = length < VERB_OCTETS ? traceVerb(turn, from, to, length) : from;
  if (verbEnd < to) traceParameter(turn, verbEnd, to, length + verbEnd - from);
}

function traceVerb(turn: Turn, from: number, to: number, length: number): number {
  const { words, at, octets, session, policy } = turn;
  const debug = turn.debug!;
  let node = length === 0 ? ROOT : words[at + DEBUG_PARAMETER]!;
  let i = from;
  for (; i < to && length + i - from < VERB_OCTETS && octets[i] !== CR && octets[i] !== LF; i++) {
    const next = node === ANY ? 0 : policy.verbTrie.next[node * COLUMNS + FOLD[octets[i]!]!]!;
    node = next === 0 || next > LAST_IOS_STATE ? ANY : next;
  }
  const total = length + i - from;
  if (i > from) debug.put(session, SHAPE_VERB, total, i - from, node);
  words[at + DEBUG_PARAMETER] = node;
  if (total !== VERB_OCTETS) return i;
  const id = policy.verbTrie.word[node]!;
  if (id > 0 && id <= VRFY) debug.put(session, SHAPE_VERB_MATCH, id, 0, 0);
  words[at + DEBUG_PARAMETER] = 1;
  return i;
}

function traceParameter(turn: Turn, from: number, to: number, length: number): void {
  const { words, at, octets, session } = turn;
  const debug = turn.debug!;
  let state = words[at + DEBUG_PARAMETER]!;
  for (let i = from; i < to; i++) {
    const c = octets[i]!;
    const upper = c >= 0x61 && c <= 0x7a ? c - 0x20 : c & 0x7f;
    const next = state >= FIRST_KEYWORD_STATE ? PARAMETERS[state * 128 + upper]! : 0;
    state = next !== 0 ? next : PARAMETERS[128 + upper]!;
    if (state === 0) state = ANY;
  }
  const ended = octets[to - 1] === LF;
  if (ended) state = LINE_END;
  words[at + DEBUG_PARAMETER] = state;
  debug.put(session, SHAPE_PARAMETER, length + to - from, to - from, state);
  if (ended) debug.put(session, SHAPE_PARAMETER_MATCH, LINE_END_ID, 0, 0);
}

/** The line that traceCommand saw is complete; its LF is the octet before `end`. */
export function traceCommandEnd(turn: Turn, end: number): void {
  const { words, at, session } = turn;
  if (words[at + MODE] === MODE_SASL) return;
  turn.debug!.put(session, SHAPE_COMMAND_END, words[at + COMMAND_INDEX]! + 1, (turn.origin + end - words[at + LINE_START]!) | 0, 0);
}

/** Octets [from, to) of a reply line, all that this segment has of it; its LF is the last one or not there yet. */
export function traceReply(turn: Turn, from: number, to: number): void {
  const { words, at, octets, session } = turn;
  const debug = turn.debug!;
  const length = (turn.origin + from - words[at + REPLY_START]!) | 0;
  if (length === 0) debug.put(session, SHAPE_REPLY_TYPE, 0, 0, 0);
  let state = length === 0 ? 1 : words[at + DEBUG_REPLY]!;
  for (let i = from; i < to; i++) state = replyState(state, octets[i]!, length + i - from);
  words[at + DEBUG_REPLY] = state;
  debug.put(session, SHAPE_REPLY, length + to - from, to - from, state);
}

function replyState(state: number, c: number, place: number): number {
  if (c === LF) return state < FIRST_CHAIN + CHAINS * 3 ? LINE_END : FIRST_CHAIN + CHAINS * 4 + ((state - FIRST_CHAIN) % CHAINS);
  if (place === 0) return c >= 0x32 && c <= 0x34 ? FIRST_CHAIN + (0x34 - c) : ANY;
  if (state < FIRST_CHAIN || place > 3) return state;
  const fits = place === 3 ? c === SP : c >= 0x30 && c <= 0x39;
  return fits ? state + CHAINS : ANY;
}

/** The reply line is complete with `length` octets. */
export function traceReplyEnd(turn: Turn, length: number): void {
  const { words, at, session } = turn;
  const debug = turn.debug!;
  const state = words[at + DEBUG_REPLY]!;
  debug.put(session, SHAPE_REPLY_MATCH, ANY_REPLY_ID, 0, 0);
  if (state > LINE_END) debug.put(session, SHAPE_REPLY_MATCH, FIRST_CHAIN_ID - ((state - FIRST_CHAIN) % CHAINS), 0, 0);
  debug.put(session, SHAPE_REPLY_END, words[at + REPLY_INDEX]!, length, 0);
}
