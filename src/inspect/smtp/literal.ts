// Address literals (RFC 5321 4.1.3): an IPv4 address, or a tag and content, between brackets.
//
// What stands behind a tag is not looked into, IPv6 addresses included.  The first number of an IPv4 address may still
// become a tag.

import { ARGUMENT, NODE } from './state.ts';
import type { Turn } from './turn.ts';

// Numbers of states of the path automaton (address.ts).
export const LITERAL_DEAD = 0;
export const LITERAL_OPEN = 18;
export const LITERAL_CLOSED = 19;

// NODE: what is being read.  ARGUMENT: dots << 16 | digits of the number << 12 | its value, both cut off.
const LIT_START = 0;
/** The first number, which may also be a tag. */
const LIT_FIRST = 1;
const LIT_NUMBER = 2;
const LIT_TAG = 3;
const LIT_TAG_HYPHEN = 4;
const LIT_CONTENT_START = 5;
const LIT_CONTENT = 6;

/** Steps an address literal by one octet; returns LITERAL_OPEN, LITERAL_CLOSED or LITERAL_DEAD. */
export function literalOctet(turn: Turn, c: number): number {
  const { words, at } = turn;
  const kind = words[at + NODE]!;
  const digit = c >= 0x30 && c <= 0x39;
  const letter = (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a);
  let next = -1;
  if (kind === LIT_CONTENT_START || kind === LIT_CONTENT) {
    if (c === 0x5d) return kind === LIT_CONTENT ? LITERAL_CLOSED : LITERAL_DEAD;
    if (c > 0x20 && c < 0x7f && (c < 0x5b || c > 0x5d)) next = LIT_CONTENT;
  } else if (digit && kind !== LIT_TAG && kind !== LIT_TAG_HYPHEN) {
    if (!addDigit(turn, c, kind === LIT_NUMBER)) return LITERAL_DEAD;
    next = kind === LIT_START ? LIT_FIRST : kind;
  } else if (kind !== LIT_NUMBER && (letter || digit)) next = LIT_TAG;
  else if (c === 0x2d && (kind === LIT_FIRST || kind === LIT_TAG || kind === LIT_TAG_HYPHEN)) next = LIT_TAG_HYPHEN;
  else if (c === 0x3a && (kind === LIT_FIRST || kind === LIT_TAG)) next = LIT_CONTENT_START;
  else if (kind === LIT_FIRST || kind === LIT_NUMBER) return endNumber(turn, c);
  if (next < 0) return LITERAL_DEAD;
  words[at + NODE] = next;
  return LITERAL_OPEN;
}

function addDigit(turn: Turn, c: number, strict: boolean): boolean {
  const { words, at } = turn;
  const packed = words[at + ARGUMENT]!;
  const digits = Math.min(((packed >> 12) & 15) + 1, 4);
  const value = Math.min((packed & 0xfff) * 10 + (c - 0x30), 999);
  words[at + ARGUMENT] = (packed & ~0xffff) | (digits << 12) | value;
  return !strict || (digits <= 3 && value <= 255);
}

/** A dot or the bracket behind a number of an IPv4 address. */
function endNumber(turn: Turn, c: number): number {
  const { words, at } = turn;
  const packed = words[at + ARGUMENT]!;
  const dots = packed >> 16;
  const digits = (packed >> 12) & 15;
  if (digits === 0 || digits > 3 || (packed & 0xfff) > 255) return LITERAL_DEAD;
  if (c === 0x5d) return dots === 3 ? LITERAL_CLOSED : LITERAL_DEAD;
  if (c !== 0x2e || dots === 3) return LITERAL_DEAD;
  words[at + ARGUMENT] = (dots + 1) << 16;
  words[at + NODE] = LIT_NUMBER;
  return LITERAL_OPEN;
}

/** Behind the opening bracket. */
export function openLiteral(turn: Turn): void {
  turn.words[turn.at + NODE] = LIT_START;
  turn.words[turn.at + ARGUMENT] = 0;
}
