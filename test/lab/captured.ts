// What a host's capture says, read slowly and obviously, without a line of the program under test: checksums recomputed over
// whole datagrams, and the octets of one direction of a TCP connection put together.
//
// Reads what tcpdump writes on this machine: pcap, microseconds, little-endian, Ethernet, IPv4 without fragments.

import { readFileSync } from 'node:fs';

const PCAP_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET_HEADER = 14;
const TCP = 6;
const UDP = 17;

export interface Datagram {
  readonly octets: Buffer;
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly headerLength: number;
}

function dotted(octets: Buffer, at: number): string {
  return octets.subarray(at, at + 4).join('.');
}

/** All IPv4 datagrams of a capture, without Ethernet padding. */
export function readDatagrams(file: string): Datagram[] {
  const all = readFileSync(file);
  if (all.length < PCAP_HEADER || all.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error(`${file} is not what tcpdump writes here`);
  const found: Datagram[] = [];
  for (let at = PCAP_HEADER; at + RECORD_HEADER <= all.length; ) {
    const captured = all.readUInt32LE(at + 8);
    const frame = all.subarray(at + RECORD_HEADER, at + RECORD_HEADER + captured);
    at += RECORD_HEADER + captured;
    if (frame.length < ETHERNET_HEADER + 20 || frame.readUInt16BE(12) !== 0x0800) continue;
    const octets = frame.subarray(ETHERNET_HEADER, ETHERNET_HEADER + frame.readUInt16BE(ETHERNET_HEADER + 2));
    found.push({
      octets,
      protocol: octets[9]!,
      source: dotted(octets, 12),
      destination: dotted(octets, 16),
      headerLength: (octets[0]! & 15) * 4,
    });
  }
  return found;
}

/** The ones' complement sum of RFC 1071 over big-endian 16-bit words; 0xffff when a checksum among them is right. */
function sum(...parts: Buffer[]): number {
  let total = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) total += (part[i]! << 8) | (part[i + 1] ?? 0);
  }
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
  return total;
}

/** What is wrong with a datagram's checksums, or null. */
export function wrongChecksum({ octets, protocol, headerLength, source, destination }: Datagram): string | null {
  const what = `${source} > ${destination} protocol ${protocol} length ${octets.length}`;
  if (sum(octets.subarray(0, headerLength)) !== 0xffff) return `IPv4 header: ${what}`;
  const body = octets.subarray(headerLength);
  if (protocol === 1 && sum(body) !== 0xffff) return `ICMP: ${what}`;
  if (protocol !== TCP && protocol !== UDP) return null;
  if (protocol === UDP && body.readUInt16BE(6) === 0) return null;
  const pseudo = Buffer.alloc(12);
  octets.copy(pseudo, 0, 12, 20);
  pseudo[9] = protocol;
  pseudo.writeUInt16BE(body.length, 10);
  return sum(pseudo, body) === 0xffff ? null : `${protocol === TCP ? 'TCP' : 'UDP'}: ${what}`;
}

/** The octets that one end of a TCP connection sent, in order of sequence numbers; later copies of an octet must equal the first. */
export function streamOctets(datagrams: readonly Datagram[], source: string, sourcePort: number): Buffer {
  let first = -1;
  const octets: number[] = [];
  for (const { octets: datagram, protocol, source: from, headerLength } of datagrams) {
    if (protocol !== TCP || from !== source || datagram.readUInt16BE(headerLength) !== sourcePort) continue;
    const sequence = datagram.readUInt32BE(headerLength + 4);
    const isSyn = (datagram[headerLength + 13]! & 2) !== 0;
    if (isSyn) first = (sequence + 1) >>> 0;
    if (first < 0 || isSyn) continue;
    const payload = datagram.subarray(headerLength + (datagram[headerLength + 12]! >> 4) * 4);
    const at = (sequence - first) >>> 0;
    for (let i = 0; i < payload.length; i++) {
      if (octets[at + i] !== undefined && octets[at + i] !== payload[i])
        throw new Error(`two values for octet ${at + i} of ${source}:${sourcePort}`);
      octets[at + i] = payload[i]!;
    }
  }
  return Buffer.from(octets);
}
