// Datagrams that no well-behaved host sends, as the forger takes them: from the IPv4 header on, in hex.
//
// Built from the frames of the path's tests; the kernel that sends them corrects the header checksum and nothing else.

import { addr, segment } from '../path/datagrams.ts';

const LINK = 14;
const HEADER = 20;
const TTL = 8;
const IDENTIFICATION = 4;
const FLAGS_OFFSET = 6;
const MORE_FRAGMENTS = 0x2000;

/** A frame's datagram with that identification, which says in the event log which one it was. */
export function datagramOf(frame: Uint8Array, identification: number): Buffer {
  const octets = Buffer.from(frame.subarray(LINK));
  octets.writeUInt16BE(identification, IDENTIFICATION);
  return octets;
}

/** Octets [from, to) behind the header of a datagram, as a fragment at octet `at` (a multiple of 8) of the whole. */
export function fragment(datagram: Buffer, from: number, to: number, more: boolean, at: number = from): Buffer {
  const octets = Buffer.concat([datagram.subarray(0, HEADER), datagram.subarray(HEADER + from, HEADER + to)]);
  octets.writeUInt16BE(octets.length, 2);
  octets.writeUInt16BE((more ? MORE_FRAGMENTS : 0) | (at >> 3), FLAGS_OFFSET);
  return octets;
}

/** The same with another octet at `at` behind the header; checksums of the transport are not corrected. */
export function withOctet(datagram: Buffer, at: number, octet: number): Buffer {
  const octets = Buffer.from(datagram);
  octets[HEADER + at] = octet;
  return octets;
}

export function withTtl(datagram: Buffer, ttl: number): Buffer {
  const octets = Buffer.from(datagram);
  octets[TTL] = ttl;
  return octets;
}

/** RFC 1071. */
function checksum(octets: Buffer): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) sum += (octets[i]! << 8) | (octets[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum ^ 0xffff;
}

/**
 * A segment like the one of a frame that was seen (IPv4 without options), with its options, its numbers moved on by `seq` and `ack`,
 * and with `data` as its payload; its checksum is right.
 */
export function segmentLike(frame: Buffer, identification: number, seq: number, ack: number, data: string): Buffer {
  const headers = HEADER + (frame[LINK + HEADER + 12]! >> 4) * 4;
  const octets = Buffer.concat([frame.subarray(LINK, LINK + headers), Buffer.from(data, 'latin1')]);
  octets.writeUInt16BE(octets.length, 2);
  octets.writeUInt16BE(identification, IDENTIFICATION);
  octets.writeUInt32BE((octets.readUInt32BE(HEADER + 4) + seq) >>> 0, HEADER + 4);
  octets.writeUInt32BE((octets.readUInt32BE(HEADER + 8) + ack) >>> 0, HEADER + 8);
  octets.writeUInt16BE(0, HEADER + 16);
  const pseudo = Buffer.alloc(12);
  octets.copy(pseudo, 0, 12, 20);
  pseudo[9] = 6;
  pseudo.writeUInt16BE(octets.length - HEADER, 10);
  octets.writeUInt16BE(checksum(Buffer.concat([pseudo, octets.subarray(HEADER)])), HEADER + 16);
  return octets;
}

/** An ICMP error about a TCP segment that `inner` describes: header and eight octets of it (RFC 792). */
export function icmpError(
  from: string,
  to: string,
  type: number,
  code: number,
  rest: number,
  inner: Parameters<typeof segment>[0],
  identification: number,
): Buffer {
  const quoted = Buffer.from(segment(inner)).subarray(LINK, LINK + HEADER + 8);
  const octets = Buffer.alloc(HEADER + 8 + quoted.length);
  octets.writeUInt8(0x45, 0);
  octets.writeUInt16BE(octets.length, 2);
  octets.writeUInt16BE(identification, IDENTIFICATION);
  octets.writeUInt8(64, TTL);
  octets.writeUInt8(1, 9);
  octets.writeInt32BE(addr(from), 12);
  octets.writeInt32BE(addr(to), 16);
  octets.writeUInt8(type, HEADER);
  octets.writeUInt8(code, HEADER + 1);
  octets.writeUInt32BE(rest, HEADER + 4);
  quoted.copy(octets, HEADER + 8);
  octets.writeUInt16BE(checksum(octets.subarray(HEADER)), HEADER + 2);
  return octets;
}
