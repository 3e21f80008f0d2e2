// Hostile flows in great number beside one honest session: they neither take memory nor stop it.  POSTERN_FLOWS says how many.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { compilePolicy } from '../../src/config/compile.ts';
import { parseConfiguration } from '../../src/config/parse.ts';
import { ReplayEngine } from '../../src/engine/replay-engine.ts';
import type { DataPlane } from '../../src/path/data-plane.ts';
import { type Port, type ReceiveColumns, TX_OK } from '../../src/port/port.ts';
import { seededRandom } from '../../src/port/fault.ts';
import * as C from '../../src/telemetry/counters.ts';
import * as R from '../../src/telemetry/reasons.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as wire from '../../src/wire/segment.ts';
import * as tcp from '../../src/wire/tcp.ts';

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
