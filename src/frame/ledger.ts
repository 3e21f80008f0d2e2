// The frame ledger: the only place that gives a frame its fate and counts it.
//
// Conservation: a received frame ends as transmitted, dropped (with one reason), consumed, or is held
// for now; a held one ends later through settle...().  A frame that we make is counted as generated when it is
// queued and then ends as transmitted or dropped like any other.
// A frame that is held is counted, not kept: whoever holds its octets calls settle with how many it lets go.

import {
  CONSUMED_FRAMES,
  DROPPED_FRAMES,
  DROPS,
  GENERATED_FRAMES,
  HELD_FRAMES,
  PORTS,
  PORT_DROPS,
  PORT_SIZE,
  TRANSMITTED_FRAMES,
} from '../telemetry/counters.ts';
import type { Reason } from '../telemetry/reasons.ts';
import { FrameQueue } from './frame-queue.ts';
import { CONSUMED, DROPPED, type Frames, GENERATED, HELD, QUEUED, TRANSMITTED } from './frames.ts';

export class Ledger {
  /** What leaves at the end of the batch, in order. */
  readonly transmitQueue: FrameQueue;
  /** Called for each frame that is dropped, before its slot is freed: packet trace and drop log.  Null costs a compare. */
  onDrop: ((f: number, reason: Reason) => void) | null = null;
  private readonly frames: Frames;
  private readonly counters: Float64Array;
  private lastOrder = 0;

  constructor(frames: Frames, counters: Float64Array) {
    this.frames = frames;
    this.counters = counters;
    this.transmitQueue = new FrameQueue(frames.capacity);
  }

  /** Frame `f` does not leave, because of `reason`.  Its slot is freed if it has one. */
  drop(f: number, reason: Reason): void {
    const { frames, counters } = this;
    frames.reason[f] = reason;
    if (this.onDrop !== null) this.onDrop(f, reason);
    this.countGenerated(f);
    frames.fate[f] = DROPPED;
    counters[DROPPED_FRAMES]!++;
    counters[DROPS + reason]!++;
    if (frames.ingress[f]! >= 0) counters[PORTS + frames.ingress[f]! * PORT_SIZE + PORT_DROPS]!++;
    frames.free(f);
  }

  /** A received frame that was for us, or whose octets leave only inside others. */
  consume(f: number): void {
    this.countGenerated(f);
    this.frames.fate[f] = CONSUMED;
    this.counters[CONSUMED_FRAMES]!++;
    this.frames.free(f);
  }

  /** A frame of which nothing leaves now and whose octets its holder copied: its slot is freed if it has one. */
  hold(f: number): void {
    this.countGenerated(f);
    this.frames.fate[f] = HELD;
    this.counters[HELD_FRAMES]!++;
    this.frames.free(f);
  }

  /** `count` held frames left inside others. */
  settleConsumed(count: number): void {
    this.counters[HELD_FRAMES]! -= count;
    this.counters[CONSUMED_FRAMES]! += count;
  }

  /** `count` held frames are dropped. */
  settleDropped(count: number, reason: Reason): void {
    this.counters[HELD_FRAMES]! -= count;
    this.counters[DROPPED_FRAMES]! += count;
    this.counters[DROPS + reason]! += count;
  }

  /**
   * A held frame is taken up again: it is on its own way as if it had just come (a datagram that waited for ARP, a
   * fragment that goes on).  It must get a fate of its own afterwards.
   */
  resume(count: number): void {
    this.counters[HELD_FRAMES]! -= count;
  }

  /** Frame `f` leaves by frames.egress[f] at the end of the batch, stamped with the time of what released it. */
  transmit(f: number): void {
    const { frames } = this;
    this.countGenerated(f);
    frames.fate[f] = QUEUED;
    frames.sec[f] = frames.stampSec;
    frames.nsec[f] = frames.stampNsec;
    this.lastOrder = (this.lastOrder + 1) | 0;
    frames.order[f] = this.lastOrder;
    this.transmitQueue.push(f);
  }

  /** The port took a queued frame. */
  transmitted(f: number): void {
    this.frames.fate[f] = TRANSMITTED;
    this.counters[TRANSMITTED_FRAMES]!++;
    this.frames.free(f);
  }

  /** A frame that we made counts as generated once, when it gets its first fate. */
  private countGenerated(f: number): void {
    if ((this.frames.flags[f]! & GENERATED) === 0 || this.frames.fate[f] === QUEUED) return;
    this.counters[GENERATED_FRAMES]!++;
  }
}
