// Runs benches, each in a process of its own (measure.ts says why), and collects what they found.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LONG_RUN_FLAGS } from '../src/engine/v8-flags.ts';
import type { Result } from './bench.ts';
import type { Order } from './measure.ts';

export interface RunOptions {
  readonly samples: number;
  readonly seed: number;
  readonly scale?: number;
  readonly warmPasses?: number;
  readonly warmSeconds?: number;
  /** Further flags of V8. */
  readonly flags?: readonly string[];
  /** What stands in front of the order on the command line of the child: the program that calls measure(). */
  readonly entry: readonly string[];
}

/** MiB: no pass fills it. */
const YOUNG_GENERATION = 128;

/** Measures one bench.  Throws an Error with what the child wrote to stderr when it fails. */
export async function runBench(name: string, options: RunOptions): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'));
  try {
    const trace = join(folder, 'trace');
    const { samples, seed, scale = 1, warmPasses = 5, warmSeconds = 0.6 } = options;
    const order: Order = { name, samples, seed, scale, warmPasses, warmSeconds, trace };
    const flags = [
      '--expose-gc',
      `--min-semi-space-size=${YOUNG_GENERATION}`,
      `--max-semi-space-size=${YOUNG_GENERATION}`,
      '--trace-deopt',
      '--redirect-code-traces',
      `--redirect-code-traces-to=${trace}`,
      ...LONG_RUN_FLAGS,
      ...(options.flags ?? []),
    ];
    const output = await outputOf([...flags, ...options.entry, JSON.stringify(order)]);
    // V8 writes what it discards at a collection to stdout, whatever the file is; the result is the last line.
    return JSON.parse(output.slice(output.lastIndexOf('\n', output.length - 2) + 1)) as Result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function outputOf(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on('data', (octets: Buffer) => output.push(octets));
    child.stderr.on('data', (octets: Buffer) => errors.push(octets));
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (status === 0) resolve(Buffer.concat(output).toString());
      else reject(new Error(Buffer.concat(errors).toString().trim() || `ended with ${status ?? signal}`));
    });
  });
}
