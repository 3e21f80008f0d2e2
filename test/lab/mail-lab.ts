// The lab of mail: an outside host, the firewall and an inside host with a mail server, and what all tests of mail ask of them.
//
// Three namespaces joined by two veth pairs, routed or transparent; the server is a private Postfix or Exim.

import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { Session, Step, Told } from './dialogue.ts';
import { prepareExim } from './exim.ts';
import { Lab, type Namespace } from './namespaces.ts';
import { preparePostfix, readLog } from './postfix.ts';
import { Program, ROOT, start, startPostern } from './programs.ts';

const DIALOGUE = fileURLToPath(new URL('./dialogue.js', import.meta.url));

/** Steps that every dialogue has. */
export const GREETING: Step = ['', 1];
export const EHLO: Step = ['EHLO client.example\r\n', 1];
export const QUIT: Step = ['QUIT\r\n', 1];
export const RECIPIENT = 'RCPT TO:<b@mail.example>';

export interface Topology {
  readonly name: string;
  readonly config: string;
  /** Names of the outside and the inside interface in the configuration. */
  readonly interfaces: readonly [string, string];
  readonly outside: string;
  /** Addresses of the inside host, the mail server's first. */
  readonly inside: readonly string[];
  /** Where the outside host finds the mail server. */
  readonly server: string;
}

export const ROUTED: Topology = {
  name: 'routed',
  config: 'rules/3640.cfg',
  interfaces: ['Ethernet2/0', 'Ethernet2/1'],
  outside: '172.22.1.1',
  inside: ['10.10.10.2', '10.10.10.5', '10.10.10.7'],
  server: '172.22.1.110',
};

export const TRANSPARENT: Topology = {
  name: 'transparent',
  config: 'rules/transparent.cfg',
  interfaces: ['Ethernet0', 'Ethernet1'],
  outside: '192.0.2.1',
  inside: ['192.0.2.2'],
  server: '192.0.2.2',
};

/** Outside host, firewall and inside host, and a folder for files. */
export class MailLab {
  readonly topology: Topology;
  readonly outside: Namespace;
  readonly firewall: Namespace;
  readonly inside: Namespace;
  readonly folder = mkdtempSync(join(tmpdir(), 'postern-lab-'));
  private readonly lab = new Lab();

  constructor(topology: Topology, offloads: 'on' | 'off') {
    this.topology = topology;
    chmodSync(this.folder, 0o755);
    this.outside = this.lab.namespace('outside');
    this.firewall = this.lab.namespace('firewall');
    this.inside = this.lab.namespace('inside');
    this.lab.link(this.outside, 'eth0', this.firewall, 'outside0');
    this.lab.link(this.inside, 'eth0', this.firewall, 'inside0');
    this.outside.address('eth0', `${topology.outside}/24`);
    for (const address of topology.inside) this.inside.address('eth0', `${address}/24`);
    this.outside.offloads('eth0', offloads);
    this.inside.offloads('eth0', offloads);
    if (topology !== ROUTED) return;
    this.inside.route('default', '10.10.10.1');
    this.outside.route('10.10.10.0/24', '172.22.1.16');
  }

  /** `isExtended`: with every extension that it has. */
  async startPostfix(isExtended = false): Promise<void> {
    preparePostfix(this.folder, isExtended);
    const postfix = start('postfix', this.inside, 'postfix', ['-c', join(this.folder, 'etc'), 'start-fg']);
    await postfix.until(() => readLog(this.folder).includes('daemon started'), 'start', 20);
  }

  async startExim(program: string): Promise<void> {
    const [command, ...args] = prepareExim(program, this.folder);
    const exim = start('exim', this.inside, command!, args);
    await exim.until(() => this.inside.run('ss', ['-Hltn', 'sport', '=', ':25']).stdout !== '', 'listening', 20);
  }

  async startPostern(): Promise<Program> {
    const [outside, inside] = this.topology.interfaces;
    const ports = ['--port', `${outside}=outside0`, '--port', `${inside}=inside0`];
    const postern = startPostern(this.firewall, ['run', '--config', join(ROOT, this.topology.config), ...ports, '--json']);
    await postern.until(() => /\bready$/m.test(postern.stderr), 'ready', 20);
    return postern;
  }

  /** Captures a host's IPv4 frames into a file that is written frame by frame. */
  async startCapture(host: 'outside' | 'inside'): Promise<string> {
    const file = join(this.folder, `${host}.pcap`);
    const args = ['-i', 'eth0', '-n', '-U', '-s', '0', '-B', '65536', '--immediate-mode', '-Z', 'root', '-w', file, 'ip'];
    const tcpdump = start(`tcpdump ${host}`, this[host], 'tcpdump', args);
    await tcpdump.until(() => tcpdump.stderr.includes('listening on'), 'listening', 10);
    return file;
  }

  /** Holds dialogues with the mail server, eight at a time; what was answered, in the order of the sessions. */
  async converse(sessions: readonly Session[], from = this.outside, server = this.topology.server): Promise<Told[]> {
    const args = [server, JSON.stringify(sessions)];
    const client = new Program('dialogue', from.node(DIALOGUE, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
    await client.until(() => client.stdout.endsWith('\n'), 'end of the dialogues', 60);
    return JSON.parse(client.stdout) as Told[];
  }

  remove(): void {
    this.lab.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs `work` in a lab of its own, which is removed whatever happens. */
export async function withLab(topology: Topology, offloads: 'on' | 'off', work: (lab: MailLab) => Promise<void>): Promise<void> {
  const lab = new MailLab(topology, offloads);
  try {
    await work(lab);
  } finally {
    lab.remove();
  }
}

interface Totals {
  frames: { received: number; transmitted: number; dropped: number; held: number; consumed: number; generated: number };
  drops: Record<string, number>;
  sessions: { opened: number; closed: number; current: number };
  inspect: { commands: number; maskedCommands: number };
}

/** Ends the firewall and holds its totals against what was sent through it. */
export async function checkTotals(t: Test, postern: Program, sessions: number, masked: number): Promise<void> {
  await postern.stop();
  t.equal(postern.ended, 0, `postern run ends with status 0: ${postern.stderr}`);
  const { frames, drops, sessions: counted, inspect } = JSON.parse(postern.stdout) as Totals;
  t.equal(frames.received + frames.generated, frames.transmitted + frames.dropped + frames.held + frames.consumed, 'conservation');
  const sum = Object.values(drops).reduce((a, b) => a + b, 0);
  t.equal(sum, frames.dropped, 'each dropped frame has one reason');
  t.ok(counted.opened >= sessions, `${counted.opened} sessions opened, at least ${sessions}`);
  t.equal(inspect.maskedCommands, masked, 'masked commands');
}
