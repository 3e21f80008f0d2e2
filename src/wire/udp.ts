// User Datagram Protocol header.  RFC 768.
//
// Not handled: UDP-Lite, checksum coverage below the datagram.

import { OK, type Reason, UDP_BAD_LENGTH } from '../telemetry/reasons.ts';

export const HEADER_LENGTH = 8;
const SRC_PORT = 0;
const DST_PORT = 2;
const LENGTH = 4;
export const CHECKSUM = 6;

/** After OK the header and `length` lie within [at, end). */
export function check(v: DataView, at: number, end: number): Reason {
  if (end - at < HEADER_LENGTH) return UDP_BAD_LENGTH;
  const n = length(v, at);
  return n >= HEADER_LENGTH && at + n <= end ? OK : UDP_BAD_LENGTH;
}

export function srcPort(v: DataView, at: number): number {
  return v.getUint16(at + SRC_PORT);
}

export function dstPort(v: DataView, at: number): number {
  return v.getUint16(at + DST_PORT);
}

/** Header and data, octets. */
export function length(v: DataView, at: number): number {
  return v.getUint16(at + LENGTH);
}

/** 0: the sender computed none. */
export function checksum(v: DataView, at: number): number {
  return v.getUint16(at + CHECKSUM);
}

/** A computed sum of 0 is sent as 0xffff (RFC 768). */
export function setChecksum(v: DataView, at: number, value: number): void {
  v.setUint16(at + CHECKSUM, value === 0 ? 0xffff : value);
}

export function setPorts(v: DataView, at: number, src: number, dst: number): void {
  v.setUint16(at + SRC_PORT, src);
  v.setUint16(at + DST_PORT, dst);
}
