// Lines of `debug postern packet`: one a step, `POSTERN: frame 3 admit: access list 101 permits by entry 10 (Ethernet2/0 in)`.

import { formatAddress } from '../config/language/address.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import type { EventRecord } from '../telemetry/event-record.ts';
import * as steps from '../telemetry/event-ring.ts';
import { REASONS } from '../telemetry/reasons.ts';
import { SESSION_ID_BASE, SESSION_ID_STEP } from './state.ts';
import { initiatorAddr, responderAddr } from './syslog/message.ts';

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const PROTOCOL_NAMES: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp6' };
/** By kind of a frame (frame/frames.ts). */
const KINDS = ['not IP', 'arp', 'ip', 'ipv6'];
const ARP = 1;
const IPV4 = 2;
/** By state of a session (session/record.ts). */
const STATES = ['none', 'SIS_OPENING', 'SIS_OPEN', 'SIS_CLOSING', 'SIS_CLOSED'];
/** By fate of a frame. */
const FATES = ['lost', 'transmitted', 'dropped', 'held', 'consumed', 'transmitted'];
const DROPPED = 2;
const CONTROL = 'FSRPAUEC';

/** The line of one record, without stamp.  `policy` gives the names. */
export function traceText(event: EventRecord, policy: PolicySnapshot): string {
  return `POSTERN: frame ${event.session} ${stepText(event, policy)}`;
}

function stepText(event: EventRecord, policy: PolicySnapshot): string {
  const { value2, value3 } = event;
  switch (event.value) {
    case steps.TRACE_RECEIVE:
      return `decode: ${interfaceName(event, policy)}, ${datagram(event)}${event.protocol === TCP && event.dstPort > 0 ? `, seq ${value3 >>> 0}` : ''}, ${value2} octets`;
    case steps.TRACE_DEFRAGMENT:
      return `defragment: ${value2 === 1 ? 'the datagram is whole' : 'waits for the rest'}`;
    case steps.TRACE_LOOKUP:
      return value2 < 0
        ? 'lookup: no session'
        : `lookup: session ${sessionId(value2)}, ${value3 === 0 ? 'from its initiator' : 'from its responder'}, ${STATES[event.value4]}`;
    case steps.TRACE_ACCESS_LIST:
      return `admit: ${accessText(event, policy)}`;
    case steps.TRACE_TRANSLATE:
      return `admit: translated to ${datagram(event)}`;
    case steps.TRACE_ROUTE:
      return `admit: leaves by ${interfaceName(event, policy)}${event.dst === 0 ? '' : `, next hop ${formatAddress(event.dst)}`}`;
    case steps.TRACE_RULE:
      return `admit: ${ruleText(event, policy)}`;
    case steps.TRACE_OPEN:
      return `admit: session ${sessionId(value2)} opened`;
    case steps.TRACE_TRACK:
      return `track: ${value2 === value3 ? STATES[value3] : `${STATES[value2]} -> ${value3 === 0 ? 'ended' : STATES[value3]}`}`;
    case steps.TRACE_EVENT:
      return `inspect: ${reasonText(event)}${value2 > 1 ? `, ${value2} times` : ''}`;
    case steps.TRACE_RELEASE:
      return `release: ${value2} octets arrived, ${value3} leave`;
    case steps.TRACE_EMIT:
      return `emit: ${interfaceName(event, policy)}, ${datagram(event)}, ${value2} octets${value3 === 1 ? '' : ', made here'}`;
    default:
      return value2 === DROPPED ? `dropped: ${reasonText(event)}` : `${FATES[value2]}`;
  }
}

/** `tcp 10.0.0.1:4000 -> 10.0.0.2:25 SA`. */
function datagram(event: EventRecord): string {
  const kind = event.value4 & 0xff;
  const { protocol } = event;
  const isTranslation = event.value === steps.TRACE_TRANSLATE;
  if (!isTranslation && kind < IPV4 && event.addrs6 === null) return kind === ARP ? 'arp' : KINDS[kind]!;
  if (event.src === 0 && event.dst === 0 && event.addrs6 === null) return `${KINDS[kind]} that was not read`;
  const hasPorts = (protocol === TCP || protocol === UDP) && (event.value4 & steps.TRACE_FRAGMENT) === 0;
  const ports = (port: number): string => (hasPorts ? `:${port}` : '');
  const ends = `${initiatorAddr(event)}${ports(event.srcPort)} -> ${responderAddr(event)}${ports(event.dstPort)}`;
  const fragment = (event.value4 & steps.TRACE_FRAGMENT) === 0 ? '' : ' fragment';
  return `${PROTOCOL_NAMES[protocol] ?? `protocol ${protocol}`} ${ends}${fragment}${isTranslation ? '' : transport(event)}`;
}

function transport({ protocol, value4, srcPort, dstPort }: EventRecord): string {
  if ((value4 & steps.TRACE_FRAGMENT) !== 0) return '';
  if (protocol === ICMP) return ` ${srcPort}/${dstPort}`;
  if (protocol !== TCP) return '';
  const bits = (value4 >> 8) & 0xff;
  return ` ${[...CONTROL].filter((_, bit) => (bits & (1 << bit)) !== 0).join('') || '-'}`;
}

function accessText(event: EventRecord, policy: PolicySnapshot): string {
  const list = policy.accessLists[event.value2];
  const where = `${interfaceName(event, policy)} ${event.dst === 0 ? 'in' : 'out'}`;
  const sequence = list?.entries[event.value3]?.sequence;
  const by = sequence === undefined ? 'at its end' : `by entry ${sequence}`;
  return `access list ${list?.name ?? '?'} ${event.value4 === 1 ? 'permits' : 'denies'} ${by} (${where})`;
}

function ruleText(event: EventRecord, policy: PolicySnapshot): string {
  const rule = policy.rules[event.rule];
  if (event.value2 === 0 || rule === undefined) return 'no inspection rule covers it';
  return `inspection rule ${rule.name}, ${rule.entries[event.entry]?.keyword ?? '?'}`;
}

/** As `show ip inspect sessions` prints it. */
function sessionId(session: number): string {
  return (SESSION_ID_BASE + session * SESSION_ID_STEP).toString(16).toUpperCase();
}

function reasonText({ reason }: EventRecord): string {
  const { name, meaning } = REASONS[reason]!;
  return `${name} (${meaning})`;
}

function interfaceName(event: EventRecord, policy: PolicySnapshot): string {
  return policy.interfaces[event.interface]?.name ?? 'no interface';
}
