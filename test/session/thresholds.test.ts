// Thresholds, limits and neighbours on a clock of the test's own.

import fc from 'fast-check';
import t from 'tap';
import { HalfOpen } from '../../src/session/half-open.ts';
import { RuleSessions } from '../../src/session/limits.ts';
import {
  INCOMPLETE,
  NEIGHBOUR_TIMERS,
  Neighbours,
  NOT_LEARNED,
  QUEUE,
  RESOLVED,
  SPOOFED,
  STALE,
  STATIC,
  UNRESOLVED,
  UNUSED,
} from '../../src/session/neighbours.ts';
import { KIND } from '../../src/session/record.ts';
import { SessionTable } from '../../src/session/table.ts';
import { THRESHOLD_TIMERS, Thresholds, type ThresholdSettings } from '../../src/session/thresholds.ts';
import { TimerWheel } from '../../src/session/timer-wheel.ts';
import { createCounters, EVENTS } from '../../src/telemetry/counters.ts';
import {
  EVENT_AGGRESSIVE,
  EVENT_CALM,
  EVENT_HOST_BLOCKED,
  EVENT_HOST_LIMIT,
  EVENT_HOST_UNBLOCKED,
  EventRing,
  E_DST,
  E_KIND,
  E_NSEC,
  E_SEC,
  E_TIME,
  E_VALUE,
  E_VALUE2,
  E_VALUE3,
} from '../../src/telemetry/event-ring.ts';
import { FLOOD_HALF_OPEN, FLOOD_PER_SOURCE, FLOOD_RATE, OK, type Reason, SESSION_BLOCKED_HOST } from '../../src/telemetry/reasons.ts';

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const SEED = 20260104;

const DEFAULTS: ThresholdSettings = {
  maxIncompleteHigh: 500,
  maxIncompleteLow: 400,
  oneMinuteHigh: 500,
  oneMinuteLow: 400,
  hostLimit: 50,
  hostBlockTime: 0,
  sourceSessions: 0,
  sourceRate: 0,
  sourceRateWindow: 60_000,
};
const UNLIMITED = 0x7fffffff;

/** The path's part: opens what is admitted, ends what must go. */
class Firewall {
  readonly counters = createCounters();
  readonly events = new EventRing(64, this.counters);
  readonly table: SessionTable;
  readonly wheel = new TimerWheel(THRESHOLD_TIMERS, 0);
  readonly thresholds: Thresholds;
  victims: number[] = [];
  now = 0;

  constructor(settings: Partial<ThresholdSettings>, capacity = 2000) {
    this.table = new SessionTable(capacity, 1);
    const stamp = { stampSec: 7, stampNsec: 8 };
    this.thresholds = new Thresholds(this.table, this.events, stamp, this.wheel, 0, { ...DEFAULTS, ...settings }, 0);
  }

  advance(now: number): void {
    this.wheel.advance(now, (timer, deadline) => this.thresholds.expire(timer, deadline));
    this.now = now;
  }

  /** The session, or the reason (negative) why there is none. */
  open(host: number, protocol = TCP, source = 1): number {
    const reason: Reason = this.thresholds.admit(protocol, source, host, this.now);
    this.victims = [];
    for (let victim = this.thresholds.nextVictim(); victim >= 0; victim = this.thresholds.nextVictim()) {
      this.victims.push(victim);
      this.end(victim);
    }
    if (reason !== OK) return -reason;
    const session = this.table.allocate();
    if (session < 0) return -1000;
    this.table.set(session, KIND, protocol);
    this.thresholds.opened(session, host, this.now);
    return session;
  }

  end(session: number): void {
    this.thresholds.ended(session);
    this.table.remove(session, false);
  }

  /** Events since the last call: kind and the values. */
  log(): number[][] {
    const records: number[][] = [];
    for (let at = this.events.peek(); at >= 0; at = this.events.peek()) {
      const { words } = this.events;
      records.push([words[at + E_KIND]!, words[at + E_DST]!, words[at + E_VALUE]!, words[at + E_VALUE2]!, words[at + E_VALUE3]!]);
      this.events.advance();
    }
    return records;
  }

  get halfOpen(): number {
    return this.thresholds.halfOpen.count;
  }
}

t.test('above high: one victim, the oldest, for every request until below low', (t) => {
  const firewall = new Firewall({ hostLimit: UNLIMITED });
  const sessions: number[] = [];
  for (let i = 0; i < 500; i++) {
    firewall.advance(i * 2);
    sessions.push(firewall.open(i));
  }
  t.equal(firewall.halfOpen, 500);
  t.strictSame(firewall.log(), [], 'at high nothing happens');
  firewall.advance(1000);
  sessions.push(firewall.open(1000));
  t.equal(firewall.halfOpen, 500);
  t.strictSame(firewall.victims, [sessions[0]]);
  t.strictSame(firewall.log(), [[EVENT_AGGRESSIVE, 0, 501, 500, 501]]);
  t.equal(firewall.counters[EVENTS + FLOOD_HALF_OPEN], 1);
  firewall.open(1001);
  t.strictSame(firewall.victims, [sessions[1]]);

  for (let i = 2; i < 102; i++) firewall.thresholds.established(sessions[i]!);
  t.equal(firewall.halfOpen, 400);
  firewall.open(1002);
  t.strictSame(firewall.victims, [sessions[102]], 'at low it is still aggressive');
  firewall.thresholds.established(sessions[103]!);
  firewall.advance(30_000);
  t.equal(firewall.thresholds.aggressive, true, 'below low, but not the rate');
  firewall.advance(59_999);
  t.equal(firewall.thresholds.aggressive, true);
  firewall.advance(60_000);
  t.equal(firewall.thresholds.aggressive, false, 'without any request');
  t.strictSame(firewall.log(), [[EVENT_CALM, 0, 399, 400, 0]]);
  firewall.open(1003);
  t.strictSame(firewall.victims, []);
  t.equal(firewall.halfOpen, 400);
  t.end();
});

t.test('the rate alone makes it aggressive; TCP and UDP count together, ICMP does not', (t) => {
  const firewall = new Firewall({ oneMinuteHigh: 10, oneMinuteLow: 5 });
  for (let i = 0; i < 10; i++) {
    firewall.advance(i * 100);
    const session = firewall.open(9, i % 2 === 0 ? TCP : UDP);
    if (i < 8) firewall.thresholds.established(session);
    firewall.open(9, ICMP);
  }
  t.strictSame([firewall.halfOpen, firewall.thresholds.oneMinuteRate, firewall.log().length], [2, 10, 0]);
  firewall.open(9);
  t.strictSame(firewall.log(), [[EVENT_AGGRESSIVE, 0, 3, 500, 11]]);
  t.equal(firewall.halfOpen, 2);
  firewall.advance(61_000);
  t.strictSame(firewall.log(), [[EVENT_CALM, 0, 2, 400, 0]]);
  t.end();
});

t.test('a minute is twelve steps of five seconds, also after a silence and across the end of int32', (t) => {
  const settings = { ...DEFAULTS, oneMinuteHigh: UNLIMITED, maxIncompleteHigh: UNLIMITED, hostLimit: UNLIMITED };
  const start = 0x7fffffff - 20_000;
  const table = new SessionTable(10, 1);
  const wheel = new TimerWheel(THRESHOLD_TIMERS, start);
  const thresholds = new Thresholds(table, new EventRing(8, createCounters()), { stampSec: 0, stampNsec: 0 }, wheel, 0, settings, start);
  const open = (at: number): number => {
    thresholds.admit(TCP, 1, 1, (start + at) | 0);
    const session = table.allocate();
    table.set(session, KIND, TCP);
    thresholds.opened(session, 1, (start + at) | 0);
    return thresholds.oneMinuteRate;
  };
  t.strictSame([open(0), open(4_999), open(5_000), open(59_999), open(60_000), open(64_999)], [1, 2, 3, 4, 3, 4]);
  t.equal(open(1_000_000), 1);
  t.end();
});

t.test('per host, block-time 0: the oldest half-open session to the host goes', (t) => {
  const firewall = new Firewall({ hostLimit: 3, maxIncompleteHigh: 5 });
  const other = firewall.open(8);
  const udp = firewall.open(9, UDP);
  const sessions = [firewall.open(9), firewall.open(9), firewall.open(9)];
  t.strictSame(firewall.log(), []);
  firewall.open(9);
  t.strictSame(firewall.victims, [sessions[0]]);
  t.strictSame(firewall.log(), [[EVENT_HOST_LIMIT, 9, 4, 3, 0]]);
  firewall.open(9);
  t.strictSame([firewall.victims, firewall.log()], [[sessions[1]], []], 'reported once');
  t.equal(firewall.halfOpen, 5, 'never more than the limit to it, so the total never exceeded high');
  firewall.open(7);
  t.strictSame(firewall.victims, [other], 'another host: the total');
  firewall.open(9);
  t.strictSame(firewall.victims, [sessions[2]], 'one victim a request, also when both thresholds are exceeded');
  t.equal(firewall.thresholds.halfOpen.has(udp), true);
  t.end();
});

t.test('per host with block-time: all go, new requests are refused until the block ends', (t) => {
  const firewall = new Firewall({ hostLimit: 2, hostBlockTime: 120_000 });
  const sessions = [firewall.open(9), firewall.open(9)];
  firewall.open(8);
  firewall.advance(500);
  t.equal(firewall.open(9), -SESSION_BLOCKED_HOST);
  t.strictSame(firewall.victims, sessions);
  t.strictSame(firewall.log(), [
    [EVENT_HOST_LIMIT, 9, 3, 2, 0],
    [EVENT_HOST_BLOCKED, 9, 2, 2, 0],
  ]);
  t.equal(firewall.halfOpen, 1);
  t.equal(firewall.open(9), -SESSION_BLOCKED_HOST);
  t.ok(firewall.open(9, UDP) >= 0, 'TCP only');
  firewall.advance(1_000);
  firewall.open(8);
  t.equal(firewall.open(8), -SESSION_BLOCKED_HOST);
  firewall.advance(120_499);
  t.equal(firewall.open(9), -SESSION_BLOCKED_HOST);
  firewall.log();
  firewall.advance(120_500);
  t.strictSame(firewall.log(), [[EVENT_HOST_UNBLOCKED, 9, 0, 0, 0]]);
  t.ok(firewall.open(9) >= 0);
  t.equal(firewall.open(8), -SESSION_BLOCKED_HOST);
  firewall.thresholds.install({ ...DEFAULTS, hostLimit: 2 }, firewall.now);
  t.strictSame(firewall.log(), [[EVENT_HOST_UNBLOCKED, 8, 0, 0, 0]], 'no block-time any more');
  t.ok(firewall.open(8) >= 0);
  t.end();
});

t.test('more blocked hosts than are remembered: the oldest block ends early', (t) => {
  const firewall = new Firewall({ hostLimit: 1, hostBlockTime: 60_000, maxIncompleteHigh: UNLIMITED, oneMinuteHigh: UNLIMITED }, 16);
  for (let host = 1; host <= 4_100; host++) {
    firewall.open(host);
    if (firewall.open(host) !== -SESSION_BLOCKED_HOST) t.fail(`host ${host}`);
    firewall.log();
  }
  t.equal(firewall.halfOpen, 0);
  t.ok(firewall.open(1) >= 0, 'forgotten');
  t.equal(firewall.open(4_100), -SESSION_BLOCKED_HOST);
  firewall.advance(60_000);
  t.ok(firewall.open(4_100) >= 0);
  t.end();
});

t.test('a full table: half-open sessions go first, established ones never', (t) => {
  const firewall = new Firewall({}, 3);
  const sessions = [firewall.open(1), firewall.open(2), firewall.open(3)];
  firewall.thresholds.established(sessions[0]!);
  t.ok(firewall.open(4) >= 0);
  t.strictSame(firewall.victims, [sessions[1]]);
  for (let s = 0; s < 3; s++) firewall.thresholds.established(s);
  t.equal(firewall.open(5), -1000);
  t.strictSame(firewall.victims, []);
  t.end();
});

t.test('by source: the 21st session, and the 101st within a minute', (t) => {
  const sessions = new Firewall({ sourceSessions: 20 });
  for (let i = 0; i < 20; i++) sessions.open(i, TCP, 77);
  t.equal(sessions.open(20, TCP, 77), -FLOOD_PER_SOURCE);
  t.ok(sessions.open(20, TCP, 78) >= 0);
  sessions.end(0);
  t.ok(sessions.open(20, TCP, 77) >= 0);

  const rate = new Firewall({ sourceRate: 100, oneMinuteHigh: UNLIMITED });
  const refused: number[] = [];
  for (let i = 0; i <= 100; i++) {
    rate.advance(i * 590);
    const session = rate.open(i, TCP, 77);
    if (session < 0) refused.push(i, session);
    else rate.end(session);
  }
  t.strictSame(refused, [100, -FLOOD_RATE]);
  rate.advance(61_000);
  const later = [rate.open(1, TCP, 77), rate.open(1, TCP, 77), rate.open(1, TCP, 77)];
  t.strictSame(
    later.map((session) => session >= 0),
    [true, true, false],
    'as many as are older than a minute by now',
  );
  t.end();
});

t.test('sources without sessions are forgotten, oldest first, when there is no room', (t) => {
  const firewall = new Firewall({ sourceRate: 1, oneMinuteHigh: UNLIMITED }, 2);
  for (let source = 1; source <= 5; source++) firewall.end(firewall.open(1, TCP, source));
  t.equal(firewall.open(1, TCP, 5), -FLOOD_RATE);
  t.equal(firewall.open(1, TCP, 4), -FLOOD_RATE);
  t.ok(firewall.open(1, TCP, 1) >= 0, 'forgotten');
  t.end();
});

t.test('sessions of a rule', (t) => {
  const rules = new RuleSessions(4);
  rules.enter(0, 1);
  rules.enter(1, 1);
  rules.enter(1, 2);
  rules.leave(3);
  t.strictSame([rules.count(0), rules.count(1), rules.count(2)], [0, 1, 1]);
  rules.leave(0);
  rules.leave(0);
  rules.enter(2, 5000);
  t.strictSame([rules.count(1), rules.count(9999)], [0, 1]);
  t.end();
});

t.test('the lists of half-open sessions equal arrays', (t) => {
  const step = fc.record({ session: fc.nat(15), host: fc.nat(4), perHost: fc.boolean(), add: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
      const list = new HalfOpen(new SessionTable(16, 1));
      let model: { session: number; host: number }[] = [];
      for (const { session, host, perHost, add } of steps) {
        if (add && !list.has(session)) {
          list.add(session, perHost, host * 1000);
          model.push({ session, host: perHost ? host : -1 });
        } else {
          list.remove(session);
          model = model.filter((entry) => entry.session !== session);
        }
        if (list.count !== model.length || list.oldest !== (model[0]?.session ?? -1)) return false;
        for (let h = 0; h < 5; h++) {
          const ofHost = model.filter((entry) => entry.host === h);
          const record = list.findHost(h * 1000);
          if (record < 0 ? ofHost.length > 0 : list.hostCount[record] !== ofHost.length || list.hostOldest[record] !== ofHost[0]!.session)
            return false;
        }
      }
      return true;
    }),
    { seed: SEED, numRuns: 150 },
  );
  t.end();
});

function ip(text: string): number {
  return text.split('.').reduce((addr, octet) => (addr << 8) | Number(octet), 0);
}

const GATEWAY = ip('172.22.1.1');

class Link {
  readonly wheel = new TimerWheel(NEIGHBOUR_TIMERS, 0);
  readonly neighbours: Neighbours;

  constructor(synthetic = false, statics: { addr: number; mac: readonly [number, number] }[] = []) {
    this.neighbours = new Neighbours(this.wheel, 0, synthetic);
    this.install(statics);
  }

  install(statics: { addr: number; mac: readonly [number, number] }[]): void {
    const port = (addr: string): { addr: number; mask: number; enabled: boolean; bridgeGroup: number; arpTimeout: number } => ({
      addr: ip(addr),
      mask: ip('255.255.255.0'),
      enabled: true,
      bridgeGroup: 0,
      arpTimeout: 14_400_000,
    });
    this.neighbours.install({ interfaces: [port('172.22.1.16'), port('10.10.10.1')], neighbours: statics }, this.wheel.now);
  }

  advance(now: number): void {
    this.wheel.advance(now, (timer, deadline) => this.neighbours.expire(timer, deadline));
  }

  requests(): number {
    let count = 0;
    while (this.neighbours.takeRequest() >= 0) count++;
    return count;
  }

  drain(take: () => number): number[] {
    const frames: number[] = [];
    for (let f = take(); f >= 0; f = take()) frames.push(f);
    return frames;
  }
}

t.test('an unresolved neighbour: three requests, frames wait in order, then they go or fail', (t) => {
  const link = new Link();
  const { neighbours } = link;
  const n = neighbours.resolve(0, GATEWAY, 0);
  t.equal(neighbours.state[n], INCOMPLETE);
  t.equal(neighbours.takeRequest(), n);
  t.equal(neighbours.asksUnicast(n), false);
  t.equal(neighbours.takeRequest(), -1);
  t.equal(neighbours.resolve(0, GATEWAY, 5), n, 'no second request meanwhile');
  t.equal(link.requests(), 0);
  for (let f = 100; f < 100 + QUEUE; f++) t.equal(neighbours.wait(n, f), true);
  t.strictSame([neighbours.hasRoom(n), neighbours.wait(n, 1)], [false, false]);
  link.advance(1_000);
  t.equal(link.requests(), 1);
  t.equal(neighbours.learn(0, GATEWAY, 0x0200, 0x101, true, 1_500), n);
  t.strictSame(
    link.drain(() => neighbours.takeReady()),
    [100, 101, 102, 103, 104, 105, 106, 107],
  );
  t.equal(neighbours.lastReady, n);
  t.strictSame([neighbours.isUsable(n), neighbours.macHigh[n], neighbours.macLow[n]], [true, 0x0200, 0x101]);

  const silent = neighbours.resolve(0, ip('172.22.1.9'), 2_000);
  neighbours.retain(silent);
  neighbours.wait(silent, 55);
  link.advance(2_999);
  t.equal(link.requests(), 1);
  link.advance(4_000);
  t.equal(link.requests(), 1, 'taken once, though asked twice');
  t.strictSame(
    link.drain(() => neighbours.takeUnresolved()),
    [],
  );
  link.advance(5_000);
  t.strictSame(
    link.drain(() => neighbours.takeUnresolved()),
    [55],
  );
  t.equal(neighbours.state[silent], UNRESOLVED, 'a session keeps its number');
  neighbours.release(silent);
  t.equal(neighbours.state[silent], UNUSED);
  t.equal(neighbours.count, 1);
  t.end();
});

t.test('after the ARP timeout a neighbour is confirmed, by unicast first', (t) => {
  const link = new Link();
  const { neighbours } = link;
  const n = neighbours.resolve(0, GATEWAY, 0);
  link.requests();
  neighbours.learn(0, GATEWAY, 0x0200, 0x101, true, 0);
  link.advance(14_399_999);
  t.strictSame([link.requests(), neighbours.state[n]], [0, RESOLVED]);
  link.advance(14_400_000);
  t.strictSame([neighbours.takeRequest(), neighbours.state[n], neighbours.asksUnicast(n), neighbours.isUsable(n)], [n, STALE, true, true]);
  link.advance(14_401_000);
  t.strictSame([neighbours.takeRequest(), neighbours.asksUnicast(n)], [n, false]);
  neighbours.learn(0, GATEWAY, 0x0200, 0x101, true, 14_401_500);
  t.equal(neighbours.state[n], RESOLVED);
  link.advance(14_401_500 + 14_400_000 + 3_000);
  t.equal(neighbours.state[n], UNUSED, 'gone after three requests');
  t.end();
});

t.test('spoofing: what is not believed', (t) => {
  const printer = ip('10.10.10.2');
  const link = new Link(false, [{ addr: printer, mac: [0x0200, 0x202] }]);
  const { neighbours } = link;
  const learn = (addr: string, high: number, low: number, forUs = true): number =>
    neighbours.learn(1, ip(addr), high, low, forUs, link.wheel.now);
  const fixed = neighbours.find(1, printer);
  t.equal(neighbours.origin[fixed], STATIC);
  t.equal(learn('10.10.10.2', 0x0200, 0x999), SPOOFED, 'a static entry');
  t.equal(learn('10.10.10.2', 0x0200, 0x202), fixed);
  t.equal(learn('10.10.10.1', 0x0200, 0x999), SPOOFED, 'our own address');
  t.equal(learn('172.22.1.5', 0x0200, 0x999), SPOOFED, 'not of the subnet');
  t.equal(learn('10.10.10.255', 0x0200, 0x999), SPOOFED, 'broadcast address');
  t.equal(learn('10.10.10.9', 0x0100, 0x999), SPOOFED, 'group MAC address');
  t.equal(learn('10.10.10.9', 0, 0), SPOOFED);
  t.equal(learn('0.0.0.0', 0x0200, 0x999), NOT_LEARNED, 'a probe');
  t.equal(learn('10.10.10.9', 0x0200, 0x9, false), NOT_LEARNED, 'nobody asked and it is not for us');
  const n = learn('10.10.10.9', 0x0200, 0x9);
  t.equal(neighbours.macLow[n], 0x9);

  t.equal(learn('10.10.10.9', 0x0200, 0xbad, false), n);
  t.strictSame([neighbours.macLow[n], neighbours.takeRequest(), neighbours.asksUnicast(n)], [0x9, n, true], 'the owner is asked');
  learn('10.10.10.9', 0x0200, 0x9);
  link.advance(5_000);
  t.strictSame([neighbours.macLow[n], neighbours.state[n]], [0x9, RESOLVED], 'the owner answered');
  learn('10.10.10.9', 0x0200, 0xa, false);
  link.advance(6_000);
  t.strictSame([neighbours.macLow[n], neighbours.state[n]], [0xa, RESOLVED], 'nobody answered: taken over');

  link.install([]);
  t.equal(neighbours.find(1, printer), -1, 'a static entry that is configured no longer');
  link.install([{ addr: ip('10.10.10.9'), mac: [0x0200, 0x77] }]);
  t.strictSame([neighbours.find(1, ip('10.10.10.9')), neighbours.macLow[n], neighbours.origin[n]], [n, 0x77, STATIC]);
  t.end();
});

t.test('synthetic neighbours in replay', (t) => {
  const link = new Link(true);
  const { neighbours } = link;
  const n = neighbours.resolve(0, GATEWAY, 0);
  t.strictSame([neighbours.isUsable(n), neighbours.macHigh[n], neighbours.macLow[n], link.requests()], [true, 0x0200, GATEWAY, 0]);
  t.not(neighbours.macHigh[neighbours.resolve(1, ip('10.10.10.7'), 0)], 0x0200);
  neighbours.learn(0, GATEWAY, 0x0011, 0x22334455, false, 1);
  t.strictSame([neighbours.macHigh[n], neighbours.macLow[n]], [0x0011, 0x22334455], 'the capture knows better');
  neighbours.forget(n);
  t.equal(neighbours.state[n], UNUSED);
  t.end();
});

t.test('a full table gives up neighbours that no session uses', (t) => {
  const link = new Link(true);
  const { neighbours } = link;
  for (let i = 0; i < NEIGHBOUR_TIMERS; i++) neighbours.retain(neighbours.resolve(0, i + 1, 0));
  t.equal(neighbours.count, NEIGHBOUR_TIMERS);
  t.equal(neighbours.resolve(0, -5, 0), -1);
  neighbours.release(10);
  let n = -1;
  // the hand looks at 64 entries a call
  for (let i = 0; i < 1100 && n < 0; i++) n = neighbours.resolve(0, -5, 0);
  t.equal(n, 10);
  t.equal(neighbours.find(0, 11), -1);
  t.end();
});

t.test('events carry the stamp of what is worked on', (t) => {
  const firewall = new Firewall({ maxIncompleteHigh: 1 });
  firewall.open(1);
  firewall.advance(33);
  firewall.open(2);
  const at = firewall.events.peek();
  t.strictSame(
    [E_TIME, E_SEC, E_NSEC].map((word) => firewall.events.words[at + word]),
    [33, 7, 8],
  );
  t.end();
});
