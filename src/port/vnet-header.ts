// The virtio-net header in front of a frame: what of its checksum and segmentation is left to be done.  virtio 1.2 section
// 5.1.6, `struct virtio_net_hdr`, little-endian.  And the same work done here, for ports without that header.
//
// The path knows only PARTIAL_CHECKSUM, GSO and gsoSize of a frame.  On transmit those decide: a frame that stands where it was
// received keeps the checksum range that the kernel gave it (which may lie inside a tunnel); a frame in a slot of its own
// (copied, cut, made here) gets a new header from its octets.
// Left out: segmentation in software, checksums other than TCP's and UDP's.

import { GSO, PARTIAL_CHECKSUM } from '../frame/frames.ts';
import type { Region } from '../frame/region.ts';
import { OK } from '../telemetry/reasons.ts';
import { complement, sumOctets } from '../wire/checksum.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';

const FLAGS = 0;
const GSO_TYPE = 1;
const HEADER_LENGTH = 2;
const GSO_SIZE = 4;
const CHECKSUM_START = 6;
const CHECKSUM_OFFSET = 8;

const NEEDS_CHECKSUM = 1;
const GSO_NONE = 0;
const GSO_TCP4 = 1;
const GSO_TCP6 = 4;
const GSO_UDP = 5;
/** The first segment carries CWR, the others must not (RFC 3168 section 6.1.2). */
const GSO_ECN = 0x80;

/** PARTIAL_CHECKSUM and GSO as the header at `at` says. */
export function readFlags(v: DataView, at: number): number {
  const partial = (v.getUint8(at + FLAGS) & NEEDS_CHECKSUM) !== 0 ? PARTIAL_CHECKSUM : 0;
  return v.getUint8(at + GSO_TYPE) === GSO_NONE ? partial : partial | GSO;
}

/** Payload octets a segment; meaningful with GSO. */
export function readGsoSize(v: DataView, at: number): number {
  return v.getUint16(at + GSO_SIZE, true);
}

/** The frame behind the header grew by a tag in front of the transport header. */
export function shiftByTag(v: DataView, at: number): void {
  v.setUint16(at + HEADER_LENGTH, v.getUint16(at + HEADER_LENGTH, true) + ethernet.TAG_LENGTH, true);
  v.setUint16(at + CHECKSUM_START, v.getUint16(at + CHECKSUM_START, true) + ethernet.TAG_LENGTH, true);
}

/** Nothing left to be done. */
export function clear(v: DataView, at: number): void {
  v.setInt32(at, 0);
  v.setInt32(at + 4, 0);
  v.setUint16(at + 8, 0);
}

/** Brings the kernel's own header in line with what the path made of the frame; `length` is that of the frame. */
export function correct(v: DataView, at: number, flags: number, gsoSize: number, length: number): void {
  if ((flags & PARTIAL_CHECKSUM) === 0) v.setUint8(at + FLAGS, 0);
  if ((flags & GSO) === 0) v.setUint8(at + GSO_TYPE, GSO_NONE);
  v.setUint16(at + GSO_SIZE, (flags & GSO) === 0 ? 0 : gsoSize, true);
  // A hint for the kernel's allocation, refused when it exceeds the frame; a cut may have made it so.
  if (v.getUint16(at + HEADER_LENGTH, true) > length) v.setUint16(at + HEADER_LENGTH, length, true);
}

/** Where the transport header of a frame stands; filled by locate(), one object for the thread. */
export const found = { protocol: 0, network: 0, transport: 0, end: 0 };

/** Finds the TCP or UDP header of the frame at `offset`; false when there is none. */
export function locate(v: DataView, offset: number, length: number): boolean {
  const frameEnd = offset + length;
  let at = offset + ethernet.ETHER_TYPE;
  while (at + 6 <= frameEnd && ethernet.isTag(ethernet.etherType(v, at))) at += ethernet.TAG_LENGTH;
  if (at + 2 > frameEnd) return false;
  const type = ethernet.etherType(v, at);
  found.network = at + 2;
  if (type === ethernet.TYPE_IPV4) return locateIpv4(v, frameEnd) && fits();
  if (type === ethernet.TYPE_IPV6) return locateIpv6(v, frameEnd) && fits();
  return false;
}

function locateIpv4(v: DataView, frameEnd: number): boolean {
  if (found.network + ipv4.MIN_HEADER_LENGTH > frameEnd) return false;
  found.protocol = ipv4.protocol(v, found.network);
  found.transport = found.network + ipv4.headerLength(v, found.network);
  found.end = found.network + ipv4.totalLength(v, found.network);
  return found.end <= frameEnd;
}

function locateIpv6(v: DataView, frameEnd: number): boolean {
  if (found.network + ipv6.HEADER_LENGTH > frameEnd) return false;
  found.end = found.network + ipv6.HEADER_LENGTH + ipv6.payloadLength(v, found.network);
  if (found.end > frameEnd || ipv6.walk(v, found.network, found.end) !== OK) return false;
  found.protocol = ipv6.chain.protocol;
  found.transport = ipv6.chain.at;
  return true;
}

function fits(): boolean {
  if (found.protocol === ipv4.PROTOCOL_TCP) return found.transport + tcp.MIN_HEADER_LENGTH <= found.end;
  return found.protocol === ipv4.PROTOCOL_UDP && found.transport + udp.HEADER_LENGTH <= found.end;
}

function transportHeaderLength(v: DataView): number {
  return found.protocol === ipv4.PROTOCOL_TCP ? tcp.headerLength(v, found.transport) : udp.HEADER_LENGTH;
}

/** Octets of datagram that each segment of the super-frame will have; 0 when it is none that we know. */
export function segmentLength(v: DataView, offset: number, length: number, gsoSize: number): number {
  if (!locate(v, offset, length)) return 0;
  return found.transport + transportHeaderLength(v) - found.network + gsoSize;
}

function gsoType(v: DataView): number {
  if (found.protocol === ipv4.PROTOCOL_UDP) return GSO_UDP;
  const type = v.getUint8(found.network) >> 4 === 4 ? GSO_TCP4 : GSO_TCP6;
  return (tcp.flags(v, found.transport) & tcp.CWR) === 0 ? type : type | GSO_ECN;
}

/** Writes the header at `at` for the frame at `offset`; false when its transport is neither TCP nor UDP. */
export function build(v: DataView, at: number, offset: number, length: number, flags: number, gsoSize: number): boolean {
  if (!locate(v, offset, length)) return false;
  const gso = (flags & GSO) !== 0;
  v.setUint8(at + FLAGS, (flags & PARTIAL_CHECKSUM) !== 0 ? NEEDS_CHECKSUM : 0);
  v.setUint8(at + GSO_TYPE, gso ? gsoType(v) : GSO_NONE);
  v.setUint16(at + HEADER_LENGTH, found.transport + transportHeaderLength(v) - offset, true);
  v.setUint16(at + GSO_SIZE, gso ? gsoSize : 0, true);
  v.setUint16(at + CHECKSUM_START, found.transport - offset, true);
  v.setUint16(at + CHECKSUM_OFFSET, found.protocol === ipv4.PROTOCOL_TCP ? tcp.CHECKSUM : udp.CHECKSUM, true);
  return true;
}

/**
 * Makes a partial checksum a whole one: the field holds the sum of the pseudo-header, so the sum over segment and field is
 * all there is to do (150 ns for 1,460 octets).  False when the transport is neither TCP nor UDP.
 */
export function completeChecksum(region: Region, offset: number, length: number): boolean {
  if (!locate(region.view, offset, length)) return false;
  const checksum = complement(sumOctets(region.u16, region.u8, found.transport, found.end));
  if (found.protocol === ipv4.PROTOCOL_TCP) tcp.setChecksum(region.view, found.transport, checksum);
  else udp.setChecksum(region.view, found.transport, checksum);
  return true;
}
