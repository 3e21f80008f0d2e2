// %POSTERN: events for which IOS has no message, under their own names.

import type { EventRecord } from '../../telemetry/event-record.ts';
import { AUTH_SYNTAX, REASONS } from '../../telemetry/reasons.ts';
import { initiator, initiatorAddr, type LogMessage, message, printable, responder, responderAddr } from './message.ts';

const FACILITY = 'POSTERN';
const WARNING = 4;
const INFORMATIONAL = 6;

/** An event of the session of `protocol`: name, text, the octets or else the number that it is about. */
export function eventMessage(event: EventRecord, protocol: string): LogMessage {
  return message(
    FACILITY,
    severityOf(event),
    'EVENT',
    `${what(event)} - ${protocol} session initiator (${initiator(event)}) -- responder (${responder(event)})`,
  );
}

/** An event of a datagram at interface `where`. */
export function datagramMessage(event: EventRecord, where: string): LogMessage {
  return message(
    FACILITY,
    severityOf(event),
    'EVENT',
    `${what(event)} - ${where}: from ${initiatorAddr(event)} to ${responderAddr(event)}`,
  );
}

/** `count` events did not fit into the ring. */
export function lostMessage(count: number): LogMessage {
  return message(FACILITY, WARNING, 'EVENTS_LOST', `${count} event${count === 1 ? ' was' : 's were'} lost, more than could be logged`);
}

function severityOf({ reason }: EventRecord): number {
  return REASONS[reason]!.level === 'info' ? INFORMATIONAL : WARNING;
}

function what(event: EventRecord): string {
  const { name, text } = REASONS[event.reason]!;
  return `${name}: ${text}${detail(event)}`;
}

/** A SASL response may hold a password: never its octets.  What happens to a segment has its sequence number. */
function detail({ reason, text, value }: EventRecord): string {
  const octets = reason === AUTH_SYNTAX ? '' : text.replace(/\r\n$/, '');
  if (octets !== '') return ` (${printable(octets)})`;
  if (REASONS[reason]!.name.startsWith('tcp.')) return ` (seq ${value >>> 0})`;
  return value > 0 ? ` (${value})` : '';
}
