// The segment at hand: what its header says, and the few changes that a stream makes to a frame in place: payload cut off at
// the end or at the front, control bits, numbers.  One object for the process.
//
// finish() settles lengths and checksums once, whatever was changed: the whole TCP checksum is computed anew (the received one was
// verified, so it carries no error away).  A partial checksum holds the pseudo-header sum alone: it changes with the length
// and with nothing else.  A super-frame that became no longer than one of its segments is none any more.

import { type Frames, GSO, KIND_IPV6, PARTIAL_CHECKSUM } from '../frame/frames.ts';
import { writeChecksum } from '../session/tcp-checks.ts';
import { delta16, fold } from '../wire/checksum.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';

export class Segment {
  f = 0;
  /** Offset of the TCP header, and of the payload, in the region. */
  l4 = 0;
  payload = 0;
  /** Octets of payload. */
  length = 0;
  seq = 0;
  ack = 0;
  bits = 0;
  hasTimestamps = false;
  tsValue = 0;
  tsEcho = 0;
  /** Something of it was changed, and it has not been settled yet. */
  isChanged = false;
  private isResized = false;
  private readonly frames: Frames;
  private readonly view: DataView;

  constructor(frames: Frames) {
    this.frames = frames;
    this.view = frames.region.view;
  }

  /** Reads decoded TCP frame `f`; its options are read later. */
  load(f: number): void {
    const { frames, view } = this;
    const l4 = frames.l4[f]!;
    this.f = f;
    this.l4 = l4;
    this.payload = frames.payload[f]!;
    this.length = frames.end[f]! - frames.payload[f]!;
    this.seq = tcp.seqNum(view, l4);
    this.ack = tcp.ackNum(view, l4);
    this.bits = tcp.flags(view, l4);
    this.hasTimestamps = false;
    this.isChanged = false;
    this.isResized = false;
  }

  /** Sequence number behind the payload. */
  get end(): number {
    return (this.seq + this.length) | 0;
  }

  has(bit: number): boolean {
    return (this.bits & bit) !== 0;
  }

  /** Keeps the first `length` octets of payload; what is behind the end of a segment (FIN, PSH) goes with the rest. */
  truncate(length: number): void {
    if (length === this.length) return;
    this.length = length;
    this.isResized = true;
    this.clearBits(tcp.FIN | tcp.PSH);
    this.isChanged = true;
  }

  /** Takes the first `octets` octets of payload away. */
  trimFront(octets: number): void {
    const from = this.payload + octets;
    this.frames.region.u8.copyWithin(this.payload, from, this.payload + this.length);
    this.length -= octets;
    this.isResized = true;
    this.setSeq((this.seq + octets) | 0);
  }

  setSeq(seq: number): void {
    this.seq = seq;
    tcp.setSeqNum(this.view, this.l4, seq);
    this.isChanged = true;
  }

  setAck(ack: number): void {
    this.ack = ack;
    tcp.setAckNum(this.view, this.l4, ack);
    this.isChanged = true;
  }

  clearBits(bits: number): void {
    if ((this.bits & bits) === 0) return;
    this.bits &= ~bits;
    tcp.setFlags(this.view, this.l4, this.bits);
    this.isChanged = true;
  }

  /** Makes lengths and checksums right; nothing may be changed afterwards. */
  finish(): void {
    if (!this.isChanged) return;
    if (this.isResized) this.settleLength();
    if ((this.frames.flags[this.f]! & PARTIAL_CHECKSUM) === 0) writeChecksum(this.frames, this.f);
    this.isChanged = false;
    this.isResized = false;
  }

  private settleLength(): void {
    const { frames, view, f, l4 } = this;
    const l3 = frames.l3[f]!;
    const before = frames.end[f]! - l4;
    const end = this.payload + this.length;
    frames.end[f] = end;
    frames.length[f] = end - frames.offset[f]!;
    frames.wireLength[f] = frames.length[f]!;
    if (frames.kind[f] === KIND_IPV6) ipv6.setPayloadLength(view, l3, end - l3 - ipv6.HEADER_LENGTH);
    else ipv4.setTotalLengthUpdatingChecksum(view, l3, end - l3);
    if ((frames.flags[f]! & PARTIAL_CHECKSUM) !== 0) {
      tcp.setChecksum(view, l4, fold(tcp.checksum(view, l4) + delta16(before, end - l4)));
    }
    if ((frames.flags[f]! & GSO) !== 0 && this.length <= frames.gsoSize[f]!) {
      frames.flags[f]! &= ~GSO;
      frames.gsoSize[f] = 0;
    }
  }
}
