// Frames of ports with offloads, and fragments: what a kernel makes of what it is handed, said slowly.

import { PARTIAL_CHECKSUM } from '../../src/frame/frames.ts';
import { complement, fold, sumOctets } from '../../src/wire/checksum.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as tcp from '../../src/wire/tcp.ts';

interface Octets {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly view: DataView;
}

function octetsOf(length: number): Octets {
  const memory = new ArrayBuffer((length + 1) & ~1);
  return { u8: new Uint8Array(memory), u16: new Uint16Array(memory), view: new DataView(memory) };
}

/**
 * What the kernel makes of a frame that was handed to a port: a partial checksum is completed, a super-frame becomes segments of
 * gsoSize octets.  TCP over IPv4 without tags.  Throws when the pseudo-header sum is wrong.
 */
export function asOnTheWire({ octets, flags, gsoSize }: { octets: Uint8Array; flags: number; gsoSize: number }): Uint8Array[] {
  if ((flags & PARTIAL_CHECKSUM) === 0) return [octets];
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const payload = 34 + tcp.headerLength(view, 34);
  if (tcp.checksum(view, 34) !== pseudoSumOf(view, octets.length - 34)) throw new Error('wrong partial checksum');
  const size = gsoSize > 0 ? gsoSize : Math.max(1, octets.length - payload);
  const pieces: Uint8Array[] = [];
  for (let at = payload; at < octets.length || pieces.length === 0; at += size) {
    const data = octets.subarray(at, Math.min(octets.length, at + size));
    const m = octetsOf(payload + data.length);
    m.u8.set(octets.subarray(0, payload));
    m.u8.set(data, payload);
    const isLast = at + size >= octets.length;
    ipv4.setTotalLength(m.view, 14, payload - 14 + data.length);
    ipv4.setIdentificationUpdatingChecksum(m.view, 14, (ipv4.identification(view, 14) + pieces.length) & 0xffff);
    ipv4.fillChecksum(m.view, 14);
    tcp.setSeqNum(m.view, 34, (tcp.seqNum(view, 34) + at - payload) | 0);
    tcp.setFlags(m.view, 34, tcp.flags(view, 34) & ~(isLast ? 0 : tcp.FIN | tcp.PSH) & ~(pieces.length === 0 ? 0 : tcp.CWR));
    pieces.push(completed(m, payload + data.length));
  }
  return pieces;
}

function pseudoSumOf(view: DataView, length: number): number {
  return fold(ipv4.pseudoSum(ipv4.srcAddr(view, 14), ipv4.dstAddr(view, 14), 6, length));
}

function completed(m: Octets, length: number): Uint8Array {
  tcp.setChecksum(m.view, 34, 0);
  tcp.setChecksum(m.view, 34, complement(fold(pseudoSumOf(m.view, length - 34) + sumOctets(m.u16, m.u8, 34, length))));
  return m.u8.subarray(0, length);
}

/** The same segment with a partial checksum, as a host with offload hands it to its port. */
export function withPartialChecksum(octets: Uint8Array): Uint8Array {
  const copy = octets.slice();
  const view = new DataView(copy.buffer);
  tcp.setChecksum(view, 34, pseudoSumOf(view, copy.length - 34));
  return copy;
}

/** IPv4 fragments of a frame, cut at these offsets of its payload (multiples of eight). */
export function fragmentsOf(octets: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const data = octets.subarray(34);
  const starts = [0, ...cuts];
  return starts.map((from, i) => {
    const to = starts[i + 1] ?? data.length;
    const m = octetsOf(34 + to - from);
    m.u8.set(octets.subarray(0, 34));
    m.u8.set(data.subarray(from, to), 34);
    ipv4.setTotalLength(m.view, 14, 20 + to - from);
    ipv4.setFlagsOffset(m.view, 14, (to < data.length ? ipv4.MF : 0) | (from >> 3));
    ipv4.fillChecksum(m.view, 14);
    return m.u8.subarray(0, 34 + to - from);
  });
}
