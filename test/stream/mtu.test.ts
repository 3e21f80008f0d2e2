// Fragmentation and re-segmentation, and IPv6 options: what the pieces are, that they are accounted, that the octets are the
// same in the end.

import fc from 'fast-check';
import t from 'tap';
import { FRAGMENT, GENERATED, GSO, MERGED, NO_FRAME, PARTIAL_CHECKSUM } from '../../src/frame/frames.ts';
import { exceedsMtu } from '../../src/stream/mtu.ts';
import * as R from '../../src/telemetry/reasons.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as segment from '../../src/wire/segment.ts';
import * as tcp from '../../src/wire/tcp.ts';
import {
  ADDR6,
  LIMITS,
  type Fixture,
  checksumOf,
  drain,
  fragment6,
  frame4,
  frame6,
  isConserved,
  isEmpty,
  makeFixture,
  moved,
  octetsOfFrame,
  receive,
  receiveAny,
  tcpPayload,
  transmitAll,
  udpPayload,
} from './fragment-fixture.ts';

/** Cuts, transmits, and gives the frames that left. */
function cutDatagram(x: Fixture, f: number, mtu: number): Uint8Array[] {
  if (!x.cutter.cutDatagram(f, mtu, x.out)) return [];
  transmitAll(x);
  return drain(x);
}

function cutSegment(x: Fixture, f: number, mtu: number): Uint8Array[] {
  if (!x.cutter.cutSegment(f, mtu, x.out)) return [];
  transmitAll(x);
  return drain(x);
}

/** Sends `frames` through reassembly and gives the merged frame, its pieces consumed. */
function mergeAll(x: Fixture, frames: readonly Uint8Array[]): number {
  let merged = NO_FRAME;
  for (const octets of frames) merged = x.fragments.accept(receive(x, 0, octets), { ...LIMITS, maxFragments: 256 }, 0);
  if (merged !== NO_FRAME) x.fragments.consumeFragments(merged);
  return merged;
}

t.test('a datagram without DF is cut to the MTU', async (t) => {
  const x = makeFixture();
  const whole = udpPayload(3000);
  const before = x.counters.slice();
  const f = receive(x, 0, frame4({ id: 0x55aa, ttl: 33, payload: whole }));
  t.ok(exceedsMtu(x.frames, f, 1500));
  const sent = cutDatagram(x, f, 1500);
  t.same(sent, [
    frame4({ id: 0x55aa, ttl: 33, more: true, payload: whole.slice(0, 1480) }),
    frame4({ id: 0x55aa, ttl: 33, more: true, offset: 1480, payload: whole.slice(1480, 2960) }),
    frame4({ id: 0x55aa, ttl: 33, offset: 2960, payload: whole.slice(2960) }),
  ]);
  t.same(moved(x, before), { received: 1, generated: 2, transmitted: 3 }, 'the first piece is the frame that came');
  t.ok(isEmpty(x) && isConserved(x));

  const again = receive(x, 0, frame4({ more: true, offset: 1480, payload: whole.slice(0, 1480) }));
  t.same(
    cutDatagram(x, again, 800),
    [
      frame4({ more: true, offset: 1480, payload: whole.slice(0, 776) }),
      frame4({ more: true, offset: 1480 + 776, payload: whole.slice(776, 1480) }),
    ],
    'a fragment that is cut keeps its place and its more-fragments bit',
  );
  const short = receive(x, 0, frame4({ payload: udpPayload(100) }));
  t.equal(cutDatagram(x, short, 1500).length, 1, 'what fits leaves whole');
  t.equal(x.frames.flags[short]! & FRAGMENT, 0);
});

t.test('merged datagrams are cut where they were cut before, or at the MTU', async (t) => {
  const x = makeFixture();
  const whole = udpPayload(3000);
  const cuts = [0, 1000, 1016, 2400, 3000];
  const pieces = cuts
    .slice(0, 4)
    .map((from, i) => frame4({ df: true, more: i < 3, offset: from, payload: whole.slice(from, cuts[i + 1]) }));
  const before = x.counters.slice();
  t.same(cutDatagram(x, mergeAll(x, pieces), 1500), pieces, 'all as they came');
  t.same(moved(x, before), { received: 4, generated: 4, transmitted: 4, consumed: 4 });
  const smaller = [0, 776, 1000, 1016, 1792, 2400, 3000];
  t.same(
    cutDatagram(x, mergeAll(x, pieces), 800),
    smaller.slice(0, 6).map((from, i) => frame4({ df: true, more: i < 5, offset: from, payload: whole.slice(from, smaller[i + 1]) })),
    'within the old boundaries',
  );
  const shortened = mergeAll(x, pieces);
  x.frames.end[shortened]! -= 2200;
  x.frames.length[shortened]! -= 2200;
  const sent = cutDatagram(x, shortened, 1500);
  t.equal(sent.length, 1, 'a datagram that became shorter than its first fragment');
  t.equal(sent[0]!.length, 34 + 800);
  t.equal(x.frames.flags[shortened]! & MERGED, 0);
  const moving = mergeAll(x, pieces);
  const other = x.frames.copy(moving);
  x.fragments.sizes.move(moving, other);
  x.frames.free(moving);
  t.same(cutDatagram(x, other, 1500), pieces, 'in another slot');
  t.ok(isEmpty(x) && isConserved(x));
});

t.test('what is cut comes together again', async (t) => {
  const x = makeFixture(512, 16);
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.integer({ min: 9, max: 9000 }),
        fc.integer({ min: 68, max: 2000 }),
        fc.integer({ min: 28, max: 2000 }),
        (octets, mtu, second) => {
          const whole = frame4({ payload: udpPayload(octets) });
          const first = cutDatagram(x, receive(x, 1, whole), mtu);
          if (first.some((frame) => frame.length > mtu + 14)) return false;
          if (first.length === 1 || first.length > 256) return Buffer.compare(first[0]!, whole) === 0 || first.length > 256;
          const merged = mergeAll(x, first);
          if (Buffer.compare(octetsOfFrame(x, merged), whole) !== 0) return false;
          const again = cutDatagram(x, merged, second);
          if (again.length === 0) x.ledger.drop(merged, R.FRAME_NO_SLOT);
          return again.every((frame) => frame.length <= Math.min(mtu, second) + 14) && isConserved(x) && isEmpty(x);
        },
      ),
      { seed: 7, numRuns: 150 },
    ),
  );
});

t.test('without a slot nothing changes', async (t) => {
  const x = makeFixture(3, 1);
  const octets = frame4({ payload: udpPayload(6000) });
  const f = receive(x, 0, octets);
  t.notOk(x.cutter.cutDatagram(f, 1500, x.out));
  t.same(octetsOfFrame(x, f), octets);
  t.same([x.out.count, x.frames.slotsInUse], [0, 0]);
  const g = receive(x, 1, frame4({ protocol: 6, payload: tcpPayload(6000) }));
  t.notOk(x.cutter.cutSegment(g, 1500, x.out));
  t.same(octetsOfFrame(x, g), frame4({ protocol: 6, payload: tcpPayload(6000) }));
  t.same([x.out.count, x.frames.slotsInUse], [0, 0]);
  t.notOk(x.cutter.cutDatagram(f, 27, x.out), 'an MTU without room for eight octets');
  t.notOk(x.cutter.cutSegment(g, 40, x.out), 'an MTU without room behind the headers');
});

t.test('IPv6: the fragment header comes back where it stood', async (t) => {
  const x = makeFixture();
  const whole = udpPayload(200);
  const routing = [44, 0, 2, 0, 0, 0, 0, 0];
  const hopByHop = [43, 0, 1, 4, 0, 0, 0, 0];
  const body = new Uint8Array([17, 0, 1, 4, 0, 0, 0, 0, ...whole]);
  const piece = (id: number, from: number, to: number): Uint8Array =>
    frame6(0, new Uint8Array([...hopByHop, ...routing, ...fragment6(60, id, from, to < body.length, body.slice(from, to))]));
  const pieces = [piece(0x8000_0001, 0, 64), piece(0x8000_0001, 64, 128), piece(0x8000_0001, 128, 208)];
  const before = x.counters.slice();
  t.same(cutDatagram(x, mergeAll(x, pieces), 1280), pieces);
  t.same(moved(x, before), { received: 3, generated: 3, transmitted: 3, consumed: 3 });
  const room = 40 + 16 + 8;
  t.same(
    cutDatagram(x, mergeAll(x, [pieces[0]!, piece(0x8000_0001, 64, 208)]), room + 63).map((frame) => frame.length - 18 - room),
    [56, 8, 56, 56, 32],
    'at the MTU within the old boundaries',
  );
  t.ok(isEmpty(x) && isConserved(x));
});

/** A super-frame of `octets` octets of payload as a port with a vnet header hands it over. */
function superFrame(x: Fixture, f: number, octets: number, gsoSize: number, flags: number, seq: number): void {
  receive(x, f, frame4({ id: 0xffff, df: true, protocol: 6, payload: tcpPayload(octets, flags, seq) }));
  const { frames, region } = x;
  frames.flags[f]! |= GSO | PARTIAL_CHECKSUM;
  frames.gsoSize[f] = gsoSize;
  const { view } = region;
  const l4 = frames.l4[f]!;
  view.setUint16(l4 + segment.checksumOffset(6), segment.pseudoSum(view, frames.l3[f]!, l4, frames.end[f]!, 6));
}

t.test('a super-frame becomes segments', async (t) => {
  const x = makeFixture();
  const bits = tcp.CWR | tcp.ACK | tcp.PSH | tcp.FIN;
  const whole = tcpPayload(5000, bits, 0xffff_ff00 | 0).slice(20);
  superFrame(x, 0, 5000, 1448, bits, 0xffff_ff00 | 0);
  t.notOk(exceedsMtu(x.frames, 0, 1500), 'its segments fit');
  t.ok(exceedsMtu(x.frames, 0, 1400));
  const before = x.counters.slice();
  const sent = cutSegment(x, 0, 1500);
  t.same(moved(x, before), { generated: 3, transmitted: 4 });
  let seq = 0xffff_ff00 | 0;
  const assembled: number[] = [];
  sent.forEach((octets, i) => {
    const v = new DataView(octets.buffer);
    t.equal(ipv4.check(v, 14, octets.length), R.OK, 'IP header');
    t.equal(ipv4.identification(v, 14), (0xffff + i) & 0xffff, 'identification counts up');
    t.equal(tcp.seqNum(v, 34), seq, 'sequence number');
    const last = i === sent.length - 1;
    t.equal(tcp.flags(v, 34), tcp.ACK | (i === 0 ? tcp.CWR : 0) | (last ? tcp.PSH | tcp.FIN : 0), 'flags');
    t.equal(checksumOf(octets, 34, octets.length, pseudo4(octets.length - 34)), 0, 'checksum');
    t.equal(octets.length - 54, last ? 5000 - 3 * 1448 : 1448);
    assembled.push(...octets.slice(54));
    seq = (seq + octets.length - 54) | 0;
  });
  t.same(new Uint8Array(assembled), whole);
  t.ok(isEmpty(x));
  superFrame(x, 0, 5000, 1448, bits, 1);
  t.same(
    cutSegment(x, 0, 1000).map((octets) => octets.length),
    [1014, 1014, 1014, 1014, 1014, 254],
    'a smaller MTU',
  );
  superFrame(x, 0, 1448, 1448, bits, 1);
  const single = cutSegment(x, 0, 1500);
  t.equal(single.length, 1);
  t.equal(checksumOf(single[0]!, 34, single[0]!.length, pseudo4(1468)), 0, 'one segment: its checksum is completed');
  t.equal(x.frames.flags[0]! & (GSO | PARTIAL_CHECKSUM | GENERATED), 0);
  receive(x, 0, frame4({ protocol: 6, df: true, payload: tcpPayload(2000) }));
  t.same(
    cutSegment(x, 0, 1500).map((octets) => octets.length),
    [1514, 594],
    'a long segment that is no super-frame',
  );
});

function pseudo4(length: number): number {
  return 0x0a00 + 5 + 0xc000 + 0x219 + 6 + length;
}

t.test('an IPv6 segment over the MTU', async (t) => {
  const x = makeFixture();
  const f = receive(x, 0, frame6(6, tcpPayload(3000, tcp.ACK | tcp.PSH)));
  const sent = cutSegment(x, f, 1280);
  t.same(
    sent.map((octets) => octets.length),
    [1298, 1298, 18 + 60 + 3000 - 2440],
  );
  for (const octets of sent) {
    const length = octets.length - 58;
    t.equal(new DataView(octets.buffer).getUint16(22), length);
    t.equal(checksumOf(octets, 58, octets.length, ADDR6.reduce((sum, word) => sum + word, 0) + 6 + length), 0);
  }
});

t.test('IPv6 options', async (t) => {
  const x = makeFixture();
  const normalise = (first: number, ...octets: number[]): { reason: number; payload: number[] } => {
    const reason = receiveAny(x, 0, frame6(first, new Uint8Array(octets)));
    return { reason, payload: Array.from(octetsOfFrame(x, 0).subarray(58)) };
  };
  const udp = [...udpPayload(8)];
  const mld = [143, 0, 0, 0, 0, 0, 0, 0];
  const alert = [5, 2, 0, 0];
  t.same(
    normalise(60, 17, 0, 4, 1, 9, 1, 1, 7, ...udp),
    { reason: R.OK, payload: [17, 0, 1, 1, 0, 1, 1, 0, ...udp] },
    'an option to skip, and padding that says something',
  );
  t.same(normalise(60, 17, 0, 0, 0, 0, 0, 0, 0, ...udp).payload, [17, 0, 0, 0, 0, 0, 0, 0, ...udp], 'Pad1');
  t.same(normalise(0, 58, 0, ...alert, 1, 0, ...mld).payload, [58, 0, ...alert, 1, 0, ...mld], 'router alert of MLD');
  t.same(normalise(0, 17, 0, ...alert, 1, 0, ...udp).payload, [17, 0, 1, 2, 0, 0, 1, 0, ...udp], 'router alert of anything else');
  t.same(normalise(60, 58, 0, ...alert, 1, 0, ...mld).payload, [58, 0, 1, 2, 0, 0, 1, 0, ...mld], 'router alert where it does not belong');
  t.same(normalise(0, 60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0x3e, 4, 1, 2, 3, 4, ...udp).payload, [
    60,
    0,
    1,
    4,
    0,
    0,
    0,
    0,
    17,
    0,
    1,
    4,
    0,
    0,
    0,
    0,
    ...udp,
  ]);
  for (const type of [0x44, 0x84, 0xc2, 0xc9])
    t.equal(normalise(60, 17, 0, type, 4, 0, 0, 0, 0, ...udp).reason, R.IP6_EXT_ILLEGAL, `option ${type}`);
  t.equal(normalise(60, 17, 0, 1, 5, 0, 0, 0, 0, ...udp).reason, R.IP6_EXT_ILLEGAL, 'an option beyond its header');
  t.equal(normalise(60, 17, 0, 1, 3, 0, 0, 0, 1, ...udp).reason, R.IP6_EXT_ILLEGAL, 'a type without a length');
});
