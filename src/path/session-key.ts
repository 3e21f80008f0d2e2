// The session key of a frame as it arrives: 5-tuple, family, ingress and VLAN, in the words that SessionTable.find takes.
//
// One key for the process: it is read and used within one step.

import { FRAGMENT, type Frames, KIND_IPV4, KIND_IPV6, NO_SESSION } from '../frame/frames.ts';
import { FAMILY_IPV6, FORWARD_PORT_SHIFT, queryKind } from '../session/record.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import type { DataPlane } from './data-plane.ts';

/** The key read last. */
export const key = { src: 0, dst: 0, ports: 0, kind: 0, vlan: 0 };

/** Sets session and direction of frame `f` from the table as it is now. */
export function findSession(p: DataPlane, f: number): void {
  findHashed(p, f, hashKey(p, f));
}

/** The same with the hash of its key known. */
export function findHashed(p: DataPlane, f: number, hash: number): void {
  const { frames } = p;
  readKey(p, f);
  const found = p.sessions.findHashed(hash, key.src, key.dst, key.ports, key.kind, key.vlan);
  frames.session[f] = found < 0 ? NO_SESSION : found >> 1;
  frames.direction[f] = found & 1;
}

/** Hash of the key of frame `f`. */
export function hashKey(p: DataPlane, f: number): number {
  readKey(p, f);
  return p.sessions.hash(key.src, key.dst, key.ports, key.kind, key.vlan);
}

/** A whole IP datagram. */
export function hasKey(frames: Frames, f: number): boolean {
  const kind = frames.kind[f]!;
  return (kind === KIND_IPV4 || kind === KIND_IPV6) && (frames.flags[f]! & FRAGMENT) === 0;
}

/** Fills `key` (and the probe of the table for IPv6). */
export function readKey(p: DataPlane, f: number): void {
  const { frames, view } = p;
  const l3 = frames.l3[f]!;
  const protocol = frames.protocol[f]!;
  key.vlan = frames.vlan[f]!;
  key.kind = protocol | (frames.ingress[f]! << FORWARD_PORT_SHIFT);
  key.ports = portsOf(p, f, protocol);
  if (frames.kind[f] === KIND_IPV6) {
    readAddrs6(p, l3);
    return;
  }
  key.src = ipv4.srcAddr(view, l3);
  key.dst = ipv4.dstAddr(view, l3);
}

function readAddrs6(p: DataPlane, l3: number): void {
  const { probe6 } = p.sessions;
  for (let i = 0; i < 4; i++) {
    probe6[i] = ipv6.addrWord(p.view, l3 + ipv6.SRC_ADDR, i);
    probe6[4 + i] = ipv6.addrWord(p.view, l3 + ipv6.DST_ADDR, i);
  }
  key.kind |= FAMILY_IPV6;
  key.src = p.sessions.fold6(probe6, 0);
  key.dst = p.sessions.fold6(probe6, 4);
}

/** Ports as one word; ICMP: the identifier twice, so that both directions have the same, and its kind in the key; others 0. */
function portsOf(p: DataPlane, f: number, protocol: number): number {
  const l4 = p.frames.l4[f]!;
  if (protocol === ipv4.PROTOCOL_TCP || protocol === ipv4.PROTOCOL_UDP) return p.view.getInt32(l4);
  if (protocol !== ipv4.PROTOCOL_ICMP || p.frames.kind[f] !== KIND_IPV4) return 0;
  key.vlan |= queryKind(icmp.type(p.view, l4));
  const id = icmp.identifier(p.view, l4);
  return (id << 16) | id;
}
