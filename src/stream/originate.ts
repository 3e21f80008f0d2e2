// Segments that we make: stored octets that leave without the frame they came in, acknowledgements of held octets, resets.
//
// A segment is built as its sender would have sent it, before translation: link header, TOS, TTL and DF of the newest segment
// of that sender that was kept as a template, addresses and ports of the session, newest acknowledgement and window of that
// sender.  No options but timestamps, where negotiated: the newest value that it sent and the newest that it echoed.
// Segments are no larger than the receiver wants and than the sender sent itself, with 536 octets always allowed (RFC 9293
// section 3.7.1), so that they fit the path that its own fit.

import { KIND_IPV4, KIND_IPV6, NO_FRAME } from '../frame/frames.ts';
import { BRIDGED, PORTS, RECORD_SHIFT, REPLY_DST, REPLY_PORTS, REPLY_SRC, DST, SRC, VLAN } from '../session/record.ts';
import { writeChecksum } from '../session/tcp-checks.ts';
import { before } from '../wire/seq.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';
import {
  ACK_NUM,
  FLAGS,
  HAS_TEMPLATE,
  PEER,
  sessionRecord,
  SIZES,
  TEMPLATE,
  TIMESTAMPS,
  TS_ECHO,
  TS_RECENT,
  WINDOW,
} from './stream-record.ts';
import { directionOf, type StreamState } from './stream-state.ts';

// Octets of a template.
const LINK_LENGTH = 0;
const LINK = 1;
const HOPS = 23;
/** IPv4: TOS, then 1 for DF.  IPv6: the first four octets of the header. */
const FIRST_WORD = 24;

/** RFC 9293 section 3.7.1: what every path carries. */
const SMALLEST_MAXIMUM = 536;
const LARGEST_PAYLOAD = 1460;
/** An offer below this asks for more headers than data (CVE-2019-11479). */
const SMALLEST_OFFER = 64;
const TIMESTAMPS_LENGTH = 12;
const OWN_HOPS = 64;

/** Keeps the headers of the segment at hand for what is made later in its direction. */
export function keepTemplate(s: StreamState, at: number): void {
  const { frames, octets, region } = s;
  const { f } = s.segment;
  const template = (at + TEMPLATE) << 2;
  const l3 = frames.l3[f]!;
  const from = frames.offset[f]!;
  octets[template + LINK_LENGTH] = l3 - from;
  for (let i = 0; i < l3 - from; i++) octets[template + LINK + i] = region.u8[from + i]!;
  if (frames.kind[f] === KIND_IPV6) {
    octets[template + HOPS] = ipv6.hopLimit(region.view, l3);
    for (let i = 0; i < 4; i++) octets[template + FIRST_WORD + i] = region.u8[l3 + i]!;
  } else {
    octets[template + HOPS] = ipv4.ttl(region.view, l3);
    octets[template + FIRST_WORD] = ipv4.tos(region.view, l3);
    octets[template + FIRST_WORD + 1] = ipv4.dontFragment(region.view, l3) ? 1 : 0;
  }
  s.words[at + FLAGS]! |= HAS_TEMPLATE;
}

/** Notes the sizes of the segment at hand: what its sender's path carries. */
export function noteSize(s: StreamState, at: number): void {
  const gso = s.frames.gsoSize[s.segment.f]!;
  const size = gso > 0 ? gso : s.segment.length;
  const sizes = s.words[at + SIZES]!;
  if (size > sizes >>> 16) s.words[at + SIZES] = (sizes & 0xffff) | (Math.min(size, 0xffff) << 16);
}

/**
 * Sends the stored octets [from, to) of the direction at `at`, and a FIN behind them when `fin`.  What finds no slot is not sent:
 * the octets stay in the store, and their sender, who has no acknowledgement of them, sends them again.
 */
export function sendStored(s: StreamState, at: number, from: number, to: number, fin: boolean): void {
  const largest = segmentSize(s, at);
  const ack = s.words[at + ACK_NUM]!;
  const window = s.words[at + WINDOW]!;
  let seq = from;
  while (before(seq, to)) {
    const length = Math.min(largest, (to - seq) | 0);
    const isLast = ((seq + length) | 0) === to;
    const bits = tcp.ACK | (isLast ? tcp.PSH : 0) | (isLast && fin ? tcp.FIN : 0);
    if (!originate(s, at, seq, ack, bits, window, length)) return;
    seq = (seq + length) | 0;
  }
  if (from === to && fin) originate(s, at, to, ack, tcp.ACK | tcp.FIN, window, 0);
}

/** Makes one segment of the direction at `at` and puts it on the way; false when there is no slot for it. */
export function originate(s: StreamState, at: number, seq: number, ack: number, bits: number, window: number, length: number): boolean {
  const { frames, sessions, session } = s;
  const isIpv6 = sessions.isIpv6(session);
  const options = hasTimestamps(s, at) ? TIMESTAMPS_LENGTH : 0;
  const source = (s.words[at + FLAGS]! & HAS_TEMPLATE) !== 0 ? at : at ^ PEER;
  const link = s.octets[((source + TEMPLATE) << 2) + LINK_LENGTH]!;
  const l3 = link + (isIpv6 ? ipv6.HEADER_LENGTH : ipv4.MIN_HEADER_LENGTH);
  const total = l3 + tcp.MIN_HEADER_LENGTH + options + length;
  const f = frames.allocate(total);
  if (f === NO_FRAME) return false;
  const offset = frames.offset[f]!;
  frames.length[f] = total;
  frames.wireLength[f] = total;
  frames.kind[f] = isIpv6 ? KIND_IPV6 : KIND_IPV4;
  frames.vlan[f] = sessions.get(session, VLAN);
  frames.l3[f] = offset + link;
  frames.l4[f] = offset + l3;
  frames.payload[f] = offset + total - length;
  frames.end[f] = offset + total;
  frames.protocol[f] = ipv4.PROTOCOL_TCP;
  frames.session[f] = session;
  frames.direction[f] = directionOf(at);
  writeLink(s, offset, source, source !== at);
  writeNetwork(s, f, at, source, isIpv6);
  writeTransport(s, f, at, seq, ack, bits, window, options);
  if (length > 0) s.store.read(at, seq, frames.payload[f]!, length);
  writeChecksum(frames, f);
  s.out.push(f);
  return true;
}

function segmentSize(s: StreamState, at: number): number {
  const wanted = Math.max(s.words[(at ^ PEER) + SIZES]! & 0xffff, SMALLEST_OFFER);
  const sent = Math.max(s.words[at + SIZES]! >>> 16, SMALLEST_MAXIMUM);
  const largest = Math.min(wanted, sent, LARGEST_PAYLOAD);
  return hasTimestamps(s, at) ? Math.min(largest, Math.max(wanted - TIMESTAMPS_LENGTH, SMALLEST_OFFER)) : largest;
}

function hasTimestamps(s: StreamState, at: number): boolean {
  return (s.words[sessionRecord(at) + FLAGS]! & TIMESTAMPS) !== 0;
}

function writeLink(s: StreamState, offset: number, source: number, isReversed: boolean): void {
  const { octets, region } = s;
  const template = (source + TEMPLATE) << 2;
  const link = octets[template + LINK_LENGTH]!;
  for (let i = 0; i < link; i++) region.u8[offset + i] = octets[template + LINK + i]!;
  // The other side has not been heard yet; in a bridge the addresses of a frame to it are its own way back.
  if (!isReversed || !s.sessions.hasFlag(s.session, BRIDGED)) return;
  const { view } = region;
  const high = ethernet.macHigh(view, offset);
  const low = ethernet.macLow(view, offset);
  ethernet.setMac(view, offset, ethernet.macHigh(view, offset + ethernet.SRC_MAC), ethernet.macLow(view, offset + ethernet.SRC_MAC));
  ethernet.setMac(view, offset + ethernet.SRC_MAC, high, low);
}

function writeNetwork(s: StreamState, f: number, at: number, source: number, isIpv6: boolean): void {
  const { frames, octets, region, sessions, session } = s;
  const { view } = region;
  const l3 = frames.l3[f]!;
  const template = (source + TEMPLATE) << 2;
  const hops = source === at ? octets[template + HOPS]! : OWN_HOPS;
  if (isIpv6) {
    for (let i = 0; i < 4; i++) region.u8[l3 + i] = octets[template + FIRST_WORD + i]!;
    ipv6.setPayloadLength(view, l3, frames.end[f]! - l3 - ipv6.HEADER_LENGTH);
    view.setUint16(l3 + 6, (ipv4.PROTOCOL_TCP << 8) | hops);
    const addrs = session * 8;
    const swap = directionOf(at) * 4;
    for (let i = 0; i < 8; i++) view.setInt32(l3 + ipv6.SRC_ADDR + i * 4, sessions.addrs6[addrs + (i ^ swap)]!);
    return;
  }
  const record = session << RECORD_SHIFT;
  const isForward = directionOf(at) === 0;
  const src = sessions.hot[record + (isForward ? SRC : REPLY_SRC)]!;
  const dst = sessions.hot[record + (isForward ? DST : REPLY_DST)]!;
  const flags = octets[template + FIRST_WORD + 1] === 0 ? 0 : ipv4.DF;
  const id = s.nextIdentification;
  s.nextIdentification = (id + 1) & 0xffff;
  ipv4.write(view, l3, octets[template + FIRST_WORD]!, frames.end[f]! - l3, id, flags, hops, ipv4.PROTOCOL_TCP, src, dst);
}

function writeTransport(
  s: StreamState,
  f: number,
  at: number,
  seq: number,
  ack: number,
  bits: number,
  window: number,
  options: number,
): void {
  const { view } = s.region;
  const l4 = s.frames.l4[f]!;
  const ports = s.sessions.get(s.session, directionOf(at) === 0 ? PORTS : REPLY_PORTS);
  tcp.write(view, l4, ports >>> 16, ports & 0xffff, seq, ack, bits, window);
  if (options === 0) return;
  tcp.setHeaderLength(view, l4, tcp.MIN_HEADER_LENGTH + options);
  const o = l4 + tcp.MIN_HEADER_LENGTH;
  view.setInt32(o, (tcp.OPTION_NOP << 24) | (tcp.OPTION_NOP << 16) | (tcp.OPTION_TIMESTAMPS << 8) | 10);
  view.setInt32(o + 4, s.words[at + TS_RECENT]!);
  view.setInt32(o + 8, s.words[at + TS_ECHO]!);
}
