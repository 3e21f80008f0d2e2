// What leaves: the segment at hand as far as its octets may go, what was held before and behind it, the FIN when all octets
// in front of it have left; and what an acknowledgement that leaves sets free.
//
// An acknowledgement counts when its frame leaves, not when it arrives: until then the other side does not know of it, and
// what it sends again must still be found in the store.

import { FIN_FORWARD, FIN_REPLY } from '../session/record.ts';
import { noteFin } from '../session/tcp-track.ts';
import { GENERATED } from '../frame/frames.ts';
import { OVERWRITTEN_SEGMENTS } from '../telemetry/counters.ts';
import { OK, type Reason } from '../telemetry/reasons.ts';
import { after, atOrBefore, before, earlier, later } from '../wire/seq.ts';
import * as tcp from '../wire/tcp.ts';
import { keepTemplate, sendStored } from './originate.ts';
import {
  ACK_NUM,
  EDGE,
  FIN_ENDED,
  FIN_SEEN,
  FIN_SENT,
  FIN_SEQ,
  FLAGS,
  HELD,
  HELD_END,
  HOLES,
  NXT,
  OURS,
  PEER,
  RELEASED,
  RELEASE_TO,
  SCALE_MASK,
  sentTo,
  UNA,
  WINDOW,
} from './stream-record.ts';
import { directionOf, type StreamState } from './stream-state.ts';
import { armResend, disarmResend } from './deadlines.ts';

/** Settles the segment at hand and puts its frame on the way. */
export function pass(s: StreamState): void {
  s.segment.finish();
  s.out.push(s.segment.f);
}

/** Lowers the window of the segment at hand so that what is in flight towards its sender fits the store; never raises it. */
export function clampWindow(s: StreamState, scale: number): void {
  const { view } = s.region;
  const { l4 } = s.segment;
  if (tcp.window(view, l4) << scale <= s.limits.emitted) return;
  tcp.setWindow(view, l4, s.limits.emitted >> scale);
  s.segment.isChanged = true;
}

/**
 * What the sender of the direction at `at` has acknowledged and offered last, now that a segment of it leaves: octets of the
 * other direction go out of the store, the right edge of its window moves up.
 */
export function applyAck(s: StreamState, at: number): void {
  const { words } = s;
  const peer = at ^ PEER;
  const ack = words[at + ACK_NUM]!;
  const edge = (ack + (words[at + WINDOW]! << (words[at + FLAGS]! & SCALE_MASK))) | 0;
  if (after(edge, words[peer + EDGE]!)) words[peer + EDGE] = edge;
  if (!after(ack, words[peer + UNA]!)) return;
  words[peer + UNA] = ack;
  if (!before(ack, words[peer + OURS]!)) disarmResend(s, peer);
  if (words[peer + HOLES] === -1 && !before(ack, words[peer + NXT]!)) s.store.releaseAll(peer);
  else s.store.release(peer, ack);
}

/**
 * Emits what the direction at `at` may send with the segment at hand, whose octets are in the store or in the frame.  `isRepeated`:
 * the segment brings octets that came before.  `dropReason`, unless OK: the session is reset next, and what would be held is
 * dropped for it.
 */
export function releaseSegment(s: StreamState, at: number, isRepeated: boolean, dropReason: Reason): void {
  const { segment, words } = s;
  const released = words[at + RELEASED]!;
  const to = words[at + RELEASE_TO]!;
  const { seq, end } = segment;
  words[at + RELEASED] = to;
  // Segments are made after the model of the newest one, and only while something of its direction is held or comes again.
  if (before(released, seq) || end !== to || words[at + NXT] !== to) keepTemplate(s, at);
  let sent = isRepeated && sendOurs(s, at, earlier(earlier(words[at + OURS]!, released), seq));
  if (before(released, seq) && before(released, to)) {
    sendStored(s, at, released, earlier(to, seq), false);
    sent = true;
  }
  if (sendItself(s, at, dropReason)) sent = true;
  if (sendBehind(s, at, later(end, released))) sent = true;
  settle(s, at, sent);
}

/** Emits what the direction at `at` may send when none of its segments is at hand. */
export function releaseStored(s: StreamState, at: number): void {
  const { words } = s;
  const released = words[at + RELEASED]!;
  words[at + RELEASED] = words[at + RELEASE_TO]!;
  if (sendBehind(s, at, released)) settle(s, at, true);
}

/** Octets from UNA up to `to` that only we can send again, in front of a retransmission of others. */
function sendOurs(s: StreamState, at: number, to: number): boolean {
  const from = s.words[at + UNA]!;
  if (!before(from, to)) return false;
  sendStored(s, at, from, to, false);
  return true;
}

/** The segment at hand as far as it was released; false when nothing of it leaves. */
function sendItself(s: StreamState, at: number, dropReason: Reason): boolean {
  const { segment, words } = s;
  const to = words[at + RELEASED]!;
  const keep = Math.max(0, (earlier(segment.end, to) - segment.seq) | 0);
  const takesFin = segment.has(tcp.FIN) && segment.end === to && mayFinish(words, at);
  if (keep === 0 && !takesFin) {
    withhold(s, at, dropReason);
    return false;
  }
  if (!takesFin) segment.clearBits(tcp.FIN);
  segment.truncate(keep);
  pass(s);
  if (takesFin) noteFinSent(s, at);
  return true;
}

/** Stored octets from `from` on that were released, and the FIN when they are the last ones and it has not left. */
function sendBehind(s: StreamState, at: number, from: number): boolean {
  const { words } = s;
  const to = words[at + RELEASED]!;
  const finishes = mayFinish(words, at) && (words[at + FLAGS]! & FIN_SENT) === 0;
  if (!before(from, to) && !finishes) return false;
  sendStored(s, at, earlier(from, to), to, finishes);
  if (finishes) noteFinSent(s, at);
  return true;
}

/** What follows from a release: the acknowledgement counts when something left that carried it. */
function settle(s: StreamState, at: number, sent: boolean): void {
  if (sent) applyAck(s, at);
  settleHeld(s, at);
  armResend(s, at);
}

/** Counts the segment at hand as one that carries stored octets over its own. */
export function noteOverwritten(s: StreamState): void {
  s.segment.isChanged = true;
  s.counters[OVERWRITTEN_SEGMENTS]!++;
}

/** Nothing of the segment at hand leaves, and all its octets came before: it is gone. */
export function consume(s: StreamState): void {
  const { frames, ledger } = s;
  const { f } = s.segment;
  // A datagram merged from fragments was never counted as received; its fragments were consumed.
  if ((frames.flags[f]! & GENERATED) !== 0) frames.free(f);
  else ledger.consume(f);
}

/** A frame of which nothing leaves now; true when it is to be counted as held.  Its octets are in the store. */
export function holdFrame(s: StreamState): boolean {
  const { frames, ledger } = s;
  const { f } = s.segment;
  const isReceived = (frames.flags[f]! & GENERATED) === 0;
  if (isReceived) ledger.hold(f);
  frames.free(f);
  return isReceived;
}

function withhold(s: StreamState, at: number, dropReason: Reason): void {
  const { segment, words } = s;
  if (dropReason !== OK) {
    s.ledger.drop(segment.f, dropReason);
    return;
  }
  const end = segment.has(tcp.FIN) ? (segment.end + 1) | 0 : segment.end;
  if (!holdFrame(s)) return;
  words[at + HELD_END] = words[at + HELD] === 0 ? end : later(words[at + HELD_END]!, end);
  words[at + HELD]!++;
}

/** All octets were released, and the inspector knows that no more will come. */
function mayFinish(words: Int32Array, at: number): boolean {
  return (words[at + FLAGS]! & (FIN_SEEN | FIN_ENDED)) === (FIN_SEEN | FIN_ENDED) && words[at + RELEASED] === words[at + FIN_SEQ];
}

function noteFinSent(s: StreamState, at: number): void {
  if ((s.words[at + FLAGS]! & FIN_SENT) !== 0) return;
  s.words[at + FLAGS]! |= FIN_SENT;
  noteFin(s.sessions, s.session, directionOf(at) === 0 ? FIN_FORWARD : FIN_REPLY);
}

/** Held frames whose octets have all left are held no longer. */
function settleHeld(s: StreamState, at: number): void {
  const { words } = s;
  if (words[at + HELD] === 0 || !atOrBefore(words[at + HELD_END]!, sentTo(words, at))) return;
  s.ledger.settleConsumed(words[at + HELD]!);
  words[at + HELD] = 0;
}
