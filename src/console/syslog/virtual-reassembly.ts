// %IP_VFR: what virtual reassembly refused.

import type { EventRecord } from '../../telemetry/event-record.ts';
import { TABLE_OVERFLOW } from '../../telemetry/event-ring.ts';
import { IP_FRAG_BADLEN, IP_FRAG_LIMIT, IP_FRAG_OVERLAP, IP_FRAG_OVERSIZE, IP_FRAG_TINY } from '../../telemetry/reasons.ts';
import { initiatorAddr, type LogMessage, message, responderAddr } from './message.ts';

const FACILITY = 'IP_VFR';

/** Undefined where IOS has no message: a duplicate, a time-out, `drop-fragments`.  `where` is the name of the interface. */
export function reassemblyMessage(event: EventRecord, where: string): LogMessage | undefined {
  const src = initiatorAddr(event);
  const dst = responderAddr(event);
  switch (event.reason) {
    case IP_FRAG_LIMIT:
      if (event.value2 === TABLE_OVERFLOW) {
        return message(FACILITY, 4, 'FRAG_TABLE_OVERFLOW', `${where}: the fragment table has reached its maximum threshold ${event.value}`);
      }
      return message(
        FACILITY,
        4,
        'TOO_MANY_FRAGMENTS',
        `${where}: Too many fragments per datagram (more than ${event.value}) - sent by ${src}, destined to ${dst}`,
      );
    case IP_FRAG_TINY:
      return message(
        FACILITY,
        4,
        'TINY_FRAGMENTS',
        `${where}: TCP segment is 14 bytes or less in length- sent by ${src}, destined to ${dst}`,
      );
    case IP_FRAG_OVERLAP:
      return message(FACILITY, 3, 'OVERLAP_FRAGMENTS', `${where}: from the host ${src} destined to ${dst}`);
    case IP_FRAG_BADLEN:
    case IP_FRAG_OVERSIZE:
      return message(FACILITY, 3, 'INVALID_FRAG_LENGTH', `${where}: fragment length invalid - received from ${src}, destined to ${dst}`);
    default:
      return undefined;
  }
}
