// Mail data: from the 354 to CR LF . CR LF (RFC 5321 4.1.1.4), which is the only end.
//
// Other forms of an end, which some servers accept, lose their dot to an `x`.  A dot at what anybody may take for the start of
// a line is held with the blanks and controls behind it, at most 65 octets, until it is clear what it is.  Lines for
// the limits end with LF.  In the body of the message the scan skips from line end to line end.

import {
  DATA_BARE_NEWLINE,
  DATA_EOD_LOOKALIKE,
  DATA_LINE_TOO_LONG,
  DATA_NUL,
  HEADER_LINE_TOO_LONG,
  SIG_3105,
} from '../../telemetry/reasons.ts';
import { FORWARD, RESET } from '../inspector.ts';
import { ACTION_NONE, ACTION_RESET } from './declare.ts';
import { FIELD_NONE, fieldOctet, lineBegins } from './field.ts';
import { CR, HT, LF, SP } from './phase.ts';
import {
  COUNT,
  DATA_AT,
  DATA_BODY,
  DATA_FLAGS,
  DATA_LOGGED_HEADER,
  DATA_LOGGED_LONG,
  DATA_LOGGED_LOOKALIKE,
  DATA_LOGGED_NEWLINE,
  DATA_LOGGED_NUL,
  DATA_STRICT,
  DATA_STUFFED,
  DECODE,
  DOT,
  FIELD,
  FIELD_START,
  LAST_TIME,
  LINE_START,
  MODE,
  MODE_DATA,
  NAME_LENGTH,
  RECEIVED,
  RELEASED,
} from './state.ts';
import type { Turn } from './turn.ts';

// DATA_AT: what came before the next octet.
const TEXT = 0;
const AFTER_CR = 1;
/** CR LF, or the start of the message. */
const AFTER_CRLF = 2;
const AFTER_LF = 3;
/** Controls behind a CR or LF. */
const IGNORED = 4;
/** A dot is held, and COUNT octets behind it. */
const HELD_DOT = 5;
/** A dot at a strict line start and CR. */
const HELD_CR = 6;
/** The end of data was read. */
export const DATA_ENDED = 7;

const MASK = 0x78;
const PERIOD = 0x2e;
const DEL = 0x7f;
const LOOK_AHEAD = 64;
/** CR and every control that needs a look are not above it. */
const LAST_CONTROL = 13;
const DECODE_ALIAS = Uint8Array.of(0x64, 0x65, 0x63, 0x6f, 0x64, 0x65, 0x40);

/** Enters mail data; the next client octet is the first of the message. */
export function beginData(turn: Turn): void {
  const { words, at } = turn;
  words[at + MODE] = MODE_DATA;
  words[at + DATA_AT] = AFTER_CRLF;
  words[at + DATA_FLAGS] = 0;
  words[at + LINE_START] = words[at + RELEASED]!;
  words[at + FIELD_START] = words[at + RELEASED]!;
  words[at + FIELD] = FIELD_NONE;
  words[at + NAME_LENGTH] = 0;
  words[at + DECODE] = 0;
  words[at + RECEIVED] = 0;
  words[at + LAST_TIME] = turn.now;
}

/**
 * Judges octets [from, to) of mail data; returns the index behind the end of data (DATA_AT is DATA_ENDED then) or, when
 * there was none, `to`.  Less than `to` without an end: a reset, or the table of edits was full.
 */
export function mailData(turn: Turn, from: number, to: number): number {
  const { words, at, octets, origin } = turn;
  words[at + LAST_TIME] = turn.now;
  turn.portion = from;
  let i = from;
  while (i < to) {
    const state = words[at + DATA_AT]!;
    if (state === TEXT) {
      i = textOctets(turn, i, to);
      if (turn.verdict === RESET) return i;
      if (i < to) i = lineEnd(turn, i);
      continue;
    }
    if (state === HELD_CR && octets[i] === LF) {
      words[at + RELEASED] = (origin + i + 1) | 0;
      words[at + DATA_AT] = DATA_ENDED;
      return i + 1;
    }
    const next = state >= HELD_DOT ? heldOctet(turn, i, state) : startOctet(turn, i, state);
    if (turn.verdict === RESET || turn.out.again) return i;
    i = next;
  }
  unfinishedLine(turn, i);
  if (turn.verdict === FORWARD) words[at + RELEASED] = words[at + DATA_AT]! >= HELD_DOT ? words[at + DOT]! : (origin + i) | 0;
  return i;
}

/** CR or LF at `i` behind text. */
function lineEnd(turn: Turn, i: number): number {
  const { words, at } = turn;
  if (turn.octets[i] === CR) {
    words[at + DATA_AT] = AFTER_CR;
    return i + 1;
  }
  noteNewline(turn);
  endLine(turn, i, i + 1, AFTER_LF);
  return turn.verdict === RESET ? i : i + 1;
}

/** A line ends: its last octet is the one before `end`, the next line begins at `next`. */
function endLine(turn: Turn, end: number, next: number, state: number): void {
  const { words, at, origin } = turn;
  const length = lineLength(turn, end);
  if ((words[at + DATA_FLAGS]! & DATA_BODY) !== 0) longBody(turn, length);
  else {
    longHeader(turn, length);
    if (length === 0) {
      words[at + DATA_FLAGS]! |= DATA_BODY;
      words[at + FIELD] = FIELD_NONE;
    }
  }
  if (turn.verdict === RESET) return;
  words[at + LINE_START] = (origin + next) | 0;
  words[at + DATA_FLAGS]! &= ~DATA_STUFFED;
  words[at + DATA_AT] = state;
}

/** Octets of the line before index `end`, without the dot of transparency. */
function lineLength(turn: Turn, end: number): number {
  const { words, at } = turn;
  const stuffed = (words[at + DATA_FLAGS]! & DATA_STUFFED) !== 0 ? 1 : 0;
  return (turn.origin + end - words[at + LINE_START]! - stuffed) | 0;
}

/** The call ends before index `end`: the limits hold for what there is of the line. */
function unfinishedLine(turn: Turn, end: number): void {
  const { words, at } = turn;
  const state = words[at + DATA_AT]!;
  if (state > AFTER_CR) return;
  const length = lineLength(turn, state === AFTER_CR ? end - 1 : end);
  if ((words[at + DATA_FLAGS]! & DATA_BODY) !== 0) longBody(turn, length);
  else longHeader(turn, length);
}

function longBody(turn: Turn, length: number): void {
  const { words, at, policy } = turn;
  if (length <= policy.bodyLimit || policy.bodyAction === ACTION_NONE) return;
  if (policy.bodyAction === ACTION_RESET) resetField(turn, DATA_LINE_TOO_LONG, length, words[at + LINE_START]!);
  else note(turn, DATA_LOGGED_LONG, DATA_LINE_TOO_LONG, length);
}

function longHeader(turn: Turn, length: number): void {
  const { policy } = turn;
  if (length <= policy.headerLimit || policy.headerAction === ACTION_NONE) return;
  if (policy.headerAction === ACTION_RESET) resetField(turn, HEADER_LINE_TOO_LONG, length, turn.words[turn.at + FIELD_START]!);
  else note(turn, DATA_LOGGED_HEADER, HEADER_LINE_TOO_LONG, length);
}

/** Resets; what came before the field, which began at position `start`, may leave. */
function resetField(turn: Turn, reason: number, value: number, start: number): void {
  turn.reset(reason, value, turn.portion, turn.portion);
  releaseBefore(turn, start);
}

function releaseBefore(turn: Turn, start: number): void {
  const { words, at } = turn;
  if (((start - words[at + RELEASED]!) | 0) > 0) words[at + RELEASED] = start;
}

/** An event once in a message. */
function note(turn: Turn, flag: number, reason: number, value: number): void {
  const { words, at } = turn;
  if ((words[at + DATA_FLAGS]! & flag) !== 0) return;
  words[at + DATA_FLAGS]! |= flag;
  turn.event(reason, value, 0, 0);
}

function noteNewline(turn: Turn): void {
  note(turn, DATA_LOGGED_NEWLINE, DATA_BARE_NEWLINE, 0);
}

/** Octet `i` where a line may begin, for the strict reader or for one that takes CR or LF alone for a line end. */
function startOctet(turn: Turn, i: number, state: number): number {
  const { words, at, octets, origin } = turn;
  const c = octets[i]!;
  if (state === AFTER_CR) {
    if (c === LF) {
      endLine(turn, i - 1, i + 1, AFTER_CRLF);
      return i + 1;
    }
    noteNewline(turn);
    if (((origin + i - 1) | 0) === words[at + LINE_START]) lineBegins(turn, CR);
    textOctet(turn, CR, i);
    if (turn.verdict === RESET) return i;
  }
  const position = (origin + i) | 0;
  if (c === PERIOD) {
    words[at + DOT] = position;
    words[at + COUNT] = 0;
    words[at + DATA_AT] = HELD_DOT;
    if (state === AFTER_CRLF) words[at + DATA_FLAGS]! |= DATA_STRICT;
    else words[at + DATA_FLAGS]! &= ~DATA_STRICT;
  } else if (c === CR) words[at + DATA_AT] = AFTER_CR;
  else if (c === LF) {
    noteNewline(turn);
    endLine(turn, i, i + 1, AFTER_LF);
  } else {
    if (position === words[at + LINE_START]) lineBegins(turn, c);
    if (!isControl(c)) {
      words[at + DATA_AT] = TEXT;
      return i;
    }
    if (c === 0) note(turn, DATA_LOGGED_NUL, DATA_NUL, 0);
    textOctet(turn, c, i);
    words[at + DATA_AT] = IGNORED;
  }
  return i + 1;
}

/** NUL, other C0 controls but HT, DEL. */
function isControl(c: number): boolean {
  return (c < SP && c !== HT) || c === DEL;
}

/** Octet `i` behind a dot that is held. */
function heldOctet(turn: Turn, i: number, state: number): number {
  const { words, at, octets } = turn;
  const c = octets[i]!;
  if (state === HELD_CR) {
    if (defuse(turn)) words[at + DATA_AT] = AFTER_CR;
    return i;
  }
  const run = words[at + COUNT]!;
  if (c === CR && run === 0 && (words[at + DATA_FLAGS]! & DATA_STRICT) !== 0) {
    words[at + DATA_AT] = HELD_CR;
    return i + 1;
  }
  if (c === CR || c === LF || (c === 0 && run === 0)) {
    defuse(turn);
    return i;
  }
  if (c !== SP && c !== HT && !isControl(c)) {
    leaveDot(turn, run === 0 ? c : SP, true);
    return i;
  }
  if (run + 1 === LOOK_AHEAD && !defuse(turn)) return i;
  if (c === 0) note(turn, DATA_LOGGED_NUL, DATA_NUL, 0);
  words[at + COUNT] = run + 1;
  return i + 1;
}

/** The dot that is held becomes `x`.  False when the table of edits is full. */
function defuse(turn: Turn): boolean {
  const { words, at, out } = turn;
  const dot = words[at + DOT]!;
  if (!out.edit(dot, (dot + 1) | 0, MASK)) {
    out.again = true;
    return false;
  }
  note(turn, DATA_LOGGED_LOOKALIKE, DATA_EOD_LOOKALIKE, 0);
  leaveDot(turn, MASK, false);
  return true;
}

/** The dot is clear; `first` is the first octet of the line's text, `stuffed` says whether the dot is not part of it. */
function leaveDot(turn: Turn, first: number, stuffed: boolean): void {
  const { words, at } = turn;
  const begins = words[at + DOT] === words[at + LINE_START];
  words[at + DATA_AT] = TEXT;
  if (begins) {
    if (stuffed) words[at + DATA_FLAGS]! |= DATA_STUFFED;
    lineBegins(turn, first);
  }
  // the held octets are octets of the field
  if (!begins || !stuffed) textOctet(turn, stuffed ? PERIOD : MASK, turn.portion);
  for (let held = words[at + COUNT]!; held > 0 && turn.verdict === FORWARD; held--) textOctet(turn, SP, turn.portion);
}

/** Text up to a CR or LF, or to `to`.  May step over whole lines of the body. */
function textOctets(turn: Turn, from: number, to: number): number {
  const { words, at, policy } = turn;
  if ((words[at + DATA_FLAGS]! & DATA_BODY) !== 0) {
    return words[at + FIELD] === FIELD_NONE ? bodyOctets(turn, from, to) : fieldOctets(turn, from, to, false);
  }
  if (policy.headerAction !== ACTION_RESET) return fieldOctets(turn, from, to, policy.signatures);
  // no octet behind the limit is looked at
  const room = policy.headerLimit - lineLength(turn, from);
  const stop = room < to - from ? from + Math.max(room, 0) : to;
  const i = fieldOctets(turn, from, stop, policy.signatures);
  if (turn.verdict === FORWARD && i === stop && stop < to && turn.octets[i] !== CR && turn.octets[i] !== LF)
    longHeader(turn, policy.headerLimit + 1);
  return i;
}

/** Text of a header field or of a part's content field; `signatures` asks for those of a header. */
function fieldOctets(turn: Turn, from: number, to: number, signatures: boolean): number {
  const { words, at, octets } = turn;
  let i = from;
  for (; i < to; i++) {
    const c = octets[i]!;
    if (c === CR || c === LF) return i;
    if (c === 0) note(turn, DATA_LOGGED_NUL, DATA_NUL, 0);
    if (signatures) decodeOctet(turn, c, i);
    if (words[at + FIELD] !== FIELD_NONE) fieldOctet(turn, c, i);
    if (turn.verdict === RESET) {
      releaseBefore(turn, words[at + FIELD_START]!);
      return i;
    }
  }
  return i;
}

/** One octet of text that the loops over text do not see: a CR that was no line end, a dot that was held. */
function textOctet(turn: Turn, c: number, i: number): void {
  const { words, at, policy } = turn;
  if (policy.signatures && (words[at + DATA_FLAGS]! & DATA_BODY) === 0) decodeOctet(turn, c, i);
  if (words[at + FIELD] !== FIELD_NONE) fieldOctet(turn, c, i);
  if (turn.verdict === RESET) releaseBefore(turn, words[at + FIELD_START]!);
}

/** Signature 3105: `decode@` anywhere in a header field. */
function decodeOctet(turn: Turn, c: number, i: number): void {
  const { words, at } = turn;
  const matched = words[at + DECODE]!;
  const lower = c >= 0x41 && c <= 0x5a ? c | 0x20 : c;
  if (lower === DECODE_ALIAS[matched]) {
    words[at + DECODE] = matched + 1;
    if (matched + 1 === DECODE_ALIAS.length) turn.reset(SIG_3105, 0, turn.portion, i + 1);
  } else if (matched === 6 && lower === 0x63) words[at + DECODE] = 3;
  else words[at + DECODE] = lower === 0x64 ? 1 : 0;
}

/** Lines of the body: skips to the next control; a line that begins with an octet of no interest goes on in the same loop. */
function bodyOctets(turn: Turn, from: number, to: number): number {
  const { words, at, octets, origin, policy } = turn;
  const limit = policy.bodyAction === ACTION_NONE ? 0x7fffffff : policy.bodyLimit;
  let begin = (words[at + LINE_START]! - origin + ((words[at + DATA_FLAGS]! & DATA_STUFFED) === 0 ? 0 : 1)) | 0;
  const quads = turn.quads();
  const shift = octets.byteOffset;
  let i = from;
  while (i < to) {
    while (i < to && ((i + shift) & 3) !== 0 && octets[i]! > LAST_CONTROL) i++;
    if (((i + shift) & 3) === 0) i = skipQuads(quads, (i + shift) >> 2, (to + shift) >> 2) * 4 - shift;
    while (i < to && octets[i]! > LAST_CONTROL) i++;
    if (i === to) break;
    const c = octets[i]!;
    if (c === CR || c === LF) {
      if (c === LF || i + 2 >= to || octets[i + 1] !== LF || i - begin > limit || mayMatter(octets[i + 2]!)) break;
      begin = i + 2;
      words[at + LINE_START] = (origin + begin) | 0;
      words[at + DATA_FLAGS]! &= ~DATA_STUFFED;
      i += 3;
      continue;
    }
    if (c === 0) note(turn, DATA_LOGGED_NUL, DATA_NUL, 0);
    i++;
  }
  return i;
}

/**
 * The first of words [from, to) with an octet of 13 or less, or `to`.  Four octets a step: subtracting 14 from an octet borrows
 * into its highest bit exactly when it was less, unless that bit was set before (three times as fast as octets one by one).
 */
function skipQuads(quads: Int32Array, from: number, to: number): number {
  let k = from;
  while (k < to) {
    const quad = quads[k]!;
    if (((quad - 0x0e0e0e0e) & ~quad & 0x80808080) !== 0) return k;
    k++;
  }
  return k;
}

/** True for an octet at the start of a body line that needs more than the skip loop: dots, controls, and the `C` of Content-. */
function mayMatter(c: number): boolean {
  return c <= LAST_CONTROL || c === PERIOD || c === DEL || (c | 0x20) === 0x63 || isControl(c);
}

/**
 * The client's FIN behind what is held of mail data: a dot with nothing but blanks behind it leaves as it is, one with a
 * CR cannot become the true end any more and is defused.
 */
export function releaseHeldData(turn: Turn, position: number): void {
  const { words, at } = turn;
  const state = words[at + DATA_AT]!;
  if (state < HELD_DOT) return;
  if (state === HELD_CR) defuse(turn);
  words[at + RELEASED] = position;
}
