// The facts of a datagram that access lists and inspection rules ask for, read once a first frame.
//
// One object for the process.  `src` and `dst` are those that the list at hand must see: admit changes them as NAT does.

import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import type { DataPlane } from './data-plane.ts';

export const facts = {
  src: 0,
  dst: 0,
  protocol: 0,
  tos: 0,
  /** Source port or ICMP type. */
  first: 0,
  /** Destination port or ICMP code. */
  second: 0,
  /** TCP control bits. */
  control: 0,
};

/** Reads an IPv4 frame. */
export function readFacts(p: DataPlane, f: number): void {
  const { frames, view } = p;
  const l3 = frames.l3[f]!;
  facts.src = ipv4.srcAddr(view, l3);
  facts.dst = ipv4.dstAddr(view, l3);
  facts.tos = ipv4.tos(view, l3);
  readTransport(p, f);
}

/** Reads protocol, ports and control bits alone (also of IPv6). */
export function readTransport(p: DataPlane, f: number): void {
  const { frames, view } = p;
  const l4 = frames.l4[f]!;
  const protocol = frames.protocol[f]!;
  facts.protocol = protocol;
  facts.first = 0;
  facts.second = 0;
  facts.control = 0;
  if (protocol === ipv4.PROTOCOL_TCP) {
    facts.first = tcp.srcPort(view, l4);
    facts.second = tcp.dstPort(view, l4);
    facts.control = tcp.flags(view, l4);
  } else if (protocol === ipv4.PROTOCOL_UDP) {
    facts.first = udp.srcPort(view, l4);
    facts.second = udp.dstPort(view, l4);
  } else if (protocol === ipv4.PROTOCOL_ICMP) {
    facts.first = icmp.type(view, l4);
    facts.second = icmp.code(view, l4);
  }
}
