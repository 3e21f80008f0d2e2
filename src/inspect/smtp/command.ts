// The command line automaton: from the first octet of a line to the octet that no legal line can have there.
//
// It keeps no octet.  A line is illegal at the first octet with which none of its continuations is legal, so what was
// read before that octet may leave at once.  Verbs are walked in the trie of the policy (verbs.ts).

import {
  BDAT_SYNTAX,
  CMD_EMPTY,
  CMD_ILLEGAL,
  CMD_NOT_OFFERED,
  CMD_SYNTAX,
  ESMTP_POLICY_LOG,
  ESMTP_POLICY_RESET,
  SIG_3104,
  ADDR_SYNTAX,
  PARAM_SYNTAX,
} from '../../telemetry/reasons.ts';
import { beginPath, domain, domainComplete, DOMAIN_START, path, pathComplete, pathEnd, addressRefused } from './address.ts';
import { argumentComplete, chunkSize, initialResponse, lastMarker, mechanism, NO_SIZE, saslResponse, text, token } from './argument.ts';
import { K_SMTPUTF8 } from './keywords.ts';
import { piped, pipedEnd } from './piped.ts';
import { parameter, parameterEnd, parameterKey, parameterValue } from './parameters.ts';
import {
  fault,
  HT,
  PHASE_ARGUMENT,
  PHASE_BLANK,
  PHASE_CHUNK_SIZE,
  PHASE_DOMAIN,
  PHASE_INITIAL,
  PHASE_KEYWORD,
  PHASE_LAST,
  PHASE_MECHANISM,
  PHASE_PARAMETER,
  PHASE_PARAMETER_KEY,
  PHASE_PATH,
  PHASE_PATH_END,
  PHASE_PIPED,
  PHASE_PIPED_END,
  PHASE_SASL,
  PHASE_START,
  PHASE_TEXT,
  PHASE_TOKEN,
  PHASE_TRAIL,
  PHASE_VALUE,
  PHASE_VERB,
  PHASE_VERB_TAB,
  RANK_ADDRESS,
  RANK_ARGUMENT,
  RANK_LEADING,
  RANK_NOT_OFFERED,
  RANK_PARAMETER,
  RANK_TAB,
  RANK_VERB,
  SP,
} from './phase.ts';
import { AUX, CHUNK_LEFT, COUNT, FAULT, LINE, LINE_TAB, LINE_UTF8, NODE, PHASE, USABLE, VERB, VISIBLE } from './state.ts';
import { COLUMNS, FOLD, ROOT } from './trie.ts';
import type { Turn } from './turn.ts';
import { FORWARD } from '../inspector.ts';
import {
  AUTH,
  BARE_VERBS,
  BDAT,
  EHLO,
  ETRN,
  FIRST_EXTENSION,
  HELO,
  HELP,
  MAIL,
  NOOP,
  RCPT,
  SAML,
  SEND,
  SIGNATURE_VERBS,
  SOML,
  VRFY,
} from './verbs.ts';

const PATH_VERBS = (1 << MAIL) | (1 << RCPT) | (1 << SEND) | (1 << SOML) | (1 << SAML);
const TEXT_VERBS = (1 << NOOP) | (1 << HELP) | (1 << VRFY) | ~((1 << FIRST_EXTENSION) - 1);
const UTF8_VERBS = (1 << MAIL) | (1 << RCPT) | (1 << VRFY);
const FROM = Uint8Array.of(0x46, 0x52, 0x4f, 0x4d, 0x3a);
const TO = Uint8Array.of(0x54, 0x4f, 0x3a);

/**
 * Judges octets [from, end) of a line that is legal so far.  Returns `end`, or the octet that made it illegal (FAULT is
 * set), that reset the session (turn.verdict), or for which the table of edits had no room (out.again).
 */
export function advance(turn: Turn, from: number, end: number): number {
  const { words, at } = turn;
  let i = from;
  while (i < end) {
    i = phaseOctets(turn, i, end);
    if (words[at + FAULT] !== 0 || turn.verdict !== FORWARD || turn.out.again) return i;
  }
  return i;
}

function phaseOctets(turn: Turn, i: number, end: number): number {
  switch (turn.words[turn.at + PHASE]) {
    case PHASE_START:
      return lineStart(turn, i, end);
    case PHASE_BLANK:
      return blankLine(turn, i, end);
    case PHASE_VERB:
      return verb(turn, i, end);
    case PHASE_VERB_TAB:
      return verbTab(turn, i, end);
    case PHASE_ARGUMENT:
      return argument(turn, i, end);
    case PHASE_TRAIL:
      return trailing(turn, i, end);
    case PHASE_TEXT:
      return text(turn, i, end);
    case PHASE_TOKEN:
      return token(turn, i, end);
    case PHASE_DOMAIN:
      return domain(turn, i, end);
    case PHASE_MECHANISM:
      return mechanism(turn, i, end);
    case PHASE_INITIAL:
      return initialResponse(turn, i, end);
    case PHASE_CHUNK_SIZE:
      return chunkSize(turn, i, end);
    case PHASE_LAST:
      return lastMarker(turn, i, end);
    case PHASE_KEYWORD:
      return pathKeyword(turn, i, end);
    case PHASE_PATH:
      return path(turn, i, end);
    case PHASE_PATH_END:
      return pathEnd(turn, i, end);
    case PHASE_PIPED:
      return piped(turn, i, end);
    case PHASE_PIPED_END:
      return pipedEnd(turn, i, end);
    case PHASE_PARAMETER:
      return parameter(turn, i, end);
    case PHASE_PARAMETER_KEY:
      return parameterKey(turn, i, end);
    case PHASE_VALUE:
      return parameterValue(turn, i, end);
    default:
      return saslResponse(turn, i, end);
  }
}

function lineStart(turn: Turn, i: number, end: number): number {
  const c = turn.octets[i]!;
  if (c === SP || c === HT) {
    turn.words[turn.at + PHASE] = PHASE_BLANK;
    return i;
  }
  turn.words[turn.at + PHASE] = PHASE_VERB;
  return verb(turn, i, end);
}

/** A line of blanks is empty; anything behind them is a command that a server might read after skipping them. */
function blankLine(turn: Turn, from: number, end: number): number {
  for (let i = from; i < end; i++) {
    if (turn.octets[i] !== SP && turn.octets[i] !== HT) return fault(turn, i, CMD_SYNTAX, RANK_LEADING);
  }
  return end;
}

function verb(turn: Turn, from: number, end: number): number {
  const { words, at, octets, policy } = turn;
  const next = policy.verbTrie.next;
  const under = policy.verbTrie.under;
  const usable = words[at + USABLE]!;
  let node = words[at + NODE]!;
  for (let i = from; i < end; i++) {
    const c = octets[i]!;
    if (c === SP || c === HT) {
      words[at + NODE] = node;
      return verbEnd(turn, i, end, c);
    }
    const to = next[node * COLUMNS + FOLD[c]!]!;
    if ((under[to]! & usable) === 0) {
      words[at + NODE] = node;
      return fault(turn, i, CMD_ILLEGAL, RANK_VERB);
    }
    node = to;
  }
  words[at + NODE] = node;
  return end;
}

/** SP or a tab behind the octets of a verb. */
function verbEnd(turn: Turn, i: number, end: number, c: number): number {
  const { words, at } = turn;
  const found = turn.policy.verbTrie.word[words[at + NODE]!]!;
  if (found < 0 || ((words[at + USABLE]! >>> found) & 1) === 0) return fault(turn, i, CMD_ILLEGAL, RANK_VERB);
  words[at + VERB] = found;
  if (c === HT) {
    if (((BARE_VERBS >>> found) & 1) === 0) return fault(turn, i, missing(found), RANK_ARGUMENT);
    words[at + PHASE] = PHASE_VERB_TAB;
    return i + 1;
  }
  if (verbRefused(turn, found, i)) return i;
  words[at + PHASE] = PHASE_ARGUMENT;
  if (((UTF8_VERBS >>> found) & 1) === 1 && ((words[at + VISIBLE]! >>> K_SMTPUTF8) & 1) === 1) words[at + LINE]! |= LINE_UTF8;
  return i + 1 < end ? argument(turn, i + 1, end) : end;
}

/** The cause when the argument of a verb is missing or not what it takes. */
function missing(found: number): number {
  return found === BDAT ? BDAT_SYNTAX : CMD_SYNTAX;
}

/** A complete verb that resets the session: a signature, or `match cmd verb` with reset.  `i` is the octet behind it. */
export function verbRefused(turn: Turn, found: number, i: number): boolean {
  const { policy, portion } = turn;
  if (found < 0) return false;
  if (((policy.resetVerbs >>> found) & 1) === 1) turn.reset(ESMTP_POLICY_RESET, 0, portion, i);
  else if (policy.signatures && ((SIGNATURE_VERBS >>> found) & 1) === 1) turn.reset(SIG_3104, 0, portion, i);
  else {
    if (((policy.loggedVerbs >>> found) & 1) === 1) turn.event(ESMTP_POLICY_LOG, 0, portion, i);
    return false;
  }
  return true;
}

/** Blanks behind a verb and a tab: with anything else behind them the tab belongs to the verb. */
function verbTab(turn: Turn, from: number, end: number): number {
  for (let i = from; i < end; i++) {
    if (turn.octets[i] !== SP && turn.octets[i] !== HT) return fault(turn, i, CMD_ILLEGAL, RANK_VERB);
  }
  return end;
}

/** The first octet behind the verb and its SP. */
function argument(turn: Turn, i: number, end: number): number {
  const { words, at } = turn;
  const c = turn.octets[i]!;
  const found = words[at + VERB]!;
  const bit = 1 << found;
  if (c === SP || c === HT) {
    if ((BARE_VERBS & bit) === 0) return fault(turn, i, missing(found), RANK_ARGUMENT);
    words[at + PHASE] = PHASE_TRAIL;
    words[at + AUX] = missing(found);
    words[at + LINE]! &= ~LINE_TAB;
    return i;
  }
  words[at + COUNT] = 0;
  words[at + AUX] = 0;
  if ((PATH_VERBS & bit) !== 0) {
    words[at + PHASE] = PHASE_KEYWORD;
    return pathKeyword(turn, i, end);
  }
  if ((TEXT_VERBS & bit) !== 0) words[at + PHASE] = PHASE_TEXT;
  else if (found === HELO || found === EHLO) {
    words[at + PHASE] = PHASE_DOMAIN;
    words[at + AUX] = DOMAIN_START;
  } else if (found === ETRN) words[at + PHASE] = PHASE_TOKEN;
  else if (found === AUTH) words[at + PHASE] = PHASE_MECHANISM;
  else if (found === BDAT) {
    words[at + PHASE] = PHASE_CHUNK_SIZE;
    words[at + CHUNK_LEFT] = NO_SIZE;
  } else return fault(turn, i, CMD_SYNTAX, RANK_ARGUMENT);
  return i;
}

/** Blanks that end the line; a tab among them makes what follows a matter of the tab. */
function trailing(turn: Turn, from: number, end: number): number {
  const { words, at } = turn;
  for (let i = from; i < end; i++) {
    const c = turn.octets[i]!;
    if (c === HT) words[at + LINE]! |= LINE_TAB;
    else if (c !== SP) {
      if ((words[at + LINE]! & LINE_TAB) !== 0) return fault(turn, i, CMD_SYNTAX, RANK_TAB);
      return fault(turn, i, words[at + AUX]!, words[at + AUX] === PARAM_SYNTAX ? RANK_PARAMETER : RANK_ARGUMENT);
    }
  }
  return end;
}

/** FROM: or TO:, without case; blanks before the colon are not tolerated. */
function pathKeyword(turn: Turn, from: number, end: number): number {
  const { words, at, octets } = turn;
  const wanted = words[at + VERB] === RCPT ? TO : FROM;
  let matched = words[at + COUNT]!;
  for (let i = from; i < end; i++) {
    const c = octets[i]!;
    if ((c >= 0x41 ? c & 0xdf : c) !== wanted[matched]) return fault(turn, i, CMD_SYNTAX, RANK_ARGUMENT);
    if (++matched === wanted.length) {
      beginPath(turn);
      return path(turn, i + 1, end);
    }
  }
  words[at + COUNT] = matched;
  return end;
}

/** The last octet of a line that is legal so far was the one before `i`: faults where it is not complete, resets where a limit is exceeded. */
export function endCommand(turn: Turn, i: number): void {
  const { words, at } = turn;
  const phase = words[at + PHASE]!;
  if (phase === PHASE_START || phase === PHASE_BLANK || phase === PHASE_SASL) {
    if (phase !== PHASE_SASL) turn.event(CMD_EMPTY, 0, turn.portion, i);
    return;
  }
  if (phase === PHASE_VERB || phase === PHASE_VERB_TAB) {
    endVerb(turn, i);
    return;
  }
  if (phase === PHASE_ARGUMENT) {
    if (((BARE_VERBS >>> words[at + VERB]!) & 1) === 0) fault(turn, i, missing(words[at + VERB]!), RANK_ARGUMENT);
    return;
  }
  if (phase === PHASE_DOMAIN) {
    if (!domainComplete(turn)) fault(turn, i, CMD_SYNTAX, RANK_ARGUMENT);
    return;
  }
  if (phase >= PHASE_KEYWORD) {
    endEnvelope(turn, i, phase);
    return;
  }
  if (phase === PHASE_TRAIL) {
    // behind an address and a tab; behind a parameter the address was looked at before
    if (((PATH_VERBS >>> words[at + VERB]!) & 1) === 1 && words[at + AUX] === CMD_SYNTAX) addressRefused(turn, i);
    return;
  }
  if (!argumentComplete(turn)) fault(turn, i, missing(words[at + VERB]!), RANK_ARGUMENT);
}

/** The line ends with its verb. */
function endVerb(turn: Turn, i: number): void {
  const { words, at } = turn;
  const found = turn.policy.verbTrie.word[words[at + NODE]!]!;
  if (found < 0 || ((words[at + USABLE]! >>> found) & 1) === 0) {
    fault(turn, i, CMD_ILLEGAL, RANK_VERB);
    nameVerb(turn, found, i);
    return;
  }
  words[at + VERB] = found;
  if (verbRefused(turn, found, i)) return;
  if (((BARE_VERBS >>> found) & 1) === 0) fault(turn, i, missing(found), RANK_ARGUMENT);
}

function endEnvelope(turn: Turn, i: number, phase: number): void {
  if (phase === PHASE_PIPED || phase === PHASE_PIPED_END) return;
  if (phase === PHASE_KEYWORD) {
    fault(turn, i, CMD_SYNTAX, RANK_ARGUMENT);
    return;
  }
  if (phase === PHASE_PATH || phase === PHASE_PATH_END) {
    if (!pathComplete(turn, i)) fault(turn, i, ADDR_SYNTAX, RANK_ADDRESS);
    else addressRefused(turn, i);
    return;
  }
  const reason = parameterEnd(turn);
  if (reason !== 0) fault(turn, i, reason, RANK_PARAMETER);
}

/** Continues the verb of a line that is illegal, over octets [from, end); returns false when the session is reset for it. */
export function maskedVerb(turn: Turn, from: number, end: number): boolean {
  const { words, at, octets, policy } = turn;
  let node = words[at + NODE]!;
  for (let i = from; i < end && node !== 0; i++) {
    if (octets[i] === SP) {
      words[at + NODE] = 0;
      return maskedVerbEnd(turn, node, i);
    }
    if (octets[i] === HT && onlyBlanks(octets, i, end)) {
      words[at + NODE] = 0;
      nameVerb(turn, policy.verbTrie.word[node]!, i);
      return true;
    }
    node = policy.verbTrie.next[node * COLUMNS + FOLD[octets[i]!]!]!;
  }
  words[at + NODE] = node;
  return true;
}

function onlyBlanks(octets: Uint8Array, from: number, end: number): boolean {
  for (let i = from; i < end; i++) if (octets[i] !== SP && octets[i] !== HT) return false;
  return true;
}

/** The verb of an illegal line is complete at trie node `node`: it says what the cause is called. */
export function maskedVerbEnd(turn: Turn, node: number, i: number): boolean {
  const { words, at, policy } = turn;
  const found = policy.verbTrie.word[node]!;
  if (found < 0) return true;
  words[at + VERB] = found;
  if (((policy.signatureVerbs >>> found) & 1) === 1 && verbRefused(turn, found, i)) return false;
  nameVerb(turn, found, i);
  return true;
}

/** A verb that would be legal had its keyword been visible is called so. */
function nameVerb(turn: Turn, found: number, i: number): void {
  if (found < 0 || ((turn.policy.verbs >>> found) & 1) === 0) return;
  if (turn.words[turn.at + FAULT] === CMD_ILLEGAL) fault(turn, i, CMD_NOT_OFFERED, RANK_NOT_OFFERED);
}

/** A line begins. */
export function beginCommand(turn: Turn, sasl: boolean): void {
  const { words, at } = turn;
  words[at + PHASE] = sasl ? PHASE_SASL : PHASE_START;
  words[at + NODE] = ROOT;
  words[at + VERB] = 0;
  words[at + COUNT] = 0;
  words[at + AUX] = 0;
  words[at + FAULT] = 0;
}

/** True while the line may become, or is, a BDAT command: it leaves whole or not at all. */
export function isChunkLine(turn: Turn): boolean {
  const { words, at, policy } = turn;
  if (words[at + VERB] === BDAT) return true;
  if (words[at + PHASE] !== PHASE_VERB) return false;
  return (((policy.verbTrie.under[words[at + NODE]!]! & words[at + USABLE]!) >>> BDAT) & 1) === 1;
}
