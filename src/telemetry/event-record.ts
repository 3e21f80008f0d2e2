// One record of the event ring as an object, for the control plane: console lines, the event log.

import {
  E_ADDRS6,
  E_DST,
  E_KIND,
  E_NSEC,
  E_PORTS,
  E_PROTOCOL,
  E_REASON,
  E_RULE,
  E_SEC,
  E_SESSION,
  E_SRC,
  E_TIME,
  E_VALUE,
  E_VALUE2,
  E_VALUE3,
  E_VALUE4,
  type EventRing,
} from './event-ring.ts';
import type { Reason } from './reasons.ts';

export interface EventRecord {
  /** EVENT_... */
  readonly kind: number;
  readonly reason: Reason;
  /** ms of the data plane's clock. */
  readonly time: number;
  /** Stamp of the frame, or of the timer. */
  readonly sec: number;
  readonly nsec: number;
  readonly session: number;
  /** IPv4 addresses of initiator and responder, int32; meaningless where addrs6 is not null. */
  readonly src: number;
  readonly dst: number;
  /** Eight words, initiator first, or null. */
  readonly addrs6: readonly number[] | null;
  readonly srcPort: number;
  readonly dstPort: number;
  /** IP protocol. */
  readonly protocol: number;
  /** Index of the ingress interface. */
  readonly interface: number;
  /** Index of the inspection rule and its entry. */
  readonly rule: number;
  readonly entry: number;
  /** What they are depends on the kind (event-ring.ts). */
  readonly value: number;
  readonly value2: number;
  readonly value3: number;
  readonly value4: number;
  /** One character an octet. */
  readonly text: string;
}

/** The record at word offset `at` (EventRing.peek). */
export function readRecord(ring: EventRing, at: number): EventRecord {
  const { words } = ring;
  const word = (offset: number): number => words[at + offset]!;
  const addrs6 = Array.from(words.subarray(at + E_ADDRS6, at + E_ADDRS6 + 8));
  return {
    kind: word(E_KIND),
    reason: word(E_REASON),
    time: word(E_TIME),
    sec: word(E_SEC),
    nsec: word(E_NSEC),
    session: word(E_SESSION),
    src: word(E_SRC),
    dst: word(E_DST),
    addrs6: addrs6.some((part) => part !== 0) ? addrs6 : null,
    srcPort: word(E_PORTS) >>> 16,
    dstPort: word(E_PORTS) & 0xffff,
    protocol: word(E_PROTOCOL) & 0xff,
    interface: (word(E_PROTOCOL) >> 8) & 0xff,
    rule: word(E_RULE) >> 16,
    entry: word(E_RULE) & 0xffff,
    value: word(E_VALUE),
    value2: word(E_VALUE2),
    value3: word(E_VALUE3),
    value4: word(E_VALUE4),
    text: ring.textOf(at),
  };
}
