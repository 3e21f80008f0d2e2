// A message of the log: `%FACILITY-SEVERITY-MNEMONIC: text`, and pieces that several families share.

import { formatAddress } from '../../config/language/address.ts';
import type { EventRecord } from '../../telemetry/event-record.ts';

export interface LogMessage {
  readonly facility: string;
  /** 0 emergency to 7 debugging. */
  readonly severity: number;
  readonly mnemonic: string;
  readonly text: string;
}

export function message(facility: string, severity: number, mnemonic: string, text: string): LogMessage {
  return { facility, severity, mnemonic, text };
}

export function formatMessage({ facility, severity, mnemonic, text }: LogMessage): string {
  return `%${facility}-${severity}-${mnemonic}: ${text}`;
}

/** Octets as text: what is not printable ASCII as `\xNN`. */
export function printable(octets: string): string {
  return octets.replace(/[^\x20-\x7e]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** `1 packet`, `2 packets`. */
export function packets(count: number): string {
  return `${count} packet${count === 1 ? '' : 's'}`;
}

/** Four words of an IPv6 address in the form of RFC 5952. */
export function formatAddress6(words: readonly number[]): string {
  const groups = words.flatMap((word) => [(word >>> 16).toString(16), (word & 0xffff).toString(16)]);
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

export function initiatorAddr({ src, addrs6 }: EventRecord): string {
  return addrs6 === null ? formatAddress(src) : formatAddress6(addrs6.slice(0, 4));
}

export function responderAddr({ dst, addrs6 }: EventRecord): string {
  return addrs6 === null ? formatAddress(dst) : formatAddress6(addrs6.slice(4, 8));
}

const ICMP = 1;
const ICMP6 = 58;
const ECHO = 8;

/** `10.0.0.1:4000`.  A query has its type for a port, as in `show ip inspect sessions`. */
export function initiator(event: EventRecord): string {
  return `${initiatorAddr(event)}:${isQuery(event) ? ECHO : event.srcPort}`;
}

export function responder(event: EventRecord): string {
  return `${responderAddr(event)}:${isQuery(event) ? 0 : event.dstPort}`;
}

function isQuery({ protocol }: EventRecord): boolean {
  return protocol === ICMP || protocol === ICMP6;
}
