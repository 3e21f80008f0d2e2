// Half-open thresholds through the real path on a fake clock: who must go, who is reset, what is said, and a SYN flood beside a mail
// session.  The SYN flood is that of the benches.

import t from 'tap';
import { makeWorkload } from '../../bench/workloads.ts';
import { compilePolicy } from '../../src/config/compile.ts';
import { parseConfiguration } from '../../src/config/parse.ts';
import { ReplayEngine } from '../../src/engine/replay-engine.ts';
import { BATCH } from '../../src/frame/frames.ts';
import { type Port, type ReceiveColumns, TX_OK } from '../../src/port/port.ts';
import * as C from '../../src/telemetry/counters.ts';
import * as R from '../../src/telemetry/reasons.ts';
import { Box } from './box.ts';
import { Conversation } from './conversation.ts';
import { describe, query, segment, userDatagram } from './datagrams.ts';
import { REFERENCE } from './reference.ts';

const A = 'Ethernet0';
const B = 'Ethernet1';
const SERVER = '198.51.100.25';
const OTHER = '198.51.100.26';

/** Two routed interfaces; sessions open from the first. */
function routed(...lines: string[]): string {
  return [
    ...lines,
    `interface ${A}`,
    ' ip address 192.0.2.1 255.255.255.0',
    ' ip inspect R in',
    `interface ${B}`,
    ' ip address 198.51.100.1 255.255.255.0',
  ].join('\n');
}

const RULES = ['ip inspect name R tcp', 'ip inspect name R udp'];

function syn(sport: number, to = SERVER, from = '192.0.2.9'): Uint8Array {
  return segment({ from, to, sport, dport: 80, flags: 'S', seq: sport });
}

function half(box: Box): number {
  return box.engine.plane.counters[C.SESSIONS_HALF_OPEN]!;
}

t.test('total: one victim, the oldest, for every request above high until below low', async (t) => {
  const box = new Box(routed('ip inspect max-incomplete high 5', 'ip inspect max-incomplete low 3', ...RULES));
  box.said();
  for (let i = 1; i <= 5; i++) box.send(A, i === 2 ? userDatagram({ from: '192.0.2.9', to: SERVER, sport: 2, dport: 2 }) : syn(i));
  t.equal(half(box), 5, 'UDP counts too');
  t.strictSame(box.said(), [], 'at high nothing happens');
  box.delta();

  // The first one's SYN was answered: it is reset as well, with the number that it waits for.
  box.send(B, segment({ from: SERVER, to: '192.0.2.9', sport: 80, dport: 1, flags: 'SA', seq: 9000, ack: 2 }));
  box.delta();
  t.strictSame(box.send(A, syn(6)), [
    `${A} tcp ${SERVER}:80 192.0.2.9:1 RA`,
    `${B} tcp 192.0.2.9:1 ${SERVER}:80 RA`,
    `${B} tcp 192.0.2.9:6 ${SERVER}:80 S`,
  ]);
  t.strictSame(box.said(), ['%FW-4-ALERT_ON: getting aggressive, count (6/5) current 1-min rate: 6']);
  t.strictSame(box.delta(), {
    received: 1,
    generated: 2,
    transmitted: 3,
    'tcp-packets': 1,
    'resets-sent': 2,
    'sessions-opened': 1,
    'sessions-closed': 1,
    'event flood.half-open': 1,
    // The new one is there before the victim is gone.
    'sessions-max-ever': 1,
  });
  const numbers = box.left.slice(-3, -1).map((octets) => {
    const view = new DataView(octets.buffer, octets.byteOffset);
    return [view.getUint32(38), view.getUint32(42)];
  });
  t.strictSame(
    numbers,
    [
      [9001, 2],
      [2, 9001],
    ],
    'both by the next number of the other side',
  );

  t.strictSame(box.send(A, syn(7)), [`${B} tcp 192.0.2.9:7 ${SERVER}:80 S`], 'UDP goes without a word');
  t.strictSame(box.delta(), { received: 1, transmitted: 1, 'tcp-packets': 1, 'sessions-opened': 1, 'sessions-closed': 1 });
  t.strictSame(
    box.send(A, syn(8)),
    [`${B} tcp 192.0.2.9:3 ${SERVER}:80 R`, `${B} tcp 192.0.2.9:8 ${SERVER}:80 S`],
    'a source that was never answered gets nothing',
  );
  t.strictSame(box.send(A, syn(8)), [`${B} tcp 192.0.2.9:8 ${SERVER}:80 S`], 'the same SYN again is no new request');
  t.equal(half(box), 5);
  t.strictSame(box.said(), [], 'one alert');

  // Three handshakes complete: the count falls below low, and it calms down.
  for (const port of [6, 7, 8]) {
    box.send(B, segment({ from: SERVER, to: '192.0.2.9', sport: 80, dport: port, flags: 'SA', seq: 1, ack: port + 1 }));
    box.send(A, segment({ from: '192.0.2.9', to: SERVER, sport: port, dport: 80, flags: 'A', seq: port + 1, ack: 2 }));
  }
  t.equal(half(box), 2);
  box.delta();
  t.equal(box.send(A, syn(9)).length, 1, 'calm: no victim');
  t.strictSame(box.said(), ['%FW-4-ALERT_OFF: calming down, count (2/3) current 1-min rate: 8']);
  t.match(box.delta(), { 'sessions-opened': 1, 'sessions-half-open': 1 });
});

t.test('the reference document: above 500, until below 400', async (t) => {
  const box = new Box(
    routed('ip inspect tcp max-incomplete host 1000', 'ip inspect one-minute high 100000', 'ip inspect one-minute low 90000', ...RULES),
  );
  box.said();
  for (let i = 0; i < 500; i++) box.send(A, syn(1000 + i));
  t.strictSame(box.said(), []);
  box.send(A, syn(2000));
  t.strictSame(box.said(), ['%FW-4-ALERT_ON: getting aggressive, count (501/500) current 1-min rate: 501']);
  t.equal(half(box), 500);
  for (let i = 0; i < 100; i++) box.send(A, syn(3000 + i));
  t.equal(half(box), 500, 'each new one costs an old one');
  t.same(box.delta()['resets-sent'], 101);
  box.wait(30_000);
  t.equal(half(box), 0);
  box.wait(5_000);
  t.strictSame(box.said(), ['%FW-4-ALERT_OFF: calming down, count (0/400) current 1-min rate: 601']);
});

t.test('one-minute: the rate alone, with hysteresis', async (t) => {
  const box = new Box(
    routed('ip inspect one-minute high 10', 'ip inspect one-minute low 6', 'ip inspect tcp max-incomplete host 1000', ...RULES),
  );
  box.said();
  const answer = (port: number): void => {
    box.send(B, segment({ from: SERVER, to: '192.0.2.9', sport: 80, dport: port, flags: 'SA', seq: 1, ack: port + 1 }));
    box.send(A, segment({ from: '192.0.2.9', to: SERVER, sport: port, dport: 80, flags: 'A', seq: port + 1, ack: 2 }));
  };
  for (let port = 1; port <= 10; port++) {
    box.send(A, syn(port));
    answer(port);
    box.wait(1000);
  }
  t.equal(half(box), 0);
  t.strictSame(box.said(), []);
  box.send(A, syn(11));
  t.strictSame(box.said(), ['%FW-4-ALERT_ON: getting aggressive, count (1/500) current 1-min rate: 11'], 'although nothing was half-open');
  box.delta();
  box.send(A, syn(12));
  t.match(box.delta(), { 'sessions-opened': 1, 'sessions-closed': 1, 'resets-sent': 1 });
  box.wait(30_000);
  t.strictSame(box.said(), []);
  box.wait(25_000);
  // The first ten requests are over a minute old, the last two are not.
  t.strictSame(box.said(), ['%FW-4-ALERT_OFF: calming down, count (0/400) current 1-min rate: 2']);
});

t.test('per host: the oldest to that host goes; block-time: all go and nobody comes', async (t) => {
  const box = new Box(routed('ip inspect tcp max-incomplete host 2', ...RULES));
  box.said();
  for (const port of [1, 2]) box.send(A, syn(port));
  box.send(A, syn(1, OTHER));
  t.strictSame(box.said(), []);
  t.strictSame(box.send(A, syn(3)), [`${B} tcp 192.0.2.9:1 ${SERVER}:80 R`, `${B} tcp 192.0.2.9:3 ${SERVER}:80 S`]);
  t.strictSame(box.said(), [`%FW-4-HOST_TCP_ALERT_ON: Max tcp half-open connections (2) exceeded for host ${SERVER}.`]);
  t.equal(half(box), 3);
  t.equal(box.send(A, userDatagram({ from: '192.0.2.9', to: SERVER, sport: 4, dport: 4 })).length, 1, 'TCP only');

  const blocking = new Box(routed('ip inspect tcp max-incomplete host 2 block-time 2', ...RULES));
  blocking.said();
  const up = new Conversation(blocking, { interfaces: [A, B], client: '192.0.2.9', server: SERVER, port: 900, serverPort: 80 });
  up.open();
  for (const port of [1, 2]) blocking.send(A, syn(port));
  blocking.delta();
  t.strictSame(blocking.send(A, syn(3)), [`${B} tcp 192.0.2.9:1 ${SERVER}:80 R`, `${B} tcp 192.0.2.9:2 ${SERVER}:80 R`]);
  t.strictSame(blocking.said(), [
    `%FW-4-HOST_TCP_ALERT_ON: Max tcp half-open connections (2) exceeded for host ${SERVER}.`,
    `%FW-2-BLOCK_HOST: Blocking new TCP connections to host ${SERVER} for 2 minutes (half-open count 2 exceeded).`,
  ]);
  t.strictSame(blocking.delta(), {
    received: 1,
    generated: 2,
    transmitted: 2,
    dropped: 1,
    'drop session.blocked-host': 1,
    'resets-sent': 2,
    'sessions-closed': 2,
    'sessions-current': -2,
    'sessions-half-open': -2,
    'sessions-refused': 1,
    'event flood.per-host': 2,
  });
  t.equal(up.send(0, { seq: 1, data: 'x' }).length, 1, 'an established session is untouched');
  t.equal(blocking.send(A, syn(3, OTHER)).length, 1, 'so are other hosts');
  blocking.wait(119_999);
  t.strictSame(blocking.send(A, syn(4)), []);
  t.strictSame(blocking.said(), []);
  blocking.wait(1);
  t.strictSame(blocking.said(), [`%FW-4-UNBLOCK_HOST: New TCP connections to host ${SERVER} no longer blocked`]);
  t.equal(blocking.send(A, syn(5)).length, 1);
});

t.test('per source: off by default', async (t) => {
  const box = new Box(routed('ip inspect source max-sessions 3', 'ip inspect source rate 5', ...RULES));
  const drop = (reason: string): Record<string, number> => ({ received: 1, dropped: 1, [`drop ${reason}`]: 1, 'sessions-refused': 1 });
  for (const port of [1, 2, 3]) box.send(A, syn(port));
  box.delta();
  t.strictSame(box.send(A, syn(4)), []);
  t.strictSame(box.delta(), drop('flood.per-source'));
  t.equal(box.send(A, syn(4, SERVER, '192.0.2.10')).length, 1, 'another source');
  const reset = (port: number): void =>
    void box.send(A, segment({ from: '192.0.2.9', to: SERVER, sport: port, dport: 80, flags: 'R', seq: port + 1 }));
  for (const port of [1, 2]) reset(port);
  for (const port of [5, 6]) t.equal(box.send(A, syn(port)).length, 1);
  reset(5);
  box.delta();
  t.strictSame(box.send(A, syn(7)), []);
  t.strictSame(box.delta(), drop('flood.rate'), 'the sixth in a minute');
});

t.test('alert-off: the same happens in silence', async (t) => {
  const box = new Box(
    routed(
      'ip inspect alert-off',
      'ip inspect max-incomplete high 2',
      'ip inspect max-incomplete low 1',
      'ip inspect tcp max-incomplete host 2',
      ...RULES,
    ),
  );
  box.said();
  for (let i = 1; i <= 4; i++) box.send(A, syn(i));
  t.strictSame(box.said(), []);
  t.equal(half(box), 2);
});

t.test('a full table under attack: one victim a request, also when it needs the place', async (t) => {
  const box = new Box(
    routed(
      'ip inspect max-sessions 4',
      'ip inspect max-incomplete high 2',
      'ip inspect max-incomplete low 1',
      ...RULES,
      'ip inspect name R icmp',
    ),
  );
  for (const port of [1, 2, 3]) box.send(A, syn(port));
  for (const ident of [1, 2]) box.send(A, query({ from: '192.0.2.9', to: SERVER, type: 8, ident }));
  t.equal(half(box), 2);
  t.equal(box.engine.plane.counters[C.SESSIONS_CURRENT], 4);
  box.delta();
  t.strictSame(box.send(A, syn(4)), [`${B} tcp 192.0.2.9:2 ${SERVER}:80 R`, `${B} tcp 192.0.2.9:4 ${SERVER}:80 S`]);
  t.strictSame(box.delta(), {
    received: 1,
    generated: 1,
    transmitted: 2,
    'tcp-packets': 1,
    'resets-sent': 1,
    'sessions-opened': 1,
    'sessions-closed': 1,
  });
});

/** Takes what is sent; frames of one TCP port are kept as lines. */
class Listening implements Port {
  readonly description;
  readonly heard: string[] = [];
  private readonly port: number;
  private readonly u8: Uint8Array;
  constructor(name: string, port: number, u8: Uint8Array) {
    this.description = { name, device: 'memory', mtu: 1500, offload: false, mac: null };
    this.port = port;
    this.u8 = u8;
  }
  receive(): number {
    return 0;
  }
  transmit(columns: ReceiveColumns, frames: Int32Array, count: number, result: Int32Array): void {
    for (let i = 0; i < count; i++) {
      const at = columns.offset[frames[i]!]!;
      result[i] = TX_OK;
      if (this.portAt(at + 34) !== this.port && this.portAt(at + 36) !== this.port) continue;
      this.heard.push(describe(this.u8.slice(at, at + columns.length[frames[i]!]!)));
    }
  }
  private portAt(at: number): number {
    return (this.u8[at]! << 8) | this.u8[at + 1]!;
  }
  release(): void {}
  isUp(): boolean {
    return true;
  }
  close(): void {}
}

/** The reference firewall, fed frame by frame; nothing is allocated for a frame of the flood. */
class Fed {
  readonly engine: ReplayEngine;
  readonly ports: Listening[] = [];
  now = 0;
  private count = 0;

  constructor(config: string, port: number) {
    const policy = compilePolicy(parseConfiguration(config).configuration, { epoch: 1, verifyChecksums: true });
    this.engine = new ReplayEngine({
      policy,
      portOctets: 1 << 20,
      syntheticArp: true,
      shape: { smallSlots: 1024, largeSlots: 16, storePages: 1024 },
      ports: (name, index, region) => (this.ports[index] = new Listening(name, port, region.u8)),
    });
  }

  put(inbound: boolean, octets: Uint8Array): void {
    const { plane, region } = this.engine;
    const at = region.portStart[0]! + this.count * 2048 + 64;
    region.u8.set(octets, at);
    const f = this.count++;
    plane.frames.begin(f, inbound ? 0 : plane.policy.interfaces.length - 1);
    plane.frames.offset[f] = at;
    plane.frames.length[f] = octets.length;
    plane.frames.wireLength[f] = octets.length;
    if (this.count === BATCH) this.flush();
  }

  flush(): void {
    this.engine.breathe(this.count, this.now);
    this.count = 0;
  }
}

const CLIENT = '203.0.113.9';

t.test('500,000 SYNs beside a mail session: it goes on, thresholds act, memory stays', { timeout: 120_000 }, async (t) => {
  const PORT = 50_000;
  const fed = new Fed(REFERENCE, PORT);
  const c = fed.engine.plane.counters;
  let seq = 1001;
  let ack = 5001;
  const client = (flags: string, data = ''): void =>
    fed.put(
      true,
      segment({
        from: CLIENT,
        to: '172.22.1.110',
        sport: PORT,
        dport: 25,
        flags,
        seq: flags === 'S' ? 1000 : seq,
        ack: flags === 'S' ? 0 : ack,
        data,
      }),
    );
  const server = (flags: string, data = ''): void =>
    fed.put(
      false,
      segment({ from: '10.10.10.2', to: CLIENT, sport: 25, dport: PORT, flags, seq: flags === 'SA' ? 5000 : ack, ack: seq, data }),
    );
  const expected: [string[], string[]] = [[], []];
  const toServer = `tcp ${CLIENT}:${PORT} 10.10.10.2:25`;
  const toClient = `tcp 172.22.1.110:25 ${CLIENT}:${PORT}`;
  client('S');
  server('SA');
  client('A');
  server('PA', '220 mx\r\n');
  ack += 8;
  client('PA', 'HELO a\r\n');
  seq += 8;
  server('PA', '250 mx\r\n');
  ack += 8;
  fed.flush();
  t.equal(c[C.DROPPED_FRAMES], 0);
  fed.ports.forEach((port) => port.heard.splice(0));

  let early = 0;
  let syns = 0;
  makeWorkload('syn-flood', {
    frame: (_, sec, nsec, octets) => {
      const now = (sec - 1_700_000_000) * 1000 + Math.floor(nsec / 1e6);
      if (now !== fed.now) fed.flush();
      fed.now = now;
      fed.put(true, octets);
      syns++;
      if (syns === 250_000) early = process.memoryUsage().rss;
      if (syns % 1000 !== 0) return;
      client('PA', 'NOOP\r\n');
      expected[1].push(`${toServer} PA "NOOP\\r\\n"`);
      seq += 6;
      server('PA', '250 ok\r\n');
      expected[0].push(`${toClient} PA "250 ok\\r\\n"`);
      ack += 8;
    },
  });
  fed.flush();
  const grown = process.memoryUsage().rss - early;
  t.equal(syns, 500_000);
  t.strictSame(fed.ports[0]!.heard, expected[0]);
  t.strictSame(fed.ports.at(-1)!.heard, expected[1]);
  t.ok(c[C.SESSIONS_HALF_OPEN]! <= 50, `${c[C.SESSIONS_HALF_OPEN]} half-open: the limit of one host holds`);
  t.equal(c[C.RESETS_SENT], c[C.SESSIONS_CLOSED], 'every victim is one reset, to the server: no source was ever answered');
  t.equal(c[C.SESSIONS_OPENED]! - c[C.SESSIONS_CLOSED]!, c[C.SESSIONS_HALF_OPEN]! + 1);
  t.equal(
    c[C.DROPPED_FRAMES]! - c[C.DROPS + R.TCP_SYN_MISMATCH]!,
    0,
    'a tuple that comes again with another number is all that is dropped',
  );
  // What grows is young garbage of the test itself.
  t.ok(grown < 24 << 20, `${(grown / (1 << 20)).toFixed(1)} MiB more after the second half`);
});
