// The stores and their bounds through the whole path: what the configuration says holds, and what is full says so.

import t from 'tap';
import { compilePolicy } from '../../src/config/compile.ts';
import { parseConfiguration } from '../../src/config/parse.ts';
import { showInspectStatistics } from '../../src/console/displays/sessions.ts';
import { showCounters } from '../../src/console/displays/system.ts';
import { emptyState } from '../../src/console/state.ts';
import { E_REASON, E_VALUE, E_VALUE2, E_VALUE3 } from '../../src/telemetry/event-ring.ts';
import * as R from '../../src/telemetry/reasons.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { Box } from './box.ts';
import { Conversation, mailPair, PAIR_ENDS } from './conversation.ts';

/** A conversation past greeting and HELO; 9 and 9 octets went each way. */
function greeted(box: Box, port = 4000): Conversation {
  const c = new Conversation(box, { ...PAIR_ENDS, port });
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
  const box = new Box(mailPair(...lines));
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
  const { configuration } = parseConfiguration(mailPair(...lines));
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

  const silent = new Box(mailPair('ip inspect tcp reassembly queue length 0', 'ip inspect tcp reassembly alarm off'));
  const d = greeted(silent);
  alarms(silent);
  d.send(0, { seq: 20, ack: 17, data: 'x' });
  t.strictSame(alarms(silent), [['tcp.ooo-limit', 1020, 0, 0]], 'counted, without the numbers that a log message needs');
});

t.test('a part of the command brings the other values of IOS with it, as they are shown', async (t) => {
  const limits = (...lines: string[]): object =>
    compilePolicy(parseConfiguration(mailPair(...lines)).configuration, { epoch: 1, verifyChecksums: true }).stream;
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
  const box = new Box(mailPair('ip inspect tcp store synchronising 100', 'ip inspect tcp store synchronising-timeout 7'));
  const begin = (port: number): Conversation => {
    const c = new Conversation(box, { ...PAIR_ENDS, port });
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
  const box = new Box(mailPair('ip inspect tcp store emitted 1000'));
  const c = greeted(box);
  c.send(0, { seq: 9, ack: 17, data: `NOOP ${'a'.repeat(400)}\r\n` });
  box.delta();
  c.send(0, { seq: 1009, ack: 17, data: 'xx' });
  t.strictSame(
    box.delta(),
    { ...ONE, dropped: 1, 'drop tcp.out-of-window': 1, 'event tcp.out-of-window': 1 },
    'the window was lowered to what the store takes',
  );

  const small = new Box(mailPair('ip inspect tcp store total 8192'));
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
  const box = new Box(mailPair('ip inspect tcp store total 32768'));
  const c = Array.from({ length: 8 }, (_, i) => greeted(box, 4000 + i));
  box.delta();
  for (const each of c) each.send(0, { seq: 30, ack: 17, data: 'x' });
  t.match(box.delta(), { held: 6, 'store-octets': 6 * 4096, dropped: 2, 'drop tcp.ooo-limit': 2 });
  t.equal(c[7]!.send(0, { seq: 9, ack: 17, data: 'NOOP\r\n' }).length, 1);
});

t.test('fragments: octets of all interfaces', async (t) => {
  const box = new Box(mailPair('ip inspect store fragments 4096'));
  const fragment = (id: number): Uint8Array => {
    const octets = new Conversation(box, { ...PAIR_ENDS, port: 5000 }).frame(0, { seq: 1, data: 'x'.repeat(28), id });
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
  const box = new Box(mailPair('ip inspect max-sessions 2'));
  const c = greeted(box);
  greeted(box, 4001);
  box.delta();
  const third = new Conversation(box, { ...PAIR_ENDS, port: 4002 });
  t.strictSame(third.send(0, { seq: 0, flags: 'S' }), []);
  t.strictSame(box.delta(), { received: 1, dropped: 1, 'drop session.table-full': 1, 'sessions-refused': 1 });
  t.equal(c.send(0, { seq: 9, ack: 17, data: 'NOOP\r\n' }).length, 1, 'who is in stays');
});
