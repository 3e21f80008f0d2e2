// ICMP errors about flows that have no session: NAT finds them by the datagram that they quote.  RFC 5508 section 4.
//
// Only translations that are there are used; an error makes none.  One that no translation knows passes as it is, for routes and
// lists to judge.  An error that came in fragments is not looked into.

import { MERGED } from '../frame/frames.ts';
import { OK, type Reason } from '../telemetry/reasons.ts';
import * as icmp from '../wire/icmp.ts';
import { PROTOCOL_ICMP } from '../wire/ipv4.ts';
import type { DataPlane } from './data-plane.ts';
import { facts } from './facts.ts';
import { opening } from './open-session.ts';

/** Is frame `f`, whose facts are read, an ICMP error that can be translated inside? */
export function isTranslatableError(p: DataPlane, f: number): boolean {
  return facts.protocol === PROTOCOL_ICMP && icmp.isError(facts.first) && (p.frames.flags[f]! & MERGED) === 0;
}

/** Reads what error `f` quotes into `opening`; OK, or why it is dropped. */
export function beginError(p: DataPlane, f: number): Reason {
  const { icmpErrors } = p;
  const reason = icmpErrors.read(f);
  if (reason !== OK) return reason;
  opening.isError = true;
  opening.innerSrc = icmpErrors.src;
  opening.innerDst = icmpErrors.dst;
  opening.innerPorts = icmpErrors.ports;
  return OK;
}

/** From outside, about a datagram that went out: its source was translated then. */
export function translateErrorInwards(p: DataPlane): void {
  const { icmpErrors, nat } = p;
  const { protocol } = icmpErrors;
  if (protocol === PROTOCOL_ICMP) nat.inboundReply(opening.innerSrc, opening.innerPorts >>> 16);
  else nat.inbound(protocol, opening.innerSrc, opening.innerPorts >>> 16, true);
  if (!nat.translated) return;
  opening.newDst = nat.addr;
  opening.innerSrc = nat.addr;
  opening.innerPorts = protocol === PROTOCOL_ICMP ? (nat.port << 16) | nat.port : (nat.port << 16) | (opening.innerPorts & 0xffff);
}

/** From inside, about a datagram that came in: its destination was translated then.  Whoever reports it stays hidden. */
export function translateErrorOutwards(p: DataPlane, now: number): void {
  const { icmpErrors, nat } = p;
  const { protocol } = icmpErrors;
  const ports = opening.innerPorts;
  const reason = nat.outbound(protocol, opening.innerDst, ports & 0xffff, opening.innerSrc, ports >>> 16, false, now);
  if (reason !== OK || !nat.translated) return;
  opening.newSrc = nat.addr;
  opening.innerDst = nat.addr;
  opening.innerPorts = protocol === PROTOCOL_ICMP ? (nat.port << 16) | nat.port : (ports & -65536) | nat.port;
}
