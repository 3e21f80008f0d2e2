// `postern replay`: captures in, captures out, under the capture's clock; the same path as `run`, frame for frame.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { SingleBar } from 'cli-progress';
import { formatJson, formatTable, makeReport } from '../console/report.ts';
import { EventPump } from '../engine/event-pump.ts';
import { ReplayEngine } from '../engine/replay-engine.ts';
import { BATCH } from '../frame/frames.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { CAPTURE_AREA } from '../port/capture-file.ts';
import { CommandError, EXIT_OK, EXIT_RUNTIME, EXIT_USAGE } from './errors.ts';
import { addEventOptions, closeEventLog, type EventOptions, openEventLog } from './event-output.ts';
import { installationFolder } from './installation.ts';
import { loadPolicy } from './load-policy.ts';
import { type ConsoleOptions, ReplayConsole } from './replay-console.ts';
import { runCaptures } from './replay-loop.ts';
import {
  type Capture,
  filtered,
  outsideOption,
  parsePortOption,
  type PortCapture,
  portsByInterface,
  portsOnOneWire,
  type ReplayPorts,
  type ReplaySource,
} from './replay-ports.ts';

const EXAMPLES = `
Examples:
  $ postern replay mail.pcap
  $ postern replay mail.pcapng --output inspected.pcap --checksum ignore --json
  $ postern replay --config rules/3640.cfg --port e2/0=outside.pcap:outside-out.pcap --port e2/1=inside.pcap:inside-out.pcap

Exit status: 0 done, 1 a damaged capture or a full disk, 2 wrong command line, configuration or kind of capture.`;

interface ReplayOptions extends EventOptions, ConsoleOptions {
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
  addEventOptions(program.command('replay'))
    .description('run captures through the firewall, under their own clock')
    .argument('[capture]', 'one capture taken on one wire (pcap or pcapng)')
    .option('-c, --config <file>', 'configuration (default for one capture: rules/transparent.cfg)')
    .option(
      '-p, --port <name=in[:out]>',
      'capture of an interface, and what it would have transmitted; once for each interface',
      collect,
      [],
    )
    .option('-o, --output <file>', 'with one capture: what leaves, of both directions')
    .option('--outside <mac|cidr>', 'with one capture: who is outside')
    .addOption(new Option('--checksum <mode>', 'transport checksums').choices(['verify', 'ignore']).default('verify'))
    .addOption(
      new Option('--arp <mode>', 'next hops: answer at once, or as the capture does')
        .choices(['synthetic', 'capture'])
        .default('synthetic'),
    )
    .option('--filter <expression>', 'only frames that pass this filter of libpcap (needs the optional package pcap)')
    .option(
      '--debug <what>',
      "messages of a debug command, for instance 'ip inspect smtp' or 'postern packet count 5'; may be repeated",
      collect,
      [],
    )
    .option('--log <file>', 'write the log to a file (with --debug alone: to stderr)')
    .option(
      '--exec <show>',
      "a display to print behind the last frame, for instance 'show ip inspect sessions'; may be repeated",
      collect,
      [],
    )
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
  const loaded = loadPolicy(config, { lenient: options.lenient, verifyChecksums: options.checksum === 'verify' });
  const { policy } = loaded;
  const { ports, total, damaged, engine, devices } = await open(capture, options, policy);
  warnOfMissingPorts(policy, engine);
  const progress = progressBar(ports.sources, total);
  const terminal = await ReplayConsole.open(options, loaded, engine, devices);
  const events = await openEventLog(options, policy, true);
  if (events !== null) engine.plane.setDropLog(true);
  const pump = new EventPump(engine.plane.events, engine.plane.counters);
  for (const sink of [terminal.sink, events]) if (sink !== null) pump.add(sink);
  const { elapsed, seconds } = runCaptures(engine, ports.sources, options.batch, {
    onProgress: progress.draw,
    onBatch: () => {
      pump.drain();
      terminal.sample();
    },
  });
  const logFailure = terminal.close();
  const eventsWritten = await closeEventLog(events);
  progress.stop();
  const report = makeReport(engine.plane.counters, elapsed, seconds);
  process.stdout.write(await terminal.show());
  process.stdout.write(options.json ? formatJson(report) : formatTable(report));
  const status = reportFailures(ports, logFailure === null ? damaged : [...damaged, `the log is not complete: ${logFailure}`]);
  return eventsWritten ? status : Math.max(status, EXIT_RUNTIME);
}

function refuseContradictions(capture: string | undefined, options: ReplayOptions): void {
  if (capture === undefined && options.port.length === 0)
    throw new CommandError('a capture is wanted, or --config and --port NAME=IN[:OUT]');
  if (capture !== undefined && options.port.length > 0) throw new CommandError('either one capture or --port, not both');
  if (options.port.length === 0) return;
  if (options.config === undefined) throw new CommandError('--port needs --config');
  if (options.output !== undefined || options.outside !== undefined) {
    throw new CommandError('--output and --outside go with one capture; with --port each interface has an output of its own (NAME=IN:OUT)');
  }
}

interface Opened {
  readonly ports: ReplayPorts;
  readonly engine: ReplayEngine;
  /** Octets of all captures; 0 where it is not known. */
  readonly total: number;
  /** Captures that libpcap could not read to their end. */
  readonly damaged: readonly string[];
  /** The capture of each interface, by interface index. */
  readonly devices: readonly (string | null)[];
}

/** What the user calls the capture of an interface; one that was taken on one wire is that of both. */
function captureOf(name: string, captures: readonly Capture[]): string {
  return (captures.find((capture) => (capture as PortCapture).interface === name) ?? captures[0]!).name;
}

/** Opens the captures, filtered where that is asked for, and makes the engine over them. */
async function open(capture: string | undefined, options: ReplayOptions, policy: PolicySnapshot): Promise<Opened> {
  const outside = outsideOption(options.outside);
  const wanted: readonly Capture[] =
    capture === undefined
      ? options.port.map((text) => parsePortOption(text, policy))
      : [{ name: capture, input: capture, output: options.output ?? null }];
  const { captures, damaged, remove } =
    options.filter === undefined ? { captures: wanted, damaged: [], remove: () => {} } : await filtered(wanted, options.filter);
  try {
    const ports =
      capture === undefined ? portsByInterface(captures as readonly PortCapture[]) : portsOnOneWire(captures[0]!, policy, outside);
    const engine = new ReplayEngine({ policy, ports: ports.make, portOctets: CAPTURE_AREA, syntheticArp: options.arp === 'synthetic' });
    engine.plane.macTable.learning = !ports.isOneWire;
    const total = (captures as readonly Capture[]).reduce(
      (sum: number, { input }) => sum + (statSync(input, { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
    return {
      ports,
      engine,
      total,
      damaged,
      devices: policy.interfaces.map(({ name }, i) => (engine.ports[i] === null ? null : captureOf(name, captures))),
    };
  } finally {
    // What is open stays readable.
    remove();
  }
}

function warnOfMissingPorts(policy: PolicySnapshot, engine: ReplayEngine): void {
  policy.interfaces.forEach(({ name, enabled }, i) => {
    if (enabled && engine.ports[i] === null) process.stderr.write(`postern: warning: ${name} has no capture and counts as down\n`);
  });
}

/** Draws how much of the captures was read, on a terminal. */
function progressBar(sources: readonly ReplaySource[], total: number): { draw: () => void; stop: () => void } {
  if (process.stderr.isTTY !== true || total === 0) return { draw: () => {}, stop: () => {} };
  const bar = new SingleBar({
    format: '{bar} {percentage} %  {eta_formatted} left',
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  bar.start(total, 0);
  return { draw: () => bar.update(sources.reduce((sum, source) => sum + source.octetsRead, 0)), stop: () => bar.stop() };
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
