// Internet Protocol version 6 header and its extension chain.  RFC 8200, RFC 5095 (routing header 0), RFC 7112.
//
// An address is four int32 words, read in place.  The chain is walked by walk(), which answers through `chain`, one
// object for the process: the data plane has one thread.
// Not interpreted: options inside hop-by-hop and destination headers (they are turned into PadN by the normaliser),
// ESP (opaque from there), jumbograms.

import { IP6_BAD_LENGTH, IP6_EXT_ILLEGAL, IP_BAD_VERSION, OK, type Reason } from '../telemetry/reasons.ts';
import { fold } from './checksum.ts';

export const HEADER_LENGTH = 40;
export const FRAGMENT_HEADER_LENGTH = 8;
const PAYLOAD_LENGTH = 4;
export const NEXT_HEADER = 6;
const HOP_LIMIT = 7;
export const SRC_ADDR = 8;
export const DST_ADDR = 24;

export const HOP_BY_HOP = 0;
export const ROUTING = 43;
export const FRAGMENT = 44;
export const ESP = 50;
export const AH = 51;
export const NO_NEXT = 59;
export const DESTINATION = 60;
export const MOBILITY = 135;
export const PROTOCOL_ICMP6 = 58;
/** Headers of the chain that are accepted in front of the transport. */
export const MAX_EXTENSIONS = 8;

/** After OK the fixed header and payloadLength lie within [at, end). */
export function check(v: DataView, at: number, end: number): Reason {
  if (end - at < HEADER_LENGTH) return IP6_BAD_LENGTH;
  if (v.getUint8(at) >> 4 !== 6) return IP_BAD_VERSION;
  return at + HEADER_LENGTH + payloadLength(v, at) <= end ? OK : IP6_BAD_LENGTH;
}

export function payloadLength(v: DataView, at: number): number {
  return v.getUint16(at + PAYLOAD_LENGTH);
}

export function setPayloadLength(v: DataView, at: number, length: number): void {
  v.setUint16(at + PAYLOAD_LENGTH, length);
}

export function nextHeader(v: DataView, at: number): number {
  return v.getUint8(at + NEXT_HEADER);
}

export function hopLimit(v: DataView, at: number): number {
  return v.getUint8(at + HOP_LIMIT);
}

/** Word 0-3 of the address at `at` (the offset of the address itself), int32. */
export function addrWord(v: DataView, at: number, word: number): number {
  return v.getInt32(at + (word << 2));
}

/** Sum of the pseudo-header, RFC 8200 section 8.1; `at` is the IPv6 header, `length` that of the upper layer. */
export function pseudoSum(v: DataView, at: number, proto: number, length: number): number {
  let sum = proto + (length >>> 16) + (length & 0xffff);
  for (let i = SRC_ADDR; i < HEADER_LENGTH; i += 2) sum += v.getUint16(at + i);
  return fold(sum);
}

/** Writes the fixed header but for its addresses; `payload` is the length behind it, octets. */
export function write(v: DataView, at: number, payload: number, proto: number, hops: number): void {
  v.setInt32(at, 0x6000_0000);
  v.setUint16(at + PAYLOAD_LENGTH, payload);
  v.setUint8(at + NEXT_HEADER, proto);
  v.setUint8(at + HOP_LIMIT, hops);
}

/** Where the walk ended. */
export const chain = {
  /** Protocol number of what stands at `at`; NO_NEXT when there is nothing. */
  protocol: 0,
  /** First octet behind the extension headers. */
  at: 0,
  /** Offset of the fragment header, or -1. */
  fragmentAt: -1,
  /** Offset of the next-header octet that names the fragment header. */
  fragmentLink: -1,
};

/**
 * Walks the extension headers of a checked datagram up to the transport or the fragment header of a non-initial
 * fragment.  `end` is the end of the datagram.
 */
export function walk(v: DataView, at: number, end: number): Reason {
  let proto = nextHeader(v, at);
  let link = at + NEXT_HEADER;
  let next = at + HEADER_LENGTH;
  let seen = 0;
  chain.fragmentAt = -1;
  chain.fragmentLink = -1;
  for (let count = 0; isExtension(proto); count++) {
    if (count === MAX_EXTENSIONS || next + 8 > end) return IP6_EXT_ILLEGAL;
    const bit = extensionBit(proto);
    // Destination options may stand twice (before and after routing); everything else once, hop-by-hop only first.
    if (proto !== DESTINATION && (seen & bit) !== 0) return IP6_EXT_ILLEGAL;
    if (proto === HOP_BY_HOP && count !== 0) return IP6_EXT_ILLEGAL;
    if (proto === ROUTING && v.getUint8(next + 2) === 0) return IP6_EXT_ILLEGAL;
    seen |= bit;
    if (proto === FRAGMENT) {
      chain.fragmentAt = next;
      chain.fragmentLink = link;
    }
    const length = extensionLength(v, next, proto);
    link = next;
    proto = v.getUint8(next);
    next += length;
    if (next > end) return IP6_EXT_ILLEGAL;
    if (chain.fragmentAt >= 0 && (v.getUint16(chain.fragmentAt + 2) & 0xfff8) !== 0) break;
  }
  chain.protocol = proto;
  chain.at = next;
  return OK;
}

function isExtension(proto: number): boolean {
  return proto === HOP_BY_HOP || proto === ROUTING || proto === FRAGMENT || proto === AH || proto === DESTINATION || proto === MOBILITY;
}

function extensionBit(proto: number): number {
  return proto === HOP_BY_HOP ? 1 : proto === ROUTING ? 2 : proto === FRAGMENT ? 4 : proto === AH ? 8 : proto === DESTINATION ? 16 : 32;
}

/** Octets of the header at `at`: RFC 8200 units of eight, RFC 4302 units of four for AH, eight for a fragment header. */
export function extensionLength(v: DataView, at: number, proto: number): number {
  if (proto === FRAGMENT) return 8;
  if (proto === AH) return (v.getUint8(at + 1) + 2) << 2;
  return (v.getUint8(at + 1) + 1) << 3;
}
