// A new policy under live sessions: who lives on, who ends, and what does not move.  A session is admitted again at its next frame, by
// what opened it.

import t from 'tap';
import * as C from '../../src/telemetry/counters.ts';
import { Box } from './box.ts';
import { Conversation } from './conversation.ts';
import { describe, icmpError, query, segment, segment6, userDatagram } from './datagrams.ts';
import { REFERENCE } from './reference.ts';

const OUT = 'Ethernet0';
const IN = 'Ethernet1';
const PEER = '198.18.0.9';
const HOST = '10.0.0.2';
const ROUTER = '203.0.113.1';

interface Lines {
  readonly global?: readonly string[];
  readonly out?: readonly string[];
  readonly in?: readonly string[];
}

/** Inside and outside with overload, inspected from inside; nothing may come in from outside but what belongs to a session. */
function config({ global = [], out = [], in: inner = [] }: Lines = {}): string {
  const indent = (lines: readonly string[]): string[] => lines.map((line) => ` ${line}`);
  return [
    'access-list 1 permit 10.0.0.0 0.0.0.255',
    'access-list 102 permit ip any any',
    'access-list 110 deny ip any any',
    `ip nat inside source list 1 interface ${OUT} overload`,
    'ip inspect name R tcp',
    'ip inspect name R udp',
    'ip inspect name R icmp',
    ...global,
    `interface ${OUT}`,
    ` ip address ${ROUTER} 255.255.255.0`,
    ' ip nat outside',
    ' ip access-group 102 out',
    ' ip access-group 110 in',
    ' no ip unreachables',
    ...indent(out),
    `interface ${IN}`,
    ' ip address 10.0.0.1 255.255.255.0',
    ' ip nat inside',
    ' ip inspect R in',
    ...indent(inner),
    'ip route 0.0.0.0 0.0.0.0 203.0.113.254',
  ].join('\n');
}

/** One established TCP session, one UDP session, an echo and a timestamp, all from HOST. */
function populated(text = config()): { box: Box; alive: () => string } {
  const box = new Box(text);
  const syn = { from: HOST, to: PEER, sport: 4000, dport: 80 };
  box.send(IN, segment({ ...syn, flags: 'S', seq: 100 }));
  box.send(OUT, segment({ from: PEER, to: ROUTER, sport: 80, dport: 4000, flags: 'SA', seq: 500, ack: 101 }));
  box.send(IN, segment({ ...syn, flags: 'A', seq: 101, ack: 501 }));
  box.send(IN, userDatagram({ from: HOST, to: PEER, sport: 4000, dport: 99 }));
  box.send(IN, query({ from: HOST, to: PEER, type: 8, ident: 7 }), query({ from: HOST, to: PEER, type: 13, ident: 7 }));
  box.delta();
  /** A frame of each from outside: which come through, by letter. */
  const alive = (): string => {
    const frames: [string, Uint8Array][] = [
      ['t', segment({ from: PEER, to: ROUTER, sport: 80, dport: 4000, flags: 'A', seq: 501, ack: 101 })],
      ['u', userDatagram({ from: PEER, to: ROUTER, sport: 99, dport: 4000 })],
      ['e', query({ from: PEER, to: ROUTER, type: 0, ident: 7 })],
      ['s', query({ from: PEER, to: ROUTER, type: 14, ident: 7 })],
    ];
    return frames
      .filter(([, frame]) => box.send(OUT, frame).some((line) => line.startsWith(`${IN} `)))
      .map(([letter]) => letter)
      .join('');
  };
  return { box, alive };
}

t.test('the same policy again: nothing ends, nothing is counted, NAT is as it was', async (t) => {
  const { box, alive } = populated();
  const { nat } = box.engine.plane;
  const figures = (): number[] => [nat.hits, nat.misses, nat.expired, nat.bindings.count, nat.peak];
  t.equal(alive(), 'tues');
  const before = figures();
  const hits = box.hits('102');
  const keys = box
    .sessions()
    .map((row) => JSON.stringify([row.session, row.initiatorGlobal, row.initiatorGlobalPort, row.state, row.sent]));
  box.delta();
  for (let i = 0; i < 10; i++) {
    box.install(config());
    t.equal(alive(), 'tues');
  }
  t.strictSame(figures(), before);
  t.strictSame(box.hits('102'), hits);
  t.strictSame(
    box.sessions().map((row) => JSON.stringify([row.session, row.initiatorGlobal, row.initiatorGlobalPort, row.state, row.sent])),
    keys,
  );
  t.strictSame(box.delta(), {
    received: 40,
    transmitted: 40,
    'tcp-packets': 10,
    'udp-packets': 10,
    'icmp-packets': 20,
    'policy-reloads': 10,
  });
});

t.test('what ends a session, and what does not', async (t) => {
  const cases: [name: string, text: string, alive: string][] = [
    [
      'an input list that denies the opening',
      config({ global: ['access-list 103 deny tcp any any eq 80', 'access-list 103 permit ip any any'], in: ['ip access-group 103 in'] }),
      'ues',
    ],
    [
      'an output list sees the translated source',
      config({
        global: [`access-list 103 permit ip host ${ROUTER} any`, 'access-list 104 deny ip any any'],
        out: ['no ip access-group 102 out', 'ip access-group 103 out'],
      }),
      'tues',
    ],
    [
      'and denies by it',
      config({ global: ['access-list 103 permit ip host 10.0.0.2 any'], out: ['no ip access-group 102 out', 'ip access-group 103 out'] }),
      '',
    ],
    [
      'established is for what has begun',
      config({ global: ['access-list 103 permit tcp any any established'], in: ['ip access-group 103 in'] }),
      '',
    ],
    [
      'timestamps are judged as such',
      config({
        global: ['access-list 103 deny icmp any any timestamp-request', 'access-list 103 permit ip any any'],
        in: ['ip access-group 103 in'],
      }),
      'tue',
    ],
    ['no rule for UDP', config({ global: ['no ip inspect name R udp'] }), 'tes'],
    ['the rule moves to the other interface', config({ out: ['ip inspect R out'], in: ['no ip inspect R in'] }), 'tues'],
    ['no rule at all', config({ in: ['no ip inspect R in'] }), ''],
    ['the interface is shut down', config({ out: ['shutdown'] }), ''],
    ['another global address', config({ out: ['ip address 203.0.113.7 255.255.255.0'] }), ''],
    ['a static translation takes the host', config({ global: ['ip nat inside source static 10.0.0.2 203.0.113.2'] }), ''],
    ['a static translation of another host', config({ global: ['ip nat inside source static 10.0.0.3 203.0.113.2'] }), 'tues'],
    ['the list of the mapping no longer has it', config({ global: ['no access-list 1', 'access-list 1 permit 10.9.0.0 0.0.255.255'] }), ''],
    ['a route more', config({ global: ['ip route 192.168.0.0 255.255.0.0 203.0.113.253'] }), 'tues'],
  ];
  for (const [name, text, expected] of cases) {
    const { box, alive } = populated();
    box.install(text);
    box.delta();
    // Whatever ended has passed no frame; what comes of a session that is no more is judged like any first frame.
    const living = alive();
    t.equal(living, expected, name);
    const moved = box.delta();
    const ended = 4 - expected.length;
    t.equal(moved['sessions-closed'] ?? 0, ended, `${name}: ${ended} end`);
    t.equal(moved['sessions-opened'], undefined);
    t.equal(box.engine.plane.counters[C.SESSIONS_CURRENT], expected.length);
  }
});

t.test('time-outs, rule and audit are adopted', async (t) => {
  const { box, alive } = populated(config({ global: ['ip inspect tcp idle-time 1000'] }));
  box.said();
  alive();
  box.install(
    config({
      global: [
        'ip inspect tcp idle-time 50',
        'ip inspect udp idle-time 500',
        'ip inspect name R icmp timeout 300',
        'ip inspect name R tcp audit-trail on',
        'ip inspect name R http',
      ],
    }),
  );
  t.equal(alive(), 'tues');
  const { sessions } = box.engine.plane;
  const keyword = (protocol: number): string => {
    const { session } = box.sessions().find((row) => row.protocol === protocol)!;
    return box.policy.rules[sessions.rule[session]! >> 16]!.entries[sessions.rule[session]! & 0xffff]!.keyword;
  };
  t.equal(keyword(6), 'http', 'the line that a new session would get');
  box.delta();
  box.wait(49_999);
  t.strictSame(box.delta(), {});
  box.wait(1);
  t.match(box.delta(), { 'sessions-closed': 1 }, 'a time-out that became shorter acts at once');
  t.strictSame(box.said(), [], 'http has no audit trail');
  box.wait(249_999);
  t.strictSame(box.delta(), {});
  box.wait(1);
  t.match(box.delta(), { 'sessions-closed': 2 });
  box.wait(200_000);
  t.match(box.delta(), { 'sessions-closed': 1 });

  const audited = populated();
  audited.box.said();
  audited.box.install(config({ global: ['ip inspect name R tcp audit-trail on'] }));
  audited.alive();
  audited.box.send(IN, segment({ from: HOST, to: PEER, sport: 4000, dport: 80, flags: 'R', seq: 101 }));
  t.strictSame(audited.box.said(), [
    `%FW-6-SESS_AUDIT_TRAIL: Stop tcp session: initiator (${HOST}:4000) sent 0 bytes -- responder (${PEER}:80) sent 0 bytes`,
  ]);

  const dns = new Box(config({ global: ['ip inspect name R dns timeout 100'] }));
  dns.send(IN, userDatagram({ from: HOST, to: PEER, sport: 1, dport: 53 }));
  dns.install(config({ global: ['ip inspect name R dns timeout 200', 'ip inspect dns-timeout 9'] }));
  dns.send(OUT, userDatagram({ from: PEER, to: ROUTER, sport: 53, dport: 1 }));
  dns.delta();
  dns.wait(8_999);
  t.strictSame(dns.delta(), {});
  dns.wait(1);
  t.match(dns.delta(), { 'sessions-closed': 1 }, 'dns-timeout stands above the line here too');
});

t.test('sessions of a rule are counted under its name', async (t) => {
  const limited = (n: number): string =>
    config({
      global: [
        `ip inspect name R parameter max-sessions ${n} tcp`,
        `ip inspect name R parameter max-sessions ${n} udp`,
        `ip inspect name R parameter max-sessions ${n} icmp`,
      ],
    });
  const { box, alive } = populated();
  box.install(limited(5));
  t.equal(alive(), 'tues');
  t.equal(box.send(IN, userDatagram({ from: HOST, to: PEER, sport: 5000, dport: 99 })).length, 1);
  box.delta();
  t.strictSame(box.send(IN, userDatagram({ from: HOST, to: PEER, sport: 5001, dport: 99 })), []);
  t.strictSame(box.delta(), { received: 1, dropped: 1, 'drop session.max-sessions': 1, 'sessions-refused': 1 });
  box.install(limited(2));
  t.equal(alive(), 'tues', 'a lower limit ends nobody');
});

t.test('half-open, terminating: the state is kept', async (t) => {
  const box = new Box(config());
  box.send(IN, segment({ from: HOST, to: PEER, sport: 4000, dport: 80, flags: 'S', seq: 100 }));
  box.install(config());
  box.send(OUT, segment({ from: PEER, to: ROUTER, sport: 80, dport: 4000, flags: 'SA', seq: 500, ack: 101 }));
  t.equal(box.engine.plane.counters[C.SESSIONS_HALF_OPEN], 1);
  box.install(config());
  box.send(IN, segment({ from: HOST, to: PEER, sport: 4000, dport: 80, flags: 'A', seq: 101, ack: 501 }));
  t.equal(box.engine.plane.counters[C.SESSIONS_HALF_OPEN], 0);
  box.install(config());
  box.send(IN, segment({ from: HOST, to: PEER, sport: 4000, dport: 80, flags: 'FA', seq: 101, ack: 501 }));
  box.install(config());
  box.send(OUT, segment({ from: PEER, to: ROUTER, sport: 80, dport: 4000, flags: 'FA', seq: 501, ack: 102 }));
  t.equal(box.engine.plane.counters[C.SESSIONS_TERMINATING], 1);
  box.install(config());
  t.strictSame(box.send(IN, segment({ from: HOST, to: PEER, sport: 4000, dport: 80, flags: 'A', seq: 102, ack: 502 })).length, 1);
  box.wait(5_000);
  t.equal(box.engine.plane.counters[C.SESSIONS_CURRENT], 0);
});

t.test('an error is no leave for a session that is not allowed any more', async (t) => {
  const { box } = populated();
  box.install(config({ global: ['no ip inspect name R udp'] }));
  box.delta();
  const about = userDatagram({ from: ROUTER, to: PEER, sport: 4000, dport: 99 });
  t.strictSame(box.send(OUT, icmpError({ from: PEER, to: ROUTER, type: 3, code: 3, about })), []);
  t.match(box.delta(), { received: 1, dropped: 1, 'drop acl.denied': 1, 'sessions-closed': 1 });
});

t.test('transparent: IPv6 has no list to pass', async (t) => {
  const pair = (...lines: string[]): string =>
    [
      'ip inspect name R tcp',
      'access-list 101 permit ip any any',
      'bridge irb',
      `interface ${OUT}`,
      ' bridge-group 1',
      ' ip inspect R in',
      ...lines,
      `interface ${IN}`,
      ' bridge-group 1',
      'bridge 1 protocol ieee',
    ].join('\n');
  const box = new Box(pair());
  const c = new Conversation(box, { interfaces: [OUT, IN], client: '192.0.2.1', server: '192.0.2.2' });
  c.open();
  const forth = { from: 1, to: 2, sport: 4000, dport: 80 };
  box.send(OUT, segment6({ ...forth, seq: 100, flags: 'S' }));
  box.send(IN, segment6({ from: 2, to: 1, sport: 80, dport: 4000, seq: 500, ack: 101, flags: 'SA' }));
  const third = (): string[] => box.send(OUT, segment6({ ...forth, seq: 101, ack: 501, flags: 'A' }));
  t.equal(third().length, 1);
  box.install(pair());
  t.equal(third().length, 1, 'the same policy: it lives on');
  box.delta();
  box.install(pair(' ip access-group 101 in'));
  t.equal(c.send(0, { seq: 1, data: 'x' }).length, 1, 'IPv4 passes the list');
  t.strictSame(third(), []);
  t.match(box.delta(), { received: 2, dropped: 1, 'drop ip6.no-policy': 1, 'sessions-closed': 1 });
});

t.test('a mail session in the middle of its dialogue, over a hundred policies', async (t) => {
  const box = new Box(REFERENCE);
  const c = new Conversation(box, {
    interfaces: ['Ethernet2/0', 'Ethernet2/1'],
    client: PEER,
    server: '172.22.1.110',
    serverLocal: '10.10.10.2',
  });
  c.open();
  const seqs: [number, number] = [1, 1];
  const next: [string[], string[]] = [[], []];
  let installs = 0;
  const say = (direction: 0 | 1, data: string, expected = data): void => {
    box.install(REFERENCE);
    installs++;
    const lines = c.send(direction, { seq: seqs[direction], ack: seqs[direction === 0 ? 1 : 0], data });
    next[direction].push(lines.map((line) => line.split(' PA ')[1]).join());
    t.strictSame(next[direction].at(-1), JSON.stringify(expected));
    seqs[direction] += data.length;
  };
  say(1, '220 mx\r\n');
  say(0, 'HELO a\r\n');
  say(1, '250 mx\r\n');
  // A command typed an octet at a time: the automaton stands in the middle of a verb each time.
  for (const octet of 'VRFY root') say(0, octet);
  say(0, '\r\n');
  say(1, '550 no\r\n');
  say(0, 'EX', 'xx');
  say(0, 'PN root\r\n', 'xxxxxxx\r\n');
  say(1, '500 what\r\n');
  say(0, 'MAIL FROM:<a@example.org>\r\n');
  say(1, '250 ok\r\n');
  say(0, 'RCPT TO:<b@example.net>\r\n');
  say(1, '250 ok\r\n');
  say(0, 'DATA\r\n');
  say(1, '354 go\r\n');
  while (installs < 96) say(0, `EXPN is no command in line ${installs}\r\n`);
  say(0, '.\r\n');
  say(1, '250 ok\r\n');
  say(0, 'QUIT\r\n');
  say(1, '221 bye\r\n');
  t.equal(installs, 100);
  const counters = box.engine.plane.counters;
  t.equal(counters[C.DROPPED_FRAMES], 0);
  t.equal(counters[C.SMTP_MASKED_COMMANDS], 1);
  t.equal(counters[C.SESSIONS_OPENED], 1);
  t.equal(describe(box.left.at(-1)!), `tcp 172.22.1.110:25 ${PEER}:4000 PA "221 bye\\r\\n"`);
});
