// Arguments of the commands without a path: text, token, SASL mechanism and response, chunk size.
// RFC 5321 4.1.1, RFC 4954 4, RFC 3030 2, RFC 1985 5.

import { AUTH_SYNTAX, BDAT_SYNTAX, CMD_8BIT, CMD_SYNTAX } from '../../telemetry/reasons.ts';
import {
  fault,
  HT,
  inSequence,
  not8bit,
  PHASE_CHUNK_SIZE,
  PHASE_INITIAL,
  PHASE_LAST,
  PHASE_MECHANISM,
  PHASE_SASL,
  PHASE_TEXT,
  PHASE_TOKEN,
  PHASE_TRAIL,
  RANK_ARGUMENT,
  SP,
} from './phase.ts';
import { AUX, CHUNK_LEFT, COUNT, LINE, LINE_TAB, PHASE } from './state.ts';
import type { Turn } from './turn.ts';

const MAX_MECHANISM = 20;
/** CHUNK_LEFT while no digit was read. */
export const NO_SIZE = -1;

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const PAD = 0x3d;
/** Base64 alphabet and, as 2, the pad. */
const BASE64: Uint8Array = base64Table();

function base64Table(): Uint8Array {
  const table = new Uint8Array(256);
  for (const c of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/') table[c.charCodeAt(0)] = 1;
  table[PAD] = 2;
  return table;
}

/** Blanks begin at octet `i` behind a complete argument; `reason` if anything but blanks follows. */
export function trail(turn: Turn, i: number, reason: number): number {
  const { words, at } = turn;
  words[at + PHASE] = PHASE_TRAIL;
  words[at + AUX] = reason;
  words[at + LINE]! &= ~LINE_TAB;
  return i;
}

/** A text of 32-126 (UTF-8 where allowed); a tab may only be followed by blanks. */
export function text(turn: Turn, from: number, end: number): number {
  const octets = turn.octets;
  let sequence = inSequence(turn);
  for (let i = from; i < end; i++) {
    const c = octets[i]!;
    if (c >= SP && c < 0x7f && !sequence) continue;
    if (c >= 0x80 || sequence) {
      if (not8bit(turn, c)) return fault(turn, i, CMD_8BIT, RANK_ARGUMENT);
      sequence = inSequence(turn);
      continue;
    }
    if (c === HT) return trail(turn, i, CMD_SYNTAX);
    return fault(turn, i, CMD_SYNTAX, RANK_ARGUMENT);
  }
  return end;
}

/** One token of 33-126. */
export function token(turn: Turn, from: number, end: number): number {
  for (let i = from; i < end; i++) {
    const c = turn.octets[i]!;
    if (c > SP && c < 0x7f) continue;
    if (c === SP || c === HT) return trail(turn, i, CMD_SYNTAX);
    return fault(turn, i, CMD_SYNTAX, RANK_ARGUMENT);
  }
  return end;
}

/** sasl-mech: 1-20 letters, digits, hyphens or underscores; then an initial response may follow. */
export function mechanism(turn: Turn, from: number, end: number): number {
  const { words, at } = turn;
  for (let i = from; i < end; i++) {
    const c = turn.octets[i]!;
    if (isMechanism(c) && words[at + COUNT]! < MAX_MECHANISM) {
      words[at + COUNT]!++;
      continue;
    }
    if (c === HT && words[at + COUNT] !== 0) return trail(turn, i, CMD_SYNTAX);
    if (c !== SP || words[at + COUNT] === 0) return fault(turn, i, CMD_SYNTAX, RANK_ARGUMENT);
    words[at + PHASE] = PHASE_INITIAL;
    words[at + COUNT] = 0;
    words[at + AUX] = 0;
    return i + 1;
  }
  return end;
}

function isMechanism(c: number): boolean {
  return (c >= DIGIT_0 && c <= DIGIT_9) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a) || c === 0x2d || c === 0x5f;
}

/** Initial response: base64, or a single `=` for an empty one.  COUNT: base64 octets, AUX: pads. */
export function initialResponse(turn: Turn, from: number, end: number): number {
  const { words, at } = turn;
  for (let i = from; i < end; i++) {
    const c = turn.octets[i]!;
    const kind = BASE64[c]!;
    const pads = words[at + AUX]!;
    if (kind === 1 && pads === 0) words[at + COUNT]!++;
    else if (kind === 2 && pads < (words[at + COUNT] === 0 ? 1 : 2)) words[at + AUX]!++;
    else if (c === HT || c === SP) return trail(turn, i, CMD_SYNTAX);
    else return fault(turn, i, CMD_SYNTAX, RANK_ARGUMENT);
  }
  return end;
}

/** A line inside the SASL dialogue: base64 with at most two pads, or `*` alone.  AUX: pads, 3 behind `*`. */
export function saslResponse(turn: Turn, from: number, end: number): number {
  const { words, at } = turn;
  for (let i = from; i < end; i++) {
    const c = turn.octets[i]!;
    const kind = BASE64[c]!;
    const pads = words[at + AUX]!;
    if (kind === 1 && pads === 0) words[at + COUNT] = 1;
    else if (kind === 2 && pads < 2) words[at + AUX] = pads + 1;
    else if (c === 0x2a && pads === 0 && words[at + COUNT] === 0) words[at + AUX] = 3;
    else return fault(turn, i, AUTH_SYNTAX, RANK_ARGUMENT);
  }
  return end;
}

/** chunk-size: digits, at most the limit of the policy. */
export function chunkSize(turn: Turn, from: number, end: number): number {
  const { words, at } = turn;
  for (let i = from; i < end; i++) {
    const c = turn.octets[i]!;
    const size = words[at + CHUNK_LEFT]!;
    if (c >= DIGIT_0 && c <= DIGIT_9) {
      // 2^31 does not fit the word; the product does fit a double
      const next = (size === NO_SIZE ? 0 : size) * 10 + (c - DIGIT_0);
      if (next > turn.policy.maxChunk) return fault(turn, i, BDAT_SYNTAX, RANK_ARGUMENT);
      words[at + CHUNK_LEFT] = next;
      continue;
    }
    if (size === NO_SIZE) return fault(turn, i, BDAT_SYNTAX, RANK_ARGUMENT);
    if (c === HT) return trail(turn, i, BDAT_SYNTAX);
    if (c !== SP) return fault(turn, i, BDAT_SYNTAX, RANK_ARGUMENT);
    words[at + PHASE] = PHASE_LAST;
    words[at + COUNT] = 0;
    return i + 1;
  }
  return end;
}

const LAST = Uint8Array.of(0x4c, 0x41, 0x53, 0x54);

/** The end marker LAST, in any case. */
export function lastMarker(turn: Turn, from: number, end: number): number {
  const { words, at } = turn;
  for (let i = from; i < end; i++) {
    const c = turn.octets[i]!;
    const matched = words[at + COUNT]!;
    if (matched < LAST.length && (c & 0xdf) === LAST[matched]) {
      words[at + COUNT] = matched + 1;
      continue;
    }
    if ((c === SP || c === HT) && (matched === 0 || matched === LAST.length)) return trail(turn, i, BDAT_SYNTAX);
    return fault(turn, i, BDAT_SYNTAX, RANK_ARGUMENT);
  }
  return end;
}

/** True when the phase's argument may end here. */
export function argumentComplete(turn: Turn): boolean {
  const { words, at } = turn;
  switch (words[at + PHASE]) {
    case PHASE_TEXT:
      return !inSequence(turn);
    case PHASE_TOKEN:
    case PHASE_SASL:
    case PHASE_INITIAL:
      return true;
    case PHASE_MECHANISM:
      return words[at + COUNT] !== 0;
    case PHASE_CHUNK_SIZE:
      return words[at + CHUNK_LEFT] !== NO_SIZE;
    case PHASE_LAST:
      return words[at + COUNT] === 0 || words[at + COUNT] === LAST.length;
    default:
      return false;
  }
}
