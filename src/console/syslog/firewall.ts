// %FW: thresholds, audit trail, what inspection found, dropped packets.  Texts of IOS 12.3(14)T.
//
// Left out: messages of inspections that do not exist here (FTP, POP3, IMAP) and of zones.  What an inspector or the normaliser
// found and IOS has no text for is said by postern.ts.

import { formatAddress } from '../../config/language/address.ts';
import type { EventRecord } from '../../telemetry/event-record.ts';
import { EVENT_AGGRESSIVE, EVENT_CALM, EVENT_HOST_BLOCKED, EVENT_HOST_LIMIT, EVENT_SESSION_START } from '../../telemetry/event-ring.ts';
import {
  CMD_8BIT,
  CMD_BARE_NEWLINE,
  CMD_CONTROL_CHAR,
  CMD_ILLEGAL,
  HTTP_JAVA_BLOCK,
  REASONS,
  SIG_3101,
  SIG_3102,
  SIG_3104,
  SIG_3105,
  SIG_3107,
  TCP_OOO_LIMIT,
} from '../../telemetry/reasons.ts';
import { initiator, initiatorAddr, type LogMessage, message, printable, responder, responderAddr } from './message.ts';

const FACILITY = 'FW';
const TCP = 6;

/** Begin and end of the aggressive mode, half-open sessions of one host. */
export function thresholdMessage({ kind, dst, value, value2, value3 }: EventRecord): LogMessage {
  const host = formatAddress(dst);
  switch (kind) {
    case EVENT_AGGRESSIVE:
      return message(FACILITY, 4, 'ALERT_ON', `getting aggressive, count (${value}/${value2}) current 1-min rate: ${value3}`);
    case EVENT_CALM:
      return message(FACILITY, 4, 'ALERT_OFF', `calming down, count (${value}/${value2}) current 1-min rate: ${value3}`);
    case EVENT_HOST_LIMIT:
      return message(FACILITY, 4, 'HOST_TCP_ALERT_ON', `Max tcp half-open connections (${value2}) exceeded for host ${host}.`);
    case EVENT_HOST_BLOCKED:
      return message(
        FACILITY,
        2,
        'BLOCK_HOST',
        `Blocking new TCP connections to host ${host} for ${minutes(value2)} (half-open count ${value} exceeded).`,
      );
    default:
      return message(FACILITY, 4, 'UNBLOCK_HOST', `New TCP connections to host ${host} no longer blocked`);
  }
}

function minutes(count: number): string {
  return `${count} minute${count === 1 ? '' : 's'}`;
}

/** Start or stop of a session; `protocol` as in the inspection rule. */
export function auditMessage(event: EventRecord, protocol: string): LogMessage {
  if (event.kind === EVENT_SESSION_START) {
    return message(
      FACILITY,
      6,
      'SESS_AUDIT_TRAIL_START',
      `Start ${protocol} session: initiator (${initiator(event)}) -- responder (${responder(event)})`,
    );
  }
  const sent = `initiator (${initiator(event)}) sent ${count(event.value, event.value2)} bytes`;
  const received = `responder (${responder(event)}) sent ${count(event.value3, event.value4)} bytes`;
  return message(FACILITY, 6, 'SESS_AUDIT_TRAIL', `Stop ${protocol} session: ${sent} -- ${received}`);
}

/** A count of two words: thirty bits low, the rest high. */
function count(low: number, high: number): number {
  return high * 0x4000_0000 + low;
}

/** Mnemonic and text of the signatures, by reason. */
const SIGNATURES: ReadonlyMap<number, readonly [mnemonic: string, text: string]> = new Map([
  [SIG_3101, ['TCP_SENDMAIL_BAD_TO_SIG', 'Sig:3101:Sendmail Invalid Recipient']],
  [SIG_3102, ['TCP_SENDMAIL_BAD_FROM_SIG', 'Sig:3102:Sendmail Invalid Sender']],
  [SIG_3104, ['TCP_SENDMAIL_OLD_SIG', 'Sig:3104:Archaic Sendmail Attacks']],
  [SIG_3105, ['TCP_SENDMAIL_DECODE', 'Sig:3105:Sendmail Decode Alias']],
  [SIG_3107, ['TCP_MAJORDOMO_EXEC_BUG', 'Sig:3107:Majordomo Execute Attack']],
]);

/** Lines that are no command of IOS: an illegal verb, or octets that no command has. */
const INVALID_COMMANDS: readonly number[] = [CMD_ILLEGAL, CMD_CONTROL_CHAR, CMD_BARE_NEWLINE, CMD_8BIT];

/** What inspection found, or undefined where IOS has no text for it. */
export function alertMessage(event: EventRecord): LogMessage | undefined {
  const { reason } = event;
  if (INVALID_COMMANDS.includes(reason)) return invalidCommand(event);
  const signature = SIGNATURES.get(reason);
  if (signature !== undefined)
    return message(FACILITY, 4, signature[0], `${signature[1]} - from ${initiatorAddr(event)} to ${responderAddr(event)}`);
  // The applet is the responder's.
  if (reason === HTTP_JAVA_BLOCK)
    return message(FACILITY, 3, 'HTTP_JAVA_BLOCK', `JAVA applet is blocked from (${responder(event)}) to (${initiator(event)}).`);
  return reason === TCP_OOO_LIMIT && event.value2 > 0 ? outOfOrder(event) : undefined;
}

function invalidCommand(event: EventRecord): LogMessage {
  const text = event.text.replace(/\r\n$/, '');
  const total = Math.max(event.value, text.length);
  return message(
    FACILITY,
    3,
    'SMTP_INVALID_COMMAND',
    `Invalid SMTP command (${printable(text)})(total ${total} chars) from initiator (${initiator(event)})`,
  );
}

/** value: sequence number, value2: octets, value3: what was expected. */
function outOfOrder(event: EventRecord): LogMessage {
  const segment = `seq:${event.value >>> 0} ${event.value2} bytes is out-of-order; expected seq:${event.value3 >>> 0}`;
  return message(
    FACILITY,
    4,
    'TCP_OoO_SEG',
    `Dropping TCP Segment: ${segment}. Reason: TCP reassembly queue overflow - session ${initiator(event)} to ${responder(event)}`,
  );
}

/** A dropped frame, under `ip inspect log drop-pkt`; two blanks stand around `due to` in IOS as well. */
export function dropMessage(event: EventRecord): LogMessage {
  const { protocol, value, value2, value3, value4 } = event;
  const session = `${protocolName(protocol)} session ${initiator(event)} ${responder(event)}`;
  const flags = value2.toString(16).toUpperCase().padStart(4, '0');
  const segment = protocol === TCP ? ` tcpflags 0x${flags} seq.no ${value3 >>> 0} ack ${value4 >>> 0}` : '';
  return message(FACILITY, 6, 'DROP_PKT', `Dropping ${session}  due to  ${REASONS[event.reason]!.text} with ip ident ${value}${segment}`);
}

function protocolName(protocol: number): string {
  return { 1: 'icmp', 6: 'tcp', 17: 'udp' }[protocol] ?? 'Other';
}

/** `run` is ready to forward. */
export function startupMessage(): LogMessage {
  return message(FACILITY, 6, 'INIT', 'Firewall inspection startup completed; beginning operation.');
}
