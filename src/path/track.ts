// Step track, for sessions without an inspector: TCP state and windows (session/tcp-track), the replies that belong to an
// ICMP query.  Sessions with an inspector are tracked by the stream.
//
// Transport checksums are verified for SYN, FIN and RST by the TCP tracker; elsewhere an error is carried through unchanged
// by the incremental update, for its receiver to see.

import { KIND_IPV4 } from '../frame/frames.ts';
import { trackTcp } from '../session/tcp-track.ts';
import { ICMP_PACKETS, TCP_PACKETS, UDP_PACKETS } from '../telemetry/counters.ts';
import { ICMP_UNSOLICITED, OK, type Reason } from '../telemetry/reasons.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { DataPlane } from './data-plane.ts';

/** False when the frame was dropped. */
export function track(p: DataPlane, f: number, session: number, isNew: boolean): boolean {
  const reason = trackProtocol(p, f, session, isNew);
  if (reason === OK) return true;
  p.ledger.drop(f, reason);
  return false;
}

function trackProtocol(p: DataPlane, f: number, session: number, isNew: boolean): Reason {
  const { counters, frames } = p;
  const protocol = frames.protocol[f]!;
  const direction = frames.direction[f]!;
  if (protocol === ipv4.PROTOCOL_TCP) {
    counters[TCP_PACKETS]!++;
    return trackTcp(p.sessions, frames, p.closed, f, session, direction, isNew, p.policy.windowScaleLoose);
  }
  if (protocol === ipv4.PROTOCOL_UDP) {
    counters[UDP_PACKETS]!++;
    return OK;
  }
  counters[ICMP_PACKETS]!++;
  return trackQuery(p, f, direction);
}

/** Forward: the queries; back: their replies.  Their types agree by the session key. */
function trackQuery(p: DataPlane, f: number, direction: number): Reason {
  if (p.frames.kind[f] !== KIND_IPV4) return OK;
  const type = icmp.type(p.view, p.frames.l4[f]!);
  if (direction === 0) return icmp.replyType(type) >= 0 ? OK : ICMP_UNSOLICITED;
  return icmp.replyType(type) < 0 ? OK : ICMP_UNSOLICITED;
}

/** True for an ICMP error (IPv4). */
export function isIcmpError(p: DataPlane, f: number): boolean {
  const { frames } = p;
  return frames.protocol[f] === ipv4.PROTOCOL_ICMP && frames.kind[f] === KIND_IPV4 && icmp.isError(icmp.type(p.view, frames.l4[f]!));
}
