// The console of a running firewall over its socket: a session of commands with traffic meanwhile, configuration that acts
// line by line, reload, clear, debug, the log.

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { parseConfiguration } from '../../src/config/parse.ts';
import { globalMode } from '../../src/config/global-mode.ts';
import { configurationText } from '../../src/config/running-config.ts';
import { EXEC_RULES } from '../../src/console/exec-commands.ts';
import { ShellSession } from '../../src/console/shell-session.ts';
import * as counters from '../../src/telemetry/counters.ts';
import { type Draw, sampleLine } from '../config/sample.ts';
import { segment, userDatagram } from '../path/datagrams.ts';
import { firewallFor, IN, OUT, REFERENCE, ROOT, shellOf } from './firewall.ts';
import { MailTraffic } from './mail-traffic.ts';

/** What stands behind the prompts of a transcript. */
const TYPED = /^[\w-]+(?:\([\w-]+\))?[>#](.*)$/;

t.test('a session of 60 commands, and no frame is lost', async (t) => {
  const fixture = join(ROOT, 'test', 'console', 'fixtures', 'session.txt');
  const recorded = readFileSync(fixture, 'utf8');
  const running = await firewallFor(t);
  const { box, plane } = running;
  const mail = new MailTraffic(box, 4000);
  mail.open();
  box.send(IN, userDatagram({ from: '10.10.10.5', to: '198.18.0.53', sport: 53, dport: 53 }));
  box.delta();
  const { client } = await shellOf(t, running, false);
  let transcript = '';
  let commands = 0;
  for (const recordedLine of recorded.split('\n')) {
    const typed = TYPED.exec(recordedLine)?.[1];
    if (typed === undefined || typed === '') continue;
    mail.exchange('NOOP\r\n', '250 ok\r\n');
    box.wait(250);
    plane.rates.sample();
    transcript += `${client.prompt}${typed}\n`;
    const ask = typed === '^Z' ? { end: {} } : typed.endsWith('?') ? { help: typed.slice(0, -1) } : { enter: typed };
    transcript += (await client.ask(ask)).output;
    commands++;
  }
  transcript += client.prompt;
  if (process.env.POSTERN_RECORD) writeFileSync(fixture, transcript);
  t.equal(transcript, recorded);
  t.ok(commands >= 60, `${commands} commands`);
  t.equal(mail.arrived, mail.sent, 'every segment came out on the other side');
  t.equal(box.delta().dropped, undefined);
});

t.test('configure terminal acts on the next frame, and a bad line changes nothing', async (t) => {
  const running = await firewallFor(t);
  const { box, plane } = running;
  const { enter } = await shellOf(t, running);
  const web = (): string[] =>
    box.send(OUT, segment({ from: '198.18.0.9', to: '172.22.1.110', sport: 4000 + box.now, dport: 80, flags: 'S' }));
  const isLetIn = (): boolean => {
    box.wait(1000);
    return web().some((line) => line.startsWith(IN));
  };
  t.notOk(isLetIn());
  await enter('configure terminal');
  const before = plane.policy;
  t.match(await enter('access-list 101 permit tpc any any'), /^ +\^\n% Invalid input/);
  t.equal(plane.policy, before, 'a rejected line installs nothing');
  t.equal(await enter('access-list 101 permit tcp any host 172.22.1.110 eq www'), '');
  t.equal(plane.policy.epoch, before.epoch + 1);
  t.ok(isLetIn());
  t.equal(await enter('interface Ethernet2/0'), '');
  t.equal(plane.policy.epoch, before.epoch + 1, 'a line that only moves between modes installs nothing');
  t.equal(await enter('no ip access-group 101 in'), '');
  t.equal(await enter('no access-list 101 permit tcp any host 172.22.1.110 eq www'), '', 'a global line in a sub-mode');
  t.ok(isLetIn(), 'no list, no denial');
  t.equal(plane.engine.counters[counters.POLICY_RELOADS], 3);
  t.equal(box.engine.plane.policy.epoch, before.epoch + 3);
});

t.test('what cannot be compiled is refused whole', async (t) => {
  const running = await firewallFor(t);
  const { client, enter } = await shellOf(t, running);
  await enter('configure terminal');
  for (let i = 0; i < 12; i++) t.equal(await enter(`interface Loopback${i}`), '');
  const before = running.plane.configuration;
  const refused = await client.ask({ enter: 'interface Loopback12' });
  t.same([refused.output, refused.rejected, refused.prompt], ['% At most 15 interfaces\n', true, '3640-123(config-if)#']);
  t.equal(running.plane.configuration, before);
  t.equal(await enter('description eleven'), '');
  t.equal(running.plane.configuration.interfaces.at(-1)!.description, 'eleven', 'the session goes on where it was');
  await enter('no interface Loopback11');
  t.equal(running.plane.configuration.interfaces.length, before.interfaces.length - 1);
  t.match(await enter('interface Loopback12'), /those that were removed included/);
});

t.test('two sessions configure at once: neither undoes the other', async (t) => {
  const running = await firewallFor(t);
  const one = await shellOf(t, running);
  const two = await shellOf(t, running);
  for (const { enter } of [one, two]) await enter('configure terminal');
  await one.enter('interface Ethernet2/0');
  await one.enter('description one');
  await two.enter('hostname other');
  await two.enter('interface Ethernet2/1');
  await two.enter('description two');
  await one.enter('ip mtu 1400');
  t.equal(one.client.prompt, 'other(config-if)#');
  const { configuration } = running.plane;
  t.equal(configuration.hostname, 'other');
  t.match(configuration.interfaces, [{ description: 'one', mtu: 1400 }, {}, { description: 'two' }]);
  await two.client.ask({ reload: { text: REFERENCE, lenient: false } });
  t.equal(await one.enter('ip mtu 1300'), '', 'after a reload the mode is entered again');
  const [reloaded] = running.plane.configuration.interfaces;
  t.same([reloaded!.name, reloaded!.mtu, reloaded!.description], [OUT, 1300, undefined]);
});

t.test('reload: sessions that are still allowed live on, a bad configuration changes nothing', async (t) => {
  const running = await firewallFor(t);
  const { box, plane, file } = running;
  const { client } = await shellOf(t, running);
  const mail = new MailTraffic(box, 4000);
  mail.open();
  const hits = (): number => plane.engine.hits[plane.policy.accessLists[0]!.firstHit]!;
  const before = plane.policy;
  t.equal(hits(), 1);
  const bad = await client.ask({ reload: { text: `${REFERENCE}\nip inspct name X tcp\n`, lenient: false } });
  t.ok(bad.rejected);
  t.match(bad.output, /^line \d+:\nip inspct name X tcp\n {3}\^\n% Invalid input/);
  t.equal(plane.policy, before);
  const lenient = await client.ask({ reload: { text: REFERENCE.replace('hostname 3640-123', 'hostname fw\nfoo'), lenient: true } });
  t.notOk(lenient.rejected);
  t.equal(plane.configuration.hostname, 'fw');
  mail.exchange('NOOP\r\n', '250 ok\r\n');
  t.equal(hits(), 1, 'admitted again without a hit, and the counter of an unchanged list stays');
  const longer = REFERENCE.replace(/^(access-list 101 .*)$/m, 'access-list 101 deny udp any any\n$1');
  await client.ask({ reload: { text: longer, lenient: false } });
  mail.exchange('NOOP\r\n', '250 ok\r\n');
  t.same(Array.from(plane.engine.hits.subarray(plane.policy.accessLists[0]!.firstHit, plane.policy.accessLists[0]!.firstHit + 2)), [0, 1]);
  t.equal(mail.arrived, mail.sent);
  await client.ask({ reload: { text: REFERENCE.replace(/^access-list 101 .*$/m, 'access-list 101 deny ip any any'), lenient: false } });
  mail.exchange('NOOP\r\n', '250 ok\r\n');
  t.ok(mail.arrived < mail.sent, 'one that is not allowed any more ends');
  t.match((await client.ask({ reload: { lenient: false } })).output, /no such file/);
  writeFileSync(file, REFERENCE);
  t.notOk((await client.ask({ reload: { lenient: false } })).rejected, 'the file that it was started with');
});

t.test('no undoes, and print and parse agree, for lines of the whole grammar at the prompt', async (t) => {
  const running = await firewallFor(t, 'hostname fw\ninterface Ethernet0\n ip address 10.0.0.1 255.255.255.0\n');
  const session = new ShellSession(running.plane, true);
  await session.enter('configure terminal');
  const readsBack = (t: { equal(found: unknown, wanted: unknown, what: string): unknown }, what: string): void => {
    const printed = configurationText(running.plane.configuration);
    const { configuration, rejected } = parseConfiguration(printed);
    t.equal(rejected.length, 0, what);
    t.equal(configurationText(configuration), printed, what);
  };
  const { rules } = globalMode;
  let accepted = 0;
  let undone = 0;
  await fc.assert(
    fc.asyncProperty(fc.gen(), async (g) => {
      const draw: Draw = (below) => g(fc.nat, { max: below - 1 });
      const line = sampleLine(rules[draw(rules.length)]!.pattern, draw);
      if (/^(end|exit)\b|^interface/i.test(line)) return;
      const before = running.plane.configuration;
      const { rejected } = await session.enter(line);
      const after = running.plane.configuration;
      if (rejected) {
        t.equal(after, before, line);
        return;
      }
      accepted++;
      readsBack(t, line);
      if (/^no /i.test(line)) return;
      const { rejected: keeps } = await session.enter(`no ${line}`);
      if (!keeps) undone++;
      readsBack(t, `no ${line}`);
    }),
    { numRuns: 150, seed: 20_261_125 },
  );
  t.ok(accepted > 60, `${accepted} lines accepted`);
  t.ok(undone > 25, `${undone} undone`);
});

t.test('no, line by line', async (t) => {
  const running = await firewallFor(t);
  const session = new ShellSession(running.plane, true);
  const original = configurationText(running.plane.configuration);
  const lines: readonly (readonly [mode: string, line: string])[] = [
    ['', 'ip inspect audit-trail'],
    ['', 'ip inspect max-incomplete high 700'],
    ['', 'ip inspect tcp idle-time 60'],
    ['', 'ip inspect name NEW esmtp max-data 1000'],
    ['', 'access-list 7 permit 10.0.0.0 0.255.255.255'],
    ['', 'ip nat pool P 172.22.1.200 172.22.1.210 netmask 255.255.255.0'],
    ['', 'ip nat translation udp-timeout 30'],
    ['', 'ip nat inside source static 10.10.10.9 172.22.1.119'],
    ['', 'ip route 192.0.2.0 255.255.255.0 10.10.10.3'],
    ['', 'arp 172.22.1.77 0200.0000.0177 arpa'],
    ['', 'logging 10.10.10.8'],
    ['', 'logging buffered 8192'],
    ['', 'ip port-map smtp port 2525'],
    ['interface Ethernet2/0', 'ip inspect IN-OUT out'],
    ['interface Ethernet2/0', 'shutdown'],
    ['interface Ethernet2/1', 'ip mtu 1400'],
    ['interface Ethernet2/1', 'description x'],
    ['interface Ethernet2/1', 'ip access-group 101 out'],
  ];
  for (const [mode, line] of lines) {
    for (const word of ['configure terminal', mode]) await session.enter(word);
    const { epoch } = running.plane.policy;
    t.same(await session.enter(line), { output: '', rejected: false }, line);
    t.not(configurationText(running.plane.configuration), original, line);
    t.same(await session.enter(`no ${line}`), { output: '', rejected: false }, `no ${line}`);
    t.equal(configurationText(running.plane.configuration), original, `no ${line}`);
    t.equal(running.plane.policy.epoch, epoch + 2);
    await session.endConfiguration();
  }
});

t.test('every display on a firewall with sessions', async (t) => {
  const running = await firewallFor(
    t,
    `${REFERENCE}
access-list 9 permit 10.10.10.0 0.0.0.255
ip nat pool P 172.22.1.200 172.22.1.210 netmask 255.255.255.0
ip nat inside source list 9 pool P overload
`,
  );
  const { box } = running;
  new MailTraffic(box, 4000).open();
  box.send(IN, userDatagram({ from: '10.10.10.77', to: '198.18.0.53', sport: 5353, dport: 53 }));
  const session = new ShellSession(running.plane, true);
  const shows = EXEC_RULES.filter(({ command }) => command.startsWith('show ') && command !== 'show ip inspect name').map(
    ({ command }) => command,
  );
  for (const line of [
    ...new Set(shows),
    'show ip inspect name OUT-IN',
    'show ip nat translations verbose',
    'show ip inspect sessions detail',
  ]) {
    const { output, rejected } = await session.enter(line);
    t.notOk(rejected, line);
    if (line !== 'show debugging') t.match(output, /\S/, line);
  }
  const shown = async (line: string): Promise<string> => (await session.enter(line)).output;
  t.equal(
    await shown('show ip inspect sessions'),
    `Established Sessions
 Session 65000000 (198.18.0.9:4000)=>(10.10.10.2:25) smtp SIS_OPEN
Half-open Sessions
 Session 65000040 (10.10.10.77:5353)=>(198.18.0.53:53) udp SIS_OPENING
`,
  );
  t.equal(
    await shown('show ip nat translations | exclude ---'),
    `Pro Inside global      Inside local       Outside local      Outside global
tcp 172.22.1.110:25    10.10.10.2:25      198.18.0.9:4000    198.18.0.9:4000
udp 172.22.1.200:5353  10.10.10.77:5353   198.18.0.53:53     198.18.0.53:53
`,
  );
  t.match(await shown('show ip nat statistics'), /access-list 9 pool P refcount 1\n.*\n.*\n.*allocated 1 \(9%\)/);
  t.match(await shown('show interfaces Ethernet2/1'), / 4 packets input, .*\n(.*\n)* +3 packets output/);
  t.match(await shown('show arp'), /172\.22\.1\.1 .*Ethernet2\/0/);
});

t.test('clear', async (t) => {
  const running = await firewallFor(
    t,
    `${REFERENCE}
access-list 9 permit 10.10.10.0 0.0.0.255
ip nat pool P 172.22.1.200 172.22.1.210 netmask 255.255.255.0
ip nat inside source list 9 pool P overload
`,
  );
  const { box, plane } = running;
  const { client, enter } = await shellOf(t, running);
  const current = (): number => plane.engine.counters[counters.SESSIONS_CURRENT]!;
  const count = async (line: string): Promise<number> => (await enter(line)).split('\n').filter((row) => row !== '').length;
  for (const port of [4000, 4001, 1502]) new MailTraffic(box, port).open();
  for (const port of [7, 8, 9]) box.send(IN, userDatagram({ from: '10.10.10.77', to: '198.18.0.53', sport: port, dport: 53 }));
  t.equal(current(), 6);
  t.equal(await enter('clear ip inspect session 65000040'), '');
  t.equal(current(), 5);
  for (const id of ['65000041', '65FFFFC0', '1'])
    t.match(await client.ask({ enter: `clear ip inspect session ${id}` }), { rejected: true, output: /not found/ });
  t.equal(await enter('clear ip nat translation tcp inside 172.22.1.110 25 10.10.10.2 25 outside 198.18.0.9 1502 198.18.0.9 1502'), '');
  t.equal(current(), 4);
  t.equal(await enter('clear ip nat translation udp inside 172.22.1.200 8 10.10.10.77 8'), '');
  t.match(await enter('clear ip nat translation udp inside 172.22.1.200 1 10.10.10.77 1'), /not found/);
  t.equal(await enter('clear ip nat translation *'), '');
  t.match(await enter('show ip nat statistics'), /refcount 0/);
  t.equal(await enter('clear access-list counters 101'), '');
  t.notMatch(await enter('show ip access-lists 101'), /match/);
  t.match(await enter('clear access-list counters 102'), /^% /);
  t.match(await enter('show interfaces e2/0 | include packets input'), /[1-9]\d* packets input/);
  t.equal(await enter('clear counters e2/0'), '');
  t.match(await enter('show interfaces e2/0 | include packets input'), / 0 packets input/);
  t.notMatch(await enter('show interfaces e2/1 | include packets input'), / 0 packets input/);
  t.equal(await enter('clear counters'), '');
  t.match(await enter('show interfaces e2/1 | include packets input'), / 0 packets input/);
  t.equal(await enter('clear ip nat statistics'), '');
  t.match(await enter('show ip nat statistics'), /Hits: 0 {2}Misses: 0/);
  t.ok((await count('show arp | include 172.22.1.1 +0')) > 0);
  t.equal(await enter('clear arp-cache'), '');
  t.equal(await count('show arp | include 172.22.1.1 +0'), 0);
  t.equal(await enter('clear ip inspect session all'), '');
  t.equal(current(), 0);
  t.equal(await enter('show ip inspect sessions'), '');
});

t.test('debug, and saving', async (t) => {
  const running = await firewallFor(t);
  const { enter } = await shellOf(t, running);
  t.equal(await enter('debug ip inspect smtp'), 'INSPECT SMTP Inspection debugging is on\n');
  t.match(await enter('show debugging'), /INSPECT SMTP Inspection debugging is on\n/);
  t.equal(await enter('undebug all'), 'All possible debugging has been turned off\n');
  t.notMatch(await enter('show debugging'), /debugging is on/);
  writeFileSync(running.file, 'old', { mode: 0o600 });
  await enter('configure terminal');
  await enter('hostname saved');
  t.equal(readFileSync(running.file, 'latin1'), 'old', 'nothing is written unasked');
  t.equal(await enter('do write memory'), 'Building configuration...\n[OK]\n');
  t.strictSame(parseConfiguration(readFileSync(running.file, 'latin1')).configuration, running.plane.configuration);
  t.equal(statSync(running.file).mode & 0o777, 0o600);
  await enter('end');
  t.equal(await enter('copy running-config other.cfg'), 'Building configuration...\n[OK]\n');
  t.equal(readFileSync(join(running.folder, 'other.cfg'), 'latin1'), readFileSync(running.file, 'latin1'));
  t.match(await enter('copy running-config nowhere/other.cfg'), /^% cannot write .*ENOENT/);
});

t.test('log lines at a monitoring terminal and in the buffer; debug as it happens', async (t) => {
  const running = await firewallFor(t, REFERENCE.replace(/datetime msec/g, 'uptime'));
  const { client, enter } = await shellOf(t, running);
  const mail = new MailTraffic(running.box, 4000);
  const seen: string[] = [];
  client.onLine = (line) => seen.push(line);
  const lines = async (): Promise<string[]> => {
    running.pump.drain();
    // A line is sent before the answer to what is asked behind it.
    await enter('show version');
    return seen.splice(0);
  };
  mail.open();
  t.same(await lines(), [], 'not before terminal monitor');
  await enter('terminal monitor');
  await enter('configure terminal');
  await enter('logging buffered 8192');
  await enter('end');
  t.match(await lines(), [/^\d\d:\d\d:\d\d: %SYS-5-CONFIG_I: Configured from console by console\n$/]);
  mail.exchange('EXPN root\r\n', '500 what\r\n');
  t.match(await lines(), [/^00:00:00: %FW-3-SMTP_INVALID_COMMAND: Invalid SMTP command .* from initiator \(198\.18\.0\.9:4000\)\n$/]);
  await enter('debug ip inspect smtp');
  mail.exchange('NOOP\r\n', '250 ok\r\n');
  const debugged = await lines();
  t.match(debugged[0], /^00:00:00: CBAC SMTP: VERB - Cmd len:4, match_len:4, cmd_re_state:53\n$/);
  t.match(debugged.at(-1), /CBAC SMTP: End Of Reply Line - index:\d+ ,len:8\n$/);
  await enter('undebug all');
  await enter('terminal no monitor');
  mail.exchange('EXPN root\r\n', '500 what\r\n');
  t.same(await lines(), []);
  t.equal((await enter('show logging | include INVALID')).split('\n').length, 3, 'the buffer has both');
  t.match(await enter('show logging | include Buffer logging'), /level debugging, \d+ messages logged/);
  await enter('clear logging');
  t.equal(await enter('show logging | include INVALID'), '');
});
