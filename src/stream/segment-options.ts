// Options of a segment: what may pass and what it says.  RFC 9293 section 3.2, RFC 7323, RFC 2018, RFC 2883, RFC 7413.
//
// Passing: maximum segment size, window scale (at most 14) and SACK-permitted on a SYN, the last two of a SYN/ACK only as answers;
// timestamps and SACK as negotiated; SACK blocks that lie within what was released.  Everything else is overwritten
// with NOP, so that the header keeps its length, and what stands behind an end of list is zeroed.

import { OK, type Reason, TCP_BAD_OPTION, TCP_OPTION_STRIPPED, TCP_SYN_DATA } from '../telemetry/reasons.ts';
import { after, before } from '../wire/seq.ts';
import * as tcp from '../wire/tcp.ts';
import { alert } from './alerts.ts';
import {
  FLAGS,
  OFFERS_SACK,
  OFFERS_SCALE,
  OFFERS_TIMESTAMPS,
  PEER,
  sentTo,
  sessionRecord,
  SACK,
  TIMESTAMPS,
  UNA,
} from './stream-record.ts';
import type { StreamState } from './stream-state.ts';

/** NOP NOP and a timestamps option of ten octets: the usual twelve of a segment that is no SYN. */
const USUAL_TIMESTAMPS = 0x0101_080a;
const OPTION_FAST_OPEN = 34;
/** Fast Open before it had a number of its own: RFC 6994 experiment 0xf989. */
const OPTION_EXPERIMENT = 254;
const FAST_OPEN_EXPERIMENT = 0xf989;
const MAX_SCALE = 14;
/** Shift of the window scale that is not offered. */
export const NO_SCALE = -1;

/** What the options of the last SYN said. */
export const offer = { mss: 0, scale: NO_SCALE, sack: false, timestamps: false };

/**
 * Reads the options of the segment at hand, of the direction at `at`, and removes what may not pass.  OK, or why the segment is
 * dropped.  Timestamps go to the segment, those of a SYN to `offer` as well.
 */
export function filterOptions(s: StreamState, at: number): Reason {
  const { segment } = s;
  const { view } = s.region;
  const from = segment.l4 + tcp.MIN_HEADER_LENGTH;
  const octets = segment.payload - from;
  if (segment.has(tcp.SYN)) clearOffer();
  else if (octets === 0) return OK;
  else if (octets === 12 && view.getInt32(from) === USUAL_TIMESTAMPS && (s.words[sessionRecord(at) + FLAGS]! & TIMESTAMPS) !== 0) {
    readTimestamps(s, from + 2);
    return OK;
  }
  return walk(s, at, from);
}

function clearOffer(): void {
  offer.mss = 536;
  offer.scale = NO_SCALE;
  offer.sack = false;
  offer.timestamps = false;
}

function walk(s: StreamState, at: number, from: number): Reason {
  const { view } = s.region;
  const end = s.segment.payload;
  let seen = 0;
  const reason = tcp.checkOptions(view, s.segment.l4);
  if (reason !== OK) return reason;
  for (let o = from; o < end; ) {
    const kind = view.getUint8(o);
    if (kind === tcp.OPTION_END) {
      zero(s, o + 1, end);
      return OK;
    }
    if (kind === tcp.OPTION_NOP) {
      o++;
      continue;
    }
    const length = view.getUint8(o + 1);
    if (!hasRightLength(kind, length)) return TCP_BAD_OPTION;
    // A second copy of an option is read by some receivers and not by others.
    const bit = kind < 32 ? 1 << kind : 0;
    if ((seen & bit) !== 0 || !passes(s, at, kind, o, length)) strip(s, kind, o, length);
    seen |= bit;
    o += length;
  }
  return OK;
}

function hasRightLength(kind: number, length: number): boolean {
  switch (kind) {
    case tcp.OPTION_MSS:
      return length === 4;
    case tcp.OPTION_WINDOW_SCALE:
      return length === 3;
    case tcp.OPTION_SACK_PERMITTED:
      return length === 2;
    case tcp.OPTION_TIMESTAMPS:
      return length === 10;
    case tcp.OPTION_SACK:
      return length >= 10 && (length & 7) === 2;
    default:
      return true;
  }
}

/** Reads the option at `o` of the direction at `at`; false when it may not pass. */
function passes(s: StreamState, at: number, kind: number, o: number, length: number): boolean {
  const { view } = s.region;
  const isSyn = s.segment.has(tcp.SYN);
  switch (kind) {
    case tcp.OPTION_MSS:
      if (isSyn) offer.mss = view.getUint16(o + 2);
      return isSyn;
    case tcp.OPTION_WINDOW_SCALE:
      if (!isSyn || !mayOffer(s, at, OFFERS_SCALE)) return false;
      offer.scale = clampScale(s, o);
      return true;
    case tcp.OPTION_SACK_PERMITTED:
      if (!isSyn || !mayOffer(s, at, OFFERS_SACK)) return false;
      offer.sack = true;
      return true;
    case tcp.OPTION_TIMESTAMPS:
      return passTimestamps(s, at, o, isSyn);
    case tcp.OPTION_SACK:
      return !isSyn && (s.words[sessionRecord(at) + FLAGS]! & SACK) !== 0 && filterSack(s, at, o, length);
    default:
      return false;
  }
}

/** A SYN offers what it likes, a SYN/ACK what the SYN offered. */
function mayOffer(s: StreamState, at: number, bit: number): boolean {
  return !s.segment.has(tcp.ACK) || (s.words[(at ^ PEER) + FLAGS]! & bit) !== 0;
}

function clampScale(s: StreamState, o: number): number {
  const { view } = s.region;
  const shift = view.getUint8(o + 2);
  if (shift <= MAX_SCALE) return shift;
  view.setUint8(o + 2, MAX_SCALE);
  s.segment.isChanged = true;
  alert(s, TCP_BAD_OPTION, s.segment.seq);
  return MAX_SCALE;
}

function passTimestamps(s: StreamState, at: number, o: number, isSyn: boolean): boolean {
  const mayPass = isSyn ? mayOffer(s, at, OFFERS_TIMESTAMPS) : (s.words[sessionRecord(at) + FLAGS]! & TIMESTAMPS) !== 0;
  if (!mayPass) return false;
  if (isSyn) offer.timestamps = true;
  readTimestamps(s, o);
  return true;
}

function readTimestamps(s: StreamState, o: number): void {
  s.segment.hasTimestamps = true;
  s.segment.tsValue = s.region.view.getInt32(o + 2);
  s.segment.tsEcho = s.region.view.getInt32(o + 6);
}

/**
 * Removes the blocks of a SACK option that lie outside what was released of the other direction: those behind move up, NOPs fill
 * the end.  False when none is left.  A first block below the acknowledgement reports a duplicate (RFC 2883) and stays.
 */
function filterSack(s: StreamState, at: number, o: number, length: number): boolean {
  const { view } = s.region;
  let to = o + 2;
  for (let block = o + 2; block < o + length; block += 8) {
    const left = view.getInt32(block);
    const right = view.getInt32(block + 4);
    if (!isReleased(s, at ^ PEER, left, right)) continue;
    if (to !== block) {
      view.setInt32(to, left);
      view.setInt32(to + 4, right);
    }
    to += 8;
  }
  if (to === o + length) return true;
  if (to === o + 2) return false;
  view.setUint8(o + 1, to - o);
  fillNop(s, to, o + length);
  alert(s, TCP_OPTION_STRIPPED, s.segment.seq);
  return true;
}

function isReleased(s: StreamState, peer: number, left: number, right: number): boolean {
  const lowest = (s.words[peer + UNA]! - s.limits.emitted) | 0;
  return before(left, right) && !after(right, sentTo(s.words, peer)) && !before(left, lowest);
}

function strip(s: StreamState, kind: number, o: number, length: number): void {
  const isFastOpen =
    kind === OPTION_FAST_OPEN || (kind === OPTION_EXPERIMENT && length >= 4 && s.region.view.getUint16(o + 2) === FAST_OPEN_EXPERIMENT);
  alert(s, isFastOpen && s.segment.has(tcp.SYN) ? TCP_SYN_DATA : TCP_OPTION_STRIPPED, s.segment.seq);
  fillNop(s, o, o + length);
}

function fillNop(s: StreamState, from: number, to: number): void {
  s.region.u8.fill(tcp.OPTION_NOP, from, to);
  s.segment.isChanged = true;
}

function zero(s: StreamState, from: number, to: number): void {
  const { u8 } = s.region;
  for (let i = from; i < to; i++) {
    if (u8[i] === 0) continue;
    u8[i] = 0;
    s.segment.isChanged = true;
  }
}
