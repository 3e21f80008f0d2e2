// Measures one bench in a process of its own: warm-up, samples, octets left on the heap, deoptimisations.
//
// A process a bench, because the type feedback of one bench would spoil the code of the next.  The process runs with --expose-gc, a
// young generation that no pass fills (a collection in between would hide what was left), and --trace-deopt into a file
// (deoptimisations.ts): what the file has behind the mark is of after the warm-up.

import { performance } from 'node:perf_hooks';
import type { Bench, BenchOptions, Gauge, Result, Running } from './bench.ts';
import { readBailouts, readDiscarded, traceLength } from './deoptimisations.ts';
import { findBench } from './all.ts';

export interface Order extends BenchOptions {
  readonly name: string;
  readonly samples: number;
  /** Passes before the first sample, and seconds that they take at least. */
  readonly warmPasses: number;
  readonly warmSeconds: number;
  /** File that V8 traces to. */
  readonly trace: string;
}

/** How often the heap is watched; the least counts, because V8 itself leaves something now and then: less than this, octets. */
const WATCHES = 5;
const HEAP_NOISE = 1024;
/** Frames of one watch: one octet in fifty frames is found. */
const WATCHED_FRAMES = 1 << 16;
const MOST_PASSES = 64;
const CLOCK_READS = 4096;
const CALIBRATIONS = 16;

/** Runs what `order` names. */
export function measure(order: Order): Result {
  const bench = findBench(order.name);
  return 'measure' in bench ? readGauge(bench, order) : runBench(bench, order);
}

function readGauge(gauge: Gauge, order: Order): Result {
  const { name, about, unit } = gauge;
  const value = gauge.measure(order);
  return {
    name,
    about,
    unit,
    size: null,
    samples: 1,
    frames: 1,
    min: value,
    median: value,
    spread: 0,
    gigabytes: null,
    heap: null,
    deoptimisations: null,
    problem: null,
  };
}

function runBench(bench: Bench, order: Order): Result {
  const running = bench.open(order);
  warm(running, order);
  const clock = clockCost();
  const mark = traceLength(order.trace);
  const times = new Float64Array(order.samples);
  const halves = [leastTimes(running), leastTimes(running)] as const;
  let frames = 0;
  for (let i = 0; i < order.samples; i++) {
    frames = timedPass(running);
    times[i] = (sum(turnTimes) - clock * running.turns) / frames;
    keepLeast(halves[i & 1]!, turnTimes);
  }
  // Before the collection that watching the heap begins with.
  const discarded = readDiscarded(order.trace, mark);
  const heap = leastHeap(running, frames);
  const least = halves.map((half) => (sum(half) - clock * running.turns) / frames);
  keepLeast(halves[0], halves[1]);
  const min = Math.max(0, (sum(halves[0]) - clock * running.turns) / frames);
  return {
    name: bench.name,
    about: bench.about,
    unit: bench.unit ?? 'frame',
    size: bench.size ?? null,
    samples: order.samples,
    frames,
    min,
    median: times.sort()[order.samples >> 1]!,
    spread: Math.abs(least[0]! - least[1]!) / min,
    gigabytes: running.octets === 0 ? null : running.octets / frames / min,
    heap,
    deoptimisations: [...readBailouts(order.trace, mark), ...discarded],
    problem: running.verify?.() ?? null,
  };
}

/** A collection in the middle: code that holds on to what is dead is thrown away then, and made again. */
function warm(running: Running, { warmPasses, warmSeconds }: Order): void {
  const middle = performance.now() + warmSeconds * 500;
  for (let i = 0; i * 2 < warmPasses || performance.now() < middle; i++) {
    timedPass(running);
    watchedPass(running);
  }
  collect();
  for (let i = 0; i * 2 < warmPasses || performance.now() < middle + warmSeconds * 500; i++) {
    timedPass(running);
    watchedPass(running);
  }
}

/** Of the latest timed pass, by turn, ns; sized by the first pass. */
let turnTimes = new Float64Array(0);

/** One sample.  Returns its frames. */
function timedPass(running: Running): number {
  let frames = 0;
  if (turnTimes.length !== running.turns) turnTimes = new Float64Array(running.turns);
  for (let turn = 0; turn < running.turns; turn++) {
    running.prepare();
    const start = performance.now();
    frames += running.run();
    turnTimes[turn] = (performance.now() - start) * 1e6;
  }
  return frames;
}

/**
 * The least time of each turn over the samples.  Turn k is the same work in every sample, and short: the sum of these is what a sample
 * takes on a machine that nobody else uses, and moves by a few percent while the median doubles on one that others use.
 */
function leastTimes(running: Running): Float64Array {
  return new Float64Array(running.turns).fill(Number.POSITIVE_INFINITY);
}

function keepLeast(least: Float64Array, times: Float64Array): void {
  for (let i = 0; i < least.length; i++) least[i] = Math.min(least[i]!, times[i]!);
}

function sum(times: Float64Array): number {
  let total = 0;
  for (let i = 0; i < times.length; i++) total += times[i]!;
  return total;
}

/** The same without the clock, whose answer is on the heap. */
function watchedPass(running: Running): number {
  let frames = 0;
  for (let turn = 0; turn < running.turns; turn++) {
    running.prepare();
    frames += running.run();
  }
  return frames;
}

/** Octets left on the heap a frame.  What asking for the heap leaves itself is taken off. */
function leastHeap(running: Running, frames: number): number {
  collect();
  const passes = Math.min(MOST_PASSES, Math.ceil(WATCHED_FRAMES / frames));
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < WATCHES; i++) {
    const before = process.memoryUsage().heapUsed;
    const again = process.memoryUsage().heapUsed;
    for (let pass = 0; pass < passes; pass++) watchedPass(running);
    const after = process.memoryUsage().heapUsed;
    least = Math.min(least, after - again - (again - before));
  }
  return least < HEAP_NOISE ? 0 : least / frames / passes;
}

function collect(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error('a bench is measured under --expose-gc');
  gc();
}

/** ns that a pair of readings of the clock takes. */
function clockCost(): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < CALIBRATIONS; i++) {
    const start = performance.now();
    for (let k = 0; k < CLOCK_READS; k++) performance.now();
    least = Math.min(least, performance.now() - start);
  }
  return (least * 1e6) / CLOCK_READS;
}
