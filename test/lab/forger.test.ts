// What a hostile host outside sends, and the reason for which each of it is dropped: raw-socket forges, a sniffer of cap looks on,
// `postern run` under the reference configuration counts, and its event log says which datagram it was.

import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { loadCap } from '../../native-bindings/cap.ts';
import { loadRawSocket } from '../../native-bindings/raw-socket.ts';
import { query, segment, userDatagram } from '../path/datagrams.ts';
import { datagramOf, fragment, icmpError, segmentLike, withOctet, withTtl } from './forged.ts';
import { Lab, labSkipReason, type Namespace } from './namespaces.ts';
import { Program, ROOT } from './programs.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const CLI = here('../../src/cli.js');

/** Why this cannot run, or false. */
function skipReason(): string | false {
  const lab = labSkipReason();
  if (lab !== false) return lab;
  try {
    loadRawSocket();
    loadCap();
    return false;
  } catch (error) {
    return (error as Error).message;
  }
}

const OUTSIDE = '172.22.1.1';
const SPOOFED = '172.22.1.50';
const SERVER = '172.22.1.110';
const SERVER_PORT = 25;

interface Case {
  readonly what: string;
  readonly datagrams: readonly Buffer[];
  /** Drops by reason. */
  readonly drops: Readonly<Record<string, number>>;
}

/** The connection that a real client has open, as its last acknowledgement on the wire showed it. */
interface Connection {
  readonly frame: Buffer;
  readonly port: number;
  readonly seq: number;
  readonly ack: number;
}

/** Every case has an identification of its own from 1000 on, and a port of its own. */
function cases(open: Connection): Case[] {
  const list: Case[] = [];
  const add = (what: string, drops: Record<string, number>, make: (id: number, sport: number) => readonly Buffer[]): void => {
    const id = 1000 + list.length;
    list.push({ what, drops, datagrams: make(id, 20_000 + list.length) });
  };
  const syn = { from: SPOOFED, to: SERVER, dport: SERVER_PORT, flags: 'S', seq: 77 };
  const inner = { from: SERVER, to: OUTSIDE, sport: SERVER_PORT, dport: open.port, flags: 'A' };

  add('a reset of no session', { 'tcp.midstream': 1 }, (id, sport) => [datagramOf(segment({ ...syn, sport, flags: 'R' }), id)]);
  add('an acknowledgement of no session', { 'tcp.midstream': 1 }, (id, sport) => [
    datagramOf(segment({ ...syn, sport, flags: 'A', ack: 5 }), id),
  ]);
  add('SYN and FIN', { 'tcp.bad-flags': 1 }, (id, sport) => [datagramOf(segment({ ...syn, sport, flags: 'SF' }), id)]);
  add('no control bit at all', { 'tcp.bad-flags': 1 }, (id, sport) => [datagramOf(segment({ ...syn, sport, flags: '' }), id)]);
  add('a SYN with a wrong checksum', { 'tcp.bad-checksum': 1 }, (id, sport) => [
    withOctet(datagramOf(segment({ ...syn, sport }), id), 15, 1),
  ]);
  add('a data offset of 4', { 'tcp.bad-offset': 1 }, (id, sport) => [withOctet(datagramOf(segment({ ...syn, sport }), id), 12, 0x40)]);
  add('the TTL used up', { 'ip.ttl-exceeded': 1 }, (id, sport) => [withTtl(datagramOf(segment({ ...syn, sport }), id), 1)]);
  add('the server as its own client', { 'ip.land': 1 }, (id, sport) => [datagramOf(segment({ ...syn, from: SERVER, sport }), id)]);
  add('an inside address from outside', { 'ip.martian': 1 }, (id, sport) => [
    datagramOf(segment({ ...syn, from: '10.10.10.77', sport }), id),
  ]);
  add('a loopback address', { 'ip.martian': 1 }, (id, sport) => [datagramOf(segment({ ...syn, from: '127.0.0.1', sport }), id)]);
  add('UDP to the mail server', { 'acl.denied': 1 }, (id, sport) => [
    datagramOf(userDatagram({ from: SPOOFED, to: SERVER, sport, dport: 25 }), id),
  ]);
  add('an echo reply nobody asked for', { 'acl.denied': 1 }, (id) => [
    datagramOf(query({ from: SPOOFED, to: SERVER, type: 0, ident: 9 }), id),
  ]);

  const reset = { from: OUTSIDE, to: SERVER, sport: open.port, dport: SERVER_PORT };
  add('a blind reset of the open session', { 'tcp.rst-invalid': 1 }, (id) => [
    datagramOf(segment({ ...reset, flags: 'R', seq: open.seq + 1000 }), id),
  ]);
  add('a blind SYN into it', { 'tcp.syn-in-established': 1 }, (id) => [
    datagramOf(segment({ ...reset, flags: 'S', seq: open.seq + 1000 }), id),
  ]);
  add('data without the timestamps that the connection has', { 'tcp.ts-missing': 1 }, (id) => [
    datagramOf(segment({ ...reset, flags: 'PA', seq: open.seq, ack: open.ack, data: 'RSET\r\n' }), id),
  ]);
  add('data beyond the window', { 'tcp.out-of-window': 1 }, (id) => [segmentLike(open.frame, id, 0x1000_0000, 0, 'RSET\r\n')]);
  add('an acknowledgement of what was never sent', { 'tcp.ack-unseen': 1 }, (id) => [segmentLike(open.frame, id, 0, 100_000, '')]);
  add('port unreachable about a segment outside its window', { 'icmp.bad-inner': 1 }, (id) => [
    icmpError(SPOOFED, SERVER, 3, 3, 0, { ...inner, seq: open.ack + 0x1000_0000 }, id),
  ]);
  add('fragmentation needed with an MTU of 68', { 'icmp.mtu-floor': 1 }, (id) => [
    icmpError(SPOOFED, SERVER, 3, 4, 68, { ...inner, seq: open.ack - 1 }, id),
  ]);
  add('an error about a session that does not exist', { 'acl.denied': 1 }, (id) => [
    icmpError(SPOOFED, SERVER, 3, 1, 0, { ...inner, dport: 999, seq: 5 }, id),
  ]);

  const long = (id: number, sport: number): Buffer =>
    datagramOf(segment({ ...syn, sport, flags: 'A', ack: 3, data: 'x'.repeat(100), df: false }), id);
  add('fragments that overlap with other octets', { 'ip.frag-overlap': 3 }, (id, sport) => [
    fragment(long(id, sport), 0, 64, true),
    fragment(withOctet(long(id, sport), 60, 0x79), 56, 96, true),
    fragment(long(id, sport), 96, 120, false),
  ]);
  add('a first fragment without the TCP header', { 'ip.frag-tiny': 1 }, (id, sport) => [fragment(long(id, sport), 0, 8, true)]);
  add('a fragment that begins inside the TCP header', { 'ip.frag-tiny': 1 }, (id, sport) => [fragment(long(id, sport), 8, 48, true)]);
  add('a middle fragment of 13 octets', { 'ip.frag-badlen': 1 }, (id, sport) => [fragment(long(id, sport), 32, 45, true)]);
  add('fragments of more than 65,535 octets', { 'ip.frag-oversize': 1 }, (id, sport) => [fragment(long(id, sport), 0, 64, false, 65_520)]);
  add('a first fragment whose rest never comes', { 'ip.frag-timeout': 1 }, (id, sport) => [fragment(long(id, sport), 0, 64, true)]);
  return list;
}

async function ask<T>(child: ChildProcess, what: string, value?: unknown): Promise<T> {
  child.send({ what, value });
  const [answer] = await once(child, 'message', { signal: AbortSignal.timeout(10_000) });
  return answer as T;
}

async function start(namespace: Namespace, script: string, args: readonly string[]): Promise<ChildProcess> {
  const child = namespace.node(here(script), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await once(child, 'message', { signal: AbortSignal.timeout(15_000) });
  return child;
}

/** The last segment of the client towards the mail server, of those that the sniffer saw. */
function lastSegment(frames: readonly string[]): Connection {
  const frame = Buffer.from(frames.at(-1) ?? '', 'hex');
  return { frame, port: frame.readUInt16BE(34), seq: frame.readUInt32BE(38), ack: frame.readUInt32BE(42) };
}

t.test('every forged datagram is dropped for its reason, and the mail goes on', { skip: skipReason(), timeout: 120_000 }, async (t) => {
  const lab = new Lab();
  const folder = mkdtempSync(join(tmpdir(), 'postern-forger-'));
  t.teardown(() => {
    lab.destroy();
    rmSync(folder, { recursive: true, force: true });
  });
  const [outside, firewall, inside] = [lab.namespace('outside'), lab.namespace('firewall'), lab.namespace('inside')] as const;
  for (const namespace of [outside, inside]) namespace.disableIpv6();
  lab.link(outside, 'eth0', firewall, 'outside0');
  lab.link(inside, 'eth0', firewall, 'inside0');
  outside.address('eth0', `${OUTSIDE}/24`);
  inside.address('eth0', '10.10.10.2/24');
  inside.route('default', '10.10.10.1');
  const log = join(folder, 'forged.events');
  const args = [
    'run',
    '--config',
    join(ROOT, 'rules/3640.cfg'),
    '--port',
    'e2/0=outside0',
    '--port',
    'e2/1=inside0',
    '--socket',
    'none',
    '--json',
    '--events',
    log,
  ];
  const postern = new Program('postern', firewall.node(CLI, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  await postern.until(() => /^postern: ready$/m.test(postern.stderr), 'ready', 20);
  const server = new Program('server', inside.node(here('peer.js'), ['serve'], { stdio: ['ignore', 'pipe', 'pipe'] }));
  await server.until(() => server.stdout.includes('ready'), 'ready', 10);
  const forger = await start(outside, './forger.js', []);
  const sniffer = await start(outside, './sniffer.js', ['eth0', `tcp and dst host ${SERVER}`]);
  const client = await start(outside, './open-connection.js', [SERVER, String(SERVER_PORT)]);

  t.same(await ask(client, 'line', 'HELO a'), ['220 peer', '250 got HELO a']);
  await delay(200);
  const list = cases(lastSegment((await ask<{ frames: string[] }>(sniffer, 'frames')).frames));
  for (const { what, datagrams } of list) {
    const value = datagrams.map((datagram) => ({ to: SERVER, hex: datagram.toString('hex') }));
    t.same(await ask(forger, 'send', value), { sent: datagrams.length }, `sent: ${what}`);
    await delay(20);
  }
  // ip virtual-reassembly gives up after 3 s.
  await delay(3500);
  t.same(await ask(client, 'line', 'NOOP'), ['250 got NOOP'], 'the open session lives');
  await postern.stop();

  const report = JSON.parse(postern.stdout) as { drops: Record<string, number>; frames: Record<string, number> };
  const wanted: Record<string, number> = {};
  for (const { drops } of list) for (const [reason, count] of Object.entries(drops)) wanted[reason] = (wanted[reason] ?? 0) + count;
  t.same(report.drops, wanted, 'drops by reason');
  const { received, generated, transmitted, dropped, held, consumed } = report.frames as Record<string, number>;
  t.equal(received! + generated!, transmitted! + dropped! + held! + consumed!, 'conservation');

  const printed = execFileSync(process.execPath, [CLI, 'events', log, '--json'], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const events = printed
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; reason: string; identification: number });
  for (const [i, { what, drops }] of list.entries()) {
    const reason = Object.keys(drops)[0]!;
    const logged = events.filter(({ event, identification }) => event === 'drop' && identification === 1000 + i);
    // What waited for the rest of its datagram is dropped by a count, without an event of its own.
    if (!reason.startsWith('ip.frag-'))
      t.same(
        logged.map((event) => event.reason),
        [reason],
        what,
      );
    else
      t.ok(
        logged.every((event) => event.reason === reason),
        what,
      );
  }
});
