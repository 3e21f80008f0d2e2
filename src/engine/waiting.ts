// How the data-plane loop waits when both ports were empty: look again at once for a while, then sleep in poll.
//
// A frame that comes while the loop spins leaves after 5 us, one that has to wake it after 25-45 us, from a deep sleep after
// 70-100 us.  Spinning costs the whole core, so its budget follows the traffic: doubled when a spin was rewarded, halved when it
// ended in a sleep, none after a sleep that timed out.  Spinning on a core that another busy thread shares costs a scheduler
// slice a frame (8 ms measured): without a core of its own the loop only sleeps.
// The clock is read at the first empty look and then once in 256: reading it in each look made garbage enough to show in p99.

import { availableParallelism } from 'node:os';

/** idle(): look again without sleeping. */
export const LOOK_AGAIN = -1;
/** Longest sleep, milliseconds: a thread in poll cannot be terminated. */
export const LONGEST_SLEEP = 100;

const START_BUDGET = 50;
const LARGEST_BUDGET = 200;
const LOOKS_PER_CLOCK = 256;

/** `auto`, or a fixed budget in microseconds, 0 for never. */
export type Spin = 'auto' | number;

export class Waiting {
  private readonly clock: () => number;
  private readonly adaptive: boolean;
  /** Microseconds. */
  private budget: number;
  /** Empty looks since the last frame or sleep. */
  private looks = 0;
  /** Clock at the first of them, or at falling asleep. */
  private since = 0;

  /** `clock`: monotonic microseconds as int32.  `workers`: data-plane threads of this process. */
  constructor(spin: Spin, workers: number, clock: () => number, cores: number = availableParallelism()) {
    this.clock = clock;
    this.adaptive = spin === 'auto' && cores > workers;
    this.budget = spin === 'auto' ? (this.adaptive ? START_BUDGET : 0) : spin;
  }

  /** Both ports were empty: LOOK_AGAIN, or the milliseconds to sleep at most. */
  idle(): number {
    if (this.budget === 0) return this.fallAsleep();
    if (this.looks === 0) this.since = this.clock();
    this.looks++;
    if (this.looks % LOOKS_PER_CLOCK !== 0 || ((this.clock() - this.since) | 0) < this.budget) return LOOK_AGAIN;
    return this.fallAsleep();
  }

  /** Frames came in a look. */
  busy(): void {
    if (this.looks === 0) return;
    this.looks = 0;
    if (this.adaptive) this.budget = Math.min(this.budget * 2, LARGEST_BUDGET);
  }

  /** The sleep is over; `readable`: because frames came. */
  woke(readable: boolean): void {
    if (!this.adaptive) return;
    // A frame this early would have rewarded a spin: start over.
    const early = readable && ((this.clock() - this.since) | 0) < LARGEST_BUDGET;
    if (early) this.budget = START_BUDGET;
    else if (!readable) this.budget = 0;
  }

  private fallAsleep(): number {
    this.looks = 0;
    if (this.adaptive) {
      this.budget >>= 1;
      this.since = this.clock();
    }
    return LONGEST_SLEEP;
  }
}
