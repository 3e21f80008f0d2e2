// `postern replay`: captures in, captures out, under the capture's clock; the same path as `run`, frame for frame.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { SingleBar } from 'cli-progress';
import { formatJson, formatTable, makeReport } from '../console/report.ts';
import { ReplayEngine } from '../engine/replay-engine.ts';
import { BATCH } from '../frame/frames.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { CAPTURE_AREA } from '../port/capture-file.ts';
import { CaptureMerge } from '../port/capture-merge.ts';
import { CommandError, EXIT_OK, EXIT_RUNTIME, EXIT_USAGE } from './errors.ts';
import { installationFolder } from './installation.ts';
import { loadPolicy } from './load-policy.ts';
import {
  type Capture, filtered, outsideOption, parsePortOption, portsByInterface, portsOnOneWire, type ReplayPorts, type ReplaySource,
} from './replay-ports.ts';

const EXAMPLES = `
Examples:
  $ postern replay mail.pcap
  $ postern replay mail.pcapng --output inspected.pcap --checksum ignore --json
  $ postern replay --config rules/3640.cfg --port e2/0=outside.pcap:outside-out.pcap --port e2/1=inside.pcap:inside-out.pcap

Exit status: 0 done, 1 a damaged capture or a full disk, 2 wrong command line, configuration or kind of capture.`;

interface ReplayOptions {
  readonly config?: string;
  readonly port: readonly string[];
  readonly output?: string;
  readonly outside?: string;
  readonly checksum: 'verify' | 'ignore';
  readonly arp: 'synthetic' | 'capture';
  readonly filter?: string;
  readonly json: boolean;
  readonly lenient: boolean;
  readonly batch: number;
}

/** Adds the subcommand. */
export function register(program: Command): void {
  program
    .command('replay')
    .description('run captures through the firewall, under their own clock')
    .argument('[capture]', 'one capture taken on one wire (pcap or pcapng)')
    .option('-c, --config <file>', 'configuration (default for one capture: rules/transparent.cfg)')
    .option('-p, --port <name=in[:out]>', 'capture of an interface, and what it would have transmitted; once for each interface', collect, [])
    .option('-o, --output <file>', 'with one capture: what leaves, of both directions')
    .option('--outside <mac|cidr>', 'with one capture: who is outside')
    .addOption(new Option('--checksum <mode>', 'transport checksums').choices(['verify', 'ignore']).default('verify'))
    .addOption(new Option('--arp <mode>', 'next hops: answer at once, or as the capture does').choices(['synthetic', 'capture']).default('synthetic'))
    .option('--filter <expression>', 'only frames that pass this filter of libpcap (needs the optional package pcap)')
    .option('--json', 'print the report as one JSON object', false)
    .option('--lenient', 'run although lines of the configuration were rejected', false)
    .addOption(new Option('--batch <frames>', 'frames of a batch').argParser(parseBatch).default(BATCH).hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(async (capture: string | undefined, options: ReplayOptions) => {
      process.exitCode = await replay(capture, options);
    });
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function parseBatch(text: string): number {
  const size = Number(text);
  if (!Number.isInteger(size) || size < 1 || size > BATCH) throw new InvalidArgumentError(`1 to ${BATCH} is wanted.`);
  return size;
}

/** Runs one replay and prints its report; returns the exit status. */
async function replay(capture: string | undefined, options: ReplayOptions): Promise<number> {
  refuseContradictions(capture, options);
  const config = options.config ?? join(installationFolder(), 'rules', 'transparent.cfg');
  const { policy } = loadPolicy(config, { lenient: options.lenient, verifyChecksums: options.checksum === 'verify' });
  const { ports, captures, damaged, remove } = await openPorts(capture, options, policy);
  let engine: ReplayEngine;
  try {
    engine = new ReplayEngine({ policy, ports: ports.make, portOctets: CAPTURE_AREA, syntheticArp: options.arp === 'synthetic' });
  } finally {
    remove();
  }
  engine.plane.macTable.learning = !ports.isOneWire;
  warnOfMissingPorts(policy, engine);
  const { elapsed, seconds } = runCaptures(engine, ports, captures, options.batch);
  const report = makeReport(engine.plane.counters, elapsed, seconds);
  process.stdout.write(options.json ? formatJson(report) : formatTable(report));
  return reportFailures(ports, damaged);
}

function refuseContradictions(capture: string | undefined, options: ReplayOptions): void {
  if (capture === undefined && options.port.length === 0) throw new CommandError('a capture is wanted, or --config and --port NAME=IN[:OUT]');
  if (capture !== undefined && options.port.length > 0) throw new CommandError('either one capture or --port, not both');
  if (options.port.length === 0) return;
  if (options.config === undefined) throw new CommandError('--port needs --config');
  if (options.output !== undefined || options.outside !== undefined) {
    throw new CommandError('--output and --outside go with one capture; with --port each interface has an output of its own (NAME=IN:OUT)');
  }
}

interface OpenedPorts {
  readonly ports: ReplayPorts;
  readonly captures: readonly Capture[];
  /** Captures that libpcap could not read to their end. */
  readonly damaged: readonly string[];
  /** Deletes what the filter spooled, once it is open. */
  remove(): void;
}

async function openPorts(capture: string | undefined, options: ReplayOptions, policy: PolicySnapshot): Promise<OpenedPorts> {
  const outside = outsideOption(options.outside);
  if (capture === undefined) {
    const wanted = await afterFilter(options.port.map((text) => parsePortOption(text, policy)), options.filter);
    return { ...wanted, ports: portsByInterface(wanted.captures) };
  }
  const wanted = await afterFilter([{ name: capture, input: capture, output: options.output ?? null }], options.filter);
  return { ...wanted, ports: portsOnOneWire(wanted.captures[0]!, policy, outside) };
}

async function afterFilter<T extends Capture>(captures: readonly T[], expression: string | undefined): Promise<{ captures: readonly T[]; damaged: readonly string[]; remove: () => void }> {
  return expression === undefined ? { captures, damaged: [], remove: () => {} } : filtered(captures, expression);
}

function warnOfMissingPorts(policy: PolicySnapshot, engine: ReplayEngine): void {
  policy.interfaces.forEach(({ name, enabled }, i) => {
    if (enabled && engine.ports[i] === null) process.stderr.write(`postern: warning: ${name} has no capture and counts as down\n`);
  });
}

/** Batches between two looks at the progress bar. */
const PROGRESS_BATCHES = 2048;

function runCaptures(engine: ReplayEngine, ports: ReplayPorts, captures: readonly Capture[], batch: number): { elapsed: number; seconds: number } {
  const { frames } = engine.plane;
  const merge = new CaptureMerge(ports.sources, batch);
  const showProgress = progressBar(ports.sources, captures);
  const started = performance.now();
  let count = merge.fill(frames);
  if (count > 0) engine.setBase(frames.sec[0]!, frames.nsec[0]!);
  for (let batches = 1; count > 0; batches++) {
    engine.breathe(count, merge.now);
    if (batches % PROGRESS_BATCHES === 0) showProgress(false);
    count = merge.fill(frames);
  }
  engine.finish();
  const seconds = (performance.now() - started) / 1000;
  showProgress(true);
  return { elapsed: merge.elapsed, seconds };
}

/** Draws how much of the captures was read, on a terminal. */
function progressBar(sources: readonly ReplaySource[], captures: readonly Capture[]): (isDone: boolean) => void {
  if (process.stderr.isTTY !== true) return () => {};
  const total = captures.reduce((sum, { input }) => sum + (statSync(input, { throwIfNoEntry: false })?.size ?? 0), 0);
  const bar = new SingleBar({ format: '{bar} {percentage} %  {eta_formatted} left', stream: process.stderr, clearOnComplete: true, hideCursor: true });
  bar.start(total, 0);
  return (isDone) => {
    bar.update(sources.reduce((sum, source) => sum + source.octetsRead, 0));
    if (isDone) bar.stop();
  };
}

/** Says on stderr what did not go to its end; returns the exit status. */
function reportFailures({ sources, nameOf }: ReplayPorts, damaged: readonly string[]): number {
  let status = EXIT_OK;
  const say = (text: string, its: number): void => {
    process.stderr.write(`postern: ${text}\n`);
    status = Math.max(status, its);
  };
  for (const text of damaged) say(text, EXIT_RUNTIME);
  for (const source of sources) {
    const { failure, writeFailure } = source;
    if (failure !== null) say(`${nameOf(source)}: ${failure.message}`, failure.isFormat ? EXIT_USAGE : EXIT_RUNTIME);
    if (writeFailure !== null) say(`the output of ${nameOf(source)} is not complete: ${writeFailure}`, EXIT_RUNTIME);
  }
  return status;
}
