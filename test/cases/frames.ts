// Frames from descriptions: Ethernet, IPv4 or IPv6, TCP, right or wrong in whatever a case asks for; and back again.

import { complement, fold, sumOctets } from '../../src/wire/checksum.ts';

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const URG = 32;
const FLAG_LETTERS = 'FSRPAUEC';

export const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');
export const textOf = (octets: Uint8Array): string => Buffer.from(octets).toString('latin1');
export const hex = (text: string): Uint8Array => Buffer.from(text, 'hex');
export const hexOf = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

/** Control bits by their letters, F to C. */
export function flagBits(letters: string): number {
  return [...letters].reduce((bits, letter) => bits | (1 << FLAG_LETTERS.indexOf(letter)), 0);
}

/** Both ends of a conversation; link is destination, source and tags of a frame of that end. */
export interface End {
  readonly addr: Uint8Array;
  readonly port: number;
}

export interface TcpFields {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly urgent: number;
  readonly options: Uint8Array;
  readonly payload: Uint8Array;
  /** In words; written as it is. */
  readonly dataOffset?: number;
  readonly reserved?: number;
  readonly badChecksum?: boolean;
}

function sum(octets: Uint8Array): number {
  const even = new Uint8Array((octets.length + 1) & ~1);
  even.set(octets);
  return sumOctets(new Uint16Array(even.buffer), even, 0, octets.length);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

/** A segment with its checksum, for the given addresses (4 or 16 octets each). */
export function tcpSegment(src: Uint8Array, dst: Uint8Array, fields: TcpFields): Uint8Array {
  const options = concat(fields.options, new Uint8Array((4 - (fields.options.length & 3)) & 3));
  const out = concat(new Uint8Array(20), options, fields.payload);
  const v = new DataView(out.buffer);
  v.setUint16(0, fields.srcPort);
  v.setUint16(2, fields.dstPort);
  v.setInt32(4, fields.seq);
  v.setInt32(8, fields.ack);
  v.setUint8(12, ((fields.dataOffset ?? 5 + options.length / 4) << 4) | ((fields.reserved ?? 0) & 15));
  v.setUint8(13, fields.flags);
  v.setUint16(14, fields.window);
  v.setUint16(18, fields.urgent);
  const right = complement(fold(sum(src) + sum(dst) + 6 + out.length + sum(out)));
  v.setUint16(16, fields.badChecksum === true ? right ^ 0xdead : right);
  return out;
}

export interface Ipv4Fields {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly protocol: number;
  readonly payload: Uint8Array;
  readonly ttl?: number;
  readonly id?: number;
  /** Flags and offset as one field. */
  readonly flagsOffset?: number;
  readonly options?: Uint8Array;
  // Written as they are:
  readonly version?: number;
  readonly ihl?: number;
  readonly totalLength?: number;
  readonly checksum?: number;
}

export function ipv4Datagram(fields: Ipv4Fields): Uint8Array {
  const options = fields.options ?? new Uint8Array();
  const header = concat(new Uint8Array(20), options, new Uint8Array((4 - (options.length & 3)) & 3));
  const v = new DataView(header.buffer);
  v.setUint8(0, ((fields.version ?? 4) << 4) | (fields.ihl ?? header.length / 4));
  v.setUint16(2, fields.totalLength ?? header.length + fields.payload.length);
  v.setUint16(4, fields.id ?? 0);
  v.setUint16(6, fields.flagsOffset ?? 0);
  v.setUint8(8, fields.ttl ?? 64);
  v.setUint8(9, fields.protocol);
  header.set(fields.src, 12);
  header.set(fields.dst, 16);
  v.setUint16(10, fields.checksum ?? complement(sum(header)));
  return concat(header, fields.payload);
}

/** `next` is the type of the first header of the payload. */
export function ipv6Datagram(src: Uint8Array, dst: Uint8Array, next: number, payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(40);
  const v = new DataView(header.buffer);
  v.setUint8(0, 0x60);
  v.setUint16(4, payload.length);
  v.setUint8(6, next);
  v.setUint8(7, 64);
  header.set(src, 8);
  header.set(dst, 24);
  return concat(header, payload);
}

/** `link` is everything in front of the EtherType: addresses and tags. */
export function ethernetFrame(link: Uint8Array, etherType: number, payload: Uint8Array): Uint8Array {
  return concat(link, Uint8Array.of(etherType >> 8, etherType & 0xff), payload);
}

/** A segment that came out of a frame, or out of the fragments of several. */
export interface Segment {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly reserved: number;
  readonly window: number;
  readonly urgent: number;
  readonly options: Uint8Array;
  readonly payload: Uint8Array;
  readonly isChecksumGood: boolean;
}

/** The IP datagram in a frame: protocol, payload and, of a fragment, its place. */
export interface Datagram {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly protocol: number;
  readonly payload: Uint8Array;
  readonly fragment: { readonly id: number; readonly offset: number; readonly more: boolean } | null;
}

/** Null when there is no IP in it. */
export function datagramOf(frame: Uint8Array): Datagram | null {
  const v = new DataView(frame.buffer, frame.byteOffset, frame.length);
  let at = 12;
  while (at + 6 <= frame.length && (v.getUint16(at) === 0x8100 || v.getUint16(at) === 0x88a8)) at += 4;
  const type = v.getUint16(at);
  at += 2;
  if (type === 0x0800) return ipv4Of(frame, v, at);
  if (type !== 0x86dd) return null;
  const length = v.getUint16(at + 4);
  const payload = frame.slice(at + 40, at + 40 + length);
  return { src: frame.slice(at + 8, at + 24), dst: frame.slice(at + 24, at + 40), protocol: v.getUint8(at + 6), payload, fragment: null };
}

function ipv4Of(frame: Uint8Array, v: DataView, at: number): Datagram {
  const header = (v.getUint8(at) & 15) * 4;
  const word = v.getUint16(at + 6);
  const isWhole = (word & 0x3fff) === 0;
  return {
    src: frame.slice(at + 12, at + 16),
    dst: frame.slice(at + 16, at + 20),
    protocol: v.getUint8(at + 9),
    payload: frame.slice(at + header, at + v.getUint16(at + 2)),
    fragment: isWhole ? null : { id: v.getUint16(at + 4), offset: (word & 0x1fff) * 8, more: (word & 0x2000) !== 0 },
  };
}

export function segmentOf({ src, dst, payload }: Datagram): Segment {
  const v = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const header = (v.getUint8(12) >> 4) * 4;
  return {
    src,
    dst,
    srcPort: v.getUint16(0),
    dstPort: v.getUint16(2),
    seq: v.getInt32(4),
    ack: v.getInt32(8),
    flags: v.getUint8(13),
    reserved: v.getUint8(12) & 15,
    window: v.getUint16(14),
    urgent: v.getUint16(18),
    options: payload.slice(20, header),
    payload: payload.slice(header),
    isChecksumGood: fold(sum(src) + sum(dst) + 6 + payload.length + sum(payload)) === 0xffff,
  };
}
