// One capture taken on one wire: the side of a frame, two ports, one file.

import { join } from 'node:path';
import t from 'tap';
import { CaptureMerge } from '../../src/port/capture-merge.ts';
import { OneWire, surveyWire } from '../../src/port/one-wire.ts';
import { parseOutside } from '../../src/port/outside-rule.ts';
import { INSIDE, OUTSIDE, WireSides } from '../../src/port/wire-sides.ts';
import { folder, frame, makeFrames, pcap, read, save, segment } from './capture-fixture.ts';

/** An ICMP unreachable that quotes a segment. */
function unreachable(src: number, dst: number, quoted: Uint8Array): Uint8Array {
  const out = Buffer.concat([
    Buffer.from(segment(src, dst, 0, 0, 0)).subarray(0, 34),
    Buffer.from('0301000000000000', 'hex'),
    quoted.subarray(14, 42),
  ]);
  out[23] = 1;
  return out;
}

t.test('the side of a frame on one wire', (t) => {
  const sides = (rule: string | null) => {
    const wire = new WireSides(rule === null ? null : parseOutside(rule));
    return (data: Uint8Array): number => {
      const copy = new Uint8Array(data);
      return wire.sideOf(new DataView(copy.buffer), 0, copy.length);
    };
  };
  const conversation = sides(null);
  t.equal(conversation(segment(1, 2, 4000, 25, 2)), OUTSIDE, 'the SYN');
  t.equal(conversation(segment(2, 1, 25, 4000, 0x12)), INSIDE);
  t.equal(conversation(unreachable(9, 1, segment(1, 2, 4000, 25, 2))), INSIDE, 'an error about it comes from the other side');
  t.equal(conversation(segment(2, 1, 5000, 25, 2)), OUTSIDE, 'another conversation the other way');
  t.equal(conversation(segment(1, 2, 25, 5000, 0x10)), INSIDE);
  t.equal(conversation(segment(3, 4, 25, 4001, 0x12)), INSIDE, 'a SYN-ACK first: its receiver is outside');
  t.equal(conversation(segment(4, 3, 4001, 25, 0x10)), OUTSIDE);
  const fragment = Buffer.from(segment(4, 3, 0, 0, 0));
  fragment[21] = 4;
  t.equal(conversation(fragment), OUTSIDE, 'a fragment goes the way of its addresses');
  const arp = Buffer.from(`ffffffffffff0200000000020806${'00'.repeat(28)}`, 'hex');
  t.equal(conversation(arp), OUTSIDE);
  const byMac = sides('0200.0000.0001');
  t.equal(byMac(segment(1, 2, 4000, 25, 2)), OUTSIDE);
  t.equal(byMac(segment(2, 1, 25, 4000, 2, '020000000001020000000002')), INSIDE);
  const byPrefix = sides('10.0.0.0/30');
  t.equal(byPrefix(segment(3, 7, 1, 2, 2)), OUTSIDE);
  t.equal(byPrefix(segment(7, 3, 1, 2, 2)), INSIDE);
  for (const bad of ['', '10.0.0', '10.0.0.256', '10.0.0.0/33', '02:00:00:00:01', '2001:db8::1::2', '1:2:3:4:5:6:7:8:9', 'x'])
    t.equal(parseOutside(bad), null, bad);
  t.same(parseOutside('2001:db8::/32'), { kind: 'prefix', words: [0x20010db8, 0, 0, 0], bits: 32 });
  t.same(parseOutside('02-00-00-00-01-01'), { kind: 'mac', high: 0x0200, low: 0x101 });
  t.end();
});

t.test('two MAC addresses: the one that sent the SYN is outside', (t) => {
  const there = '020000000002020000000001';
  const back = '020000000001020000000002';
  const wire = (...data: Uint8Array[]): string => save(pcap(data.map((d, i) => ({ sec: i, fraction: 0, data: d }))));
  t.same(surveyWire(wire(segment(2, 1, 9, 9, 0x10, back), segment(1, 2, 1, 25, 2, there))), { kind: 'mac', high: 0x200, low: 1 });
  t.same(surveyWire(wire(segment(2, 1, 25, 1, 0x12, back), segment(1, 2, 1, 25, 2, there))), { kind: 'mac', high: 0x200, low: 1 });
  t.same(
    surveyWire(wire(segment(1, 2, 1, 25, 0x10, there), segment(2, 1, 25, 1, 0x10, back))),
    { kind: 'mac', high: 0x200, low: 1 },
    'else the first to speak',
  );
  t.equal(
    surveyWire(wire(segment(1, 2, 1, 25, 2, there), segment(2, 1, 25, 1, 0x12, back), segment(1, 3, 1, 25, 2, '020000000003020000000003'))),
    null,
    'three',
  );
  t.equal(surveyWire(wire(segment(1, 2, 1, 25, 2, there), segment(2, 1, 25, 1, 0x12, there))), null, 'one sends both directions');
  t.equal(surveyWire(wire(segment(1, 2, 1, 25, 2, '020000000001020000000001'))), null, 'one');
  t.equal(surveyWire(save(pcap([{ sec: 1, fraction: 0, data: frame(60) }], { linkType: 101 }))), null, 'made-up headers');
  t.end();
});

t.test('one wire: two ports, one file, in the order of the queue', (t) => {
  const data = [segment(1, 2, 1, 25, 2), segment(2, 1, 25, 1, 0x12), segment(1, 2, 1, 25, 0x10)];
  const output = join(folder, 'wire.pcap');
  const frames = makeFrames(2);
  const wire = new OneWire(save(pcap(data.map((d, i) => ({ sec: 7, fraction: i, data: d })))), output, null);
  const ports = [wire.open('Ethernet0/0', 0, frames.region, 0), wire.open('Ethernet0/1', 1, frames.region, frames.region.portStart[1]!)];
  const merge = new CaptureMerge([wire]);
  t.equal(merge.fill(frames), 3);
  t.same([...frames.ingress.subarray(0, 3)], [0, 1, 0]);
  const result = new Int32Array(2);
  frames.order.set([1, 2, 3]);
  ports[0]!.transmit(frames, Int32Array.of(1), 1, result);
  ports[1]!.transmit(frames, Int32Array.of(0, 2), 2, result);
  for (const port of ports) port.release();
  t.equal(merge.fill(frames), 0);
  for (const port of ports) port.close();
  t.same(
    read(output).records.map((r) => r.data),
    data.map((d) => Buffer.from(d).toString('latin1')),
  );
  t.equal(wire.failure, null);
  t.end();
});
