// The loop around a fuzz target: seeded mutations of a corpus for POSTERN_FUZZ_SECONDS (default 5) seconds.
//
//   node dist/test/fuzz/NAME.js             runs; POSTERN_FUZZ_SEED (default 1) gives another sequence
//   node dist/test/fuzz/NAME.js crash-...   runs the inputs in these files once
//
// The first input on which the target throws is kept as crash-NAME-SEED-RUN in the working directory, and the process ends with 1.

import { readFileSync, writeFileSync } from 'node:fs';

const MAX_INPUT = 4096;
const TRICKY = [0, 1, 4, 5, 7, 8, 20, 0x3c, 0x40, 0x45, 0x60, 0x7f, 0x80, 0xfe, 0xff];

/** xorshift32: small, seeded, the same everywhere. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0 || 1;
  }

  /** 0 .. bound - 1 */
  below(bound: number): number {
    let s = this.state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.state = s;
    return (s >>> 0) % bound;
  }
}

/** One to six changes of a corpus entry. */
function mutate(random: Random, corpus: readonly Uint8Array[]): Uint8Array {
  let input: Uint8Array = corpus[random.below(corpus.length)]!.slice();
  for (let n = 1 + random.below(6); n > 0; n--) input = change(random, input, corpus);
  return input.slice(0, MAX_INPUT);
}

function change(random: Random, input: Uint8Array, corpus: readonly Uint8Array[]): Uint8Array {
  const at = random.below(input.length + 1);
  const length = random.below(9);
  switch (random.below(7)) {
    case 0:
      if (at < input.length) input[at]! ^= 1 << random.below(8);
      return input;
    case 1:
      if (at < input.length) input[at] = TRICKY[random.below(TRICKY.length)]!;
      return input;
    case 2:
      if (at < input.length) input[at] = random.below(256);
      return input;
    case 3:
      return input.slice(0, at);
    case 4:
      return joined(input.slice(0, at), input.slice(at + length));
    case 5:
      return joined(
        input.slice(0, at),
        Uint8Array.from({ length }, () => random.below(256)),
        input.slice(at),
      );
    default: {
      const other = corpus[random.below(corpus.length)]!;
      return joined(input.slice(0, at), other.slice(random.below(other.length + 1)));
    }
  }
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Runs `target` on mutations of `corpus` until the time is over; `target` throws when something is wrong. */
export function fuzz(name: string, corpus: readonly Uint8Array[], target: (input: Uint8Array, random: Random) => void): void {
  const seed = Number(process.env.POSTERN_FUZZ_SEED ?? 1);
  const files = process.argv.slice(2);
  for (const file of files) target(readFileSync(file), new Random(seed));
  if (files.length > 0) return;
  const random = new Random(seed);
  const end = performance.now() + Number(process.env.POSTERN_FUZZ_SECONDS ?? 5) * 1000;
  let runs = 0;
  for (; (runs & 63) !== 0 || performance.now() < end; runs++) {
    const input = mutate(random, corpus);
    try {
      // Its own source of chance: a kept input gives the same run.
      target(input, new Random(seed));
    } catch (error) {
      const file = `crash-${name}-${seed}-${runs}`;
      writeFileSync(file, input);
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\ninput kept as ${file}\n`);
      process.exitCode = 1;
      return;
    }
  }
  process.stdout.write(`${runs} inputs\n`);
}

/** Throws with what is wrong unless `condition`. */
export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}
