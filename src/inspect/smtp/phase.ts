// The phases of a command line, and how a line turns illegal.
//
// Every function that reads a phase takes octets [i, end), none of them CR, steps the state in the session's words and returns
// the index where it stopped: `end`, where the phase changed, or the octet that no legal line can have there, after fault().

import type { Reason } from '../../telemetry/reasons.ts';
import { FAULT, LINE, LINE_UTF8, RANK, UTF8 } from './state.ts';
import type { Turn } from './turn.ts';
import { UTF8_VALID, utf8Next } from './utf8.ts';

export const PHASE_START = 0;
/** Only blanks so far. */
export const PHASE_BLANK = 1;
export const PHASE_VERB = 2;
/** A tab behind the verb: nothing but blanks may follow. */
export const PHASE_VERB_TAB = 3;
/** One SP behind the verb. */
export const PHASE_ARGUMENT = 4;
/** Blanks behind a complete argument; AUX is the cause if anything follows. */
export const PHASE_TRAIL = 5;
export const PHASE_TEXT = 6;
export const PHASE_TOKEN = 7;
export const PHASE_DOMAIN = 8;
export const PHASE_MECHANISM = 9;
export const PHASE_INITIAL = 10;
export const PHASE_CHUNK_SIZE = 11;
export const PHASE_LAST = 12;
/** FROM: or TO: */
export const PHASE_KEYWORD = 13;
export const PHASE_PATH = 14;
/** Behind the `>` of a path. */
export const PHASE_PATH_END = 15;
/** A pipe or back quote became a blank: the address is not checked further. */
export const PHASE_PIPED = 16;
export const PHASE_PIPED_END = 17;
export const PHASE_PARAMETER = 18;
export const PHASE_PARAMETER_KEY = 19;
export const PHASE_VALUE = 20;
export const PHASE_SASL = 21;

// How early a cause stands in the order of checks; the lowest of a line names it.
export const RANK_NEWLINE = 2;
export const RANK_CONTROL = 3;
export const RANK_8BIT = 4;
export const RANK_LEADING = 6;
export const RANK_VERB = 7;
export const RANK_NOT_OFFERED = 8;
export const RANK_TAB = 9;
export const RANK_ARGUMENT = 10;
export const RANK_EXPANSION = 11;
export const RANK_ADDRESS = 12;
export const RANK_PARAMETER = 13;

export const HT = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;

/** Marks the line as illegal at octet `i`; returns `i`.  The octets behind it may still name a cause that stands earlier. */
export function fault(turn: Turn, i: number, reason: Reason, rank: number): number {
  turn.words[turn.at + FAULT] = reason;
  turn.words[turn.at + RANK] = rank;
  return i;
}

/** True when `octet`, above 127 or behind such a one, is not valid UTF-8 in a place that allows it; steps the automaton. */
export function not8bit(turn: Turn, octet: number): boolean {
  const { words, at } = turn;
  if ((words[at + LINE]! & LINE_UTF8) === 0) return octet >= 0x80;
  const next = utf8Next(words[at + UTF8]!, octet);
  if (next < 0) return true;
  words[at + UTF8] = next;
  return false;
}

/** True while an octet of a UTF-8 sequence is missing. */
export function inSequence(turn: Turn): boolean {
  return turn.words[turn.at + UTF8] !== UTF8_VALID;
}
