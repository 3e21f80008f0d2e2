// Step translate: addresses, ports and identifiers, checksums (RFC 1624), TTL.  IPv4; IPv6 is bridged and never changes.
//
// A frame arrives here as its sender's side put it on the wire and leaves as the other side must see it.  The new values of
// a session are those of its other key (record.ts).  Partial checksums of offload: the field holds the uncomplemented
// sum of the pseudo-header, so addresses add to it and ports change nothing.
// Not here: which values (admit), the link header (forward.ts).

import { FRAGMENT, PARTIAL_CHECKSUM } from '../frame/frames.ts';
import { DST, exchange, PORTS, RECORD_SHIFT, REPLY_SRC, SRC } from '../session/record.ts';
import { delta16, delta32, fold, updateChecksum } from '../wire/checksum.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import type { DataPlane } from './data-plane.ts';

/** Rewrites frame `f` of a translated session. */
export function translateSession(p: DataPlane, f: number, session: number, direction: number): void {
  const { hot } = p.sessions;
  // The other key: the reply's for direction 0.  By arithmetic, because directions alternate and the branch is mispredicted.
  const at = (session << RECORD_SHIFT) + (1 - direction) * REPLY_SRC;
  rewrite(p, f, hot[at + DST]!, hot[at + SRC]!, exchange(hot[at + PORTS]!));
}

/** Gives frame `f` new addresses and ports (ICMP queries: the identifier stands in both halves). */
export function rewrite(p: DataPlane, f: number, src: number, dst: number, ports: number): void {
  const { frames, view } = p;
  const l3 = frames.l3[f]!;
  const delta = fold(delta32(ipv4.srcAddr(view, l3), src) + delta32(ipv4.dstAddr(view, l3), dst));
  ipv4.setAddrs(view, l3, src, dst, delta);
  // A later fragment has no transport header.
  if ((frames.flags[f]! & FRAGMENT) !== 0 && ipv4.fragmentOffset(view, l3) !== 0) return;
  const protocol = frames.protocol[f]!;
  if (protocol === ipv4.PROTOCOL_TCP) rewriteTcp(p, f, delta, ports);
  else if (protocol === ipv4.PROTOCOL_UDP) rewriteUdp(p, f, delta, ports);
  else if (protocol === ipv4.PROTOCOL_ICMP) rewriteQuery(p, f, ports);
}

/** One hop less; the caller has checked that the TTL is above 1. */
export function decrementTtl(p: DataPlane, f: number): void {
  ipv4.decrementTtl(p.view, p.frames.l3[f]!);
}

function rewriteTcp(p: DataPlane, f: number, delta: number, ports: number): void {
  const { frames, view } = p;
  const l4 = frames.l4[f]!;
  const sum = tcp.checksum(view, l4);
  if ((frames.flags[f]! & PARTIAL_CHECKSUM) !== 0) tcp.setChecksum(view, l4, fold(sum + delta));
  else tcp.setChecksum(view, l4, updateChecksum(sum, fold(delta + delta32(view.getInt32(l4), ports))));
  view.setInt32(l4, ports);
}

function rewriteUdp(p: DataPlane, f: number, delta: number, ports: number): void {
  const { frames, view } = p;
  const l4 = frames.l4[f]!;
  const sum = udp.checksum(view, l4);
  if ((frames.flags[f]! & PARTIAL_CHECKSUM) !== 0) view.setUint16(l4 + udp.CHECKSUM, fold(sum + delta));
  else if (sum !== 0) udp.setChecksum(view, l4, updateChecksum(sum, fold(delta + delta32(view.getInt32(l4), ports))));
  view.setInt32(l4, ports);
}

function rewriteQuery(p: DataPlane, f: number, ports: number): void {
  const { view } = p;
  const l4 = p.frames.l4[f]!;
  if (icmp.isError(icmp.type(view, l4))) return;
  const before = icmp.identifier(view, l4);
  const after = ports & 0xffff;
  if (before === after) return;
  view.setUint16(l4 + icmp.CHECKSUM, updateChecksum(view.getUint16(l4 + icmp.CHECKSUM), delta16(before, after)));
  icmp.setIdentifier(view, l4, after);
}
