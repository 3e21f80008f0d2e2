// Address translation through the real path: what every form of NAT makes of flows, errors and fragments, in both directions, and what
// becomes of its bindings.  The box verifies the checksums of every frame that leaves.

import fc from 'fast-check';
import t from 'tap';
import { showNatStatistics, showNatTranslations } from '../../src/console/displays/nat.ts';
import { answer } from '../../src/engine/inquiry.ts';
import * as C from '../../src/telemetry/counters.ts';
import { Box } from './box.ts';
import { Conversation } from './conversation.ts';
import {
  arpMessage,
  describe,
  fragments,
  icmpError,
  identifier,
  otherProtocol,
  query,
  quoted,
  reassemble,
  segment,
  userDatagram,
} from './datagrams.ts';

const IN = 'Ethernet1';
const OUT = 'Ethernet0';
const PEER = '198.18.0.9';
const HOST = '10.0.0.2';
const ROUTER = '203.0.113.1';

/** Inside 10.0.0.1/24, outside 203.0.113.1/24; `rules`: inspection of both sides. */
function translating(lines: readonly string[], rules = true): string {
  return [
    ...lines,
    ...(rules ? ['tcp', 'udp', 'icmp'].map((keyword) => `ip inspect name R ${keyword}`) : []),
    `interface ${OUT}`,
    ` ip address ${ROUTER} 255.255.255.0`,
    ' ip nat outside',
    ...(rules ? [' ip inspect R in'] : []),
    `interface ${IN}`,
    ' ip address 10.0.0.1 255.255.255.0',
    ' ip nat inside',
    ...(rules ? [' ip inspect R in'] : []),
    'ip route 0.0.0.0 0.0.0.0 203.0.113.254',
    'access-list 1 permit 10.0.0.0 0.0.0.255',
  ].join('\n');
}

const OVERLOAD = `ip nat inside source list 1 interface ${OUT} overload`;

const out = (box: Box, sport: number, from = HOST, to = PEER, dport = 53): string[] =>
  box.send(IN, userDatagram({ from, to, sport, dport }));
const back = (box: Box, to: string, dport: number, from = PEER, sport = 53): string[] =>
  box.send(OUT, userDatagram({ from, to, sport, dport }));
const gone = (from: string, sport: number, to = PEER, dport = 53): string[] => [`${OUT} udp ${from}:${sport} ${to}:${dport}`];
const home = (to: string, dport: number, from = PEER, sport = 53): string[] => [`${IN} udp ${from}:${sport} ${to}:${dport}`];

t.test('static: address, network, port, port of an interface; from both sides', async (t) => {
  const box = new Box(
    translating([
      'ip nat inside source static 10.0.0.2 203.0.113.2',
      'ip nat inside source static network 10.0.1.0 203.0.114.0 /24',
      'ip nat inside source static tcp 10.0.0.3 2525 203.0.113.3 25',
      `ip nat inside source static udp 10.0.0.4 5353 interface ${OUT} 53`,
      'ip route 10.0.1.0 255.255.255.0 10.0.0.9',
    ]),
  );
  t.strictSame(out(box, 1000), gone('203.0.113.2', 1000));
  t.strictSame(back(box, '203.0.113.2', 1000), home(HOST, 1000));
  t.strictSame(back(box, '203.0.113.2', 77), home(HOST, 77), 'opened from outside');
  t.strictSame(out(box, 77), gone('203.0.113.2', 77));
  t.strictSame(out(box, 1000, '10.0.1.200'), gone('203.0.114.200', 1000));
  t.strictSame(back(box, '203.0.114.201', 5), home('10.0.1.201', 5));
  t.strictSame(box.send(OUT, segment({ from: PEER, to: '203.0.113.3', sport: 9, dport: 25, flags: 'S' })), [
    `${IN} tcp ${PEER}:9 10.0.0.3:2525 S`,
  ]);
  t.strictSame(box.send(IN, segment({ from: '10.0.0.3', to: PEER, sport: 2525, dport: 9, flags: 'SA', ack: 1 })), [
    `${OUT} tcp 203.0.113.3:25 ${PEER}:9 SA`,
  ]);
  t.strictSame(back(box, ROUTER, 53), home('10.0.0.4', 5353), 'the address of the interface');
  t.strictSame(box.send(IN, userDatagram({ from: '10.0.0.4', to: PEER, sport: 5353, dport: 53 })), gone(ROUTER, 53));
  t.strictSame(out(box, 6, '10.0.0.4'), gone('10.0.0.4', 6), 'another port of that host is not translated');
  box.delta();
  t.strictSame(back(box, ROUTER, 54), [], 'nor does another port of the interface lead inside');
  t.strictSame(back(box, '203.0.113.3', 26), []);
  t.strictSame(box.delta(), { received: 2, dropped: 2, 'drop ip.for-us': 2 });
  t.strictSame(
    box.send(OUT, query({ from: PEER, to: ROUTER, type: 8, ident: 3 })),
    [`${OUT} icmp ${ROUTER} ${PEER} 0/0`],
    'the firewall still answers for itself',
  );
  t.strictSame(box.send(IN, otherProtocol({ from: HOST, to: PEER, protocol: 47 })), [`${OUT} ip 47 203.0.113.2 ${PEER}`], 'any protocol');
  t.strictSame(box.send(OUT, otherProtocol({ from: PEER, to: '203.0.113.2', protocol: 47 })), [`${IN} ip 47 ${PEER} ${HOST}`]);
  t.strictSame(
    box.send(IN, userDatagram({ from: '10.0.0.7', to: '203.0.113.2', sport: 1, dport: 2 })),
    [],
    'inside to a global address crosses nothing',
  );
});

t.test('pool: one address a host, exhausted, freed', async (t) => {
  const box = new Box(
    translating([
      'ip nat pool P 203.0.113.10 203.0.113.11 prefix-length 24',
      'ip nat inside source list 1 pool P',
      'ip nat translation timeout 100',
    ]),
  );
  t.strictSame(out(box, 1000), gone('203.0.113.10', 1000));
  t.strictSame(out(box, 1001), gone('203.0.113.10', 1001));
  t.strictSame(out(box, 1000, '10.0.0.3'), gone('203.0.113.11', 1000));
  t.strictSame(back(box, '203.0.113.10', 4444), home(HOST, 4444), 'the whole address');
  box.delta();
  t.strictSame(out(box, 1000, '10.0.0.4'), []);
  t.strictSame(box.delta(), { received: 1, dropped: 1, 'drop nat.no-address': 1 });
  t.strictSame(out(box, 1000, '192.168.0.1', PEER), gone('192.168.0.1', 1000), 'who is not in the list goes as he is');
  // The sessions end after 30 s, the bindings 100 s after their last use.
  box.wait(99_999);
  t.strictSame(out(box, 1000, '10.0.0.4'), []);
  box.wait(1);
  t.strictSame(out(box, 1000, '10.0.0.4'), gone('203.0.113.10', 1000));
});

t.test('overload: ports kept, else of the same group and parity; one mapping for all peers', async (t) => {
  const box = new Box(translating([OVERLOAD]));
  t.strictSame(out(box, 4000), gone(ROUTER, 4000));
  t.strictSame(out(box, 4000, '10.0.0.3'), gone(ROUTER, 4002), 'even stays even');
  t.strictSame(out(box, 4001, '10.0.0.3'), gone(ROUTER, 4001));
  t.strictSame(out(box, 511, HOST), gone(ROUTER, 511));
  t.strictSame(out(box, 511, '10.0.0.3'), gone(ROUTER, 1), 'below 512 stays below');
  t.strictSame(out(box, 1023, HOST), gone(ROUTER, 1023));
  t.strictSame(out(box, 1023, '10.0.0.3'), gone(ROUTER, 513));
  t.strictSame(out(box, 4000, '10.0.0.3', '198.18.0.77', 5), gone(ROUTER, 4002, '198.18.0.77', 5), 'another peer, the same mapping');
  t.strictSame(
    back(box, ROUTER, 4002, '198.18.0.200', 9),
    home('10.0.0.3', 4000, '198.18.0.200', 9),
    'and whoever knows it reaches it where the lists permit',
  );
  box.send(IN, segment({ from: '10.0.0.3', to: PEER, sport: 4000, dport: 80, flags: 'S' }));
  t.equal(describe(box.left.at(-1)!), `tcp ${ROUTER}:4000 ${PEER}:80 S`, 'TCP has its own ports');
  box.delta();
  t.strictSame(box.send(IN, otherProtocol({ from: HOST, to: PEER, protocol: 47 })), []);
  t.strictSame(box.delta(), { received: 1, dropped: 1, 'drop nat.untranslatable': 1 });
  t.strictSame(back(box, ROUTER, 5000), []);
  t.strictSame(box.delta(), { received: 1, dropped: 1, 'drop ip.for-us': 1 });
});

t.test('overload: queries by their identifier', async (t) => {
  const box = new Box(translating([OVERLOAD]));
  const ask = (from: string, type: number): number => {
    t.strictSame(box.send(IN, query({ from, to: PEER, type, ident: 7 })), [`${OUT} icmp ${ROUTER} ${PEER} ${type}/0`]);
    return identifier(box.left.at(-1)!);
  };
  const first = ask(HOST, 8);
  const second = ask('10.0.0.3', 8);
  const third = ask('10.0.0.3', 13);
  t.strictSame([first, second, third], [7, 8, 8]);
  for (const [type, ident, to] of [
    [0, first, HOST],
    [0, second, '10.0.0.3'],
    [14, third, '10.0.0.3'],
  ] as const) {
    t.strictSame(box.send(OUT, query({ from: PEER, to: ROUTER, type, ident })), [`${IN} icmp ${PEER} ${to} ${type}/0`]);
    t.equal(identifier(box.left.at(-1)!), 7);
  }
  box.delta();
  t.strictSame(box.send(OUT, query({ from: '198.18.0.10', to: ROUTER, type: 0, ident: first })), [], 'the reply of another host');
  t.match(box.delta(), { received: 1, dropped: 1, 'drop ip.for-us': 1 });
});

t.test('limits: max-entries, ports of a group', async (t) => {
  const box = new Box(translating([OVERLOAD, 'ip nat translation max-entries 3']));
  for (const port of [1, 2, 3]) t.equal(out(box, port).length, 1);
  box.delta();
  t.strictSame(out(box, 4), []);
  t.strictSame(box.delta(), { received: 1, dropped: 1, 'drop nat.limit': 1 });
  t.equal(out(box, 3, HOST, '198.18.0.10').length, 1, 'what has an entry goes on');

  const small = new Box(
    translating([
      OVERLOAD,
      'ip inspect max-incomplete high 100000',
      'ip inspect one-minute high 100000',
      'ip inspect max-incomplete low 90000',
      'ip inspect one-minute low 90000',
    ]),
  );
  for (let n = 0; n < 511; n++)
    small.send(IN, userDatagram({ from: `10.0.0.${2 + (n >> 5)}`, to: PEER, sport: 100 + (n & 31), dport: 53 }));
  small.delta();
  t.strictSame(out(small, 100, '10.0.0.200'), [], 'ports 1-511 are all in use');
  t.strictSame(small.delta(), { received: 1, dropped: 1, 'drop nat.no-address': 1 });
  t.equal(out(small, 600, '10.0.0.200').length, 1);
});

t.test('time-outs of bindings: after their last session, by how it ended', async (t) => {
  const config = translating([
    OVERLOAD,
    'ip nat translation finrst-timeout 20',
    'ip nat translation syn-timeout 40',
    'ip nat translation tcp-timeout 300',
    'ip nat translation udp-timeout 50',
    'ip nat translation icmp-timeout 15',
    'ip nat translation dns-timeout 10',
    'ip nat translation port-timeout udp 5060 600',
    'ip nat translation port-timeout tcp 25 400',
    'ip inspect tcp idle-time 100',
    'ip inspect udp idle-time 30',
    'ip inspect dns-timeout 5',
    'ip inspect tcp synwait-time 30',
  ]);
  const box = new Box(config);
  const count = (): number => box.engine.plane.nat.bindings.count;
  /** From the last frame of the flow to the end of the binding, s. */
  const lasts = (begin: () => unknown): number => {
    begin();
    t.equal(count(), 1);
    let seconds = 0;
    while (count() > 0 && seconds < 1000) {
      box.wait(1000);
      seconds++;
    }
    return seconds;
  };
  const conversation = (serverPort: number): Conversation =>
    new Conversation(box, { interfaces: [IN, OUT], client: HOST, server: PEER, serverPort });
  const open = (serverPort: number): Conversation => {
    const c = conversation(serverPort);
    c.send(0, { seq: 0, flags: 'S' });
    // Outside, the client is the firewall.
    const answerTo = segment({ from: PEER, to: ROUTER, sport: serverPort, dport: 4000, flags: 'SA', seq: 5000, ack: 1001 });
    box.send(OUT, answerTo);
    c.send(0, { seq: 1, flags: 'A' });
    return c;
  };
  t.equal(
    lasts(() => conversation(80).send(0, { seq: 0, flags: 'S' })),
    40,
    'syn-timeout, from the SYN',
  );
  t.equal(
    lasts(() => open(80)),
    300,
    'tcp-timeout, from the last segment',
  );
  t.equal(
    lasts(() => open(25)),
    400,
    'port-timeout',
  );
  t.equal(
    lasts(() => open(80).send(0, { seq: 1, flags: 'RA' })),
    20,
    'finrst-timeout',
  );
  t.equal(
    lasts(() => out(box, 9, HOST, PEER, 99)),
    50,
  );
  t.equal(
    lasts(() => out(box, 9, HOST, PEER, 53)),
    10,
  );
  t.equal(
    lasts(() => out(box, 9, HOST, PEER, 5060)),
    600,
  );
  t.equal(
    lasts(() => box.send(IN, query({ from: HOST, to: PEER, type: 8, ident: 1 }))),
    15,
  );
});

t.test('flows that no rule inspects: a binding lives from frame to frame', async (t) => {
  const box = new Box(translating([OVERLOAD], false));
  const count = (): number => box.engine.plane.nat.bindings.count;
  const from = (flags: string): string[] => box.send(IN, segment({ from: HOST, to: PEER, sport: 4000, dport: 80, flags, seq: 1, ack: 1 }));
  const reply = (flags: string): string[] =>
    box.send(OUT, segment({ from: PEER, to: ROUTER, sport: 80, dport: 4000, flags, seq: 1, ack: 1 }));
  from('S');
  box.wait(59_999);
  t.equal(count(), 1);
  box.wait(1);
  t.equal(count(), 0, 'a SYN without an answer');
  from('S');
  reply('SA');
  from('A');
  box.wait(3_600_000);
  t.equal(from('PA').length, 1);
  t.equal(reply('PA').length, 1);
  t.strictSame(box.delta().dropped, undefined);
  t.equal(count(), 1, 'established, it lives for tcp-timeout');
  from('FA');
  reply('FA');
  from('A');
  box.wait(60_000);
  t.equal(count(), 0, 'finrst-timeout');
  for (let i = 0; i < 5; i++) {
    t.strictSame(out(box, 5000, HOST, PEER, 500), gone(ROUTER, 5000, PEER, 500));
    box.wait(250_000);
  }
  t.equal(count(), 1);
  box.wait(50_000);
  t.equal(count(), 0);
});

t.test('queries that no rule inspects: replies come home', async (t) => {
  const box = new Box(translating([OVERLOAD], false));
  for (const from of [HOST, '10.0.0.3']) box.send(IN, query({ from, to: PEER, type: 8, ident: 7 }));
  t.strictSame(box.send(OUT, query({ from: PEER, to: ROUTER, type: 0, ident: 8 })), [`${IN} icmp ${PEER} 10.0.0.3 0/0`]);
  t.equal(identifier(box.left.at(-1)!), 7);
  t.strictSame(
    box.send(OUT, query({ from: PEER, to: ROUTER, type: 8, ident: 7 })),
    [`${OUT} icmp ${ROUTER} ${PEER} 0/0`],
    'a query is for the firewall itself',
  );
  t.strictSame(box.send(OUT, query({ from: PEER, to: ROUTER, type: 0, ident: 9 })), []);
});

t.test('a binding that is there does not go because a flow through it is refused', async (t) => {
  const box = new Box(translating([OVERLOAD]).replace('ip inspect name R udp', 'ip inspect name R parameter max-sessions 1 udp'));
  out(box, 4000);
  t.strictSame(out(box, 4001), [], 'refused, and its binding is given back');
  t.equal(box.engine.plane.nat.bindings.count, 1);
  box.wait(30_000);
  out(box, 5000);
  t.equal(box.engine.plane.nat.bindings.count, 2, 'the first lingers');
  t.strictSame(back(box, ROUTER, 4000, '198.18.0.66', 1), [], 'somebody outside is refused');
  t.equal(box.engine.plane.nat.bindings.count, 2);
});

for (const rules of [true, false])
  t.test(`errors: outer and inner header, from outside and from inside, ${rules ? '' : 'not '}inspected`, async (t) => {
    const box = new Box(translating([OVERLOAD, 'ip nat inside source static 10.0.0.5 203.0.113.5'], rules));
    const left = (): Uint8Array => box.left.at(-1)!;
    /** The octets of the transport that the error must quote again. */
    const transport = (frame: Uint8Array): string => Buffer.from(frame.subarray(26)).toString('hex');

    out(box, 4000);
    const mine = userDatagram({ from: '10.0.0.3', to: PEER, sport: 4000, dport: 53, data: 'question' });
    box.send(IN, mine);
    const asSent = left();
    t.equal(describe(asSent), `udp ${ROUTER}:4002 ${PEER}:53`);
    t.strictSame(box.send(OUT, icmpError({ from: '198.18.9.1', to: ROUTER, type: 3, code: 3, about: asSent })), [
      `${IN} icmp 198.18.9.1 10.0.0.3 3/3`,
    ]);
    t.equal(transport(quoted(left())), transport(mine), 'addresses, ports and checksum as its sender had them');
    t.strictSame(box.send(OUT, icmpError({ from: '198.18.9.1', to: ROUTER, type: 11, code: 0, about: asSent, quoted: 8 })), [
      `${IN} icmp 198.18.9.1 10.0.0.3 11/0`,
    ]);
    t.equal(transport(quoted(left())), transport(mine).slice(0, 32));

    const ping = query({ from: HOST, to: PEER, type: 8, ident: 7 });
    box.send(IN, query({ from: '10.0.0.3', to: PEER, type: 8, ident: 7 }), ping);
    const pingSent = left();
    t.equal(identifier(pingSent), 8);
    box.send(OUT, icmpError({ from: '198.18.9.1', to: ROUTER, type: 3, code: 1, about: pingSent }));
    t.equal(describe(left()), `icmp 198.18.9.1 ${HOST} 3/1`);
    t.equal(transport(quoted(left())), transport(ping));

    const c = segment({ from: '10.0.0.5', to: PEER, sport: 4000, dport: 80, flags: 'S', seq: 77 });
    box.send(IN, c);
    const synSent = left();
    box.send(OUT, icmpError({ from: '198.18.9.1', to: '203.0.113.5', type: 3, code: 4, rest: 1400, about: synSent }));
    t.equal(describe(left()), 'icmp 198.18.9.1 10.0.0.5 3/4');
    t.equal(transport(quoted(left())), transport(c));

    // A host inside complains of what came from outside.
    back(box, '203.0.113.5', 99);
    const arrived = left();
    const theirs = userDatagram({ from: PEER, to: '203.0.113.5', sport: 53, dport: 99 });
    t.strictSame(box.send(IN, icmpError({ from: '10.0.0.5', to: PEER, type: 3, code: 3, about: arrived })), [
      `${OUT} icmp 203.0.113.5 ${PEER} 3/3`,
    ]);
    t.equal(transport(quoted(left())), transport(theirs));
    box.send(IN, icmpError({ from: '10.0.0.254', to: PEER, type: 11, code: 1, about: arrived }));
    t.equal(describe(left()), `icmp 203.0.113.5 ${PEER} 11/1`, 'a router behind us stays hidden');
    box.delta();
    t.strictSame(
      box.send(
        OUT,
        icmpError({ from: PEER, to: ROUTER, type: 3, code: 3, about: userDatagram({ from: ROUTER, to: PEER, sport: 9999, dport: 53 }) }),
      ),
      [],
    );
    t.strictSame(box.delta(), { received: 1, dropped: 1, 'drop ip.for-us': 1 }, 'of no flow');
  });

t.test('fragments: translated in whichever order they come', async (t) => {
  const big = (from: string, to: string, sport: number, dport: number): Uint8Array =>
    userDatagram({ from, to, sport, dport, data: 'abcdefgh'.repeat(30), df: false });
  const orders = [
    [0, 1, 2, 3],
    [3, 2, 1, 0],
    [1, 0, 3, 2],
    [2, 3, 0, 1],
  ];
  for (const rules of [true, false]) {
    for (const order of orders) {
      const box = new Box(translating([OVERLOAD], rules));
      out(box, 4000, '10.0.0.3');
      const frame = big(HOST, PEER, 4000, 9000);
      const pieces = fragments(frame, 64);
      t.equal(pieces.length, 4);
      box.left.length = 0;
      const lines = order.flatMap((i) => box.send(IN, pieces[i]!));
      t.strictSame(
        lines.map((line) => line.split(' ').slice(0, 3).join(' ')),
        Array(4).fill(`${OUT} fragment 17`),
        `${order}`,
      );
      const whole = reassemble(box.left);
      t.equal(describe(whole), `udp ${ROUTER}:4002 ${PEER}:9000`);
      t.strictSame(Buffer.from(whole.subarray(42)), Buffer.from(frame.subarray(42)));

      const reply = big(PEER, ROUTER, 9000, 4002);
      box.left.length = 0;
      for (const i of order) box.send(OUT, fragments(reply, 64)[i]!);
      t.equal(describe(reassemble(box.left)), `udp ${PEER}:9000 ${HOST}:4000`);
      t.equal(box.engine.plane.counters[C.HELD_FRAMES], 0);
    }
  }
});

t.test('ARP: global addresses and pools in the subnet of the outside, unless no-alias', async (t) => {
  const box = new Box(
    translating([
      'ip nat inside source static 10.0.0.2 203.0.113.2',
      'ip nat inside source static 10.0.0.3 203.0.113.3 no-alias',
      'ip nat inside source static 10.0.0.4 198.51.100.4',
      'ip nat inside source static tcp 10.0.0.5 25 203.0.113.5 25',
      'ip nat pool P 203.0.113.10 203.0.113.11 prefix-length 24',
      'ip nat inside source list 1 pool P',
      'ip nat pool UNUSED 203.0.113.20 203.0.113.21 prefix-length 24',
    ]),
    { syntheticArp: false },
  );
  const asks = (name: string, from: string, target: string): boolean =>
    box.send(name, arpMessage(1, from, [0x0200, 0x0909], target)).length === 1;
  for (const [target, answered] of [
    [ROUTER, true],
    ['203.0.113.2', true],
    ['203.0.113.3', false],
    ['203.0.113.5', true],
    ['203.0.113.10', true],
    ['203.0.113.11', true],
    ['203.0.113.12', false],
    ['203.0.113.20', false],
    ['198.51.100.4', false],
    [HOST, false],
  ] as const)
    t.equal(asks(OUT, '203.0.113.254', target), answered, target);
  t.equal(asks(IN, '10.0.0.9', '203.0.113.2'), false, 'not on the inside');
  box.delta();
  box.send(OUT, arpMessage(2, '203.0.113.2', [0x0200, 0x0666], '203.0.113.254'));
  t.strictSame(box.delta(), { received: 1, dropped: 1, 'drop arp.spoofed': 1 }, 'nobody else has them');
});

/** As the console does it. */
function sweep(box: Box): void {
  for (let from = 0; from >= 0; ) from = answer(box.engine.plane, { kind: 'end-stale', from }).next ?? -1;
}

t.test('clear: what is cleared ends, with its sessions; static flows stay', async (t) => {
  const box = new Box(translating([OVERLOAD, 'ip nat inside source static 10.0.0.5 203.0.113.5']));
  out(box, 4000);
  out(box, 4001);
  out(box, 4000, '10.0.0.5');
  box.delta();
  t.equal(
    answer(box.engine.plane, { kind: 'clear-translation', protocol: 17, global: 0, globalPort: 4000, local: 0, localPort: 4000 }).count,
    0,
  );
  const one = { protocol: 17, global: 0xcb00_7101 | 0, globalPort: 4000, local: 0x0a00_0002, localPort: 4000 };
  t.equal(answer(box.engine.plane, { kind: 'clear-translation', ...one }).count, 1);
  sweep(box);
  t.strictSame(box.delta(), { 'sessions-closed': 1, 'sessions-current': -1, 'sessions-half-open': -1 });
  t.strictSame(back(box, ROUTER, 4000), []);
  t.strictSame(back(box, ROUTER, 4001), home(HOST, 4001));
  box.delta();
  answer(box.engine.plane, { kind: 'clear-translations' });
  sweep(box);
  t.strictSame(box.delta(), { 'sessions-closed': 1, 'sessions-current': -1 });
  t.equal(box.engine.plane.nat.bindings.count, 0);
  t.strictSame(back(box, ROUTER, 4001), []);
  t.strictSame(back(box, '203.0.113.5', 4000), home('10.0.0.5', 4000));
  t.strictSame(out(box, 4001, '10.0.0.3'), gone(ROUTER, 4001), 'the ports are free again');
});

t.test('displays with live flows', async (t) => {
  const box = new Box(
    translating([
      'ip nat inside source static 10.0.0.5 203.0.113.5',
      'ip nat pool P 203.0.113.10 203.0.113.13 prefix-length 24',
      'ip nat inside source list 1 pool P overload',
      'ip nat translation port-timeout udp 5060 600',
    ]),
  );
  box.wait(3_000);
  out(box, 4000, '10.0.0.5', PEER, 99);
  box.send(IN, query({ from: HOST, to: PEER, type: 8, ident: 7 }));
  box.wait(5_000);
  out(box, 5060, HOST, PEER, 5060);
  out(box, 5061, HOST, PEER, 53);
  box.wait(2_000);
  t.equal(
    showNatTranslations(box.configuration, await box.state(), false),
    `Pro Inside global      Inside local       Outside local      Outside global
udp 203.0.113.5:4000   10.0.0.5:4000      198.18.0.9:99      198.18.0.9:99
icmp 203.0.113.10:7    10.0.0.2:7         198.18.0.9:7       198.18.0.9:7
udp 203.0.113.10:5060  10.0.0.2:5060      198.18.0.9:5060    198.18.0.9:5060
udp 203.0.113.10:5061  10.0.0.2:5061      198.18.0.9:53      198.18.0.9:53
--- 203.0.113.5        10.0.0.5           ---                ---
`,
  );
  t.equal(
    showNatTranslations(box.configuration, await box.state(), true)
      .split('\n')
      .slice(9)
      .join('\n'),
    `udp 203.0.113.10:5060  10.0.0.2:5060      198.18.0.9:5060    198.18.0.9:5060
    create 00:00:02, use 00:00:02 timeout:600000, left 00:09:58,
    flags:
extended, use_count: 0, entry-id: 2, lc_entries: 0
udp 203.0.113.10:5061  10.0.0.2:5061      198.18.0.9:53      198.18.0.9:53
    create 00:00:02, use 00:00:02 timeout:60000, left 00:00:58,
    flags:
extended, use_count: 0, entry-id: 3, lc_entries: 0
--- 203.0.113.5        10.0.0.5           ---                ---
    create 00:00:10, use 00:00:07 timeout:0,
    flags:
static, use_count: 1, entry-id: 1, lc_entries: 0
`,
  );
  t.equal(
    showNatStatistics(box.configuration, await box.state()),
    `Total active translations: 5 (1 static, 4 dynamic; 4 extended)
Peak translations: 3, occurred 00:00:02 ago
Outside interfaces:
  Ethernet0
Inside interfaces:
  Ethernet1
Hits: 1  Misses: 3
Expired translations: 0
Dynamic mappings:
-- Inside Source
[Id: 1] access-list 1 pool P refcount 3
 pool P: netmask 255.255.255.0
        start 203.0.113.10 end 203.0.113.13
        type generic, total addresses 4, allocated 1 (25%), misses 0
`,
  );
});

interface Flow {
  readonly udp: boolean;
  readonly host: number;
  readonly port: number;
  readonly peer: number;
}

t.test('bijection: no two flows look alike outside, and every answer comes home', async (t) => {
  const config = translating([
    'ip nat pool P 203.0.113.10 203.0.113.11 prefix-length 24',
    'ip nat inside source list 1 pool P overload',
    'ip nat inside source static 10.0.0.2 203.0.113.2',
    'ip nat inside source static tcp 10.0.0.3 80 203.0.113.10 80',
    'ip inspect max-incomplete high 100000',
    'ip inspect max-incomplete low 90000',
    'ip inspect one-minute high 100000',
    'ip inspect one-minute low 90000',
    'ip inspect tcp max-incomplete host 100000',
  ]);
  const flow: fc.Arbitrary<Flow> = fc.record({
    udp: fc.boolean(),
    host: fc.integer({ min: 2, max: 6 }),
    port: fc.oneof(fc.constantFrom(1, 79, 80, 81, 511, 512, 1023, 1024, 65_535), fc.integer({ min: 1, max: 65_535 })),
    peer: fc.integer({ min: 1, max: 3 }),
  });
  const step = fc.oneof({ weight: 8, arbitrary: flow }, { weight: 1, arbitrary: fc.nat(40_000) });
  const box = new Box(config);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const outside = new Map<string, string>();
      for (const s of steps) {
        if (typeof s === 'number') {
          box.wait(s);
          outside.clear();
          continue;
        }
        const inside = { from: `10.0.0.${s.host}`, to: `198.18.0.${s.peer}`, sport: s.port, dport: 7000 };
        const frame = s.udp ? userDatagram(inside) : segment({ ...inside, flags: 'S', seq: 5 });
        const line = box.send(IN, frame).at(-1)?.split(' ') ?? [];
        const global = line[2] ?? '';
        const name = `${line[1]} ${global} ${line[3]}`;
        const local = `${inside.from}:${s.port}`;
        if (!global.startsWith('203.0.113.') || (outside.get(name) ?? local) !== local) return false;
        outside.set(name, local);
        const [to, dport] = global.split(':') as [string, string];
        const reply = { from: inside.to, to, sport: 7000, dport: Number(dport) };
        const answerFrame = s.udp ? userDatagram(reply) : segment({ ...reply, flags: 'SA', seq: 9, ack: 6 });
        const heard = box.send(OUT, answerFrame).at(-1)?.split(' ') ?? [];
        if (heard[3] !== local) return false;
      }
      box.wait(200_000_000);
      return box.engine.plane.counters[C.SESSIONS_CURRENT] === 0 && box.engine.plane.nat.bindings.count === 0;
    }),
    { seed: 20260103, numRuns: 40 },
  );
  t.pass();
});
