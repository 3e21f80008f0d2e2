// Hierarchical timer wheel: four levels of 256 slots, 1 ms at the lowest, for a fixed set of numbered timers.
//
// schedule, cancel and the move of one timer are O(1); no timer is ever searched for.  advance() fires in order of
// deadlines and hands each its own deadline as the time, so a replayed capture with long silences gives the same result
// whatever the batches were.  Deadlines up to 2^31 - 1 ms ahead (24.8 days); later ones are clipped there.
//
// A timer belongs to one owner: number ranges are given out by timer-ranges in data-plane.ts.
// Times are int32 milliseconds compared by (a - b) | 0.

const SLOT_BITS = 8;
const SLOTS = 1 << SLOT_BITS;
const SLOT_MASK = SLOTS - 1;
const LEVELS = 4;
const NONE = -1;

export class TimerWheel {
  /** Milliseconds up to which everything due has fired. */
  now: number;
  /** Timers scheduled. */
  count = 0;
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly deadlines: Int32Array;
  /** Slot that the timer hangs in, NONE when idle. */
  private readonly slotOf: Int32Array;
  private readonly heads: Int32Array;
  /** Timers in each level, to skip empty stretches. */
  private readonly levelCount = new Int32Array(LEVELS);

  constructor(timers: number, now: number) {
    this.now = now;
    this.next = new Int32Array(timers);
    this.previous = new Int32Array(timers);
    this.deadlines = new Int32Array(timers);
    this.slotOf = new Int32Array(timers).fill(NONE);
    this.heads = new Int32Array(LEVELS * SLOTS).fill(NONE);
  }

  isScheduled(timer: number): boolean {
    return this.slotOf[timer] !== NONE;
  }

  /** Meaningful while scheduled. */
  deadline(timer: number): number {
    return this.deadlines[timer]!;
  }

  /** (Re)schedules a timer; a deadline that has passed fires at the next advance. */
  schedule(timer: number, deadline: number): void {
    if (this.slotOf[timer] !== NONE) this.unlink(timer);
    else this.count++;
    this.deadlines[timer] = ((deadline - this.now) | 0) <= 0 ? (this.now + 1) | 0 : deadline;
    this.link(timer);
  }

  cancel(timer: number): void {
    if (this.slotOf[timer] === NONE) return;
    this.unlink(timer);
    this.count--;
  }

  /**
   * Fires every timer due at or before `to`, in order of deadlines; timers that `fire` schedules are due too if they fall
   * before `to`.  A timer is idle when `fire` is called for it.
   */
  advance(to: number, fire: (timer: number, deadline: number) => void): void {
    while (((to - this.now) | 0) > 0) {
      if (this.count === 0) {
        this.now = to;
        return;
      }
      this.step(to, fire);
    }
  }

  /** One slot of level 0, or a jump to the next slot boundary of the lowest level that holds anything. */
  private step(to: number, fire: (timer: number, deadline: number) => void): void {
    if (this.levelCount[0] === 0) {
      const boundary = this.nextBoundary();
      if (((to - boundary) | 0) < 0) {
        this.now = to;
        return;
      }
      this.now = boundary;
    } else {
      this.now = (this.now + 1) | 0;
    }
    this.cascade();
    this.fireSlot(this.now & SLOT_MASK, fire);
  }

  /** The next time at which a slot of a higher level is opened. */
  private nextBoundary(): number {
    let level = 1;
    while (level < LEVELS - 1 && this.levelCount[level] === 0) level++;
    const shift = level * SLOT_BITS;
    return (((this.now >> shift) + 1) << shift) | 0;
  }

  /** Moves the timers of higher slots that begin now to lower levels. */
  private cascade(): void {
    for (let level = 1; level < LEVELS; level++) {
      const shift = level * SLOT_BITS;
      if ((this.now & ((1 << shift) - 1)) !== 0) return;
      this.relink(level * SLOTS + ((this.now >> shift) & SLOT_MASK));
    }
  }

  private relink(slot: number): void {
    let timer = this.heads[slot]!;
    while (timer !== NONE) {
      const following = this.next[timer]!;
      this.unlink(timer);
      this.link(timer);
      timer = following;
    }
  }

  private fireSlot(slot: number, fire: (timer: number, deadline: number) => void): void {
    for (let timer = this.heads[slot]!; timer !== NONE; timer = this.heads[slot]!) {
      this.unlink(timer);
      this.count--;
      fire(timer, this.now);
    }
  }

  private link(timer: number): void {
    const deadline = this.deadlines[timer]!;
    const ahead = (deadline - this.now) | 0;
    let level = 0;
    while (level < LEVELS - 1 && ahead >= 1 << ((level + 1) * SLOT_BITS)) level++;
    const slot = level * SLOTS + ((deadline >> (level * SLOT_BITS)) & SLOT_MASK);
    const head = this.heads[slot]!;
    this.next[timer] = head;
    this.previous[timer] = NONE;
    if (head !== NONE) this.previous[head] = timer;
    this.heads[slot] = timer;
    this.slotOf[timer] = slot;
    this.levelCount[level]!++;
  }

  private unlink(timer: number): void {
    const slot = this.slotOf[timer]!;
    const following = this.next[timer]!;
    const before = this.previous[timer]!;
    if (before === NONE) this.heads[slot] = following;
    else this.next[before] = following;
    if (following !== NONE) this.previous[following] = before;
    this.slotOf[timer] = NONE;
    this.levelCount[slot >> SLOT_BITS]!--;
  }
}
