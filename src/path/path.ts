// The life of a frame: the order of the steps, and nothing else.
//
//   expire      timers that are due
//   (receive    the engine has filled the batch: port -> frames 0 .. count-1)
//   decode      headers -> columns                                        the whole batch
//   lookup      5-tuple -> session, as a hint                             the whole batch
//   then frame by frame, in order of arrival:
//   defragment  fragments -> datagrams
//   admit       new only: access lists, NAT, route, inspection rule -> session
//   track       TCP state and windows; with an inspector: reassemble, inspect, release (stream/)
//   translate   addresses, ports, checksums, TTL
//   forward     next hop, MTU, link header -> transmit queue
//   emit        transmit queue -> ports                                   the whole batch
//
// Everything that reads or changes state runs in order of arrival, one frame at a time, because what is decided of a
// frame depends on all frames before it: half-open counts, ports of a NAT pool, a session that ended.  So the results are
// the same for every batch size.  What gains from a batch is what misses the cache or needs no state: decode and lookup.

import { FRAGMENT, KIND_ARP, KIND_OTHER, MERGED, NO_FRAME, NO_SESSION, PENDING } from '../frame/frames.ts';
import { BRIDGED, CLOSING, INSPECTED, LAST_HEARD, OPENING, RECORD_SHIFT, STATE, STATE_MASK, TRANSLATED } from '../session/record.ts';
import { mayReopen } from '../session/tcp-track.ts';
import { BATCHES } from '../telemetry/counters.ts';
import { TCP_CLOSED } from '../telemetry/reasons.ts';
import { PROTOCOL_TCP } from '../wire/ipv4.ts';
import { ADMITTED, AGAIN, FORWARD_ONCE, admit, admitAgain } from './admit.ts';
import { receiveArp } from './arp.ts';
import { bridgeOther } from './bridge.ts';
import { clampMss } from './clamp-mss.ts';
import type { DataPlane } from './data-plane.ts';
import { decode } from './decode.ts';
import { defragment } from './defragment.ts';
import { emit } from './emit.ts';
import { expire, fireTimer } from './expire.ts';
import { forward } from './forward.ts';
import { OF_NO_SESSION, findErrorSession, rewriteError, translateError } from './icmp-errors.ts';
import { survivesHop } from './hop.ts';
import { lookup, refresh } from './lookup.ts';
import { opening } from './open-session.ts';
import { findSession } from './session-key.ts';
import { readmit } from './readmit.ts';
import { endClosed, endSession, noteReply, noteState } from './session-life.ts';
import { beginTrace, endTrace } from './trace.ts';
import { isIcmpError, track } from './track.ts';
import { decrementTtl, rewrite, translateSession } from './translate.ts';

/** The path of one data plane. */
export interface Path {
  /** One batch: frames [0, count) are filled, all arrived in millisecond `now`. */
  breathe(count: number, now: number): void;
  /** Timers alone: everything due at or before `now`, and what it sends. */
  advance(now: number): void;
}

/** Makes a data plane take this path; once, before the first batch.  The bundle copies the whole path in here (scripts/specialise.mjs). */
export function attach(p: DataPlane): Path {
  p.onTimer = (timer, now) => onTimer(p, timer, now);
  return {
    breathe: (count, now) => breathe(p, count, now),
    advance: (now) => advance(p, now),
  };
}

function breathe(p: DataPlane, count: number, now: number): void {
  p.refreshPorts();
  expire(p, now);
  decode(p, count);
  lookup(p, count);
  for (let f = 0; f < count; f++) {
    if (p.trace.isOn) passTraced(p, f, now);
    else if (p.frames.fate[f] === PENDING) pass(p, f, now);
  }
  emit(p);
  p.counters[BATCHES]!++;
}

function advance(p: DataPlane, now: number): void {
  expire(p, now);
  emit(p);
}

/** A timer, and behind it what streams want to send and what ended. */
function onTimer(p: DataPlane, timer: number, now: number): void {
  fireTimer(p, timer, now);
  sendStreams(p, now);
  endClosed(p, now);
}

/** The same under `debug postern packet`. */
function passTraced(p: DataPlane, f: number, now: number): void {
  beginTrace(p, f);
  if (p.frames.fate[f] === PENDING) pass(p, f, now);
  endTrace(p, f);
}

function pass(p: DataPlane, f: number, now: number): void {
  p.stampFrom(f);
  const kind = p.frames.kind[f]!;
  if (kind === KIND_ARP) receiveArp(p, f, now);
  else if (kind === KIND_OTHER) bridgeOther(p, f);
  else if ((p.frames.flags[f]! & FRAGMENT) === 0) passDatagram(p, f, now);
  else passFragment(p, f, now);
}

/** A fragment waits until its datagram is whole; that goes on as a frame of its own. */
function passFragment(p: DataPlane, f: number, now: number): void {
  const merged = defragment(p, f, now);
  if (merged === NO_FRAME) return;
  findSession(p, merged);
  passDatagram(p, merged, now);
  // Inside the merged frame, unless its pieces went on by themselves.
  p.fragments.consumeFragments(merged);
}

function passDatagram(p: DataPlane, f: number, now: number): void {
  refresh(p, f);
  if (p.frames.session[f] !== NO_SESSION) passSession(p, f, false, now);
  else if (isIcmpError(p, f)) passError(p, f, now);
  else passNew(p, f, now);
}

function passError(p: DataPlane, f: number, now: number): void {
  const found = findErrorSession(p, f);
  if (found === OF_NO_SESSION) passNew(p, f, now);
  if (found < 0) return;
  const session = found >> 1;
  const direction = found & 1;
  if (p.sessions.epoch[session] !== p.policy.epoch && !readmit(p, session, now)) {
    passNew(p, f, now);
    return;
  }
  const bridged = p.sessions.hasFlag(session, BRIDGED);
  const egress = p.sessions.ingress(session, 1 - direction);
  if (!bridged && !survivesHop(p, f, egress, now)) return;
  translateError(p, f, session, direction);
  if (!bridged) decrementTtl(p, f);
  forward(p, f, egress, p.sessions.nextHop(session, direction), bridged, now);
}

function passNew(p: DataPlane, f: number, now: number): void {
  let admitted = admit(p, f, now);
  sendResets(p, now);
  if (admitted === AGAIN) admitted = admitAgain(p, f, now);
  if (admitted === ADMITTED) passSession(p, f, true, now);
  else if (admitted === FORWARD_ONCE) passOnce(p, f, now);
}

/** A permitted datagram that no inspection rule covers: each one of its flow takes this way. */
function passOnce(p: DataPlane, f: number, now: number): void {
  if ((p.frames.flags[f]! & MERGED) === 0) {
    sendOnce(p, f, now);
    return;
  }
  p.fragments.takeFragments(f, p.pieces);
  for (let i = 0; i < p.pieces.count; i++) sendOnce(p, p.pieces.frames[i]!, now);
  p.pieces.clear();
}

function sendOnce(p: DataPlane, f: number, now: number): void {
  if (p.frames.protocol[f] === PROTOCOL_TCP) clampMss(p, f, opening.egress);
  if (!opening.bridged) {
    if (opening.isError) rewriteError(p, f);
    else rewrite(p, f, opening.newSrc, opening.newDst, opening.newPorts);
    decrementTtl(p, f);
  }
  forward(p, f, opening.egress, opening.neighbour, opening.bridged, now);
}

function passSession(p: DataPlane, f: number, isNew: boolean, now: number): void {
  const { sessions, frames } = p;
  const session = frames.session[f]!;
  // Read before the stream step: the frame is its own no longer after it.
  const direction = frames.direction[f]!;
  const protocol = frames.protocol[f]!;
  if (p.hasReloaded && sessions.epoch[session] !== p.policy.epoch && !readmit(p, session, now)) {
    passNew(p, f, now);
    return;
  }
  const at = session << RECORD_SHIFT;
  const word = sessions.hot[at + STATE]!;
  const before = word & STATE_MASK;
  if (protocol === PROTOCOL_TCP && before >= CLOSING && mayReopen(sessions, frames, f, session, direction)) {
    endSession(p, session, TCP_CLOSED, now);
    passNew(p, f, now);
    return;
  }
  if ((word & BRIDGED) === 0 && !survivesHop(p, f, sessions.ingress(session, 1 - direction), now)) return;
  if (before === OPENING && protocol === PROTOCOL_TCP) clampMss(p, f, sessions.ingress(session, 1 - direction));
  sessions.hot[at + LAST_HEARD] = now;
  sessions.octets[session * 2 + direction]! += frames.end[f]! - frames.payload[f]!;
  if ((word & INSPECTED) !== 0) {
    if ((frames.flags[f]! & MERGED) !== 0) p.fragments.consumeFragments(f);
    p.streams.accept(f, now);
    p.flushDebug();
    sendStreams(p, now);
  } else if (track(p, f, session, isNew)) {
    sendTracked(p, f, session, now);
  }
  if (protocol === PROTOCOL_TCP) noteState(p, session, before);
  else if (before === OPENING && direction !== 0) noteReply(p, session);
  if (p.closed.count > 0) endClosed(p, now);
}

/** A datagram of a session without an inspector; one that came in fragments leaves in the same fragments. */
function sendTracked(p: DataPlane, f: number, session: number, now: number): void {
  const direction = p.frames.direction[f]!;
  if ((p.frames.flags[f]! & MERGED) === 0) {
    sendSession(p, f, session, direction, now);
    return;
  }
  p.fragments.takeFragments(f, p.pieces);
  for (let i = 0; i < p.pieces.count; i++) sendSession(p, p.pieces.frames[i]!, session, direction, now);
  p.pieces.clear();
}

/** What the stream step released, in order. */
function sendStreams(p: DataPlane, now: number): void {
  const { out } = p.streams;
  const { frames } = p;
  for (let i = 0; i < out.count; i++) {
    const f = out.frames[i]!;
    sendSession(p, f, frames.session[f]!, frames.direction[f]!, now);
  }
  out.clear();
}

/** Resets of half-open sessions that made room for the one just admitted. */
function sendResets(p: DataPlane, now: number): void {
  const { frames, resets } = p;
  for (let i = 0; i < resets.count; i++) {
    const g = resets.frames[i]!;
    sendSession(p, g, frames.session[g]!, frames.direction[g]!, now);
  }
  resets.clear();
  if (p.closed.count > 0) endClosed(p, now);
}

function sendSession(p: DataPlane, f: number, session: number, direction: number, now: number): void {
  const word = p.sessions.get(session, STATE);
  const bridged = (word & BRIDGED) !== 0;
  if ((word & TRANSLATED) !== 0) translateSession(p, f, session, direction);
  if (!bridged) decrementTtl(p, f);
  forward(p, f, p.sessions.ingress(session, 1 - direction), p.sessions.nextHop(session, direction), bridged, now);
}
