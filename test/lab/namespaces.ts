// Network namespaces for the lab and for the demonstration: made, wired with veth pairs, and always removed again.
//
// Names carry the process id (postern-LABEL-PID-NUMBER), so that labs run side by side and what a killed process left is found by the
// next one.  Children run in process groups of their own and are stopped in the reverse order of their starting: client,
// postern, server; then the namespaces go.
// Needs iproute2; ethtool for offloads().

import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const PREFIX = 'postern';
const CAP_NET_ADMIN = 12;
const CAP_SYS_ADMIN = 21;
/** Longest time that a child gets between SIGTERM and SIGKILL, milliseconds. */
export const PATIENCE = 3000;

export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Why namespaces cannot be made here, or false. */
export function namespaceProblem(): string | false {
  const held = BigInt(`0x${readFileSync('/proc/self/status', 'utf8').match(/^CapEff:\s*([0-9a-f]+)/m)?.[1] ?? '0'}`);
  const has = (capability: number): boolean => (held & (1n << BigInt(capability))) !== 0n;
  if (!has(CAP_NET_ADMIN) || !has(CAP_SYS_ADMIN)) return 'namespaces need CAP_NET_ADMIN and CAP_SYS_ADMIN (root)';
  return spawnSync('ip', ['netns', 'list']).status === 0 ? false : 'namespaces need the program ip (iproute2)';
}

/** Why tests of the lab are skipped, or false. */
export function labSkipReason(): string | false {
  return process.env.POSTERN_LAB === '1' ? namespaceProblem() : 'the lab runs with POSTERN_LAB=1';
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** A child that has ended stays visible as a zombie until the event loop turns. */
function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ended meanwhile
  }
}

/** Asks the process group of a child that Namespace.spawn started to end, and does not wait for it. */
export function askToStop({ pid }: ChildProcess): void {
  if (pid !== undefined) signalGroup(pid, 'SIGTERM');
}

/** Ends the process group of a child that Namespace.spawn started; returns when it has ended. */
export function stop(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  signalGroup(pid, 'SIGTERM');
  for (let waited = 0; isRunning(pid) && waited < PATIENCE; waited += 10) sleep(10);
  signalGroup(pid, 'SIGKILL');
}

function run(command: string, args: readonly string[], timeout = 20_000): Result {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout });
  return { status, stdout: stdout ?? '', stderr: error ? String(error) : (stderr ?? '') };
}

function mustRun(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = run(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.trim() || `status ${status}`}`);
  return stdout;
}

export class Namespace {
  readonly name: string;
  private readonly children: ChildProcess[];

  constructor(name: string, children: ChildProcess[]) {
    this.name = name;
    this.children = children;
    mustRun('ip', ['netns', 'add', name]);
    this.ip('link', 'set', 'dev', 'lo', 'up');
  }

  /** `ip -n NAME ...`; its output.  Throws when it fails. */
  ip(...args: string[]): string {
    return mustRun('ip', ['-n', this.name, ...args]);
  }

  /** Runs a program in the namespace to its end, at most `timeout` milliseconds. */
  run(command: string, args: readonly string[], timeout = 20_000): Result {
    return run('ip', ['netns', 'exec', this.name, command, ...args], timeout);
  }

  /** Starts a program in the namespace, in a process group of its own; the lab stops it at its end. */
  spawn(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, command, ...args], { ...options, detached: true });
    this.children.push(child);
    return child;
  }

  /** Starts a Node program; test runners' NODE_OPTIONS are kept out of it. */
  node(script: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const env: NodeJS.ProcessEnv = { ...process.env, ...options.env };
    delete env.NODE_OPTIONS;
    return this.spawn(process.execPath, [script, ...args], { ...options, env });
  }

  /** `address` with prefix length. */
  address(device: string, address: string): void {
    this.ip('address', 'add', address, 'dev', device);
  }

  up(device: string): void {
    this.ip('link', 'set', 'dev', device, 'up');
  }

  down(device: string): void {
    this.ip('link', 'set', 'dev', device, 'down');
  }

  mac(device: string, mac: string): void {
    this.ip('link', 'set', 'dev', device, 'address', mac);
  }

  route(destination: string, via: string): void {
    this.ip('route', 'replace', destination, 'via', via);
  }

  /** Checksum and segmentation offload of this end, which decide what the other end receives. */
  offloads(device: string, state: 'on' | 'off'): void {
    const features = ['tx', 'rx', 'sg', 'tso', 'gso', 'gro'].flatMap((name) => [name, state]);
    const { status, stderr } = this.run('ethtool', ['-K', device, ...features]);
    if (status !== 0) throw new Error(`ethtool -K ${device}: ${stderr.trim()}`);
  }

  /** For the interfaces there are and those to come: no neighbour discovery in between. */
  disableIpv6(): void {
    for (const which of ['all', 'default']) {
      this.run('sh', ['-c', `echo 1 > /proc/sys/net/ipv6/conf/${which}/disable_ipv6`]);
    }
  }
}

const labs = new Set<Lab>();
let watching = false;
/** Namespaces made by this process. */
let made = 0;

function destroyAll(): void {
  for (const lab of labs) lab.destroy();
}

function watchEnd(): void {
  if (watching) return;
  watching = true;
  process.on('exit', destroyAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // Stays until all is removed: a terminal and npm both send the signal, and a second one must not end us half way.
    const end = (): void => {
      destroyAll();
      process.off(signal, end);
      process.kill(process.pid, signal);
    };
    process.on(signal, end);
  }
}

/** Removes a namespace and ends what still runs in it: daemons leave the process group that they were started in. */
function removeNamespace(name: string): void {
  for (const pid of run('ip', ['netns', 'pids', name]).stdout.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // ended meanwhile
    }
  }
  run('ip', ['netns', 'delete', name]);
}

/** Removes namespaces of processes that are no more. */
function removeStale(): void {
  for (const line of run('ip', ['netns', 'list']).stdout.split('\n')) {
    const match = line.match(/^(postern-[a-z0-9]+-(\d+)-\d+)\b/);
    if (match !== null && !isRunning(Number(match[2]))) removeNamespace(match[1]!);
  }
}

/** A set of namespaces of one purpose. */
export class Lab {
  private readonly names: string[] = [];
  private readonly children: ChildProcess[] = [];

  constructor() {
    removeStale();
    labs.add(this);
    watchEnd();
  }

  /** `label`: letters and digits. */
  namespace(label: string): Namespace {
    const name = `${PREFIX}-${label}-${process.pid}-${++made}`;
    this.names.push(name);
    return new Namespace(name, this.children);
  }

  /** A veth pair, both ends up. */
  link(a: Namespace, deviceA: string, b: Namespace, deviceB: string): void {
    a.ip('link', 'add', 'dev', deviceA, 'type', 'veth', 'peer', 'name', deviceB, 'netns', b.name);
    a.up(deviceA);
    b.up(deviceB);
  }

  /** Stops the children and removes the namespaces; may be called again. */
  destroy(): void {
    for (const child of this.children.splice(0).reverse()) stop(child);
    for (const name of this.names.splice(0)) removeNamespace(name);
    labs.delete(this);
  }
}
