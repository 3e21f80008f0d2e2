// Benches that must fail, for the test of the gate: one leaves objects on the heap, two make V8 throw code away after the warm-up.

import type { Bench, Running } from './bench.ts';

const FRAMES = 4096;
const SLOTS = 64;
/** Passes after which the values change; the warm-up of the test is shorter, its samples go on beyond. */
const PASSES_OF_INTEGERS = 85;

function openAllocating(): Running {
  const kept: { value: number }[] = Array.from({ length: SLOTS }, () => ({ value: 0 }));
  return {
    turns: 1,
    octets: 0,
    prepare: () => {},
    run: () => {
      for (let i = 0; i < FRAMES; i++) kept[i % SLOTS] = { value: i };
      return FRAMES;
    },
  };
}

function twice(value: number): number {
  return value + value;
}

/** Whole numbers at first, then fractions, which the code for small integers cannot add. */
function openDeoptimising(): Running {
  const sums = new Float64Array(SLOTS);
  let passes = 0;
  return {
    turns: 1,
    octets: 0,
    prepare: () => {
      passes++;
    },
    run: () => {
      const step = passes > PASSES_OF_INTEGERS ? 0.5 : 1;
      for (let i = 0; i < FRAMES; i++) sums[i % SLOTS] = twice((i & 7) * step);
      return FRAMES;
    },
  };
}

/** A field that was a small integer in all objects gets another kind of value: code that relied on it is discarded where it lies. */
function openDiscarding(): Running {
  const kept: { value: number | string }[] = Array.from({ length: SLOTS }, (_, i) => ({ value: i }));
  let passes = 0;
  return {
    turns: 1,
    octets: 0,
    prepare: () => {
      if (++passes === PASSES_OF_INTEGERS) kept[0]!.value = 'text';
    },
    run: () => {
      let sum = 0;
      for (let i = 0; i < FRAMES; i++) sum = (sum + (kept[1 + (i & 31)]!.value as number)) | 0;
      return sum === -1 ? 0 : FRAMES;
    },
  };
}

export const benches: readonly Bench[] = [
  { name: 'control/allocating', about: 'leaves an object a frame', open: openAllocating },
  { name: 'control/deoptimising', about: 'other values after the warm-up', open: openDeoptimising },
  { name: 'control/discarding', about: 'another type in a field after the warm-up', open: openDiscarding },
];
