// Frames for the tests of the path, built with the product's own writers (which test/wire holds against golden octets).

import { complement, fold, sumOctets } from '../../src/wire/checksum.ts';
import { segment6 as writeSegment6 } from '../../src/wire/build.ts';
import * as arp from '../../src/wire/arp.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import * as icmp from '../../src/wire/icmp.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as tcp from '../../src/wire/tcp.ts';
import * as udp from '../../src/wire/udp.ts';

/** `10.0.0.1` as int32. */
export function addr(text: string): number {
  return text.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0);
}

/** int32 as `10.0.0.1`. */
export function addrText(value: number): string {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join('.');
}

export interface Link {
  readonly dst?: readonly [number, number];
  readonly src?: readonly [number, number];
}

export interface Ip extends Link {
  readonly from: string;
  readonly to: string;
  readonly ttl?: number;
  readonly tos?: number;
  readonly id?: number;
  readonly df?: boolean;
}

const OUTSIDE_MAC = [0x0200, 0x0101] as const;
const ANY_MAC = [0x0200, 0x0110] as const;

function buffer(octets: number): { u8: Uint8Array; u16: Uint16Array; view: DataView } {
  const memory = new ArrayBuffer((octets + 1) & ~1);
  return { u8: new Uint8Array(memory), u16: new Uint16Array(memory), view: new DataView(memory) };
}

/** An IPv4 datagram with `octets` of transport; `write` fills them at the given offset. */
function datagram(ip: Ip, protocol: number, octets: number, write: (m: ReturnType<typeof buffer>, at: number) => void): Uint8Array {
  const length = ethernet.HEADER_LENGTH + 20 + octets;
  const m = buffer(length);
  const [dh, dl] = ip.dst ?? ANY_MAC;
  const [sh, sl] = ip.src ?? OUTSIDE_MAC;
  ethernet.setHeader(m.view, 0, dh, dl, sh, sl, ethernet.TYPE_IPV4);
  ipv4.write(
    m.view,
    14,
    ip.tos ?? 0,
    20 + octets,
    ip.id ?? 1,
    ip.df === false ? 0 : ipv4.DF,
    ip.ttl ?? 64,
    protocol,
    addr(ip.from),
    addr(ip.to),
  );
  write(m, 34);
  return m.u8.subarray(0, length);
}

export interface Segment extends Ip {
  readonly sport: number;
  readonly dport: number;
  readonly seq?: number;
  readonly ack?: number;
  /** Letters of FSRPAU. */
  readonly flags: string;
  readonly win?: number;
  readonly data?: string;
}

const BITS: Readonly<Record<string, number>> = { F: tcp.FIN, S: tcp.SYN, R: tcp.RST, P: tcp.PSH, A: tcp.ACK, U: tcp.URG };

export function segment(s: Segment): Uint8Array {
  const data = Buffer.from(s.data ?? '', 'latin1');
  const bits = [...s.flags].reduce((sum, letter) => sum | BITS[letter]!, 0);
  return datagram(s, ipv4.PROTOCOL_TCP, 20 + data.length, (m, at) => {
    tcp.write(m.view, at, s.sport, s.dport, (s.seq ?? 0) | 0, (s.ack ?? 0) | 0, bits, s.win ?? 65_535);
    m.u8.set(data, at + 20);
    const sum = fold(ipv4.pseudoSum(addr(s.from), addr(s.to), 6, 20 + data.length) + sumOctets(m.u16, m.u8, at, at + 20 + data.length));
    tcp.setChecksum(m.view, at, complement(sum));
  });
}

/** A TCP segment over IPv6 between 2001:db8::FROM and 2001:db8::TO. */
export function segment6(s: {
  from: number;
  to: number;
  sport: number;
  dport: number;
  seq: number;
  ack?: number;
  flags: string;
}): Uint8Array {
  const m = buffer(74);
  ethernet.setHeader(m.view, 0, ANY_MAC[0], ANY_MAC[1], OUTSIDE_MAC[0], OUTSIDE_MAC[1], ethernet.TYPE_IPV6);
  const addrs = Int32Array.of(0x2001_0db8, 0, 0, s.from, 0x2001_0db8, 0, 0, s.to);
  const bits = [...s.flags].reduce((sum, letter) => sum | BITS[letter]!, 0);
  writeSegment6(m.view, 14, addrs, 0, 4, s.sport, s.dport, s.seq, s.ack ?? 0, bits, 65_535);
  return m.u8;
}

/** An IPv6 frame as an atomic fragment (RFC 6946): a fragment header that says nothing but an identification. */
export function atomic(frame: Uint8Array): Uint8Array {
  const m = buffer(frame.length + 8);
  m.u8.set(frame.subarray(0, 54));
  m.u8.set(frame.subarray(54), 62);
  m.view.setUint16(18, m.view.getUint16(18) + 8);
  m.u8[54] = m.u8[20]!;
  m.u8[20] = 44;
  m.view.setInt32(58, 0x1234);
  return m.u8.subarray(0, frame.length + 8);
}

export function userDatagram(ip: Ip & { sport: number; dport: number; data?: string }): Uint8Array {
  const data = Buffer.from(ip.data ?? '', 'latin1');
  return datagram(ip, ipv4.PROTOCOL_UDP, 8 + data.length, (m, at) => {
    udp.setPorts(m.view, at, ip.sport, ip.dport);
    m.view.setUint16(at + 4, 8 + data.length);
    m.u8.set(data, at + 8);
    const sum = fold(ipv4.pseudoSum(addr(ip.from), addr(ip.to), 17, 8 + data.length) + sumOctets(m.u16, m.u8, at, at + 8 + data.length));
    udp.setChecksum(m.view, at, complement(sum));
  });
}

/** An ICMP message of that type with identifier `id`. */
export function query(ip: Ip & { type: number; ident: number }): Uint8Array {
  return datagram(ip, ipv4.PROTOCOL_ICMP, 16, (m, at) => {
    icmp.write(m.view, at, ip.type, 0, (ip.ident << 16) | 1);
    m.view.setUint16(at + 2, complement(sumOctets(m.u16, m.u8, at, at + 16)));
  });
}

export function otherProtocol(ip: Ip & { protocol: number }): Uint8Array {
  return datagram(ip, ip.protocol, 16, () => {});
}

export function arpMessage(operation: number, from: string, fromMac: readonly [number, number], target: string): Uint8Array {
  const m = buffer(42);
  ethernet.setHeader(m.view, 0, 0xffff, -1, fromMac[0], fromMac[1], ethernet.TYPE_ARP);
  arp.write(m.view, 14, operation, fromMac[0], fromMac[1], addr(from), 0, 0, addr(target));
  return m.u8;
}

/** An ICMP error about the datagram in frame `about`, `quoted` octets of its transport; `rest`: the second word. */
export function icmpError(ip: Ip & { type: number; code: number; about: Uint8Array; rest?: number; quoted?: number }): Uint8Array {
  const inner = ip.about.subarray(14, Math.min(ip.about.length, 34 + (ip.quoted ?? 64)));
  return datagram(ip, ipv4.PROTOCOL_ICMP, 8 + inner.length, (m, at) => {
    icmp.write(m.view, at, ip.type, ip.code, ip.rest ?? 0);
    m.u8.set(inner, at + 8);
    m.view.setUint16(at + 2, complement(sumOctets(m.u16, m.u8, at, at + 8 + inner.length)));
  });
}

/** The frame's datagram in pieces of `size` octets of payload (a multiple of 8), in order. */
export function fragments(whole: Uint8Array, size: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let from = 34; from < whole.length; from += size) {
    const payload = whole.subarray(from, from + size);
    const piece = buffer(34 + payload.length);
    piece.u8.set(whole.subarray(0, 34));
    piece.u8.set(payload, 34);
    piece.view.setUint16(16, 20 + payload.length);
    piece.view.setUint16(20, ((from - 34) >> 3) | (from + size < whole.length ? ipv4.MF : 0));
    piece.view.setUint16(24, 0);
    piece.view.setUint16(24, complement(sumOctets(piece.u16, piece.u8, 14, 34)));
    pieces.push(piece.u8.subarray(0, 34 + payload.length));
  }
  return pieces;
}

/** The datagram of which these frames are all fragments, in any order; throws when they are of different ones. */
export function reassemble(pieces: readonly Uint8Array[]): Uint8Array {
  const view = (octets: Uint8Array): DataView => new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const sorted = pieces.toSorted((a, b) => ipv4.fragmentOffset(view(a), 14) - ipv4.fragmentOffset(view(b), 14));
  const payload = Buffer.concat(sorted.map((piece) => piece.subarray(34, 14 + ipv4.totalLength(view(piece), 14))));
  const whole = buffer(34 + payload.length);
  whole.u8.set(sorted[0]!.subarray(0, 34));
  whole.u8.set(payload, 34);
  for (const piece of sorted)
    if (Buffer.compare(piece.subarray(26, 34), whole.u8.subarray(26, 34)) !== 0) throw new Error('fragments of different datagrams');
  whole.view.setUint16(16, 20 + payload.length);
  whole.view.setUint16(20, 0);
  whole.view.setUint16(24, 0);
  whole.view.setUint16(24, complement(sumOctets(whole.u16, whole.u8, 14, 34)));
  return whole.u8.subarray(0, 34 + payload.length);
}

/** Query identifier of an ICMP frame. */
export function identifier(octets: Uint8Array): number {
  return icmp.identifier(new DataView(octets.buffer, octets.byteOffset, octets.byteLength), 34);
}

/** The datagram that an ICMP error quotes, as a frame; its IP checksum is right or this throws. */
export function quoted(octets: Uint8Array): Uint8Array {
  const copy = buffer(octets.length - 28);
  copy.u8.set(octets.subarray(0, 14));
  copy.u8.set(octets.subarray(42), 14);
  if (ipv4.headerSum(copy.view, 14, ipv4.headerLength(copy.view, 14)) !== 0xffff) throw new Error('inner IP checksum');
  return copy.u8.subarray(0, octets.length - 28);
}

function isFragment(view: DataView): boolean {
  return (view.getUint16(20) & 0x3fff) !== 0;
}

/** What a frame that left says: one line. */
export function describe(octets: Uint8Array): string {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  if (view.getUint16(12) === ethernet.TYPE_ARP) {
    return `arp ${arp.operation(view, 14)} ${addrText(arp.senderAddr(view, 14))} ${addrText(arp.targetAddr(view, 14))}`;
  }
  if (view.getUint16(12) !== ethernet.TYPE_IPV4) return `frame ${view.getUint16(12).toString(16)}`;
  const protocol = ipv4.protocol(view, 14);
  const from = addrText(ipv4.srcAddr(view, 14));
  const to = addrText(ipv4.dstAddr(view, 14));
  const l4 = 14 + ipv4.headerLength(view, 14);
  if (isFragment(view)) return `fragment ${protocol} ${from} ${to} ${ipv4.fragmentOffset(view, 14)}`;
  if (protocol === ipv4.PROTOCOL_TCP) {
    const bits = tcp.flags(view, l4);
    const letters = Object.keys(BITS)
      .filter((letter) => (bits & BITS[letter]!) !== 0)
      .join('');
    const data = Buffer.from(octets.subarray(l4 + tcp.headerLength(view, l4), 14 + ipv4.totalLength(view, 14))).toString('latin1');
    return `tcp ${from}:${tcp.srcPort(view, l4)} ${to}:${tcp.dstPort(view, l4)} ${letters}${data === '' ? '' : ` ${JSON.stringify(data)}`}`;
  }
  if (protocol === ipv4.PROTOCOL_UDP) return `udp ${from}:${udp.srcPort(view, l4)} ${to}:${udp.dstPort(view, l4)}`;
  if (protocol === ipv4.PROTOCOL_ICMP) return `icmp ${from} ${to} ${icmp.type(view, l4)}/${icmp.code(view, l4)}`;
  return `ip ${protocol} ${from} ${to}`;
}

/** IP and transport checksums of an IPv4 frame are right; of a fragment that of its header. */
export function checksumsAreGood(octets: Uint8Array): boolean {
  const copy = buffer(octets.length);
  copy.u8.set(octets);
  const { view, u8, u16 } = copy;
  if (view.getUint16(12) !== ethernet.TYPE_IPV4) return true;
  if (ipv4.headerSum(view, 14, ipv4.headerLength(view, 14)) !== 0xffff) return false;
  if (isFragment(view)) return true;
  const protocol = ipv4.protocol(view, 14);
  const l4 = 14 + ipv4.headerLength(view, 14);
  const end = 14 + ipv4.totalLength(view, 14);
  const sum = sumOctets(u16, u8, l4, end);
  if (protocol === ipv4.PROTOCOL_ICMP) return sum === 0xffff;
  if (protocol === ipv4.PROTOCOL_UDP && udp.checksum(view, l4) === 0) return true;
  if (protocol !== ipv4.PROTOCOL_TCP && protocol !== ipv4.PROTOCOL_UDP) return true;
  return fold(sum + ipv4.pseudoSum(ipv4.srcAddr(view, 14), ipv4.dstAddr(view, 14), protocol, end - l4)) === 0xffff;
}
