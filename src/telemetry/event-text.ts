// Events of the log for people and for programs: one line of text, or one line of JSON, each.
//
// Text of a dialogue is shown octet by octet, and octets that a terminal would obey are escaped in both forms.

import { EVENT_MEMBERS, type EventFinding, type EventFlow, type LoggedEvent, THRESHOLD_KINDS } from './event-schema.ts';

const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp6' };

/** `sessionStart` as `session-start`. */
function nameOf(member: string): string {
  return member.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function protocolName(protocol: number): string {
  return PROTOCOLS[protocol] ?? String(protocol);
}

/** `10.0.0.1`, `2001:db8::1`, or '' for another number of octets. */
function addressText(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.');
  if (octets.length !== 16) return '';
  const groups = Array.from({ length: 8 }, (_, i) => ((octets[i * 2]! << 8) | octets[i * 2 + 1]!).toString(16));
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

/** One character an octet, as in the dialogue. */
function latin1(octets: Uint8Array): string {
  return Buffer.from(octets).toString('latin1');
}

/** 2026-11-25T18:26:34.123456789Z */
export function timeText({ seconds, nanoseconds }: LoggedEvent): string {
  return new Date(seconds * 1000).toISOString().replace('000Z', `${String(nanoseconds).padStart(9, '0')}Z`);
}

// ---- JSON ------------------------------------------------------------------------------------------------------------

function flowFields(flow: EventFlow | null): object {
  if (flow === null) return {};
  const { initiator, initiatorPort, responder, responderPort, protocol } = flow;
  return {
    protocol: protocolName(protocol),
    initiator: addressText(initiator),
    initiatorPort,
    responder: addressText(responder),
    responderPort,
  };
}

function fieldsOf(event: LoggedEvent): object {
  const { sessionStart, sessionStop, drop, portState, threshold, access, lost } = event;
  const finding = event.alert ?? event.mask;
  if (sessionStart !== undefined) return { ...sessionStart, flow: undefined, ...flowFields(sessionStart.flow) };
  if (sessionStop !== undefined) return { ...sessionStop, flow: undefined, ...flowFields(sessionStop.flow) };
  if (finding !== undefined) return { ...finding, flow: undefined, ...flowFields(finding.flow), text: latin1(finding.text) };
  if (drop !== undefined) return { ...drop, flow: undefined, ...flowFields(drop.flow) };
  if (threshold !== undefined)
    return { ...threshold, kind: THRESHOLD_KINDS[threshold.kind] ?? 'unknown', host: addressText(threshold.host) };
  if (access !== undefined) return { ...access, flow: undefined, ...flowFields(access.flow) };
  return portState ?? lost ?? {};
}

/** The name of an event's member, `unknown` for one of a later version. */
export function eventName(event: LoggedEvent): string {
  return nameOf(EVENT_MEMBERS.find((member) => event[member] != null) ?? 'unknown');
}

/** One line of JSON without its end. */
export function formatEventJson(event: LoggedEvent): string {
  const line = JSON.stringify({ time: timeText(event), event: eventName(event), ...fieldsOf(event) });
  // JSON.stringify leaves DEL and the C1 controls as they are.
  return line.replace(/[\x7f-\x9f]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
}

// ---- text ------------------------------------------------------------------------------------------------------------

function endText(address: Uint8Array, port: number): string {
  const text = addressText(address);
  return address.length === 16 ? `[${text}]:${port}` : `${text}:${port}`;
}

function flowText(flow: EventFlow | null): string {
  if (flow === null) return '';
  return `${protocolName(flow.protocol)} ${endText(flow.initiator, flow.initiatorPort)} > ${endText(flow.responder, flow.responderPort)}`;
}

/** In quotation marks, everything but printable ASCII as \xNN. */
function quoted(octets: Uint8Array): string {
  const text = latin1(octets).replace(/[^ !#-[\]-~]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `"${text}"`;
}

function findingText({ reason, session, flow, value, text }: EventFinding): string {
  return [reason, flowText(flow), `session ${session}`, value === 0 ? '' : `value ${value}`, text.length === 0 ? '' : quoted(text)]
    .filter((part) => part !== '')
    .join(' ');
}

function thresholdText({ kind, host, count, limit, rate, blockMinutes }: NonNullable<LoggedEvent['threshold']>): string {
  const parts = [
    THRESHOLD_KINDS[kind] ?? 'unknown',
    host.length === 0 ? '' : `host ${addressText(host)}`,
    `count ${count}`,
    `limit ${limit}`,
  ];
  parts.push(host.length === 0 ? `rate ${rate}` : '', blockMinutes === 0 ? '' : `blocked for ${blockMinutes} min`);
  return parts.filter((part) => part !== '').join(' ');
}

function bodyText(event: LoggedEvent): string {
  const { sessionStart, sessionStop, drop, portState, threshold, access, lost } = event;
  const finding = event.alert ?? event.mask;
  if (finding !== undefined) return findingText(finding);
  if (sessionStart !== undefined) return `${flowText(sessionStart.flow)} ${sessionStart.keyword} session ${sessionStart.session}`;
  if (sessionStop !== undefined) {
    const { flow, keyword, session, initiatorOctets, responderOctets } = sessionStop;
    return `${flowText(flow)} ${keyword} session ${session} octets ${initiatorOctets} ${responderOctets}`;
  }
  if (drop !== undefined) {
    const { reason, flow, identification, unrecorded } = drop;
    return `${reason} ${flowText(flow)} on ${drop.interface} id ${identification}${unrecorded === 0 ? '' : ` and ${unrecorded} more before it`}`;
  }
  if (portState !== undefined) return `${portState.interface} ${portState.up ? 'up' : 'down'}`;
  if (threshold !== undefined) return thresholdText(threshold);
  if (access !== undefined) return `list ${access.list} entry ${access.entry} ${flowText(access.flow)} packets ${access.packets}`;
  return lost === undefined ? '' : `${lost.count} events`;
}

/** One line of text without its end. */
export function formatEventText(event: LoggedEvent): string {
  return `${timeText(event)} ${eventName(event)} ${bodyText(event)}`.trimEnd();
}
