// Octets that came out of order: which numbers they have, how many frames brought them, how long they may wait.  The octets
// themselves stand in the store.
//
// A direction with holes has a queue, a row of its own, and in it intervals in order of sequence number that neither overlap
// nor touch.  All rows and intervals come from one pool of fixed size, so that a million hostile flows cannot take more than it;
// when it is empty, a frame that would need one is dropped.
// An interval may be empty: a FIN alone that waits for the octets in front of it.

import { OUT_OF_ORDER_OCTETS } from '../telemetry/counters.ts';
import { atOrBefore, before, earlier, later } from '../wire/seq.ts';
import { HOLES } from './stream-record.ts';

export const NO_INTERVAL = -1;
const NONE = -1;

export class Holes {
  // By interval.
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly next: Int32Array;
  private readonly frames: Int32Array;
  private readonly segmentsIn: Int32Array;
  // By queue.
  private readonly head: Int32Array;
  private readonly octetsOf: Int32Array;
  private readonly segmentsOf: Int32Array;
  private readonly deadlineOf: Int32Array;

  /** Second answer of take(). */
  framesTaken = 0;
  private readonly words: Int32Array;
  private readonly counters: Float64Array;
  private readonly freeIntervals: Int32Array;
  private readonly freeQueues: Int32Array;
  private intervalsFree: number;
  private queuesFree: number;

  /** `capacity` intervals and as many queues; `words` are the stream records. */
  constructor(words: Int32Array, counters: Float64Array, capacity: number) {
    const column = (): Int32Array => new Int32Array(capacity);
    this.words = words;
    this.counters = counters;
    this.from = column();
    this.to = column();
    this.next = column();
    this.frames = column();
    this.segmentsIn = column();
    this.head = column();
    this.octetsOf = column();
    this.segmentsOf = column();
    this.deadlineOf = column();
    this.freeIntervals = column();
    this.freeQueues = column();
    for (let i = 0; i < capacity; i++) {
      this.freeIntervals[i] = i;
      this.freeQueues[i] = i;
    }
    this.intervalsFree = capacity;
    this.queuesFree = capacity;
  }

  /** Intervals in use. */
  get used(): number {
    return this.freeIntervals.length - this.intervalsFree;
  }

  /** First interval of a direction, or NO_INTERVAL. */
  first(at: number): number {
    const queue = this.words[at + HOLES]!;
    return queue === NONE ? NO_INTERVAL : this.head[queue]!;
  }

  /** Octets of all directions. */
  get total(): number {
    return this.counters[OUT_OF_ORDER_OCTETS]!;
  }

  octets(at: number): number {
    const queue = this.words[at + HOLES]!;
    return queue === NONE ? 0 : this.octetsOf[queue]!;
  }

  /** Segments that brought octets. */
  segments(at: number): number {
    const queue = this.words[at + HOLES]!;
    return queue === NONE ? 0 : this.segmentsOf[queue]!;
  }

  /** ms; there is a queue. */
  deadline(at: number): number {
    return this.deadlineOf[this.words[at + HOLES]!]!;
  }

  setDeadline(at: number, deadline: number): void {
    this.deadlineOf[this.words[at + HOLES]!] = deadline;
  }

  /** How many octets of [from, to) are not there yet. */
  missing(at: number, from: number, to: number): number {
    let count = (to - from) | 0;
    for (let i = this.first(at); i !== NO_INTERVAL && before(this.from[i]!, to); i = this.next[i]!) {
      const covered = (earlier(to, this.to[i]!) - later(from, this.from[i]!)) | 0;
      if (covered > 0) count -= covered;
    }
    return count;
  }

  /** True when add() will find room. */
  hasRoom(): boolean {
    return this.intervalsFree > 0 && this.queuesFree > 0;
  }

  /**
   * Notes that a segment brought [from, to), of which `octets` are new; hasRoom() was true.  `frames`: how many frames count as held
   * with them, 1 or 0.  `deadline`, ms, holds when these are the first.
   */
  add(at: number, from: number, to: number, octets: number, frames: number, deadline: number): void {
    const queue = this.queueOf(at, deadline);
    this.octetsOf[queue]! += octets;
    this.counters[OUT_OF_ORDER_OCTETS]! += octets;
    const segments = octets > 0 ? 1 : 0;
    this.segmentsOf[queue]! += segments;
    let previous = NO_INTERVAL;
    let i = this.head[queue]!;
    while (i !== NO_INTERVAL && before(this.to[i]!, from)) {
      previous = i;
      i = this.next[i]!;
    }
    if (i === NO_INTERVAL || before(to, this.from[i]!)) i = this.link(queue, previous, i, from, to);
    else this.join(i, from, to);
    this.frames[i]! += frames;
    this.segmentsIn[i]! += segments;
  }

  /**
   * Takes the intervals that begin at or before `nxt` off and returns the number behind the last of them (or `nxt`);
   * `framesTaken` says how many frames brought them.
   */
  take(at: number, nxt: number): number {
    this.framesTaken = 0;
    const queue = this.words[at + HOLES]!;
    if (queue === NONE) return nxt;
    let end = nxt;
    for (let i = this.head[queue]!; i !== NO_INTERVAL && atOrBefore(this.from[i]!, end); i = this.head[queue]!) {
      end = later(end, this.to[i]!);
      this.framesTaken += this.frames[i]!;
      const octets = (this.to[i]! - this.from[i]!) | 0;
      this.octetsOf[queue]! -= octets;
      this.counters[OUT_OF_ORDER_OCTETS]! -= octets;
      this.segmentsOf[queue]! -= this.segmentsIn[i]!;
      this.head[queue] = this.next[i]!;
      this.freeIntervals[this.intervalsFree++] = i;
    }
    if (this.head[queue] === NO_INTERVAL) this.dropQueue(at, queue);
    return end;
  }

  /** Forgets everything of a direction; returns how many frames brought it. */
  clear(at: number): number {
    const queue = this.words[at + HOLES]!;
    if (queue === NONE) return 0;
    let count = 0;
    this.counters[OUT_OF_ORDER_OCTETS]! -= this.octetsOf[queue]!;
    for (let i = this.head[queue]!; i !== NO_INTERVAL; i = this.next[i]!) {
      count += this.frames[i]!;
      this.freeIntervals[this.intervalsFree++] = i;
    }
    this.dropQueue(at, queue);
    return count;
  }

  private queueOf(at: number, deadline: number): number {
    const present = this.words[at + HOLES]!;
    if (present !== NONE) return present;
    const queue = this.freeQueues[--this.queuesFree]!;
    this.words[at + HOLES] = queue;
    this.head[queue] = NO_INTERVAL;
    this.octetsOf[queue] = 0;
    this.segmentsOf[queue] = 0;
    this.deadlineOf[queue] = deadline;
    return queue;
  }

  private dropQueue(at: number, queue: number): void {
    this.words[at + HOLES] = NONE;
    this.freeQueues[this.queuesFree++] = queue;
  }

  private link(queue: number, previous: number, following: number, from: number, to: number): number {
    const i = this.freeIntervals[--this.intervalsFree]!;
    this.from[i] = from;
    this.to[i] = to;
    this.frames[i] = 0;
    this.segmentsIn[i] = 0;
    this.next[i] = following;
    if (previous === NO_INTERVAL) this.head[queue] = i;
    else this.next[previous] = i;
    return i;
  }

  /** [from, to) overlaps or touches interval `i`, and perhaps those behind it. */
  private join(i: number, from: number, to: number): void {
    this.from[i] = earlier(this.from[i]!, from);
    this.to[i] = later(this.to[i]!, to);
    for (let j = this.next[i]!; j !== NO_INTERVAL && atOrBefore(this.from[j]!, this.to[i]!); j = this.next[i]!) {
      this.to[i] = later(this.to[i]!, this.to[j]!);
      this.frames[i]! += this.frames[j]!;
      this.segmentsIn[i]! += this.segmentsIn[j]!;
      this.next[i] = this.next[j]!;
      this.freeIntervals[this.intervalsFree++] = j;
    }
  }
}
