// ICMP errors: one that belongs to a session goes with it, translated outside and inside; one that contradicts its session, or
// is damaged, is dropped; one of no session at all is a datagram like any other, for the access lists to judge.
//
// Destination unreachable and time exceeded alone go with a session, as in IOS.  Source quench is not to be acted on (RFC 6633), and a
// redirect or a parameter problem from elsewhere must not get in by a session's leave.

import { BRIDGED, STATE, TRANSLATED } from '../session/record.ts';
import { ICMP_UNSOLICITED } from '../telemetry/reasons.ts';
import * as icmp from '../wire/icmp.ts';
import type { DataPlane } from './data-plane.ts';
import { opening } from './open-session.ts';

/** No session knows it. */
export const OF_NO_SESSION = -1;
/** It was dropped. */
export const REFUSED = -2;

/** session << 1 | direction of the error `f` (IPv4), OF_NO_SESSION or REFUSED. */
export function findErrorSession(p: DataPlane, f: number): number {
  const type = icmp.type(p.view, p.frames.l4[f]!);
  if (type !== icmp.UNREACHABLE && type !== icmp.TIME_EXCEEDED) return OF_NO_SESSION;
  const found = p.icmpErrors.lookupError(f);
  if (found >= 0) return found;
  const { reason } = p.icmpErrors;
  if (reason === ICMP_UNSOLICITED) return OF_NO_SESSION;
  p.ledger.drop(f, reason);
  return REFUSED;
}

/** Rewrites an error of a session as the other side must see it. */
export function translateError(p: DataPlane, f: number, session: number, direction: number): void {
  const word = p.sessions.get(session, STATE);
  if ((word & TRANSLATED) !== 0 && (word & BRIDGED) === 0) p.icmpErrors.translateError(f, session, direction);
}

/** Rewrites an error of no session as `opening` says. */
export function rewriteError(p: DataPlane, f: number): void {
  p.icmpErrors.rewrite(f, opening.newSrc, opening.newDst, opening.innerSrc, opening.innerDst, opening.innerPorts);
}
