// The compilation of whole configurations: defaults, names, indices, and what a new policy keeps of the former.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ANY_ENTRY } from '../../bench/any-entry.ts';
import { compilePolicy } from '../../src/config/compile.ts';
import { type Configuration, emptyConfiguration } from '../../src/config/model.ts';
import { parseConfiguration } from '../../src/config/parse.ts';
import { compileAccessList } from '../../src/policy/access-list-compile.ts';
import { DEFAULT_STREAM_LIMITS, NAT_INSIDE, NAT_NONE, NAT_OUTSIDE, type PolicySnapshot } from '../../src/policy/snapshot.ts';

function ip(text: string): number {
  return text.split('.').reduce((addr, octet) => (addr << 8) | Number(octet), 0);
}

/** The root of the repository, above wherever the compiled test lies. */
function root(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  const isRoot = (path: string): boolean =>
    existsSync(join(path, 'package.json')) && JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')).name === 'postern';
  while (!isRoot(folder) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

const RULES = join(root(), 'rules', '3640.cfg');
const SLASH_24 = ip('255.255.255.0');
type Line = Configuration['rules'][number]['lines'][number];
type Entry = Exclude<Configuration['accessLists'][number]['items'][number], { remark: string }>;

function line(keyword: string, options: Partial<Line> = {}): Line {
  return { keyword, routerTraffic: false, urlFilter: false, options: [], ...options };
}

function permit(sequence: number, dst: string, port: number): Entry {
  return {
    ...ANY_ENTRY,
    text: `permit tcp any host ${dst} eq ${port}`,
    sequence,
    protocol: 6,
    dst: ip(dst),
    dstWildcard: 0,
    dstPorts: [port, port],
  };
}

function list(name: string, ...items: Configuration['accessLists'][number]['items']): Configuration['accessLists'][number] {
  return { name, standard: false, named: false, items };
}

/** The reference configuration, as far as it acts. */
function reference(): Configuration {
  return {
    ...emptyConfiguration(),
    hostname: '3640-123',
    interfaces: [
      {
        name: 'Ethernet2/0',
        ipAddress: { addr: ip('172.22.1.16'), mask: SLASH_24 },
        shutdown: false,
        accessGroupIn: '101',
        nat: 'outside',
        inspectIn: 'OUT-IN',
        virtualReassembly: { dropFragments: false },
        kept: [],
      },
      { name: 'Serial2/0', ipAddress: 'none', shutdown: true, kept: [] },
      {
        name: 'Ethernet2/1',
        ipAddress: { addr: ip('10.10.10.1'), mask: SLASH_24 },
        shutdown: false,
        nat: 'inside',
        inspectIn: 'IN-OUT',
        kept: [],
      },
    ],
    rules: [
      { name: 'IN-OUT', lines: ['tcp', 'udp', 'ftp', 'http', 'icmp'].map((keyword) => line(keyword)) },
      { name: 'OUT-IN', lines: [line('smtp')] },
    ],
    accessLists: [list('101', permit(10, '172.22.1.110', 25))],
    routes: [{ prefix: 0, mask: 0, nextHop: ip('172.22.1.1'), permanent: false }],
    statics: [
      { local: ip('10.10.10.2'), global: ip('172.22.1.110'), protocol: 0, localPort: 0, globalPort: 0, noAlias: false, options: [] },
    ],
  };
}

function compile(configuration: Configuration, previous?: PolicySnapshot): PolicySnapshot {
  return compilePolicy(configuration, {
    epoch: (previous?.epoch ?? 0) + 1,
    verifyChecksums: true,
    ...(previous === undefined ? {} : { previous }),
  });
}

t.test('the reference configuration', (t) => {
  const policy = compile(reference());
  const [outside, serial, inside] = policy.interfaces;
  t.strictSame([outside!.name, serial!.name, inside!.name], ['Ethernet2/0', 'Serial2/0', 'Ethernet2/1']);
  t.strictSame([outside!.nat, serial!.nat, inside!.nat], [NAT_OUTSIDE, NAT_NONE, NAT_INSIDE]);
  t.strictSame([outside!.accessIn, outside!.accessOut, inside!.accessIn], [0, -1, -1]);
  t.strictSame([outside!.inspectIn, outside!.inspectOut, inside!.inspectIn], [1, -1, 0]);
  t.strictSame([outside!.enabled, serial!.enabled, serial!.addr], [true, false, 0]);
  const reassembly = { enabled: true, maxReassemblies: 16, maxFragments: 32, timeout: 3000, dropFragments: false };
  t.strictSame(inside!.reassembly, reassembly, 'switched on by NAT and inspection');
  t.equal(serial!.reassembly.enabled, false);
  t.strictSame(policy.timers, { synWait: 30_000, finWait: 5_000, tcpIdle: 3_600_000, udpIdle: 30_000, dns: 5_000 });
  t.strictSame(policy.thresholds, {
    maxIncompleteHigh: 500,
    maxIncompleteLow: 400,
    oneMinuteHigh: 500,
    oneMinuteLow: 400,
    hostLimit: 50,
    hostBlockTime: 0,
    sourceSessions: 0,
    sourceRate: 0,
    sourceRateWindow: 60_000,
  });
  const timeouts = policy.rules.map((rule) =>
    rule.entries.map(({ keyword, timeout, maxData, inspector }) => [keyword, timeout, maxData, inspector]),
  );
  t.strictSame(timeouts, [
    [
      ['tcp', 3_600_000, 0, -1],
      ['udp', 30_000, 0, -1],
      ['ftp', 3_600_000, 0, -1],
      ['http', 3_600_000, 0, 1],
      ['icmp', 10_000, 0, -1],
    ],
    [['smtp', 3_600_000, 20_000_000, 0]],
  ]);
  t.match(policy.rules[1]!.entries[0]!.inspectorPolicy, { esmtp: false });
  t.strictSame(policy.stream, DEFAULT_STREAM_LIMITS);
  t.equal(policy.maxSessions, 100_000);
  t.equal(policy.nat.tcpTimeout, 86_400_000);
  t.strictSame(
    policy.routes.map(({ mask, interface: port }) => [mask, port]),
    [
      [SLASH_24, 0],
      [SLASH_24, 2],
      [0, -1],
    ],
  );
  t.strictSame(structuredClone(policy), policy, 'plain data: it crosses to the worker');
  t.end();
});

t.test('the reference file compiles to the same as its lines made by hand', { skip: !existsSync(RULES) && 'no rules/3640.cfg' }, (t) => {
  const { configuration, rejected } = parseConfiguration(readFileSync(RULES, 'latin1'));
  t.strictSame(rejected, []);
  const parsed = compile(configuration);
  const made = compile(reference());
  t.strictSame(parsed.interfaces, made.interfaces);
  t.strictSame(parsed.rules, made.rules);
  t.strictSame(parsed.routes, made.routes);
  t.strictSame(parsed.forwarding, made.forwarding);
  t.strictSame(parsed.accessLists[0]!.rules, made.accessLists[0]!.rules);
  t.strictSame(parsed.accessLists[0]!.blocks, made.accessLists[0]!.blocks);
  t.strictSame(parsed.thresholds, made.thresholds);
  t.strictSame(parsed.nat.statics[0], made.nat.statics[0]);
  t.equal(parsed.nat.statics.length, 2);
  t.end();
});

t.test('what is configured goes before the defaults', (t) => {
  const configuration = reference();
  Object.assign(configuration.inspect, {
    alertOff: true,
    auditTrail: true,
    tcpIdleTime: 100,
    synwaitTime: 7,
    maxIncompleteHigh: 9,
    maxIncompleteHost: 3,
    blockTime: 2,
    sourceSessions: 20,
    reassemblyQueueLength: 5,
    reassemblyTimeout: 6,
    storeOctets: 4096,
    maxSessions: 5_000_000,
  });
  configuration.natTimeouts = { 'tcp-timeout': 0, 'udp-timeout': 4_000_000 };
  configuration.rules[0]!.lines[0] = line('tcp', { alert: true, timeout: 60, maxSessions: 4, routerTraffic: true });
  configuration.rules[0]!.lines[3] = line('http', { javaList: '77' });
  configuration.interfaces[0]!.macAddress = '0200.0000.0110';
  configuration.interfaces[0]!.accessGroupOut = '199';
  configuration.interfaces[2]!.inspectOut = 'NONE';
  configuration.arp = [{ addr: ip('172.22.1.1'), mac: 'fe00.8000.0101' }];
  const policy = compile(configuration);
  const [tcp, , ftp, http] = policy.rules[0]!.entries;
  t.match(tcp, { alert: true, auditTrail: true, timeout: 60_000, maxSessions: 4, routerTraffic: true });
  t.match(ftp, { alert: false, auditTrail: true, timeout: 100_000 });
  t.equal(http!.javaList, -2, 'a list that does not exist');
  t.match(policy.timers, { synWait: 7_000, tcpIdle: 100_000 });
  t.match(policy.thresholds, { maxIncompleteHigh: 9, hostLimit: 3, hostBlockTime: 120_000, sourceSessions: 20 });
  t.match(policy.stream, { outOfOrderSegments: 5, outOfOrderTimeout: 6_000, emitted: 4096 });
  t.match(policy.nat, { tcpTimeout: 0, udpTimeout: 0x7fffffff });
  t.equal(policy.maxSessions, 1_000_000);
  t.strictSame(policy.interfaces[0]!.mac, [0x0200, 0x110]);
  t.strictSame(policy.neighbours, [{ addr: ip('172.22.1.1'), mac: [0xfe00, 0x80000101 | 0] }]);
  t.strictSame([policy.interfaces[0]!.accessOut, policy.interfaces[2]!.inspectOut], [-1, -1], 'names of nothing');
  t.end();
});

t.test('a new policy: interfaces keep their index, lists their counters, rules their rows', (t) => {
  const first = reference();
  first.accessLists.push(list('102', permit(10, '1.1.1.1', 1), permit(20, '1.1.1.1', 2)), list('103', permit(10, '3.3.3.3', 3)));
  const before = compile(first);
  t.strictSame(
    before.accessLists.map(({ firstHit }) => firstHit),
    [0, 1, 3],
  );
  t.equal(before.hitRows, 4);
  t.strictSame([...before.hitMoves], [0, -1, 1, -1, 2, -1, 3, -1]);

  const second = reference();
  second.interfaces = [{ name: 'Ethernet3/0', shutdown: false, ipAddress: 'none', kept: [] }, second.interfaces[2]!, second.interfaces[0]!];
  second.accessLists = [
    list('102', permit(10, '1.1.1.1', 9), { remark: 'kept' }, permit(15, '1.1.1.1', 2)),
    list('101', permit(10, '172.22.1.110', 25)),
    list('104'),
  ];
  second.rules.reverse();
  second.interfaces[0]!.accessGroupIn = '104';
  second.inspect.maxSessions = 7;
  const after = compile(second, before);
  t.strictSame(
    after.interfaces.map(({ name, enabled }) => [name, enabled]),
    [
      ['Ethernet2/0', true],
      ['Serial2/0', false],
      ['Ethernet2/1', true],
      ['Ethernet3/0', true],
    ],
  );
  t.equal(after.accessLists[1], before.accessLists[0], 'unchanged, so the same');
  t.equal(after.accessLists[0]!.firstHit, 4, 'rows that nobody counts in now');
  t.strictSame([...after.hitMoves], [4, -1, 5, 2], 'an entry that was there keeps its count');
  t.equal(after.hitRows, 6);
  t.equal(after.interfaces[3]!.accessIn, -1, 'a list without entries permits everything');
  const row = (policy: PolicySnapshot, name: string): number => policy.rules.find((rule) => rule.name === name)!.entries[0]!.sessionRow;
  t.not(row(before, 'IN-OUT'), row(before, 'OUT-IN'));
  t.strictSame([row(after, 'IN-OUT'), row(after, 'OUT-IN')], [row(before, 'IN-OUT'), row(before, 'OUT-IN')]);
  t.equal(after.maxSessions, 100_000, 'session records are fixed at start');
  t.equal(after.epoch, 2);
  const third = compile(reference(), after);
  t.equal(third.accessLists[0]!.firstHit, 0);
  t.end();
});

t.test('compiling a long list is quick', (t) => {
  const entries = Array.from({ length: 1000 }, (_, i) => permit(i * 10, `10.${i >> 8}.${i & 255}.1`, i));
  const start = performance.now();
  const compiled = compileAccessList('150', false, entries, 0);
  t.ok(performance.now() - start < 2000);
  t.ok(compiled.blocks[0]!.dst.sets.byteLength < 300_000);
  t.end();
});

t.test('bridge groups and type lists', (t) => {
  const configuration = reference();
  for (const port of configuration.interfaces) {
    port.ipAddress = 'none';
    port.bridgeGroup = 1;
  }
  configuration.interfaces[0]!.bridgeInputTypeList = 201;
  configuration.typeLists = [
    { list: 201, permit: true, type: 0x0800, wildcard: 0 },
    { list: 202, permit: true, type: 1, wildcard: 0 },
  ];
  configuration.bridge.strict = true;
  const policy = compile(configuration);
  t.strictSame(policy.interfaces[0]!.inputTypes, Int32Array.from([1, 0x0800, 0xffff]));
  t.equal(policy.interfaces[2]!.inputTypes, null);
  t.equal(policy.interfaces[2]!.bridgeGroup, 1);
  t.equal(policy.bridgeStrict, true);
  t.strictSame(
    policy.routes.map(({ mask }) => mask),
    [0],
    'no connected routes',
  );
  t.equal(
    policy.forwarding.best.every((best) => best === -1),
    true,
  );
  t.end();
});
