// Step decode: Ethernet, 802.1Q and 802.1ad, ARP, IPv4, IPv6, TCP, UDP, ICMP.  One check a header, then offsets into
// columns; a frame that fails has its reason and is out.
//
// Octets behind the datagram (Ethernet padding, trailers) are zeroed, so that nothing travels there.
// Not here: fragments (defragment), checksums of transports (track), anything that needs a session.

import { AH, ESP, NO_NEXT } from '../wire/ipv6.ts';
import * as arp from '../wire/arp.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import { CHECKSUM_GOOD, FRAGMENT, GROUP, KIND_ARP, KIND_IPV4, KIND_IPV6, KIND_OTHER, PENDING, TRUNCATED } from '../frame/frames.ts';
import { normaliseOptions } from '../stream/ipv6-options.ts';
import { permitsType } from '../policy/type-list.ts';
import { PORTS, PORT_RX_BROADCASTS, PORT_RX_FRAMES, PORT_RX_OCTETS, PORT_SIZE, RECEIVED } from '../telemetry/counters.ts';
import {
  BRIDGE_STRICT,
  BRIDGE_TYPE_LIST,
  FRAME_NOT_FOR_US,
  FRAME_TRUNCATED,
  FRAME_UNSUPPORTED_ETHERTYPE,
  IP6_EXT_ILLEGAL,
  IP6_NOT_ROUTED,
  IP_BAD_CHECKSUM,
  IP_OPTIONS,
  OK,
  type Reason,
  VLAN_NO_SUBINTERFACE,
  VLAN_TOO_DEEP,
} from '../telemetry/reasons.ts';
import type { DataPlane } from './data-plane.ts';

const MAX_TAGS = 2;
/** Type field of an LLC/SNAP frame is a length; SNAP with an IP EtherType hides IP from a reader of types. */
const LLC_SNAP = 0xaaaa;

/** Decodes frames [0, count) of the batch. */
export function decode(p: DataPlane, count: number): void {
  const { frames, counters, ledger } = p;
  counters[RECEIVED]! += count;
  for (let f = 0; f < count; f++) {
    const port = PORTS + frames.ingress[f]! * PORT_SIZE;
    counters[port + PORT_RX_FRAMES]!++;
    counters[port + PORT_RX_OCTETS]! += frames.wireLength[f]!;
    const reason = decodeFrame(p, f);
    if (reason !== OK) ledger.drop(f, reason);
  }
}

/** Fills the columns of one frame from its octets.  Also for frames that were rebuilt (merged fragments). */
export function decodeFrame(p: DataPlane, f: number): Reason {
  const { frames } = p;
  frames.fate[f] = PENDING;
  frames.kind[f] = KIND_OTHER;
  frames.protocol[f] = 0;
  if ((frames.flags[f]! & TRUNCATED) !== 0 || frames.length[f]! < ethernet.HEADER_LENGTH) return FRAME_TRUNCATED;
  const reason = decodeLink(p, f);
  if (reason !== OK) return reason;
  const kind = frames.kind[f]!;
  if (kind === KIND_IPV4) return decodeIpv4(p, f);
  if (kind === KIND_IPV6) return decodeIpv6(p, f);
  if (kind === KIND_ARP) return arp.check(p.view, frames.l3[f]!, frames.end[f]!);
  return OK;
}

function decodeLink(p: DataPlane, f: number): Reason {
  const { frames, view } = p;
  const at = frames.offset[f]!;
  const end = at + frames.length[f]!;
  const routed = p.bridgeGroup[frames.ingress[f]!] === 0;
  if (ethernet.isGroup(view, at)) markGroup(p, f);
  else if (routed && !isForUs(p, f, at)) return FRAME_NOT_FOR_US;

  let typeAt = at + ethernet.ETHER_TYPE;
  let type = ethernet.etherType(view, typeAt);
  let vlan = 0;
  let tags = 0;
  while (ethernet.isTag(type) && tags < MAX_TAGS) {
    if (typeAt + 6 > end) return FRAME_TRUNCATED;
    vlan |= ethernet.vlanId(view, typeAt) << (tags * 12);
    tags++;
    typeAt += ethernet.TAG_LENGTH;
    type = ethernet.etherType(view, typeAt);
  }
  if (routed && tags > 0) return VLAN_NO_SUBINTERFACE;
  const { inputTypes } = p.policy.interfaces[frames.ingress[f]!]!;
  if (inputTypes !== null && !permitsType(inputTypes, type < ethernet.TYPE_MIN ? 0 : type)) return BRIDGE_TYPE_LIST;
  frames.vlan[f] = vlan | (tags << 24);
  frames.l3[f] = typeAt + 2;
  frames.end[f] = end;
  return decodeType(p, f, type, routed);
}

function decodeType(p: DataPlane, f: number, type: number, routed: boolean): Reason {
  const { frames } = p;
  if (type === ethernet.TYPE_IPV4) {
    frames.kind[f] = KIND_IPV4;
    return OK;
  }
  if (type === ethernet.TYPE_IPV6) {
    frames.kind[f] = KIND_IPV6;
    return routed ? IP6_NOT_ROUTED : OK;
  }
  if (type === ethernet.TYPE_ARP && (routed || frames.vlan[f]! >> 24 === 0)) {
    frames.kind[f] = KIND_ARP;
    // A bridge passes ARP as it is, whatever it says.
    if (routed) return OK;
  }
  frames.kind[f] = KIND_OTHER;
  if (routed) return type === ethernet.TYPE_ARP ? OK : FRAME_UNSUPPORTED_ETHERTYPE;
  return p.policy.bridgeStrict ? strictReason(p, f, type) : OK;
}

/** `bridge 1 strict`: an encapsulation under which IP may stand unseen does not pass. */
function strictReason(p: DataPlane, f: number, type: number): Reason {
  if (ethernet.isTag(type)) return VLAN_TOO_DEEP;
  if (type === ethernet.TYPE_ARP) return OK;
  if (type >= ethernet.TYPE_MIN) return BRIDGE_STRICT;
  const l3 = p.frames.l3[f]!;
  return p.frames.end[f]! - l3 >= 2 && p.view.getUint16(l3) === LLC_SNAP ? BRIDGE_STRICT : OK;
}

function markGroup(p: DataPlane, f: number): void {
  p.frames.flags[f]! |= GROUP;
  p.counters[PORTS + p.frames.ingress[f]! * PORT_SIZE + PORT_RX_BROADCASTS]!++;
}

/** A port without a MAC address of its own (a capture) takes every unicast frame. */
function isForUs(p: DataPlane, f: number, at: number): boolean {
  const port = p.frames.ingress[f]!;
  if (p.acceptAll[port] !== 0) return true;
  return ethernet.macLow(p.view, at) === p.macLow[port] && ethernet.macHigh(p.view, at) === p.macHigh[port];
}

function decodeIpv4(p: DataPlane, f: number): Reason {
  const { frames, view } = p;
  const l3 = frames.l3[f]!;
  const reason = ipv4.check(view, l3, frames.end[f]!);
  // Checked last: everything else of the header is right.
  if (reason !== OK && (reason !== IP_BAD_CHECKSUM || p.verifyChecksums)) return reason;
  if (ipv4.headerLength(view, l3) > ipv4.MIN_HEADER_LENGTH) return IP_OPTIONS;
  trim(p, f, l3 + ipv4.totalLength(view, l3));
  const protocol = ipv4.protocol(view, l3);
  frames.protocol[f] = protocol;
  frames.l4[f] = l3 + ipv4.MIN_HEADER_LENGTH;
  if ((ipv4.flagsOffset(view, l3) & 0x3fff) !== 0) {
    frames.flags[f]! |= FRAGMENT;
    frames.payload[f] = frames.l4[f]!;
    return OK;
  }
  return decodeTransport(p, f, protocol);
}

function decodeIpv6(p: DataPlane, f: number): Reason {
  const { frames, view } = p;
  const l3 = frames.l3[f]!;
  const reason = ipv6.check(view, l3, frames.end[f]!);
  if (reason !== OK) return reason;
  const end = l3 + ipv6.HEADER_LENGTH + ipv6.payloadLength(view, l3);
  trim(p, f, end);
  const walked = ipv6.walk(view, l3, end);
  if (walked !== OK) return walked;
  const protocol = ipv6.chain.protocol;
  frames.protocol[f] = protocol;
  frames.l4[f] = ipv6.chain.at;
  frames.payload[f] = ipv6.chain.at;
  const options = normaliseOptions(p.region, frames, f);
  if (options !== OK) return options;
  if (ipv6.chain.fragmentAt >= 0) {
    frames.flags[f]! |= FRAGMENT;
    return OK;
  }
  if (protocol === ESP || protocol === AH || protocol === NO_NEXT) return OK;
  return protocol === ipv6.PROTOCOL_ICMP6 && end - frames.l4[f]! < 4 ? IP6_EXT_ILLEGAL : decodeTransport(p, f, protocol);
}

function decodeTransport(p: DataPlane, f: number, protocol: number): Reason {
  const { frames, view } = p;
  const l4 = frames.l4[f]!;
  const end = frames.end[f]!;
  if (protocol === ipv4.PROTOCOL_TCP) {
    const reason = tcp.check(view, l4, end);
    if (!p.verifyChecksums) frames.flags[f]! |= CHECKSUM_GOOD;
    if (reason === OK) frames.payload[f] = l4 + tcp.headerLength(view, l4);
    return reason;
  }
  if (protocol === ipv4.PROTOCOL_UDP) {
    frames.payload[f] = l4 + udp.HEADER_LENGTH;
    return udp.check(view, l4, end);
  }
  if (protocol === ipv4.PROTOCOL_ICMP && frames.kind[f] === KIND_IPV4) {
    frames.payload[f] = l4 + icmp.HEADER_LENGTH;
    return icmp.check(view, l4, end);
  }
  frames.payload[f] = l4;
  return OK;
}

/** The datagram ends at `end`; what the frame has behind it is zeroed. */
function trim(p: DataPlane, f: number, end: number): void {
  const { frames, region } = p;
  const frameEnd = frames.end[f]!;
  frames.end[f] = end;
  if (frameEnd > end) region.u8.fill(0, end, frameEnd);
}
