// An address with a pipe or back quote at a place up to which it was a path: those octets become blanks up to its `>`, and
// nothing else of it is checked but what stands before the path in the order of checks.

import { ADDR_EXPANSION, CMD_8BIT, CMD_SYNTAX, ESMTP_POLICY_RESET, SIG_3101, SIG_3102 } from '../../telemetry/reasons.ts';
import { ACTION_RESET } from './declare.ts';
import {
  fault,
  HT,
  inSequence,
  not8bit,
  PHASE_PIPED,
  PHASE_PIPED_END,
  RANK_8BIT,
  RANK_ADDRESS,
  RANK_EXPANSION,
  RANK_TAB,
  SP,
} from './phase.ts';
import { LINE, LINE_BRACKET, LINE_DOLLAR, LINE_ESCAPE, LINE_PIPED, LINE_QUOTE, LINE_TAB, PHASE, VERB } from './state.ts';
import type { Turn } from './turn.ts';
import { RCPT } from './verbs.ts';

const PIPE = 0x7c;
const BACK_QUOTE = 0x60;
const DQUOTE = 0x22;
const BACKSLASH = 0x5c;
const CLOSE = 0x3e;
const DOLLAR = 0x24;
const OPEN_BRACE = 0x7b;

/** `|` or back quote at octet `i`, inside of quotes or not. */
export function beginPiped(turn: Turn, i: number, quoted: boolean): number {
  const { words, at } = turn;
  words[at + PHASE] = PHASE_PIPED;
  words[at + LINE]! |= LINE_PIPED;
  words[at + LINE]! &= ~(LINE_DOLLAR | LINE_QUOTE | LINE_ESCAPE | LINE_TAB);
  if (quoted) words[at + LINE]! |= LINE_QUOTE;
  return i;
}

/** Makes octet `i` a blank.  False when the session is reset for it, or the table of edits is full. */
function blank(turn: Turn, i: number): boolean {
  const { words, at, policy, out } = turn;
  if (policy.signatures && turn.octets[i] === PIPE) {
    turn.reset(words[at + VERB] === RCPT ? SIG_3101 : SIG_3102, 0, turn.portion, i + 1);
    return false;
  }
  if (policy.specialAction === ACTION_RESET) {
    turn.reset(ESMTP_POLICY_RESET, 0, turn.portion, i + 1);
    return false;
  }
  const position = (turn.origin + i) | 0;
  if (out.edit(position, (position + 1) | 0, SP)) return true;
  out.again = true;
  return false;
}

/** The rest of an address with a pipe, up to its `>`. */
export function piped(turn: Turn, from: number, end: number): number {
  const { words, at, octets } = turn;
  for (let i = from; i < end; i++) {
    const c = octets[i]!;
    const line = words[at + LINE]!;
    if (pipedFault(turn, i, c, line)) return i;
    if ((c === PIPE || c === BACK_QUOTE) && !blank(turn, i)) return i;
    let flags = line & ~(LINE_DOLLAR | LINE_ESCAPE);
    if (c === DOLLAR) flags |= LINE_DOLLAR;
    if (c === HT) flags |= LINE_TAB;
    if ((line & LINE_ESCAPE) === 0) {
      if (c === DQUOTE) flags ^= LINE_QUOTE;
      if (c === BACKSLASH && (flags & LINE_QUOTE) !== 0) flags |= LINE_ESCAPE;
    }
    words[at + LINE] = flags;
    if (c === CLOSE && (flags & (LINE_QUOTE | LINE_BRACKET)) === LINE_BRACKET) {
      words[at + PHASE] = PHASE_PIPED_END;
      return i + 1;
    }
  }
  return end;
}

/** Behind the `>` of such an address: nothing but the checks that stand before the path in their order. */
export function pipedEnd(turn: Turn, from: number, end: number): number {
  const { words, at, octets } = turn;
  for (let i = from; i < end; i++) {
    const c = octets[i]!;
    const line = words[at + LINE]!;
    if (pipedFault(turn, i, c, line)) return i;
    words[at + LINE] = (line & ~LINE_DOLLAR) | (c === DOLLAR ? LINE_DOLLAR : 0) | (c === HT ? LINE_TAB : 0);
  }
  return end;
}

function pipedFault(turn: Turn, i: number, c: number, line: number): boolean {
  if ((c >= 0x80 || inSequence(turn)) && not8bit(turn, c)) fault(turn, i, CMD_8BIT, RANK_8BIT);
  else if (c === OPEN_BRACE && (line & LINE_DOLLAR) !== 0) fault(turn, i, ADDR_EXPANSION, RANK_EXPANSION);
  else if ((c < SP && c !== HT) || c === 0x7f) fault(turn, i, CMD_SYNTAX, RANK_ADDRESS);
  else if (c !== SP && c !== HT && (line & LINE_TAB) !== 0) fault(turn, i, CMD_SYNTAX, RANK_TAB);
  else return false;
  return true;
}
