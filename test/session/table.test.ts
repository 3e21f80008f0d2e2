// The session table against a Map, the timer wheel against a sorted list, the closed list.

import fc from 'fast-check';
import t from 'tap';
import { ClosedList } from '../../src/session/close.ts';
import {
  DST,
  FAMILY_IPV6,
  FORWARD_PORT_SHIFT,
  FREE,
  KIND,
  OPEN,
  PORTS,
  REPLIED,
  REPLY_DST,
  REPLY_PORTS,
  REPLY_PORT_SHIFT,
  REPLY_SRC,
  SRC,
  STATE,
  VLAN,
} from '../../src/session/record.ts';
import { SessionTable } from '../../src/session/table.ts';
import { TimerWheel } from '../../src/session/timer-wheel.ts';

const SEED = 20260103;
const TCP = 6;

interface Tuple {
  src: number;
  dst: number;
  ports: number;
  newSrc: number;
  newDst: number;
  newPorts: number;
  in: number;
  out: number;
  vlan: number;
}

// so few values that tuples meet and hashes share places
const small = fc.nat(3);
const tuple: fc.Arbitrary<Tuple> = fc.record({
  src: small,
  dst: small,
  ports: small,
  newSrc: small,
  newDst: small,
  newPorts: small,
  in: fc.nat(1),
  out: fc.nat(1),
  vlan: fc.nat(1),
});

const forwardKey = (u: Tuple): string => [u.src, u.dst, u.ports, u.in, u.vlan].join();
const replyKey = (u: Tuple): string => [u.newDst, u.newSrc, u.newPorts, u.out, u.vlan].join();

function fill(table: SessionTable, session: number, u: Tuple): void {
  table.set(session, SRC, u.src);
  table.set(session, DST, u.dst);
  table.set(session, PORTS, u.ports);
  table.set(session, REPLY_SRC, u.newDst);
  table.set(session, REPLY_DST, u.newSrc);
  table.set(session, REPLY_PORTS, u.newPorts);
  table.set(session, KIND, TCP | (u.in << FORWARD_PORT_SHIFT) | (u.out << REPLY_PORT_SHIFT));
  table.set(session, VLAN, u.vlan);
  table.set(session, STATE, OPEN);
}

function findForward(table: SessionTable, u: Tuple): number {
  return table.find(u.src, u.dst, u.ports, TCP | (u.in << FORWARD_PORT_SHIFT), u.vlan);
}

function findReply(table: SessionTable, u: Tuple): number {
  return table.find(u.newDst, u.newSrc, u.newPorts, TCP | (u.out << FORWARD_PORT_SHIFT), u.vlan);
}

t.test('both keys find what a Map finds, through insertion and removal', (t) => {
  const step = fc.oneof({ weight: 3, arbitrary: tuple }, { weight: 2, arbitrary: fc.nat(40) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), fc.integer(), (steps, seed) => {
      const table = new SessionTable(24, seed);
      const keys = new Map<string, number>();
      const live: { session: number; tuple: Tuple }[] = [];
      const seen: Tuple[] = [];
      for (const s of steps) {
        if (typeof s === 'number') {
          const [gone] = live.splice(s % Math.max(live.length, 1), 1);
          if (gone === undefined) continue;
          keys.delete(forwardKey(gone.tuple));
          keys.delete(replyKey(gone.tuple));
          table.remove(gone.session);
          if (table.state(gone.session) !== FREE) return false;
        } else {
          seen.push(s);
          if (keys.has(forwardKey(s)) || keys.has(replyKey(s)) || forwardKey(s) === replyKey(s)) continue;
          const session = table.allocate();
          if (session < 0) {
            if (live.length !== 24) return false;
            continue;
          }
          fill(table, session, s);
          table.insert(session);
          keys.set(forwardKey(s), session << 1);
          keys.set(replyKey(s), (session << 1) | 1);
          live.push({ session, tuple: s });
        }
        if (table.count !== live.length) return false;
        for (const u of seen) {
          if (findForward(table, u) !== (keys.get(forwardKey(u)) ?? -1) || findReply(table, u) !== (keys.get(replyKey(u)) ?? -1))
            return false;
        }
      }
      return true;
    }),
    { seed: SEED, numRuns: 150 },
  );
  t.end();
});

t.test('a record is zeroed when it is taken again; flags and states', (t) => {
  const table = new SessionTable(2, 1);
  const session = table.allocate();
  fill(table, session, { src: 1, dst: 2, ports: 3, newSrc: 4, newDst: 5, newPorts: 6, in: 1, out: 2, vlan: 0 });
  table.insert(session);
  table.addFlag(session, REPLIED);
  t.strictSame(
    [table.state(session), table.hasFlag(session, REPLIED), table.protocol(session), table.isIpv6(session)],
    [OPEN, true, TCP, false],
  );
  t.strictSame([table.ingress(session, 0), table.ingress(session, 1)], [1, 2]);
  table.clearFlag(session, REPLIED);
  t.equal(table.hasFlag(session, REPLIED), false);
  table.octets[session * 2] = 99;
  table.binding[session] = 4;
  table.remove(session);
  t.equal(table.allocate(), session);
  t.strictSame([table.get(session, SRC), table.octets[session * 2], table.binding[session], table.state(session)], [0, 0, -1, FREE]);
  table.remove(session, false);
  t.equal(table.count, 0);
  t.end();
});

t.test('IPv6: the whole addresses are compared', (t) => {
  const table = new SessionTable(4, 1);
  const session = table.allocate();
  const addrs = [1, 2, 3, 4, 5, 6, 7, 8];
  fill(table, session, { src: 0, dst: 0, ports: 7, newSrc: 0, newDst: 0, newPorts: 8, in: 0, out: 1, vlan: 0 });
  table.set(session, KIND, TCP | FAMILY_IPV6 | (1 << REPLY_PORT_SHIFT));
  table.addrs6.set(addrs, session * 8);
  table.insert(session);
  const find = (words: readonly number[], ports: number, kind: number): number => {
    table.probe6.set(words);
    return table.find(0, 0, ports, kind, 0);
  };
  t.equal(find(addrs, 7, TCP | FAMILY_IPV6), session << 1);
  t.equal(
    find([5, 6, 7, 8, 1, 2, 3, 4], 8, TCP | FAMILY_IPV6 | (1 << FORWARD_PORT_SHIFT)),
    (session << 1) | 1,
    'reply: the other way round',
  );
  t.equal(find([1, 2, 3, 4, 5, 6, 7, 9], 7, TCP | FAMILY_IPV6), -1, 'the same fold, another address');
  t.equal(find(addrs, 7, TCP), -1);
  t.end();
});

t.test('a full table is found through, whatever the seed', (t) => {
  const table = new SessionTable(1000, 0x1234567);
  for (let i = 0; i < 1000; i++) {
    const session = table.allocate();
    fill(table, session, { src: i, dst: 9, ports: i * 65_536 + 25, newSrc: i, newDst: 8, newPorts: i, in: 0, out: 1, vlan: 0 });
    table.insert(session);
  }
  t.equal(table.allocate(), -1);
  t.equal(table.highest, 1000);
  for (let i = 0; i < 1000; i += 2) table.remove(i);
  let found = 0;
  for (let i = 0; i < 1000; i++) if (table.find(i, 9, i * 65_536 + 25, TCP, 0) === i << 1) found++;
  t.equal(found, 500);
  t.end();
});

t.test('a million sessions: every reference fits its place, and hashes that share their tag are told apart', (t) => {
  const SESSIONS = 1_000_000;
  const table = new SessionTable(SESSIONS, 0x7654321);
  const of = (i: number): Tuple => ({ src: i, dst: 9, ports: 25, newSrc: i ^ 0x55, newDst: 8, newPorts: 26, in: 0, out: 1, vlan: 0 });
  for (let i = 0; i < SESSIONS; i++) {
    fill(table, table.allocate(), of(i));
    table.insert(i);
  }
  let wrong = 0;
  for (let i = 0; i < SESSIONS; i++) if (findForward(table, of(i)) !== i << 1 || findReply(table, of(i)) !== ((i << 1) | 1)) wrong++;
  t.equal(wrong, 0, 'full');
  for (let i = 0; i < SESSIONS; i += 3) table.remove(i);
  for (let i = 0; i < SESSIONS; i++) if (findForward(table, of(i)) !== (i % 3 === 0 ? -1 : i << 1)) wrong++;
  t.equal(wrong, 0, 'a third of them gone');
  t.end();
});

t.test('the timer wheel fires what a sorted list fires, each at its deadline', (t) => {
  const delay = fc.oneof(
    fc.integer({ min: -5, max: 600 }),
    fc.integer({ min: 0, max: 200_000 }),
    fc.constantFrom(255, 256, 257, 65_535, 65_536, 1 << 24),
  );
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ timer: fc.nat(15), delay }) },
    { weight: 1, arbitrary: fc.record({ cancel: fc.nat(15) }) },
    {
      weight: 2,
      arbitrary: fc.record({ advance: fc.oneof(fc.nat(3), fc.nat(700), fc.nat(100_000), fc.constantFrom(256, 65_536, 1 << 24)) }),
    },
  );
  const start = fc.constantFrom(0, 250, -3, 0x7fffff00, -2147483648);
  fc.assert(
    fc.property(start, fc.array(step, { maxLength: 60, size: 'max' }), (from, steps) => {
      const wheel = new TimerWheel(16, from);
      const model = new Map<number, number>(); // timer -> ms since `from`, without wrapping
      let elapsed = 0;
      for (const s of steps) {
        if ('timer' in s) {
          wheel.schedule(s.timer, (wheel.now + s.delay) | 0);
          model.set(s.timer, elapsed + Math.max(s.delay, 1));
        } else if ('cancel' in s) {
          wheel.cancel(s.cancel);
          model.delete(s.cancel);
        } else {
          elapsed += s.advance;
          const fired: string[] = [];
          wheel.advance((from + elapsed) | 0, (timer, deadline) => {
            fired.push(`${deadline}:${timer}`);
            if (wheel.isScheduled(timer)) fired.push('scheduled while firing');
          });
          const due = [...model].filter(([, at]) => at <= elapsed);
          for (const [timer] of due) model.delete(timer);
          const order = (list: string[]): string => list.join();
          const wanted = due.toSorted((a, b) => a[1] - b[1] || a[0] - b[0]).map(([timer, at]) => `${(from + at) | 0}:${timer}`);
          const times = fired.map((text) => (Number(text.split(':')[0]) - from) >>> 0);
          if (times.some((time, i) => i > 0 && time < times[i - 1]!)) return false;
          const sorted = fired.toSorted(
            (a, b) =>
              ((Number(a.split(':')[0]) - from) >>> 0) - ((Number(b.split(':')[0]) - from) >>> 0) ||
              Number(a.split(':')[1]) - Number(b.split(':')[1]),
          );
          if (order(sorted) !== order(wanted) || wheel.now !== ((from + elapsed) | 0)) return false;
        }
        if (wheel.count !== model.size) return false;
        for (const [timer, at] of model) if (!wheel.isScheduled(timer) || wheel.deadline(timer) !== ((from + at) | 0)) return false;
      }
      return true;
    }),
    { seed: SEED, numRuns: 300 },
  );
  t.end();
});

t.test('a timer that is scheduled by the firing of another is due in the same advance', (t) => {
  const wheel = new TimerWheel(3, 0);
  const fired: number[] = [];
  wheel.schedule(0, 10);
  wheel.advance(10_000, (timer, deadline) => {
    fired.push(timer, deadline);
    if (timer < 2) wheel.schedule(timer + 1, deadline + 300);
  });
  t.strictSame(fired, [0, 10, 1, 310, 2, 610]);
  wheel.schedule(1, 0x7fffffff);
  wheel.advance(0x7ffffffe, () => t.fail('too early'));
  wheel.advance(0x7fffffff, (timer) => t.equal(timer, 1));
  t.equal(wheel.count, 0);
  t.end();
});

t.test('the closed list holds a session once', (t) => {
  const closed = new ClosedList(4);
  closed.add(2);
  closed.add(3);
  closed.add(2);
  t.strictSame([closed.take(), closed.take(), closed.take()], [3, 2, -1]);
  closed.add(2);
  t.equal(closed.count, 1);
  t.end();
});
