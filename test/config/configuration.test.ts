// The configuration language: the reference configuration, the error marker, access lists, and properties over lines drawn
// from the grammar itself.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { globalMode } from '../../src/config/global-mode.ts';
import { terminalsOf, type Pattern } from '../../src/config/language/pattern.ts';
import { emptyConfiguration, type Configuration } from '../../src/config/model.ts';
import { applyLine, formatRejection, openSession, parseConfiguration } from '../../src/config/parse.ts';
import { configurationText, printRunningConfig } from '../../src/config/running-config.ts';
import { sampleLine, type Draw } from './sample.ts';

const SEED = 20_240_521;

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'rules'))) folder = dirname(folder);
  return folder;
}

const ROOT = findRoot();
const rules = (name: string): string => readFileSync(join(ROOT, 'rules', name), 'utf8');

/** Lines that carry configuration. */
function essence(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '' && !line.startsWith('!') && !/^(Building|Current) configuration/.test(line));
}

/** The order of kept lines and of access lists is that of the running-config, not that of their entry. */
function normal(configuration: Configuration): Configuration {
  const byText = (a: { text: string }, b: { text: string }): number => (a.text < b.text ? -1 : 1);
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  return { ...configuration, kept: configuration.kept.toSorted(byText), accessLists: configuration.accessLists.toSorted(byName) };
}

/** Entered line by line; fails on the first that is rejected. */
function entered(...lines: string[]): Configuration {
  const session = openSession(emptyConfiguration());
  for (const line of lines) {
    const rejection = applyLine(session, line);
    if (rejection !== undefined) throw new Error(formatRejection(line, rejection));
  }
  return session.configuration;
}

t.test('every configuration in rules/ is accepted whole and prints back', (t) => {
  for (const name of readdirSync(join(ROOT, 'rules')).filter((file) => file.endsWith('.cfg'))) {
    const text = rules(name);
    const { configuration, rejected, warnings } = parseConfiguration(text);
    t.same(rejected, [], `${name}: nothing is rejected`);
    t.same(warnings, [], `${name}: no warnings`);
    t.same(essence(printRunningConfig(configuration)), essence(text), `${name}: prints back`);
    t.ok(isDeepStrictEqual(parseConfiguration(printRunningConfig(configuration)).configuration, configuration), `${name}: reads back`);
  }
  t.end();
});

t.test('the running-config is framed as IOS does, with its length', (t) => {
  const text = printRunningConfig(parseConfiguration(rules('3640.cfg')).configuration);
  const [, count, body] = /^Building configuration\.\.\.\n\nCurrent configuration : (\d+) bytes\n([^]*)$/.exec(text)!;
  t.equal(Number(count), Buffer.byteLength(body!));
  t.match(body, /^!\nversion 12\.3\n[^]*\nend\n$/);
  t.end();
});

const shared = join(ROOT, '..', 'shared');
t.test('workload configurations are accepted', { skip: existsSync(shared) ? false : '../shared is not there' }, (t) => {
  for (const name of ['workload.cfg', 'routed.cfg']) {
    const { configuration, rejected } = parseConfiguration(readFileSync(join(shared, 'workloads', name), 'utf8'));
    t.same(rejected, []);
    t.ok(isDeepStrictEqual(parseConfiguration(printRunningConfig(configuration)).configuration, configuration));
  }
  const { inspect, arp } = parseConfiguration(readFileSync(join(shared, 'workloads', 'workload.cfg'), 'utf8')).configuration;
  t.equal(inspect.maxIncompleteHost, 250);
  t.same(arp[0], { addr: 0x0a0a0a02, mac: '0200.0000.0202' });
  t.end();
});

t.test('rejections stand where IOS puts them', (t) => {
  const session = openSession(emptyConfiguration());
  const rejected = (line: string, prompt = ''): string => {
    const rejection = applyLine(session, line);
    return rejection === undefined ? 'accepted' : formatRejection(line, rejection, prompt);
  };
  t.equal(
    rejected('ip inspct name IN-OUT tcp', '3640-123(config)#'),
    "3640-123(config)#ip inspct name IN-OUT tcp\n                    ^\n% Invalid input detected at '^' marker.\n\n",
  );
  t.equal(rejected('ip inspect name', '3640-123(config)#'), '3640-123(config)#ip inspect name\n% Incomplete command.\n');
  t.equal(rejected('i', '3640-123(config)#'), '3640-123(config)#i\n% Ambiguous command:  "i"\n');
  t.equal(
    rejected('  ip   route 10.0.0.0 255.0.255.0 1.1.1.1'),
    "  ip   route 10.0.0.0 255.0.255.0 1.1.1.1\n                      ^\n% Invalid input detected at '^' marker.\n\n",
  );
  t.equal(rejected('ip inspect udp idle-time 0').indexOf('^'), 'ip inspect udp idle-time 0'.length + 1 + 25, 'a number out of range');
  t.equal(rejected('interface Token0').split('\n')[1], '          ^', 'an unknown interface type');
  t.same(session.configuration, emptyConfiguration(), 'nothing changed');
  t.equal(session.prompt, 'config');
  t.end();
});

t.test('semantic errors are refused and not stored', (t) => {
  const refusal = (before: string[], line: string): string => {
    const session = openSession(emptyConfiguration());
    for (const each of before) applyLine(session, each);
    const was = structuredClone(session.configuration);
    const rejection = applyLine(session, line);
    t.same(session.configuration, was, `${line}: nothing changed`);
    return rejection?.kind === 'refused' ? rejection.message : 'not refused';
  };
  t.equal(
    refusal(['ip inspect name mail-guard smtp'], 'ip inspect name mail-guard esmtp'),
    'ESMTP cannot coexist with SMTP, please unconfigure SMTP and try again',
  );
  t.equal(
    refusal(['ip inspect name mail-guard esmtp'], 'ip inspect name mail-guard smtp'),
    'SMTP cannot coexist with ESMTP, please unconfigure ESMTP and try again',
  );
  t.equal(refusal(['interface e0'], 'ip address 10.10.10.0 255.255.255.128'), 'Bad mask /25 for address 10.10.10.0');
  t.equal(
    refusal(
      ['interface Ethernet2/1', 'ip address 10.10.10.1 255.255.255.0', 'interface Ethernet2/0'],
      'ip address 10.10.10.9 255.255.255.0',
    ),
    '% 10.10.10.0 overlaps with Ethernet2/1',
  );
  t.equal(refusal([], 'ip access-list extended 50'), '% Invalid access list name.');
  t.equal(
    refusal(['ip nat inside source static 10.10.10.2 172.22.1.110'], 'ip nat inside source static 10.10.10.2 172.22.1.110'),
    '% similar static entry (10.10.10.2 -> 172.22.1.110) already exists',
  );
  t.equal(
    refusal(['ip nat inside source static 10.10.10.2 172.22.1.110'], 'ip nat inside source static 10.10.10.3 172.22.1.110'),
    '% 172.22.1.110 already mapped (10.10.10.2 -> 172.22.1.110)',
  );
  t.equal(refusal([], 'access-list 101 permit tcp any any lt 0'), '% No port number matches');
  t.equal(refusal([], 'access-list 101 permit udp any eq 1 any fragments'), "% 'fragments' cannot be combined with ports");
  t.end();
});

t.test('a bad line never stops the rest, and takes the lines under it along', (t) => {
  const { configuration, rejected } = parseConfiguration(
    'hostname A\ninterface Ethernet0\n shutdown\ninterface Bogus7\n ip access-group 101 in\n no shutdown\nhostname B\npolicy-map type inspect esmtp M\n match nonsense\n  reset\n match cmd verb VRFY\n  mask\n',
  );
  t.equal(configuration.hostname, 'B');
  t.same(
    configuration.interfaces.map((port) => [port.name, port.shutdown, port.accessGroupIn]),
    [['Ethernet0', true, undefined]],
  );
  t.same(
    rejected.map((entry) => [entry.lineNumber, entry.column]),
    [
      [4, 10],
      [5, 1],
      [6, 1],
      [9, 7],
      [10, 2],
    ],
  );
  t.same(configuration.policyMaps[0]!.matches, [{ criterion: ['cmd', 'verb', 'vrfy'], action: ['mask'] }]);
  t.end();
});

t.test('keywords may be cut and written in any case; names keep theirs', (t) => {
  const configuration = entered(
    'IP INSP NA In-Out TC al of TIMEO 60',
    'int eth 2/0',
    'ip add 10.0.0.1 255.0.0.0',
    'ip insp In-Out in',
    'acc 101 p t a h 1.1.1.1 eq sm',
  );
  t.same(essence(configurationText(configuration)), [
    'hostname Router',
    'ip inspect name In-Out tcp alert off timeout 60',
    'interface Ethernet2/0',
    ' ip address 10.0.0.1 255.0.0.0',
    ' ip inspect In-Out in',
    'access-list 101 permit tcp any host 1.1.1.1 eq smtp',
    'end',
  ]);
  t.end();
});

t.test('access lists print as IOS prints them', (t) => {
  const entries: [string, string][] = [
    ['permit 6 0.0.0.0 255.255.255.255 1.1.1.1 0.0.0.0', 'permit tcp any host 1.1.1.1'],
    ['deny ip 10.1.2.3 0.255.0.255 any', 'deny   ip 10.0.2.0 0.255.0.255 any'],
    ['permit tcp any eq 25 80 443 any range 1024 80', 'permit tcp any eq smtp www 443 any range www 1024'],
    ['permit udp any neq 53 any gt 1023 log', 'permit udp any neq domain any gt 1023 log'],
    ['permit tcp any any syslog'.replace(' syslog', ' eq syslog'), 'permit tcp any any eq cmd'],
    ['permit icmp any any 3 13', 'permit icmp any any administratively-prohibited'],
    ['permit icmp any any 8', 'permit icmp any any echo'],
    ['permit icmp any any 3 200', 'permit icmp any any 3 200'],
    ['permit tcp any any log syn ack', 'permit tcp any any ack syn log'],
    ['permit tcp any any match-all +syn -ACK', 'permit tcp any any match-all +syn -ack'],
    [
      'permit gre any any fragments log-input precedence 5 tos 8',
      'permit gre any any precedence critical tos min-delay fragments log-input',
    ],
    ['permit 103 any any dscp 46', 'permit pim any any dscp ef'],
    ['permit 200 any any time-range NIGHT', 'permit 200 any any time-range NIGHT'],
  ];
  for (const [given, printed] of entries) {
    const [list] = entered(`access-list 150 ${given}`).accessLists;
    t.equal((list!.items[0] as { text: string }).text, printed, given);
    t.same(entered(`access-list 150 ${printed}`).accessLists, [list], `${printed}: reads back`);
  }
  t.end();
});

t.test('what an entry says in numbers', (t) => {
  const entry = (text: string) => entered(`access-list 150 ${text}`).accessLists[0]!.items[0];
  t.match(entry('permit tcp any eq 25 80 any neq 20 22'), {
    srcPorts: [25, 25, 80, 80],
    dstPorts: [0, 19, 21, 21, 23, 65535],
    flagsAny: false,
  });
  t.match(entry('permit tcp any gt 1023 any lt 1024 established'), { srcPorts: [1024, 65535], dstPorts: [0, 1023], established: true });
  t.match(entry('permit tcp any any ack syn'), { flagsSet: 0x12, flagsClear: 0, flagsAny: true });
  t.match(entry('permit tcp any any match-all +syn -ack'), { flagsSet: 0x02, flagsClear: 0x10, flagsAny: false });
  t.match(entry('permit tcp any any match-any +syn -ack'), { flagsSet: 0x02, flagsClear: 0x10, flagsAny: true });
  t.match(entry('permit icmp any any unreachable'), { protocol: 1, icmpType: 3, icmpCode: -1 });
  t.match(entry('deny ip host 255.255.255.255 any log-input'), {
    protocol: -1,
    permit: false,
    src: -1,
    srcWildcard: 0,
    dstWildcard: -1,
    log: true,
    logInput: true,
  });
  t.end();
});

t.test('sequence numbers, remarks, duplicates, resequence', (t) => {
  const configuration = entered(
    'ip access-list extended MAIL',
    'permit tcp any any eq 25',
    'remark the rest',
    'deny ip any any',
    '15 permit udp any any',
    'permit tcp any any eq smtp',
    'no 10',
    'access-list 7 remark friends',
    'access-list 7 permit host 10.0.0.1',
    'access-list 7 permit 10.1.0.0 0.0.255.255',
    'access-list 7 deny any log',
  );
  t.same(essence(configurationText(configuration)).slice(1, -1), [
    'ip access-list extended MAIL',
    ' 15 permit udp any any',
    ' remark the rest',
    ' 20 deny   ip any any',
    'access-list 7 remark friends',
    'access-list 7 permit 10.0.0.1',
    'access-list 7 permit 10.1.0.0 0.0.255.255',
    'access-list 7 deny   any log',
  ]);
  const resequenced = openSession(configuration);
  t.equal(applyLine(resequenced, 'ip access-list resequence MAIL 10 10'), undefined);
  t.same(essence(configurationText(resequenced.configuration)).slice(1, 4), [
    'ip access-list extended MAIL',
    ' permit udp any any',
    ' remark the rest',
  ]);
  t.end();
});

t.test('names that do not exist are warned of', (t) => {
  const { rejected, warnings } = parseConfiguration(
    'interface e0\n ip access-group 101 in\n ip inspect X in\nip inspect name M smtp policy P\nip nat inside source list 1 pool Q\nip inspect one-minute low 600\nip route 0.0.0.0 0.0.0.0 Serial0\n',
  );
  t.same(rejected, []);
  t.same(warnings, [
    '%Default route without gateway, if not a point-to-point interface, may impact performance',
    '% access list 101 of Ethernet0 does not exist',
    '% access list 1 of ip nat inside source list does not exist',
    '% inspection rule X of Ethernet0 does not exist',
    '% policy-map P of ip inspect name M does not exist',
    '% NAT pool Q of ip nat inside source list 1 does not exist',
    '% ip inspect one-minute: low 600 is above high 500',
  ]);
  t.end();
});

/** A session with lines drawn from the grammar of whichever mode it is in. */
function drawLines(draw: Draw, count: number): { session: ReturnType<typeof openSession>; lines: string[] } {
  const session = openSession(emptyConfiguration());
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const available = draw(3) === 0 ? globalMode.rules : session.rules;
    const line = sampleLine(available[draw(available.length)]!.pattern, draw);
    const before = structuredClone(session.configuration);
    const rejection = applyLine(session, line);
    if (rejection !== undefined && rejection.kind !== 'refused')
      throw new Error(`the grammar does not accept its own line: ${formatRejection(line, rejection)}`);
    if (rejection !== undefined && !isDeepStrictEqual(session.configuration, before))
      throw new Error(`refused, and yet changed something: ${line}`);
    lines.push(line);
  }
  return { session, lines };
}

t.test('property: whatever is entered prints and reads back', (t) => {
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const draw: Draw = (below) => g(fc.nat, { max: below - 1 });
      const { session, lines } = drawLines(draw, 25);
      const printed = printRunningConfig(session.configuration);
      const { configuration, rejected } = parseConfiguration(printed);
      if (rejected.length > 0) throw new Error(`${lines.join('\n')}\n--\n${rejected.map((entry) => entry.formatted).join('')}`);
      if (!isDeepStrictEqual(normal(configuration), normal(session.configuration))) {
        t.same(normal(configuration), normal(session.configuration));
        throw new Error(`${lines.join('\n')}\n--\n${printed}`);
      }
      return printRunningConfig(configuration) === printed;
    }),
    { seed: SEED, numRuns: 300 },
  );
  t.end();
});

/** Commands whose `no` form is printed itself, and those that have none. */
const SHOWS_NO =
  /^(service password-encryption|aaa new-model|ip (subnet-zero|cef|dhcp|domain lookup|ips|http|classless)|ftp-server|logging console|keepalive|mask-banner|mail-relay|special-character|allow-tls)/i;
const WITHOUT_NO = /^(exit|end|ip access-list resequence)/i;

t.test('property: no undoes each command', (t) => {
  const modes = [
    [],
    ['interface Ethernet0'],
    ['ip access-list extended E'],
    ['ip access-list standard S'],
    ['time-range T'],
    ['line vty 0 4'],
    ['controller T1 1/0'],
    ['policy-map type inspect esmtp P'],
    ['policy-map type inspect esmtp P', 'parameters'],
    ['policy-map type inspect esmtp P', 'match cmd verb VRFY'],
  ];
  for (const opening of modes) {
    const { rules: commands } = sessionAfter(opening)!;
    const undone = commands.map((command) => undoneSamples(opening, command.pattern));
    t.same(
      undone.flatMap((samples) => samples.failed),
      [],
      `${opening.join(' / ') || 'global mode'}: nothing is left`,
    );
    t.ok(
      undone.some((samples) => samples.count > 0),
      'commands were tried',
    );
  }
  t.end();
});

function sessionAfter(lines: readonly string[]): ReturnType<typeof openSession> | undefined {
  const session = openSession(emptyConfiguration());
  return lines.every((line) => applyLine(session, line) === undefined) ? session : undefined;
}

/** Draws lines of one command; which of them neither `no` behind them nor they behind `no` make disappear. */
function undoneSamples(opening: readonly string[], pattern: Pattern): { count: number; failed: string[] } {
  const base = sessionAfter(opening)!.configuration;
  const failed: string[] = [];
  let count = 0;
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const line = sampleLine(pattern, (below) => g(fc.nat, { max: below - 1 }));
      if (/^no /i.test(line) || SHOWS_NO.test(line) || WITHOUT_NO.test(line) || sessionAfter([...opening, line]) === undefined) return;
      const results = [sessionAfter([...opening, line, `no ${line}`]), sessionAfter([...opening, `no ${line}`, line])];
      if (!results.some((result) => isDeepStrictEqual(result?.configuration, base))) failed.push(line);
      count++;
    }),
    { seed: SEED, numRuns: 8 },
  );
  return { count, failed };
}

t.test('property: no text makes the parser fail, and what it rejects changes nothing', (t) => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string({ maxLength: 12 }),
          fc.constantFrom('ip', 'inspect', 'no', 'access-list', '101', 'permit', 'tcp', 'any', '"', '!', '?'),
        ),
        { maxLength: 12 },
      ),
      (words) => {
        const line = words.join(' ').replaceAll('\n', ' ');
        const session = openSession(emptyConfiguration());
        return applyLine(session, line) === undefined || isDeepStrictEqual(session.configuration, emptyConfiguration());
      },
    ),
    { seed: SEED, numRuns: 500 },
  );
  t.end();
});

t.test('every keyword and argument of every mode has a help text', (t) => {
  const without = globalMode.rules.flatMap((rule) => terminalsOf(rule.pattern)).filter((terminal) => terminal.help === '');
  t.same(without, []);
  t.end();
});
