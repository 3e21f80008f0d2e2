// `postern run`: inline between two interfaces of this machine, until SIGINT or SIGTERM.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { matchInterfaceName } from '../config/language/interface-name.ts';
import { formatJson, formatTable, makeReport } from '../console/report.ts';
import type { ConsoleServer } from '../engine/console-server.ts';
import { EventPump } from '../engine/event-pump.ts';
import { compileForLongRun } from '../engine/v8-flags.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { type FaultSpec, parseFaultSpec } from '../port/fault.ts';
import type { PreparedInterfaces, VnetMode } from '../port/interface-settings.ts';
import type { EventNames } from '../telemetry/event-log.ts';
import { type Driver, DRIVERS, prepareFor, startEngine } from './driver.ts';
import { CommandError, EXIT_OK, EXIT_RUNTIME } from './errors.ts';
import { addEventOptions, closeEventLog, type EventOptions, openEventLog } from './event-output.ts';
import { type LoadedPolicy, loadPolicy } from './load-policy.ts';
import { serveConsole, takeSocket } from './run-console.ts';
import { untilSignal } from './stop-signal.ts';

const EXAMPLES = `
Examples:
  $ postern run --config rules/3640.cfg --port Ethernet2/0=eth1 --port Ethernet2/1=eth2
  $ postern run --config rules/transparent.cfg --port e0=eth1 --port e1=eth2 --json

The interfaces must have no IP address and belong to no bridge: they are the firewall's alone while it runs, and are put back
as they were when it ends (\`postern doctor --restore\` does it after a kill).  \`postern console\`, \`postern exec\` and
\`postern reload\` reach it by its console socket; SIGHUP reads the configuration again.

Exit status: 0 stopped by SIGINT or SIGTERM, 1 failed while running, 2 wrong command line, configuration or interface.`;

interface RunOptions extends EventOptions {
  readonly config: string;
  readonly port: readonly string[];
  readonly driver: Driver;
  readonly vnet: VnetMode;
  readonly spin: 'auto' | number;
  readonly checksum: 'verify' | 'ignore';
  readonly fault?: FaultSpec;
  readonly socket?: string;
  readonly json: boolean;
  readonly lenient: boolean;
}

/** Adds the subcommand. */
export function register(program: Command): void {
  addEventOptions(program.command('run'))
    .description('run inline between two network interfaces')
    .requiredOption('-c, --config <file>', 'configuration')
    .requiredOption(
      '-p, --port <name=interface>',
      'interface of this machine for an interface of the configuration; once for each',
      collect,
      [],
    )
    .addOption(
      new Option('--driver <driver>', 'packet rings, or the slower libpcap where there are none').choices([...DRIVERS]).default('rings'),
    )
    .addOption(new Option('--vnet <mode>', 'partial checksums and super-frames').choices(['auto', 'on', 'off']).default('auto'))
    .option('--spin <auto|microseconds>', 'how long to look for frames before sleeping', parseSpin, 'auto')
    .addOption(new Option('--checksum <mode>', 'transport checksums').choices(['verify', 'ignore']).default('verify'))
    .addOption(new Option('--fault <spec>', 'for tests: a bad line in front of each port').argParser(parseFault).hideHelp())
    .option('-s, --socket <path|none>', 'console socket (default: below /run/postern, one for each network namespace)')
    .option('--json', 'print the totals as one JSON object', false)
    .option('--lenient', 'run although lines of the configuration were rejected', false)
    .addHelpText('after', EXAMPLES)
    .action(async (options: RunOptions) => {
      process.exitCode = await run(options);
    });
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function parseSpin(text: string): 'auto' | number {
  if (text === 'auto') return text;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 1_000_000) throw new InvalidArgumentError('auto, or 0 to 1000000 microseconds.');
  return value;
}

function parseFault(text: string): FaultSpec {
  try {
    return parseFaultSpec(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

async function run(options: RunOptions): Promise<number> {
  compileForLongRun();
  const stopped = untilSignal();
  const loaded = loadPolicy(options.config, { lenient: options.lenient, verifyChecksums: options.checksum === 'verify' });
  const devices = attach(options.port, loaded.policy);
  const server = await takeSocket(options.socket);
  try {
    return await runBetween(devices, loaded, server, stopped, options);
  } finally {
    await server?.close();
  }
}

async function runBetween(
  devices: readonly (string | null)[],
  loaded: LoadedPolicy,
  server: ConsoleServer | null,
  stopped: Promise<null>,
  options: RunOptions,
): Promise<number> {
  const prepared = prepareFor(
    options.driver,
    devices.filter((device) => device !== null),
    options.vnet,
  );
  try {
    return await forwardUntilSignal(loaded, devices, prepared, server, stopped, options);
  } finally {
    prepared.restore();
  }
}

/** Interface of the machine by interface index.  Throws a CommandError. */
function attach(ports: readonly string[], policy: PolicySnapshot): (string | null)[] {
  const devices: (string | null)[] = policy.interfaces.map(() => null);
  const names = policy.interfaces.map((entry) => entry.name);
  for (const text of ports) {
    const [, written = '', device = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    if (device === '') throw new CommandError(`--port ${text}: NAME=INTERFACE is wanted, for instance e2/0=eth1`);
    const index = names.indexOf(matchInterfaceName(written) ?? '');
    if (index < 0)
      throw new CommandError(`--port ${text}: the configuration has no interface ${written} (it has ${names.join(', ') || 'none'})`);
    if (devices[index] !== null) throw new CommandError(`two --port options for ${names[index]}`);
    if (devices.includes(device)) throw new CommandError(`--port ${text}: ${device} is already taken`);
    devices[index] = device;
  }
  policy.interfaces.forEach(({ name, enabled }, i) => {
    if (enabled && devices[i] === null) process.stderr.write(`postern: warning: ${name} has no --port and counts as down\n`);
  });
  return devices;
}

/** Names for the event log: those of the policy in force. */
class PolicyNames implements EventNames {
  private policy: PolicySnapshot;

  constructor(policy: PolicySnapshot) {
    this.policy = policy;
  }

  readonly install = (policy: PolicySnapshot): void => {
    this.policy = policy;
  };

  get interfaces(): PolicySnapshot['interfaces'] {
    return this.policy.interfaces;
  }

  get rules(): PolicySnapshot['rules'] {
    return this.policy.rules;
  }

  get accessLists(): PolicySnapshot['accessLists'] {
    return this.policy.accessLists;
  }
}

async function forwardUntilSignal(
  { configuration, policy }: LoadedPolicy,
  devices: readonly (string | null)[],
  prepared: PreparedInterfaces,
  server: ConsoleServer | null,
  stopped: Promise<null>,
  options: RunOptions,
): Promise<number> {
  const names = new PolicyNames(policy);
  const events = await openEventLog(options, names, false);
  const started = performance.now();
  const engine = await startEngine(options.driver, {
    policy,
    devices,
    vnet: prepared.vnet,
    bypassQdisc: prepared.bypassQdisc,
    spin: options.spin,
    fault: options.fault ?? null,
  });
  const failed = new Promise<string>((resolve) => {
    engine.onFailure = resolve;
  });
  const pump = new EventPump(engine.events, engine.counters);
  if (events !== null) {
    pump.add(events);
    await engine.ask({ kind: 'log-drops', on: true });
  }
  pump.start();
  const plane = { engine, configuration, policy, file: options.config, devices, onInstalled: names.install };
  const stopConsole = serveConsole(server, pump, plane, options.lenient);
  process.stderr.write('postern: ready\n');
  const failure = await Promise.race([stopped, failed]);
  await engine.stop();
  pump.stop();
  stopConsole();
  const eventsWritten = await closeEventLog(events);
  const seconds = (performance.now() - started) / 1000;
  const report = makeReport(engine.counters, seconds, seconds);
  process.stdout.write(options.json ? formatJson(report) : formatTable(report));
  if (failure === null) return eventsWritten ? EXIT_OK : EXIT_RUNTIME;
  process.stderr.write(`postern: ${failure}\n`);
  return EXIT_RUNTIME;
}
