// The parts of a live port that need no interface: waiting, the virtio-net header, tags, refusals, the addon's own checks.
// test/lab/live-port.test.ts has the rest.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { loadPacketIo, STATES, WAIT_WOKEN } from '../../native-bindings/packet-io.ts';
import { LONGEST_SLEEP, LOOK_AGAIN, Waiting } from '../../src/engine/waiting.ts';
import { Frames, GSO, PARTIAL_CHECKSUM } from '../../src/frame/frames.ts';
import { Region, regionOctets } from '../../src/frame/region.ts';
import { interfaceProblems } from '../../src/port/interface-settings.ts';
import { putTagBack } from '../../src/port/vlan.ts';
import * as vnetHeader from '../../src/port/vnet-header.ts';

const CLIENT_MAC = '020000000c0c';
const SERVER_MAC = '020000000505';

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
  for (const [tags, start, end] of [
    ['', '2200', '3600'],
    ['81000064', '2600', '3a00'],
    ['88a800c881000064', '2a00', '3e00'],
  ] as const) {
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
  t.equal(putTagBack(u8, new DataView(u8.buffer), 30, 10, (0x88a8 << 16) | 0x7064), 26);
  t.equal(Buffer.from(u8.subarray(16, 46)).toString('hex'), `0101${'00'.repeat(8)}${SERVER_MAC}${CLIENT_MAC}88a870640800aabb`);
  t.end();
});

t.test('interfaces that run refuses, each with the command that mends it', (t) => {
  const good = {
    index: 2,
    flags: 65,
    linkType: 1,
    mtu: 1500,
    xdp: 0,
    kind: '',
    driver: 'e1000e',
    master: '',
    mac: '02:00:00:00:00:01',
    addresses: ['fe80::1/64'],
  };
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

t.test(
  'each thread has a state of its own, is woken by another and ends while it waits',
  { skip: addonReason, timeout: 20_000 },
  async (t) => {
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
  },
);

t.test('the addon refuses what cannot be', { skip: addonReason }, (t) => {
  const addon = loadPacketIo();
  t.throws(() => new addon.PacketIo(0), RangeError);
  t.throws(() => new addon.PacketIo(2 ** 31), RangeError);
  const io = new addon.PacketIo(1 << 20);
  const options = {
    device: 'lo',
    start: 0,
    slotSize: 2048,
    slots: 16,
    largeBuffers: 1,
    vnet: false,
    bypassQdisc: false,
    state: new Float64Array(STATES),
  };
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
