// The reference configuration, flow by flow, through the real path; and what a router says and answers.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ethernetFrame, ipv4Datagram, tcpSegment } from '../cases/frames.ts';
import { Box } from './box.ts';
import { arpMessage, otherProtocol, query, segment, userDatagram } from './datagrams.ts';

function root(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!folder.endsWith('/') && !isRoot(folder)) folder = dirname(folder);
  return folder;
}

function isRoot(folder: string): boolean {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name: string }).name === 'postern';
  } catch {
    return false;
  }
}

const REFERENCE = readFileSync(join(root(), 'rules/3640.cfg'), 'utf8');
const OUT = 'Ethernet2/0';
const IN = 'Ethernet2/1';
const CLIENT = '198.18.0.9';
const SERVER = '172.22.1.110';
const LOCAL = '10.10.10.2';

t.test('outside to the mail server: translated, inspected, and the answer comes back', async (t) => {
  const box = new Box(REFERENCE);
  t.same(box.send(OUT, segment({ from: CLIENT, to: SERVER, sport: 4000, dport: 25, flags: 'S', seq: 100 })), [
    `${IN} tcp ${CLIENT}:4000 ${LOCAL}:25 S`,
  ]);
  t.same(box.send(IN, segment({ from: LOCAL, to: CLIENT, sport: 25, dport: 4000, flags: 'SA', seq: 500, ack: 101 })), [
    `${OUT} tcp ${SERVER}:25 ${CLIENT}:4000 SA`,
  ]);
  t.same(box.send(OUT, segment({ from: CLIENT, to: SERVER, sport: 4000, dport: 25, flags: 'A', seq: 101, ack: 501 })), [
    `${IN} tcp ${CLIENT}:4000 ${LOCAL}:25 A`,
  ]);
  box.delta();
  const greeting = '220 mx ESMTP\r\n';
  t.same(box.send(IN, segment({ from: LOCAL, to: CLIENT, sport: 25, dport: 4000, flags: 'PA', seq: 501, ack: 101, data: greeting })), [
    `${OUT} tcp ${SERVER}:25 ${CLIENT}:4000 PA ${JSON.stringify(greeting)}`,
  ]);
  t.same(
    box.send(OUT, segment({ from: CLIENT, to: SERVER, sport: 4000, dport: 25, flags: 'PA', seq: 101, ack: 515, data: 'EXPN root\r\n' })),
    [`${IN} tcp ${CLIENT}:4000 ${LOCAL}:25 PA ${JSON.stringify('xxxxxxxxx\r\n')}`],
  );
  const moved = box.delta();
  t.equal(moved.received, 2);
  t.equal(moved.transmitted, 2);
  t.equal(moved['smtp-masked-commands'], 1);
  t.equal(moved['event cmd.illegal'], 1);
  t.equal(moved.dropped, undefined);
});

t.test('what access list 101 does not permit', async (t) => {
  const box = new Box(REFERENCE);
  const denied = (frame: Uint8Array, answers: string[]): void => {
    box.wait(1000);
    t.same(box.send(OUT, frame), answers);
    const moved = box.delta();
    t.equal(moved['drop acl.denied'], 1);
    t.equal(moved['sessions-opened'], undefined);
  };
  const prohibited = [`${OUT} icmp 172.22.1.16 ${CLIENT} 3/13`];
  denied(segment({ from: CLIENT, to: SERVER, sport: 4000, dport: 80, flags: 'S' }), prohibited);
  denied(userDatagram({ from: CLIENT, to: SERVER, sport: 4000, dport: 25 }), prohibited);
  denied(segment({ from: CLIENT, to: '172.22.1.111', sport: 4000, dport: 25, flags: 'S' }), prohibited);
  denied(segment({ from: CLIENT, to: '172.22.1.16', sport: 4000, dport: 80, flags: 'S' }), prohibited);
  denied(query({ from: CLIENT, to: '172.22.1.16', type: 8, ident: 7 }), prohibited);
});

t.test('unreachables: one in 500 ms', async (t) => {
  const box = new Box(REFERENCE);
  const frame = (): Uint8Array => segment({ from: CLIENT, to: SERVER, sport: 4000, dport: 80, flags: 'S' });
  t.equal(box.send(OUT, frame()).length, 1);
  box.wait(499);
  t.equal(box.send(OUT, frame()).length, 0);
  box.wait(1);
  t.equal(box.send(OUT, frame()).length, 1);
});

t.test('inside to outside: TCP, UDP and echo are inspected, their answers pass', async (t) => {
  const box = new Box(REFERENCE);
  t.same(box.send(IN, segment({ from: LOCAL, to: CLIENT, sport: 3000, dport: 80, flags: 'S', seq: 1 })), [
    `${OUT} tcp ${SERVER}:3000 ${CLIENT}:80 S`,
  ]);
  t.same(box.send(OUT, segment({ from: CLIENT, to: SERVER, sport: 80, dport: 3000, flags: 'SA', seq: 9, ack: 2 })), [
    `${IN} tcp ${CLIENT}:80 ${LOCAL}:3000 SA`,
  ]);
  t.same(box.send(IN, userDatagram({ from: '10.10.10.5', to: CLIENT, sport: 53, dport: 53 })), [`${OUT} udp 172.22.1.111:53 ${CLIENT}:53`]);
  t.same(box.send(OUT, userDatagram({ from: CLIENT, to: '172.22.1.111', sport: 53, dport: 53 })), [`${IN} udp ${CLIENT}:53 10.10.10.5:53`]);
  t.same(box.send(IN, query({ from: '10.10.10.9', to: CLIENT, type: 8, ident: 7 })), [`${OUT} icmp 10.10.10.9 ${CLIENT} 8/0`]);
  t.same(box.send(OUT, query({ from: CLIENT, to: '10.10.10.9', type: 0, ident: 7 })), [`${IN} icmp ${CLIENT} 10.10.10.9 0/0`]);
  const moved = box.delta();
  t.equal(moved['sessions-opened'], 3);
  t.equal(moved.dropped, undefined);
});

t.test('inside to outside: other protocols pass, their answers do not', async (t) => {
  const box = new Box(REFERENCE);
  t.same(box.send(IN, otherProtocol({ from: LOCAL, to: CLIENT, protocol: 47 })), [`${OUT} ip 47 ${SERVER} ${CLIENT}`]);
  t.same(box.send(OUT, otherProtocol({ from: CLIENT, to: SERVER, protocol: 47 })), [`${OUT} icmp 172.22.1.16 ${CLIENT} 3/13`]);
});

t.test('a segment of no session opens none', async (t) => {
  const box = new Box(REFERENCE);
  t.same(
    box.send(OUT, segment({ from: CLIENT, to: SERVER, sport: 4000, dport: 25, flags: 'PA', seq: 5, ack: 9, data: 'EXPN root\r\n' })),
    [],
  );
  t.same(box.delta(), { received: 1, dropped: 1, 'drop tcp.midstream': 1 });
});

t.test('ARP: answers for its own address and for both global addresses, on the outside only', async (t) => {
  const box = new Box(REFERENCE, { syntheticArp: false });
  const asker = [0x0200, 0x0101] as const;
  const ask = (name: string, from: string, target: string): string[] => box.send(name, arpMessage(1, from, asker, target));
  t.same(ask(OUT, '172.22.1.1', '172.22.1.16'), [`${OUT} arp 2 172.22.1.16 172.22.1.1`]);
  t.same(ask(OUT, '172.22.1.1', SERVER), [`${OUT} arp 2 ${SERVER} 172.22.1.1`]);
  t.same(ask(OUT, '172.22.1.1', '172.22.1.111'), [`${OUT} arp 2 172.22.1.111 172.22.1.1`]);
  t.same(ask(OUT, '172.22.1.1', '172.22.1.112'), []);
  t.same(ask(IN, '10.10.10.2', '10.10.10.1'), [`${IN} arp 2 10.10.10.1 10.10.10.2`]);
  t.same(ask(IN, '10.10.10.2', SERVER), []);
});

t.test('a next hop is asked for, datagrams wait for the answer and then go', async (t) => {
  const box = new Box(REFERENCE, { syntheticArp: false });
  t.same(box.send(IN, userDatagram({ from: LOCAL, to: CLIENT, sport: 1, dport: 2 })), [
    `${OUT} arp 1 172.22.1.16 172.22.1.1`,
    `${IN} arp 1 10.10.10.1 ${LOCAL}`,
  ]);
  t.equal(box.delta().held, 1);
  const answered = box.send(OUT, arpMessage(2, '172.22.1.1', [0x0200, 0x0101], '172.22.1.16'));
  t.same(answered, [`${OUT} udp ${SERVER}:1 ${CLIENT}:2`]);
  t.equal(box.delta().held, -1);
});

t.test('a next hop that does not answer: three requests, then the datagram is dropped', async (t) => {
  const box = new Box(REFERENCE, { syntheticArp: false });
  box.send(IN, userDatagram({ from: LOCAL, to: CLIENT, sport: 1, dport: 2 }));
  box.delta();
  const requests = box.wait(2500).filter((line) => line.startsWith(`${OUT} arp`));
  t.equal(requests.length, 2);
  box.wait(1000);
  const moved = box.delta();
  t.equal(moved['drop arp.unresolved'], 1);
  t.equal(moved.held, -1);
});

t.test('the hop: TTL, MTU, LAND, martians, broadcasts', async (t) => {
  const box = new Box(REFERENCE);
  t.same(box.send(IN, userDatagram({ from: LOCAL, to: CLIENT, sport: 1, dport: 2, ttl: 1 })), [`${IN} icmp 10.10.10.1 ${LOCAL} 11/0`]);
  t.equal(box.delta()['drop ip.ttl-exceeded'], 1);
  const land = segment({ from: SERVER, to: SERVER, sport: 25, dport: 25, flags: 'S' });
  t.same(box.send(OUT, land), []);
  t.equal(box.delta()['drop ip.land'], 1);
  t.same(box.send(OUT, userDatagram({ from: '10.10.10.7', to: SERVER, sport: 1, dport: 2 })), []);
  t.equal(box.delta()['drop ip.martian'], 1);
  t.same(box.send(OUT, userDatagram({ from: '127.0.0.1', to: SERVER, sport: 1, dport: 2 })), []);
  t.equal(box.delta()['drop ip.martian'], 1);
});

t.test('an interface without a port counts as down', async (t) => {
  const box = new Box(REFERENCE, { down: [OUT] });
  t.same(box.send(IN, userDatagram({ from: LOCAL, to: CLIENT, sport: 1, dport: 2 })), [`${IN} icmp 10.10.10.1 ${LOCAL} 3/1`]);
  t.equal(box.delta()['drop route.interface-down'], 1);
});

t.test('idle and half-open sessions end by their timers', async (t) => {
  const box = new Box(REFERENCE);
  box.send(IN, userDatagram({ from: LOCAL, to: CLIENT, sport: 1, dport: 2 }));
  box.send(OUT, segment({ from: CLIENT, to: SERVER, sport: 4000, dport: 25, flags: 'S', seq: 100 }));
  t.equal(box.delta()['sessions-half-open'], 2);
  box.wait(29_999);
  t.equal(box.delta()['sessions-closed'], undefined);
  box.wait(1);
  t.same(box.delta(), { 'sessions-closed': 2, 'sessions-current': -2, 'sessions-half-open': -2 });
  // 30 s after the SYN its answer belongs to nothing.
  t.same(box.send(IN, segment({ from: LOCAL, to: CLIENT, sport: 25, dport: 4000, flags: 'SA', seq: 500, ack: 101 })), []);
});

t.test('a frame for another host, and a ping that a list lets in', async (t) => {
  const open = REFERENCE.replace('access-list 101 permit tcp any host 172.22.1.110 eq smtp', 'access-list 101 permit icmp any any');
  const box = new Box(open.replace(/(interface Ethernet2\/0\n)/, '$1 mac-address 0200.0000.0110\n'));
  t.same(box.send(OUT, query({ from: CLIENT, to: '172.22.1.16', type: 8, ident: 7 })), [`${OUT} icmp 172.22.1.16 ${CLIENT} 0/0`]);
  t.same(box.delta(), { received: 1, consumed: 1, generated: 1, transmitted: 1 });
  t.same(box.send(OUT, query({ from: CLIENT, to: '172.22.1.16', type: 8, ident: 7, dst: [0x0200, 0x0999] })), []);
  t.same(box.delta(), { received: 1, dropped: 1, 'drop frame.not-for-us': 1 });
});

t.test('ip tcp adjust-mss: what a SYN offers becomes less, never more', async (t) => {
  const config = (rule: string, clamp: string): string => `
ip inspect name MAIL smtp
ip inspect name PLAIN tcp
interface Ethernet0
 ip address 203.0.113.1 255.255.255.0
${rule}
interface Ethernet1
 ip address 192.0.2.1 255.255.255.0
${clamp}`;
  const options = (mss: number, isOdd: boolean): number[] => [
    ...(isOdd ? [1] : []),
    2,
    4,
    mss >> 8,
    mss & 255,
    ...(isOdd ? [1, 1, 1] : []),
  ];
  const syn = (mss: number, isOdd: boolean, back = false): Uint8Array => {
    const [src, dst] = back ? [addr4('192.0.2.25'), addr4('203.0.113.9')] : [addr4('203.0.113.9'), addr4('192.0.2.25')];
    const ports = back
      ? { srcPort: 25, dstPort: 4000, seq: 9, ack: 8, flags: 18 }
      : { srcPort: 4000, dstPort: 25, seq: 7, ack: 0, flags: 2 };
    const payload = tcpSegment(src, dst, {
      ...ports,
      window: 1000,
      urgent: 0,
      options: Uint8Array.from(options(mss, isOdd)),
      payload: new Uint8Array(),
    });
    return ethernetFrame(Uint8Array.of(2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2), 0x0800, ipv4Datagram({ src, dst, protocol: 6, payload }));
  };
  const addr4 = (text: string): Uint8Array => Uint8Array.from(text.split('.'), Number);
  for (const rule of [' ip inspect MAIL in', ' ip inspect PLAIN in', '']) {
    for (const [mss, left] of [
      [1460, 1360],
      [1361, 1360],
      [1360, 1360],
      [536, 536],
      [1, 1],
    ] as const) {
      for (const isOdd of [false, true]) {
        const box = new Box(config(rule, ' ip tcp adjust-mss 1360'), { maxSessions: 16 });
        box.send('Ethernet0', syn(mss, isOdd));
        box.send('Ethernet1', syn(mss, isOdd, true));
        // Box holds the checksums of what left.
        t.same(
          box.left.map((octets) => [...octets.subarray(54)]),
          [options(left, isOdd), options(left, isOdd)],
          `${rule} ${mss}`,
        );
      }
    }
  }
  const none = new Box(config('', ''), { maxSessions: 16 });
  none.send('Ethernet0', syn(1460, false));
  t.same([...none.left[0]!.subarray(54)], options(1460, false));
});
