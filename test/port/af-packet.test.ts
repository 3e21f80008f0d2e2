// Live ports in a lab: client --- c0 | f0 forwarder f1 | s0 --- server, in three network namespaces.
// Waiting and the virtio-net header are tested without one.

import t from 'tap';
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { loadPacketIo, STATES, WAIT_WOKEN } from '../../native-bindings/packet-io.ts';
import { LOOK_AGAIN, LONGEST_SLEEP, Waiting } from '../../src/engine/waiting.ts';
import { Frames, GSO, PARTIAL_CHECKSUM } from '../../src/frame/frames.ts';
import { Region, regionOctets } from '../../src/frame/region.ts';
import { interfaceProblems } from '../../src/port/interface-settings.ts';
import { TX_ERROR, TX_LINK_DOWN, TX_NO_BUFFER, TX_OK, TX_TOO_BIG } from '../../src/port/port.ts';
import { putTagBack } from '../../src/port/vlan.ts';
import * as vnetHeader from '../../src/port/vnet-header.ts';
import { Lab, labSkipReason, type Namespace, stop } from '../lab/namespaces.ts';
import type { ForwarderStats } from '../lab/forwarder.ts';

const here = dirname(fileURLToPath(import.meta.url));
const forwarderScript = join(here, '..', 'lab', 'forwarder.js');
const trafficScript = join(here, '..', 'lab', 'traffic.js');
const skip = labSkipReason();
const CLIENT_MAC = '020000000c0c';
const SERVER_MAC = '020000000505';

// ---- without a lab -----------------------------------------------------------------------------------------------------

t.test('waiting spins while frames come and sleeps otherwise', (t) => {
  let now = 0;
  const waiting = new Waiting('auto', 1, () => now, 2);
  const spin = (microsecondsALook: number): number => {
    let looks = 0;
    while (waiting.idle() === LOOK_AGAIN) {
      looks++;
      now += microsecondsALook;
    }
    return looks;
  };
  t.equal(spin(0.2), 255, 'first budget of 50 us: one clock reading');
  waiting.woke(false);
  t.equal(waiting.idle(), LONGEST_SLEEP, 'after a sleep that timed out there is no spin');
  now += 100;
  waiting.woke(true);
  t.equal(waiting.idle(), LOOK_AGAIN, 'a frame within 200 us of the sleep brings spinning back');
  for (let i = 0; i < 4; i++) {
    waiting.idle();
    waiting.busy();
  }
  t.equal(spin(0.2), 1023, 'rewarded spins: 200 us, the most');
  t.equal(new Waiting('auto', 2, () => now, 2).idle(), LONGEST_SLEEP, 'no core of its own: no spin');
  t.equal(new Waiting(0, 1, () => now, 8).idle(), LONGEST_SLEEP, 'spin 0');
  const fixed = new Waiting(1000, 4, () => now, 4);
  t.equal(fixed.idle(), LOOK_AGAIN, 'a fixed budget spins wherever it is told to');
  t.end();
});

const shape = { portOctets: [], smallSlots: 4, largeSlots: 1, storePages: 1 };

/** TCP over IPv4 in a slot, its checksum field holding the sum of the pseudo-header; `flags` in octet 13. */
function tcpFrame(frames: Frames, tags: string, payload: number, flags: string): number {
  const ip = `45000000${'0'.repeat(8)}4006${'0000'}0a0000010a000002`;
  const tcp = `0400001900000001000000015${'0'}${flags}ffff00000000`;
  const octets = Buffer.concat([Buffer.from(`${SERVER_MAC}${CLIENT_MAC}${tags}0800${ip}${tcp}`, 'hex'), Buffer.alloc(payload, 0x61)]);
  const f = frames.allocate(octets.length);
  const { u8, view } = frames.region;
  const start = frames.offset[f]!;
  u8.set(octets, start);
  frames.length[f] = octets.length;
  const l3 = start + 14 + tags.length / 2;
  view.setUint16(l3 + 2, 40 + payload);
  view.setUint16(l3 + 36, (0x0a00 + 1 + 0x0a00 + 2 + 6 + 20 + payload) & 0xffff);
  return f;
}

t.test('virtio-net header: built from the octets, corrected in place, completed without one', (t) => {
  const region = new Region(new ArrayBuffer(regionOctets(shape)), shape);
  const frames = new Frames(region);
  const { view } = region;
  const header = (at: number): string => Buffer.from(region.u8.slice(at, at + 10)).toString('hex');
  for (const [tags, start, end] of [['', '2200', '3600'], ['81000064', '2600', '3a00'], ['88a800c881000064', '2a00', '3e00']] as const) {
    const f = tcpFrame(frames, tags, 100, '18');
    const at = frames.offset[f]! - 10;
    t.ok(vnetHeader.build(view, at, frames.offset[f]!, frames.length[f]!, PARTIAL_CHECKSUM | GSO, 40));
    t.equal(header(at), `0101${end}2800${start}1000`, 'NEEDS_CSUM, TCPv4, header length, gso_size, csum_start, csum_offset');
    t.equal(vnetHeader.readFlags(view, at), PARTIAL_CHECKSUM | GSO);
    t.equal(vnetHeader.readGsoSize(view, at), 40);
    t.equal(vnetHeader.segmentLength(view, frames.offset[f]!, frames.length[f]!, 40), 80);
    vnetHeader.correct(view, at, PARTIAL_CHECKSUM, 0, 50);
    t.equal(header(at), `010032000000${start}1000`, 'a cut first part: no GSO, header length within the frame');
    vnetHeader.clear(view, at);
    t.equal(header(at), '0'.repeat(20));
    frames.free(f);
  }
  const cwr = tcpFrame(frames, '', 100, '98');
  vnetHeader.build(view, frames.offset[cwr]! - 10, frames.offset[cwr]!, frames.length[cwr]!, PARTIAL_CHECKSUM | GSO, 40);
  t.equal(region.u8[frames.offset[cwr]! - 9], 0x81, 'CWR: GSO_ECN');

  const start = frames.offset[cwr]!;
  const l4 = start + 34;
  t.ok(vnetHeader.completeChecksum(region, start, frames.length[cwr]! + 0));
  let sum = 0x0a00 + 1 + 0x0a00 + 2 + 6 + 120;
  for (let i = 0; i < 120; i += 2) sum += view.getUint16(l4 + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  t.equal(sum, 0xffff, 'the completed checksum verifies');

  view.setUint8(start + 23, 132);
  t.notOk(vnetHeader.build(view, start - 10, start, frames.length[cwr]!, PARTIAL_CHECKSUM, 0), 'SCTP is not ours to finish');
  for (let length = 0; length < 54; length++) t.notOk(vnetHeader.locate(view, start, length), `cut at ${length}`);
  t.end();
});

t.test('a stripped tag goes back in front of the type, with the octets before the frame', (t) => {
  const u8 = new Uint8Array(64);
  u8.set(Buffer.from(`0101${'00'.repeat(8)}${SERVER_MAC}${CLIENT_MAC}0800aabb`, 'hex'), 20);
  t.equal(putTagBack(u8, new DataView(u8.buffer), 30, 10, 0x88a8 << 16 | 0x7064), 26);
  t.equal(Buffer.from(u8.subarray(16, 46)).toString('hex'), `0101${'00'.repeat(8)}${SERVER_MAC}${CLIENT_MAC}88a870640800aabb`);
  t.end();
});

t.test('interfaces that run refuses, each with the command that mends it', (t) => {
  const good = { index: 2, flags: 65, linkType: 1, mtu: 1500, xdp: 0, kind: '', driver: 'e1000e', master: '', mac: '02:00:00:00:00:01', addresses: ['fe80::1/64'] };
  t.same(interfaceProblems('eth1', good), []);
  const mends = (facts: Partial<typeof good>): string[] => interfaceProblems('eth1', { ...good, ...facts }).map((problem) => problem.mend);
  t.same(mends({ addresses: ['192.0.2.1/24'] }), ['ip address flush dev eth1']);
  t.same(mends({ addresses: ['2001:db8::1/64'] }), ['ip address flush dev eth1']);
  t.same(mends({ master: 'br0' }), ['ip link set dev eth1 nomaster']);
  t.same(mends({ xdp: 2 }), ['ip link set dev eth1 xdp off']);
  t.equal(mends({ linkType: 772 }).length, 1);
  t.equal(interfaceProblems('eth9', null).length, 1);
  t.end();
});

const addonReason = ((): string | false => {
  try {
    loadPacketIo();
    return false;
  } catch (error) {
    return (error as Error).message;
  }
})();

t.test('each thread has a state of its own, is woken by another and ends while it waits', { skip: addonReason, timeout: 20_000 }, async (t) => {
  const addon = loadPacketIo();
  const code = `
    import { parentPort } from 'node:worker_threads';
    const { loadPacketIo } = await import(${JSON.stringify(new URL('../../native-bindings/packet-io.js', import.meta.url).href)});
    const io = new (loadPacketIo().PacketIo)(1 << 20);
    new Uint8Array(io.memory)[5] = 7;
    parentPort.postMessage(io.wakeHandle());
    while ((io.wait(100) & 4) === 0);
    parentPort.postMessage('woken');
    for (;;) io.wait(100);`;
  const io = new addon.PacketIo(1 << 20);
  const workers = [0, 1].map(() => new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`)));
  const handles = await Promise.all(workers.map(async (worker) => ((await once(worker, 'message')) as [number])[0]));
  t.equal(new Set([...handles, io.wakeHandle()]).size, 3, 'an eventfd each');
  t.equal(new Uint8Array(io.memory)[5], 0, 'a region each');
  for (const [i, worker] of workers.entries()) {
    const woken = once(worker, 'message');
    addon.wake(handles[i]!);
    t.same(await woken, ['woken']);
  }
  t.equal(io.wait(0), 0, 'not woken by what was meant for others');
  addon.wake(io.wakeHandle());
  t.equal(io.wait(100), WAIT_WOKEN);
  const started = performance.now();
  await Promise.all(workers.map((worker) => worker.terminate()));
  t.ok(performance.now() - started < 2000, 'terminate() waits for one sleep');
  io.close();
  t.equal(io.receive(0, 0, 64), 0, 'a closed PacketIo has no ports');
});

t.test('the addon refuses what cannot be', { skip: addonReason }, (t) => {
  const addon = loadPacketIo();
  t.throws(() => new addon.PacketIo(0), RangeError);
  t.throws(() => new addon.PacketIo(2 ** 31), RangeError);
  const io = new addon.PacketIo(1 << 20);
  const options = { device: 'lo', start: 0, slotSize: 2048, slots: 16, largeBuffers: 1, vnet: false, bypassQdisc: false, state: new Float64Array(STATES) };
  t.throws(() => io.openPort({ ...options, start: 100 }), RangeError, 'not on a page');
  t.throws(() => io.openPort({ ...options, slots: 1024 }), RangeError, 'longer than the region');
  t.throws(() => io.openPort({ ...options, slotSize: 3000 }), RangeError, 'no power of two');
  t.throws(() => io.openPort({ ...options, device: 'a-name-of-16-oct' }), TypeError);
  t.throws(() => io.openPort({ ...options, state: new Float64Array(2) }), RangeError);
  t.throws(() => io.openPort({ ...options, device: 'no-such-device' }), { code: 'ENODEV' });
  t.equal(io.receive(3, 0, 64), 0, 'a number that is no port');
  io.transmit(3, 0, 64);
  io.release(-1, 64);
  io.close();
  t.equal(addon.readInterface('no-such-device'), null);
  t.end();
});

// ---- the lab -----------------------------------------------------------------------------------------------------------

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

const ping = (client: Namespace, count: number, octets = 100) => traffic(client, 'ping', '10.77.0.2', '7000', String(count), String(octets));
/** UDP to a port where nobody listens. */
const flood = (client: Namespace, count: number, octets: number) => traffic(client, 'flood', '10.77.0.2', '7001', String(count), String(octets));
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
  for (const [state, mode] of [['on', 'auto'], ['off', 'auto'], ['off', 'off']] as const) {
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
  for (const [namespace, device] of [[bench.client, 'c0'], [bench.server, 's0']] as const) {
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
  for (const [namespace, device] of [[bench.client, 'c0'], [bench.firewall, 'f0'], [bench.firewall, 'f1'], [bench.server, 's0']] as const) {
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
    t.same(await ask<number[]>(injector, 'transmit', TAGGED.map(([, hex]) => hex)), TAGGED.map(() => TX_OK), `vnet ${mode}: injected`);
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
  const records = (): string[] => (existsSync('/run/postern') ? readdirSync('/run/postern').filter((name) => /^f[01](@|\.)/.test(name)) : []);
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
    firewall.run(process.execPath, ['-e', `Promise.all([import('commander'), import(${JSON.stringify(doctorModule)})]).then(([{ Command }, { register }]) => { const p = new Command('postern'); register(p); return p.parseAsync(['doctor', ...${JSON.stringify(args)}], { from: 'user' }); })`]);
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
