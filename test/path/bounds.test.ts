// The stores and their bounds through the whole path: what the configuration says holds, what is full says so, and hostile flows
// in great number neither take memory nor stop a session that is established.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { compilePolicy } from '../../src/config/compile.ts';
import { parseConfiguration } from '../../src/config/parse.ts';
import { showInspectStatistics } from '../../src/console/displays/sessions.ts';
import { showCounters } from '../../src/console/displays/system.ts';
import { emptyState } from '../../src/console/state.ts';
import { ReplayEngine } from '../../src/engine/replay-engine.ts';
import type { DataPlane } from '../../src/path/data-plane.ts';
import { type Port, type ReceiveColumns, TX_OK } from '../../src/port/port.ts';
import { seededRandom } from '../../src/port/fault.ts';
import * as C from '../../src/telemetry/counters.ts';
import { E_REASON, E_VALUE, E_VALUE2, E_VALUE3 } from '../../src/telemetry/event-ring.ts';
import * as R from '../../src/telemetry/reasons.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as wire from '../../src/wire/segment.ts';
import * as tcp from '../../src/wire/tcp.ts';
import { Box } from './box.ts';
import { Conversation } from './conversation.ts';

/** A transparent pair that inspects `esmtp`, with further lines of global mode. */
function pair(...lines: string[]): string {
  return [
    ...lines,
    'ip inspect name MAIL esmtp',
    'bridge irb',
    'interface Ethernet0',
    ' ip inspect MAIL in',
    ' bridge-group 1',
    'interface Ethernet1',
    ' bridge-group 1',
    'bridge 1 protocol ieee',
  ].join('\n');
}

const ENDS = { interfaces: ['Ethernet0', 'Ethernet1'], client: '192.0.2.1', server: '192.0.2.2' } as const;

/** A conversation past greeting and HELO; 9 and 9 octets went each way. */
function greeted(box: Box, port = 4000): Conversation {
  const c = new Conversation(box, { ...ENDS, port });
  c.open();
  c.send(1, { seq: 1, data: '220 mx\r\n' });
  c.send(0, { seq: 1, ack: 9, data: 'HELO a\r\n' });
  c.send(1, { seq: 9, ack: 9, data: '250 mx\r\n' });
  c.send(0, { seq: 9, ack: 17, flags: 'A' });
  return c;
}

/** Events that were not read yet: name and the three values. */
function alarms(box: Box): (string | number)[][] {
  const { events } = box.engine.plane;
  const list: (string | number)[][] = [];
  for (let at = events.peek(); at >= 0; at = events.peek()) {
    const { words } = events;
    list.push([R.REASONS[words[at + E_REASON]!]!.name, words[at + E_VALUE]!, words[at + E_VALUE2]!, words[at + E_VALUE3]!]);
    events.advance();
  }
  return list;
}

const ONE = { received: 1, 'tcp-packets': 1, 'inspected-packets': 1 };

t.test('octets behind a hole: queue length, octets, memory limit, time, alarm', async (t) => {
  const lines = [
    'ip inspect tcp reassembly queue length 2',
    'ip inspect tcp reassembly timeout 7',
    'ip inspect tcp reassembly memory limit 1',
    'ip inspect tcp store out-of-order 600',
  ];
  const box = new Box(pair(...lines));
  const c = greeted(box);
  alarms(box);
  box.delta();
  const full = { ...ONE, dropped: 1, 'drop tcp.ooo-limit': 1 };
  const kept = (octets: number): object => ({ ...ONE, held: 1, 'out-of-order-segments': 1, 'out-of-order-octets': octets });

  c.send(0, { seq: 100, ack: 17, data: 'a'.repeat(500) });
  t.strictSame(box.delta(), { ...kept(500), 'store-octets': 4096 });
  c.send(0, { seq: 600, ack: 17, data: 'b'.repeat(101) });
  t.strictSame(box.delta(), { ...full, 'event tcp.ooo-limit': 1 }, 'more than 600 octets of one direction');
  t.strictSame(alarms(box), [['tcp.ooo-limit', 1600, 101, 1009]], 'number, octets, what was expected');
  c.send(0, { seq: 600, ack: 17, data: 'b'.repeat(100) });
  t.strictSame(box.delta(), kept(100));
  c.send(0, { seq: 90, ack: 17, data: 'c' });
  t.strictSame(box.delta(), full, 'a third segment; reported once a flow');

  const other = greeted(box, 4001);
  box.delta();
  other.send(0, { seq: 100, ack: 17, data: 'a'.repeat(424) });
  t.strictSame(box.delta(), { ...kept(424), 'store-octets': 4096 }, '1024 octets of all sessions');
  other.send(0, { seq: 90, ack: 17, data: 'd' });
  t.strictSame(box.delta(), { ...full, 'event tcp.ooo-limit': 1 }, 'and one more');
  const state = { ...emptyState(), counters: box.engine.plane.counters };
  const { configuration } = parseConfiguration(pair(...lines));
  t.match(
    showInspectStatistics(configuration, state),
    /TCP reassembly statistics\n {2}received 3 packets out-of-order; dropped 3\n {2}current usage: 1 KB\n/,
  );
  t.match(showCounters(state), /out-of-order-octets +1024\n {2}waiting-octets +0\n {2}fragment-octets +0\n/);

  t.strictSame(box.wait(6999), []);
  box.delta();
  box.wait(1);
  t.strictSame(box.delta(), {
    dropped: 3,
    held: -3,
    'drop tcp.ooo-timeout': 3,
    'event tcp.ooo-timeout': 2,
    'out-of-order-octets': -1024,
    'store-octets': -8192,
  });
  t.strictSame(
    c.send(0, { seq: 9, ack: 17, data: 'NOOP\r\n' }),
    ['Ethernet1 tcp 192.0.2.1:4000 192.0.2.2:25 PA "NOOP\\r\\n"'],
    'the sessions live',
  );

  const silent = new Box(pair('ip inspect tcp reassembly queue length 0', 'ip inspect tcp reassembly alarm off'));
  const d = greeted(silent);
  alarms(silent);
  d.send(0, { seq: 20, ack: 17, data: 'x' });
  t.strictSame(alarms(silent), [['tcp.ooo-limit', 1020, 0, 0]], 'counted, without the numbers that a log message needs');
});

t.test('a part of the command brings the other values of IOS with it, as they are shown', async (t) => {
  const limits = (...lines: string[]): object =>
    compilePolicy(parseConfiguration(pair(...lines)).configuration, { epoch: 1, verifyChecksums: true }).stream;
  t.match(limits(), { outOfOrderSegments: 64, outOfOrderTimeout: 4000, outOfOrderTotal: 256 << 20, outOfOrderAlarm: true });
  t.match(limits('ip inspect tcp reassembly timeout 9'), {
    outOfOrderSegments: 16,
    outOfOrderTimeout: 9000,
    outOfOrderTotal: 1 << 20,
    outOfOrderAlarm: true,
  });
  t.match(limits('ip inspect alert-off'), { outOfOrderAlarm: false });
  t.match(limits('ip inspect alert-off', 'ip inspect tcp reassembly alarm on'), { outOfOrderSegments: 16, outOfOrderAlarm: true });
});

t.test('what waits for a reply: octets and time', async (t) => {
  const box = new Box(pair('ip inspect tcp store synchronising 100', 'ip inspect tcp store synchronising-timeout 7'));
  const begin = (port: number): Conversation => {
    const c = new Conversation(box, { ...ENDS, port });
    c.open();
    box.delta();
    return c;
  };
  const c = begin(4000);
  c.send(0, { seq: 1, data: 'a'.repeat(100) });
  t.strictSame(
    box.delta(),
    { ...ONE, held: 1, 'waiting-octets': 100, 'store-octets': 4096, 'event sync.early': 1 },
    'in front of the greeting',
  );
  t.strictSame(c.send(0, { seq: 101, data: 'a' }), [
    'Ethernet0 tcp 192.0.2.2:25 192.0.2.1:4000 RA',
    'Ethernet1 tcp 192.0.2.1:4000 192.0.2.2:25 RA',
  ]);
  t.strictSame(box.delta(), {
    ...ONE,
    generated: 2,
    transmitted: 2,
    dropped: 2,
    held: -1,
    'resets-sent': 2,
    'waiting-octets': -100,
    'store-octets': -4096,
    'drop tcp.sync-limit': 2,
    'event tcp.sync-limit': 1,
    'sessions-terminating': 1,
  });
  begin(4001).send(0, { seq: 1, data: 'a' });
  t.strictSame(box.wait(6999), []);
  box.delta();
  t.equal(box.wait(1).length, 2);
  t.match(box.delta(), { 'drop tcp.sync-limit': 1, held: -1, 'waiting-octets': -1, 'resets-sent': 2 });
});

t.test('emitted octets: of one direction, and of all', async (t) => {
  const box = new Box(pair('ip inspect tcp store emitted 1000'));
  const c = greeted(box);
  c.send(0, { seq: 9, ack: 17, data: `NOOP ${'a'.repeat(400)}\r\n` });
  box.delta();
  c.send(0, { seq: 1009, ack: 17, data: 'xx' });
  t.strictSame(
    box.delta(),
    { ...ONE, dropped: 1, 'drop tcp.out-of-window': 1, 'event tcp.out-of-window': 1 },
    'the window was lowered to what the store takes',
  );

  const small = new Box(pair('ip inspect tcp store total 8192'));
  const [first, second, third] = [greeted(small, 4001), greeted(small, 4002), greeted(small, 4003)];
  first.send(0, { seq: 9, ack: 17, data: 'NOOP\r\n' });
  second.send(0, { seq: 9, ack: 17, data: 'NOOP\r\n' });
  small.delta();
  third.send(0, { seq: 9, ack: 17, data: 'NOOP\r\n' });
  t.strictSame(small.delta(), { ...ONE, dropped: 1, 'drop tcp.store-full': 1, 'event tcp.store-full': 1 });
  second.send(1, { seq: 17, ack: 15, flags: 'A' });
  t.equal(third.send(0, { seq: 9, ack: 17, data: 'NOOP\r\n' }).length, 1, 'the sender repeats it, and there is room');
  small.wait(10_000);
  small.delta();
  second.send(0, { seq: 15, ack: 17, data: 'NOOP\r\n' });
  t.match(
    small.delta(),
    { dropped: 1, 'drop tcp.store-full': 1, 'resets-sent': 2, 'sessions-closed': 1, 'store-octets': -4096 },
    'who keeps most and gets nowhere is reset',
  );
  t.equal(second.send(0, { seq: 15, ack: 17, data: 'NOOP\r\n' }).length, 1);
});

t.test('octets behind holes leave a quarter of the store to others', async (t) => {
  const box = new Box(pair('ip inspect tcp store total 32768'));
  const c = Array.from({ length: 8 }, (_, i) => greeted(box, 4000 + i));
  box.delta();
  for (const each of c) each.send(0, { seq: 30, ack: 17, data: 'x' });
  t.match(box.delta(), { held: 6, 'store-octets': 6 * 4096, dropped: 2, 'drop tcp.ooo-limit': 2 });
  t.equal(c[7]!.send(0, { seq: 9, ack: 17, data: 'NOOP\r\n' }).length, 1);
});

t.test('fragments: octets of all interfaces', async (t) => {
  const box = new Box(pair('ip inspect store fragments 4096'));
  const fragment = (id: number): Uint8Array => {
    const octets = new Conversation(box, { ...ENDS, port: 5000 }).frame(0, { seq: 1, data: 'x'.repeat(28), id });
    const view = new DataView(octets.buffer);
    ipv4.setFlagsOffset(view, 14, ipv4.MF);
    ipv4.fillChecksum(view, 14);
    return octets;
  };
  box.send('Ethernet0', fragment(1), fragment(2));
  t.strictSame(box.delta(), { received: 2, held: 2, 'fragment-datagrams': 2, 'fragment-octets': 4096 });
  box.send('Ethernet0', fragment(3));
  t.strictSame(box.delta(), { received: 1, dropped: 1, 'drop ip.frag-limit': 1 });
});

t.test('sessions: the table is full', async (t) => {
  const box = new Box(pair('ip inspect max-sessions 2'));
  const c = greeted(box);
  greeted(box, 4001);
  box.delta();
  const third = new Conversation(box, { ...ENDS, port: 4002 });
  t.strictSame(third.send(0, { seq: 0, flags: 'S' }), []);
  t.strictSame(box.delta(), { received: 1, dropped: 1, 'drop session.table-full': 1, 'sessions-refused': 1 });
  t.equal(c.send(0, { seq: 9, ack: 17, data: 'NOOP\r\n' }).length, 1, 'who is in stays');
});

/** Takes what is sent. */
class QuietPort implements Port {
  readonly description;
  taken = 0;
  constructor(name: string) {
    this.description = { name, device: 'memory', mtu: 1500, offload: false, mac: null };
  }
  receive(): number {
    return 0;
  }
  transmit(_columns: ReceiveColumns, _frames: Int32Array, count: number, result: Int32Array): void {
    this.taken += count;
    for (let i = 0; i < count; i++) result[i] = TX_OK;
  }
  release(): void {}
  isUp(): boolean {
    return true;
  }
  close(): void {}
}

const OUTSIDE = 0;
const SERVER = 0x0a0a_0a02;
const SERVER_GLOBAL = 0xac16_016e | 0;
const SLOT = 2048;

/** Frames laid into the region without an object each, a batch at a time. */
class Flood {
  readonly plane: DataPlane;
  readonly ports: QuietPort[] = [];
  readonly inside: number;
  now = 0;
  private readonly engine: ReplayEngine;
  private count = 0;

  constructor(config: string) {
    const policy = compilePolicy(parseConfiguration(config).configuration, { epoch: 1, verifyChecksums: true });
    this.engine = new ReplayEngine({
      policy,
      portOctets: 64 * SLOT,
      syntheticArp: true,
      shape: { smallSlots: 1024, largeSlots: 16 },
      ports: (name, index) => (this.ports[index] = new QuietPort(name)),
    });
    this.plane = this.engine.plane;
    this.inside = policy.interfaces.findIndex((entry) => entry.name === 'Ethernet2/1');
  }

  /** One TCP segment; `fragment`: the flags and offset word of IPv4. */
  put(ingress: number, src: number, dst: number, ports: number, seq: number, ack: number, flags: number, text = '', fragment = 0): void {
    const { frames, region } = this.plane;
    const { view, u8, u16 } = region;
    const f = this.count++;
    const at = region.portStart[0]! + f * SLOT + 64;
    const l3 = at + 14;
    const end = l3 + 40 + text.length;
    ethernet.setHeader(view, at, 0x0200, 0x0110, 0x0200, 0x0101, ethernet.TYPE_IPV4);
    ipv4.write(view, l3, 0, end - l3, seq & 0xffff, fragment, 64, 6, src, dst);
    tcp.write(view, l3 + 20, ports >>> 16, ports & 0xffff, seq, ack, flags, 65_535);
    for (let i = 0; i < text.length; i++) u8[l3 + 40 + i] = text.charCodeAt(i);
    wire.fillChecksum(view, u8, u16, l3, l3 + 20, end, 6);
    frames.flags[f] = 0;
    frames.gsoSize[f] = 0;
    frames.offset[f] = at;
    frames.length[f] = end - at;
    frames.wireLength[f] = end - at;
    frames.arrive(f, ingress);
    if (this.count === 64) this.flush();
  }

  flush(): void {
    if (this.count === 0) return;
    this.engine.breathe(this.count, this.now);
    this.plane.frames.clear(this.count);
    this.count = 0;
    this.check();
  }

  /** Sends what is waiting, then lets `ms` pass. */
  wait(ms: number): void {
    this.flush();
    this.now += ms;
    this.engine.advance(this.now);
    this.check();
  }

  private check(): void {
    const c = this.plane.counters;
    const ends = c[C.TRANSMITTED_FRAMES]! + c[C.DROPPED_FRAMES]! + c[C.HELD_FRAMES]! + c[C.CONSUMED_FRAMES]!;
    if (c[C.RECEIVED]! + c[C.GENERATED_FRAMES]! !== ends) throw new Error('conservation');
    // Nobody reads the events here.
    const { events } = this.plane;
    while (events.peek() >= 0) events.advance();
  }
}

/** One established session that goes on while the flood passes: a command and its reply at a time. */
class Honest {
  exchanges = 0;
  /** Times that a segment had to be sent again. */
  repeated = 0;
  private readonly flood: Flood;
  private clientSeq = 1001;
  private serverSeq = 5001;
  private readonly src = 0xc612_0063 | 0;
  private readonly out = (40_000 << 16) | 25;
  private readonly back = (25 << 16) | 40_000;

  constructor(flood: Flood) {
    this.flood = flood;
    this.client(tcp.SYN, -1);
    this.server(tcp.SYN | tcp.ACK, -1);
    this.client(tcp.ACK, 0);
    this.reply('220 mx\r\n');
    this.command('HELO a\r\n');
    this.reply('250 mx\r\n');
    if (flood.plane.counters[C.DROPPED_FRAMES] !== 0) throw new Error('the honest session was not opened');
  }

  exchange(): void {
    this.command('NOOP\r\n');
    this.reply('250 ok\r\n');
    this.client(tcp.ACK, 0);
    this.exchanges++;
  }

  private command(text: string): void {
    this.until(() => this.client(tcp.ACK | tcp.PSH, 0, text));
    this.clientSeq += text.length;
  }

  private reply(text: string): void {
    this.until(() => this.server(tcp.ACK | tcp.PSH, 0, text));
    this.serverSeq += text.length;
  }

  /** As a TCP does: again after 200 ms, 400 ms ... until it has passed. */
  private until(send: () => boolean): void {
    for (let pause = 200; !send(); pause *= 2) {
      if (pause > 20_000) throw new Error('the honest session is stopped');
      this.repeated++;
      this.flood.wait(pause);
    }
  }

  private client(flags: number, by: number, text = ''): boolean {
    const ack = (flags & tcp.ACK) === 0 ? 0 : this.serverSeq;
    return this.passes(() => this.flood.put(OUTSIDE, this.src, SERVER_GLOBAL, this.out, this.clientSeq + by, ack, flags, text));
  }

  private server(flags: number, by: number, text = ''): boolean {
    return this.passes(() =>
      this.flood.put(this.flood.inside, SERVER, this.src, this.back, this.serverSeq + by, this.clientSeq, flags, text),
    );
  }

  private passes(put: () => void): boolean {
    const { flood } = this;
    flood.flush();
    const drops = flood.plane.counters[C.DROPPED_FRAMES]!;
    put();
    flood.flush();
    return flood.plane.counters[C.DROPPED_FRAMES] === drops;
  }
}

/** Collects garbage, then says what is left, octets. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  gc();
  gc();
  const { heapUsed: heap, arrayBuffers, external } = process.memoryUsage();
  return heap + arrayBuffers + external;
}

/** One hostile flow from a source of its own; `kind` says how far it goes. */
function attack(flood: Flood, kind: number, src: number, port: number, seq: number): void {
  const out = (port << 16) | 25;
  const back = (25 << 16) | port;
  const opens = kind !== 3 && kind !== 4;
  if (opens) flood.put(OUTSIDE, src, SERVER_GLOBAL, out, seq, 0, tcp.SYN);
  // Whoever has made the server answer, or guesses what it would say, gets past the handshake.
  if (kind === 1 || kind >= 5) {
    flood.put(flood.inside, SERVER, src, back, seq ^ 0x55, seq + 1, tcp.SYN | tcp.ACK);
    flood.put(OUTSIDE, src, SERVER_GLOBAL, out, seq + 1, (seq ^ 0x55) + 1, tcp.ACK);
  }
  const ack = (seq ^ 0x55) + 1;
  if (kind === 1)
    for (let i = 1; i < 4; i++) flood.put(OUTSIDE, src, SERVER_GLOBAL, out, seq + 1 + i * 5000, ack, tcp.ACK, 'behind a hole');
  if (kind === 2) flood.put(OUTSIDE, src, SERVER_GLOBAL, out, seq + 1, 7, tcp.ACK | tcp.PSH, 'EXPN root\r\n');
  if (kind === 3) flood.put(OUTSIDE, src, SERVER_GLOBAL, out, seq, 0, tcp.SYN, 'of a datagram that never ends', ipv4.MF);
  if (kind === 4) flood.put(OUTSIDE, src, SERVER_GLOBAL, out, seq, seq, tcp.ACK | tcp.RST);
  if (kind === 5) flood.put(OUTSIDE, src, SERVER_GLOBAL, out, seq + 1, ack, tcp.ACK | tcp.PSH, 'EHLO in front of the greeting\r\n');
  if (kind === 6) flood.put(OUTSIDE, src, SERVER_GLOBAL, out, seq + 1, ack, tcp.ACK | tcp.FIN, 'QUIT\r');
}

function root(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!/"name": "postern"/.test(readText(join(folder, 'package.json')))) folder = dirname(folder);
  return folder;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const FLOWS = Number(process.env.POSTERN_FLOWS ?? 200_000);
const REFERENCE = readText(join(root(), 'rules/3640.cfg'));

t.test(`${FLOWS} hostile flows (POSTERN_FLOWS)`, { timeout: 600_000 }, async (t) => {
  const configurations = [
    ['thresholds as they are by default', ''],
    [
      'no thresholds: table and store fill',
      [
        'ip inspect max-incomplete high 2000000',
        'ip inspect max-incomplete low 2000000',
        'ip inspect one-minute high 2000000000',
        'ip inspect one-minute low 2000000000',
        'ip inspect tcp max-incomplete host 2000000',
        'ip inspect max-sessions 10000',
        'ip inspect tcp store total 8388608',
      ].join('\n'),
    ],
  ] as const;
  for (const [name, lines] of configurations) {
    const flood = new Flood(`${REFERENCE.replace(/^end$/m, '')}\n${lines}\n`);
    const random = seededRandom(5);
    const honest = new Honest(flood);
    let early = 0;
    for (let i = 0; i < FLOWS; i++) {
      const src = (0x2000_0000 + Math.floor(random() * 0x3fff_ffff)) | 0;
      attack(flood, i % 7, src, 1024 + Math.floor(random() * 60_000), Math.floor(random() * 0xffff_ffff) | 0);
      if (i % 100 === 99) flood.wait(1);
      if (i % 500 === 499) honest.exchange();
      if (i === FLOWS >> 1) early = heapUsed();
    }
    const c = flood.plane.counters;
    const { maxSessions, stream } = flood.plane.policy;
    const grown = heapUsed() - early;
    t.equal(honest.exchanges, Math.floor(FLOWS / 500), `${name}: the honest session goes on`);
    t.ok(honest.repeated < honest.exchanges, `${honest.repeated} segments sent again`);
    t.ok(grown < 2_000_000, `${grown} octets more than half way`);
    t.ok(c[C.SESSIONS_CURRENT]! <= maxSessions && c[C.STORE_OCTETS]! <= stream.totalOctets, 'bounds hold');
    t.ok(c[C.SESSIONS_OPENED]! > 20_000, `${c[C.SESSIONS_OPENED]} sessions opened, ${c[C.SESSIONS_REFUSED]} refused`);
    if (lines === '') continue;
    t.ok(c[C.DROPS + R.SESSION_TABLE_FULL]! > 0, `${c[C.DROPS + R.SESSION_TABLE_FULL]} found the table full`);
    t.ok(c[C.DROPS + R.TCP_OOO_LIMIT]! + c[C.DROPS + R.TCP_STORE_FULL]! > 0, `${c[C.DROPS + R.TCP_STORE_FULL]} found the store full`);
  }
});
