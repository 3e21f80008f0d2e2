// A transport segment and the IP header in front of it taken together: lengths and checksums that depend on both.  RFC 9293
// section 3.1, RFC 768, RFC 4443 section 2.3, RFC 8200 section 8.1; partial checksums as Linux hands them over (the field holds the
// uncomplemented sum of the pseudo-header).
//
// `l3` is the IP header, `l4` the transport header, `end` the end of the datagram, `proto` TCP, UDP or ICMPv6.
// Not handled: a routing header whose segments are not used up (the pseudo-header has the last address of its list).

import { complement, fold, sumOctets } from './checksum.ts';
import * as ipv4 from './ipv4.ts';
import * as ipv6 from './ipv6.ts';
import * as tcp from './tcp.ts';
import * as udp from './udp.ts';

const ICMP6_CHECKSUM = 2;

export function isIpv6(v: DataView, l3: number): boolean {
  return v.getUint8(l3) >> 4 === 6;
}

/** Folded sum of the pseudo-header of a transport of end - l4 octets. */
export function pseudoSum(v: DataView, l3: number, l4: number, end: number, proto: number): number {
  if (isIpv6(v, l3)) return ipv6.pseudoSum(v, l3, proto, end - l4);
  return ipv4.pseudoSum(ipv4.srcAddr(v, l3), ipv4.dstAddr(v, l3), proto, end - l4);
}

/** Offset of the checksum within the transport header. */
export function checksumOffset(proto: number): number {
  return proto === ipv4.PROTOCOL_TCP ? tcp.CHECKSUM : proto === ipv4.PROTOCOL_UDP ? udp.CHECKSUM : ICMP6_CHECKSUM;
}

/** The checksum is right; UDP over IPv4 may have none. */
export function isChecksumGood(v: DataView, u8: Uint8Array, u16: Uint16Array, l3: number, l4: number, end: number, proto: number): boolean {
  if (proto === ipv4.PROTOCOL_UDP && udp.checksum(v, l4) === 0 && !isIpv6(v, l3)) return true;
  return fold(pseudoSum(v, l3, l4, end, proto) + sumOctets(u16, u8, l4, end)) === 0xffff;
}

/** Computes the whole checksum and writes it. */
export function fillChecksum(v: DataView, u8: Uint8Array, u16: Uint16Array, l3: number, l4: number, end: number, proto: number): void {
  const field = l4 + checksumOffset(proto);
  v.setUint16(field, 0);
  const sum = complement(fold(pseudoSum(v, l3, l4, end, proto) + sumOctets(u16, u8, l4, end)));
  v.setUint16(field, proto === ipv4.PROTOCOL_UDP && sum === 0 ? 0xffff : sum);
}

/** Makes the datagram at `l3` end at `end`: total length and header checksum, or payload length. */
export function setDatagramEnd(v: DataView, l3: number, end: number): void {
  if (isIpv6(v, l3)) ipv6.setPayloadLength(v, l3, end - l3 - ipv6.HEADER_LENGTH);
  else ipv4.setTotalLengthUpdatingChecksum(v, l3, end - l3);
}
