// Routes, translation and the choice of an inspection line, over policies compiled from hand-made configurations.

import fc from 'fast-check';
import t from 'tap';
import { ANY_ENTRY } from '../../bench/any-entry.ts';
import { compilePolicy } from '../../src/config/compile.ts';
import { type Configuration, emptyConfiguration } from '../../src/config/model.ts';
import { selectEntry } from '../../src/policy/inspect-rule.ts';
import { ENDED_CLOSED, ENDED_IDLE, ENDED_SYN } from '../../src/policy/nat-timeouts.ts';
import { Nat } from '../../src/policy/nat.ts';
import { BROADCAST, compileRoutes, LOCAL, lookup } from '../../src/policy/routes.ts';
import type { InterfacePolicy, PolicySnapshot, Route } from '../../src/policy/snapshot.ts';
import { TimerWheel } from '../../src/session/timer-wheel.ts';
import { NAT_LIMIT, NAT_NO_ADDRESS, NAT_UNTRANSLATABLE, OK } from '../../src/telemetry/reasons.ts';

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const SEED = 20260102;

function ip(text: string): number {
  return text.split('.').reduce((addr, octet) => (addr << 8) | Number(octet), 0);
}

function configuration(change: Partial<Configuration>): Configuration {
  return {
    ...emptyConfiguration(),
    interfaces: [
      { name: 'Ethernet2/0', ipAddress: { addr: ip('172.22.1.16'), mask: ip('255.255.255.0') }, shutdown: false, nat: 'outside', kept: [] },
      { name: 'Serial2/0', ipAddress: 'none', shutdown: true, kept: [] },
      { name: 'Ethernet2/1', ipAddress: { addr: ip('10.10.10.1'), mask: ip('255.255.255.0') }, shutdown: false, nat: 'inside', kept: [] },
    ],
    routes: [{ prefix: 0, mask: 0, nextHop: ip('172.22.1.1'), permanent: false }],
    ...change,
  };
}

function policyOf(change: Partial<Configuration>, previous?: PolicySnapshot): PolicySnapshot {
  return compilePolicy(configuration(change), { epoch: 1, verifyChecksums: true, ...(previous === undefined ? {} : { previous }) });
}

t.test('longest prefix equals a search of all routes', (t) => {
  const mask = fc.integer({ min: 0, max: 32 }).map((bits) => (bits === 0 ? 0 : -1 << (32 - bits)));
  const addr = fc.oneof(fc.integer(), fc.constantFrom(0, -1, 0x7fffffff, -2147483648, ip('10.1.2.3'), ip('10.1.2.4')));
  const route = fc
    .record({ prefix: addr, mask, nextHop: fc.constant(0), interface: fc.nat(3) })
    .map((r): Route => ({ ...r, prefix: r.prefix & r.mask }));
  const interfaces = Array.from({ length: 4 }, () => ({ enabled: true, addr: 0, bridgeGroup: 0 })) as unknown as InterfacePolicy[];
  fc.assert(
    fc.property(fc.array(route, { maxLength: 20, size: 'max' }), fc.array(addr, { minLength: 20 }), (unsorted, dsts) => {
      const routes = unsorted.toSorted((a, b) => (b.mask >>> 0) - (a.mask >>> 0));
      const table = compileRoutes(routes, interfaces);
      return dsts
        .concat(
          routes.map(({ prefix }) => prefix),
          routes.map((r) => r.prefix | ~r.mask),
        )
        .every((dst) => {
          const best = routes.find((r) => ((dst ^ r.prefix) & r.mask) === 0);
          const found = lookup(table, dst);
          return best === undefined ? found === -1 : found >= 0 && table.interface[found] === best.interface;
        });
    }),
    { seed: SEED, numRuns: 200 },
  );
  t.end();
});

t.test('routes of a configuration: own addresses, broadcasts, next hops behind next hops', (t) => {
  const { forwarding: table } = policyOf({
    routes: [
      { prefix: 0, mask: 0, nextHop: ip('172.22.1.1'), permanent: false },
      { prefix: ip('192.168.0.0'), mask: ip('255.255.0.0'), nextHop: ip('10.10.10.9'), permanent: false },
      { prefix: ip('192.168.7.0'), mask: ip('255.255.255.0'), nextHop: ip('192.168.1.1'), permanent: false },
      { prefix: ip('10.0.0.0'), mask: ip('255.0.0.0'), interface: 'Serial2/0', permanent: false },
      { prefix: ip('9.9.9.9'), mask: -1, nextHop: ip('172.22.1.2'), distance: 5, permanent: false },
      { prefix: ip('9.9.9.9'), mask: -1, nextHop: ip('172.22.1.3'), permanent: false },
    ],
  });
  const way = (dst: string): [number, number, number] => {
    const found = lookup(table, ip(dst));
    return [table.interface[found]!, table.nextHop[found]!, table.kind[found]!];
  };
  t.strictSame(way('8.8.8.8'), [0, ip('172.22.1.1'), 0]);
  t.strictSame(way('10.10.10.77'), [2, 0, 0]);
  t.strictSame(way('192.168.3.3'), [2, ip('10.10.10.9'), 0]);
  t.strictSame(way('192.168.7.3'), [2, ip('10.10.10.9'), 0], 'a next hop behind another route');
  t.strictSame(way('10.99.0.1'), [0, ip('172.22.1.1'), 0], 'a route by an interface that is shut does not hold');
  t.strictSame(way('9.9.9.9'), [0, ip('172.22.1.3'), 0], 'the lesser distance');
  t.strictSame(way('10.10.10.1'), [2, 0, LOCAL]);
  t.strictSame(way('172.22.1.255'), [0, 0, BROADCAST]);
  t.equal(lookup(policyOf({ routes: [] }).forwarding, ip('8.8.8.8')), -1);
  t.end();
});

interface Rig {
  readonly nat: Nat;
  readonly wheel: TimerWheel;
  at(now: number): void;
}

function rig(policy: PolicySnapshot): Rig {
  const wheel = new TimerWheel(200_000, 0);
  const nat = new Nat(wheel, 10, new Float64Array(100), 77, policy);
  return { nat, wheel, at: (now) => wheel.advance(now, (timer, deadline) => nat.expire(timer, deadline)) };
}

const INSIDE = {
  name: '1',
  standard: true,
  named: false,
  items: [{ ...ANY_ENTRY, text: '', src: ip('10.10.10.0'), srcWildcard: 0xff }],
};
const fixed = (local: string, global: string): Configuration['statics'][number] => ({
  local: ip(local),
  global: ip(global),
  protocol: 0,
  localPort: 0,
  globalPort: 0,
  noAlias: false,
  options: [],
});

t.test('static translations, from both sides', (t) => {
  const { nat } = rig(
    policyOf({
      statics: [
        fixed('10.10.10.2', '172.22.1.110'),
        { ...fixed('10.10.10.5', '172.22.1.111'), noAlias: true },
        { ...fixed('10.10.10.7', '172.22.1.120'), protocol: TCP, localPort: 2525, globalPort: 25 },
        { ...fixed('10.20.0.0', '172.30.0.0'), mask: ip('255.255.0.0') },
        { ...fixed('10.10.10.8', '0.0.0.0'), global: 'Ethernet2/0', protocol: UDP, localPort: 53, globalPort: 5353 },
      ],
    }),
  );
  const out = (protocol: number, src: string, port: number): [number, number, boolean] => {
    t.equal(nat.outbound(protocol, ip(src), port, ip('8.8.8.8'), 80, true, 0), OK);
    return [nat.addr, nat.port, nat.translated];
  };
  const into = (protocol: number, dst: string, port: number): [number, number, boolean] => {
    nat.inbound(protocol, ip(dst), port, true);
    return [nat.addr, nat.port, nat.translated];
  };
  t.strictSame(out(TCP, '10.10.10.2', 4000), [ip('172.22.1.110'), 4000, true]);
  t.strictSame(out(47, '10.10.10.2', 0), [ip('172.22.1.110'), 0, true], 'any protocol');
  t.strictSame(into(TCP, '172.22.1.110', 25), [ip('10.10.10.2'), 25, true]);
  t.strictSame(into(TCP, '172.22.1.120', 25), [ip('10.10.10.7'), 2525, true]);
  t.strictSame(into(UDP, '172.22.1.120', 25), [ip('172.22.1.120'), 25, false], 'another protocol');
  t.strictSame(out(TCP, '10.10.10.7', 2525), [ip('172.22.1.120'), 25, true]);
  t.strictSame(out(TCP, '10.10.10.7', 2526), [ip('10.10.10.7'), 2526, false]);
  t.strictSame(out(TCP, '10.20.3.4', 1), [ip('172.30.3.4'), 1, true]);
  t.strictSame(into(TCP, '172.30.3.4', 9), [ip('10.20.3.4'), 9, true]);
  t.strictSame(into(UDP, '172.22.1.16', 5353), [ip('10.10.10.8'), 53, true], 'the address of the interface');
  t.strictSame(out(TCP, '10.10.10.99', 5), [ip('10.10.10.99'), 5, false], 'no rule: as it is');
  t.equal(nat.isGlobal(ip('172.22.1.110'), 0), true);
  t.equal(nat.isGlobal(ip('172.22.1.111'), 0), false, 'no-alias');
  t.equal(nat.isGlobal(ip('172.22.1.120'), 0), true);
  t.equal(nat.isGlobal(ip('172.22.1.16'), 0), false, 'its own address is no alias');
  t.equal(nat.isGlobal(ip('172.30.3.4'), 0), false, 'not in the subnet');
  t.equal(nat.isGlobal(ip('172.22.1.110'), 2), false, 'not on the inside');
  t.end();
});

t.test('overload: ports kept, groups, parity, one binding for all peers, time-outs', (t) => {
  const policy = policyOf({
    accessLists: [INSIDE],
    dynamics: [{ list: '1', interface: 'Ethernet2/0', overload: true }],
    natTimeouts: { 'udp-timeout': 100 },
  });
  const { nat, at } = rig(policy);
  const out = (protocol: number, src: string, port: number, now = 0): number => {
    t.equal(nat.outbound(protocol, ip(src), port, ip('8.8.8.8'), 80, true, now), OK);
    t.equal(nat.addr, ip('172.22.1.16'));
    return nat.port;
  };
  t.equal(out(TCP, '10.10.10.2', 4000), 4000, 'kept');
  const first = nat.binding;
  nat.retain(first);
  t.equal(out(TCP, '10.10.10.2', 4000), 4000, 'endpoint-independent');
  t.equal(nat.binding, first);
  t.equal(out(TCP, '10.10.10.3', 4000), 4001, 'taken: the next');
  t.equal(out(UDP, '10.10.10.3', 4000), 4000, 'another protocol');
  t.equal(out(UDP, '10.10.10.4', 4000), 4002, 'the next of the same parity');
  t.equal(out(TCP, '10.10.10.3', 511), 511);
  t.equal(out(TCP, '10.10.10.4', 511), 1, 'round within 1-511');
  t.equal(out(TCP, '10.10.10.3', 1023), 1023);
  t.equal(out(TCP, '10.10.10.4', 1023), 512);
  t.equal(out(ICMP, '10.10.10.3', 0), 0);
  t.equal(out(ICMP, '10.10.10.4', 0), 1);
  t.equal(nat.outbound(47, ip('10.10.10.3'), 0, 1, 0, true, 0), NAT_UNTRANSLATABLE);
  nat.inbound(TCP, ip('172.22.1.16'), 4000, true);
  t.strictSame([nat.addr, nat.port, nat.binding], [ip('10.10.10.2'), 4000, first]);
  nat.inbound(ICMP, ip('172.22.1.16'), 0, true);
  t.equal(nat.translated, false, 'no ICMP query from outside');
  t.equal(nat.outbound(TCP, ip('192.168.1.1'), 9, 1, 9, true, 0), OK);
  t.equal(nat.translated, false, 'not in the list');

  at(60_000);
  t.equal(nat.bindings.count, 3, 'unused ones go with syn-timeout and icmp-timeout, UDP stays');
  at(100_000);
  t.equal(nat.bindings.count, 1);
  nat.release(first, ENDED_CLOSED, 100_000, 100_000);
  at(159_999);
  t.equal(nat.bindings.isLive(first), true);
  at(160_000);
  t.equal(nat.bindings.count, 0, 'finrst-timeout after the last session');
  t.equal(nat.expired, 10);
  t.end();
});

t.test('pools, limits, clears, abandoned bindings', (t) => {
  const change: Partial<Configuration> = {
    accessLists: [INSIDE],
    pools: [{ name: 'P', start: ip('172.22.1.50'), end: ip('172.22.1.52'), mask: ip('255.255.255.0'), prefixLength: false }],
    dynamics: [{ list: '1', pool: 'P', overload: false }],
    statics: [fixed('10.10.10.2', '172.22.1.51')],
  };
  const { nat, at } = rig(policyOf({ ...change, natTimeouts: { timeout: 60 } }));
  const out = (src: string): number => nat.outbound(TCP, ip(src), 7, 1, 9, true, 0);
  t.equal(out('10.10.10.3'), OK);
  t.strictSame([nat.addr, nat.port], [ip('172.22.1.50'), 7]);
  const used = nat.binding;
  nat.retain(used);
  t.equal(out('10.10.10.4'), OK);
  t.equal(nat.addr, ip('172.22.1.52'), 'never the address of a static translation');
  t.equal(out('10.10.10.5'), NAT_NO_ADDRESS);
  t.equal(nat.isGlobal(ip('172.22.1.52'), 0), true);
  t.equal(out('10.10.10.4'), OK);
  nat.abandon(nat.binding);
  t.equal(out('10.10.10.5'), NAT_NO_ADDRESS, 'a binding that was there before its flow is refused stays');
  at(60_000);
  t.equal(out('10.10.10.5'), OK, 'it ends by its time-out');
  nat.abandon(nat.binding);
  t.equal(out('10.10.10.5'), OK, 'an abandoned address is free again');
  t.equal(nat.addr, ip('172.22.1.52'));
  nat.inbound(UDP, ip('172.22.1.50'), 99, true);
  t.strictSame([nat.addr, nat.port], [ip('10.10.10.3'), 99]);

  t.equal(nat.clear(), 2);
  t.equal(nat.bindings.count, 1, 'the one in use stays until its session ends');
  t.equal(nat.isStale(used), true);
  nat.inbound(UDP, ip('172.22.1.50'), 99, true);
  t.equal(nat.translated, false);
  t.equal(out('10.10.10.3'), OK);
  t.equal(nat.addr, ip('172.22.1.52'), 'its address is not given out meanwhile');
  nat.release(used, ENDED_IDLE, 0, 0);
  t.equal(nat.bindings.count, 1);

  const limited = rig(policyOf({ ...change, natMaxEntries: 1 })).nat;
  t.equal(limited.outbound(TCP, ip('10.10.10.3'), 7, 1, 9, true, 0), OK);
  t.equal(limited.outbound(TCP, ip('10.10.10.4'), 7, 1, 9, true, 0), NAT_LIMIT);
  t.end();
});

t.test('a new policy keeps bindings whose mapping is there', (t) => {
  const change: Partial<Configuration> = { accessLists: [INSIDE], dynamics: [{ list: '1', interface: 'Ethernet2/0', overload: true }] };
  const before = policyOf(change);
  const { nat } = rig(before);
  nat.outbound(TCP, ip('10.10.10.3'), 4000, 1, 9, true, 0);
  const binding = nat.binding;
  nat.retain(binding);
  const other = { ...INSIDE, name: '2', items: [{ ...INSIDE.items[0]!, src: ip('10.99.0.0') }] };
  const after = policyOf(
    { accessLists: [other, INSIDE], dynamics: [{ list: '2', interface: 'Ethernet2/0', overload: true }, ...change.dynamics!] },
    before,
  );
  nat.install(after, 5);
  nat.outbound(TCP, ip('10.10.10.3'), 4000, 1, 9, false, 5);
  t.strictSame([nat.binding, nat.port], [binding, 4000]);
  nat.outbound(TCP, ip('10.99.0.3'), 4000, 1, 9, true, 5);
  t.equal(nat.port, 4001, 'ports in use are known to the new policy');
  nat.install(policyOf({}, after), 6);
  t.equal(nat.isStale(binding), true);
  t.equal(nat.bindings.count, 1);
  nat.release(binding, ENDED_SYN, 6, 6);
  t.equal(nat.bindings.count, 0);
  t.end();
});

// Translation is a bijection while bindings live: two local tuples never share a global one, and the way back leads home.
t.test('bijection', (t) => {
  const policy = policyOf({
    accessLists: [INSIDE],
    pools: [{ name: 'P', start: ip('172.22.1.60'), end: ip('172.22.1.61'), mask: ip('255.255.255.0'), prefixLength: false }],
    dynamics: [{ list: '1', pool: 'P', overload: true }],
    statics: [{ ...fixed('10.10.10.200', '172.22.1.60'), protocol: TCP, localPort: 1, globalPort: 2 }],
  });
  const host = fc.nat(5).map((n) => ip('10.10.10.10') + n);
  const port = fc.oneof(fc.constantFrom(1, 2, 3, 510, 511, 512, 1023, 1024, 65_535), fc.integer({ min: 1, max: 65_535 }));
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ protocol: fc.constantFrom(TCP, UDP), src: host, port, hold: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ advance: fc.nat(90_000) }) },
    { weight: 1, arbitrary: fc.record({ release: fc.nat(50) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
      const { nat, at, wheel } = rig(policy);
      const held: number[] = [];
      for (const s of steps) {
        if ('advance' in s) at(wheel.now + s.advance);
        else if ('release' in s) {
          const [binding] = held.splice(s.release % Math.max(held.length, 1), 1);
          if (binding !== undefined) nat.release(binding, ENDED_IDLE, wheel.now, wheel.now);
        } else {
          if (nat.outbound(s.protocol, s.src, s.port, 1, 9, true, wheel.now) !== OK) return false;
          const { addr, port: global, binding } = nat;
          if (s.hold) {
            held.push(binding);
            nat.retain(binding);
          }
          nat.inbound(s.protocol, addr, global, true);
          if (nat.addr !== s.src || nat.port !== s.port) return false;
        }
        const globals = new Set<string>(['6 0:2']);
        let live = 0;
        for (let b = 0; b < nat.bindings.highest; b++) {
          if (!nat.bindings.isLive(b)) continue;
          live++;
          globals.add(`${nat.bindings.protocol[b]} ${nat.bindings.globalAddr[b]! - ip('172.22.1.60')}:${nat.bindings.globalPort[b]}`);
        }
        if (globals.size !== live + 1 || live !== nat.bindings.count) return false;
        if (held.some((b) => !nat.bindings.isLive(b))) return false;
      }
      return true;
    }),
    { seed: SEED, numRuns: 40 },
  );
  t.end();
});

t.test('an application wins over the generic line, a mapping for a host over one for all', (t) => {
  const line = (keyword: string): Configuration['rules'][number]['lines'][number] => ({
    keyword,
    routerTraffic: false,
    urlFilter: false,
    options: [],
  });
  const { rules, accessLists } = policyOf({
    accessLists: [{ ...INSIDE, name: '9' }],
    rules: [
      { name: 'A', lines: ['tcp', 'udp', 'icmp', 'ftp', 'smtp', 'dns'].map(line) },
      { name: 'B', lines: [line('http'), line('fragment')] },
    ],
    portMaps: [
      { application: 'smtp', port: 2525 },
      { application: 'ftp', port: 25, list: '9' },
      { application: 'ftp', port: 26, list: 'none' },
    ],
  });
  const select = (rule: number, protocol: number, dst: string, port: number, type = 0): string => {
    const entry = selectEntry(rules[rule]!, accessLists, protocol, ip(dst), port, port, type);
    return entry < 0 ? '-' : rules[rule]!.entries[entry]!.keyword;
  };
  t.equal(select(0, TCP, '1.1.1.1', 25), 'smtp');
  t.equal(select(0, TCP, '1.1.1.1', 2525), 'smtp');
  t.equal(select(0, UDP, '1.1.1.1', 25), 'udp');
  t.equal(select(0, TCP, '10.10.10.9', 25), 'ftp', 'for the hosts of list 9');
  t.equal(select(0, TCP, '10.10.10.9', 26), 'tcp', 'a list that does not exist names no host');
  t.equal(select(0, TCP, '1.1.1.1', 21), 'ftp');
  t.equal(select(0, UDP, '1.1.1.1', 53), 'dns');
  t.equal(select(0, TCP, '1.1.1.1', 53), 'dns');
  t.equal(select(0, TCP, '1.1.1.1', 99), 'tcp');
  t.equal(select(0, ICMP, '1.1.1.1', 0, 8), 'icmp');
  t.equal(select(0, ICMP, '1.1.1.1', 0, 5), '-', 'no query');
  t.equal(select(0, 47, '1.1.1.1', 0), '-');
  t.equal(select(1, TCP, '1.1.1.1', 80), 'http');
  t.equal(select(1, TCP, '1.1.1.1', 81), '-');
  t.end();
});
