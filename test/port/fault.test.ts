// The fault port over a loopback port: what it does follows from the seed, and every frame is accounted for.

import t from 'tap';
import { BATCH, Frames, PARTIAL_CHECKSUM } from '../../src/frame/frames.ts';
import { Region, regionOctets } from '../../src/frame/region.ts';
import { FaultPort, type FaultOptions, parseFaultSpec } from '../../src/port/fault.ts';
import { LoopbackPort } from '../../src/port/loopback.ts';
import { checksumsAreGood, segment } from '../path/datagrams.ts';
import { TX_LINK_DOWN, TX_OK, TX_TOO_BIG } from '../../src/port/port.ts';

const AREA = 1 << 20;
const LENGTH = 100;

interface Line {
  frames: Frames;
  inner: LoopbackPort;
  port: FaultPort;
}

function line(options: FaultOptions): Line {
  const shape = { portOctets: [2 * AREA], smallSlots: 256, largeSlots: 1, storePages: 1 };
  const region = new Region(new ArrayBuffer(regionOctets(shape)), shape);
  const inner = new LoopbackPort('Ethernet0/0', region, 0, AREA);
  return { frames: new Frames(region), inner, port: new FaultPort(inner, region, AREA, AREA, options) };
}

function numbered(i: number): Uint8Array {
  const octets = new Uint8Array(LENGTH).fill(0x61);
  new DataView(octets.buffer).setUint32(96, i);
  return octets;
}

const numberOf = (octets: Uint8Array): number => new DataView(octets.buffer, octets.byteOffset).getUint32(96);

/** Receives everything, in batches; a few idle turns at the end let what waits go on. */
function receiveAll({ frames, port }: Line): { numbers: number[]; damaged: number } {
  const numbers: number[] = [];
  let damaged = 0;
  for (let idle = 0; idle < 8; ) {
    for (let f = 0; f < BATCH; f++) frames.begin(f, 0);
    const count = port.receive(frames, 0, BATCH);
    idle = count === 0 ? idle + 1 : 0;
    for (let f = 0; f < count; f++) {
      const octets = frames.region.u8.slice(frames.offset[f]!, frames.offset[f]! + frames.length[f]!);
      numbers.push(numberOf(octets));
      if (octets.subarray(14, 96).some((octet) => octet !== 0x61)) damaged++;
    }
    port.release();
  }
  return { numbers, damaged };
}

/** Sends `count` frames made in slots, one batch after the other. */
function sendAll(one: Line, count: number): Uint8Array[] {
  const { frames, port, inner } = one;
  const staged = new Int32Array(BATCH);
  const result = new Int32Array(BATCH);
  for (let sent = 0; sent < count; sent += BATCH) {
    const n = Math.min(BATCH, count - sent);
    for (let i = 0; i < n; i++) {
      const f = frames.allocate(LENGTH);
      frames.region.u8.set(numbered(sent + i), frames.offset[f]!);
      frames.length[f] = LENGTH;
      staged[i] = f;
    }
    port.transmit(frames, staged, n, result);
    for (let i = 0; i < n; i++) frames.free(staged[i]!);
    port.release();
  }
  for (let i = 0; i < 8; i++) port.release();
  return inner.sent.map((frame) => frame.octets);
}

const tally = (numbers: readonly number[]): Map<number, number> => {
  const times = new Map<number, number>();
  for (const n of numbers) times.set(n, (times.get(n) ?? 0) + 1);
  return times;
};

t.test('without faults it changes nothing', (t) => {
  const one = line({ seed: 1 });
  for (let i = 0; i < 500; i++) one.inner.push(numbered(i));
  t.same(
    receiveAll(one).numbers,
    Array.from({ length: 500 }, (_, i) => i),
  );
  t.same(
    sendAll(one, 500).map(numberOf),
    Array.from({ length: 500 }, (_, i) => i),
  );
  t.equal(one.port.description, one.inner.description);
  t.end();
});

t.test('received frames are lost, doubled, overtaken and damaged as often as asked', (t) => {
  const rates = { loss: 0.1, duplicate: 0.1, reorder: 0.1, corrupt: 0.1 };
  const run = (seed: number) => {
    const one = line({ seed, receive: rates });
    for (let i = 0; i < 4000; i++) one.inner.push(numbered(i));
    return { one, ...receiveAll(one) };
  };
  const { one, numbers, damaged } = run(7);
  const counts = one.port.receiveCounts;
  for (const kind of ['lost', 'duplicated', 'reordered', 'corrupted'] as const)
    t.ok(counts[kind] > 300 && counts[kind] < 520, `${kind} ${counts[kind]}`);
  t.equal(numbers.length, 4000 - counts.lost + counts.duplicated);
  t.ok(damaged > 0 && damaged <= counts.corrupted + counts.duplicated, 'a damaged frame may be doubled; a hit in the number does not show');
  let overtaken = 0;
  for (let i = 1; i < numbers.length; i++) if (numbers[i]! < numbers[i - 1]!) overtaken++;
  t.ok(overtaken > 100);
  t.same(run(7).numbers, numbers, 'the same seed, the same line');
  t.notSame(run(8).numbers, numbers);
  t.end();
});

t.test('transmitted frames meet the same, and their sender is not told', (t) => {
  const one = line({ seed: 5, transmit: { loss: 0.2, duplicate: 0.2, reorder: 0.2, distance: 5 } });
  const left = sendAll(one, 2000).map(numberOf);
  const { lost, duplicated, reordered } = one.port.transmitCounts;
  t.ok(lost > 300 && duplicated > 200 && reordered > 200);
  t.equal(left.length, 2000 - lost + duplicated);
  t.equal(tally(left).size, 2000 - lost);
  t.same(one.port.receiveCounts, { lost: 0, duplicated: 0, reordered: 0, corrupted: 0, delayed: 0, overlapped: 0 });
  t.end();
});

t.test('a lone frame that waits to be overtaken goes on after two idle turns', (t) => {
  const one = line({ seed: 3, receive: { reorder: 1 } });
  one.inner.push(numbered(42));
  for (let f = 0; f < BATCH; f++) one.frames.begin(f, 0);
  t.same(
    [0, 1, 2].map(() => one.port.receive(one.frames, 0, BATCH)),
    [0, 0, 1],
  );
  t.end();
});

t.test('delay follows the given clock', (t) => {
  let now = 0;
  const one = line({ seed: 3, receive: { delay: 1, delayTime: 50 }, now: () => now });
  one.inner.push(numbered(1));
  const receive = (): number => one.port.receive(one.frames, 0, BATCH);
  t.same([receive(), receive()], [0, 0]);
  now = 49;
  t.equal(receive(), 0);
  now = 50;
  t.equal(receive(), 1);
  t.equal(one.port.receiveCounts.delayed, 1);
  t.end();
});

t.test('a frame whose checksum is still to be computed is not damaged', (t) => {
  const one = line({ seed: 2, receive: { corrupt: 1 } });
  one.inner.push(numbered(1), 0, 0, PARTIAL_CHECKSUM);
  t.same([receiveAll(one).damaged, one.port.receiveCounts.corrupted], [0, 0]);
  t.end();
});

t.test('a segment is followed by a copy with other octets and a right checksum', (t) => {
  const one = line({ seed: 4, receive: { overlap: 1 } });
  const sent = segment({ from: '192.0.2.1', to: '192.0.2.2', sport: 1, dport: 2, seq: 7, flags: 'A', data: 'abcdefghijklmnop' });
  one.inner.push(sent);
  one.inner.push(numbered(1));
  const frames: Uint8Array[] = [];
  for (let turn = 0; turn < 3; turn++) {
    for (let f = 0; f < BATCH; f++) one.frames.begin(f, 0);
    const count = one.port.receive(one.frames, 0, BATCH);
    for (let f = 0; f < count; f++)
      frames.push(one.frames.region.u8.slice(one.frames.offset[f]!, one.frames.offset[f]! + one.frames.length[f]!));
    one.port.release();
  }
  const [first, other, copy] = frames as [Uint8Array, Uint8Array, Uint8Array];
  t.equal(frames.length, 3);
  t.same(first, sent);
  t.equal(numberOf(other), 1, 'only TCP over IPv4 is repeated so');
  t.same(copy.subarray(0, 54), sent.subarray(0, 54));
  t.notSame(copy, sent);
  t.ok(checksumsAreGood(copy));
  t.same([one.port.receiveCounts.overlapped, one.port.receiveCounts.duplicated], [1, 0]);
  t.end();
});

t.test('a bad line in words', (t) => {
  t.same(parseFaultSpec('seed=7,loss=0.02,receive.overlap=0.1,transmit.corrupt=1'), {
    seed: 7,
    receive: { loss: 0.02, overlap: 0.1 },
    transmit: { loss: 0.02, corrupt: 1 },
  });
  for (const text of ['', 'loss', 'loss=2', 'seed=1.5', 'receive.seed=1', 'speed=0.1', 'send.loss=0.1'])
    t.throws(() => parseFaultSpec(text), /is wanted/, text);
  t.end();
});

t.test('the loopback port refuses what a wire would', (t) => {
  const { frames, inner } = line({ seed: 1 });
  const f = frames.allocate(1800);
  frames.length[f] = 1800;
  const result = new Int32Array(1);
  const send = (): number => {
    inner.transmit(frames, Int32Array.of(f), 1, result);
    return result[0]!;
  };
  t.equal(send(), TX_TOO_BIG);
  frames.gsoSize[f] = 1448;
  t.equal(send(), TX_OK);
  inner.up = false;
  t.equal(send(), TX_LINK_DOWN);
  t.equal(inner.sent.length, 1);
  t.end();
});
