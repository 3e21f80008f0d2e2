// Events of a session for the control plane: what the normaliser changed or refused, at most once a flow and name, and what
// the inspector reports, each time.

import { PORTS, RECORD_SHIFT, REPLY_PORTS, REPLY_SRC, SRC } from '../session/record.ts';
import {
  EVENT_ALERT,
  E_DST,
  E_NSEC,
  E_PORTS,
  E_PROTOCOL,
  E_RULE,
  E_SEC,
  E_SESSION,
  E_SRC,
  E_TEXT_LENGTH,
  E_TIME,
  E_VALUE,
  E_VALUE2,
  E_VALUE3,
  TEXT_OCTETS,
} from '../telemetry/event-ring.ts';
import { type Reason, TCP_TRUNCATED } from '../telemetry/reasons.ts';
import { EVENT_TEXT } from '../inspect/inspector.ts';
import { PROTOCOL_TCP } from '../wire/ipv4.ts';
import { ALERTED, recordOf } from './stream-record.ts';
import type { StreamState } from './stream-state.ts';

/** Reports `reason`, one of the tcp.* names, for the session at hand unless it was reported before.  `value`: sequence number. */
export function alert(s: StreamState, reason: Reason, value: number): void {
  if (isFirst(s, reason)) alertAlways(s, reason, value);
}

/** The same with the numbers of a segment that was dropped behind a hole: its own, its octets, the number that was expected. */
export function alarm(s: StreamState, reason: Reason, seq: number, octets: number, expected: number): void {
  const at = isFirst(s, reason) ? claim(s, reason, seq) : -1;
  if (at < 0) return;
  s.events.words[at + E_VALUE2] = octets;
  s.events.words[at + E_VALUE3] = expected;
  s.events.commit();
}

/** False when `reason` was reported for the session at hand before. */
function isFirst(s: StreamState, reason: Reason): boolean {
  const bit = 1 << (reason - TCP_TRUNCATED);
  const word = recordOf(s.session, 0) + ALERTED;
  if ((s.words[word]! & bit) !== 0) return false;
  s.words[word]! |= bit;
  return true;
}

/** Reports `reason` whenever it happens. */
export function alertAlways(s: StreamState, reason: Reason, value: number): void {
  const at = claim(s, reason, value);
  if (at >= 0) s.events.commit();
}

/** Passes the events of the inspector's answer on. */
export function report(s: StreamState): void {
  const { outcome, events } = s;
  for (let i = 0; i < outcome.eventCount; i++) {
    const at = claim(s, outcome.eventReason[i]!, outcome.eventValue[i]!);
    if (at < 0) continue;
    const length = Math.min(outcome.eventTextLength[i]!, TEXT_OCTETS);
    if (length > 0) events.setText(at, outcome.eventText, i * EVENT_TEXT, length);
    else events.words[at + E_TEXT_LENGTH] = 0;
    events.commit();
  }
}

/** Word offset of a record with the facts of the session, to be committed; -1: the ring is full. */
function claim(s: StreamState, reason: Reason, value: number): number {
  const { events, sessions, session, frames } = s;
  const at = events.claim(EVENT_ALERT, reason);
  if (at < 0) return at;
  const { words } = events;
  const record = session << RECORD_SHIFT;
  words[at + E_TIME] = s.now;
  words[at + E_SEC] = frames.stampSec;
  words[at + E_NSEC] = frames.stampNsec;
  words[at + E_SESSION] = session;
  words[at + E_SRC] = sessions.hot[record + SRC]!;
  // The responder by its own address, as `show ip inspect sessions` has it.
  words[at + E_DST] = sessions.hot[record + REPLY_SRC]!;
  words[at + E_PORTS] = (sessions.hot[record + PORTS]! & -65536) | (sessions.hot[record + REPLY_PORTS]! >>> 16);
  if (sessions.isIpv6(session)) events.setAddrs6(at, sessions.addrs6, session * 8);
  words[at + E_PROTOCOL] = PROTOCOL_TCP;
  words[at + E_RULE] = sessions.rule[session]!;
  words[at + E_VALUE] = value;
  return at;
}
