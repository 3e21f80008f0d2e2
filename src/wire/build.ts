// Builders of what the firewall itself sends: ARP, ICMP errors and echo replies, TCP resets.  RFC 826, RFC 792, RFC 1122
// section 3.2.2, RFC 1812 section 4.3, RFC 1191, RFC 9293 section 3.10.7.1.
//
// Each writes at an offset of the region and returns the length of what it wrote; the caller has made the room (MAX_ANSWER
// octets are always enough, an echo reply needs as many as its request).  `from` is the first octet of the link header of the
// frame that is answered, `l3` its IP header; both as the sender put them on the wire.  The answer goes back by its MACs and tags.
// Not here: rate limits, which address answers, ICMPv6 (a bridge sends none).

import { complement, delta16, fold, sumOctets, updateChecksum } from './checksum.ts';
import * as arp from './arp.ts';
import * as ethernet from './ethernet.ts';
import * as icmp from './icmp.ts';
import * as ipv4 from './ipv4.ts';
import * as ipv6 from './ipv6.ts';
import * as tcp from './tcp.ts';

/** Longest datagram of an ICMP error, RFC 1812 section 4.3.2.3. */
export const MAX_ERROR_DATAGRAM = 576;
/** Room for any answer but an echo reply: link header with two tags and an ICMP error. */
export const MAX_ANSWER = 598;
/** TTL of what we originate; IOS uses 255. */
const ORIGINATED_TTL = 255;
/** Precedence 6, internetwork control: RFC 1812 section 4.3.2.5. */
const ERROR_PRECEDENCE = 0xc0;
const ERROR_TOS_KEPT = 0x1e;

/** `who has target` from our interface.  42 octets; the port pads. */
export function arpRequest(v: DataView, at: number, macHigh: number, macLow: number, sender: number, target: number): number {
  ethernet.setHeader(v, at, 0xffff, -1, macHigh, macLow, ethernet.TYPE_ARP);
  arp.write(v, at + ethernet.HEADER_LENGTH, arp.REQUEST, macHigh, macLow, sender, 0, 0, target);
  return ethernet.HEADER_LENGTH + arp.LENGTH;
}

/** Answer to the request whose ARP message stands at `request`: its target address is at `macHigh`, `macLow`. */
export function arpReply(v: DataView, at: number, macHigh: number, macLow: number, request: number): number {
  const high = ethernet.macHigh(v, request + arp.SENDER_MAC);
  const low = ethernet.macLow(v, request + arp.SENDER_MAC);
  const target = arp.senderAddr(v, request);
  const sender = arp.targetAddr(v, request);
  ethernet.setHeader(v, at, high, low, macHigh, macLow, ethernet.TYPE_ARP);
  arp.write(v, at + ethernet.HEADER_LENGTH, arp.REPLY, macHigh, macLow, sender, high, low, target);
  return ethernet.HEADER_LENGTH + arp.LENGTH;
}

/** Link header of `from`, tags included, with the MACs exchanged.  Returns its length. */
export function answerLink(v: DataView, u8: Uint8Array, at: number, from: number, l3: number): number {
  u8.copyWithin(at, from, l3);
  ethernet.setMac(v, at + ethernet.DST_MAC, ethernet.macHigh(v, from + ethernet.SRC_MAC), ethernet.macLow(v, from + ethernet.SRC_MAC));
  ethernet.setMac(v, at + ethernet.SRC_MAC, ethernet.macHigh(v, from + ethernet.DST_MAC), ethernet.macLow(v, from + ethernet.DST_MAC));
  return l3 - from;
}

/**
 * May the IPv4 datagram at `l3` be answered with an ICMP error?  Not when it is an error or a redirect itself, a later fragment, went to a
 * group (link or IP), or does not come from one host.  `end` is the end of the datagram.  RFC 1122 section 3.2.2.
 */
export function mayAnswerWithError(v: DataView, from: number, l3: number, end: number): boolean {
  if (ethernet.isGroup(v, from) || ipv4.fragmentOffset(v, l3) !== 0) return false;
  if (isGroupAddr(ipv4.dstAddr(v, l3)) || !isHostAddr(ipv4.srcAddr(v, l3))) return false;
  if (ipv4.protocol(v, l3) !== ipv4.PROTOCOL_ICMP) return true;
  const l4 = l3 + ipv4.headerLength(v, l3);
  // Too short to tell, or of a type that this program does not know: no answer.
  return l4 < end && (icmp.replyType(icmp.type(v, l4)) >= 0 || isReply(icmp.type(v, l4)));
}

function isReply(type: number): boolean {
  return type === icmp.ECHO_REPLY || type === icmp.TIMESTAMP_REPLY;
}

/** Class D and E, limited broadcast. */
function isGroupAddr(addr: number): boolean {
  return addr >>> 28 >= 14;
}

/** Neither `this network`, loopback nor a group. */
function isHostAddr(addr: number): boolean {
  const net = addr >>> 24;
  return net !== 0 && net !== 127 && !isGroupAddr(addr);
}

/** Destination unreachable; `mtu` is the next-hop MTU of code 4 (RFC 1191), else 0.  `src` is our address. */
export function unreachable(
  v: DataView,
  u8: Uint8Array,
  u16: Uint16Array,
  at: number,
  from: number,
  l3: number,
  end: number,
  code: number,
  mtu: number,
  src: number,
): number {
  return icmpError(v, u8, u16, at, from, l3, end, icmp.UNREACHABLE, code, mtu, src);
}

/** Time exceeded in transit. */
export function timeExceeded(
  v: DataView,
  u8: Uint8Array,
  u16: Uint16Array,
  at: number,
  from: number,
  l3: number,
  end: number,
  src: number,
): number {
  return icmpError(v, u8, u16, at, from, l3, end, icmp.TIME_EXCEEDED, 0, 0, src);
}

function icmpError(
  v: DataView,
  u8: Uint8Array,
  u16: Uint16Array,
  at: number,
  from: number,
  l3: number,
  end: number,
  type: number,
  code: number,
  rest: number,
  src: number,
): number {
  const link = answerLink(v, u8, at, from, l3);
  const outer = at + link;
  const message = outer + ipv4.MIN_HEADER_LENGTH;
  const quoted = Math.min(end - l3, MAX_ERROR_DATAGRAM - ipv4.MIN_HEADER_LENGTH - icmp.HEADER_LENGTH);
  const length = icmp.HEADER_LENGTH + quoted;
  icmp.write(v, message, type, code, rest);
  u8.copyWithin(message + icmp.HEADER_LENGTH, l3, l3 + quoted);
  v.setUint16(message + icmp.CHECKSUM, complement(sumOctets(u16, u8, message, message + length)));
  const tos = (ipv4.tos(v, l3) & ERROR_TOS_KEPT) | ERROR_PRECEDENCE;
  writeIpv4(v, outer, tos, length, ipv4.PROTOCOL_ICMP, src, ipv4.srcAddr(v, l3));
  return link + ipv4.MIN_HEADER_LENGTH + length;
}

/** Answer to the echo request of `from`, whose ICMP header is at `l4`; IPv4 options do not come here. */
export function echoReply(v: DataView, u8: Uint8Array, at: number, from: number, l3: number, l4: number, end: number): number {
  const link = answerLink(v, u8, at, from, l3);
  const outer = at + link;
  const message = outer + ipv4.MIN_HEADER_LENGTH;
  const tos = ipv4.tos(v, l3);
  const src = ipv4.dstAddr(v, l3);
  const dst = ipv4.srcAddr(v, l3);
  u8.copyWithin(message, l4, end);
  const before = v.getUint16(message);
  v.setUint16(message, icmp.ECHO_REPLY << 8);
  v.setUint16(message + icmp.CHECKSUM, updateChecksum(v.getUint16(message + icmp.CHECKSUM), delta16(before, icmp.ECHO_REPLY << 8)));
  writeIpv4(v, outer, tos, end - l4, ipv4.PROTOCOL_ICMP, src, dst);
  return link + ipv4.MIN_HEADER_LENGTH + end - l4;
}

/** Atomic datagrams (RFC 6864) need no identification: 0 with DF. */
function writeIpv4(v: DataView, at: number, tos: number, payload: number, proto: number, src: number, dst: number): void {
  ipv4.write(v, at, tos, ipv4.MIN_HEADER_LENGTH + payload, 0, ipv4.DF, ORIGINATED_TTL, proto, src, dst);
}

/**
 * IPv4 datagram with a TCP segment without payload at `l3`: RST, RST and ACK, ACK.  seq and ack are int32, `win` is not scaled.
 * Returns 40.
 */
export function segment4(
  v: DataView,
  l3: number,
  src: number,
  dst: number,
  srcPort: number,
  dstPort: number,
  seq: number,
  ack: number,
  bits: number,
  win: number,
): number {
  const l4 = l3 + ipv4.MIN_HEADER_LENGTH;
  writeIpv4(v, l3, 0, tcp.MIN_HEADER_LENGTH, ipv4.PROTOCOL_TCP, src, dst);
  tcp.write(v, l4, srcPort, dstPort, seq, ack, bits, win);
  finishTcp(v, l4, ipv4.pseudoSum(src, dst, ipv4.PROTOCOL_TCP, tcp.MIN_HEADER_LENGTH));
  return ipv4.MIN_HEADER_LENGTH + tcp.MIN_HEADER_LENGTH;
}

/**
 * The same over IPv6; the addresses are the four words of `addrs` at `src` and at `dst` (indexes, not octets).  Returns 60.
 */
export function segment6(
  v: DataView,
  l3: number,
  addrs: Int32Array,
  src: number,
  dst: number,
  srcPort: number,
  dstPort: number,
  seq: number,
  ack: number,
  bits: number,
  win: number,
): number {
  for (let i = 0; i < 4; i++) {
    v.setInt32(l3 + ipv6.SRC_ADDR + (i << 2), addrs[src + i]!);
    v.setInt32(l3 + ipv6.DST_ADDR + (i << 2), addrs[dst + i]!);
  }
  return finish6(v, l3, srcPort, dstPort, seq, ack, bits, win);
}

/** Everything of an IPv6 segment but its addresses, which are in place. */
function finish6(v: DataView, l3: number, srcPort: number, dstPort: number, seq: number, ack: number, bits: number, win: number): number {
  const l4 = l3 + ipv6.HEADER_LENGTH;
  ipv6.write(v, l3, tcp.MIN_HEADER_LENGTH, ipv4.PROTOCOL_TCP, ORIGINATED_TTL);
  tcp.write(v, l4, srcPort, dstPort, seq, ack, bits, win);
  finishTcp(v, l4, ipv6.pseudoSum(v, l3, ipv4.PROTOCOL_TCP, tcp.MIN_HEADER_LENGTH));
  return ipv6.HEADER_LENGTH + tcp.MIN_HEADER_LENGTH;
}

/** Reset of the segment in frame `from`, which belongs to no connection.  It is no reset itself; `end` is the end of its datagram. */
export function reset(v: DataView, u8: Uint8Array, at: number, from: number, l3: number, l4: number, end: number): number {
  const link = answerLink(v, u8, at, from, l3);
  const bits = tcp.flags(v, l4);
  const hasAck = (bits & tcp.ACK) !== 0;
  const seq = hasAck ? tcp.ackNum(v, l4) : 0;
  const ack = hasAck ? 0 : (tcp.seqNum(v, l4) + segmentLength(v, l4, end)) | 0;
  const answer = hasAck ? tcp.RST : tcp.RST | tcp.ACK;
  const outer = at + link;
  if (v.getUint8(l3) >> 4 === 4) {
    return link + segment4(v, outer, ipv4.dstAddr(v, l3), ipv4.srcAddr(v, l3), tcp.dstPort(v, l4), tcp.srcPort(v, l4), seq, ack, answer, 0);
  }
  u8.copyWithin(outer + ipv6.SRC_ADDR, l3 + ipv6.DST_ADDR, l3 + ipv6.HEADER_LENGTH);
  u8.copyWithin(outer + ipv6.DST_ADDR, l3 + ipv6.SRC_ADDR, l3 + ipv6.DST_ADDR);
  return link + finish6(v, outer, tcp.dstPort(v, l4), tcp.srcPort(v, l4), seq, ack, answer, 0);
}

/** SEG.LEN of RFC 9293: payload, SYN and FIN. */
function segmentLength(v: DataView, l4: number, end: number): number {
  const bits = tcp.flags(v, l4);
  return end - l4 - tcp.headerLength(v, l4) + ((bits & tcp.SYN) !== 0 ? 1 : 0) + ((bits & tcp.FIN) !== 0 ? 1 : 0);
}

/** Checksum of a header without options and payload. */
function finishTcp(v: DataView, l4: number, pseudo: number): void {
  let sum = pseudo;
  for (let i = 0; i < tcp.MIN_HEADER_LENGTH; i += 2) sum += v.getUint16(l4 + i);
  tcp.setChecksum(v, l4, complement(fold(sum)));
}
