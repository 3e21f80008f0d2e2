// What the firewall says while frames pass: the real path on a fake clock, its events as lines of the log; the packet trace.

import t from 'tap';
import { parseConfiguration } from '../../src/config/parse.ts';
import { EventLines } from '../../src/console/event-lines.ts';
import { Log } from '../../src/console/log.ts';
import { EventPump } from '../../src/engine/event-pump.ts';
import { Box } from '../path/box.ts';
import { otherProtocol, query, segment, userDatagram } from '../path/datagrams.ts';

/** The real path, and what it says. */
function talkative(config: string): { box: Box; said: () => string[]; log: Log } {
  const box = new Box(config);
  const { configuration } = parseConfiguration(config);
  const log = new Log(configuration, 'never set');
  const heard: string[] = [];
  log.follow((line) => heard.push(line));
  const { events, counters } = box.engine.plane;
  const pump = new EventPump(events, counters);
  pump.add(new EventLines(log, configuration, box.policy));
  const said = (): string[] => {
    pump.drain();
    return heard.splice(0);
  };
  return { box, said, log };
}

const INTERFACES = `
interface Ethernet0
 ip address 192.0.2.1 255.255.255.0
 ip inspect MAIL in
interface Ethernet1
 ip address 198.51.100.1 255.255.255.0
`;
const SERVER = '198.51.100.25';
const syn = (sport: number, to = SERVER): Uint8Array => segment({ from: '192.0.2.9', to, sport, dport: 25, flags: 'S', seq: 100 });

t.test('thresholds on a fake clock: aggressive above high, calm below low', async (t) => {
  const { box, said } = talkative(
    `ip inspect max-incomplete high 4\nip inspect max-incomplete low 3\nip inspect name MAIL tcp\n${INTERFACES}`,
  );
  for (let i = 0; i < 4; i++) box.send('Ethernet0', syn(4000 + i));
  t.same(said(), []);
  box.send('Ethernet0', syn(4004));
  t.same(said(), ['%FW-4-ALERT_ON: getting aggressive, count (5/4) current 1-min rate: 5']);
  box.send('Ethernet0', syn(4005));
  t.same(said(), [], 'said once');
  // synwait-time ends them; the next sample of the rate finds the count below low.
  box.wait(30_000);
  box.wait(5_000);
  t.same(said(), ['%FW-4-ALERT_OFF: calming down, count (0/3) current 1-min rate: 6']);
});

t.test('thresholds on a fake clock: a host is blocked and released', async (t) => {
  const { box, said } = talkative(`ip inspect tcp max-incomplete host 2 block-time 1\nip inspect name MAIL tcp\n${INTERFACES}`);
  for (let i = 0; i < 2; i++) box.send('Ethernet0', syn(4000 + i));
  t.same(said(), []);
  box.send('Ethernet0', syn(4002));
  t.same(said(), [
    `%FW-4-HOST_TCP_ALERT_ON: Max tcp half-open connections (2) exceeded for host ${SERVER}.`,
    `%FW-2-BLOCK_HOST: Blocking new TCP connections to host ${SERVER} for 1 minute (half-open count 2 exceeded).`,
  ]);
  box.wait(59_999);
  t.same(said(), []);
  box.wait(1);
  t.same(said(), [`%FW-4-UNBLOCK_HOST: New TCP connections to host ${SERVER} no longer blocked`]);
});

t.test('a mail session: audit trail with payload octets, the command as it was sent', async (t) => {
  const { box, said } = talkative(`service timestamps log datetime msec\nip inspect name MAIL smtp audit-trail on\n${INTERFACES}`);
  const client = { from: '192.0.2.9', to: SERVER, sport: 4000, dport: 25 };
  const server = { from: SERVER, to: '192.0.2.9', sport: 25, dport: 4000 };
  box.now = 1500;
  box.send('Ethernet0', segment({ ...client, flags: 'S', seq: 100 }));
  box.send('Ethernet1', segment({ ...server, flags: 'SA', seq: 500, ack: 101 }));
  box.send('Ethernet0', segment({ ...client, flags: 'A', seq: 101, ack: 501 }));
  box.send('Ethernet1', segment({ ...server, flags: 'PA', seq: 501, ack: 101, data: '220 mx\r\n' }));
  t.same(said(), [
    `*Jan  1 00:00:01.500: %FW-6-SESS_AUDIT_TRAIL_START: Start smtp session: initiator (192.0.2.9:4000) -- responder (${SERVER}:25)`,
  ]);
  box.now = 2250;
  box.send('Ethernet0', segment({ ...client, flags: 'PA', seq: 101, ack: 509, data: 'EXPN root\r\n' }));
  t.same(said(), [
    '*Jan  1 00:00:02.250: %FW-3-SMTP_INVALID_COMMAND: Invalid SMTP command (EXPN root)(total 9 chars) from initiator (192.0.2.9:4000)',
  ]);
  box.send('Ethernet0', segment({ ...client, flags: 'FA', seq: 112, ack: 509 }));
  box.send('Ethernet1', segment({ ...server, flags: 'FA', seq: 509, ack: 113 }));
  box.wait(5_000);
  t.same(said(), [
    `*Jan  1 00:00:07.250: %FW-6-SESS_AUDIT_TRAIL: Stop smtp session: initiator (192.0.2.9:4000) sent 11 bytes -- responder (${SERVER}:25) sent 8 bytes`,
  ]);
});

t.test('access list hits: the first of a flow at once, then the sum of five minutes', async (t) => {
  const { box, said } = talkative(
    `access-list 101 deny udp any any eq 53 log\naccess-list 101 deny ip any any log-input\n${INTERFACES} ip access-group 101 out\n`,
  );
  const datagram = (): Uint8Array => userDatagram({ from: '192.0.2.9', to: SERVER, sport: 4000, dport: 53 });
  box.send('Ethernet0', datagram());
  t.same(said(), [`%SEC-6-IPACCESSLOGP: list 101 denied udp 192.0.2.9(4000) -> ${SERVER}(53), 1 packet`]);
  for (let i = 0; i < 3; i++) box.send('Ethernet0', datagram());
  t.same(said(), []);
  box.wait(300_000);
  box.send('Ethernet0', datagram());
  t.same(said(), [`%SEC-6-IPACCESSLOGP: list 101 denied udp 192.0.2.9(4000) -> ${SERVER}(53), 4 packets`]);
  for (let sport = 1; sport < 4; sport++) box.send('Ethernet0', segment({ from: '192.0.2.9', to: SERVER, sport, dport: 80, flags: 'S' }));
  t.same(
    said(),
    [`%SEC-6-IPACCESSLOGP: list 101 denied tcp 192.0.2.9(0) (Ethernet0 0200.0000.0101) -> ${SERVER}(0), 1 packet`],
    'ports that are not compared are 0, and one flow',
  );
  box.send(
    'Ethernet0',
    query({ from: '192.0.2.9', to: SERVER, type: 8, ident: 1 }),
    otherProtocol({ from: '192.0.2.9', to: SERVER, protocol: 47 }),
  );
  t.same(said(), [
    `%SEC-6-IPACCESSLOGDP: list 101 denied icmp 192.0.2.9 (Ethernet0 0200.0000.0101) -> ${SERVER} (8/0), 1 packet`,
    `%SEC-6-IPACCESSLOGRP: list 101 denied gre 192.0.2.9 (Ethernet0 0200.0000.0101) -> ${SERVER}, 1 packet`,
  ]);
});

t.test('dropped frames are stamped with their own time, also those that fail before their turn', async (t) => {
  const { box, said } = talkative(`service timestamps log datetime msec\nip inspect log drop-pkt\nip inspect name MAIL tcp\n${INTERFACES}`);
  box.now = 7_000;
  const broken = syn(4000);
  broken[24] = broken[24]! ^ 1;
  box.send('Ethernet0', broken);
  t.same(said(), [
    `*Jan  1 00:00:07.000: %FW-6-DROP_PKT: Dropping tcp session 192.0.2.9:4000 ${SERVER}:25  due to  Invalid Header checksum with ip ident 1 tcpflags 0x5002 seq.no 100 ack 0`,
  ]);
  t.equal(box.delta()['event ip.bad-checksum'], undefined, 'logging does not count');
});

t.test('packet trace: one line a step, down to the reason', async (t) => {
  const config = `access-list 101 permit tcp any any eq 25\naccess-list 102 permit tcp any host ${SERVER}\nip inspect name MAIL smtp\n${INTERFACES.replace(' ip inspect MAIL in', ' ip inspect MAIL in\n ip access-group 101 in')}`;
  const { box, said } = talkative(config);
  const lines = (number: number): string[] => {
    const found = said().filter((text) => !text.startsWith('%POSTERN'));
    t.ok(
      found.every((text) => text.startsWith(`POSTERN: frame ${number} `)),
      `lines of frame ${number}`,
    );
    return found.map((text) => text.slice(`POSTERN: frame ${number} `.length));
  };
  box.send('Ethernet0', syn(3999));
  t.same(said(), [], 'off');
  await box.engine.ask({ kind: 'trace', on: true, list: box.policy.accessLists.findIndex(({ name }) => name === '102'), count: 4 });
  box.send('Ethernet0', syn(4000, '198.51.100.26'));
  t.same(said(), [], 'not permitted by list 102');
  box.send('Ethernet0', syn(4000));
  t.same(lines(1), [
    `decode: Ethernet0, tcp 192.0.2.9:4000 -> ${SERVER}:25 S, seq 100, 54 octets`,
    'lookup: no session',
    'admit: access list 101 permits by entry 10 (Ethernet0 in)',
    `admit: leaves by Ethernet1, next hop ${SERVER}`,
    'admit: inspection rule MAIL, smtp',
    'admit: session 65000080 opened',
    'track: none -> SIS_OPENING',
    'release: 0 octets arrived, 0 leave',
    `emit: Ethernet1, tcp 192.0.2.9:4000 -> ${SERVER}:25 S, 54 octets`,
    'transmitted',
  ]);
  box.send('Ethernet0', segment({ from: '192.0.2.9', to: SERVER, sport: 4000, dport: 80, flags: 'S' }));
  t.same(lines(2), [
    `decode: Ethernet0, tcp 192.0.2.9:4000 -> ${SERVER}:80 S, seq 0, 54 octets`,
    'lookup: no session',
    'admit: access list 101 denies at its end (Ethernet0 in)',
    'emit: Ethernet0, icmp 192.0.2.1 -> 192.0.2.9 3/13, 82 octets, made here',
    'dropped: acl.denied (an access list denied it)',
  ]);
  const broken = syn(4001);
  broken[24] = broken[24]! ^ 1;
  box.send('Ethernet0', broken);
  t.same(lines(3), ['decode: Ethernet0, ip that was not read, 54 octets', 'dropped: ip.bad-checksum (IPv4 header checksum)']);
  box.send('Ethernet0', segment({ from: '192.0.2.9', to: SERVER, sport: 4000, dport: 25, flags: 'A', seq: 101, ack: 1 }));
  t.same(lines(4).slice(1), [
    'lookup: session 65000080, from its initiator, SIS_OPENING',
    'track: SIS_OPENING',
    'inspect: tcp.handshake (a segment that the handshake does not have at this point)',
    'release: 0 octets arrived, 0 leave',
    'dropped: tcp.handshake (a segment that the handshake does not have at this point)',
  ]);
  box.send('Ethernet0', syn(4002));
  t.same(said(), [], 'four were asked for');
});
