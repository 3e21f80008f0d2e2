// Frames: a frame is a number, its attributes stand in columns.
//
//   0 .. BATCH-1              received in this batch, octets where the port put them
//   BATCH .. smallEnd-1       small slots      } allocate() and free(); octets at slot + HEADROOM
//   smallEnd .. capacity-1    large slots      }
//
// A frame below BATCH lives until the end of its batch: whoever keeps it copies it into a slot (copy()).
// Ownership of columns: [P] written by the port, [D] by decode, [S] by a later step, [K] by whoever allocates.
// offset, l3, l4, payload and end count from the start of the region.

import { OK } from '../telemetry/reasons.ts';
import { HEADROOM, LARGE_SLOT, type Region, SMALL_SLOT } from './region.ts';

/** Frames of one batch.  64 is enough: 256 gains 0.7 % (60-octet frames, AF_PACKET). */
export const BATCH = 64;
export const NO_FRAME = -1;
export const NO_SESSION = -1;
export const NO_PORT = -1;

/** From the opener of the session to its responder (SMTP: client to server), and back. */
export const FORWARD_DIRECTION = 0;
export const REPLY_DIRECTION = 1;

// flags
/** The transport checksum field holds the uncomplemented pseudo-header sum; the kernel completes it on transmit. */
export const PARTIAL_CHECKSUM = 1;
/** A super-frame: gsoSize octets of payload a segment. */
export const GSO = 2;
/** The capture or the slot cut it: length < wireLength. */
export const TRUNCATED = 4;
/** An IP fragment that is forwarded as such (sessions without an inspector). */
export const FRAGMENT = 8;
/** Destination MAC is a group address. */
export const GROUP = 16;
/** Made here, not received. */
export const GENERATED = 32;
/** The transport checksum was verified (or is partial, or checking is off). */
export const CHECKSUM_GOOD = 64;
/** Merged from fragments: cut again on emit, original sizes in the fragment table. */
export const MERGED = 128;

// kind: what decode found under the tags
export const KIND_OTHER = 0;
export const KIND_ARP = 1;
export const KIND_IPV4 = 2;
export const KIND_IPV6 = 3;

// fate
export const PENDING = 0;
export const TRANSMITTED = 1;
export const DROPPED = 2;
export const HELD = 3;
export const CONSUMED = 4;
/** On the transmit queue: becomes TRANSMITTED or DROPPED when the port has answered. */
export const QUEUED = 5;

export class Frames {
  readonly region: Region;
  readonly capacity: number;
  /** First octet of the link header. [P K] */
  readonly offset: Int32Array;
  /** Octets present. [P K] */
  readonly length: Int32Array;
  /** Octets on the wire. [P K] */
  readonly wireLength: Int32Array;
  /** Seconds and nanoseconds of arrival, for stamps only. [P] */
  readonly sec: Int32Array;
  readonly nsec: Int32Array;
  /** PARTIAL_CHECKSUM ... [P D S] */
  readonly flags: Int32Array;
  /** Payload octets a segment of a super-frame, else 0. [P] */
  readonly gsoSize: Int32Array;
  /** Interface index that it came in by, NO_PORT when made here. [P K] */
  readonly ingress: Int32Array;
  /** Interface index that it leaves by. [S] */
  readonly egress: Int32Array;
  /** KIND_... [D] */
  readonly kind: Int32Array;
  /** VLAN part of the session key: outer id | inner id << 12 | number of tags << 24. [D] */
  readonly vlan: Int32Array;
  /** IP header; ARP message. [D] */
  readonly l3: Int32Array;
  /** Transport header; valid when protocol is TCP, UDP or ICMP and the frame is no later fragment. [D] */
  readonly l4: Int32Array;
  /** First octet behind the transport header. [D] */
  readonly payload: Int32Array;
  /** First octet behind the datagram (not the frame: Ethernet padding lies behind). [D] */
  readonly end: Int32Array;
  /** IP protocol of the transport (IPv6: behind the extension headers). [D] */
  readonly protocol: Int32Array;
  /** Session number or NO_SESSION. [S] */
  readonly session: Int32Array;
  /** FORWARD_DIRECTION or REPLY_DIRECTION. [S] */
  readonly direction: Int32Array;
  /** PENDING ... [S] */
  readonly fate: Int32Array;
  /** Why it was dropped. [S] */
  readonly reason: Int32Array;
  /** Rank on the transmit queue, growing across batches: a file that two ports write to keeps the order. [ledger] */
  readonly order: Int32Array;

  /** Stamp of what is being worked on (the frame at hand, or a timer's deadline): what leaves now carries it. [D] */
  stampSec = 0;
  stampNsec = 0;

  private readonly freeSmall: Int32Array;
  private readonly freeLarge: Int32Array;
  private readonly smallEnd: number;
  private smallFree = 0;
  private largeFree = 0;

  constructor(region: Region) {
    const { smallSlots, largeSlots } = region.shape;
    const capacity = BATCH + smallSlots + largeSlots;
    const column = (): Int32Array => new Int32Array(capacity);
    this.region = region;
    this.capacity = capacity;
    this.smallEnd = BATCH + smallSlots;
    this.offset = column();
    this.length = column();
    this.wireLength = column();
    this.sec = column();
    this.nsec = column();
    this.flags = column();
    this.gsoSize = column();
    this.ingress = column();
    this.egress = column();
    this.kind = column();
    this.vlan = column();
    this.l3 = column();
    this.l4 = column();
    this.payload = column();
    this.end = column();
    this.protocol = column();
    this.session = column();
    this.direction = column();
    this.fate = column();
    this.reason = column();
    this.order = column();
    this.freeSmall = new Int32Array(smallSlots);
    this.freeLarge = new Int32Array(largeSlots);
    for (let i = smallSlots - 1; i >= 0; i--) this.freeSmall[this.smallFree++] = BATCH + i;
    for (let i = largeSlots - 1; i >= 0; i--) this.freeLarge[this.largeFree++] = this.smallEnd + i;
  }

  /** Makes frame `f` (below BATCH) ready for a port to fill. */
  begin(f: number, ingress: number): void {
    this.flags[f] = 0;
    this.gsoSize[f] = 0;
    this.arrive(f, ingress);
  }

  /** The same for a frame that its port has filled already; flags and gsoSize are the port's. */
  arrive(f: number, ingress: number): void {
    this.ingress[f] = ingress;
    this.egress[f] = NO_PORT;
    this.session[f] = NO_SESSION;
    this.fate[f] = PENDING;
    this.reason[f] = OK;
  }

  /** Clears what a port only adds to, in rows [0, count), for the next batch. */
  clear(count: number): void {
    this.flags.fill(0, 0, count);
    this.gsoSize.fill(0, 0, count);
  }

  /** A frame of up to `octets` octets in a slot of its own, marked GENERATED; NO_FRAME when there is none. */
  allocate(octets: number): number {
    const f = octets <= SMALL_SLOT - HEADROOM ? this.takeSmall() : this.takeLarge(octets);
    if (f === NO_FRAME) return NO_FRAME;
    this.begin(f, NO_PORT);
    this.flags[f] = GENERATED;
    this.offset[f] = this.slot(f) + HEADROOM;
    this.length[f] = 0;
    this.wireLength[f] = 0;
    this.sec[f] = this.stampSec;
    this.nsec[f] = this.stampNsec;
    return f;
  }

  /** Gives the slot of a frame at or above BATCH back; frames of the batch are the port's and are left alone. */
  free(f: number): void {
    if (f < BATCH) return;
    if (f < this.smallEnd) this.freeSmall[this.smallFree++] = f;
    else this.freeLarge[this.largeFree++] = f;
  }

  /**
   * Copies a frame and all its columns into a slot (not GENERATED unless the original was); NO_FRAME when there is none.
   * Offsets into the frame move along.
   */
  copy(f: number): number {
    const octets = this.length[f]!;
    const g = this.allocate(octets);
    if (g === NO_FRAME) return NO_FRAME;
    const from = this.offset[f]!;
    const by = this.offset[g]! - from;
    this.region.u8.copyWithin(from + by, from, from + octets);
    this.copyColumns(f, g);
    this.l3[g] = this.l3[f]! + by;
    this.l4[g] = this.l4[f]! + by;
    this.payload[g] = this.payload[f]! + by;
    this.end[g] = this.end[f]! + by;
    return g;
  }

  /** All columns but those that hold places in the region. */
  copyColumns(f: number, g: number): void {
    this.length[g] = this.length[f]!;
    this.wireLength[g] = this.wireLength[f]!;
    this.sec[g] = this.sec[f]!;
    this.nsec[g] = this.nsec[f]!;
    this.flags[g] = this.flags[f]!;
    this.gsoSize[g] = this.gsoSize[f]!;
    this.ingress[g] = this.ingress[f]!;
    this.egress[g] = this.egress[f]!;
    this.kind[g] = this.kind[f]!;
    this.vlan[g] = this.vlan[f]!;
    this.protocol[g] = this.protocol[f]!;
    this.session[g] = this.session[f]!;
    this.direction[g] = this.direction[f]!;
    this.fate[g] = this.fate[f]!;
    this.reason[g] = this.reason[f]!;
  }

  /** Slots in use, for gauges. */
  get slotsInUse(): number {
    return this.freeSmall.length - this.smallFree + this.freeLarge.length - this.largeFree;
  }

  private slot(f: number): number {
    return f < this.smallEnd
      ? this.region.smallStart + (f - BATCH) * SMALL_SLOT
      : this.region.largeStart + (f - this.smallEnd) * LARGE_SLOT;
  }

  private takeSmall(): number {
    return this.smallFree > 0 ? this.freeSmall[--this.smallFree]! : NO_FRAME;
  }

  private takeLarge(octets: number): number {
    if (octets > LARGE_SLOT - HEADROOM || this.largeFree === 0) return NO_FRAME;
    return this.freeLarge[--this.largeFree]!;
  }
}
