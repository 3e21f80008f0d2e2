// What the firewall says: the text of every message, which of them are printed, their form, and where they go.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { parseConfiguration } from '../../src/config/parse.ts';
import { compilePolicy } from '../../src/config/compile.ts';
import { EventLines } from '../../src/console/event-lines.ts';
import { Log } from '../../src/console/log.ts';
import { SyslogSender } from '../../src/console/syslog-sender.ts';
import { startupMessage } from '../../src/console/syslog/firewall.ts';
import { configuredMessage } from '../../src/console/syslog/system.ts';
import type { EventRecord } from '../../src/telemetry/event-record.ts';
import * as ring from '../../src/telemetry/event-ring.ts';
import * as reasons from '../../src/telemetry/reasons.ts';
import { addr } from '../path/datagrams.ts';

const CONFIG = `
ip inspect log drop-pkt
ip inspect name MAIL smtp audit-trail on
ip inspect name MAIL tcp audit-trail on
ip inspect name MAIL icmp audit-trail on
ip inspect name QUIET smtp alert off
access-list 7 permit any log
access-list 101 permit tcp any any eq smtp log
access-list 101 deny   ip any any log-input
interface Ethernet0
 ip address 192.0.2.1 255.255.255.0
interface Ethernet1
 ip address 198.51.100.1 255.255.255.0
`;
const MAIL_SMTP = { rule: 0, entry: 0 };
const MAIL_ICMP = { rule: 0, entry: 2 };
const QUIET_SMTP = { rule: 1, entry: 0 };

const NOTHING: EventRecord = {
  kind: ring.EVENT_ALERT,
  reason: reasons.OK,
  time: 0,
  sec: 0,
  nsec: 0,
  session: 0,
  src: addr('192.0.2.9'),
  dst: addr('198.51.100.25'),
  addrs6: null,
  srcPort: 4000,
  dstPort: 25,
  protocol: 6,
  interface: 0,
  ...MAIL_SMTP,
  value: 0,
  value2: 0,
  value3: 0,
  value4: 0,
  text: '',
};

/** A log and what a monitoring terminal sees of it. */
function listen(config: string): { log: Log; lines: EventLines; said: () => string[] } {
  const { configuration, rejected } = parseConfiguration(config);
  if (rejected.length > 0) throw new Error(rejected.map((line) => line.formatted).join(''));
  const log = new Log(configuration, 'never set');
  const heard: string[] = [];
  log.follow((line) => heard.push(line));
  const lines = new EventLines(log, configuration, compilePolicy(configuration, { epoch: 1, verifyChecksums: true }));
  return { log, lines, said: () => heard.splice(0) };
}

/** The lines that one event makes. */
function linesOf(event: Partial<EventRecord>, config = CONFIG): string[] {
  const { lines, said } = listen(config);
  lines.take({ ...NOTHING, ...event });
  return said();
}

const line = (event: Partial<EventRecord>): string => linesOf(event).join('\n');

t.test('%FW: thresholds', async (t) => {
  const host = { dst: addr('10.0.0.5') };
  t.equal(
    line({ kind: ring.EVENT_AGGRESSIVE, value: 501, value2: 500, value3: 700 }),
    '%FW-4-ALERT_ON: getting aggressive, count (501/500) current 1-min rate: 700',
  );
  t.equal(
    line({ kind: ring.EVENT_CALM, value: 399, value2: 400, value3: 250 }),
    '%FW-4-ALERT_OFF: calming down, count (399/400) current 1-min rate: 250',
  );
  t.equal(
    line({ kind: ring.EVENT_HOST_LIMIT, ...host, value: 51, value2: 50 }),
    '%FW-4-HOST_TCP_ALERT_ON: Max tcp half-open connections (50) exceeded for host 10.0.0.5.',
  );
  const blocking = (minutes: number): string => line({ kind: ring.EVENT_HOST_BLOCKED, ...host, value: 50, value2: minutes });
  t.equal(blocking(1), '%FW-2-BLOCK_HOST: Blocking new TCP connections to host 10.0.0.5 for 1 minute (half-open count 50 exceeded).');
  t.equal(blocking(10), '%FW-2-BLOCK_HOST: Blocking new TCP connections to host 10.0.0.5 for 10 minutes (half-open count 50 exceeded).');
  t.equal(line({ kind: ring.EVENT_HOST_UNBLOCKED, ...host }), '%FW-4-UNBLOCK_HOST: New TCP connections to host 10.0.0.5 no longer blocked');
  t.same(linesOf({ kind: ring.EVENT_AGGRESSIVE }, `${CONFIG}ip inspect alert-off`), []);
});

t.test('%FW: audit trail', async (t) => {
  t.equal(
    line({ kind: ring.EVENT_SESSION_START }),
    '%FW-6-SESS_AUDIT_TRAIL_START: Start smtp session: initiator (192.0.2.9:4000) -- responder (198.51.100.25:25)',
  );
  t.equal(
    line({ kind: ring.EVENT_SESSION_STOP, value: 47, value3: 281 }),
    '%FW-6-SESS_AUDIT_TRAIL: Stop smtp session: initiator (192.0.2.9:4000) sent 47 bytes -- responder (198.51.100.25:25) sent 281 bytes',
  );
  t.match(
    line({ kind: ring.EVENT_SESSION_STOP, value: 5, value2: 4, value4: 1 }),
    /sent 4294967301 bytes -- .* sent 1073741824 bytes/,
    'counts beyond 32 bits',
  );
  t.equal(
    line({ kind: ring.EVENT_SESSION_STOP, ...MAIL_ICMP, protocol: 1, srcPort: 77, dstPort: 77, value: 360, value3: 360 }),
    '%FW-6-SESS_AUDIT_TRAIL: Stop icmp session: initiator (192.0.2.9:8) sent 360 bytes -- responder (198.51.100.25:0) sent 360 bytes',
  );
  const addrs6 = [0x20010db8, 0, 0, 9, 0x20010db8, 0, 0, 0x19];
  t.equal(
    line({ kind: ring.EVENT_SESSION_START, addrs6 }),
    '%FW-6-SESS_AUDIT_TRAIL_START: Start smtp session: initiator (2001:db8::9:4000) -- responder (2001:db8::19:25)',
  );
});

t.test('%FW: what inspection found', async (t) => {
  const from = 'from initiator (192.0.2.9:4000)';
  const invalid = (reason: number, text: string, value: number): string => line({ reason, text, value });
  t.equal(
    invalid(reasons.CMD_ILLEGAL, 'EXPN root\r\n', 9),
    `%FW-3-SMTP_INVALID_COMMAND: Invalid SMTP command (EXPN root)(total 9 chars) ${from}`,
  );
  t.equal(
    invalid(reasons.CMD_CONTROL_CHAR, 'HE\0LO\t', 40),
    `%FW-3-SMTP_INVALID_COMMAND: Invalid SMTP command (HE\\x00LO\\x09)(total 40 chars) ${from}`,
  );
  t.equal(
    invalid(reasons.CMD_8BIT, 'VRFY \xe9', 0),
    `%FW-3-SMTP_INVALID_COMMAND: Invalid SMTP command (VRFY \\xe9)(total 6 chars) ${from}`,
  );
  t.equal(
    invalid(reasons.CMD_BARE_NEWLINE, 'NOOP\nx', 6),
    `%FW-3-SMTP_INVALID_COMMAND: Invalid SMTP command (NOOP\\x0ax)(total 6 chars) ${from}`,
  );
  const ends = 'from 192.0.2.9 to 198.51.100.25';
  t.equal(line({ reason: reasons.SIG_3101 }), `%FW-4-TCP_SENDMAIL_BAD_TO_SIG: Sig:3101:Sendmail Invalid Recipient - ${ends}`);
  t.equal(line({ reason: reasons.SIG_3102 }), `%FW-4-TCP_SENDMAIL_BAD_FROM_SIG: Sig:3102:Sendmail Invalid Sender - ${ends}`);
  t.equal(line({ reason: reasons.SIG_3104 }), `%FW-4-TCP_SENDMAIL_OLD_SIG: Sig:3104:Archaic Sendmail Attacks - ${ends}`);
  t.equal(line({ reason: reasons.SIG_3105 }), `%FW-4-TCP_SENDMAIL_DECODE: Sig:3105:Sendmail Decode Alias - ${ends}`);
  t.equal(line({ reason: reasons.SIG_3107 }), `%FW-4-TCP_MAJORDOMO_EXEC_BUG: Sig:3107:Majordomo Execute Attack - ${ends}`);
  t.equal(
    line({ reason: reasons.HTTP_JAVA_BLOCK, dstPort: 80 }),
    '%FW-3-HTTP_JAVA_BLOCK: JAVA applet is blocked from (198.51.100.25:80) to (192.0.2.9:4000).',
  );
  t.equal(
    line({ reason: reasons.TCP_OOO_LIMIT, value: -1, value2: 1460, value3: 5 }),
    '%FW-4-TCP_OoO_SEG: Dropping TCP Segment: seq:4294967295 1460 bytes is out-of-order; expected seq:5. Reason: TCP reassembly queue overflow - session 192.0.2.9:4000 to 198.51.100.25:25',
  );
  t.same(linesOf({ reason: reasons.CMD_ILLEGAL, ...QUIET_SMTP }), [], 'alert off');
});

t.test('%POSTERN: events of which IOS has none', async (t) => {
  const session = 'smtp session initiator (192.0.2.9:4000) -- responder (198.51.100.25:25)';
  t.equal(
    line({ reason: reasons.CMD_SYNTAX, text: 'HELO  a', value: 7 }),
    `%POSTERN-4-EVENT: cmd.syntax: Invalid SMTP command (HELO  a) - ${session}`,
  );
  t.equal(
    line({ reason: reasons.ADDR_UNQUALIFIED, text: 'RCPT TO:<a>' }),
    `%POSTERN-6-EVENT: addr.unqualified: SMTP address unqualified (RCPT TO:<a>) - ${session}`,
  );
  t.equal(
    line({ reason: reasons.DATA_LINE_TOO_LONG, value: 2000 }),
    `%POSTERN-4-EVENT: data.line-too-long: Mail data line too long (2000) - ${session}`,
  );
  t.equal(
    line({ reason: reasons.TCP_OUT_OF_WINDOW, value: -2 }),
    `%POSTERN-4-EVENT: tcp.out-of-window: Invalid Seq# (seq 4294967294) - ${session}`,
  );
  t.equal(
    line({ reason: reasons.AUTH_SYNTAX, text: 'c2VjcmV0 x' }),
    `%POSTERN-4-EVENT: auth.syntax: Invalid SASL response - ${session}`,
    'no password in the log',
  );
  for (const [reason, { level }] of reasons.REASONS.entries()) {
    if (reason === reasons.OK) continue;
    const printed = linesOf({ reason, value2: 1 });
    t.equal(printed.length, 1, reasons.REASONS[reason]!.name);
    t.match(printed[0], level === 'info' ? /^%POSTERN-6-EVENT/ : /^%(FW|POSTERN)-[34]-/);
  }
});

t.test('%FW-6-DROP_PKT: every reason has its words; one line in 30 s', async (t) => {
  const drop = { kind: ring.EVENT_DROP, value: 77, value2: 0x5012, value3: -1, value4: 9 };
  t.equal(
    line({ ...drop, reason: reasons.TCP_ACK_UNSEEN }),
    '%FW-6-DROP_PKT: Dropping tcp session 192.0.2.9:4000 198.51.100.25:25  due to  Invalid ACK number with ip ident 77 tcpflags 0x5012 seq.no 4294967295 ack 9',
  );
  t.equal(
    line({ ...drop, protocol: 17, reason: reasons.UDP_BAD_LENGTH }),
    `%FW-6-DROP_PKT: Dropping udp session 192.0.2.9:4000 198.51.100.25:25  due to  ${reasons.REASONS[reasons.UDP_BAD_LENGTH]!.text} with ip ident 77`,
  );
  t.match(line({ ...drop, protocol: 47, reason: reasons.ACL_DENIED }), /Dropping Other session .* due to {2}Policy not present with/);
  for (const [reason, { level, text }] of reasons.REASONS.entries()) {
    if (level !== 'drop') continue;
    t.ok(line({ ...drop, reason }).includes(`  due to  ${text} with ip ident 77`) && text !== '', reasons.REASONS[reason]!.name);
  }
  const { log, lines, said } = listen(CONFIG);
  for (const time of [0, 1, 29_999, 30_000, 59_999, 60_000]) lines.take({ ...NOTHING, ...drop, time, reason: reasons.ACL_DENIED });
  t.equal(said().length, 3);
  t.equal(log.state.rateLimited, 3);
  t.same(linesOf({ ...drop, reason: reasons.ACL_DENIED }, CONFIG.replace('ip inspect log drop-pkt', '')), []);
});

t.test('%SEC: hits of access lists', async (t) => {
  const LIST_7 = 0;
  const LIST_101 = 1;
  const hit = { kind: ring.EVENT_ACCESS_LOG, value: LIST_101, value3: 1 };
  t.equal(line({ ...hit, value2: 0 }), '%SEC-6-IPACCESSLOGP: list 101 permitted tcp 192.0.2.9(4000) -> 198.51.100.25(25), 1 packet');
  const denied = { ...hit, value2: 1, value3: 2, value4: 0xb9d97a61 | 0, rule: 0, entry: 2 };
  const where = '(Ethernet0 0002.b9d9.7a61)';
  t.equal(
    line({ ...denied, protocol: 17 }),
    `%SEC-6-IPACCESSLOGP: list 101 denied udp 192.0.2.9(4000) ${where} -> 198.51.100.25(25), 2 packets`,
  );
  t.equal(
    line({ ...denied, protocol: 1, srcPort: 8, dstPort: 0 }),
    `%SEC-6-IPACCESSLOGDP: list 101 denied icmp 192.0.2.9 ${where} -> 198.51.100.25 (8/0), 2 packets`,
  );
  t.equal(line({ ...denied, protocol: 47 }), `%SEC-6-IPACCESSLOGRP: list 101 denied gre 192.0.2.9 ${where} -> 198.51.100.25, 2 packets`);
  t.equal(line({ ...denied, protocol: 99 }), `%SEC-6-IPACCESSLOGNP: list 101 denied 99 192.0.2.9 ${where} -> 198.51.100.25, 2 packets`);
  t.equal(line({ ...hit, value: LIST_7, value2: 0 }), '%SEC-6-IPACCESSLOGS: list 7 permitted 192.0.2.9 1 packet');

  const { log, lines, said } = listen(CONFIG);
  for (let i = 0; i < 105; i++) lines.take({ ...NOTHING, ...hit, value2: 0, time: 500 });
  t.equal(said().length, 100);
  lines.take({ ...NOTHING, ...hit, value2: 0, time: 1500 });
  t.equal(said()[0], '%SEC-6-IPACCESSLOGRL: access-list logging rate-limited or missed 5 packets');
  t.equal(log.state.rateLimited, 5);
});

t.test('%IP_VFR, %LINK, %LINEPROTO, %SYS', async (t) => {
  const fragment = (reason: number, value = 0, value2 = 0): string =>
    line({ kind: ring.EVENT_REASSEMBLY, reason, value, value2, interface: 1 });
  const ends = '192.0.2.9, destined to 198.51.100.25';
  t.equal(
    fragment(reasons.IP_FRAG_LIMIT, 16, ring.TABLE_OVERFLOW),
    '%IP_VFR-4-FRAG_TABLE_OVERFLOW: Ethernet1: the fragment table has reached its maximum threshold 16',
  );
  t.equal(
    fragment(reasons.IP_FRAG_LIMIT, 32),
    `%IP_VFR-4-TOO_MANY_FRAGMENTS: Ethernet1: Too many fragments per datagram (more than 32) - sent by ${ends}`,
  );
  t.equal(
    fragment(reasons.IP_FRAG_TINY),
    `%IP_VFR-4-TINY_FRAGMENTS: Ethernet1: TCP segment is 14 bytes or less in length- sent by ${ends}`,
  );
  t.equal(fragment(reasons.IP_FRAG_OVERLAP), '%IP_VFR-3-OVERLAP_FRAGMENTS: Ethernet1: from the host 192.0.2.9 destined to 198.51.100.25');
  for (const reason of [reasons.IP_FRAG_BADLEN, reasons.IP_FRAG_OVERSIZE]) {
    t.equal(fragment(reason), `%IP_VFR-3-INVALID_FRAG_LENGTH: Ethernet1: fragment length invalid - received from ${ends}`);
  }
  t.equal(
    fragment(reasons.IP_FRAG_TIMEOUT),
    '%POSTERN-4-EVENT: ip.frag-timeout: Fragment timeout - Ethernet1: from 192.0.2.9 to 198.51.100.25',
  );
  const port = (state: number): string[] => linesOf({ kind: ring.EVENT_PORT_STATE, value: 1, value2: state });
  t.same(port(ring.PORT_UP), [
    '%LINK-3-UPDOWN: Interface Ethernet1, changed state to up',
    '%LINEPROTO-5-UPDOWN: Line protocol on Interface Ethernet1, changed state to up',
  ]);
  t.same(port(ring.PORT_DOWN), [
    '%LINK-3-UPDOWN: Interface Ethernet1, changed state to down',
    '%LINEPROTO-5-UPDOWN: Line protocol on Interface Ethernet1, changed state to down',
  ]);
  t.equal(port(ring.PORT_SHUT)[0], '%LINK-5-CHANGED: Interface Ethernet1, changed state to administratively down');
  const { log, said } = listen('');
  log.write(configuredMessage('console', 'console'), { sec: 0, nsec: 0, uptime: 0 });
  log.write(startupMessage(), { sec: 0, nsec: 0, uptime: 0 });
  t.same(said(), [
    '%SYS-5-CONFIG_I: Configured from console by console',
    '%FW-6-INIT: Firewall inspection startup completed; beginning operation.',
  ]);
});

t.test('stamps and sequence numbers', async (t) => {
  const at = { sec: Date.UTC(2026, 9, 8, 21, 51, 35) / 1000, nsec: 886_999_999, uptime: 93_784_000 };
  const stamped = (service: string, clock: 'set' | 'never set' = 'never set'): string => {
    const log = new Log(parseConfiguration(service).configuration, clock);
    let text = '';
    log.follow((line) => (text = line));
    log.debug('x', at);
    return text;
  };
  t.equal(stamped(''), 'x');
  t.equal(stamped('service timestamps debug datetime msec'), '*Oct  8 21:51:35.886: x');
  t.equal(stamped('service timestamps debug datetime msec', 'set'), 'Oct  8 21:51:35.886: x');
  t.equal(stamped('service timestamps debug datetime'), '*Oct  8 21:51:35: x');
  t.equal(stamped('service timestamps debug datetime msec show-timezone year'), '*Oct  8 2026 21:51:35.886 UTC: x');
  t.equal(stamped('service timestamps debug uptime'), '1d02h: x');
  t.equal(stamped('service timestamps log datetime msec'), 'x', 'of log messages only');
  t.equal(stamped('service timestamps debug datetime msec\nservice sequence-numbers'), '000001: *Oct  8 21:51:35.886: x');
});

t.test('levels, the buffer, and where lines go', async (t) => {
  const stamp = { sec: 0, nsec: 0, uptime: 0 };
  const { configuration } = parseConfiguration(
    'logging buffered 4096 warnings\nlogging console errors\nlogging trap notifications\nlogging host 127.0.0.1\n',
  );
  const log = new Log(configuration, 'set');
  const console: string[] = [];
  const hosts: string[] = [];
  log.console = (line) => console.push(line);
  log.hosts = { send: (severity, line) => hosts.push(`${severity} ${line}`) };
  const monitor: string[] = [];
  const stop = log.follow((line) => monitor.push(line));
  for (const severity of [3, 4, 5, 6]) log.write({ facility: 'FW', severity, mnemonic: 'X', text: 'y' }, stamp);
  stop();
  log.debug('z', stamp);
  t.same(console, ['%FW-3-X: y']);
  t.same(monitor.length, 4);
  t.same(hosts, ['3 1: %FW-3-X: y', '4 2: %FW-4-X: y', '5 3: %FW-5-X: y']);
  t.same(log.state, { lines: ['%FW-3-X: y', '%FW-4-X: y'], console: 1, monitor: 4, buffer: 2, trap: 3, dropped: 0, rateLimited: 0 });
  for (let i = 0; i < 1000; i++) log.write({ facility: 'FW', severity: 4, mnemonic: 'N', text: String(i).padStart(10) }, stamp);
  const { lines } = log.state;
  t.equal(lines.length, Math.floor(4096 / '%FW-4-N:          0\n'.length), 'as many as fit');
  t.equal(lines.at(-1), '%FW-4-N:        999');
  log.clear();
  t.same(log.state.lines, []);
  log.configure(parseConfiguration('no logging on').configuration);
  log.write({ facility: 'FW', severity: 0, mnemonic: 'X', text: 'on the console alone' }, stamp);
  t.equal(console.at(-1), '%FW-0-X: on the console alone');
  t.same(log.state.lines, []);
});

t.test('logging host: datagrams as IOS sends them, and never a wait', async (t) => {
  const server = createSocket('udp4').bind(0, '127.0.0.1');
  await once(server, 'listening');
  const sender = new SyslogSender([addr('127.0.0.1')], (server.address() as AddressInfo).port);
  sender.send(4, '29: *Oct 18 21:51:35.886: %FW-4-ALERT_ON: x');
  const [datagram] = (await once(server, 'message')) as [Buffer];
  t.equal(datagram.toString('latin1'), '<188>29: *Oct 18 21:51:35.886: %FW-4-ALERT_ON: x');
  for (let i = 0; i < 300; i++) sender.send(6, 'x');
  t.equal(sender.dropped, 44, 'what does not fit into the queue');
  server.close();
  sender.close();
});
