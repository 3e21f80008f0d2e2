// Paths of MAIL and RCPT, and the domain of HELO and EHLO (RFC 5321 4.1.2, 4.1.3).
//
// One automaton over octet classes.  Leniencies: blanks before `<`, no brackets, no domain, `_` in a domain, doubled dots in a
// local part.  An address literal is an IPv4 address or tag:content; what stands behind a tag is not looked into.
// `|` and back quote at a place that the automaton can still leave become blanks; the rest of the address is then only
// searched for more of them.

import {
  ADDR_EXPANSION,
  ADDR_SYNTAX,
  ADDR_TOO_LONG,
  CMD_8BIT,
  CMD_SYNTAX,
  ESMTP_POLICY_LOG,
  ESMTP_POLICY_RESET,
} from '../../telemetry/reasons.ts';
import { trail } from './argument.ts';
import { LITERAL_CLOSED, LITERAL_OPEN, literalOctet, openLiteral } from './literal.ts';
import { beginPiped } from './piped.ts';
import { parameter } from './parameters.ts';
import { ACTION_LOG, ACTION_NONE, ACTION_RESET } from './declare.ts';
import {
  fault,
  HT,
  inSequence,
  not8bit,
  PHASE_PARAMETER,
  PHASE_PATH,
  PHASE_PATH_END,
  RANK_8BIT,
  RANK_ADDRESS,
  RANK_ARGUMENT,
  RANK_EXPANSION,
  SP,
} from './phase.ts';
import {
  ARGUMENT,
  AUX,
  COUNT,
  LINE,
  LINE_BRACKET,
  LINE_DOLLAR,
  LINE_NO_BRACKETS,
  LINE_ROUTE,
  LINE_ROUTE_CHAR,
  LINE_UNQUALIFIED,
  PHASE,
  RELAY,
  SENDER_STATE,
  UTF8,
  VERB,
} from './state.ts';
import type { Turn } from './turn.ts';
import { RCPT } from './verbs.ts';

// States.
const DEAD = 0;
export const AFTER_COLON = 1;
const PATH_START = 2;
const LOCAL = 3;
const LOCAL_DOT = 4;
const QUOTED = 5;
const QUOTED_ESCAPE = 6;
const QUOTED_END = 7;
export const DOMAIN_START = 8;
const DOMAIN = 9;
const DOMAIN_HYPHEN = 10;
const DOMAIN_DOT = 11;
const ROUTE_START = 12;
const ROUTE = 13;
const ROUTE_HYPHEN = 14;
const ROUTE_DOT = 15;
const ROUTE_COMMA = 16;
const ROUTE_END = 17;
const LITERAL = LITERAL_OPEN;
const LITERAL_END = LITERAL_CLOSED;
/** `>` where a path may end. */
const CLOSE = 20;
/** SP where an address without brackets may end. */
const SPACE = 21;

// Octet classes.
const C_ALNUM = 1;
const C_HYPHEN = 2;
const C_UNDERSCORE = 3;
const C_DOT = 4;
const C_AT = 5;
const C_LESS = 6;
const C_GREATER = 7;
const C_QUOTE = 8;
const C_BACKSLASH = 9;
const C_BRACKET = 10;
const C_COMMA = 11;
const C_COLON = 12;
const C_SP = 13;
const C_ATEXT = 14;
/** `|` and back quote: atext, but not left as they are. */
const C_PIPE = 15;
const C_PRINT = 16;
const C_HIGH = 17;
const CLASSES = 18;

const CLASS: Uint8Array = classTable();
const STEP: Uint8Array = stepTable();

const MAX_DOMAIN = 255;
const DOLLAR = 0x24;
const OPEN_BRACE = 0x7b;
const POSTMASTER = Uint8Array.of(0x50, 0x4f, 0x53, 0x54, 0x4d, 0x41, 0x53, 0x54, 0x45, 0x52);

function classTable(): Uint8Array {
  const table = new Uint8Array(256);
  const set = (text: string, value: number): void => {
    for (let i = 0; i < text.length; i++) table[text.charCodeAt(i)] = value;
  };
  for (let c = 0x21; c < 0x7f; c++) table[c] = C_PRINT;
  for (let c = 0x80; c < 0x100; c++) table[c] = C_HIGH;
  set('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', C_ALNUM);
  set("!#$%&'*+/=?^{}~", C_ATEXT);
  set('|`', C_PIPE);
  set('-', C_HYPHEN);
  set('_', C_UNDERSCORE);
  set('.', C_DOT);
  set('@', C_AT);
  set('<', C_LESS);
  set('>', C_GREATER);
  set('"', C_QUOTE);
  set('\\', C_BACKSLASH);
  set('[', C_BRACKET);
  set(',', C_COMMA);
  set(':', C_COLON);
  set(' ', C_SP);
  return table;
}

function stepTable(): Uint8Array {
  const table = new Uint8Array(LITERAL_END * CLASSES + CLASSES);
  const set = (state: number, classes: readonly number[], to: number): void => {
    for (const c of classes) table[state * CLASSES + c] = to;
  };
  const atext = [C_ALNUM, C_HYPHEN, C_UNDERSCORE, C_ATEXT, C_PIPE, C_HIGH];
  const letDig = [C_ALNUM, C_UNDERSCORE, C_HIGH];
  for (const state of [PATH_START, LOCAL, LOCAL_DOT, ROUTE_END]) set(state, atext, LOCAL);
  for (const state of [PATH_START, ROUTE_END]) set(state, [C_QUOTE], QUOTED);
  set(PATH_START, [C_AT], ROUTE_START);
  set(PATH_START, [C_GREATER], CLOSE);
  for (const state of [LOCAL, LOCAL_DOT]) set(state, [C_DOT], LOCAL_DOT);
  for (const state of [LOCAL, QUOTED_END]) set(state, [C_AT], DOMAIN_START);
  for (let c = C_ALNUM; c < CLASSES; c++) {
    set(QUOTED, [c], QUOTED);
    if (c !== C_HIGH) set(QUOTED_ESCAPE, [c], QUOTED);
  }
  set(QUOTED, [C_QUOTE], QUOTED_END);
  set(QUOTED, [C_BACKSLASH], QUOTED_ESCAPE);
  for (const state of [DOMAIN_START, DOMAIN, DOMAIN_HYPHEN, DOMAIN_DOT]) set(state, letDig, DOMAIN);
  for (const state of [DOMAIN, DOMAIN_HYPHEN]) set(state, [C_HYPHEN], DOMAIN_HYPHEN);
  set(DOMAIN, [C_DOT], DOMAIN_DOT);
  set(DOMAIN_START, [C_BRACKET], LITERAL);
  for (const state of [ROUTE_START, ROUTE, ROUTE_HYPHEN, ROUTE_DOT]) set(state, letDig, ROUTE);
  for (const state of [ROUTE, ROUTE_HYPHEN]) set(state, [C_HYPHEN], ROUTE_HYPHEN);
  set(ROUTE, [C_DOT], ROUTE_DOT);
  set(ROUTE, [C_COMMA], ROUTE_COMMA);
  set(ROUTE, [C_COLON], ROUTE_END);
  set(ROUTE_COMMA, [C_AT], ROUTE_START);
  for (const state of [LOCAL, QUOTED_END, DOMAIN, LITERAL_END]) {
    set(state, [C_GREATER], CLOSE);
    set(state, [C_SP], SPACE);
  }
  return table;
}

/** Domain or address literal of HELO and EHLO, at most 255 octets.  AUX: state, COUNT: octets. */
export function domain(turn: Turn, from: number, end: number): number {
  const { words, at, octets } = turn;
  let state = words[at + AUX]!;
  let i = from;
  for (; i < end; i++) {
    const c = octets[i]!;
    let next = DEAD;
    if (state === LITERAL) next = literalOctet(turn, c);
    else if (c < 0x80) next = STEP[state * CLASSES + CLASS[c]!]!;
    if (state !== LITERAL && next === LITERAL) openLiteral(turn);
    if (next === SPACE || (c === HT && (state === DOMAIN || state === LITERAL_END))) break;
    if (next === DEAD || next === CLOSE || words[at + COUNT]! + (i - from) >= MAX_DOMAIN) return fault(turn, i, CMD_SYNTAX, RANK_ARGUMENT);
    state = next;
  }
  words[at + AUX] = state;
  words[at + COUNT]! += i - from;
  return i === end ? end : trail(turn, i, CMD_SYNTAX);
}

/** True when the domain of HELO or EHLO may end here. */
export function domainComplete(turn: Turn): boolean {
  const state = turn.words[turn.at + AUX]!;
  return state === DOMAIN || state === LITERAL_END;
}

/** Blanks, then a path with or without brackets.  AUX: state, COUNT: position of its first octet. */
export function path(turn: Turn, from: number, end: number): number {
  const { words, at, octets } = turn;
  let i = from;
  if (words[at + AUX] === AFTER_COLON) {
    while (i < end && octets[i] === SP) i++;
    if (i === end) return end;
    i = openPath(turn, i);
  }
  const begin = i;
  let state = words[at + AUX]!;
  let previous = (words[at + LINE]! & LINE_DOLLAR) !== 0 ? DOLLAR : 0;
  const sender = words[at + VERB] !== RCPT;
  let sequence = inSequence(turn);
  while (i < end) {
    if (!sequence && (state === DOMAIN || (state === LOCAL && words[at + ARGUMENT]! < 0))) {
      const start = i;
      i = plainOctets(octets, i, end);
      if (i > start) previous = 0;
      if (i === end) break;
    }
    const c = octets[i]!;
    const utf8 = words[at + UTF8]!;
    if (c === OPEN_BRACE && previous === DOLLAR) return fault(turn, i, ADDR_EXPANSION, RANK_EXPANSION);
    if (c >= 0x80 || sequence) {
      if (not8bit(turn, c)) return fault(turn, i, CMD_8BIT, RANK_8BIT);
      sequence = inSequence(turn);
    }
    const kind = CLASS[c]!;
    if (kind === C_PIPE) {
      addressOctets(turn, begin, i);
      return beginPiped(turn, i, state === QUOTED || state === QUOTED_ESCAPE);
    }
    const next = state === LITERAL ? literalOctet(turn, c) : STEP[state * CLASSES + kind]!;
    if (next === DEAD) {
      // an octet that is refused for its place is looked at once more, for its name
      words[at + UTF8] = utf8;
      return refusedOctet(turn, begin, i, end, state);
    }
    if (next >= CLOSE) return endPath(turn, begin, i, end, state, next, sender);
    if (next === LITERAL && state !== LITERAL) openLiteral(turn);
    else if (next === ROUTE_START) words[at + LINE]! |= LINE_ROUTE;
    else if ((c === 0x25 || c === 0x21) && next <= QUOTED) words[at + LINE]! |= LINE_ROUTE_CHAR;
    if (next <= QUOTED && words[at + ARGUMENT]! >= 0) matchPostmaster(turn, c);
    state = next;
    previous = c;
    i++;
  }
  words[at + AUX] = state;
  if (previous === DOLLAR) words[at + LINE]! |= LINE_DOLLAR;
  else words[at + LINE]! &= ~LINE_DOLLAR;
  addressOctets(turn, begin, i);
  return end;
}

/** Inside a domain or a local part: the index behind letters, digits and single dots between them, which change nothing. */
function plainOctets(octets: Uint8Array, from: number, end: number): number {
  let i = from;
  for (;;) {
    while (i < end && CLASS[octets[i]!] === C_ALNUM) i++;
    if (i + 1 >= end || CLASS[octets[i]!] !== C_DOT || CLASS[octets[i + 1]!] !== C_ALNUM) return i;
    i += 2;
  }
}

/** The first octet of a path at `i`; returns the index behind `<`, or `i`. */
function openPath(turn: Turn, i: number): number {
  const { words, at } = turn;
  const bracket = turn.octets[i] === 0x3c;
  const begin = bracket ? i + 1 : i;
  words[at + LINE]! |= bracket ? LINE_BRACKET : LINE_NO_BRACKETS;
  words[at + AUX] = PATH_START;
  words[at + COUNT] = (turn.origin + begin) | 0;
  words[at + ARGUMENT] = 0;
  words[at + SENDER_STATE] = 0;
  words[at + RELAY] = -1;
  return begin;
}

/** ARGUMENT: matched octets of `postmaster`, -1 when it is another mailbox. */
function matchPostmaster(turn: Turn, c: number): void {
  const { words, at } = turn;
  const matched = words[at + ARGUMENT]!;
  words[at + ARGUMENT] = matched < POSTMASTER.length && (c & 0xdf) === POSTMASTER[matched] ? matched + 1 : -1;
}

/** An octet that the path cannot have; a tab behind a complete address without brackets may still be a trailing blank. */
function refusedOctet(turn: Turn, begin: number, i: number, end: number, state: number): number {
  if (turn.octets[i] === HT && STEP[state * CLASSES + C_SP] === SPACE && (turn.words[turn.at + LINE]! & LINE_BRACKET) === 0) {
    return endPath(turn, begin, i, end, state, SPACE, turn.words[turn.at + VERB] !== RCPT);
  }
  return fault(turn, i, ADDR_SYNTAX, RANK_ADDRESS);
}

/** `>` or, without brackets, a blank at octet `i`. */
function endPath(turn: Turn, begin: number, i: number, end: number, state: number, how: number, sender: boolean): number {
  const { words, at } = turn;
  const bracket = (words[at + LINE]! & LINE_BRACKET) !== 0;
  if ((how === CLOSE) !== bracket || (state === PATH_START && !sender)) return fault(turn, i, ADDR_SYNTAX, RANK_ADDRESS);
  if (begin < i) addressOctets(turn, begin, i);
  closeAddress(turn, i, state);
  if (how === CLOSE) {
    words[at + PHASE] = PHASE_PATH_END;
    return pathEnd(turn, i + 1, end);
  }
  return pathEnd(turn, i, end);
}

/** The address is complete: its last octet is the one before `i`.  COUNT becomes its length. */
function closeAddress(turn: Turn, i: number, state: number): void {
  const { words, at } = turn;
  words[at + COUNT] = (turn.origin + i - words[at + COUNT]!) | 0;
  words[at + LINE]! &= ~LINE_DOLLAR;
  const local = state === LOCAL || state === QUOTED_END;
  const postmaster = words[at + VERB] === RCPT && words[at + ARGUMENT] === POSTMASTER.length;
  if (local && !postmaster) words[at + LINE]! |= LINE_UNQUALIFIED;
}

/** Behind a path: SP and parameters, blanks, or the end of the line. */
export function pathEnd(turn: Turn, from: number, end: number): number {
  if (from === end) return end;
  const c = turn.octets[from]!;
  if (c !== SP && c !== HT) return fault(turn, from, ADDR_SYNTAX, RANK_ADDRESS);
  // a tab ends nothing: with text behind it the line is illegal before the address is complete
  if (c === HT) return trail(turn, from, CMD_SYNTAX);
  if (addressRefused(turn, from)) return from;
  turn.words[turn.at + PHASE] = PHASE_PARAMETER;
  return parameter(turn, from + 1, end);
}

/** True when the address may end at the end of the line. */
export function pathComplete(turn: Turn, i: number): boolean {
  const { words, at } = turn;
  if (words[at + PHASE] === PHASE_PATH_END) return true;
  const state = words[at + AUX]!;
  if ((words[at + LINE]! & LINE_BRACKET) !== 0 || state === AFTER_COLON || STEP[state * CLASSES + C_SP] !== SPACE || inSequence(turn))
    return false;
  closeAddress(turn, i, state);
  return true;
}

/**
 * The complete address, whose length is in COUNT, against the limits of the policy; resets and returns true where it
 * exceeds one.  `i` is the octet behind it.
 */
export function addressRefused(turn: Turn, i: number): boolean {
  const { words, at, policy, portion } = turn;
  if (words[at + VERB] === RCPT) {
    if (policy.relayAction === ACTION_NONE || words[at + RELAY] === policy.relayDomain.length) return false;
    return act(turn, policy.relayAction, 0, i);
  }
  const length = words[at + COUNT]!;
  if (policy.senderAction !== ACTION_NONE && length > policy.senderLimit) {
    if (policy.senderAction === ACTION_RESET) {
      turn.reset(ADDR_TOO_LONG, length, portion, i);
      return true;
    }
    turn.event(ESMTP_POLICY_LOG, length, portion, i);
  }
  return policy.senderRegex !== null && act(turn, policy.senderRegex.action[words[at + SENDER_STATE]!]!, length, i);
}

/** Does what a match of the policy asks for; true after a reset. */
function act(turn: Turn, action: number, value: number, i: number): boolean {
  if (action === ACTION_RESET) turn.reset(ESMTP_POLICY_RESET, value, turn.portion, i);
  else if (action === ACTION_LOG) turn.event(ESMTP_POLICY_LOG, value, turn.portion, i);
  return action === ACTION_RESET;
}

/** Octets [from, to) of the address, for the criteria that look at its text. */
function addressOctets(turn: Turn, from: number, to: number): void {
  const { words, at, policy, octets } = turn;
  const regex = policy.senderRegex;
  if (words[at + VERB] !== RCPT) {
    if (regex === null) return;
    let state = words[at + SENDER_STATE]!;
    for (let i = from; i < to; i++) state = regex.next[state * 256 + octets[i]!]!;
    words[at + SENDER_STATE] = state;
    return;
  }
  const wanted = policy.relayDomain;
  if (wanted.length === 0) return;
  let matched = words[at + RELAY]!;
  for (let i = from; i < to; i++) {
    const c = octets[i]!;
    if (c === 0x40) matched = 0;
    else if (matched >= 0) matched = matched < wanted.length && lower(c) === wanted[matched] ? matched + 1 : -1;
  }
  words[at + RELAY] = matched;
}

function lower(c: number): number {
  return c >= 0x41 && c <= 0x5a ? c + 0x20 : c;
}

/** Opens the path behind FROM: or TO:. */
export function beginPath(turn: Turn): void {
  turn.words[turn.at + PHASE] = PHASE_PATH;
  turn.words[turn.at + AUX] = AFTER_COLON;
  turn.words[turn.at + LINE]! &= ~LINE_DOLLAR;
}
