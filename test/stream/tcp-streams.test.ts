import fc from 'fast-check';
import { CLOSED, CLOSING, OPEN } from '../../src/session/record.ts';
import { Dialogue, everyIsn, ISNS, pageOctets, show, timestamps } from './dialogue.ts';
import { ACK, FIN, PSH, Rig, RST, SYN } from './harness.ts';
import { seededRandom } from '../../src/port/fault.ts';
import { expected } from './line-inspector.ts';

everyIsn('a dialogue passes as it is', async (t) => {
  const rig = new Rig();
  rig.open();
  const d = new Dialogue(rig);
  t.equal(rig.sessions.state(rig.session), OPEN);
  t.strictSame(show(d.send(1, { seq: 1, ack: 1, data: '220 mx\r\n' })), ['< PA 1 1 "220 mx\\r\\n"']);
  t.strictSame(show(d.send(0, { seq: 1, ack: 9, data: 'NOOP\r\n' })), ['> PA 1 9 "NOOP\\r\\n"']);
  t.strictSame(show(d.send(1, { seq: 9, ack: 7, data: '250 ok\r\n' })), ['< PA 9 7 "250 ok\\r\\n"']);
  t.strictSame(show(d.send(0, { flags: ACK, seq: 7, ack: 17 })), ['> A 7 17 ""']);
  t.equal(rig.streams.pagesInUse, 0, 'nothing is kept of what was acknowledged');
  t.strictSame(show(d.send(0, { flags: ACK | FIN, seq: 7, ack: 17 })), ['> FA 7 17 ""']);
  t.strictSame(show(d.send(1, { flags: ACK | FIN, seq: 17, ack: 8 })), ['< FA 17 8 ""']);
  t.equal(rig.sessions.state(rig.session), CLOSING);
  t.strictSame(show(d.send(0, { flags: ACK, seq: 8, ack: 18 })), ['> A 8 18 ""']);
  t.strictSame(rig.log, []);
  rig.close();
});

everyIsn('every split, every initial number', async (t) => {
  const sent = 'HELO a\r\nBADLY done\r\nrest\r';
  const rig = new Rig();
  for (const isn of ISNS) {
    for (let cut = 1; cut < sent.length; cut++) {
      rig.open();
      const d = new Dialogue(rig, isn);
      d.send(0, { seq: 1, data: sent.slice(0, cut) });
      d.send(0, { seq: 1 + cut, data: sent.slice(cut) });
      t.equal(rig.received(0), 'HELO a\r\nxxxxxxxxxx\r\nrest', `${isn} ${cut}`);
      d.send(0, { flags: ACK | FIN, seq: 1 + sent.length });
      t.equal(rig.received(0), 'HELO a\r\nxxxxxxxxxx\r\nrest\r');
      t.strictSame(rig.log, ['cmd.illegal']);
    }
    rig.open();
    const d = new Dialogue(rig, isn);
    for (let i = 0; i < sent.length; i++) d.send(0, { seq: 1 + i, data: sent[i]! });
    t.equal(rig.received(0), 'HELO a\r\nxxxxxxxxxx\r\nrest', 'octet by octet');
  }
  rig.close();
});

everyIsn('a segment is cut at the release limit; the rest leaves with the next octet', async (t) => {
  const rig = new Rig();
  rig.open();
  const d = new Dialogue(rig);
  t.strictSame(show(d.send(0, { seq: 1, data: 'NOOP\r' })), ['> A 1 1 "NOOP"']);
  t.strictSame(show(d.send(0, { seq: 6, data: '\n' })), ['> PA 5 1 "\\r" made', '> PA 6 1 "\\n"']);
  t.strictSame(show(d.send(0, { seq: 7, data: 'BA' })), []);
  const moved = rig.deltas(() => {
    t.strictSame(show(d.send(0, { seq: 9, data: 'Dx\r\n' })), ['> PA 7 1 "xx" made', '> PA 9 1 "xx\\r\\n"']);
  });
  t.strictSame(moved, {
    received: 1,
    generated: 1,
    transmitted: 2,
    held: -1,
    consumed: 1,
    'tcp-packets': 1,
    'inspected-packets': 1,
    'store-octets': 4096,
    'event cmd.illegal': 1,
  });
  rig.close();
});

everyIsn('a held octet does not stall its sender', async (t) => {
  const rig = new Rig();
  rig.open();
  const d = new Dialogue(rig);
  d.send(0, { seq: 1, data: 'QUIT\r' });
  d.send(1, { flags: ACK, seq: 1, ack: 5 });
  const moved = rig.deltas(() => {
    t.strictSame(show(d.send(0, { seq: 5, data: '\r' })), ['< A 1 6 "" made'], 'it is acknowledged');
  });
  t.strictSame(moved, { received: 1, consumed: 1, generated: 1, transmitted: 1, 'held-acks': 1, 'tcp-packets': 1, 'inspected-packets': 1 });
  t.strictSame(show(d.send(0, { seq: 6, data: '\n' })), ['> PA 5 1 "\\r" made', '> PA 6 1 "\\n"']);
  t.strictSame(
    show(d.send(0, { seq: 6, data: '\n' })),
    ['> PA 5 1 "\\r" made', '> PA 6 1 "\\n"'],
    'and goes out with every retransmission',
  );
  t.strictSame(show(d.wait(1000)), ['> PA 5 1 "\\r" made'], 'and without one');
  t.strictSame(show(d.wait(1999)), []);
  t.strictSame(show(d.wait(1)), ['> PA 5 1 "\\r" made']);
  d.send(1, { flags: ACK, seq: 1, ack: 7 });
  t.strictSame(d.wait(100_000), [], 'until it is acknowledged');
  t.strictSame(rig.log, []);
  rig.close();
});

everyIsn('what waits for the other side', async (t) => {
  const rig = new Rig();
  rig.open();
  const d = new Dialogue(rig);
  t.strictSame(show(d.send(0, { seq: 1, data: 'SYNC\r\nBAD\r\nok\r\n' })), ['> A 1 1 "SYNC\\r\\n"']);
  t.strictSame(show(d.send(0, { seq: 16, data: 'more\r\n' })), []);
  t.strictSame(show(d.send(1, { seq: 1, ack: 7, data: '250\r\n' })), [
    '< PA 1 7 "250\\r\\n"',
    '> PA 7 1 "xxx\\r\\nok\\r\\nmore\\r\\n" made',
  ]);
  t.equal(rig.received(0), 'SYNC\r\nxxx\r\nok\r\nmore\r\n');
  t.strictSame(
    show(d.send(0, { seq: 7, ack: 6, data: 'BAD\r\nok\r\nmore\r\n' })),
    ['> PA 7 6 "xxx\\r\\nok\\r\\nmore\\r\\n"'],
    'the honest copy is no mismatch',
  );
  t.strictSame(rig.log, ['cmd.illegal']);
  rig.close();
});

everyIsn('what waits too long or is too much resets', async (t) => {
  const rig = new Rig({ syncOctets: 100, syncTimeout: 5000 });
  rig.open();
  let d = new Dialogue(rig);
  d.send(0, { seq: 1, data: 'SYNC\r\n' });
  d.send(0, { seq: 7, data: 'x'.repeat(100) });
  const moved = rig.deltas(() => {
    t.strictSame(show(d.send(0, { seq: 107, data: 'y' })), ['> RA 7 1 "" made', '< RA 1 108 "" made']);
  });
  t.strictSame(moved, {
    received: 1,
    generated: 2,
    transmitted: 2,
    dropped: 2,
    held: -1,
    'resets-sent': 2,
    'tcp-packets': 1,
    'inspected-packets': 1,
    'store-octets': -pageOctets(d, 0, 1, 107),
    'waiting-octets': -100,
    'drop tcp.sync-limit': 2,
    'event tcp.sync-limit': 1,
  });
  t.equal(rig.sessions.state(rig.session), CLOSED);
  rig.open();
  d = new Dialogue(rig);
  d.send(0, { seq: 1, data: 'SYNC\r\nNOOP\r\n' });
  t.strictSame(d.wait(4999), []);
  t.strictSame(show(d.wait(1)), ['> RA 7 1 "" made', '< RA 1 13 "" made']);
  rig.close();
});

everyIsn('a verdict resets both sides; what was before it leaves first', async (t) => {
  const rig = new Rig();
  rig.open();
  const d = new Dialogue(rig);
  const moved = rig.deltas(() => {
    t.strictSame(show(d.send(0, { seq: 1, data: 'NOOP\r\nRST!x\r\n' })), ['> A 1 1 "NOOP\\r\\n"', '> RA 7 1 "" made', '< RA 1 14 "" made']);
  });
  t.strictSame(moved, {
    received: 1,
    generated: 2,
    transmitted: 3,
    'inspect-resets': 1,
    'resets-sent': 2,
    'tcp-packets': 1,
    'inspected-packets': 1,
  });
  t.strictSame(show(d.send(0, { seq: 14, data: 'QUIT\r\n' })), ['< RA 1 14 "" made'], 'stragglers get it again');
  t.strictSame(show(d.send(1, { seq: 1, data: '500\r\n' })), ['> RA 7 1 "" made']);
  t.strictSame(show(d.send(1, { flags: RST, seq: 1 })), []);
  t.strictSame(rig.log, ['tcp.closed']);
  rig.open();
  const other = new Dialogue(rig);
  t.strictSame(show(other.send(0, { seq: 1, data: 'RST!' })), ['> RA 1 1 "" made', '< RA 1 5 "" made']);
  rig.close();
});

everyIsn('deadlines of the inspector, opaque sessions, the limit of octets', async (t) => {
  const rig = new Rig();
  rig.open();
  let d = new Dialogue(rig);
  t.strictSame(show(d.send(0, { seq: 1, data: 'TIME\r\n' })), []);
  t.strictSame(show(d.wait(99)), []);
  t.strictSame(show(d.wait(1)), ['> PA 1 1 "TIME\\r\\n" made']);
  t.strictSame(show(d.send(0, { seq: 7, data: 'OPEN\r\nBAD\r\nRST!' })), ['> PA 7 1 "OPEN\\r\\nBAD\\r\\nRST!"']);
  t.strictSame(show(d.send(0, { seq: 22, data: '\rBAD\r' })), ['> PA 22 1 "\\rBAD\\r"']);
  t.strictSame(show(d.send(0, { seq: 22, data: '\rGOOD' })), ['> PA 22 1 "\\rBAD\\r"'], 'I3 holds for an opaque session too');
  t.strictSame(rig.log, ['tcp.overlap-mismatch']);
  rig.open(10);
  d = new Dialogue(rig);
  d.send(0, { seq: 1, data: '0123456789' });
  t.strictSame(show(d.send(0, { seq: 11, data: 'a' })), ['> RA 11 1 "" made', '< RA 1 12 "" made']);
  t.strictSame(rig.log, ['inspect.max-data']);
  rig.close();
});

everyIsn('retransmissions at other boundaries leave as the octets left first', async (t) => {
  const rig = new Rig();
  const sent = 'HELO a\r\nBADLY\r\nQUIT\r\n';
  const left = 'HELO a\r\nxxxxx\r\nQUIT\r\n';
  for (const isn of ISNS) {
    rig.open();
    const d = new Dialogue(rig, isn);
    d.send(0, { seq: 1, data: sent });
    for (let from = 0; from < sent.length; from++) {
      for (let to = from + 1; to <= sent.length; to++) {
        const [again] = d.send(0, { seq: 1 + from, data: sent.slice(from, to) });
        if (again!.data !== left.slice(from, to)) t.fail(`${from} ${to}`);
      }
    }
    t.strictSame(rig.log, ['cmd.illegal'], 'honest copies are no mismatch');
    d.send(0, { seq: 1, data: 'X'.repeat(sent.length) });
    t.equal(rig.received(0), left);
    t.strictSame(rig.log, ['cmd.illegal', 'tcp.overlap-mismatch']);
    d.send(1, { flags: ACK, seq: 1, ack: 10 });
    t.strictSame(
      show(d.send(0, { seq: 3, data: `${sent.slice(2)}NEW\r\n` })),
      [`> PA 10 1 ${JSON.stringify(`${left.slice(9)}NEW\r\n`)}`],
      'joined with new octets',
    );
  }
  rig.close();
});

everyIsn('all orders of six segments, with an overlap of other octets', async (t) => {
  const parts = ['NOOP\r', '\nBA', 'D on', 'e\r\nQ', 'UIT', '\r\n'];
  const whole = parts.join('');
  const rig = new Rig();
  let runs = 0;
  const orders = permutations([0, 1, 2, 3, 4, 5]);
  for (const order of orders) {
    const isn = ISNS[runs++ % ISNS.length]!;
    rig.open();
    const d = new Dialogue(rig, isn);
    for (let k = 0; k < order.length; k++) {
      const i = order[k]!;
      const at = parts.slice(0, i).join('').length;
      d.send(0, { seq: 1 + at, data: parts[i]! });
      // A copy with other octets behind the first one changes nothing.
      if (k % 2 === 0) d.send(0, { seq: 1 + at, data: parts[i]!.toLowerCase().replaceAll('\r', 'R') });
    }
    if (rig.received(0) !== expected(whole).text) t.fail(`${order}: ${JSON.stringify(rig.received(0))}`);
    d.send(1, { flags: ACK, seq: 1, ack: 1 + whole.length });
    if (rig.streams.pagesInUse !== 0) t.fail('pages are left');
  }
  t.equal(runs, 720);
  rig.close();
});

everyIsn('octets behind a hole: bounds and time', async (t) => {
  const rig = new Rig({ outOfOrderOctets: 32, outOfOrderSegments: 2 });
  rig.open();
  let d = new Dialogue(rig);
  const moved = rig.deltas(() => {
    d.send(0, { seq: 7, data: 'QUIT\r\n' });
    d.send(0, { seq: 13, data: 'z'.repeat(60) });
  });
  t.strictSame(moved, {
    received: 2,
    held: 1,
    dropped: 1,
    'out-of-order-segments': 1,
    'out-of-order-octets': 6,
    'tcp-packets': 2,
    'inspected-packets': 2,
    'store-octets': 4096,
    'drop tcp.ooo-limit': 1,
    'event tcp.ooo-limit': 1,
  });
  const { calls } = rig.inspector;
  t.strictSame(show(d.send(0, { seq: 1, data: 'NOOP\r\n' })), ['> PA 1 1 "NOOP\\r\\n"', '> PA 7 1 "QUIT\\r\\n" made']);
  t.equal(rig.inspector.calls, calls + 1, 'what follows now is judged in one piece');
  rig.open();
  d = new Dialogue(rig);
  for (const seq of [20, 22, 24]) d.send(0, { seq, data: 'a' });
  t.strictSame(rig.log, ['tcp.ooo-limit']);
  t.strictSame(
    rig.deltas(() => d.wait(4000)),
    { dropped: 2, held: -2, 'drop tcp.ooo-timeout': 2, 'event tcp.ooo-timeout': 1, 'store-octets': -4096, 'out-of-order-octets': -2 },
  );
  d.send(0, { seq: 1, data: 'NOOP\r\n' });
  t.equal(rig.received(0), 'NOOP\r\n');
  rig.close();
});

everyIsn('an early FIN waits; FIN behind held octets', async (t) => {
  const rig = new Rig();
  rig.open();
  let d = new Dialogue(rig);
  t.strictSame(show(d.send(0, { flags: ACK | FIN, seq: 7 })), []);
  t.strictSame(show(d.send(0, { seq: 1, data: 'NOOP\r\n' })), ['> PA 1 1 "NOOP\\r\\n"', '> FA 7 1 "" made']);
  t.strictSame(show(d.send(0, { flags: ACK | FIN, seq: 7 })), ['> FA 7 1 ""'], 'again');
  t.strictSame(show(d.send(0, { seq: 7, data: 'more' })), [], 'nothing behind it');
  t.strictSame(rig.log, ['tcp.data-after-fin']);
  rig.open();
  d = new Dialogue(rig);
  t.strictSame(show(d.send(0, { seq: 1, data: 'SYNC\r\nQUIT\r\n' })), ['> A 1 1 "SYNC\\r\\n"']);
  t.strictSame(show(d.send(0, { flags: ACK | FIN, seq: 13 })), []);
  t.strictSame(show(d.send(0, { flags: ACK | FIN, seq: 13 })), ['< A 1 13 "" made']);
  t.strictSame(show(d.send(1, { seq: 1, ack: 7, data: '250\r\n' })), ['< PA 1 7 "250\\r\\n"', '> FPA 7 1 "QUIT\\r\\n" made']);
  rig.open();
  d = new Dialogue(rig);
  t.strictSame(
    show(d.send(0, { flags: ACK | FIN | PSH, seq: 1, data: 'QUI\r' })),
    ['> FPA 1 1 "QUI\\r"'],
    'an incomplete line goes with it',
  );
  rig.close();
});

everyIsn('resets of an endpoint', async (t) => {
  const rig = new Rig();
  rig.open();
  let d = new Dialogue(rig);
  t.strictSame(show(d.send(0, { flags: RST, seq: 500 })), []);
  t.strictSame(rig.log, ['tcp.rst-invalid']);
  d.send(0, { seq: 1, data: 'SYNC\r\nheld' });
  t.strictSame(show(d.send(0, { flags: RST, seq: 11, data: 'gone' })), ['> R 7 0 ""'], 'renumbered, its octets removed');
  t.equal(rig.sessions.state(rig.session), CLOSED);
  t.strictSame(show(d.send(0, { seq: 1, data: 'x' })), []);
  t.strictSame(show(d.send(1, { seq: 1, data: 'x' })), ['> RA 7 1 "" made']);
  rig.open();
  d = new Dialogue(rig);
  t.strictSame(show(d.send(1, { flags: RST | ACK, seq: 1, ack: 1 })), ['< RA 1 1 ""']);
  rig.close();
});

everyIsn('super-frames and partial checksums', async (t) => {
  const rig = new Rig();
  rig.open();
  const d = new Dialogue(rig);
  const line = `${'a'.repeat(98)}\r\n`;
  const long = line.repeat(100);
  const [whole] = d.send(0, { seq: 1, data: `BAD${long.slice(3)}`, partial: true, gso: 1448 });
  t.equal(whole!.data, `${'x'.repeat(98)}\r\n${long.slice(100)}`);
  t.equal(whole!.gso, 1448);
  d.send(1, { flags: ACK, seq: 1, ack: 10_001 });
  const cut = d.send(0, { seq: 10_001, data: `${line}SYNC\r\n${long}`, partial: true, gso: 1448 });
  t.strictSame(show(cut), [`> A 10001 1 ${JSON.stringify(`${line}SYNC\r\n`)}`]);
  t.equal(cut[0]!.gso, 0, 'no longer than one of its segments');
  const freed = d.send(1, { seq: 1, ack: 10_107, data: '250\r\n' });
  t.strictSame(
    freed.map((e) => e.data.length),
    [5, 536, ...Array.from({ length: 17 }, () => 536), 352],
    'the receiver said no more than 536',
  );
  t.equal(rig.received(0), `${'x'.repeat(98)}\r\n${long.slice(100)}${line}SYNC\r\n${long}`);
  rig.close();
});

everyIsn('IPv6', async (t) => {
  const rig = new Rig();
  rig.open(0, true);
  const d = new Dialogue(rig);
  d.send(0, { seq: 1, data: 'NOOP\r\nBA' });
  d.send(0, { seq: 9, data: 'D\r\n', partial: true });
  d.send(0, { seq: 14, data: 'late' });
  d.send(0, { seq: 12, data: 'RS' });
  t.equal(rig.received(0), 'NOOP\r\nxxx\r\nRSlate');
  t.strictSame(show(d.send(0, { seq: 18, data: '\r\nRST!' })), ['> A 18 1 "\\r\\n"', '> RA 20 1 "" made', '< RA 1 24 "" made']);
  rig.close();
});

everyIsn('made segments carry the newest timestamps', async (t) => {
  const rig = new Rig();
  rig.open();
  const syn = [2, 4, 5, 180, ...timestamps(1, 0)];
  const d = new Dialogue(rig, [7, 9], [syn, syn]);
  d.send(0, { seq: 1, data: 'SYNC\r\nNOOP\r\n', options: timestamps(5, 1) });
  const freed = d.send(1, { seq: 1, ack: 7, data: '250\r\n', options: timestamps(3, 5) });
  t.strictSame([...freed[1]!.options], timestamps(5, 1));
  d.send(0, { seq: 13, data: 'ne\r', options: timestamps(6, 3) });
  const [ack] = d.send(0, { seq: 15, data: '\r', options: timestamps(7, 3) });
  t.strictSame(show([ack!]), ['< A 6 16 "" made']);
  t.strictSame([...ack!.options], timestamps(3, 5));
  rig.close();
});

everyIsn('random schedules: any cut, order, copies, overlaps', async () => {
  const rig = new Rig();
  const piece = fc.record({ from: fc.nat(59), length: fc.integer({ min: 1, max: 20 }), change: fc.boolean(), ack: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 25 }), fc.nat(ISNS.length - 1), (pieces, isn) => {
      const sent = 'HELO a\r\nBAD thing\r\nSYNC\r\nBAD\r\nthe rest of it\r\nQUIT\r\nBA D\r\n';
      rig.open();
      const d = new Dialogue(rig, ISNS[isn]);
      const first = new Map<number, string>();
      let replies = 0;
      for (const { from, length, change, ack } of [...pieces, { from: 0, length: 60, change: false, ack: 0 }]) {
        const data = sent.slice(from, from + length);
        const copy = change ? data.replace(/[a-z]/g, 'y') : data;
        for (let i = 0; i < copy.length; i++) if (!first.has(from + i)) first.set(from + i, copy[i]!);
        d.send(0, { seq: 1 + from, data: copy, ack: 1 + replies * 5 });
        const got = rig.received(0).length;
        if (ack === 1) d.send(1, { flags: ACK, seq: 1 + replies * 5, ack: 1 + got });
        if (ack === 2) d.send(1, { seq: 1 + 5 * replies++, ack: 1 + got, data: '250\r\n' });
      }
      d.send(1, { seq: 1 + 5 * replies++, ack: 1 + rig.received(0).length, data: '250\r\n' });
      const first60 = [...first.entries()]
        .sort((a, b) => a[0] - b[0])
        .map((e) => e[1])
        .join('');
      const want = expected(first60).text;
      const got = rig.received(0);
      if (want.slice(0, got.length) !== got) throw new Error(`${JSON.stringify(got)} is no beginning of ${JSON.stringify(want)}`);
      if (got.length < want.length - 4) throw new Error(`only ${JSON.stringify(got)} of ${JSON.stringify(want)}`);
    }),
    { seed: 20_260_801, numRuns: 400 },
  );
  rig.close();
});

everyIsn('honest hosts with loss and reordering on both sides of us', async (t) => {
  for (let seed = 1; seed <= 12; seed++) {
    const rig = new Rig();
    rig.open();
    const result = converse(rig, seed);
    t.equal(result.toServer, expected(result.sent).text, `seed ${seed}`);
    t.equal(result.toClient, result.answers);
    rig.close();
  }
});

function permutations(items: readonly number[]): number[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]));
}

/** One side of a simulated conversation: sends `text`, at most three segments in flight, repeats the oldest after 200 ms. */
interface Host {
  text: string;
  una: number;
  repeatAt: number;
}

/** Two hosts, a network that loses 15 % and delays segments at random before and behind us.  A SYNC line is answered by its server. */
function converse(rig: Rig, seed: number): { sent: string; toServer: string; answers: string; toClient: string } {
  const random = seededRandom(seed);
  const lines = Array.from({ length: 60 }, (_, i) =>
    i % 7 === 3 ? `BAD ${i}\r\n` : i % 11 === 5 ? `SYNC ${i}\r\n` : `line ${i} ${'o'.repeat(i)}\r\n`,
  );
  const hosts: [Host, Host] = [
    { text: lines.join(''), una: 0, repeatAt: 0 },
    { text: '', una: 0, repeatAt: 0 },
  ];
  const d = new Dialogue(rig, [0xffff_ff80, 0x7fff_ff80]);
  /** Octets that each side has in order, from a model that sees only what survived behind us. */
  const got = [new Map<number, string>(), new Map<number, string>()];
  const queue: { at: number; direction: number; seq: number; data: string }[] = [];
  const inOrder = (direction: number): number => {
    let n = 0;
    while (got[direction]!.has(n)) n++;
    return n;
  };
  const deliver = (emitted: readonly { direction: number; seq: number; ack: number; data: string; flags: number }[]): void => {
    for (const e of emitted) {
      if ((e.flags & (SYN | RST)) !== 0 || random() < 0.15) continue;
      for (let i = 0; i < e.data.length; i++) got[e.direction]!.set(e.seq - 1 + i, e.data[i]!);
      const own = hosts[1 - e.direction]!;
      if (e.ack - 1 > own.una) own.una = e.ack - 1;
      // Octets are acknowledged, and so is a segment without any that lies in front of what is expected.
      if (e.data !== '' || e.seq - 1 < inOrder(e.direction)) queue.push({ at: rig.now + 1, direction: 1 - e.direction, seq: -1, data: '' });
    }
  };
  const isDone = (): boolean =>
    hosts[0].una === hosts[0].text.length && inOrder(0) === hosts[0].text.length && inOrder(1) === hosts[1].text.length;
  for (let turn = 0; turn < 6000 && !isDone(); turn++) {
    hosts[1].text = '250 ok\r\n'.repeat(joined(got[0]!).split('SYNC').length - 1);
    for (let direction = 0; direction < 2; direction++) {
      const host = hosts[direction]!;
      if (rig.now < host.repeatAt || host.una >= host.text.length) continue;
      host.repeatAt = rig.now + 200;
      let from = host.una;
      for (let k = 0; k < 3; k++) {
        const length = 1 + Math.floor(random() * 120);
        const data = host.text.slice(from, from + length);
        if (data !== '' && random() > 0.15) queue.push({ at: rig.now + Math.floor(random() * 40), direction, seq: from + 1, data });
        from += data.length;
      }
    }
    queue.sort((a, b) => a.at - b.at);
    while (queue.length > 0 && queue[0]!.at <= rig.now) {
      const { direction, seq, data } = queue.shift()!;
      const ack = 1 + inOrder(1 - direction);
      deliver(d.send(direction, data === '' ? { flags: ACK, seq: 1 + hosts[direction]!.una, ack } : { seq, ack, data }));
    }
    deliver(d.wait(10));
  }
  return { sent: hosts[0].text, toServer: joined(got[0]!), answers: hosts[1].text, toClient: joined(got[1]!) };
}

function joined(octets: Map<number, string>): string {
  let out = '';
  for (let n = 0; octets.has(n); n++) out += octets.get(n);
  return out;
}
