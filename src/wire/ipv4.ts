// Internet Protocol version 4 header.  RFC 791, RFC 2474 (DSCP), RFC 1624.
//
// Not interpreted: options (their presence is a reason to drop).

import { IP_BAD_CHECKSUM, IP_BAD_HEADER_LENGTH, IP_BAD_LENGTH, IP_BAD_VERSION, OK, type Reason } from '../telemetry/reasons.ts';
import { complement, delta16, fold, sum32, updateChecksum } from './checksum.ts';

export const MIN_HEADER_LENGTH = 20;

const VERSION_IHL = 0;
const TOS = 1;
const TOTAL_LENGTH = 2;
const IDENTIFICATION = 4;
const FLAGS_OFFSET = 6;
const TTL = 8;
const PROTOCOL = 9;
export const HEADER_CHECKSUM = 10;
const SRC_ADDR = 12;
const DST_ADDR = 16;

export const DF = 0x4000;
export const MF = 0x2000;

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;

/** After OK: header and totalLength lie within [at, end), the header checksum is right. */
export function check(v: DataView, at: number, end: number): Reason {
  if (end - at < MIN_HEADER_LENGTH) return IP_BAD_LENGTH;
  const first = v.getUint8(at);
  if (first >> 4 !== 4) return IP_BAD_VERSION;
  const header = (first & 15) << 2;
  if (header < MIN_HEADER_LENGTH || at + header > end) return IP_BAD_HEADER_LENGTH;
  const total = totalLength(v, at);
  if (total < header || at + total > end) return IP_BAD_LENGTH;
  return headerSum(v, at, header) === 0xffff ? OK : IP_BAD_CHECKSUM;
}

/** Folded sum of the header octets including the checksum field: 0xffff when it is right. */
export function headerSum(v: DataView, at: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i += 4) {
    const word = v.getInt32(at + i);
    sum += (word >>> 16) + (word & 0xffff);
  }
  return fold(sum);
}

export function headerLength(v: DataView, at: number): number {
  return (v.getUint8(at + VERSION_IHL) & 15) << 2;
}

export function tos(v: DataView, at: number): number {
  return v.getUint8(at + TOS);
}

export function totalLength(v: DataView, at: number): number {
  return v.getUint16(at + TOTAL_LENGTH);
}

export function identification(v: DataView, at: number): number {
  return v.getUint16(at + IDENTIFICATION);
}

/** Flags and fragment offset as one field. */
export function flagsOffset(v: DataView, at: number): number {
  return v.getUint16(at + FLAGS_OFFSET);
}

/** In octets. */
export function fragmentOffset(v: DataView, at: number): number {
  return (v.getUint16(at + FLAGS_OFFSET) & 0x1fff) << 3;
}

export function moreFragments(v: DataView, at: number): boolean {
  return (v.getUint16(at + FLAGS_OFFSET) & MF) !== 0;
}

export function dontFragment(v: DataView, at: number): boolean {
  return (v.getUint16(at + FLAGS_OFFSET) & DF) !== 0;
}

export function ttl(v: DataView, at: number): number {
  return v.getUint8(at + TTL);
}

export function protocol(v: DataView, at: number): number {
  return v.getUint8(at + PROTOCOL);
}

export function checksum(v: DataView, at: number): number {
  return v.getUint16(at + HEADER_CHECKSUM);
}

/** int32 */
export function srcAddr(v: DataView, at: number): number {
  return v.getInt32(at + SRC_ADDR);
}

/** int32 */
export function dstAddr(v: DataView, at: number): number {
  return v.getInt32(at + DST_ADDR);
}

/** Sum of the pseudo-header for a transport of `length` octets. */
export function pseudoSum(src: number, dst: number, proto: number, length: number): number {
  return fold(sum32(src) + sum32(dst) + proto + length);
}

export function setChecksum(v: DataView, at: number, value: number): void {
  v.setUint16(at + HEADER_CHECKSUM, value);
}

/** Computes the header checksum and writes it. */
export function fillChecksum(v: DataView, at: number): void {
  v.setUint16(at + HEADER_CHECKSUM, 0);
  v.setUint16(at + HEADER_CHECKSUM, complement(headerSum(v, at, headerLength(v, at))));
}

/** Leaves the checksum alone. */
export function setTotalLength(v: DataView, at: number, length: number): void {
  v.setUint16(at + TOTAL_LENGTH, length);
}

/** Flags and offset as one field; leaves the checksum alone. */
export function setFlagsOffset(v: DataView, at: number, value: number): void {
  v.setUint16(at + FLAGS_OFFSET, value);
}

export function setTotalLengthUpdatingChecksum(v: DataView, at: number, length: number): void {
  update(v, at, delta16(totalLength(v, at), length));
  v.setUint16(at + TOTAL_LENGTH, length);
}

export function setIdentificationUpdatingChecksum(v: DataView, at: number, id: number): void {
  update(v, at, delta16(identification(v, at), id));
  v.setUint16(at + IDENTIFICATION, id);
}

/** TTL - 1; the caller has checked that it is above 1. */
export function decrementTtl(v: DataView, at: number): void {
  const word = v.getUint16(at + TTL);
  update(v, at, delta16(word, word - 0x0100));
  v.setUint16(at + TTL, word - 0x0100);
}

/** Addresses at once, with the delta of both known (translation of a session). */
export function setAddrs(v: DataView, at: number, src: number, dst: number, delta: number): void {
  v.setInt32(at + SRC_ADDR, src);
  v.setInt32(at + DST_ADDR, dst);
  update(v, at, delta);
}

function update(v: DataView, at: number, delta: number): void {
  v.setUint16(at + HEADER_CHECKSUM, updateChecksum(v.getUint16(at + HEADER_CHECKSUM), delta));
}

/** Writes a 20-octet header without options and its checksum. */
export function write(
  v: DataView,
  at: number,
  tosOctet: number,
  length: number,
  id: number,
  flags: number,
  hops: number,
  proto: number,
  src: number,
  dst: number,
): void {
  v.setUint8(at + VERSION_IHL, 0x45);
  v.setUint8(at + TOS, tosOctet);
  v.setUint16(at + TOTAL_LENGTH, length);
  v.setUint16(at + IDENTIFICATION, id);
  v.setUint16(at + FLAGS_OFFSET, flags);
  v.setUint8(at + TTL, hops);
  v.setUint8(at + PROTOCOL, proto);
  v.setUint16(at + HEADER_CHECKSUM, 0);
  v.setInt32(at + SRC_ADDR, src);
  v.setInt32(at + DST_ADDR, dst);
  v.setUint16(at + HEADER_CHECKSUM, complement(headerSum(v, at, MIN_HEADER_LENGTH)));
}
