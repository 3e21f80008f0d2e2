// Real mail through `postern run`: Postfix on the inside host, swaks, smtp-source and probes on the outside host.
//
// Three namespaces joined by two veth pairs; routed under the reference configuration and transparent, with the hosts'
// offloads on (partial checksums and super-frames arrive) and off (every checksum on the wire can be verified).
// Needs root and the packages that .ci/run installs; switched on by POSTERN_LAB=1.

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readDatagrams, streamOctets, wrongChecksum } from './captured.ts';
import { deliveredBodies, emptyMailbox, preparePostfix, readLog } from './postfix.ts';
import { PEER, POSTERN, Program, peer, ROOT, runIn } from './programs.ts';

/** All of it takes about a minute on two idle cores. */
t.setTimeout(540_000);

const skip = process.env['POSTERN_LAB'] === '1' ? false : 'needs POSTERN_LAB=1, root and the packages of .ci/run';

/** Load of the second part: mails, parallel sessions, octets a mail. */
const MAILS = 400;
const PARALLEL = 20;
const MAIL_OCTETS = 20_000;

interface Topology {
  readonly name: string;
  readonly config: string;
  readonly outside: string;
  readonly inside: string;
  /** Further addresses of the inside host. */
  readonly insideMore: readonly string[];
  /** Where the outside host finds the mail server. */
  readonly server: string;
  /** [host, route] pairs. */
  readonly routes: readonly (readonly ['outside' | 'inside', string, string])[];
}

const ROUTED: Topology = {
  name: 'routed',
  config: 'rules/3640.cfg',
  outside: '172.22.1.1',
  inside: '10.10.10.2',
  insideMore: ['10.10.10.5', '10.10.10.7'],
  server: '172.22.1.110',
  routes: [
    ['inside', 'default', '10.10.10.1'],
    ['outside', '10.10.10.0/24', '172.22.1.16'],
  ],
};

const TRANSPARENT: Topology = {
  name: 'transparent',
  config: 'rules/transparent.cfg',
  outside: '192.0.2.1',
  inside: '192.0.2.2',
  insideMore: [],
  server: '192.0.2.2',
  routes: [],
};

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Labs that are not removed yet; a run that is ended early removes them on its way out. */
const standing = new Set<Lab>();
process.on('exit', () => {
  for (const lab of standing) lab.remove();
});
process.once('SIGTERM', () => process.exit(1));

/** One network with everything that runs in it. */
class Lab {
  readonly outside: string;
  readonly firewall: string;
  readonly inside: string;
  readonly folder: string;
  private readonly topology: Topology;
  /** In the order of starting. */
  private readonly programs: Program[] = [];

  constructor(topology: Topology, offloads: boolean) {
    this.topology = topology;
    const prefix = `pm${process.pid}${topology.name[0]}${offloads ? 1 : 0}`;
    this.outside = `${prefix}-o`;
    this.firewall = `${prefix}-f`;
    this.inside = `${prefix}-i`;
    this.folder = mkdtempSync(join(tmpdir(), 'postern-lab-'));
    chmodSync(this.folder, 0o755);
    standing.add(this);
    for (const name of [this.outside, this.firewall, this.inside]) {
      ip('netns', 'add', name);
      ip('-n', name, 'link', 'set', 'lo', 'up');
    }
    ip('link', 'add', 'eth0', 'netns', this.outside, 'type', 'veth', 'peer', 'name', 'outside0', 'netns', this.firewall);
    ip('link', 'add', 'eth0', 'netns', this.inside, 'type', 'veth', 'peer', 'name', 'inside0', 'netns', this.firewall);
    ip('-n', this.outside, 'address', 'add', `${topology.outside}/24`, 'dev', 'eth0');
    for (const address of [topology.inside, ...topology.insideMore]) ip('-n', this.inside, 'address', 'add', `${address}/24`, 'dev', 'eth0');
    for (const name of [this.outside, this.inside]) {
      if (!offloads) execFileSync('ip', ['netns', 'exec', name, 'ethtool', '-K', 'eth0', 'rx', 'off', 'tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off']);
      ip('-n', name, 'link', 'set', 'eth0', 'up');
    }
    ip('-n', this.firewall, 'link', 'set', 'outside0', 'up');
    ip('-n', this.firewall, 'link', 'set', 'inside0', 'up');
    for (const [host, to, via] of topology.routes) ip('-n', this[host], 'route', 'add', to, 'via', via);
  }

  start(name: string, namespace: string, command: readonly string[], stopCommand: readonly string[] | null = null): Program {
    const program = new Program(name, namespace, command, stopCommand);
    this.programs.push(program);
    return program;
  }

  async startPostfix(): Promise<void> {
    preparePostfix(this.folder);
    const command = ['postfix', '-c', join(this.folder, 'etc')];
    const postfix = this.start('postfix', this.inside, [...command, 'start-fg'], [...command, 'stop']);
    await postfix.until(() => readLog(this.folder).includes('daemon started'), 'start of Postfix', 20);
  }

  async startPostern(...more: string[]): Promise<Program> {
    const names = this.topology.name === 'routed' ? ['Ethernet2/0', 'Ethernet2/1'] : readBridgeInterfaces();
    const ports = ['--port', `${names[0]}=outside0`, '--port', `${names[1]}=inside0`];
    const command = [process.execPath, POSTERN, 'run', '--config', join(ROOT, this.topology.config), ...ports, '--json', ...more];
    const postern = this.start('postern run', this.firewall, command);
    await postern.until(() => /^ready\b/m.test(postern.stderr), 'ready', 20);
    return postern;
  }

  async startCapture(host: 'outside' | 'inside'): Promise<string> {
    const file = join(this.folder, `${host}.pcap`);
    const command = ['tcpdump', '-i', 'eth0', '-n', '-U', '-s', '0', '-B', '65536', '--immediate-mode', '-Z', 'root', '-w', file, 'ip'];
    const tcpdump = this.start(`tcpdump ${host}`, this[host], command);
    await tcpdump.until(() => tcpdump.stderr.includes('listening on'), 'listening', 10);
    return file;
  }

  /** Stops programs in the order client (all others), postern, server: the reverse of starting. */
  async stop(): Promise<void> {
    for (const program of this.programs.reverse()) await program.stop();
  }

  remove(): void {
    for (const name of [this.outside, this.firewall, this.inside]) {
      const pids = execFileSync('sh', ['-c', `ip netns pids ${name} 2>/dev/null || true`], { encoding: 'utf8' });
      for (const pid of pids.split('\n').filter(Boolean)) {
        try {
          process.kill(Number(pid), 'SIGKILL');
        } catch {
          // It ended meanwhile.
        }
      }
      execFileSync('sh', ['-c', `ip netns del ${name} 2>/dev/null || true`]);
    }
    rmSync(this.folder, { recursive: true, force: true });
    standing.delete(this);
  }
}

/** Names of the two interfaces of rules/transparent.cfg, in order. */
function readBridgeInterfaces(): string[] {
  const text = readFileSync(join(ROOT, TRANSPARENT.config), 'utf8');
  return [...text.matchAll(/^interface (\S+)/gm)].map((match) => match[1]!).slice(0, 2);
}

async function withLab(topology: Topology, offloads: boolean, work: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = new Lab(topology, offloads);
  try {
    await work(lab);
  } finally {
    await lab.stop();
    lab.remove();
  }
}

/** Text of printable characters and line starts that a mail path gets wrong first: a dot alone, From, long lines. */
function makeBody(octets: number, seed: number): string {
  const lines: string[] = [];
  let state = seed;
  for (let length = 0; length < octets; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const width = state % 900;
    let line = ['', '.', '..', 'EXPN root ', 'QUIT', 'RSET '][(state >>> 24) % 6]!;
    while (line.length < width) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const octet = 33 + ((state >>> 16) % 94);
      // swaks reads a backslash and a per cent sign in its own way.
      line += octet === 0x5c || octet === 0x25 ? '-' : String.fromCharCode(octet);
    }
    lines.push(line);
    length += line.length + 2;
  }
  return `${lines.join('\n')}\n`;
}

async function sendOne(t: Test, lab: Lab, server: string, body: string): Promise<void> {
  const file = join(lab.folder, 'body');
  writeFileSync(file, `From: a@client.example\nTo: b@mail.example\nSubject: body\n\n${body}`, 'latin1');
  const args = ['--server', server, '--helo', 'client.example', '--from', 'a@client.example', '--to', 'b@mail.example', '--data', `@${file}`];
  const swaks = await runIn(lab.outside, ['swaks', '--hide-all', ...args], 60);
  t.equal(swaks.status, 0, `swaks ${swaks.stdout}${swaks.stderr}`);
  const bodies = await deliveredBodies(lab.folder, 1, 30);
  t.equal(bodies.length, 1, 'delivered');
  t.ok(bodies[0]?.trimEnd() === body.trimEnd(), `${body.length} octets of body arrive as they were sent`);
  emptyMailbox(lab.folder);
}

/** What `smtp-source -l` sends: lines of 80 octets with their line ends, numbered modulo 10, and one of 80 X. */
function smtpSourceBody(): string {
  const lines = Array.from({ length: MAIL_OCTETS / 80 - 1 }, (_, i) => `${(i + 1) % 10}${'X'.repeat(77)}`);
  return [...lines, 'X'.repeat(80)].join('\n');
}

async function sendMany(t: Test, lab: Lab, server: string): Promise<void> {
  const args = ['-s', `${PARALLEL}`, '-m', `${MAILS}`, '-l', `${MAIL_OCTETS}`, '-f', 'a@client.example', '-t', 'b@mail.example', `${server}:25`];
  const source = await runIn(lab.outside, ['smtp-source', ...args], 120);
  t.equal(source.status, 0, `smtp-source ${source.stderr}`);
  const bodies = await deliveredBodies(lab.folder, MAILS, 60);
  t.equal(bodies.length, MAILS, 'all mails delivered');
  t.equal(new Set(bodies).size, 1, 'with one and the same body');
  t.equal(bodies[0]?.trimEnd(), smtpSourceBody(), 'which is that of smtp-source');
  emptyMailbox(lab.folder);
}

/** An illegal command between legal ones; what the server's host captured says what arrived. */
async function sendIllegal(t: Test, lab: Lab, topology: Topology, insideCapture: string): Promise<void> {
  const result = await peer(lab.outside, 'smtp', topology.server, 'HELO client.example', 'EXPN root', 'NOOP', 'QUIT');
  const replies = (result['replies'] ?? []) as string[];
  t.same(
    replies.map((reply) => reply.slice(0, 3)),
    ['220', '250', '500', '250', '221'],
    `replies ${JSON.stringify(result)}`,
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  const arrived = streamOctets(readDatagrams(insideCapture), topology.outside, Number(result['localPort'])).toString('latin1');
  t.equal(arrived, 'HELO client.example\r\nxxxxxxxxx\r\nNOOP\r\nQUIT\r\n', 'what reached the server');
}

interface Totals {
  frames: { received: number; transmitted: number; dropped: number; held: number; consumed: number; generated: number };
  drops: Record<string, number>;
  sessions: { opened: number; closed: number; current: number };
  inspect: { commands: number; maskedCommands: number };
}

/** Ends the firewall and holds its totals against what was sent through it. */
async function checkTotals(t: Test, postern: Program, sessions: number, masked: number): Promise<void> {
  await postern.stop('SIGINT', 10);
  t.equal(postern.ended, 0, `postern run ends with status 0: ${postern.stderr}`);
  const { frames, drops, sessions: counted, inspect } = JSON.parse(postern.stdout) as Totals;
  t.equal(frames.received + frames.generated, frames.transmitted + frames.dropped + frames.held + frames.consumed, 'conservation');
  const sum = Object.values(drops).reduce((a, b) => a + b, 0);
  t.equal(sum, frames.dropped, 'each dropped frame has one reason');
  t.ok(counted.opened >= sessions, `${counted.opened} sessions opened, at least ${sessions}`);
  t.equal(inspect.maskedCommands, masked, 'masked commands');
}

async function checkMail(t: Test, topology: Topology, offloads: boolean): Promise<void> {
  await withLab(topology, offloads, async (lab) => {
    await lab.startPostfix();
    const postern = await lab.startPostern();
    const captures = [await lab.startCapture('outside'), await lab.startCapture('inside')];
    await sendOne(t, lab, topology.server, makeBody(3_000, 1));
    await sendOne(t, lab, topology.server, makeBody(2_000_000, 2));
    await sendIllegal(t, lab, topology, captures[1]!);
    await sendMany(t, lab, topology.server);
    if (!offloads) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      for (const file of captures) {
        const datagrams = readDatagrams(file);
        t.ok(datagrams.length > MAILS * 10, `${datagrams.length} datagrams captured`);
        t.same(datagrams.map(wrongChecksum).filter(Boolean).slice(0, 5), [], 'every checksum is right');
      }
    }
    // Under `smtp` swaks' EHLO is masked as well, once a mail.
    await checkTotals(t, postern, 4, topology === ROUTED ? 3 : 1);
  });
}

for (const topology of [ROUTED, TRANSPARENT]) {
  for (const offloads of [true, false]) {
    t.test(`mail to Postfix, ${topology.name}, offloads ${offloads ? 'on' : 'off'}`, { skip }, (t) => checkMail(t, topology, offloads));
  }
}

/** Sends one datagram of another IP protocol, and says how many of them the other host saw within a second. */
async function passesProtocol(lab: Lab, from: 'outside' | 'inside', to: string, protocol: number): Promise<boolean> {
  const receiver = from === 'outside' ? 'inside' : 'outside';
  const command = ['timeout', '3', 'tcpdump', '-i', 'eth0', '-n', '-c', '1', '-Q', 'in', `ip proto ${protocol}`];
  const tcpdump = lab.start('tcpdump', lab[receiver], command);
  await tcpdump.until(() => tcpdump.stderr.includes('listening on'), 'listening', 10);
  const script = `import socket; s = socket.socket(socket.AF_INET, socket.SOCK_RAW, ${protocol}); s.sendto(b"postern lab", ("${to}", 0))`;
  await runIn(lab[from], ['python3', '-c', script]);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const seen = tcpdump.stderr.includes('1 packet captured');
  await tcpdump.stop('SIGINT', 2);
  return seen;
}

t.test('verdict by flow under the reference configuration', { skip }, async (t) => {
  await withLab(ROUTED, false, async (lab) => {
    const servers = [lab.start('peer inside', lab.inside, [process.execPath, PEER, 'serve']), lab.start('peer outside', lab.outside, [process.execPath, PEER, 'serve'])];
    for (const server of servers) await server.until(() => server.stdout.includes('ready'), 'ready', 10);
    await lab.startPostern();
    const outsideCapture = await lab.startCapture('outside');

    t.match(await peer(lab.outside, 'smtp', '172.22.1.110', 'NOOP'), { replies: ['220 peer', '250 got NOOP'] }, 'outside to .110:25');
    for (const [host, port] of [['172.22.1.110', '7'], ['172.22.1.111', '25'], ['172.22.1.16', '23'], ['10.10.10.2', '25']] as const) {
      t.match(await peer(lab.outside, 'tcp', host, port), { error: /EHOSTUNREACH|EACCES|timeout/ }, `outside to ${host}:${port} is denied`);
    }
    t.match(await peer(lab.outside, 'udp', '172.22.1.110', '7'), { error: /./ }, 'outside to .110 over UDP is denied');
    t.not((await runIn(lab.outside, ['ping', '-c', '1', '-W', '1', '172.22.1.16'])).status, 0, 'the list stands before the router too');

    t.same(await peer(lab.inside, 'tcp', '172.22.1.1', '7', '10.10.10.2'), { answer: '172.22.1.110' }, 'TCP from .2 leaves as .110');
    t.same(await peer(lab.inside, 'udp', '172.22.1.1', '7', '10.10.10.5'), { answer: '172.22.1.111' }, 'UDP from .5 leaves as .111');
    t.same(await peer(lab.inside, 'tcp', '172.22.1.1', '7', '10.10.10.7'), { answer: '10.10.10.7' }, 'others keep their private address');
    t.equal((await runIn(lab.inside, ['ping', '-c', '1', '-W', '2', '172.22.1.1'])).status, 0, 'ICMP echo is inspected: the reply comes back');
    t.match(
      await peer(lab.inside, 'smtp', '172.22.1.1', 'EXPN root'),
      { replies: ['220 peer', '250 got EXPN root'] },
      'mail from inside is inspected as TCP only',
    );
    t.match(await peer(lab.inside, 'tcp', '172.22.1.110', '7', '10.10.10.2'), { error: /./ }, 'no translation without crossing the outside interface');

    t.ok(await passesProtocol(lab, 'inside', '172.22.1.1', 47), 'GRE leaves');
    t.notOk(await passesProtocol(lab, 'outside', '172.22.1.110', 47), 'GRE does not come back');

    const denied = readDatagrams(outsideCapture).filter(({ octets, headerLength, source, protocol }) => {
      return protocol === 1 && source === '172.22.1.16' && octets[headerLength] === 3 && octets[headerLength + 1] === 13;
    });
    t.ok(denied.length > 0, 'denials are answered with ICMP unreachable, administratively prohibited');
  });
});

t.test('what run changes on its ports is restored', { skip }, async (t) => {
  await withLab(ROUTED, true, async (lab) => {
    const read = async () => {
      const command = 'cat /proc/sys/net/ipv6/conf/outside0/disable_ipv6; ethtool -k outside0; ip -d link show dev outside0';
      return (await runIn(lab.firewall, ['sh', '-c', command])).stdout;
    };
    const before = await read();
    const postern = await lab.startPostern();
    t.not(await read(), before, 'it changes something');
    await postern.stop('SIGTERM', 10);
    t.equal(postern.ended, 0);
    t.equal(await read(), before, 'and puts it back');
  });
});
