// Step expire: the timers that are due, each with its own deadline as the time.
//
// A timer number says whose it is: sessions from 0, then one range each for streams, fragments, neighbours, NAT and
// thresholds, then that of the minute.

import { SESSION_ENDED } from '../telemetry/reasons.ts';
import { neighbourTimer } from './arp.ts';
import type { DataPlane } from './data-plane.ts';
import { sessionTimer } from './session-life.ts';

/** Fires everything due at or before `now`.  Time that goes back is ignored. */
export function expire(p: DataPlane, now: number): void {
  if (((now - p.now) | 0) <= 0) return;
  p.wheel.advance(now, p.fire);
  p.now = now;
}

/** One timer.  What it releases waits in the queues of its owner for path.ts to send. */
export function fireTimer(p: DataPlane, timer: number, deadline: number): void {
  p.stampAt(deadline);
  if (timer < p.streamTimers) sessionTimer(p, timer, SESSION_ENDED, deadline);
  else if (timer < p.fragmentTimers) p.streams.expire(timer, deadline);
  else if (timer < p.neighbourTimers) p.fragments.expire(timer, deadline);
  else if (timer < p.natTimers) neighbourTimer(p, timer, deadline);
  else if (timer < p.thresholdTimers) p.nat.expire(timer, deadline);
  else if (timer < p.clockTimer) p.thresholds.expire(timer, deadline);
  else p.followClock(deadline);
}
