// Parameters of MAIL and RCPT: SP keyword ["=" value], each only when its EHLO keyword was visible to the client.
// RFC 1870, 6152, 3030, 3461, 4954 5, 6531, 2852, 6710, 4865, 8689.
//
// DELIVERBY, MT-PRIORITY and FUTURERELEASE need a value; what it says is the server's business.  A parameter given twice
// passes.

import { ADDR_EXPANSION, PARAM_NOT_NEGOTIATED, PARAM_SYNTAX } from '../../telemetry/reasons.ts';
import { trail } from './argument.ts';
import {
  K_8BITMIME,
  K_AUTH,
  K_BINARYMIME,
  K_CHUNKING,
  K_DELIVERBY,
  K_DSN,
  K_FUTURERELEASE,
  K_MT_PRIORITY,
  K_REQUIRETLS,
  K_SIZE,
  K_SMTPUTF8,
} from './keywords.ts';
import { fault, HT, PHASE_PARAMETER, PHASE_PARAMETER_KEY, PHASE_VALUE, RANK_EXPANSION, RANK_PARAMETER, SP } from './phase.ts';
import { ARGUMENT, AUX, COUNT, LINE, LINE_DOLLAR, NODE, PHASE, VERB, VISIBLE } from './state.ts';
import { buildTrie, COLUMNS, FOLD, ROOT } from './trie.ts';
import type { Turn } from './turn.ts';
import { RCPT } from './verbs.ts';

const SIZE = 0;
const BODY = 1;
const RET = 2;
const ENVID = 3;
const AUTH = 4;
const SMTPUTF8 = 5;
const BY = 6;
const MT_PRIORITY = 7;
const HOLDFOR = 8;
const HOLDUNTIL = 9;
const REQUIRETLS = 10;
const NOTIFY = 11;
const ORCPT = 12;

const KEYS = buildTrie([
  ['SIZE', SIZE],
  ['BODY', BODY],
  ['RET', RET],
  ['ENVID', ENVID],
  ['AUTH', AUTH],
  ['SMTPUTF8', SMTPUTF8],
  ['BY', BY],
  ['MT-PRIORITY', MT_PRIORITY],
  ['HOLDFOR', HOLDFOR],
  ['HOLDUNTIL', HOLDUNTIL],
  ['REQUIRETLS', REQUIRETLS],
  ['NOTIFY', NOTIFY],
  ['ORCPT', ORCPT],
]);

// Enumerated values.
const V_7BIT = 0;
const V_8BITMIME = 1;
const V_BINARYMIME = 2;
const V_FULL = 3;
const V_HDRS = 4;
const V_NEVER = 5;
const V_SUCCESS = 6;
const V_FAILURE = 7;
const V_DELAY = 8;
const V_LIST = (1 << V_SUCCESS) | (1 << V_FAILURE) | (1 << V_DELAY);
const V_BODY = (1 << V_7BIT) | (1 << V_8BITMIME) | (1 << V_BINARYMIME);

const VALUES = buildTrie([
  ['7BIT', V_7BIT],
  ['8BITMIME', V_8BITMIME],
  ['BINARYMIME', V_BINARYMIME],
  ['FULL', V_FULL],
  ['HDRS', V_HDRS],
  ['NEVER', V_NEVER],
  ['SUCCESS', V_SUCCESS],
  ['FAILURE', V_FAILURE],
  ['DELAY', V_DELAY],
]);

const MAX_SIZE_DIGITS = 20;
const MAX_ENVID = 100;
const EQUALS = 0x3d;
const PLUS = 0x2b;
const HYPHEN = 0x2d;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const DOLLAR = 0x24;
const OPEN_BRACE = 0x7b;
const BOTH_BINARY = (1 << K_CHUNKING) | (1 << K_BINARYMIME);

/** The parameters that the client may use on this line. */
function usableKeys(turn: Turn): number {
  const visible = turn.words[turn.at + VISIBLE]!;
  const dsn = bit(visible, K_DSN);
  if (turn.words[turn.at + VERB] === RCPT) return dsn * ((1 << NOTIFY) | (1 << ORCPT));
  const body = bit(visible, K_8BITMIME) | ((visible & BOTH_BINARY) === BOTH_BINARY ? 1 : 0);
  return (
    (bit(visible, K_SIZE) << SIZE) |
    (body << BODY) |
    (dsn * ((1 << RET) | (1 << ENVID))) |
    (bit(visible, K_AUTH) << AUTH) |
    (bit(visible, K_SMTPUTF8) << SMTPUTF8) |
    (bit(visible, K_DELIVERBY) << BY) |
    (bit(visible, K_MT_PRIORITY) << MT_PRIORITY) |
    (bit(visible, K_FUTURERELEASE) * ((1 << HOLDFOR) | (1 << HOLDUNTIL))) |
    (bit(visible, K_REQUIRETLS) << REQUIRETLS)
  );
}

function bit(set: number, number: number): number {
  return (set >>> number) & 1;
}

/** Values of BODY that the client may use. */
function usableBodies(turn: Turn): number {
  const visible = turn.words[turn.at + VISIBLE]!;
  const eight = (visible >>> K_8BITMIME) & 1;
  return (eight * ((1 << V_7BIT) | (1 << V_8BITMIME))) | ((visible & BOTH_BINARY) === BOTH_BINARY ? 1 << V_BINARYMIME : 0);
}

/** The first octet of a parameter, or a blank too many. */
export function parameter(turn: Turn, from: number, end: number): number {
  if (from === end) return end;
  const { words, at } = turn;
  const c = turn.octets[from]!;
  if (c === SP || c === HT) return trail(turn, from, PARAM_SYNTAX);
  if (c === HYPHEN) return fault(turn, from, PARAM_SYNTAX, RANK_PARAMETER);
  words[at + PHASE] = PHASE_PARAMETER_KEY;
  words[at + NODE] = ROOT;
  words[at + COUNT] = usableKeys(turn);
  return parameterKey(turn, from, end);
}

/** Letters, digits and hyphens of a keyword.  NODE: where in the trie, COUNT: parameters that are usable. */
export function parameterKey(turn: Turn, from: number, end: number): number {
  const { words, at, octets } = turn;
  let node = words[at + NODE]!;
  const usable = words[at + COUNT]!;
  for (let i = from; i < end; i++) {
    const c = octets[i]!;
    if (c === EQUALS || c === SP || c === HT) {
      words[at + NODE] = node;
      return endKey(turn, i, end, c);
    }
    if (!isKeyOctet(c)) return fault(turn, i, PARAM_SYNTAX, RANK_PARAMETER);
    node = KEYS.next[node * COLUMNS + FOLD[c]!]!;
    if ((KEYS.under[node]! & usable) === 0) return fault(turn, i, PARAM_NOT_NEGOTIATED, RANK_PARAMETER);
  }
  words[at + NODE] = node;
  return end;
}

function isKeyOctet(c: number): boolean {
  const column = FOLD[c]!;
  return column !== 0 && column <= 37;
}

/** `=` or a blank behind a keyword. */
function endKey(turn: Turn, i: number, end: number, c: number): number {
  const { words, at } = turn;
  const key = KEYS.word[words[at + NODE]!]!;
  if (key < 0 || ((words[at + COUNT]! >>> key) & 1) === 0) {
    const empty = words[at + NODE] === ROOT;
    return fault(turn, i, empty ? PARAM_SYNTAX : PARAM_NOT_NEGOTIATED, RANK_PARAMETER);
  }
  const bare = key === SMTPUTF8 || key === REQUIRETLS;
  if (bare !== (c !== EQUALS)) return fault(turn, i, PARAM_SYNTAX, RANK_PARAMETER);
  if (bare) return endParameter(turn, i, c);
  words[at + PHASE] = PHASE_VALUE;
  words[at + AUX] = key;
  words[at + COUNT] = 0;
  words[at + NODE] = ROOT;
  words[at + ARGUMENT] = key === BODY ? usableBodies(turn) : key === RET ? (1 << V_FULL) | (1 << V_HDRS) : V_LIST | (1 << V_NEVER);
  return parameterValue(turn, i + 1, end);
}

/** A blank behind a complete parameter. */
function endParameter(turn: Turn, i: number, c: number): number {
  if (c === HT) return trail(turn, i, PARAM_SYNTAX);
  turn.words[turn.at + PHASE] = PHASE_PARAMETER;
  return i + 1;
}

/** A value.  AUX: parameter, COUNT: octets (behind `;` of ORCPT: from 1000 on), NODE and ARGUMENT: enumerations, or the state of xtext. */
export function parameterValue(turn: Turn, from: number, end: number): number {
  const { words, at, octets } = turn;
  let previous = (words[at + LINE]! & LINE_DOLLAR) !== 0 ? DOLLAR : 0;
  words[at + LINE]! &= ~LINE_DOLLAR;
  for (let i = plainValue(turn, from, end); i < end; i++) {
    const c = octets[i]!;
    if (c === SP || c === HT) return valueComplete(turn) ? endParameter(turn, i, c) : fault(turn, i, PARAM_SYNTAX, RANK_PARAMETER);
    if (c === OPEN_BRACE && previous === DOLLAR) return fault(turn, i, ADDR_EXPANSION, RANK_EXPANSION);
    if (!valueOctet(turn, c)) return fault(turn, i, PARAM_SYNTAX, RANK_PARAMETER);
    previous = c;
  }
  if (previous === DOLLAR) words[at + LINE]! |= LINE_DOLLAR;
  return end;
}

/** Runs ahead over the octets of an enumerated value or a number that are what they must be; returns the index of the first other. */
function plainValue(turn: Turn, from: number, end: number): number {
  const { words, at, octets } = turn;
  const key = words[at + AUX]!;
  let i = from;
  if (key === SIZE) {
    const stop = Math.min(end, from + MAX_SIZE_DIGITS - words[at + COUNT]!);
    while (i < stop && octets[i]! >= 0x30 && octets[i]! <= 0x39) i++;
    words[at + COUNT]! += i - from;
  } else if (key === BODY || key === RET || key === NOTIFY) {
    const usable = words[at + ARGUMENT]!;
    let node = words[at + NODE]!;
    for (; i < end; i++) {
      const next = VALUES.next[node * COLUMNS + FOLD[octets[i]!]!]!;
      if ((VALUES.under[next]! & usable) === 0) break;
      node = next;
    }
    words[at + NODE] = node;
  }
  return i;
}

/** Steps the value by one octet; false when it cannot have it. */
function valueOctet(turn: Turn, c: number): boolean {
  const { words, at } = turn;
  switch (words[at + AUX]) {
    case SIZE:
      return c >= 0x30 && c <= 0x39 && ++words[at + COUNT]! <= MAX_SIZE_DIGITS;
    case BODY:
    case RET:
      return enumerated(turn, c);
    case NOTIFY:
      return c === COMMA ? nextOfList(turn) : enumerated(turn, c);
    case ENVID:
      return ++words[at + COUNT]! <= MAX_ENVID && xtext(turn, c);
    case AUTH:
      return ++words[at + COUNT]! > 0 && xtext(turn, c);
    case ORCPT:
      return originalRecipient(turn, c);
    default:
      return c > SP && c < 0x7f && c !== EQUALS && ++words[at + COUNT]! > 0;
  }
}

function enumerated(turn: Turn, c: number): boolean {
  const { words, at } = turn;
  const node = VALUES.next[words[at + NODE]! * COLUMNS + FOLD[c]!]!;
  if ((VALUES.under[node]! & words[at + ARGUMENT]!) === 0) return false;
  words[at + NODE] = node;
  return true;
}

/** A comma in NOTIFY: behind a complete word that is not NEVER. */
function nextOfList(turn: Turn): boolean {
  const { words, at } = turn;
  const word = VALUES.word[words[at + NODE]!]!;
  if (word < 0 || word === V_NEVER) return false;
  words[at + NODE] = ROOT;
  words[at + ARGUMENT] = V_LIST;
  return true;
}

/** xtext (RFC 3461 4): 33-126 but `=`, and `+` only before two hexadecimal digits.  NODE - ROOT: digits that are missing. */
function xtext(turn: Turn, c: number): boolean {
  const { words, at } = turn;
  const missing = words[at + NODE]! - ROOT;
  if (missing > 0) {
    words[at + NODE]!--;
    return (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x46) || (c >= 0x61 && c <= 0x66);
  }
  if (c === PLUS) words[at + NODE] = ROOT + 2;
  return c > SP && c < 0x7f && c !== EQUALS;
}

const BEHIND_TYPE = 1000;

/** addr-type ";" xtext */
function originalRecipient(turn: Turn, c: number): boolean {
  const { words, at } = turn;
  const count = words[at + COUNT]!;
  if (count >= BEHIND_TYPE) {
    words[at + COUNT]!++;
    return xtext(turn, c);
  }
  if (c === SEMICOLON) {
    words[at + COUNT] = BEHIND_TYPE;
    return count > 0;
  }
  words[at + COUNT]!++;
  return isKeyOctet(c) && count < BEHIND_TYPE - 1;
}

function valueComplete(turn: Turn): boolean {
  const { words, at } = turn;
  const count = words[at + COUNT]!;
  switch (words[at + AUX]) {
    case BODY:
    case RET:
    case NOTIFY: {
      const word = VALUES.word[words[at + NODE]!]!;
      return word >= 0 && ((words[at + ARGUMENT]! >>> word) & 1) === 1;
    }
    case ENVID:
    case AUTH:
      return count > 0 && words[at + NODE] === ROOT;
    case ORCPT:
      return count > BEHIND_TYPE && words[at + NODE] === ROOT;
    default:
      return count > 0;
  }
}

/** 0 when the line may end in this phase of a parameter, else the cause. */
export function parameterEnd(turn: Turn): number {
  const { words, at } = turn;
  if (words[at + PHASE] === PHASE_PARAMETER) return 0;
  if (words[at + PHASE] === PHASE_VALUE) return valueComplete(turn) ? 0 : PARAM_SYNTAX;
  const key = KEYS.word[words[at + NODE]!]!;
  if (key < 0 || ((words[at + COUNT]! >>> key) & 1) === 0) return PARAM_NOT_NEGOTIATED;
  return key === SMTPUTF8 || key === REQUIRETLS ? 0 : PARAM_SYNTAX;
}

/**
 * The cause of a parameter that turned illegal at octet `from`, now that the octets up to `end` are seen: a keyword with
 * octets that none has is a matter of syntax, a BODY that exists but was not offered is not.
 */
export function nameParameter(turn: Turn, from: number, end: number, reason: number): number {
  const { words, at, octets } = turn;
  if (words[at + PHASE] === PHASE_PARAMETER_KEY && reason === PARAM_NOT_NEGOTIATED) {
    for (let i = from; i < end; i++) {
      const c = octets[i]!;
      if (c === EQUALS || c === SP || c === HT) break;
      if (!isKeyOctet(c)) return PARAM_SYNTAX;
    }
    return reason;
  }
  if (words[at + PHASE] !== PHASE_VALUE || words[at + AUX] !== BODY || reason !== PARAM_SYNTAX) return reason;
  let node = words[at + NODE]!;
  for (let i = from; i < end && octets[i] !== SP && octets[i] !== HT; i++) node = VALUES.next[node * COLUMNS + FOLD[octets[i]!]!]!;
  const word = VALUES.word[node]!;
  return word >= 0 && ((V_BODY >>> word) & 1) === 1 && ((words[at + ARGUMENT]! >>> word) & 1) === 0 ? PARAM_NOT_NEGOTIATED : reason;
}
