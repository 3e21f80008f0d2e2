// Streams through the whole path: every order of segments and of fragments with copies and overlaps, super-frames under an inspector,
// frames over the MTU.  Receivers that keep the first copy of an octet and receivers that keep the last must agree.

import t from 'tap';
import { STORE_OCTETS } from '../../src/telemetry/counters.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as tcp from '../../src/wire/tcp.ts';
import { ISNS } from '../stream/dialogue.ts';
import { Box } from './box.ts';
import { Conversation, mailPair, PAIR_ENDS } from './conversation.ts';
import { segment } from './datagrams.ts';
import { fragmentsOf, withPartialChecksum } from './offload.ts';

const CONFIG = mailPair(
  'ip inspect max-incomplete high 2000',
  'ip inspect max-incomplete low 1900',
  'ip inspect one-minute high 5000',
  'ip inspect one-minute low 4900',
  'ip inspect tcp max-incomplete host 2000',
);
const ROUTED = [
  'ip inspect name MAIL esmtp',
  'interface Ethernet0',
  ' ip address 192.0.2.254 255.255.255.0',
  ' ip inspect MAIL in',
  'interface Ethernet1',
  ' ip address 198.51.100.254 255.255.255.0',
].join('\n');
/** Octets of both sides in a greeted conversation. */
const CLIENT_BEGAN = 'HELO a\r\n';
const SERVER_BEGAN = '220 mx\r\n250 mx\r\n';

function greeted(box: Box, port: number, isn: readonly [number, number], server: string = PAIR_ENDS.server): Conversation {
  const c = new Conversation(box, { ...PAIR_ENDS, server, port, isn });
  c.open();
  c.send(1, { seq: 1, data: '220 mx\r\n' });
  c.send(0, { seq: 1, ack: 9, data: CLIENT_BEGAN });
  c.send(1, { seq: 9, ack: 9, data: '250 mx\r\n' });
  c.send(0, { seq: 9, ack: 17, flags: 'A' });
  return c;
}

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (let i = 0; i < items.length; i++) {
    for (const rest of permutations([...items.slice(0, i), ...items.slice(i + 1)])) yield [items[i]!, ...rest];
  }
}

/** Hands what left to the receivers of the conversation and forgets it. */
function deliver(box: Box, c: Conversation): void {
  c.deliver(box.left);
  box.left = [];
  box.handed = [];
}

/** What the server may get of `sent`: an illegal line keeps a prefix, the rest of it is x. */
function isMaskOf(sent: string, got: string): boolean {
  const lines = sent.split('\r\n');
  const left = got.split('\r\n');
  return (
    lines.length === left.length &&
    lines.every((line, i) => {
      if (!line.startsWith('EXPN')) return line === left[i];
      const kept = left[i]!.replace(/x+$/, '');
      return left[i]!.length === line.length && line.startsWith(kept) && kept !== line;
    })
  );
}

t.test('all orders of up to six segments, each with a copy of other octets and an overlap', async (t) => {
  const text = 'NOOP\r\nEXPN root\r\nNOOP a\r\nVRFY b\r\n';
  const cuts = [0, 5, 8, 16, 18, 27, text.length];
  const box = new Box(CONFIG);
  let runs = 0;
  for (let count = 1; count <= 6; count++) {
    const parts = Array.from({ length: count }, (_, i) => [cuts[i]!, i + 1 === count ? text.length : cuts[i + 1]!] as const);
    for (const order of permutations(parts)) {
      const c = greeted(box, 2000 + runs, ISNS[runs % ISNS.length]!);
      deliver(box, c);
      order.forEach(([from, to], k) => {
        c.send(0, { seq: 9 + from, ack: 17, data: text.slice(from, to) });
        // Of what came already: a copy, or what overlaps it on both sides as far as that was seen.
        if (k % 2 === 0) c.send(0, { seq: 9 + from, ack: 17, data: 'Y'.repeat(to - from) });
        const [first, end] = order[k >> 1]!;
        if (k % 3 === 1) c.send(0, { seq: 9 + first, ack: 17, data: 'Z'.repeat(end - first) });
      });
      deliver(box, c);
      const got = c.received(0).slice(CLIENT_BEGAN.length);
      if (!isMaskOf(text, got)) t.fail(`${JSON.stringify(order)}: ${JSON.stringify(got)}`);
      if (c.received(1) !== SERVER_BEGAN) t.fail(`${JSON.stringify(c.received(1))} for the client`);
      c.send(0, { seq: 9 + text.length, ack: 17, flags: 'RA' });
      runs++;
    }
  }
  t.equal(runs, 1 + 2 + 6 + 24 + 120 + 720);
  const moved = box.delta();
  t.equal(moved['store-octets'], undefined, 'nothing is kept of sessions that ended');
  t.equal(moved['out-of-order-octets'], undefined);
  t.equal(moved.held, undefined);
});

/** A datagram of 245 octets behind the IP header, its legal and illegal lines, and where it is cut. */
const LINES = `NOOP ${'a'.repeat(60)}\r\nEXPN ${'b'.repeat(70)}\r\nVRFY c\r\nNOOP ${'d'.repeat(55)}\r\nNOOP\r\nHELP\r\n`;
const CUTS = [24, 48, 64, 136, 200];
const left = LINES.replace(/EXPN b+/, (line) => 'x'.repeat(line.length));

t.test('all orders of up to six fragments under an inspector: merged, judged, cut again where they were cut', async (t) => {
  const box = new Box(CONFIG);
  let runs = 0;
  for (let count = 2; count <= 6; count++) {
    const cuts = CUTS.slice(0, count - 1);
    for (const order of permutations(Array.from({ length: count }, (_, i) => i))) {
      const c = greeted(box, 2000 + runs, ISNS[runs % ISNS.length]!);
      deliver(box, c);
      const whole = c.frame(0, { seq: 9, ack: 17, data: LINES, id: 100 + runs });
      const pieces = fragmentsOf(whole, cuts);
      box.delta();
      order.forEach((i, k) => {
        box.send('Ethernet0', pieces[i]!);
        if (k === 0 && count > 2) box.send('Ethernet0', pieces[i]!);
      });
      const copies = count > 2 ? 1 : 0;
      const { received, dropped, consumed, generated, transmitted, held, 'fragment-octets': octets } = box.delta();
      const wanted = [count + copies, copies || undefined, count, count, count, undefined, undefined];
      const moved = [received, dropped, consumed, generated, transmitted, held, octets];
      if (JSON.stringify(moved) !== JSON.stringify(wanted)) t.fail(`${order}: ${JSON.stringify(moved)}`);
      const masked = fragmentsOf(c.frame(0, { seq: 9, ack: 17, data: left, id: 100 + runs }), cuts);
      const isRight = box.left.length === count && box.left.every((octets, i) => Buffer.compare(octets, masked[i]!) === 0);
      if (!isRight) t.fail(`${order}: other fragments`);
      c.send(0, { seq: 9 + LINES.length, ack: 17, flags: 'RA' });
      box.left = [];
      runs++;
    }
  }
  t.equal(runs, 2 + 6 + 24 + 120 + 720);
});

t.test('fragments under an inspector: an overlap, another end, a smaller MTU, octets that stay behind', async (t) => {
  const box = new Box(CONFIG, { mtu: { Ethernet1: 100 } });
  const c = greeted(box, 2000, [0, 0]);
  const whole = c.frame(0, { seq: 9, ack: 17, data: LINES, id: 5 });
  for (const forged of [fragmentsOf(whole, [24, 56])[1]!, fragmentsOf(whole, [24])[1]!]) {
    box.delta();
    const [first, second, third] = fragmentsOf(whole, [24, 64]) as [Uint8Array, Uint8Array, Uint8Array];
    t.strictSame(box.send('Ethernet0', first, second, forged, third), []);
    t.match(box.delta(), { received: 4, dropped: 4, 'drop ip.frag-overlap': 4 });
    box.wait(3000);
  }
  box.left = [];
  box.send('Ethernet0', ...fragmentsOf(whole, [24, 64]));
  const shape = (): number[][] => box.left.map((octets) => [ipv4.fragmentOffset(new DataView(octets.buffer), 14), octets.length - 34]);
  t.strictSame(
    shape(),
    [
      [0, 24],
      [24, 40],
      [64, 80],
      [144, 80],
      [224, 20 + LINES.length - 224],
    ],
    'at its boundaries, or the MTU where that is smaller',
  );
  deliver(box, c);

  const data = c.frame(0, {
    seq: 9 + LINES.length,
    ack: 17,
    data: `MAIL FROM:<a@b>\r\n${'RSET\r\n'.repeat(4)}DATA\r\nheld until 354\r\n`,
    id: 6,
  });
  box.delta();
  t.strictSame(box.send('Ethernet0', ...fragmentsOf(data, [24, 56])).length, 3);
  t.match(box.delta(), { received: 3, consumed: 3, generated: 3, transmitted: 3, 'waiting-octets': 16 });
  t.strictSame(
    shape(),
    [
      [0, 24],
      [24, 32],
      [56, 20 + 47 - 56],
    ],
    'what waits for the reply is not in it',
  );
});

const LONG = `NOOP ${'a'.repeat(395)}\r\n`;

/** Payload of each frame that was handed to a port, and its gsoSize. */
function handed(box: Box): [string, number][] {
  const list = box.handed.map(({ octets, gsoSize }): [string, number] => {
    const view = new DataView(octets.buffer);
    return [Buffer.from(octets.subarray(34 + tcp.headerLength(view, 34))).toString('latin1'), gsoSize];
  });
  box.handed = [];
  return list;
}

t.test('super-frames under an inspector', async (t) => {
  const box = new Box(CONFIG, { offload: ['Ethernet0', 'Ethernet1'] });
  const c = greeted(box, 2000, [0x7fff_ff00, 0xffff_ff00]);
  deliver(box, c);
  let seq = 9;
  const arrive = (data: string, gsoSize: number | undefined, from = seq): void => {
    const octets = withPartialChecksum(c.frame(0, { seq: from, ack: 17, data }));
    box.arrive('Ethernet0', [gsoSize === undefined ? { octets, partial: true } : { octets, gsoSize }]);
  };
  const illegal = `EXPN ${'b'.repeat(300)}\r\n`;
  const masked = `${'x'.repeat(305)}\r\n`;
  const text = LONG.repeat(10) + illegal + LONG.repeat(20);
  const got = LONG.repeat(10) + masked + LONG.repeat(20);
  box.delta();
  arrive(text, 1448);
  t.strictSame(handed(box), [[got, 1448]], 'masked in place, in one piece');
  t.match(box.delta(), { received: 1, transmitted: 1, 'smtp-masked-commands': 1 });
  deliver(box, c);
  t.equal(c.received(0).slice(8), got);

  // The segments that the kernel cut it into are lost in part; their sender repeats with other boundaries.
  for (const [from, to, gsoSize] of [
    [4000, 7000, 1000],
    [3999, 4400, undefined],
    [0, text.length, 536],
    [100, 101, undefined],
  ] as const) {
    arrive(text.slice(from, to), gsoSize, seq + from);
    t.strictSame(handed(box), [[got.slice(from, to), gsoSize ?? 0]], `again ${from} to ${to}`);
  }
  arrive(`${text.slice(4000)}${LONG.repeat(4)}`, 1448, seq + 4000);
  t.strictSame(handed(box), [[`${got.slice(4000)}${LONG.repeat(4)}`, 1448]], 'joined with new octets');
  arrive('Y'.repeat(3000), 1448, seq + 3000);
  t.strictSame(handed(box), [[`${got.slice(3000, 6000)}`, 1448]], 'with other octets');
  deliver(box, c);
  seq += text.length + 4 * LONG.length;
  const replies = (count: number, last: string): string => '250\r\n'.repeat(count) + last;
  c.send(1, { seq: 17, ack: seq, data: replies(34, '500\r\n') });
  const answered = 17 + 35 * 5;
  c.send(0, { seq, ack: answered, flags: 'A' });
  t.equal(box.engine.plane.counters[STORE_OCTETS], 0);
  box.delta();

  // Cut at a release limit: what stands behind DATA waits.
  const data = `${LONG.repeat(8)}MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n`;
  const body = 'text\r\n'.repeat(500);
  box.handed = [];
  arrive(data + body, 1448);
  t.strictSame(handed(box), [[data, 1448]]);
  t.match(box.delta(), { received: 1, transmitted: 1, 'waiting-octets': 3000 });
  arrive(data + body, 700);
  t.strictSame(handed(box), [[data, 700]], 'again');
  c.send(1, { seq: answered, ack: seq + data.length, data: replies(10, '354\r\n') });
  const freed = handed(box).slice(1);
  t.equal(freed.map(([octets]) => octets).join(''), body, 'and leaves when the server is ready');
  t.ok(
    freed.every(([, gsoSize]) => gsoSize === 0),
    'in segments of ours',
  );
  seq += data.length + body.length;

  // What may leave fits one segment: no super-frame any more.
  const end = `${'more\r\n'.repeat(200)}.\r\nMAIL FROM:<a@b>\r\nDATA\r\n`;
  arrive(end + body, 1448);
  t.strictSame(handed(box), [[end, 0]]);
  deliver(box, c);
  t.equal(c.received(0).slice(8 + got.length), `${LONG.repeat(4)}${data}${body}${end}`);
});

t.test('a super-frame for a port that takes none is cut, and so is one that stands behind a hole', async (t) => {
  const box = new Box(CONFIG, { offload: ['Ethernet0'] });
  const c = greeted(box, 2000, [0xffff_ff00, 0]);
  deliver(box, c);
  const text = LONG.repeat(10);
  const superFrame = (from: number): { octets: Uint8Array; gsoSize: number } => ({
    octets: withPartialChecksum(c.frame(0, { seq: 9 + from, ack: 17, data: text })),
    gsoSize: 1000,
  });
  box.delta();
  box.arrive('Ethernet0', [superFrame(text.length)]);
  t.match(box.delta(), { received: 1, held: 1, 'out-of-order-octets': text.length });
  box.arrive('Ethernet0', [superFrame(0)]);
  const lengths = handed(box).map(([octets]) => octets.length);
  t.strictSame(lengths.slice(0, 5), [1000, 1000, 1000, 1000, 20], 'the one at hand at its own size');
  t.ok(
    lengths.slice(5).every((length) => length <= 536),
    'what it set free as every receiver takes it',
  );
  deliver(box, c);
  t.equal(c.received(0).slice(8), text + text);
});

t.test('frames over the MTU', async (t) => {
  const mtu = { Ethernet1: 600 };
  const text = 'NOOP\r\n'.repeat(150);
  const lengths = (box: Box): number[] => box.left.map((octets) => octets.length - 14);

  const routed = new Box(ROUTED, { mtu });
  const answered = greeted(routed, 2000, [0, 0], '198.51.100.2');
  routed.left = [];
  routed.delta();
  t.strictSame(answered.send(0, { seq: 9, ack: 17, data: text }), ['Ethernet0 icmp 192.0.2.254 192.0.2.1 3/4'], 'routed, DF: answered');
  t.match(routed.delta(), { received: 1, generated: 1, transmitted: 1, dropped: 1, 'drop tx.too-big': 1 });
  t.equal(new DataView(routed.left[0]!.buffer).getUint16(34 + 6), 600, 'with the MTU');
  routed.left = [];
  answered.send(0, { seq: 9, ack: 17, data: text, df: false });
  t.strictSame(lengths(routed), [20 + 576, 20 + 920 - 576], 'routed, without DF: fragmented');
  t.match(routed.delta(), { received: 1, generated: 1, transmitted: 2 });

  const bridged = new Box(CONFIG, { mtu });
  const c = greeted(bridged, 2000, [0x7fff_ff00, 0x7fff_ff00]);
  deliver(bridged, c);
  bridged.delta();
  c.send(0, { seq: 9, ack: 17, data: text });
  t.strictSame(lengths(bridged), [600, 380], 'transparent: segments that fit');
  t.match(bridged.delta(), { received: 1, generated: 1, transmitted: 2 });
  deliver(bridged, c);
  t.equal(c.received(0).slice(8), text);

  const plain = { from: '192.0.2.1', to: '192.0.2.2', sport: 3000, dport: 80 };
  bridged.send('Ethernet0', segment({ ...plain, flags: 'PA', seq: 1, ack: 1, data: 'y'.repeat(900) }));
  t.strictSame(lengths(bridged), [600, 380], 'and of sessions that nobody tracks');
  const other = segment({ ...plain, flags: 'PA', seq: 1, ack: 1, data: 'y'.repeat(900) });
  other[23] = 47;
  ipv4.fillChecksum(new DataView(other.buffer, other.byteOffset), 14);
  bridged.delta();
  t.strictSame(bridged.send('Ethernet0', other), []);
  t.match(bridged.delta(), { received: 1, dropped: 1, 'drop tx.too-big': 1 }, 'anything else is too big');
});
