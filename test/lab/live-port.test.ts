// Live ports between three network namespaces: client c0 --- f0 forwarder f1 --- s0 server.

import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { TX_ERROR, TX_LINK_DOWN, TX_NO_BUFFER, TX_OK, TX_TOO_BIG } from '../../src/port/port.ts';
import type { ForwarderStats } from './forwarder.ts';
import { Lab, labSkipReason, type Namespace, stop } from './namespaces.ts';

const here = dirname(fileURLToPath(import.meta.url));
const forwarderScript = join(here, 'forwarder.js');
const trafficScript = join(here, 'traffic.js');
const skip = labSkipReason();
const CLIENT_MAC = '020000000c0c';
const SERVER_MAC = '020000000505';

interface Bench {
  readonly lab: Lab;
  readonly client: Namespace;
  readonly firewall: Namespace;
  readonly server: Namespace;
}

const colons = (mac: string): string => mac.replace(/..(?=.)/g, '$&:');

function wireServerSide(firewall: Namespace, server: Namespace, lab: Lab): void {
  lab.link(firewall, 'f1', server, 's0');
  server.mac('s0', colons(SERVER_MAC));
  server.address('s0', '10.77.0.2/24');
}

function makeBench(): Bench {
  const lab = new Lab();
  const client = lab.namespace('client');
  const firewall = lab.namespace('firewall');
  const server = lab.namespace('server');
  client.disableIpv6();
  server.disableIpv6();
  lab.link(client, 'c0', firewall, 'f0');
  client.mac('c0', colons(CLIENT_MAC));
  client.address('c0', '10.77.0.1/24');
  wireServerSide(firewall, server, lab);
  return { lab, client, firewall, server };
}

/** What a child answers to a message, within 10 s. */
async function ask<T>(child: ChildProcess, what: string, value?: unknown): Promise<T> {
  child.send({ what, value });
  const [answer] = await once(child, 'message', { signal: AbortSignal.timeout(10_000) });
  return answer as T;
}

async function startForwarder(firewall: Namespace, mode: string): Promise<ChildProcess> {
  const child = firewall.node(forwarderScript, ['f0', 'f1', mode], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await once(child, 'message', { signal: AbortSignal.timeout(15_000) });
  return child;
}

async function startServer(server: Namespace): Promise<ChildProcess> {
  const child = server.node(trafficScript, ['serve', '7000'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data', { signal: AbortSignal.timeout(15_000) });
  return child;
}

/** Runs traffic.js in the client's namespace; stays within the event loop, so that the forwarder's messages are seen. */
async function traffic(client: Namespace, ...args: string[]): Promise<Record<string, unknown>> {
  const child = client.node(trafficScript, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout!.on('data', (data) => (text += String(data)));
  await once(child, 'close', { signal: AbortSignal.timeout(40_000) });
  return JSON.parse(text || '{"nothing":true}') as Record<string, unknown>;
}

const ping = (client: Namespace, count: number, octets = 100) =>
  traffic(client, 'ping', '10.77.0.2', '7000', String(count), String(octets));
/** UDP to a port where nobody listens. */
const flood = (client: Namespace, count: number, octets: number) =>
  traffic(client, 'flood', '10.77.0.2', '7001', String(count), String(octets));
const transfer = (client: Namespace, octets: number) => traffic(client, 'send', '10.77.0.2', '7000', String(octets));

function offloads(bench: Bench, state: 'on' | 'off'): void {
  bench.client.offloads('c0', state);
  bench.firewall.offloads('f0', state);
  bench.firewall.offloads('f1', state);
  bench.server.offloads('s0', state);
}

/** Waits until `condition` holds, at most `limit` milliseconds. */
async function eventually(condition: () => Promise<boolean>, limit: number): Promise<boolean> {
  const end = performance.now() + limit;
  while (performance.now() < end) {
    if (await condition()) return true;
    await delay(100);
  }
  return false;
}

t.test('TCP and UDP pass byte-exact, with offloads and without', { skip, timeout: 120_000 }, async (t) => {
  const bench = makeBench();
  t.teardown(() => bench.lab.destroy());
  await startServer(bench.server);
  const OCTETS = 20_000_000;
  for (const [state, mode] of [
    ['on', 'auto'],
    ['off', 'auto'],
    ['off', 'off'],
  ] as const) {
    offloads(bench, state);
    const forwarder = await startForwarder(bench.firewall, mode);
    const name = `offloads ${state}, --vnet ${mode}`;
    t.same(await ping(bench.client, 20), { sent: 20, received: 20 }, `${name}: pings`);
    t.same(await ping(bench.client, 3, 1472), { sent: 3, received: 3 }, `${name}: pings of full length`);
    t.match(await transfer(bench.client, OCTETS), { octets: OCTETS, equal: true }, `${name}: transfer`);
    const stats = await ask<ForwarderStats>(forwarder, 'stats');
    t.equal(stats.vnet, mode === 'auto', 'veth: the virtio-net header unless told otherwise');
    if (state === 'on') {
      t.ok(stats.superFrames > 100 && stats.copied[0]! > 100, `${name}: super-frames came (${stats.superFrames}, copied ${stats.copied})`);
      t.ok(stats.partial > stats.superFrames, `${name}: partial checksums came (${stats.partial})`);
    } else {
      t.equal(stats.superFrames, 0, `${name}: no super-frames`);
    }
    t.same(stats.refused.slice(1), [0, 0, 0, 0], `${name}: nothing refused`);
    t.same(stats.kernelDrops, [0, 0], `${name}: ring never full`);
    if (state === 'on') {
      await ask(forwarder, 'copy', true);
      t.match(await transfer(bench.client, OCTETS), { octets: OCTETS, equal: true }, `${name}: transfer of copied frames`);
      t.same((await ask<ForwarderStats>(forwarder, 'stats')).refused.slice(1), [0, 0, 0, 0], `${name}: nothing refused of the copies`);
    }
    stop(forwarder);
  }
});

t.test('partial checksums are completed where there is no virtio-net header', { skip, timeout: 60_000 }, async (t) => {
  const bench = makeBench();
  t.teardown(() => bench.lab.destroy());
  await startServer(bench.server);
  for (const [namespace, device] of [
    [bench.client, 'c0'],
    [bench.server, 's0'],
  ] as const) {
    namespace.run('ethtool', ['-K', device, 'tso', 'off', 'gso', 'off', 'gro', 'off']);
  }
  const forwarder = await startForwarder(bench.firewall, 'off');
  t.same(await ping(bench.client, 10), { sent: 10, received: 10 });
  t.match(await transfer(bench.client, 5_000_000), { equal: true });
  const stats = await ask<ForwarderStats>(forwarder, 'stats');
  t.ok(stats.partial > 1000, `partial checksums came (${stats.partial})`);
  t.equal(stats.superFrames, 0);
  stop(forwarder);
});

t.test('jumbo frames', { skip, timeout: 60_000 }, async (t) => {
  const bench = makeBench();
  t.teardown(() => bench.lab.destroy());
  for (const [namespace, device] of [
    [bench.client, 'c0'],
    [bench.firewall, 'f0'],
    [bench.firewall, 'f1'],
    [bench.server, 's0'],
  ] as const) {
    namespace.ip('link', 'set', 'dev', device, 'mtu', '9000');
  }
  offloads(bench, 'off');
  await startServer(bench.server);
  const forwarder = await startForwarder(bench.firewall, 'off');
  t.same(await ping(bench.client, 3, 8972), { sent: 3, received: 3 });
  t.match(await transfer(bench.client, 5_000_000), { equal: true });
  t.same((await ask<ForwarderStats>(forwarder, 'stats')).copied, [0, 0], 'slots of 16 KiB hold them');
});

const payload = (octets: number): string => Buffer.from(Array.from({ length: octets }, (_, i) => (i * 7) & 255)).toString('hex');
const addresses = `02000000ffff${CLIENT_MAC}`;
const TAGGED: readonly (readonly [string, string])[] = [
  ['no tag', `${addresses}88b5${payload(46)}`],
  ['802.1Q with priority', `${addresses}8100706488b5${payload(46)}`],
  ['priority tag', `${addresses}8100a00088b5${payload(46)}`],
  ['tag of all zeros', `${addresses}8100000088b5${payload(46)}`],
  ['802.1ad alone', `${addresses}88a800c888b5${payload(46)}`],
  ['802.1ad over 802.1Q', `${addresses}88a800c88100006488b5${payload(46)}`],
  ['802.1Q twice', `${addresses}810000c88100006488b5${payload(46)}`],
  ['802.1Q, full length', `${addresses}8100006488b5${payload(1500)}`],
  ['length and LLC', `${addresses}0040aaaa03000000${payload(56)}`],
];

/** Frames of a classic pcap file in the machine's byte order. */
function pcapFrames(path: string): string[] {
  const data = readFileSync(path);
  const list: string[] = [];
  for (let at = 24; at + 16 <= data.length; ) {
    const length = data.readUInt32LE(at + 8);
    list.push(data.subarray(at + 16, at + 16 + length).toString('hex'));
    at += 16 + length;
  }
  return list;
}

const hasTcpdump = spawnSync('tcpdump', ['--version']).status === 0;

t.test('tagged frames pass bit for bit', { skip: skip || (hasTcpdump ? false : 'needs tcpdump'), timeout: 60_000 }, async (t) => {
  const bench = makeBench();
  const folder = mkdtempSync(join(tmpdir(), 'postern-vlan-'));
  t.teardown(() => {
    bench.lab.destroy();
    rmSync(folder, { recursive: true });
  });
  for (const mode of ['on', 'off']) {
    const forwarder = await startForwarder(bench.firewall, mode);
    // A second forwarder, on the client's own interface and a spare one, injects: what it sends out of c0 comes in at f0.
    if (mode === 'on') bench.client.ip('link', 'add', 'dev', 'c9', 'type', 'veth', 'peer', 'name', 'c8');
    bench.client.ip('address', 'flush', 'dev', 'c0');
    const injector = bench.client.node(forwarderScript, ['c0', 'c9', 'off'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    await once(injector, 'message', { signal: AbortSignal.timeout(15_000) });
    const file = join(folder, `${mode}.pcap`);
    const filter = ['-i', 's0', '-s', '0', '-U', '-w', file, '-c', String(TAGGED.length), 'ether', 'src', '02:00:00:00:0c:0c'];
    const tcpdump = bench.server.spawn('tcpdump', filter, { stdio: ['ignore', 'ignore', 'pipe'] });
    await once(tcpdump.stderr!, 'data', { signal: AbortSignal.timeout(10_000) });
    await delay(300);
    t.same(
      await ask<number[]>(
        injector,
        'transmit',
        TAGGED.map(([, hex]) => hex),
      ),
      TAGGED.map(() => TX_OK),
      `vnet ${mode}: injected`,
    );
    t.ok(await eventually(async () => existsSync(file) && pcapFrames(file).length === TAGGED.length, 5000), `vnet ${mode}: all arrived`);
    const arrived = existsSync(file) ? pcapFrames(file) : [];
    TAGGED.forEach(([name, hex], i) => t.equal(arrived[i], hex, `vnet ${mode}: ${name}`));
    stop(injector);
    stop(forwarder);
  }
});

t.test('what goes wrong with an interface is counted and passes', { skip, timeout: 120_000 }, async (t) => {
  const bench = makeBench();
  const { client, firewall, server, lab } = bench;
  t.teardown(() => lab.destroy());
  await startServer(server);
  const forwarder = await startForwarder(firewall, 'auto');
  const stats = (): Promise<ForwarderStats> => ask<ForwarderStats>(forwarder, 'stats');
  const works = async (): Promise<boolean> => (await ping(client, 1)).received === 1;
  t.ok(await works(), 'at first');

  server.down('s0');
  t.ok(await eventually(async () => !(await stats()).up[1], 3000), 'carrier loss is seen');
  t.notOk(await works());
  server.up('s0');
  t.ok(await eventually(works, 5000), 'traffic resumes when the carrier is back');
  t.ok(await eventually(async () => (await stats()).up[1]!, 3000), 'and the port is up');
  t.same((await stats()).carrierLost, [0, 1]);

  firewall.down('f1');
  await works();
  const down = await stats();
  t.ok(down.refused[TX_LINK_DOWN]! > 0, 'administratively down: refused as link down');
  firewall.up('f1');
  t.ok(await eventually(works, 5000), 'traffic resumes when it is up again');

  firewall.ip('link', 'delete', 'dev', 'f1');
  t.notOk(await works());
  t.same((await stats()).up, [true, false], 'a deleted interface is down');
  wireServerSide(firewall, server, lab);
  t.ok(await eventually(works, 8000), 'traffic resumes when it was made anew');
  t.same((await stats()).resets, [0, 1], 'opened once more');

  firewall.ip('link', 'set', 'dev', 'f1', 'mtu', '1400');
  const before = (await stats()).refused[TX_TOO_BIG]!;
  await ping(client, 2, 1472);
  t.equal((await stats()).refused[TX_TOO_BIG]! - before, 2, 'longer than the MTU: refused as too big, one each');
  t.ok(await works(), 'shorter ones pass');

  firewall.run('tc', ['qdisc', 'add', 'dev', 'f1', 'root', 'tbf', 'rate', '8kbit', 'burst', '1540', 'limit', '3000']);
  await flood(client, 100, 1000);
  t.ok((await stats()).refused[TX_NO_BUFFER]! > 0, 'a full transmit queue: refused as no buffer');
  firewall.run('tc', ['qdisc', 'delete', 'dev', 'f1', 'root']);
  t.ok(await eventually(works, 5000), 'traffic resumes when the queue drains');

  const answers = await ask<{ port: number[]; addon: number[] }>(forwarder, 'garbage');
  t.same(answers.port, [...Array<number>(8).fill(TX_ERROR), TX_OK], 'garbage descriptors are refused, the good frame among them passes');
  t.same(answers.addon.slice(0, 1).concat(answers.addon.slice(2, 7)), Array(6).fill(14), 'by the addon too: EFAULT');
  t.ok(await works(), 'after garbage descriptors');

  for (const octet of [0xff, 0x00, 0x02]) {
    await ask(forwarder, 'fill', octet);
    t.ok(await eventually(works, 15_000), `recovers from a ring overwritten with ${octet}`);
  }
  t.ok((await stats()).garbled[0]! > 0, 'garbled slots were counted');
  t.equal(forwarder.exitCode, null, 'the worker lives');
});

t.test('a ring that is full drops in the kernel, is counted, and drains', { skip, timeout: 60_000 }, async (t) => {
  const bench = makeBench();
  t.teardown(() => bench.lab.destroy());
  await startServer(bench.server);
  const forwarder = await startForwarder(bench.firewall, 'auto');
  await ask(forwarder, 'pause', true);
  const before = (await ask<ForwarderStats>(forwarder, 'stats')).received[0]!;
  bench.client.ip('neighbour', 'replace', '10.77.0.2', 'lladdr', colons(SERVER_MAC), 'dev', 'c0');
  bench.server.ip('neighbour', 'replace', '10.77.0.1', 'lladdr', colons(CLIENT_MAC), 'dev', 's0');
  t.same(await flood(bench.client, 6000, 1), { sent: 6000 });
  await ask(forwarder, 'pause', false);
  const drops = async (): Promise<number> => (await ask<ForwarderStats>(forwarder, 'stats')).kernelDrops[0]!;
  t.ok(await eventually(async () => (await drops()) === 6000 - 4096, 3000), 'kernel drops are counted');
  const stats = await ask<ForwarderStats>(forwarder, 'stats');
  t.equal(stats.received[0]! - before, 4096, 'all slots were read');
  t.same(stats.resets, [0, 0], 'and no resynchronisation was needed');
  t.same(await ping(bench.client, 5), { sent: 5, received: 5 });
});

t.test('run restores what it changed, and refuses what it must', { skip, timeout: 60_000 }, async (t) => {
  const bench = makeBench();
  const { firewall, lab } = bench;
  t.teardown(() => lab.destroy());
  const ipv6 = (device: string): string => firewall.run('cat', [`/proc/sys/net/ipv6/conf/${device}/disable_ipv6`]).stdout.trim();
  const tso = (): string => firewall.run('ethtool', ['-k', 'f0']).stdout.match(/^tcp-segmentation-offload: (\w+)/m)?.[1] ?? '';
  const records = (): string[] =>
    existsSync('/run/postern') ? readdirSync('/run/postern').filter((name) => /^f[01](@|\.)/.test(name)) : [];
  const known = records();
  t.same([ipv6('f0'), tso()], ['0', 'on'], 'before');
  const forwarder = await startForwarder(firewall, 'off');
  t.same([ipv6('f0'), ipv6('f1'), tso()], ['1', '1', 'off'], 'while it runs');
  t.equal(records().length, known.length + 2, 'changes are written down');
  const second = firewall.run(process.execPath, [forwarderScript, 'f0', 'f1', 'off']);
  t.match(second.stderr, /f0 is in use by another postern/, 'a second one is refused');
  forwarder.send({ what: 'end' });
  await once(forwarder, 'exit');
  t.same([ipv6('f0'), ipv6('f1'), tso()], ['0', '0', 'on'], 'after its end');
  t.same(records(), known, 'nothing is left written down');

  const killed = await startForwarder(firewall, 'off');
  process.kill(killed.pid!, 'SIGKILL');
  await once(killed, 'exit');
  t.same([ipv6('f0'), tso()], ['1', 'off'], 'after a kill');
  const doctorModule = join(here, '..', '..', 'src', 'command', 'doctor.js');
  const doctor = (...args: string[]) =>
    firewall.run(process.execPath, [
      '-e',
      `Promise.all([import('commander'), import(${JSON.stringify(doctorModule)})]).then(([{ Command }, { register }]) => { const p = new Command('postern'); register(p); return p.parseAsync(['doctor', ...${JSON.stringify(args)}], { from: 'user' }); })`,
    ]);
  const found = doctor('f0', 'f1');
  t.equal(found.status, 1);
  t.match(found.stdout, /f0 was left changed[^\n]*\n +mend it with: postern doctor --restore/);
  const restored = doctor('--restore');
  t.equal(restored.status, 0);
  t.match(restored.stdout, /f0 restored: disable_ipv6 0/);
  t.same([ipv6('f0'), ipv6('f1'), tso()], ['0', '0', 'on'], 'doctor --restore');
  t.equal(doctor('f0', 'f1').status, 0, 'nothing wrong any more');

  firewall.address('f0', '10.77.0.9/24');
  firewall.ip('link', 'add', 'dev', 'br0', 'type', 'bridge');
  firewall.ip('link', 'set', 'dev', 'f1', 'master', 'br0');
  const refused = (...devices: string[]): string => firewall.run(process.execPath, [forwarderScript, ...devices, 'auto']).stderr;
  t.match(refused('f0', 'f1'), /PortRefused: f0 has the address 10\.77\.0\.9\/24.*mend it with: ip address flush dev f0/);
  t.match(refused('f1', 'f0'), /PortRefused: f1 belongs to br0; mend it with: ip link set dev f1 nomaster/);
  t.match(refused('f7', 'f0'), /PortRefused: no interface f7/);
  t.match(doctor('f0', 'f1').stdout, /wrong {2}f1 belongs to br0/);
});
