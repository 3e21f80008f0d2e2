// What virtual reassembly tells the control plane: one event for each datagram that it refuses or gives up, and one each time the table
// of an interface begins to overflow.
//
// value: the limit that was exceeded, else 0; value2: TABLE_OVERFLOW or 0.

import { type Frames, KIND_IPV6 } from '../frame/frames.ts';
import type { Region } from '../frame/region.ts';
import {
  EVENT_REASSEMBLY,
  E_ADDRS6,
  E_DST,
  E_NSEC,
  E_PROTOCOL,
  E_SEC,
  E_SRC,
  E_TIME,
  E_VALUE,
  E_VALUE2,
  type EventRing,
  TABLE_OVERFLOW,
} from '../telemetry/event-ring.ts';
import { IP_FRAG_LIMIT, type Reason } from '../telemetry/reasons.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';

/** The datagram to which frame `f` belongs was refused for `reason`. */
export function reportDatagram(
  events: EventRing,
  frames: Frames,
  region: Region,
  f: number,
  reason: Reason,
  limit: number,
  now: number,
): void {
  const at = claim(events, frames, f, reason, limit, now);
  if (at < 0) return;
  const l3 = frames.l3[f]!;
  if (frames.kind[f] === KIND_IPV6) {
    for (let i = 0; i < 8; i++) events.words[at + E_ADDRS6 + i] = ipv6.addrWord(region.view, l3 + ipv6.SRC_ADDR, i);
  } else {
    events.words[at + E_SRC] = ipv4.srcAddr(region.view, l3);
    events.words[at + E_DST] = ipv4.dstAddr(region.view, l3);
  }
  events.commit();
}

/** Fragment `f` found `limit` datagrams in reassembly on its interface. */
export function reportTableOverflow(events: EventRing, frames: Frames, f: number, limit: number, now: number): void {
  const at = claim(events, frames, f, IP_FRAG_LIMIT, limit, now);
  if (at < 0) return;
  events.words[at + E_VALUE2] = TABLE_OVERFLOW;
  events.commit();
}

function claim(events: EventRing, frames: Frames, f: number, reason: Reason, limit: number, now: number): number {
  const at = events.claim(EVENT_REASSEMBLY, reason);
  if (at < 0) return at;
  const { words } = events;
  words[at + E_TIME] = now;
  words[at + E_SEC] = frames.stampSec;
  words[at + E_NSEC] = frames.stampNsec;
  words[at + E_PROTOCOL] = frames.protocol[f]! | (frames.ingress[f]! << 8);
  words[at + E_VALUE] = limit;
  return at;
}
