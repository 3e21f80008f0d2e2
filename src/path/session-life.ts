// What happens to a session besides its octets: time-outs, change of state, end, audit trail.
//
// Timers: a TCP session has synwait-time from its first frame until it is established, its idle time after that,
// finwait-time once both FINs are seen, CLOSED_TIME after a reset (stragglers are answered or dropped as of a known
// session).  UDP and ICMP sessions have only the idle time.  Idle time-outs are lazy: a frame notes when it was heard, a
// timer that fires too early goes back on the wheel.

import {
  AUDITED,
  BRIDGED,
  CLOSED,
  CLOSING,
  COUNTED_HALF_OPEN,
  INSPECTED,
  LAST_HEARD,
  OPEN,
  OPENING,
  PORTS,
  RECORD_SHIFT,
  REPLY_PORTS,
  REPLY_SRC,
  SRC,
  STATE,
  STATE_MASK,
} from '../session/record.ts';
import { ENDED_CLOSED, ENDED_IDLE, ENDED_SYN } from '../policy/nat-timeouts.ts';
import { SESSIONS_CLOSED, SESSIONS_CURRENT, SESSIONS_HALF_OPEN, SESSIONS_TERMINATING } from '../telemetry/counters.ts';
import {
  EVENT_SESSION_START,
  EVENT_SESSION_STOP,
  E_DST,
  E_NSEC,
  E_PORTS,
  E_PROTOCOL,
  E_RULE,
  E_SEC,
  E_SESSION,
  E_SRC,
  E_TIME,
  E_VALUE,
  E_VALUE2,
  E_VALUE3,
  E_VALUE4,
} from '../telemetry/event-ring.ts';
import { OK, type Reason, SESSION_ENDED } from '../telemetry/reasons.ts';
import { PROTOCOL_TCP } from '../wire/ipv4.ts';
import type { DataPlane } from './data-plane.ts';

/** ms that a reset session is remembered (smtp: a late segment must not pass as one of no session). */
export const CLOSED_TIME = 5_000;

/** Absolute time at which the session ends if nothing is heard of it. */
export function sessionDeadline(p: DataPlane, session: number): number {
  const { sessions } = p;
  const heard = sessions.get(session, LAST_HEARD);
  if (sessions.protocol(session) !== PROTOCOL_TCP) return (heard + sessions.idleTimeout[session]!) | 0;
  const state = sessions.state(session);
  if (state === OPENING) return (sessions.created[session]! + p.policy.timers.synWait) | 0;
  if (state === CLOSING) return (heard + p.policy.timers.finWait) | 0;
  if (state === CLOSED) return (heard + CLOSED_TIME) | 0;
  return (heard + sessions.idleTimeout[session]!) | 0;
}

/** The timer of `session` fired: it ends, or the timer goes on the wheel again. */
export function sessionTimer(p: DataPlane, session: number, reason: Reason, now: number): void {
  const deadline = sessionDeadline(p, session);
  if (((deadline - now) | 0) > 0) p.wheel.schedule(session, deadline);
  else endSession(p, session, reason, now);
}

/** Accounts for a change of state from `before`; call after whatever may have changed it. */
export function noteState(p: DataPlane, session: number, before: number): void {
  const state = p.sessions.state(session);
  if (state === before) return;
  if (before === OPENING) leaveHalfOpen(p, session);
  if (before === CLOSING || before === CLOSED) p.counters[SESSIONS_TERMINATING]!--;
  if (state === CLOSING || state === CLOSED) p.counters[SESSIONS_TERMINATING]!++;
  p.wheel.schedule(session, sessionDeadline(p, session));
}

/** UDP and ICMP: the first reply makes the session open. */
export function noteReply(p: DataPlane, session: number): void {
  if (p.sessions.state(session) !== OPENING) return;
  p.sessions.setState(session, OPEN);
  leaveHalfOpen(p, session);
}

/** Takes a session out of everything that knows it.  What was held of it is dropped for `reason`. */
export function endSession(p: DataPlane, session: number, reason: Reason, now: number): void {
  const { sessions, counters } = p;
  const state = sessions.state(session);
  if (state === OPENING) leaveHalfOpen(p, session);
  if (state === CLOSING || state === CLOSED) counters[SESSIONS_TERMINATING]!--;
  if (sessions.hasFlag(session, INSPECTED)) p.streams.close(session, reason);
  p.wheel.cancel(session);
  p.wheel.cancel(p.streamTimers + session);
  p.thresholds.ended(session);
  if (!sessions.hasFlag(session, BRIDGED)) release(p, session, state, now);
  p.ruleSessions.leave(session);
  auditStop(p, session, now);
  counters[SESSIONS_CLOSED]!++;
  counters[SESSIONS_CURRENT]!--;
  sessions.remove(session);
  p.removed++;
}

/** Gives back what the session retained. */
function release(p: DataPlane, session: number, state: number, now: number): void {
  const { sessions } = p;
  p.neighbours.release(sessions.nextHop(session, 0));
  p.neighbours.release(sessions.nextHop(session, 1));
  const isTcp = sessions.protocol(session) === PROTOCOL_TCP;
  const ended = state === CLOSING || state === CLOSED ? ENDED_CLOSED : isTcp && state === OPENING ? ENDED_SYN : ENDED_IDLE;
  p.nat.release(sessions.binding[session]!, ended, sessions.get(session, LAST_HEARD), now);
}

/** Ends what the closed list holds. */
export function endClosed(p: DataPlane, now: number): void {
  for (let session = p.closed.take(); session >= 0; session = p.closed.take()) {
    if ((p.sessions.hot[(session << RECORD_SHIFT) + STATE]! & STATE_MASK) !== 0) endSession(p, session, SESSION_ENDED, now);
  }
}

/** Audit trail start record. */
export function auditStart(p: DataPlane, session: number, now: number): void {
  if (p.sessions.hasFlag(session, AUDITED)) auditRecord(p, EVENT_SESSION_START, session, now);
}

function auditStop(p: DataPlane, session: number, now: number): void {
  if (p.sessions.hasFlag(session, AUDITED)) auditRecord(p, EVENT_SESSION_STOP, session, now);
}

function auditRecord(p: DataPlane, kind: number, session: number, now: number): void {
  const { events, sessions, frames } = p;
  const at = events.claim(kind, OK);
  if (at < 0) return;
  const { words } = events;
  words[at + E_TIME] = now;
  words[at + E_SEC] = frames.stampSec;
  words[at + E_NSEC] = frames.stampNsec;
  words[at + E_SESSION] = session;
  words[at + E_SRC] = sessions.get(session, SRC);
  // The responder by its own address, as `show ip inspect sessions` has it.
  words[at + E_DST] = sessions.get(session, REPLY_SRC);
  words[at + E_PORTS] = (sessions.get(session, PORTS) & -65536) | (sessions.get(session, REPLY_PORTS) >>> 16);
  words[at + E_PROTOCOL] = sessions.protocol(session);
  if (sessions.isIpv6(session)) events.setAddrs6(at, sessions.addrs6, session * 8);
  words[at + E_RULE] = sessions.rule[session]!;
  const sent = sessions.octets[session * 2]!;
  const received = sessions.octets[session * 2 + 1]!;
  // Two words a count: thirty bits low, the rest high.
  words[at + E_VALUE] = sent % 0x4000_0000;
  words[at + E_VALUE2] = sent / 0x4000_0000;
  words[at + E_VALUE3] = received % 0x4000_0000;
  words[at + E_VALUE4] = received / 0x4000_0000;
  events.commit();
}

function leaveHalfOpen(p: DataPlane, session: number): void {
  if (!p.sessions.hasFlag(session, COUNTED_HALF_OPEN)) return;
  p.sessions.clearFlag(session, COUNTED_HALF_OPEN);
  p.counters[SESSIONS_HALF_OPEN]!--;
  p.thresholds.established(session);
}
