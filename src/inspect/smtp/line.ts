// Lines of the client, in command mode and in the SASL dialogue: what leaves, what is masked, what is logged.
//
// A line ends with CR LF and nothing else; a CR waits for the octet behind it.  Up to the octet that makes it illegal a
// line leaves as it arrives; from there, or from its start when nothing of it had left, every octet but the CR LF becomes
// `x`, and it is logged at the end of the segment in which it turned illegal, under the earliest cause among the octets
// seen by then.  With a hold time nothing of an incomplete line leaves before the timer.
//
// Of a line that was cut by a segment border its first 64 octets are kept, for the text of the alert; the octets behind
// them that came in earlier segments are not in it.

import { SMTP_COMMANDS, SMTP_MASKED_COMMANDS } from '../../telemetry/counters.ts';
import {
  ADDR_NO_BRACKETS,
  ADDR_PIPE,
  ADDR_ROUTE_CHAR,
  ADDR_SOURCE_ROUTE,
  ADDR_UNQUALIFIED,
  CMD_BARE_NEWLINE,
  CMD_LATE_MASK,
  CMD_TOO_LONG,
  ESMTP_POLICY_LOG,
  PIPELINE_NOT_OFFERED,
  RCPT_LIMIT,
} from '../../telemetry/reasons.ts';
import { FORWARD, RESET } from '../inspector.ts';
import { advance, beginCommand, endCommand, isChunkLine, maskedVerb, maskedVerbEnd } from './command.ts';
import { ACTION_LOG, ACTION_NONE, ACTION_RESET } from './declare.ts';
import { traceCommand, traceCommandEnd } from './debug.ts';
import { K_8BITMIME, K_AUTH, K_DELIVERBY, K_DSN, K_FUTURERELEASE, K_MT_PRIORITY, K_PIPELINING, K_SIZE, K_SMTPUTF8 } from './keywords.ts';
import { nameRest } from './cause.ts';
import { CR, fault, LF, PHASE_VERB, RANK_NEWLINE } from './phase.ts';
import {
  CONNECTION,
  CONNECTION_PIPELINING,
  COUNT,
  COMMAND_INDEX,
  FAULT,
  LAST_TIME,
  LINE,
  LINE_CR,
  LINE_EXPIRED,
  LINE_LATE,
  LINE_LOGGED,
  LINE_LONG,
  LINE_MASKED,
  LINE_NO_BRACKETS,
  LINE_PIPED,
  LINE_ROUTE,
  LINE_ROUTE_CHAR,
  LINE_START,
  LINE_STARTED,
  LINE_TIME,
  LINE_UNQUALIFIED,
  LINE_VERB,
  MODE,
  MODE_SASL,
  NODE,
  PHASE,
  PREFIX,
  PREFIX_LENGTH,
  RANK,
  RECIPIENTS,
  RELEASED,
  UTF8,
  VERB,
  VISIBLE,
} from './state.ts';
import { lineAnswered, maskedLineAnswered, outstanding } from './sync.ts';
import type { Turn } from './turn.ts';
import { UTF8_VALID } from './utf8.ts';
import { AUTH, RCPT, SENDER_VERBS } from './verbs.ts';

/** The mask octet: a letter, because servers cut a client off that begins a line with anything else. */
export const MASK = 0x78;
/** SASL lines and the AUTH command (RFC 4954 4), with CR LF. */
const SASL_LIMIT = 12_288;

/** Judges one line, or what there is of it, in octets [from, to); returns the index of the first octet that was not judged. */
export function scanLine(turn: Turn, from: number, to: number): number {
  const { words, at, octets } = turn;
  turn.portion = from;
  turn.faultAt = -1;
  if ((words[at + LINE]! & LINE_STARTED) === 0) beginLine(turn, from);
  let i = from;
  while (i < to) {
    if ((words[at + LINE]! & LINE_CR) !== 0) {
      if (octets[i] === LF) return endLine(turn, i);
      bareCr(turn, i);
      if (tooLong(turn, i)) return i;
    }
    const end = indexOfCr(octets, i, to);
    if (end > i) {
      i = (words[at + LINE]! & LINE_MASKED) === 0 ? legalOctets(turn, i, end) : maskedOctets(turn, i, end);
      if (i < end || turn.verdict !== FORWARD) return i;
    }
    if (i === to) break;
    words[at + LINE]! |= LINE_CR;
    i++;
  }
  settleLine(turn, to);
  return to;
}

function beginLine(turn: Turn, i: number): void {
  const { words, at } = turn;
  words[at + LINE] = LINE_STARTED;
  words[at + LINE_START] = (turn.origin + i) | 0;
  words[at + LINE_TIME] = turn.now;
  words[at + UTF8] = UTF8_VALID;
  words[at + RANK] = 0;
  words[at + PREFIX_LENGTH] = 0;
  beginCommand(turn, words[at + MODE] === MODE_SASL);
  notePipelining(turn, i);
}

/** A command before the reply to the one before it, once per session. */
export function notePipelining(turn: Turn, i: number): void {
  const { words, at } = turn;
  if (outstanding(turn) === 0 || ((words[at + VISIBLE]! >>> K_PIPELINING) & 1) === 1) return;
  if ((words[at + CONNECTION]! & CONNECTION_PIPELINING) !== 0) return;
  words[at + CONNECTION]! |= CONNECTION_PIPELINING;
  turn.event(PIPELINE_NOT_OFFERED, 0, i, i);
}

function indexOfCr(octets: Uint8Array, from: number, to: number): number {
  let i = from;
  while (i < to && octets[i] !== CR) i++;
  return i;
}

/** Octets [from, end) of a line that is legal so far; none behind its limit is looked at. */
function legalOctets(turn: Turn, from: number, end: number): number {
  const { words, at } = turn;
  let i = from;
  while (i < end) {
    const stop = limitBefore(turn, i, end);
    if (stop === i && tooLong(turn, i + 1)) return i;
    i = advance(turn, i, stop > i ? stop : end);
    if (turn.verdict !== FORWARD || turn.out.again) return i;
    if (words[at + FAULT] !== 0) {
      violate(turn, i);
      return maskedOctets(turn, i, end);
    }
  }
  return tooLong(turn, end) ? from : end;
}

/** `end`, or the index of the first octet behind the limit of the line as far as its verb is known. */
function limitBefore(turn: Turn, i: number, end: number): number {
  const limit = turn.words[turn.at + MODE] === MODE_SASL ? SASL_LIMIT : turn.policy.lineLimit;
  if (lineLength(turn, end) <= limit - 2) return end;
  return Math.max(i, Math.min(end, end - lineLength(turn, end) + lineLimit(turn) - 2));
}

function maskedOctets(turn: Turn, from: number, end: number): number {
  const { words, at } = turn;
  if ((words[at + LINE]! & LINE_VERB) !== 0 && !maskedVerb(turn, from, end)) return from;
  return tooLong(turn, end) ? from : end;
}

/** The line is illegal because of octet `i`: FAULT says why.  COUNT becomes the number of its octets that had left. */
function violate(turn: Turn, i: number): void {
  const { words, at } = turn;
  const gone = (words[at + RELEASED]! - words[at + LINE_START]!) | 0;
  words[at + COUNT] = gone;
  words[at + LINE]! |= LINE_MASKED | (gone > 0 ? LINE_LATE : 0) | (words[at + PHASE] === PHASE_VERB ? LINE_VERB : 0);
  turn.faultAt = i;
}

/** The CR before octet `i` was no line end. */
function bareCr(turn: Turn, i: number): void {
  const { words, at } = turn;
  words[at + LINE]! &= ~LINE_CR;
  words[at + NODE] = words[at + PHASE] === PHASE_VERB ? 0 : words[at + NODE]!;
  if ((words[at + LINE]! & LINE_MASKED) === 0) {
    fault(turn, i, CMD_BARE_NEWLINE, RANK_NEWLINE);
    violate(turn, i);
  } else if ((words[at + LINE]! & LINE_LOGGED) === 0) fault(turn, i, CMD_BARE_NEWLINE, RANK_NEWLINE);
}

/** Octets of the line before index `i`. */
function lineLength(turn: Turn, i: number): number {
  return (turn.origin + i - turn.words[turn.at + LINE_START]!) | 0;
}

/** Resets when the line, its CR LF included, is longer than its limit. */
function tooLong(turn: Turn, i: number): boolean {
  const { words, at, policy } = turn;
  const length = lineLength(turn, i);
  const sasl = words[at + MODE] === MODE_SASL;
  if (length <= policy.lineLimit - 2 && !sasl) return false;
  const limit = lineLimit(turn);
  if (length <= limit - 2) return false;
  if (sasl || policy.lineAction === ACTION_RESET) {
    turn.reset(CMD_TOO_LONG, length, turn.portion, i);
    return true;
  }
  if (policy.lineAction === ACTION_LOG && (words[at + LINE]! & LINE_LONG) === 0) {
    words[at + LINE]! |= LINE_LONG;
    turn.event(ESMTP_POLICY_LOG, length, turn.portion, i);
  }
  return false;
}

/** The limit of a command line: more by what the visible extensions add to it. */
function lineLimit(turn: Turn): number {
  const { words, at, policy } = turn;
  const verb = words[at + VERB]!;
  const visible = words[at + VISIBLE]!;
  if (words[at + MODE] === MODE_SASL) return SASL_LIMIT;
  if (verb === AUTH) return policy.esmtp ? Math.max(SASL_LIMIT, policy.lineLimit) : policy.lineLimit;
  if (verb === RCPT) return policy.lineLimit + ((visible >>> K_DSN) & 1) * 500;
  if (((SENDER_VERBS >>> verb) & 1) === 0) return policy.lineLimit;
  return (
    policy.lineLimit +
    ((visible >>> K_SIZE) & 1) * 26 +
    ((visible >>> K_8BITMIME) & 1) * 17 +
    ((visible >>> K_AUTH) & 1) * 500 +
    ((visible >>> K_SMTPUTF8) & 1) * 10 +
    ((visible >>> K_DELIVERBY) & 1) * 17 +
    ((visible >>> K_MT_PRIORITY) & 1) * 15 +
    ((visible >>> K_FUTURERELEASE) & 1) * 34 +
    ((visible >>> K_DSN) & 1) * 100
  );
}

/** The call ends inside the line, behind octet `to` - 1. */
function settleLine(turn: Turn, to: number): void {
  const { words, at, policy } = turn;
  const line = words[at + LINE]!;
  const end = (line & LINE_CR) !== 0 ? to - 1 : to;
  words[at + LAST_TIME] = turn.now;
  if (turn.debug !== null) traceCommand(turn, turn.portion, to);
  if ((line & LINE_MASKED) !== 0) {
    nameRest(turn, Math.max(end, turn.portion), false);
    if (policy.holdMs === 0 || (line & LINE_EXPIRED) !== 0) maskLine(turn, (turn.origin + end) | 0, Math.max(end, turn.portion));
  } else if (policy.holdMs === 0 && !isChunkLine(turn)) words[at + RELEASED] = (turn.origin + end) | 0;
  keepPrefix(turn, to);
}

/** Masks what has not left up to position `end`, and logs the line once; its octets in this call end before index `to`. */
function maskLine(turn: Turn, end: number, to: number): void {
  const { words, at, out } = turn;
  const from = words[at + RELEASED]!;
  if (((end - from) | 0) > 0) {
    out.dropEdits(from);
    out.edit(from, end, MASK);
    words[at + RELEASED] = end;
  }
  if ((words[at + LINE]! & LINE_LOGGED) !== 0) return;
  words[at + LINE]! |= LINE_LOGGED;
  turn.counters[SMTP_MASKED_COMMANDS]!++;
  lineEvent(turn, words[at + FAULT]!, (end - words[at + LINE_START]!) | 0, to);
  if ((words[at + LINE]! & LINE_LATE) !== 0) out.event(CMD_LATE_MASK, words[at + COUNT]!, turn.octets, 0, 0);
}

/** Records an event about a line of `length` octets, with its text: its kept first octets and those of this call before index `to`. */
function lineEvent(turn: Turn, reason: number, length: number, to: number): void {
  const { words, at, out, state, session } = turn;
  const prefix = session * PREFIX;
  out.event(reason, length, state.prefix, prefix, prefix + words[at + PREFIX_LENGTH]!);
  out.appendText(turn.octets, turn.portion, to);
}

function keepPrefix(turn: Turn, to: number): void {
  const { words, at, state, octets } = turn;
  let length = words[at + PREFIX_LENGTH]!;
  for (let i = turn.portion; i < to && length < PREFIX; i++) state.prefix[turn.session * PREFIX + length++] = octets[i]!;
  words[at + PREFIX_LENGTH] = length;
}

/** The CR of the line end came in an earlier call: it is no part of the text that was kept. */
function forgetCr(turn: Turn): void {
  const { words, at, state, session } = turn;
  const length = words[at + PREFIX_LENGTH]!;
  if (length > 0 && state.prefix[session * PREFIX + length - 1] === CR) words[at + PREFIX_LENGTH] = length - 1;
}

/** CR and, at index `i`, LF: the line is complete.  Returns the index behind it. */
function endLine(turn: Turn, i: number): number {
  const { words, at } = turn;
  const end = Math.max(i - 1, turn.portion);
  if (end === i) forgetCr(turn);
  if ((words[at + LINE]! & LINE_MASKED) === 0) {
    endCommand(turn, end);
    if (turn.verdict === RESET || overRecipients(turn, end)) return i;
    if (words[at + FAULT] !== 0) violate(turn, end);
  } else if ((words[at + LINE]! & LINE_VERB) !== 0 && words[at + NODE] !== 0 && !maskedVerbEnd(turn, words[at + NODE]!, end)) return i;
  const position = (turn.origin + i) | 0;
  if ((words[at + LINE]! & LINE_MASKED) !== 0) {
    nameRest(turn, end, true);
    maskLine(turn, (position - 1) | 0, end);
  } else noteAddress(turn, (position - 1 - words[at + LINE_START]!) | 0, end);
  words[at + RELEASED] = (position + 1) | 0;
  if (turn.debug !== null) {
    traceCommand(turn, turn.portion, i + 1);
    traceCommandEnd(turn, i + 1);
  }
  answer(turn, (position - 1 - words[at + LINE_START]!) | 0);
  words[at + LINE] = 0;
  return i + 1;
}

/** What the complete line, of `length` octets without CR LF, makes the server answer. */
function answer(turn: Turn, length: number): void {
  const { words, at, counters } = turn;
  if (words[at + MODE] !== MODE_SASL) {
    counters[SMTP_COMMANDS]!++;
    words[at + COMMAND_INDEX]!++;
  }
  if ((words[at + LINE]! & LINE_MASKED) === 0) lineAnswered(turn);
  else maskedLineAnswered(turn, length);
}

/** Counts a legal RCPT; resets above the limit.  One with a pipe is counted and passes. */
function overRecipients(turn: Turn, end: number): boolean {
  const { words, at, policy } = turn;
  if (words[at + VERB] !== RCPT || words[at + FAULT] !== 0) return false;
  const count = ++words[at + RECIPIENTS]!;
  if (policy.recipientAction === ACTION_NONE || count <= policy.recipientLimit || (words[at + LINE]! & LINE_PIPED) !== 0) return false;
  if (policy.recipientAction === ACTION_RESET) {
    turn.reset(RCPT_LIMIT, count, turn.portion, end);
    return true;
  }
  turn.event(ESMTP_POLICY_LOG, count, turn.portion, end);
  return false;
}

/** What is worth a line about the address of a legal line. */
function noteAddress(turn: Turn, length: number, end: number): void {
  const line = turn.words[turn.at + LINE]!;
  if ((line & (LINE_PIPED | LINE_ROUTE | LINE_ROUTE_CHAR | LINE_NO_BRACKETS | LINE_UNQUALIFIED)) === 0) return;
  if ((line & LINE_PIPED) !== 0) {
    turn.counters[SMTP_MASKED_COMMANDS]!++;
    lineEvent(turn, ADDR_PIPE, length, end);
    return;
  }
  if ((line & LINE_ROUTE) !== 0) lineEvent(turn, ADDR_SOURCE_ROUTE, length, end);
  if ((line & LINE_ROUTE_CHAR) !== 0) lineEvent(turn, ADDR_ROUTE_CHAR, length, end);
  if ((line & LINE_NO_BRACKETS) !== 0) lineEvent(turn, ADDR_NO_BRACKETS, length, end);
  if ((line & LINE_UNQUALIFIED) !== 0) lineEvent(turn, ADDR_UNQUALIFIED, length, end);
}

/**
 * The hold timer, or the client's FIN: what is held of an incomplete line leaves, as it is or masked.  A CR stays, and so does
 * what may become a BDAT line.
 */
export function releaseHeldLine(turn: Turn, position: number): void {
  const { words, at } = turn;
  const line = words[at + LINE]!;
  if ((line & LINE_STARTED) === 0) return;
  const end = (line & LINE_CR) !== 0 ? (position - 1) | 0 : position;
  turn.portion = 0;
  turn.origin = position;
  if ((line & LINE_MASKED) !== 0) {
    words[at + LINE]! |= LINE_EXPIRED;
    maskLine(turn, end, 0);
  } else if (!isChunkLine(turn)) words[at + RELEASED] = end;
}
