// The deadlines of a session, kept on one timer of the wheel: the earliest of the inspector's own, of holes that are not filled,
// of octets that wait for the other direction, and of octets that only we can send again.
//
// The last kind: octets that were acknowledged to their sender while they were held.  When they are lost behind us nobody else
// repeats them, so they go out again after RESEND_TIME, doubled each time (RFC 6298 section 5), at most MAX_RESENT times.

import { before, earlier } from '../wire/seq.ts';
import {
  FLAGS,
  HOLD_ARMED,
  HOLD_DEADLINE,
  HOLES,
  INSPECT_ARMED,
  INSPECT_DEADLINE,
  OURS,
  PEER,
  RELEASED,
  RESEND_ARMED,
  RESEND_DEADLINE,
  RESENT_MASK,
  RESENT_SHIFT,
  recordOf,
  UNA,
} from './stream-record.ts';
import type { StreamState } from './stream-state.ts';

/** ms, RFC 6298 section 2.1 */
const RESEND_TIME = 1_000;
const MAX_RESENT = 7;

/** End of the octets of the direction at `at` that only we can send again and that have left; they begin at UNA. */
export function oursEnd(s: StreamState, at: number): number {
  return earlier(s.words[at + OURS]!, s.words[at + RELEASED]!);
}

/** Sets the deadline of octets that are ours, when there are any that left and none is set. */
export function armResend(s: StreamState, at: number): void {
  const { words } = s;
  if ((words[at + FLAGS]! & RESEND_ARMED) !== 0 || !before(words[at + UNA]!, oursEnd(s, at))) return;
  words[at + RESEND_DEADLINE] = (s.now + RESEND_TIME) | 0;
  words[at + FLAGS] = (words[at + FLAGS]! & ~RESENT_MASK) | RESEND_ARMED;
  s.timersMoved = true;
}

/** The octets were sent again: the next time, or none. */
export function backOffResend(s: StreamState, at: number): void {
  const { words } = s;
  const resent = ((words[at + FLAGS]! & RESENT_MASK) >> RESENT_SHIFT) + 1;
  if (resent > MAX_RESENT) {
    disarmResend(s, at);
    return;
  }
  words[at + RESEND_DEADLINE] = (s.now + (RESEND_TIME << resent)) | 0;
  words[at + FLAGS] = (words[at + FLAGS]! & ~RESENT_MASK) | (resent << RESENT_SHIFT);
  s.timersMoved = true;
}

export function disarmResend(s: StreamState, at: number): void {
  if ((s.words[at + FLAGS]! & RESEND_ARMED) === 0) return;
  s.words[at + FLAGS]! &= ~(RESEND_ARMED | RESENT_MASK);
  s.timersMoved = true;
}

/** What waits for the other direction may wait the full time from now. */
export function armHold(s: StreamState, at: number): void {
  s.words[at + HOLD_DEADLINE] = (s.now + s.limits.syncTimeout) | 0;
  s.words[at + FLAGS]! |= HOLD_ARMED;
  s.timersMoved = true;
}

export function disarmHold(s: StreamState, at: number): void {
  if ((s.words[at + FLAGS]! & HOLD_ARMED) === 0) return;
  s.words[at + FLAGS]! &= ~HOLD_ARMED;
  s.timersMoved = true;
}

/** True when the deadline that is set by `flag` and stands in word `field` has come. */
export function isDue(s: StreamState, at: number, flag: number, field: number): boolean {
  return (s.words[at + FLAGS]! & flag) !== 0 && ((s.words[at + field]! - s.now) | 0) <= 0;
}

/** Puts the timer of the session at hand on its earliest deadline. */
export function rearm(s: StreamState): void {
  const { words, wheel } = s;
  const at = recordOf(s.session, 0);
  let found = false;
  let earliest = 0;
  for (let record = at; record <= at + PEER; record += PEER) {
    const flags = words[record + FLAGS]!;
    if ((flags & HOLD_ARMED) !== 0) {
      earliest = sooner(found, earliest, words[record + HOLD_DEADLINE]!);
      found = true;
    }
    if ((flags & RESEND_ARMED) !== 0) {
      earliest = sooner(found, earliest, words[record + RESEND_DEADLINE]!);
      found = true;
    }
    if (words[record + HOLES] !== -1) {
      earliest = sooner(found, earliest, s.holes.deadline(record));
      found = true;
    }
  }
  if ((words[at + FLAGS]! & INSPECT_ARMED) !== 0) {
    earliest = sooner(found, earliest, words[at + PEER + INSPECT_DEADLINE]!);
    found = true;
  }
  const timer = s.firstTimer + s.session;
  if (!found) wheel.cancel(timer);
  else if (!wheel.isScheduled(timer) || wheel.deadline(timer) !== earliest) wheel.schedule(timer, earliest);
  s.timersMoved = false;
}

function sooner(found: boolean, earliest: number, deadline: number): number {
  return found ? earlier(earliest, deadline) : deadline;
}
