// A segment of an established session: timestamps, acknowledgement, window, FIN; then where its octets go: those that were
// released come from the store, those that are held are compared with it, new ones in order are judged, and those behind a
// hole wait.  RFC 9293 section 3.10.7.4, RFC 7323 section 5, RFC 5961 section 5.
//
// The first copy of an octet wins, whatever comes later.  Each function answers OK when the frame has its fate (it left, is held or
// is consumed), or the reason to drop it.

import { HELD_ACKS, OUT_OF_ORDER_SEGMENTS } from '../telemetry/counters.ts';
import {
  INSPECT_MAX_DATA,
  OK,
  type Reason,
  TCP_ACK_UNSEEN,
  TCP_DATA_AFTER_FIN,
  TCP_OLD_DATA,
  TCP_OOO_LIMIT,
  TCP_OUT_OF_WINDOW,
  TCP_OVERLAP_MISMATCH,
  TCP_PAWS,
  TCP_STORE_FULL,
  TCP_TS_MISSING,
  TCP_ZERO_WINDOW_PROBE,
} from '../telemetry/reasons.ts';
import { after, atOrBefore, before, earlier, later } from '../wire/seq.ts';
import * as tcp from '../wire/tcp.ts';
import { alarm, alert } from './alerts.ts';
import { NO_INTERVAL } from './holes.ts';
import { inspect } from './inspection.ts';
import { noteSize, originate, keepTemplate } from './originate.ts';
import { applyAck, clampWindow, consume, holdFrame, noteOverwritten, pass, releaseSegment, releaseStored } from './release.ts';
import { dropReasonOf } from './resets.ts';
import { CHANGED, MISMATCH } from './store.ts';
import {
  ACK_NUM,
  EDGE,
  FIN_SEEN,
  FIN_SENT,
  FIN_SEQ,
  FLAGS,
  HELD,
  HELD_END,
  HOLES,
  ISN,
  NXT,
  OURS,
  PEER,
  RELEASED,
  SCALE_MASK,
  SENT_END,
  sentTo,
  sessionRecord,
  TIMESTAMPS,
  TS_ECHO,
  TS_RECENT,
  UNA,
  WAITS,
  WINDOW,
} from './stream-record.ts';
import { directionOf, type StreamState } from './stream-state.ts';

// Shift of the part of the store, of all its pages, that is left to others.
/** Octets behind a hole may fill three quarters: whoever sends them decides for how long. */
const SPARE_OF_HOLES = 2;
/** Octets that wait for the other direction may fill seven eighths. */
const SPARE_OF_WAITING = 3;

/** The segment at hand, of the direction at `at`; no SYN, no RST. */
export function receive(s: StreamState, at: number): Reason {
  const { segment, words } = s;
  const peer = at ^ PEER;
  if (isOld(s, at)) return segment.hasTimestamps ? TCP_PAWS : TCP_TS_MISSING;
  const unseen = (sentTo(words, peer) - segment.ack) | 0;
  if (unseen > 1 << 30 || (unseen < 0 && !fitAck(s, peer))) return TCP_ACK_UNSEEN;
  const inWindow = fitWindow(s, at);
  if (inWindow !== OK) return inWindow;
  const fin = fitFin(s, at);
  if (fin !== OK) return fin;
  if (segment.length === 0 && !segment.has(tcp.FIN)) {
    noteNumbers(s, at);
    passEmpty(s, at);
    return OK;
  }
  return segment.length > 0 && atOrBefore(segment.end, words[at + UNA]!) ? passOld(s, at) : receiveOctets(s, at);
}

/** Timestamps were negotiated and this one is missing, or older than the last one in order. */
function isOld(s: StreamState, at: number): boolean {
  const { segment, words } = s;
  if ((words[sessionRecord(at) + FLAGS]! & TIMESTAMPS) === 0) return false;
  return !segment.hasTimestamps || before(segment.tsValue, words[at + TS_RECENT]!);
}

/**
 * An acknowledgement of octets that came and are held here is believed as far as they were released (I6).  A receiver cannot have
 * seen them; but where a capture is replayed in which the server read ahead, the segment may bring the very reply for which they
 * wait, so what it says beyond is taken out and its octets are looked at.  False: it brings none, or speaks of octets that
 * never came.
 */
function fitAck(s: StreamState, peer: number): boolean {
  const { segment, words } = s;
  if (segment.length === 0) return false;
  const hasFin = (words[peer + FLAGS]! & FIN_SEEN) !== 0 && words[peer + FIN_SEQ] === words[peer + NXT];
  if (after(segment.ack, hasFin ? (words[peer + NXT]! + 1) | 0 : words[peer + NXT]!)) return false;
  alert(s, TCP_ACK_UNSEEN, segment.seq);
  segment.setAck(sentTo(words, peer));
  return true;
}

/**
 * What lies outside the window: behind it by more than the largest window, or beyond its edge.  A segment that crosses the edge is
 * cut there; one octet right at it is a probe of a closed window, which goes on without the octet.
 */
function fitWindow(s: StreamState, at: number): Reason {
  const { segment, words } = s;
  const edge = words[at + EDGE]!;
  if (before(segment.seq, (words[at + UNA]! - Math.max(s.limits.emitted, 0xffff) - 1) | 0)) return TCP_OUT_OF_WINDOW;
  // Behind a FIN that stands at the edge the sender's own number is one more.
  const isBehindFin = segment.length === 0 && (words[at + FLAGS]! & FIN_SEEN) !== 0;
  if (!after(segment.end, isBehindFin ? (edge + 1) | 0 : edge)) return OK;
  if (before(segment.seq, edge)) {
    segment.truncate((edge - segment.seq) | 0);
    alert(s, TCP_OUT_OF_WINDOW, segment.seq);
    return OK;
  }
  if (segment.length !== 1 || segment.seq !== edge) return TCP_OUT_OF_WINDOW;
  alert(s, TCP_ZERO_WINDOW_PROBE, segment.seq);
  segment.truncate(0);
  // In front of what the receiver expects, else it would not answer and the sender never learn that the window has opened.
  segment.setSeq((words[at + RELEASED]! - 1) | 0);
  return OK;
}

/** Octets and FINs that contradict the end of the stream.  The first FIN is the end. */
function fitFin(s: StreamState, at: number): Reason {
  const { segment, words } = s;
  const { end } = segment;
  if ((words[at + FLAGS]! & FIN_SEEN) === 0) {
    // Octets behind this FIN came before it: they have their number already.
    return segment.has(tcp.FIN) && before(end, words[at + SENT_END]!) ? TCP_DATA_AFTER_FIN : OK;
  }
  const finSeq = words[at + FIN_SEQ]!;
  if (segment.has(tcp.FIN) && before(end, finSeq)) return TCP_DATA_AFTER_FIN;
  if (segment.length === 0 ? !after(segment.seq, (finSeq + 1) | 0) : !after(end, finSeq)) return OK;
  if (!before(segment.seq, finSeq)) return TCP_DATA_AFTER_FIN;
  segment.truncate((finSeq - segment.seq) | 0);
  alert(s, TCP_DATA_AFTER_FIN, segment.seq);
  return OK;
}

/** Notes what the accepted segment says of the other direction, and clamps its window. */
function noteNumbers(s: StreamState, at: number): void {
  const { segment, words } = s;
  clampWindow(s, words[at + FLAGS]! & SCALE_MASK);
  if (!before(segment.ack, words[at + ACK_NUM]!)) {
    words[at + ACK_NUM] = segment.ack;
    words[at + WINDOW] = tcp.window(s.region.view, segment.l4);
  }
  if (segment.hasTimestamps && !after(segment.seq, words[at + NXT]!)) {
    words[at + TS_RECENT] = segment.tsValue;
    words[at + TS_ECHO] = segment.tsEcho;
  }
}

/** An acknowledgement alone.  Its own number must not tell of octets that the receiver has not been sent. */
function passEmpty(s: StreamState, at: number): void {
  const next = sentTo(s.words, at);
  if (after(s.segment.seq, next)) s.segment.setSeq(next);
  pass(s);
  applyAck(s, at);
}

/** All its octets were acknowledged: it goes on without them, so that the receiver acknowledges again. */
function passOld(s: StreamState, at: number): Reason {
  const { segment, words } = s;
  noteNumbers(s, at);
  const finIsOpen = segment.has(tcp.FIN) && (words[at + FLAGS]! & FIN_SENT) !== 0 && !after(words[at + UNA]!, words[at + FIN_SEQ]!);
  if (finIsOpen) segment.trimFront(segment.length);
  else segment.truncate(0);
  alert(s, TCP_OLD_DATA, segment.seq);
  pass(s);
  applyAck(s, at);
  return OK;
}

function receiveOctets(s: StreamState, at: number): Reason {
  const { segment, words } = s;
  if (segment.length > 0 && before(segment.seq, words[at + UNA]!)) {
    alert(s, TCP_OLD_DATA, segment.seq);
    segment.trimFront((words[at + UNA]! - segment.seq) | 0);
  }
  const nxt = words[at + NXT]!;
  if (after(segment.seq, nxt)) return waitBehindHole(s, at);
  const isNew = after(segment.end, nxt) || (segment.has(tcp.FIN) && (words[at + FLAGS]! & FIN_SEEN) === 0);
  return isNew ? takeInOrder(s, at) : repeat(s, at);
}

/** Nothing in it is new: what was released goes out again as it was, what is held is acknowledged to its sender. */
function repeat(s: StreamState, at: number): Reason {
  const { segment, words } = s;
  noteNumbers(s, at);
  overlay(s, at, segment.seq, segment.end);
  const finLeft = segment.has(tcp.FIN) && (words[at + FLAGS]! & FIN_SENT) !== 0;
  if (before(segment.seq, words[at + RELEASED]!) || finLeft) {
    releaseSegment(s, at, true, OK);
    return OK;
  }
  keepTemplate(s, at);
  acknowledgeHeld(s, at);
  consume(s);
  return OK;
}

/** Held octets must not stall their sender: they are ours from now on. */
function acknowledgeHeld(s: StreamState, at: number): void {
  const { words } = s;
  const peer = at ^ PEER;
  const nxt = words[at + NXT]!;
  const room = Math.max(0, (words[at + EDGE]! - nxt) | 0);
  const window = Math.min(0xffff, room >> (words[peer + FLAGS]! & SCALE_MASK));
  if (!originate(s, peer, sentTo(words, peer), nxt, tcp.ACK, window, 0)) return;
  words[at + OURS] = later(words[at + OURS]!, nxt);
  s.counters[HELD_ACKS]!++;
}

/** New octets (or the FIN) that follow what came before. */
function takeInOrder(s: StreamState, at: number): Reason {
  const { segment, words } = s;
  const nxt = words[at + NXT]!;
  const { end } = segment;
  const spare = (words[at + FLAGS]! & WAITS) === 0 ? 0 : s.store.limit >> SPARE_OF_WAITING;
  if (((end - words[at + UNA]!) | 0) > s.limits.emitted || !s.store.reserve(at, nxt, end, s.now, spare)) return TCP_STORE_FULL;
  noteNumbers(s, at);
  noteSize(s, at);
  noteEnd(s, at);
  const isRepeated = before(segment.seq, nxt);
  overlay(s, at, segment.seq, nxt);
  store(s, at, nxt, end);
  s.freshAt = at;
  s.freshFrom = nxt;
  s.freshTo = end;
  words[at + NXT] = end;
  joinHoles(s, at);
  s.resetCause = exceedsMaxData(s, at) ? INSPECT_MAX_DATA : inspect(s, at);
  releaseSegment(s, at, isRepeated, dropReasonOf(s.resetCause));
  releaseStored(s, at ^ PEER);
  return OK;
}

/** Octets behind a hole: stored, and nothing of the frame leaves. */
function waitBehindHole(s: StreamState, at: number): Reason {
  const { segment, holes, limits } = s;
  const { seq, end } = segment;
  const octets = holes.missing(at, seq, end);
  const isFull = holes.octets(at) + octets > limits.outOfOrderOctets || (octets > 0 && holes.segments(at) >= limits.outOfOrderSegments);
  const allAreFull = holes.total + octets > limits.outOfOrderTotal || !holes.hasRoom();
  if (((end - s.words[at + UNA]!) | 0) > limits.emitted) return TCP_STORE_FULL;
  if (isFull || allAreFull || !s.store.reserve(at, seq, end, s.now, s.store.limit >> SPARE_OF_HOLES)) {
    if (limits.outOfOrderAlarm) alarm(s, TCP_OOO_LIMIT, seq, segment.length, s.words[at + NXT]!);
    return TCP_OOO_LIMIT;
  }
  noteNumbers(s, at);
  noteSize(s, at);
  noteEnd(s, at);
  store(s, at, seq, end);
  keepTemplate(s, at);
  s.timersMoved = true;
  s.counters[OUT_OF_ORDER_SEGMENTS]!++;
  holes.add(at, seq, end, octets, holdFrame(s) ? 1 : 0, (s.now + limits.outOfOrderTimeout) | 0);
  return OK;
}

function noteEnd(s: StreamState, at: number): void {
  const { segment, words } = s;
  let { end } = segment;
  if (segment.has(tcp.FIN)) {
    words[at + FLAGS]! |= FIN_SEEN;
    words[at + FIN_SEQ] = end;
    end = (end + 1) | 0;
  }
  words[at + SENT_END] = later(words[at + SENT_END]!, end);
}

/** What came out of order and follows now. */
function joinHoles(s: StreamState, at: number): void {
  const { holes, words } = s;
  if (words[at + HOLES] === -1) return;
  words[at + NXT] = holes.take(at, words[at + NXT]!);
  if (holes.framesTaken > 0) {
    const finOnly = (words[at + FLAGS]! & FIN_SEEN) !== 0 && words[at + FIN_SEQ] === words[at + NXT] ? 1 : 0;
    const end = (words[at + NXT]! + finOnly) | 0;
    words[at + HELD_END] = words[at + HELD] === 0 ? end : later(words[at + HELD_END]!, end);
    words[at + HELD]! += holes.framesTaken;
  }
  if (words[at + HOLES] !== -1) holes.setDeadline(at, (s.now + s.limits.outOfOrderTimeout) | 0);
  s.timersMoved = true;
}

/**
 * Brings the octets [from, to) of the segment at hand and the store together: what the store has out of order is laid over the
 * segment, the rest is written to the store.
 */
function store(s: StreamState, at: number, from: number, to: number): void {
  const { holes, segment } = s;
  const place = segment.payload - segment.seq;
  let seq = from;
  for (let i = holes.first(at); i !== NO_INTERVAL && before(seq, to); i = holes.next[i]!) {
    if (atOrBefore(holes.to[i]!, seq)) continue;
    const gapEnd = earlier(to, holes.from[i]!);
    if (before(seq, gapEnd)) {
      s.store.write(at, seq, (place + seq) | 0, (gapEnd - seq) | 0);
      seq = gapEnd;
    }
    const coveredEnd = earlier(to, holes.to[i]!);
    overlay(s, at, seq, coveredEnd);
    seq = later(seq, coveredEnd);
  }
  if (before(seq, to)) s.store.write(at, seq, (place + seq) | 0, (to - seq) | 0);
}

/** Lays stored octets over [from, to) of the segment at hand. */
function overlay(s: StreamState, at: number, from: number, to: number): void {
  if (!before(from, to)) return;
  const { segment } = s;
  const answer = s.store.overlay(at, from, (segment.payload - segment.seq + from) | 0, (to - from) | 0);
  if ((answer & MISMATCH) !== 0) alert(s, TCP_OVERLAP_MISMATCH, from);
  if ((answer & CHANGED) !== 0) noteOverwritten(s);
}

function exceedsMaxData(s: StreamState, at: number): boolean {
  const limit = s.maxData[s.session]!;
  return limit > 0 && directionOf(at) === 0 && (s.words[at + NXT]! - s.words[at + ISN]! - 1) >>> 0 > limit;
}
