// `postern bench`: the speed of the hot path, step by step and whole, in memory.
//
// The benches themselves are in bench/ and are loaded only when they are wanted.  Each runs in a process of its own, which is this
// program again with --child.

import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Change, Run } from '../../bench/report.ts';
import { CommandError, EXIT_OK, EXIT_RUNTIME } from './errors.ts';

const EXAMPLES = `
Examples:
  $ postern bench path
  $ postern bench decode lookup/10000 --samples 31
  $ postern bench --json > before.json
  $ postern bench path --compare before.json

Every figure is ns a frame (min and median of the samples); heap is octets a frame left to the garbage collector, deopt counts code that
V8 threw away after the warm-up; both must be 0.

Exit status: 0 done, 1 a bench failed, left something on the heap or was slower than in --compare, 2 wrong command line.`;

interface BenchCommandOptions {
  readonly json: boolean;
  readonly compare?: string;
  readonly samples: number;
  readonly seed: number;
  readonly plots?: string;
  readonly child?: string;
}

const DEFAULT_SAMPLES = 21;
const LEAST_SAMPLES = 15;

/** Adds the subcommand. */
export function register(program: Command): void {
  program
    .command('bench')
    .description('measure the hot path: each step alone, and whole on five workloads')
    .argument('[name...]', 'benches whose names begin so (default: all)')
    .option('--json', 'print the results as one JSON object', false)
    .option('--compare <file>', 'show what changed against an earlier --json, or against a baseline file')
    .option('--samples <n>', `samples a bench, at least ${LEAST_SAMPLES}`, parseSamples, DEFAULT_SAMPLES)
    .option('--seed <n>', 'seed of the workloads', parseSeed, 1)
    .option('--plots <folder>', 'write plots of the results there (SVG)')
    .addOption(new Option('--child <order>').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(async (names: readonly string[], options: BenchCommandOptions) => {
      process.exitCode = options.child === undefined ? await bench(names, options) : await measureOne(options.child);
    });
}

function parseSamples(text: string): number {
  const samples = Number(text);
  if (!Number.isInteger(samples) || samples < LEAST_SAMPLES) throw new InvalidArgumentError(`${LEAST_SAMPLES} or more is wanted.`);
  return samples;
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (!Number.isInteger(seed)) throw new InvalidArgumentError('A whole number is wanted.');
  return seed;
}

async function measureOne(order: string): Promise<number> {
  const { measure } = await import('../../bench/measure.ts');
  process.stdout.write(`${JSON.stringify(measure(JSON.parse(order)))}\n`);
  return EXIT_OK;
}

/** Runs the benches and prints their results; returns the exit status. */
async function bench(names: readonly string[], options: BenchCommandOptions): Promise<number> {
  const { selectBenches } = await import('../../bench/all.ts');
  const { changeOf, faultsOf, HEADING, lineOf, thisMachine } = await import('../../bench/report.ts');
  const selected = selectBenches(names);
  if (selected.length === 0) throw new CommandError(`no bench begins with ${names.join(' or ')}`);
  const earlier = options.compare === undefined ? [] : earlierResults(options.compare, thisMachine());
  const say = (line: string): void => void (options.json ? process.stderr : process.stdout).write(`${line}\n`);
  say(HEADING);
  const results: Run['results'][number][] = [];
  const failed: string[] = [];
  for (const { name } of selected) {
    const result = await measured(name, options);
    if (result === null) {
      failed.push(name);
      continue;
    }
    const change: Change | null = changeOf(result, earlier);
    say(lineOf(result, change));
    results.push(result);
    if (faultsOf(result).length > 0 || change?.isRegression === true) failed.push(name);
  }
  const run: Run = { machine: thisMachine(), date: new Date().toISOString(), results, failed };
  if (options.json) process.stdout.write(`${JSON.stringify(run, null, 2)}\n`);
  if (options.plots !== undefined) {
    const { writePlots } = await import('../../bench/plots.ts');
    for (const path of writePlots(run, options.plots)) process.stderr.write(`${path}\n`);
  }
  return failed.length === 0 ? EXIT_OK : EXIT_RUNTIME;
}

/** Null, and a line on stderr, when the process of the bench failed. */
async function measured(name: string, { samples, seed }: BenchCommandOptions): Promise<Run['results'][number] | null> {
  const { runBench } = await import('../../bench/run.ts');
  try {
    return await runBench(name, { samples, seed, entry: [process.argv[1]!, 'bench', '--child'] });
  } catch (error) {
    process.stderr.write(`postern: ${name}: ${(error as Error).message}\n`);
    return null;
  }
}

/** Results in an earlier --json, or those of this machine in a baseline file. */
function earlierResults(path: string, machine: string): Run['results'] {
  const runs = readRuns(path);
  const run = runs.find((one) => one.machine === machine);
  if (run === undefined) throw new CommandError(`${path} has no results of this machine (${machine})`);
  return run.results;
}

function readRuns(path: string): readonly Run[] {
  try {
    const content = JSON.parse(readFileSync(path, 'utf8')) as Run | { readonly runs: readonly Run[] };
    return 'runs' in content ? content.runs : [content];
  } catch (error) {
    throw new CommandError(`cannot read ${path}: ${(error as Error).message}`);
  }
}
