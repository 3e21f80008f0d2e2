// Replies of the server, line by line (RFC 5321 4.2).  A line is held until its LF (at most 4096 octets), judged and
// released whole, so what the client sees never depends on how the server's stream was cut.
//
// LF ends a line with or without CR.  A line without a usable code passes and answers nothing.  Which reply belongs to which command, and what it
// changes, is in sync.ts; the lines of an EHLO reply are in ehlo.ts.

import { SMTP_MASKED_REPLIES } from '../../telemetry/counters.ts';
import {
  BANNER_MASKED,
  REPLY_BARE_NEWLINE,
  REPLY_DESYNC,
  REPLY_EARLY_DATA,
  REPLY_SYNTAX,
  REPLY_TOO_LONG,
  REPLY_UNSOLICITED,
  STARTTLS_INJECTION,
} from '../../telemetry/reasons.ts';
import { FORWARD, MAX_EDITS, MAX_EVENTS } from '../inspector.ts';
import { traceReply, traceReplyEnd } from './debug.ts';
import { ehloLine, keywordOctets } from './ehlo.ts';
import { CR, LF, SP } from './phase.ts';
import {
  CONNECTION,
  CONNECTION_BANNER,
  CONNECTION_GARBLED,
  CONNECTION_LEFT,
  CONNECTION_REPLY_SYNTAX,
  MODE,
  MODE_DATA,
  MODE_TLS,
  OFFERED,
  OPEN_CODE,
  OUTSTANDING,
  REPLY,
  REPLY_CODE,
  REPLY_CODELESS,
  REPLY_CR,
  REPLY_INDEX,
  REPLY_MORE,
  REPLY_NODE,
  REPLY_OPEN,
  REPLY_REFUSED,
  REPLY_START,
  REPLY_STRAY,
  SYNC,
  SYNC_AUTH,
  SYNC_DATA,
  SYNC_EHLO,
  SYNC_GREETING,
  SYNC_HELO,
  SYNC_KIND,
  SYNC_LATE,
  SYNC_SASL,
} from './state.ts';
import { allOutstanding, popOldest, replyComplete } from './sync.ts';
import { ROOT } from './trie.ts';
import type { Turn } from './turn.ts';

/** RFC 5321 4.5.3.1.5, with code and CR LF; longer lines are logged. */
const REPLY_LIMIT = 512;
/** Octets of a line that are held; more reset. */
const REPLY_HELD = 4096;
const HYPHEN = 0x2d;
/** Kind of every reply that changes nothing. */
const SYNC_OTHER = 0;

/** Judges server octets [from, to); returns the index of the first that was not judged. */
export function scanReplies(turn: Turn, from: number, to: number): number {
  const { words, at, octets, out } = turn;
  let i = from;
  while (i < to) {
    if (words[at + MODE] === MODE_TLS) {
      turn.reset(STARTTLS_INJECTION, to - i, i, to);
      return i;
    }
    if (out.eventCount > MAX_EVENTS - 8 || out.editCount === MAX_EDITS) {
      out.again = true;
      return i;
    }
    let end = i;
    while (end < to && octets[end] !== LF) end++;
    lineOctets(turn, i, end);
    const length = (turn.origin + end - words[at + REPLY_START]! + (end < to ? 1 : 0)) | 0;
    if (length > REPLY_HELD) {
      turn.reset(REPLY_TOO_LONG, length, i, end);
      return i;
    }
    if (turn.debug !== null) traceReply(turn, i, Math.min(end + 1, to));
    if (end === to) return to;
    const wake = endLine(turn, i, end, length);
    if (turn.verdict !== FORWARD) return i;
    i = end + 1;
    if (wake) {
      out.wakeOther = true;
      return i;
    }
  }
  return to;
}

/** Octets [from, end) of a line, none of them LF. */
function lineOctets(turn: Turn, from: number, end: number): void {
  const { words, at, octets } = turn;
  let i = from;
  let place = (turn.origin + from - words[at + REPLY_START]!) | 0;
  if (place === 0 && end - from >= 4 && wholeCode(turn, from)) {
    place = 4;
    i += 4;
  }
  for (; place < 4 && i < end; i++, place++) codeOctet(turn, octets[i]!, place);
  if (i < end) {
    if (place === 4 && (words[at + REPLY]! & (REPLY_CR | REPLY_CODELESS)) === REPLY_CR) words[at + REPLY]! |= REPLY_CODELESS;
    if ((words[at + SYNC]! & SYNC_KIND) === SYNC_EHLO) keywordOctets(turn, i, end);
  }
  if (end === from) return;
  if (octets[end - 1] === CR) words[at + REPLY]! |= REPLY_CR;
  else words[at + REPLY]! &= ~REPLY_CR;
}

/** The usual start of a line, four octets at once: a usable code and SP or `-`. */
function wholeCode(turn: Turn, i: number): boolean {
  const { words, at, octets } = turn;
  const a = octets[i]! - 0x30;
  const b = octets[i + 1]! - 0x30;
  const c = octets[i + 2]! - 0x30;
  const separator = octets[i + 3]!;
  if (a < 2 || a > 5 || b < 0 || b > 5 || c < 0 || c > 9 || (separator !== SP && separator !== HYPHEN)) return false;
  words[at + REPLY_CODE] = a * 100 + b * 10 + c;
  if (separator === HYPHEN) words[at + REPLY]! |= REPLY_MORE;
  return true;
}

/** Reply-code = %x32-35 %x30-35 %x30-39, and SP or `-` or the end of the line behind it. */
function codeOctet(turn: Turn, c: number, place: number): void {
  const { words, at } = turn;
  if (place === 3) {
    if (c === HYPHEN) words[at + REPLY]! |= REPLY_MORE;
    else if (c === CR) words[at + REPLY]! |= REPLY_CR;
    else if (c !== SP) words[at + REPLY]! |= REPLY_CODELESS;
    return;
  }
  const least = place === 0 ? 0x32 : 0x30;
  const most = place === 2 ? 0x39 : 0x35;
  if (c < least || c > most) words[at + REPLY]! |= REPLY_CODELESS;
  else words[at + REPLY_CODE] = words[at + REPLY_CODE]! * 10 + (c - 0x30);
}

/** LF at index `end` completes a line of `length` octets.  Returns true when the client's octets are to be judged first. */
function endLine(turn: Turn, from: number, end: number, length: number): boolean {
  const { words, at } = turn;
  const cr = (words[at + REPLY]! & REPLY_CR) !== 0;
  const content = length - (cr ? 2 : 1);
  if (!cr) turn.event(REPLY_BARE_NEWLINE, length, from, end);
  if (length > REPLY_LIMIT) turn.event(REPLY_TOO_LONG, length, from, end);
  const codeless = (words[at + REPLY]! & REPLY_CODELESS) !== 0 || content < 3;
  const complete = codeless ? codelessLine(turn, from, end, content) : codedLine(turn, from, end, content);
  if (turn.verdict !== FORWARD) return false;
  if (turn.debug !== null) traceReplyEnd(turn, length);
  words[at + REPLY_INDEX]!++;
  nextLine(turn, end);
  if (!complete) return false;
  const code = words[at + OPEN_CODE]!;
  const open = words[at + REPLY]!;
  words[at + OPEN_CODE] = 0;
  words[at + REPLY]! &= ~REPLY_OPEN;
  if ((open & REPLY_STRAY) === 0) replyComplete(turn, code, (open & REPLY_REFUSED) !== 0, from, end);
  return (words[at + CONNECTION]! & CONNECTION_LEFT) !== 0 && words[at + SYNC] === 0;
}

function nextLine(turn: Turn, end: number): void {
  const { words, at } = turn;
  words[at + REPLY_START] = (turn.origin + end + 1) | 0;
  words[at + REPLY]! &= REPLY_OPEN;
  words[at + REPLY_CODE] = 0;
  words[at + REPLY_NODE] = ROOT;
}

/** A line without a usable code answers nothing; the command that it seems to answer is garbled. */
function codelessLine(turn: Turn, from: number, end: number, content: number): boolean {
  const { words, at } = turn;
  noteSyntax(turn, from, end);
  if ((words[at + SYNC]! & SYNC_KIND) === SYNC_GREETING) maskBanner(turn, content);
  if (words[at + OPEN_CODE] === 0 && allOutstanding(turn) > 0) words[at + CONNECTION]! |= CONNECTION_GARBLED;
  return false;
}

function noteSyntax(turn: Turn, from: number, end: number): void {
  const { words, at } = turn;
  if ((words[at + CONNECTION]! & CONNECTION_REPLY_SYNTAX) !== 0) return;
  words[at + CONNECTION]! |= CONNECTION_REPLY_SYNTAX;
  turn.event(REPLY_SYNTAX, 0, from, end);
}

/** Returns true when the line completes a reply. */
function codedLine(turn: Turn, from: number, end: number, content: number): boolean {
  const { words, at } = turn;
  const first = words[at + OPEN_CODE] === 0;
  if (first) openReply(turn, from, end);
  else if (words[at + REPLY_CODE] !== words[at + OPEN_CODE]) changedCode(turn, from, end);
  if (turn.verdict !== FORWARD) return false;
  const kind = openKind(turn);
  if (kind === SYNC_GREETING) maskBanner(turn, content);
  if (kind === SYNC_EHLO && words[at + OPEN_CODE] === 250) {
    if (first) words[at + OFFERED] = 0;
    else ehloLine(turn, from, end, content);
    if (turn.verdict !== FORWARD) return false;
  }
  return (words[at + REPLY]! & REPLY_MORE) === 0;
}

/** What the open reply answers: SYNC_..., or SYNC_OTHER where it changes nothing. */
function openKind(turn: Turn): number {
  const { words, at } = turn;
  if (words[at + OUTSTANDING]! > 0 || (words[at + REPLY]! & REPLY_OPEN) !== 0) return SYNC_OTHER;
  return words[at + SYNC]! & SYNC_KIND;
}

/** The first line of a reply: finds the command that it answers. */
function openReply(turn: Turn, from: number, end: number): void {
  const { words, at } = turn;
  const code = words[at + REPLY_CODE]!;
  if ((words[at + CONNECTION]! & CONNECTION_GARBLED) !== 0 && allOutstanding(turn) > 1) popOldest(turn);
  words[at + OPEN_CODE] = code;
  if (allOutstanding(turn) === 0) {
    strayReply(turn, code, from, end);
    return;
  }
  const kind = openKind(turn);
  if ((code === 354 && kind !== SYNC_DATA) || (code === 334 && kind !== SYNC_AUTH && kind !== SYNC_SASL)) {
    turn.reset(REPLY_DESYNC, code, from, end);
  } else if (kind !== SYNC_OTHER && (words[at + SYNC]! & SYNC_LATE) !== 0 && code >= 400) words[at + REPLY]! |= REPLY_REFUSED;
}

/** A reply to no command: 421 may come at any time, and a server may refuse mail data before their end. */
function strayReply(turn: Turn, code: number, from: number, end: number): void {
  turn.words[turn.at + REPLY]! |= REPLY_STRAY;
  if (code === 421) return;
  if (turn.words[turn.at + MODE] !== MODE_DATA) turn.reset(REPLY_UNSOLICITED, code, from, end);
  else if (code < 400) turn.reset(REPLY_DESYNC, code, from, end);
  else turn.event(REPLY_EARLY_DATA, code, from, end);
}

/** The code changes inside a reply: where it steers what follows, nobody can say which of the two holds. */
function changedCode(turn: Turn, from: number, end: number): void {
  const { words, at } = turn;
  const kind = openKind(turn);
  if (kind === SYNC_OTHER || kind === SYNC_GREETING || kind === SYNC_HELO) {
    noteSyntax(turn, from, end);
    return;
  }
  words[at + CONNECTION]! |= CONNECTION_REPLY_SYNTAX;
  turn.reset(REPLY_SYNTAX, words[at + REPLY_CODE]!, from, end);
}

/** `mask-banner`: the text of a greeting line becomes `*`, its first four octets stay. */
function maskBanner(turn: Turn, content: number): void {
  const { words, at, policy, out, counters } = turn;
  if (!policy.maskBanner || content <= 4) return;
  const start = words[at + REPLY_START]!;
  out.edit((start + 4) | 0, (start + content) | 0, 0x2a);
  counters[SMTP_MASKED_REPLIES]!++;
  if ((words[at + CONNECTION]! & CONNECTION_BANNER) !== 0) return;
  words[at + CONNECTION]! |= CONNECTION_BANNER;
  out.event(BANNER_MASKED, content, turn.octets, 0, 0);
}
