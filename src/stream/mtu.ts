// Makes a frame that is longer than its way out carries into several.  IPv4 fragmentation (RFC 791 section 3.2), merged IPv4 and IPv6
// datagrams cut again where they were cut before (RFC 8200 section 4.5), TCP segments and super-frames re-segmented.
//
// The frame itself becomes the first piece, shortened in place; the others are made.  All of them or nothing: without a slot the
// frame stays as it was.  Pieces are ready for the port, with whole checksums.
// Not here: whether cutting is allowed (DF), the ICMP answer where it is not, UDP segmentation offload.

import type { FrameQueue } from '../frame/frame-queue.ts';
import { FRAGMENT, type Frames, GENERATED, GSO, KIND_IPV6, MERGED, NO_FRAME, PARTIAL_CHECKSUM, PENDING } from '../frame/frames.ts';
import type { Region } from '../frame/region.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as segment from '../wire/segment.ts';
import * as tcp from '../wire/tcp.ts';
import type { FragmentSizes } from './fragment-sizes.ts';

const MORE6 = 1;
const NO_LIMIT = 65_536;

/** Frame `f` does not fit: its datagram, or a segment of its super-frame, is longer than `mtu`. */
export function exceedsMtu(frames: Frames, f: number, mtu: number): boolean {
  const length = frames.end[f]! - frames.l3[f]!;
  if ((frames.flags[f]! & GSO) === 0) return length > mtu;
  const headers = frames.payload[f]! - frames.l3[f]!;
  return Math.min(length, headers + frames.gsoSize[f]!) > mtu;
}

export class Cutter {
  private readonly region: Region;
  private readonly frames: Frames;
  private readonly sizes: FragmentSizes;
  /** Octets left of the original fragment that is being cut, and its number. */
  private original = 0;
  private left = 0;

  constructor(region: Region, frames: Frames, sizes: FragmentSizes) {
    this.region = region;
    this.frames = frames;
    this.sizes = sizes;
  }

  /**
   * Cuts the datagram in `f` into fragments of at most `mtu` octets and, when it is MERGED, at its original boundaries, and appends
   * them to `out`.  `f` is IPv4, or a MERGED IPv6 datagram; it is no super-frame.  False: no slot, or an `mtu` that cannot
   * carry eight octets of payload.
   */
  cutDatagram(f: number, mtu: number, out: FrameQueue): boolean {
    this.completeChecksum(f);
    return this.frames.kind[f] === KIND_IPV6 ? this.cut6(f, mtu, out) : this.cut4(f, mtu, out);
  }

  /**
   * Cuts the TCP segment or super-frame in `f` into segments of at most `mtu` octets and, in a super-frame, gsoSize octets of payload,
   * and appends them to `out`.  False: no slot, or no room for payload behind the headers.
   */
  cutSegment(f: number, mtu: number, out: FrameQueue): boolean {
    const { frames } = this;
    const payload = frames.payload[f]!;
    const octets = frames.end[f]! - payload;
    const room = mtu - (payload - frames.l3[f]!);
    const size = (frames.flags[f]! & GSO) !== 0 ? Math.min(room, frames.gsoSize[f]!) : room;
    if (size <= 0) return octets === 0 && out.push(f);
    const start = out.count;
    out.push(f);
    for (let done = size; done < octets; done += size) {
      const g = this.piece(f, payload - frames.offset[f]!, payload + done, Math.min(size, octets - done), 0);
      if (g === NO_FRAME) return this.undo(start, out);
      this.finishSegment(g, done, done / size, done + size >= octets);
      out.push(g);
    }
    this.shorten(f, payload + Math.min(size, octets));
    this.finishSegment(f, 0, 0, octets <= size);
    return true;
  }

  private cut4(f: number, mtu: number, out: FrameQueue): boolean {
    const { frames, region } = this;
    const l3 = frames.l3[f]!;
    const data = l3 + ipv4.headerLength(region.view, l3);
    const octets = frames.end[f]! - data;
    const room = mtu - (data - l3);
    // A fragment that is cut once more keeps its place.
    const base = ipv4.fragmentOffset(region.view, l3);
    const more = ipv4.moreFragments(region.view, l3);
    const start = out.count;
    const first = this.beginSizes(f, octets, room);
    if (first <= 0) return false;
    out.push(f);
    for (let done = first; done < octets; ) {
      const length = this.nextSize(f, octets - done, room);
      const g = this.piece(f, data - frames.offset[f]!, data + done, length, 0);
      if (g === NO_FRAME) return this.undo(start, out);
      this.finishFragment4(g, base + done, more || done + length < octets);
      out.push(g);
      done += length;
    }
    frames.flags[f]! &= ~MERGED;
    if (first === octets) return true;
    this.shorten(f, data + first);
    this.finishFragment4(f, base, true);
    return true;
  }

  private cut6(f: number, mtu: number, out: FrameQueue): boolean {
    const { frames } = this;
    const l3 = frames.l3[f]!;
    const link = this.fragmentLink(f);
    const data = unfragmentable.end;
    const octets = frames.end[f]! - data;
    const room = mtu - (data - l3) - ipv6.FRAGMENT_HEADER_LENGTH;
    const start = out.count;
    const first = this.beginSizes(f, octets, room);
    if (first <= 0) return false;
    out.push(f);
    for (let done = first; done < octets; ) {
      const length = this.nextSize(f, octets - done, room);
      const g = this.piece(f, data - frames.offset[f]!, data + done, length, ipv6.FRAGMENT_HEADER_LENGTH);
      if (g === NO_FRAME) return this.undo(start, out);
      this.finishFragment6(f, g, link - l3, data - l3, done, done + length < octets);
      out.push(g);
      done += length;
    }
    frames.flags[f]! &= ~MERGED;
    if (first === octets) return true;
    this.shorten(f, data + first);
    this.openGap(f, data);
    this.finishFragment6(f, f, link - l3, data - l3, 0, true);
    return true;
  }

  /** A partial checksum covers one datagram that the kernel never sees: it is completed here. */
  private completeChecksum(f: number): void {
    const { frames } = this;
    if ((frames.flags[f]! & PARTIAL_CHECKSUM) === 0) return;
    const { u16, u8, view } = this.region;
    segment.fillChecksum(view, u8, u16, frames.l3[f]!, frames.l4[f]!, frames.end[f]!, frames.protocol[f]!);
    frames.flags[f]! &= ~PARTIAL_CHECKSUM;
  }

  /** Length of the first fragment of `octets` octets, at most `room`; 0: `room` is too small. */
  private beginSizes(f: number, octets: number, room: number): number {
    this.original = 0;
    this.left = (this.frames.flags[f]! & MERGED) !== 0 ? this.sizes.size(f, 0) : 0;
    if (this.left === 0) this.left = NO_LIMIT;
    return this.nextSize(f, octets, room);
  }

  /** Length of the next fragment when `rest` octets are left. */
  private nextSize(f: number, rest: number, room: number): number {
    const whole = Math.min(rest, this.left);
    const length = whole <= room ? whole : room & ~7;
    if (length <= 0) return 0;
    this.left -= length;
    if (this.left > 0) return length;
    this.original++;
    this.left = this.sizes.size(f, this.original);
    if (this.left === 0) this.left = NO_LIMIT;
    return length;
  }

  /** A made frame: the first `front` octets of `f`, a gap, then `length` octets from `from`. */
  private piece(f: number, front: number, from: number, length: number, gap: number): number {
    const { frames, region } = this;
    const g = frames.allocate(front + gap + length);
    if (g === NO_FRAME) return NO_FRAME;
    const at = frames.offset[g]!;
    const by = at - frames.offset[f]!;
    region.u8.copyWithin(at, frames.offset[f]!, frames.offset[f]! + front);
    region.u8.copyWithin(at + front + gap, from, from + length);
    frames.copyColumns(f, g);
    frames.flags[g] = (frames.flags[f]! | GENERATED) & ~MERGED;
    frames.fate[g] = PENDING;
    frames.l3[g] = frames.l3[f]! + by;
    frames.l4[g] = frames.l4[f]! + by;
    frames.payload[g] = frames.payload[f]! + by;
    this.shorten(g, at + front + gap + length);
    return g;
  }

  /** Frame `f` ends at `end`. */
  private shorten(f: number, end: number): void {
    const { frames } = this;
    frames.end[f] = end;
    frames.length[f] = end - frames.offset[f]!;
    frames.wireLength[f] = frames.length[f]!;
  }

  private finishFragment4(f: number, offset: number, more: boolean): void {
    const { view } = this.region;
    const l3 = this.frames.l3[f]!;
    const bits = (ipv4.flagsOffset(view, l3) & ipv4.DF) | (more ? ipv4.MF : 0) | (offset >> 3);
    this.frames.flags[f]! |= FRAGMENT;
    ipv4.setFlagsOffset(view, l3, bits);
    ipv4.setTotalLength(view, l3, this.frames.end[f]! - l3);
    ipv4.fillChecksum(view, l3);
  }

  /** `link` and `data` count from the IPv6 header; the identification is that of merged frame `f`. */
  private finishFragment6(f: number, g: number, link: number, data: number, offset: number, more: boolean): void {
    const { view } = this.region;
    const l3 = this.frames.l3[g]!;
    const at = l3 + data;
    view.setUint8(at, view.getUint8(l3 + link));
    view.setUint8(at + 1, 0);
    view.setUint16(at + 2, offset | (more ? MORE6 : 0));
    view.setInt32(at + 4, this.sizes.identification[f]!);
    view.setUint8(l3 + link, ipv6.FRAGMENT);
    ipv6.setPayloadLength(view, l3, this.frames.end[g]! - l3 - ipv6.HEADER_LENGTH);
    this.frames.flags[g]! |= FRAGMENT;
  }

  /** Moves what stands in front of `data` down by the length of a fragment header; the slot has the headroom. */
  private openGap(f: number, data: number): void {
    const { frames } = this;
    const by = ipv6.FRAGMENT_HEADER_LENGTH;
    const offset = frames.offset[f]! - by;
    this.region.u8.copyWithin(offset, frames.offset[f]!, data);
    frames.offset[f] = offset;
    frames.l3[f]! -= by;
    this.shorten(f, frames.end[f]!);
  }

  /** Segment `f` begins `done` octets behind the first one and is number `index` of them. */
  private finishSegment(f: number, done: number, index: number, isLast: boolean): void {
    const { frames } = this;
    const { u16, u8, view } = this.region;
    const l3 = frames.l3[f]!;
    const l4 = frames.l4[f]!;
    tcp.setSeqNum(view, l4, (tcp.seqNum(view, l4) + done) | 0);
    tcp.setFlags(view, l4, tcp.flags(view, l4) & ~(isLast ? 0 : tcp.FIN | tcp.PSH) & ~(index === 0 ? 0 : tcp.CWR));
    if (!segment.isIpv6(view, l3)) ipv4.setIdentificationUpdatingChecksum(view, l3, (ipv4.identification(view, l3) + index) & 0xffff);
    segment.setDatagramEnd(view, l3, frames.end[f]!);
    segment.fillChecksum(view, u8, u16, l3, l4, frames.end[f]!, ipv4.PROTOCOL_TCP);
    frames.flags[f]! &= ~(GSO | PARTIAL_CHECKSUM);
    frames.gsoSize[f] = 0;
  }

  /** Frees the pieces made since `start`; `f` itself was not touched. */
  private undo(start: number, out: FrameQueue): boolean {
    for (let i = start + 1; i < out.count; i++) this.frames.free(out.frames[i]!);
    out.count = start;
    return false;
  }

  /** Offset of the next-header octet behind which the fragment header belongs; unfragmentable.end is where. */
  private fragmentLink(f: number): number {
    const { view } = this.region;
    const l3 = this.frames.l3[f]!;
    let link = l3 + ipv6.NEXT_HEADER;
    let at = l3 + ipv6.HEADER_LENGTH;
    let found = link;
    unfragmentable.end = at;
    for (let proto = view.getUint8(link); isUnfragmentable(proto); proto = view.getUint8(link)) {
      link = at;
      at += (view.getUint8(at + 1) + 1) << 3;
      // Destination options belong in front of the fragment header only when a routing header follows.
      if (proto === ipv6.DESTINATION) continue;
      found = link;
      unfragmentable.end = at;
    }
    return found;
  }
}

/** Second result of fragmentLink. */
const unfragmentable = { end: 0 };

function isUnfragmentable(proto: number): boolean {
  return proto === ipv6.HOP_BY_HOP || proto === ipv6.ROUTING || proto === ipv6.DESTINATION;
}
