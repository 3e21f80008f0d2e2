// What a bench is, and what measuring one gives.
//
// A bench does its work in turns.  What a turn needs (fresh octets, sessions that ended) is made by prepare(), outside of the
// timed part; neither may allocate once it is warm, because what they leave on the heap is counted.

/** A bench that is set up. */
export interface Running {
  /** Turns in one sample. */
  readonly turns: number;
  /** Makes the next turn ready. */
  prepare(): void;
  /** One turn, timed.  Returns how many frames (calls, segments) it handled. */
  run(): number;
  /** Octets that a sample handles, 0: they do not matter. */
  readonly octets: number;
  /** After measuring: why the figure does not count, or null. */
  verify?(): string | null;
}

export interface BenchOptions {
  /** Of everything drawn by chance. */
  readonly seed: number;
  /** Size of the workload, 1: the usual one. */
  readonly scale: number;
}

export interface Bench {
  /** `step/variant` */
  readonly name: string;
  readonly about: string;
  /** What a turn counts: frames unless it says otherwise. */
  readonly unit?: string;
  /** Size of what it depends on, for the plots of cost against size. */
  readonly size?: number;
  open(options: BenchOptions): Running;
}

/** A bench that is no timing: it measures by itself. */
export interface Gauge {
  readonly name: string;
  readonly about: string;
  readonly unit: string;
  measure(options: BenchOptions): number;
}

export interface Result {
  readonly name: string;
  readonly about: string;
  readonly unit: string;
  readonly size: number | null;
  readonly samples: number;
  /** Frames of one sample. */
  readonly frames: number;
  /** ns a frame, the least of each turn added up; of a gauge, its value. */
  readonly min: number;
  /** ns a frame of the middle sample: what a busy machine makes of it. */
  readonly median: number;
  /** How much `min` differs between the even and the odd samples: what it is good for. */
  readonly spread: number;
  /** 10^9 octets a second at `min`, null where octets do not matter. */
  readonly gigabytes: number | null;
  /** Octets left on the JavaScript heap a frame, null for a gauge. */
  readonly heap: number | null;
  /** Deoptimisations after warm-up, `function: reason`; null for a gauge. */
  readonly deoptimisations: readonly string[] | null;
  /** Why the figure does not count, or null. */
  readonly problem: string | null;
}
