// %SEC: hits of access list entries with `log` and `log-input`.

import { PROTOCOLS } from '../../config/access-list-names.ts';
import { formatAddress } from '../../config/language/address.ts';
import type { CompiledAccessList } from '../../policy/access-list.ts';
import type { EventRecord } from '../../telemetry/event-record.ts';
import { type LogMessage, message, packets } from './message.ts';

const FACILITY = 'SEC';
const SEVERITY = 6;
const ICMP = 1;
const TCP = 6;
const UDP = 17;

/**
 * value is the list, value2 the entry, value3 the packets since the last message of the flow; value4 and the rule word hold the
 * source MAC address, low 32 and high 16 bits.  `where` is the name of the interface.
 */
export function accessLogMessage(event: EventRecord, list: CompiledAccessList, where: string): LogMessage {
  const entry = list.entries[event.value2]!;
  const head = `list ${list.name} ${entry.permit ? 'permitted' : 'denied'}`;
  const src = formatAddress(event.src);
  const tail = packets(event.value3);
  if (list.standard) return message(FACILITY, SEVERITY, 'IPACCESSLOGS', `${head} ${src} ${tail}`);
  const from = entry.logInput ? ` (${where} ${macOf(event)})` : '';
  const dst = formatAddress(event.dst);
  const { protocol } = event;
  if (protocol === TCP || protocol === UDP) {
    const name = protocol === TCP ? 'tcp' : 'udp';
    return message(
      FACILITY,
      SEVERITY,
      'IPACCESSLOGP',
      `${head} ${name} ${src}(${event.srcPort})${from} -> ${dst}(${event.dstPort}), ${tail}`,
    );
  }
  if (protocol === ICMP) {
    return message(
      FACILITY,
      SEVERITY,
      'IPACCESSLOGDP',
      `${head} icmp ${src}${from} -> ${dst} (${event.srcPort}/${event.dstPort}), ${tail}`,
    );
  }
  const name = NAMES.get(protocol);
  if (name === undefined) return message(FACILITY, SEVERITY, 'IPACCESSLOGNP', `${head} ${protocol} ${src}${from} -> ${dst}, ${tail}`);
  return message(FACILITY, SEVERITY, 'IPACCESSLOGRP', `${head} ${name} ${src}${from} -> ${dst}, ${tail}`);
}

/** Messages of flows that were not written, because too many came. */
export function accessLogLimited(count: number): LogMessage {
  return message(FACILITY, SEVERITY, 'IPACCESSLOGRL', `access-list logging rate-limited or missed ${packets(count)}`);
}

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(PROTOCOLS)
    .filter(([, number]) => number > 0)
    .map(([name, number]) => [number, name]),
);

function macOf(event: EventRecord): string {
  const digits = (event.entry.toString(16).padStart(4, '0') + (event.value4 >>> 0).toString(16).padStart(8, '0')).slice(-12);
  return `${digits.slice(0, 4)}.${digits.slice(4, 8)}.${digits.slice(8)}`;
}
