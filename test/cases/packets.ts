// Packets of a case: from their description to a frame, and from what left to their fate.

import { CONSUMED, DROPPED, HELD, TRANSMITTED } from '../../src/frame/frames.ts';
import { INSIDE, OUTSIDE, type Step } from './case-engine.ts';
import type { Conversation, Flow } from './conversation.ts';
import { sameHeader } from './conversation.ts';
import type { Fate, Packet } from './format.ts';
import {
  ACK,
  datagramOf,
  ethernetFrame,
  flagBits,
  hex,
  ipv4Datagram,
  latin1,
  PSH,
  RST,
  type Segment,
  segmentOf,
  SYN,
  tcpSegment,
  type TcpFields,
} from './frames.ts';
import { Reassembly } from './receiver.ts';
import { buildRecipe } from './scapy.ts';

const SENDER = { c2s: 'c', s2c: 's' } as const;

export function senderOf({ dir }: Packet): 'c' | 's' {
  return SENDER[dir];
}

/** Absolute sequence number that a relative one stands for; `isn` of the packet stands above that of the flow. */
function absolute(relative: number, isn: number): number {
  return (isn + relative) | 0;
}

function fieldsOf(talk: Conversation, packet: Packet): TcpFields {
  const from = senderOf(packet);
  const flags = flagBits(packet.flags ?? 'PA');
  const other = talk.otherOf(from);
  const ack = packet.ack ?? ((flags & ACK) === 0 ? 0 : 1 + other.receiver.stream.length);
  return {
    ...talk.portsOf(from),
    seq: absolute(packet.seq ?? 1 + talk.flowOf(from).next, packet.isn ?? talk.flowOf(from).isn),
    ack: (flags & ACK) === 0 ? ack : absolute(ack, other.isn),
    flags,
    window: packet.win ?? 65_535,
    urgent: packet.urg ?? 0,
    options: optionsOf(packet, other.isn),
    payload: latin1(packet.data ?? ''),
    ...(packet.doff === undefined ? {} : { dataOffset: packet.doff }),
    ...(packet.rsv === undefined ? {} : { reserved: packet.rsv }),
    ...(packet.badCsum === undefined ? {} : { badChecksum: packet.badCsum }),
  };
}

const word = (value: number): number[] => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

function optionsOf(packet: Packet, peerIsn: number): Uint8Array {
  const out: number[] = [];
  if (packet.mss !== undefined) out.push(2, 4, packet.mss >> 8, packet.mss & 255);
  if (packet.wscale !== undefined) out.push(1, 3, 3, packet.wscale);
  if (packet.ts !== undefined) out.push(1, 1, 8, 10, ...word(packet.ts[0]), ...word(packet.ts[1]));
  if (packet.sack !== undefined) {
    out.push(1, 1, 5, 2 + 8 * packet.sack.length);
    for (const [left, right] of packet.sack) out.push(...word(absolute(left, peerIsn)), ...word(absolute(right, peerIsn)));
  }
  if (packet.opts !== undefined) out.push(...hex(packet.opts));
  else if (packet.md5 === true) out.push(1, 1, 19, 18, ...new Uint8Array(16));
  else if (packet.badOptLen === true) out.push(8, 0);
  else if (packet.stripOpts === true) out.push(30, 4, 0, 0);
  else if (packet.tfo === true) out.push(34, 10, ...new Uint8Array(8), 1, 1);
  return Uint8Array.from(out);
}

/** A segment of 31 octets, for a fragment that does not say what it is a piece of. */
const ANY_DATAGRAM: Omit<Packet, 'dir'> = { flags: 'PA', seq: 1, ack: 1, data: 'EXPN root\r\n' };

/** What a fragment is a piece of: what `full` or, without it, its own fields say. */
function wholeOf(packet: Packet): Packet {
  return { ...(packet.full ?? (packet.data === undefined ? ANY_DATAGRAM : packet)), dir: packet.dir };
}

/** The frame that a packet describes. */
export function frameOfPacket(talk: Conversation, packet: Packet): Uint8Array {
  const from = senderOf(packet);
  const { src, dst, link } = talk.addressesOf(from);
  if (packet.frag !== undefined) return fragmentFrame(talk, packet, packet.frag);
  const fields = fieldsOf(talk, packet);
  if (packet.recipe !== undefined) return buildRecipe(packet.recipe, { link, src, dst, tcp: fields });
  if (packet.ttl === undefined) return talk.frameOf(from, fields);
  return ethernetFrame(link, 0x0800, ipv4Datagram({ src, dst, protocol: 6, ttl: packet.ttl, payload: tcpSegment(src, dst, fields) }));
}

function fragmentFrame(talk: Conversation, packet: Packet, { id, off, len, mf, override }: NonNullable<Packet['frag']>): Uint8Array {
  const { src, dst, link } = talk.addressesOf(senderOf(packet));
  const whole = tcpSegment(src, dst, fieldsOf(talk, wholeOf(packet)));
  const padded = new Uint8Array(Math.max(whole.length, off + len));
  padded.set(whole);
  if (override !== undefined) padded.set(latin1(override.data), override.at);
  const flagsOffset = (mf === 0 ? 0 : 0x2000) | ((off >> 3) & 0x1fff);
  const payload = padded.slice(off, off + len);
  return ethernetFrame(
    link,
    0x0800,
    ipv4Datagram({ src, dst, protocol: 6, id, flagsOffset, payload, ...(packet.ttl === undefined ? {} : { ttl: packet.ttl }) }),
  );
}

/** The segment that a packet is, or (a fragment) is a piece of; null when its headers do not let one see. */
export function segmentOfPacket(talk: Conversation, packet: Packet): Segment | null {
  if (packet.recipe !== undefined) return null;
  const { src, dst } = talk.addressesOf(senderOf(packet));
  const described: Packet = packet.frag === undefined ? packet : wholeOf(packet);
  const payload = tcpSegment(src, dst, fieldsOf(talk, described));
  if (payload.length < 20 || (payload[12]! >> 4) * 4 < 20) return null;
  return segmentOf({ src, dst, protocol: 6, payload, fragment: null });
}

/** Segments that left towards the receiver of `flow` in one step. */
function leftTowards(flow: Flow, step: Step): Segment[] {
  const reassembly = new Reassembly();
  return step.sent[flow.port === OUTSIDE ? INSIDE : OUTSIDE].flatMap(({ octets }) => reassembly.take(octets) ?? []);
}

/** What became of a packet at the time it was processed. */
export function fateOf(flow: Flow, segment: Segment | null, step: Step): Fate {
  const resetBoth = step.sent.every((frames) => frames.some(({ octets }) => isReset(octets)));
  const ownReset = segment !== null && (segment.flags & RST) !== 0;
  if (resetBoth && !ownReset) return 'reset';
  const left = leftTowards(flow, step);
  if (segment !== null && isUnchanged(segment, left)) return 'fwd';
  if (segment !== null && (step.fate === TRANSMITTED || covers(segment, left))) return 'fix';
  if (step.fate === DROPPED) return 'drop';
  return step.fate === HELD || step.fate === CONSUMED ? 'hold' : 'fwd';
}

function isReset(octets: Uint8Array): boolean {
  const datagram = datagramOf(octets);
  return datagram?.protocol === 6 && datagram.fragment === null && (segmentOf(datagram).flags & RST) !== 0;
}

function octetAt(left: readonly Segment[], seq: number): number | undefined {
  for (const { seq: from, flags, payload } of left) {
    const at = (seq - from - ((flags & SYN) !== 0 ? 1 : 0)) | 0;
    if (at >= 0 && at < payload.length) return payload[at];
  }
  return undefined;
}

function covers(segment: Segment, left: readonly Segment[]): boolean {
  return segment.payload.some((_, i) => octetAt(left, (segment.seq + i) | 0) !== undefined);
}

/** All its own octets left as they were, and so did its control bits and options. */
function isUnchanged(segment: Segment, left: readonly Segment[]): boolean {
  if (segment.payload.length === 0)
    return left.some((other) => other.seq === segment.seq && other.payload.length === 0 && sameHeader(segment, other));
  if (segment.payload.some((octet, i) => octetAt(left, (segment.seq + i) | 0) !== octet)) return false;
  const carriers = left.filter((other) => other.payload.length > 0);
  const flags = carriers.reduce((bits, other) => bits | other.flags, 0);
  return (
    carriers.some((other) => sameHeader({ ...segment, flags: flags | PSH }, { ...other, flags: flags | PSH })) &&
    (segment.flags & ~flags & ~PSH) === 0
  );
}

/**
 * Puts the octets of a packet that the firewall took where no earlier copy stands.  An earlier one may have been cut off (beyond the
 * window, behind a FIN): the copy that its receiver has is the one that was taken.
 */
export function noteOriginal(flow: Flow, segment: Segment | null, fate: Fate, left: boolean): void {
  if (segment === null || fate === 'drop' || (segment.flags & SYN) !== 0 || (fate === 'fix' && !left)) return;
  const from = flow.receiver.positionOf(segment);
  const received = flow.receiver.stream;
  segment.payload.forEach((octet, i) => {
    if (from + i < 0) return;
    if (received[from + i] === octet) flow.original[from + i] = octet;
    else flow.original[from + i] ??= octet;
  });
}

/** Any octet of the segment left in this step. */
export function octetsLeft(flow: Flow, segment: Segment | null, step: Step): boolean {
  return segment !== null && covers(segment, leftTowards(flow, step));
}
