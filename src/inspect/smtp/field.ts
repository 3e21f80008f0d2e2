// Header fields of a message, and Content-Type and Content-Disposition fields of its parts: Received is counted, Reply-To
// searched for a back quote, file names are measured (RFC 2045, 2183; pieces of RFC 2231 and folded lines added up).
//
// Nothing here depends on boundaries: a field is looked at wherever a line begins with its name.  Lengths are those of
// the octets as sent, percent encoding included, quotes and backslashes not.

import { HEADER_HOP_COUNT, MIME_FILENAME_TOO_LONG, SIG_3107 } from '../../telemetry/reasons.ts';
import { ACTION_NONE, ACTION_RESET } from './declare.ts';
import { HT, SP } from './phase.ts';
import {
  DATA_BODY,
  DATA_FLAGS,
  DATA_LOGGED_HOPS,
  DATA_LOGGED_NAME,
  DECODE,
  FIELD,
  FIELD_NODE,
  FIELD_START,
  LINE_START,
  NAME_LENGTH,
  RECEIVED,
} from './state.ts';
import { buildTrie, COLUMNS, FOLD, ROOT } from './trie.ts';
import type { Turn } from './turn.ts';

/** A line of no interest. */
export const FIELD_NONE = 0;
const NAME = 1;
const NAME_END = 2;
const REPLY_TO = 3;
const PARAMETER = 4;
const ATTRIBUTE = 5;
const SECTION = 6;
const ATTRIBUTE_END = 7;
const VALUE = 8;
const TOKEN = 9;
const QUOTED = 10;
const ESCAPED = 11;
const SKIP = 12;
const SKIP_QUOTED = 13;
const SKIP_ESCAPED = 14;

const F_RECEIVED = 0;
const F_REPLY_TO = 1;
const F_CONTENT = 2;
const FIELDS = buildTrie([
  ['RECEIVED', F_RECEIVED],
  ['REPLY-TO', F_REPLY_TO],
  ['CONTENT-TYPE', F_CONTENT],
  ['CONTENT-DISPOSITION', F_CONTENT],
]);
const ATTRIBUTES = buildTrie([
  ['NAME', 0],
  ['FILENAME', 0],
]);

const COLON = 0x3a;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const ASTERISK = 0x2a;
const DQUOTE = 0x22;
const BACKSLASH = 0x5c;

/** A line begins with octet `c` (behind a dot that is transparency): it continues the field, or is a new one. */
export function lineBegins(turn: Turn, c: number): void {
  const { words, at } = turn;
  const body = (words[at + DATA_FLAGS]! & DATA_BODY) !== 0;
  if ((c === SP || c === HT) && (!body || words[at + FIELD] !== FIELD_NONE)) return;
  words[at + FIELD_START] = words[at + LINE_START]!;
  words[at + FIELD] = !body || (c | 0x20) === 0x63 ? NAME : FIELD_NONE;
  words[at + FIELD_NODE] = ROOT;
  words[at + NAME_LENGTH] = 0;
  words[at + DECODE] = 0;
}

/** Octet `c` at index `i` of a line whose field is not FIELD_NONE; may reset. */
export function fieldOctet(turn: Turn, c: number, i: number): void {
  const { words, at } = turn;
  const state = words[at + FIELD]!;
  if (state > REPLY_TO) {
    words[at + FIELD] = parameterOctet(turn, state, c, i);
    return;
  }
  if (state === REPLY_TO) {
    if (c === 0x60) turn.reset(SIG_3107, 0, turn.portion, i + 1);
    return;
  }
  if (c === COLON) {
    words[at + FIELD] = nameEnds(turn, FIELDS.word[words[at + FIELD_NODE]!]!);
    return;
  }
  if (c === SP || c === HT) {
    words[at + FIELD] = NAME_END;
    return;
  }
  const node = state === NAME ? FIELDS.next[words[at + FIELD_NODE]! * COLUMNS + FOLD[c]!]! : 0;
  words[at + FIELD_NODE] = node;
  if (node === 0) words[at + FIELD] = FIELD_NONE;
}

/** The colon behind a field name; returns the state of its body. */
function nameEnds(turn: Turn, field: number): number {
  const { words, at, policy } = turn;
  const flags = words[at + DATA_FLAGS]!;
  if (field === F_CONTENT) return policy.nameAction === ACTION_NONE ? FIELD_NONE : PARAMETER;
  if ((flags & DATA_BODY) !== 0) return FIELD_NONE;
  if (field === F_REPLY_TO) return policy.signatures ? REPLY_TO : FIELD_NONE;
  if (field !== F_RECEIVED || ++words[at + RECEIVED]! <= policy.maxReceived || (flags & DATA_LOGGED_HOPS) !== 0) return FIELD_NONE;
  words[at + DATA_FLAGS] = flags | DATA_LOGGED_HOPS;
  turn.event(HEADER_HOP_COUNT, words[at + RECEIVED]!, 0, 0);
  return FIELD_NONE;
}

/** One octet of a list of parameters; returns the next state. */
function parameterOctet(turn: Turn, state: number, c: number, i: number): number {
  switch (state) {
    case QUOTED:
      if (c === DQUOTE) return TOKEN;
      return c === BACKSLASH ? ESCAPED : measured(turn, QUOTED, i);
    case ESCAPED:
      return measured(turn, QUOTED, i);
    case SKIP_QUOTED:
      return c === DQUOTE ? SKIP : c === BACKSLASH ? SKIP_ESCAPED : SKIP_QUOTED;
    case SKIP_ESCAPED:
      return SKIP_QUOTED;
    default:
      break;
  }
  if (c === SEMICOLON) return PARAMETER;
  const blank = c === SP || c === HT;
  switch (state) {
    case VALUE:
      return blank ? VALUE : c === DQUOTE ? QUOTED : measured(turn, TOKEN, i);
    case TOKEN:
      return blank ? TOKEN : c === DQUOTE ? QUOTED : measured(turn, TOKEN, i);
    case SKIP:
      return c === DQUOTE ? SKIP_QUOTED : SKIP;
    case PARAMETER:
      if (blank) return PARAMETER;
      turn.words[turn.at + FIELD_NODE] = ROOT;
      return attributeOctet(turn, c);
    case ATTRIBUTE:
      return blank ? attributeEnds(turn, ATTRIBUTE_END) : attributeOctet(turn, c);
    default:
      break;
  }
  if (c === EQUALS) return VALUE;
  if (c === ASTERISK || (state === SECTION && c >= 0x30 && c <= 0x39)) return SECTION;
  return blank ? ATTRIBUTE_END : c === DQUOTE ? SKIP_QUOTED : SKIP;
}

function attributeOctet(turn: Turn, c: number): number {
  const { words, at } = turn;
  if (c === EQUALS) return attributeEnds(turn, VALUE);
  if (c === ASTERISK) return attributeEnds(turn, SECTION);
  if (c === DQUOTE) return SKIP_QUOTED;
  const node = ATTRIBUTES.next[words[at + FIELD_NODE]! * COLUMNS + FOLD[c]!]!;
  words[at + FIELD_NODE] = node;
  return node === 0 ? SKIP : ATTRIBUTE;
}

/** `next` when the attribute is name or filename. */
function attributeEnds(turn: Turn, next: number): number {
  return ATTRIBUTES.word[turn.words[turn.at + FIELD_NODE]!]! >= 0 ? next : SKIP;
}

/** One octet of a file name. */
function measured(turn: Turn, next: number, i: number): number {
  const { words, at, policy } = turn;
  const length = ++words[at + NAME_LENGTH]!;
  if (length <= policy.nameLimit) return next;
  if (policy.nameAction === ACTION_RESET) turn.reset(MIME_FILENAME_TOO_LONG, length, turn.portion, i + 1);
  else if ((words[at + DATA_FLAGS]! & DATA_LOGGED_NAME) === 0) {
    words[at + DATA_FLAGS]! |= DATA_LOGGED_NAME;
    turn.event(MIME_FILENAME_TOO_LONG, length, turn.portion, i + 1);
  }
  return next;
}
