// Internet Control Message Protocol for IPv4.  RFC 792, RFC 1191 (next-hop MTU), RFC 1812 section 4.3.
//
// The inner header of an error is checked by innerCheck(), which allows the transport to be cut to eight octets.
// Not interpreted: RFC 4884 extensions behind the inner datagram.

import { ICMP_MALFORMED, OK, type Reason } from '../telemetry/reasons.ts';

export const HEADER_LENGTH = 8;
const TYPE = 0;
const CODE = 1;
export const CHECKSUM = 2;
const IDENTIFIER = 4;
const NEXT_HOP_MTU = 6;

export const ECHO_REPLY = 0;
export const UNREACHABLE = 3;
export const SOURCE_QUENCH = 4;
export const REDIRECT = 5;
export const ECHO = 8;
export const TIME_EXCEEDED = 11;
export const PARAMETER_PROBLEM = 12;
export const TIMESTAMP = 13;
export const TIMESTAMP_REPLY = 14;

export const CODE_HOST = 1;
export const CODE_FRAGMENTATION_NEEDED = 4;
export const CODE_ADMIN_PROHIBITED = 13;

/** After OK the eight octets of the header lie within [at, end). */
export function check(_v: DataView, at: number, end: number): Reason {
  return end - at >= HEADER_LENGTH ? OK : ICMP_MALFORMED;
}

export function type(v: DataView, at: number): number {
  return v.getUint8(at + TYPE);
}

export function code(v: DataView, at: number): number {
  return v.getUint8(at + CODE);
}

/** Query identifier (echo, timestamp). */
export function identifier(v: DataView, at: number): number {
  return v.getUint16(at + IDENTIFIER);
}

export function setIdentifier(v: DataView, at: number, id: number): void {
  v.setUint16(at + IDENTIFIER, id);
}

export function nextHopMtu(v: DataView, at: number): number {
  return v.getUint16(at + NEXT_HOP_MTU);
}

/** Types that carry the header of the datagram that caused them. */
export function isError(t: number): boolean {
  return t === UNREACHABLE || t === SOURCE_QUENCH || t === REDIRECT || t === TIME_EXCEEDED || t === PARAMETER_PROBLEM;
}

/** Queries that open a session, and the type of their reply, or -1. */
export function replyType(t: number): number {
  return t === ECHO ? ECHO_REPLY : t === TIMESTAMP ? TIMESTAMP_REPLY : -1;
}

/** The inner IPv4 header and eight octets of its transport lie within [at, end); `at` is that of the ICMP header. */
export function innerCheck(v: DataView, at: number, end: number): Reason {
  const inner = at + HEADER_LENGTH;
  if (end - inner < 28) return ICMP_MALFORMED;
  const first = v.getUint8(inner);
  if (first >> 4 !== 4) return ICMP_MALFORMED;
  const header = (first & 15) << 2;
  return header >= 20 && inner + header + 8 <= end ? OK : ICMP_MALFORMED;
}

/** Writes type, code and the second word; the checksum is left 0 for the caller to fill. */
export function write(v: DataView, at: number, t: number, c: number, rest: number): void {
  v.setUint8(at + TYPE, t);
  v.setUint8(at + CODE, c);
  v.setUint16(at + CHECKSUM, 0);
  v.setInt32(at + IDENTIFIER, rest);
}
