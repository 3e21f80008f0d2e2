// Displays, byte for byte; exec mode: parsing, filters, help, completion.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import t from 'tap';
import { register } from '../../src/command/check.ts';
import { complete, helpText } from '../../src/config/language/help.ts';
import { terminalsOf } from '../../src/config/language/pattern.ts';
import { globalMode } from '../../src/config/global-mode.ts';
import { parseConfiguration } from '../../src/config/parse.ts';
import { configurationText } from '../../src/config/running-config.ts';
import { EXEC_RULES, parseExec } from '../../src/console/exec-commands.ts';
import { executeShow } from '../../src/console/exec.ts';
import { emptyState, NO_PORT, type FirewallState, type SessionRow, type TranslationRow } from '../../src/console/state.ts';
import {
  DROPS,
  PORT_RX_FRAMES,
  PORT_RX_OCTETS,
  PORT_SIZE,
  PORTS,
  RECEIVED,
  SESSIONS_CURRENT,
  SESSIONS_HALF_OPEN,
  SESSIONS_OPENED,
  TCP_PACKETS,
} from '../../src/telemetry/counters.ts';
import { ACL_DENIED } from '../../src/telemetry/reasons.ts';

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'rules'))) folder = dirname(folder);
  return folder;
}

const ROOT = findRoot();
const REFERENCE = parseConfiguration(readFileSync(join(ROOT, 'rules', '3640.cfg'), 'utf8')).configuration;

function shown(line: string, configuration = REFERENCE, state: FirewallState = emptyState('1.2.3')): string {
  const result = executeShow(line, configuration, state);
  return result.kind === 'shown' ? result.text : JSON.stringify(result);
}

const configured = (text: string) => parseConfiguration(text).configuration;

t.test('show ip inspect all is the reference display', (t) => {
  const fixture = join(ROOT, 'test', 'console', 'fixtures', 'show-ip-inspect-all.txt');
  t.equal(shown('show ip inspect all'), readFileSync(fixture, 'utf8'));
  const original = join(ROOT, '..', 'shared', 'seed', 'show-ip-inspect-all.txt');
  if (existsSync(original)) t.equal(shown('sh ip insp all'), readFileSync(original, 'utf8'));
  t.end();
});

t.test('show ip inspect with every option', (t) => {
  const configuration = configured(`
ip inspect audit-trail
ip inspect alert-off
ip inspect one-minute low 900
ip inspect one-minute high 1000
ip inspect tcp max-incomplete host 20 block-time 3
ip inspect tcp reassembly queue length 32
ip inspect udp idle-time 60
ip inspect name A http java-list 10 urlfilter timeout 30
ip inspect name A esmtp max-data 5000 alert on
ip inspect name A tftp audit-trail off
ip inspect name A fragment maximum 300
ip inspect name A rpc program-number 100003 wait-time 1
`);
  t.equal(
    shown('show ip inspect config', configuration),
    `Session audit trail is enabled
Session alert is disabled
one-minute (sampling period) thresholds are [900:1000] connections
max-incomplete sessions thresholds are [400:500]
max-incomplete tcp connections per host is 20. Block-time 3 minute.
tcp synwait-time is 30 sec -- tcp finwait-time is 5 sec
tcp idle-time is 3600 sec -- udp idle-time is 60 sec
tcp reassembly queue length 32; timeout 5 sec; memory-limit 1024 kilo bytes
dns-timeout is 5 sec
Inspection Rule Configuration
 Inspection name A
    http java-list 10 urlfilter alert is off audit-trail is on timeout 30
    esmtp max-data 5000 alert is on audit-trail is on timeout 3600
    tftp alert is off audit-trail is off timeout 60
    fragment Maximum 300 In Use 0 alert is off audit-trail is on timeout 1
    rpc program-number 100003 wait-time 1 alert is off audit-trail is on timeout 3600
`,
  );
  t.equal(
    shown('show ip inspect name OUT-IN'),
    ' Inspection name OUT-IN\n    smtp max-data 20000000 alert is on audit-trail is off timeout 3600\n',
  );
  t.equal(shown('show ip inspect name NOBODY'), '');
  t.end();
});

const SESSION: SessionRow = {
  id: 0x65cde5ac,
  initiatorAddr: '192.168.1.1',
  initiatorPort: 58046,
  responderAddr: '100.100.2.2',
  responderPort: 23,
  protocol: 'tcp',
  state: 'SIS_OPEN',
  created: 6,
  lastHeard: 3,
  initiatorOctets: 37,
  responderOctets: 83,
  accessList: '',
  accessListMatches: 0,
};

t.test('show ip inspect sessions', (t) => {
  const state: FirewallState = {
    ...emptyState(),
    sessions: [
      {
        ...SESSION,
        id: 0xc5f53fa8 | 0,
        initiatorAddr: '10.1.1.1',
        initiatorPort: 28914,
        responderAddr: '10.3.3.254',
        responderPort: 7,
        protocol: 'udp',
        state: 'SIS_OPENING',
      },
      SESSION,
      { ...SESSION, state: 'SIS_CLOSING', accessList: '101', accessListMatches: 15 },
    ],
  };
  t.equal(shown('show ip inspect sessions'), '', 'nothing without sessions');
  t.equal(
    shown('show ip inspect session', REFERENCE, state),
    `Established Sessions
 Session 65CDE5AC (192.168.1.1:58046)=>(100.100.2.2:23) tcp SIS_OPEN
Half-open Sessions
 Session C5F53FA8 (10.1.1.1:28914)=>(10.3.3.254:7) udp SIS_OPENING
Terminating Sessions
 Session 65CDE5AC (192.168.1.1:58046)=>(100.100.2.2:23) tcp SIS_CLOSING
`,
  );
  t.equal(
    shown('show ip inspect sessions detail | begin Terminating', REFERENCE, state),
    `Terminating Sessions
 Session 65CDE5AC (192.168.1.1:58046)=>(100.100.2.2:23) tcp SIS_CLOSING
  Created 00:00:06, Last heard 00:00:03
  Bytes sent (initiator:responder) [37:83]
  In  SID 100.100.2.2[23:23]=>192.168.1.1[58046:58046] on ACL 101  (15 matches)
`,
  );
  t.match(shown('show ip inspect all', REFERENCE, state), /Outgoing access list is not set\nEstablished Sessions\n/);
  t.end();
});

t.test('show ip inspect statistics', (t) => {
  const state: FirewallState = {
    ...emptyState(),
    sessionPeaks: [53, 18, 3],
    lastSessionCreated: 0,
    creationRate: 115,
    maxCreationRate: 115,
  };
  state.counters[TCP_PACKETS] = 1276;
  state.counters[SESSIONS_OPENED] = 116;
  state.counters[SESSIONS_CURRENT] = 59;
  state.counters[SESSIONS_HALF_OPEN] = 6;
  t.equal(
    shown('show ip inspect statistics', REFERENCE, state),
    `Packet inspection statistics [process switch:fast switch]
  tcp packets: [0:1276]
Interfaces configured for inspection 2
Session creations since subsystem startup or last reset 116
Current session counts (estab/half-open/terminating) [53:6:0]
Maxever session counts (estab/half-open/terminating) [53:18:3]
Last session created 00:00:00
Last statistic reset never
Last session creation rate 115
Maxever session creation rate 115
Last half-open session total 6
`,
  );
  t.end();
});

t.test('show ip access-lists', (t) => {
  const configuration = configured(`
access-list 101 remark mail
access-list 101 permit tcp any host 172.22.1.110 eq smtp
access-list 101 deny ip any any log
access-list 99 permit 172.16.191.199
access-list 99 deny any log
access-list 99 permit 10.0.10.0 0.255.0.255
`);
  const state = { ...emptyState(), accessListHits: new Map([['101', [14, 1]]]) };
  t.equal(
    shown('show ip access-lists', configuration, state),
    `Standard IP access list 99
    10 permit 172.16.191.199
    20 deny   any log
    30 permit 10.0.10.0, wildcard bits 0.255.0.255
Extended IP access list 101
    10 permit tcp any host 172.22.1.110 eq smtp (14 matches)
    20 deny   ip any any log (1 match)
`,
  );
  t.equal(shown('show access-lists 7', configuration, state), '');
  t.end();
});

const FLOW: TranslationRow = {
  protocol: 6,
  insideGlobal: 0x0a090000,
  insideGlobalPort: 51776,
  insideLocal: 0x0a010002,
  insideLocalPort: 51776,
  outsideLocal: 0x0a020002,
  outsideLocalPort: 21,
  outsideGlobal: 0x0a020002,
  outsideGlobalPort: 21,
  created: 33,
  used: 33,
  timeout: 60_000,
  left: 26_900,
  useCount: 0,
  entryId: 69,
};

t.test('show ip nat', (t) => {
  const state = { ...emptyState(), translations: [FLOW, { ...FLOW, protocol: 1 }] };
  const configuration = configured('ip nat inside source static 10.10.10.2 172.22.1.110\n');
  t.equal(
    shown('show ip nat translations', configuration, state),
    `Pro Inside global      Inside local       Outside local      Outside global
tcp 10.9.0.0:51776     10.1.0.2:51776     10.2.0.2:21        10.2.0.2:21
icmp 10.9.0.0:51776    10.1.0.2:51776     10.2.0.2:21        10.2.0.2:21
--- 172.22.1.110       10.10.10.2         ---                ---
`,
  );
  t.equal(
    shown('show ip nat translations verbose', configured(''), { ...emptyState(), translations: [FLOW] }),
    `Pro Inside global      Inside local       Outside local      Outside global
tcp 10.9.0.0:51776     10.1.0.2:51776     10.2.0.2:21        10.2.0.2:21
    create 00:00:33, use 00:00:33 timeout:60000, left 00:00:26,
    flags:
extended, use_count: 0, entry-id: 69, lc_entries: 0
`,
  );
  t.equal(shown('show ip nat translations', configured('')), '');
  const dynamic = configured(`
interface e0
 ip nat outside
interface e1
 ip nat inside
access-list 1 permit any
ip nat pool NET 171.69.233.208 171.69.233.221 netmask 255.255.255.240
ip nat inside source list 1 pool NET
`);
  t.equal(
    shown('show ip nat statistics', dynamic, {
      ...emptyState(),
      nat: { hits: 120, misses: 0, expired: 5, peak: 6, peakAge: 5118, mappingReferences: [0] },
    }),
    `Total active translations: 0 (0 static, 0 dynamic; 0 extended)
Peak translations: 6, occurred 01:25:18 ago
Outside interfaces:
  Ethernet0
Inside interfaces:
  Ethernet1
Hits: 120  Misses: 0
Expired translations: 5
Dynamic mappings:
-- Inside Source
[Id: 1] access-list 1 pool NET refcount 0
 pool NET: netmask 255.255.255.240
        start 171.69.233.208 end 171.69.233.221
        type generic, total addresses 14, allocated 0 (0%), misses 0
`,
  );
  t.end();
});

t.test('interfaces, reassembly, ARP, routes', (t) => {
  const state: FirewallState = {
    ...emptyState(),
    ports: [{ ...NO_PORT, device: 'eth1', up: true, mac: '0002.b9d9.7a61', lastInput: 1, lastOutput: 3 }],
  };
  state.counters[PORTS + PORT_RX_FRAMES] = 120;
  state.counters[PORTS + PORT_RX_OCTETS] = 9876;
  state.counters[PORTS + PORT_SIZE + PORT_RX_FRAMES] = 7;
  t.match(
    shown('show interfaces Ethernet 2/0', REFERENCE, state),
    `Ethernet2/0 is up, line protocol is up
  Hardware is eth1, address is 0002.b9d9.7a61 (bia 0002.b9d9.7a61)
  Internet address is 172.22.1.16/24
  MTU 1500 bytes, BW 10000 Kbit, DLY 1000 usec,
     reliability 255/255, txload 1/255, rxload 1/255
  Encapsulation ARPA, loopback not set
  Keepalive set (10 sec)
  ARP type: ARPA, ARP Timeout 04:00:00
  Last input 00:00:01, output 00:00:03, output hang never
  Last clearing of "show interface" counters never
  Input queue: 0/75/0/0 (size/max/drops/flushes); Total output drops: 0
  Queueing strategy: fifo
  Output queue: 0/40 (size/max)
  5 minute input rate 0 bits/sec, 0 packets/sec
  5 minute output rate 0 bits/sec, 0 packets/sec
     120 packets input, 9876 bytes, 0 no buffer
`,
  );
  t.match(shown('show interfaces s2/0'), 'Serial2/0 is administratively down, line protocol is down\n');
  t.equal(
    shown('show ip virtual-reassembly e2/0'),
    `Ethernet2/0:
   Virtual Fragment Reassembly (VFR) is ENABLED...
   Concurrent reassemblies (max-reassemblies): 16
   Fragments per reassembly (max-fragments): 32
   Reassembly timeout (timeout): 3 seconds
   Drop fragments: OFF

   Current reassembly count:0
   Current fragment count:0
   Total reassembly count:0
   Total reassembly timeout count:0
`,
  );
  const neighbours = [{ addr: 0xac160101 | 0, mac: '0200.0000.0101', age: 3, interface: 'Ethernet2/0' }];
  t.equal(
    shown('show ip arp', REFERENCE, { ...state, neighbours }),
    `Protocol  Address          Age (min)  Hardware Addr   Type   Interface
Internet  172.22.1.1              3   0200.0000.0101  ARPA   Ethernet2/0
Internet  172.22.1.16             -   0002.b9d9.7a61  ARPA   Ethernet2/0
Internet  172.22.1.110            -   0002.b9d9.7a61  ARPA   Ethernet2/0
Internet  172.22.1.111            -   0002.b9d9.7a61  ARPA   Ethernet2/0
`,
  );
  t.match(
    shown('show ip route'),
    `Gateway of last resort is 172.22.1.1 to network 0.0.0.0

     10.0.0.0/24 is subnetted, 1 subnets
C       10.10.10.0 is directly connected, Ethernet2/1
     172.22.0.0/24 is subnetted, 1 subnets
C       172.22.1.0 is directly connected, Ethernet2/0
S*   0.0.0.0/0 [1/0] via 172.22.1.1
`,
  );
  t.end();
});

t.test('system displays', (t) => {
  const state: FirewallState = { ...emptyState('1.2.3'), uptime: 93_784, debugging: ['INSPECT SMTP Inspection debugging is on'] };
  state.counters[RECEIVED] = 5;
  state.counters[DROPS + ACL_DENIED] = 2;
  t.match(shown('show version', REFERENCE, state), /^Postern, version 1\.2\.3\n[^]*3640-123 uptime is 1 day, 2 hours, 3 minutes\n/);
  t.equal(shown('show debugging', REFERENCE, state), 'INSPECT SMTP Inspection debugging is on\n');
  t.equal(shown('show ip port-map smtp'), 'Default mapping:  smtp port 25  system defined\n');
  t.equal(
    shown('show ip port-map smtp', configured('ip port-map smtp port 2525 list 10\n')).split('\n')[1],
    'Host specific:  smtp port 2525  user defined  in list 10',
  );
  t.match(
    shown('show postern counters | include received|acl.denied', REFERENCE, state),
    /received +5\n +acl\.denied +2  an access list denied it\n/,
  );
  const logging = configured('logging buffered 8192 informational\nno logging console\nlogging 192.0.2.1\n');
  t.equal(
    shown('show logging', logging, {
      ...state,
      log: { ...state.log, lines: ['*Oct 18 21:51:35.886: %SYS-5-CONFIG_I: Configured from console by console'], buffer: 1 },
    }),
    `Syslog logging: enabled (0 messages dropped, 0 messages rate-limited, 0 flushes, 0 overruns, xml disabled)
    Console logging: disabled, xml disabled
    Monitor logging: level debugging, 0 messages logged, xml disabled
    Buffer logging: level informational, 1 messages logged, xml disabled
    Trap logging: level informational, 0 message lines logged
        Logging to 192.0.2.1, 0 message lines logged, xml disabled

Log Buffer (8192 bytes):

*Oct 18 21:51:35.886: %SYS-5-CONFIG_I: Configured from console by console
`,
  );
  t.end();
});

t.test('filters', (t) => {
  t.equal(
    shown('show running-config | include ^ip nat'),
    'ip nat inside source static 10.10.10.2 172.22.1.110\nip nat inside source static 10.10.10.5 172.22.1.111\n',
  );
  t.equal(shown('show running-config | section interface Serial'), 'interface Serial2/0\n no ip address\n shutdown\n');
  t.equal(shown('show running-config | beg line vty'), 'line vty 0 4\n password 7 121A0C0411045D5679\n login\n!\nend\n');
  t.equal(shown('show ip access-lists | exclude permit'), 'Extended IP access list 101\n');
  t.equal(shown('show ip access-lists | include ('), '', 'an invalid expression is plain text');
  t.end();
});

t.test('exec mode: what parses, and where the others fail', (t) => {
  const command = (line: string) => {
    const parsed = parseExec(line);
    return 'kind' in parsed ? `${parsed.kind} ${parsed.column}` : parsed.command;
  };
  t.equal(command('sh ip insp sess det'), 'show ip inspect sessions');
  t.equal(command('conf t'), 'configure terminal');
  t.equal(command('u all'), 'undebug all');
  t.equal(command('no deb ip insp smtp'), 'undebug ip inspect');
  t.equal(command('clear ip nat translation tcp inside 1.1.1.1 25 10.0.0.1 25'), 'clear ip nat translation');
  t.equal(command('clear ip nat trans *'), 'clear ip nat translation');
  t.equal(command('ter no mon'), 'terminal no monitor');
  t.equal(command('debug postern packet count 5 access-list 101'), 'debug postern packet');
  t.equal(command('show ip inspct all'), 'invalid 8');
  t.equal(command('show ip i'), 'incomplete 9');
  t.equal(command('show ip a'), 'ambiguous 8');
  t.equal(command('show ip inspect'), 'incomplete 15');
  t.equal(command('show arp | incl'), 'incomplete 15');
  t.equal(shown('clear logging'), '{"kind":"other","command":"clear logging"}');
  t.same(
    EXEC_RULES.flatMap((rule) => terminalsOf(rule.pattern)).filter((terminal) => terminal.help === ''),
    [],
    'every word has a help text',
  );
  t.end();
});

t.test('help and completion', (t) => {
  t.equal(helpText('show ip in', EXEC_RULES), 'inspect\n');
  t.equal(helpText('show ip n', EXEC_RULES), 'nat\n');
  t.equal(helpText('de', EXEC_RULES), 'debug\n');
  t.equal(helpText('di', EXEC_RULES), 'disable\n');
  t.equal(helpText('show ip nonsense ', EXEC_RULES), '% Unrecognized command\n');
  t.equal(
    helpText('show ip inspect ', EXEC_RULES),
    `  all         Everything
  config      The inspection configuration
  interfaces  Interface status and configuration
  name        One inspection rule
  sessions    Sessions that are tracked by inspection
  statistics  Statistics
`,
  );
  t.equal(helpText('show ip nat translations ', EXEC_RULES), '  verbose  Show extra information\n  |        Output modifiers\n  <cr>\n');
  t.equal(helpText('ip inspect udp idle-time ', globalMode.rules), '  <1-2147483>  Timeout in seconds\n');
  t.equal(
    helpText('access-list 101 permit tcp ', globalMode.rules),
    '  A.B.C.D  Source address\n  any      Any source host\n  host     A single host\n',
  );
  t.equal(complete('sh', EXEC_RULES), 'show ');
  t.equal(complete('show ip insp', EXEC_RULES), 'show ip inspect ');
  t.equal(complete('show ip ', EXEC_RULES), 'show ip ', 'nothing behind a blank');
  t.equal(complete('clear ip inspect s', EXEC_RULES), 'clear ip inspect session ');
  t.equal(complete('show ip a', EXEC_RULES), 'show ip a', 'access-lists and arp have no more in common');
  t.equal(complete('show r', EXEC_RULES), 'show running-config ');
  t.end();
});

t.test('a filter on a configuration does not change it', (t) => {
  const before = configurationText(REFERENCE);
  shown('show running-config | section .');
  t.equal(configurationText(REFERENCE), before);
  t.end();
});

/** What is written to a stream until it is restored. */
function captured(stream: NodeJS.WriteStream): { text: string; restore: () => void } {
  const write = stream.write;
  const result = { text: '', restore: () => void (stream.write = write) };
  stream.write = ((chunk: string) => {
    result.text += chunk;
    return true;
  }) as typeof write;
  return result;
}

t.test('postern check', async (t) => {
  const file = join(t.testdir(), 'bad.cfg');
  writeFileSync(file, 'hostname A\nip inspct name X tcp\nip inspect name\ninterface e0\n ip access-group 7 in\n');
  const check = async (...args: string[]): Promise<{ out: string; err: string; status: unknown }> => {
    const status = process.exitCode;
    const out = captured(process.stdout);
    const err = captured(process.stderr);
    const program = new Command('postern').version('1.2.3').exitOverride();
    register(program);
    try {
      await program.parseAsync(['check', ...args], { from: 'user' });
      return { out: out.text, err: err.text, status: process.exitCode };
    } finally {
      out.restore();
      err.restore();
      process.exitCode = status as number;
    }
  };
  const bad = await check(file, '--exec', 'show running-config | include hostname');
  t.equal(bad.status, 2);
  t.equal(bad.out, 'hostname A\n');
  t.equal(
    bad.err,
    `${file}:2: not accepted
ip inspct name X tcp
   ^
% Invalid input detected at '^' marker.

${file}:3: not accepted
ip inspect name
% Incomplete command.
% access list 7 of Ethernet0 does not exist
`,
  );
  const good = await check(join(ROOT, 'rules', '3640.cfg'), '--exec', 'show ip access-lists', '--exec', 'show ip inspect name OUT-IN');
  t.same([good.status, good.err], [0, '']);
  t.match(good.out, /^Extended IP access list 101\n.*\n Inspection name OUT-IN\n/);
  const display = await check(join(ROOT, 'rules', '3640.cfg'), '--exec', 'show nothing', '--exec', 'clear logging');
  t.same([display.status, display.out], [2, '']);
  t.equal(
    display.err,
    "show nothing\n     ^\n% Invalid input detected at '^' marker.\n\npostern: clear logging needs a running firewall\n",
  );
  await t.rejects(check(join(ROOT, 'nothing.cfg')), { message: `${join(ROOT, 'nothing.cfg')}: no such file`, status: 2 });
});
