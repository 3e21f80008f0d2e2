// One event a dropped frame, for `ip inspect log drop-pkt`, the event log and %FW-6-DROP_PKT.  Off, it costs one compare a
// drop.  Rate limits are the reader's: the ring loses what is too much, and counts it.

import { BATCH, KIND_IPV4, KIND_IPV6 } from '../frame/frames.ts';
import {
  EVENT_DROP,
  E_ADDRS6,
  E_DST,
  E_NSEC,
  E_PORTS,
  E_PROTOCOL,
  E_REASON,
  E_SEC,
  E_SESSION,
  E_SRC,
  E_TIME,
  E_VALUE,
  E_VALUE2,
  E_VALUE3,
  E_VALUE4,
} from '../telemetry/event-ring.ts';
import { OK, type Reason } from '../telemetry/reasons.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';
import type { DataPlane } from './data-plane.ts';

/** Records that frame `f` is dropped for `reason`. */
export function logDrop(p: DataPlane, f: number, reason: Reason): void {
  // Not counted as an event of that name: what is logged must not change what is counted.
  const at = p.events.claim(EVENT_DROP, OK);
  if (at < 0) return;
  const { frames } = p;
  const { words } = p.events;
  words[at + E_REASON] = reason;
  words[at + E_TIME] = p.now;
  // A frame of the batch may fail in decode, before its turn.
  words[at + E_SEC] = f < BATCH ? frames.sec[f]! : frames.stampSec;
  words[at + E_NSEC] = f < BATCH ? frames.nsec[f]! : frames.stampNsec;
  words[at + E_SESSION] = frames.session[f]!;
  words[at + E_PROTOCOL] = (frames.protocol[f]! & 0xff) | (frames.ingress[f]! << 8);
  if (frames.kind[f] === KIND_IPV4) readDatagram(p, f, at, words);
  else if (frames.kind[f] === KIND_IPV6) readDatagram6(p, f, at, words);
  p.events.commit();
}

/** Only what lies within the frame: a frame is dropped for being too short, too. */
function readDatagram(p: DataPlane, f: number, at: number, words: Int32Array): void {
  const { frames, view } = p;
  const l3 = frames.l3[f]!;
  const end = frames.offset[f]! + frames.length[f]!;
  if (l3 + ipv4.MIN_HEADER_LENGTH > end) return;
  words[at + E_SRC] = ipv4.srcAddr(view, l3);
  words[at + E_DST] = ipv4.dstAddr(view, l3);
  words[at + E_VALUE] = ipv4.identification(view, l3);
  const l4 = l3 + ipv4.headerLength(view, l3);
  const protocol = ipv4.protocol(view, l3);
  words[at + E_PROTOCOL] = protocol | (frames.ingress[f]! << 8);
  if (l4 + 4 > end || (protocol !== ipv4.PROTOCOL_TCP && protocol !== ipv4.PROTOCOL_UDP)) return;
  words[at + E_PORTS] = view.getInt32(l4);
  if (protocol !== ipv4.PROTOCOL_TCP || l4 + tcp.MIN_HEADER_LENGTH > end) return;
  words[at + E_VALUE2] = view.getUint16(l4 + 12);
  words[at + E_VALUE3] = tcp.seqNum(view, l4);
  words[at + E_VALUE4] = tcp.ackNum(view, l4);
}

/** Addresses alone. */
function readDatagram6(p: DataPlane, f: number, at: number, words: Int32Array): void {
  const l3 = p.frames.l3[f]!;
  if (l3 + ipv6.HEADER_LENGTH > p.frames.offset[f]! + p.frames.length[f]!) return;
  for (let i = 0; i < 8; i++) words[at + E_ADDRS6 + i] = ipv6.addrWord(p.view, l3 + ipv6.SRC_ADDR, i);
}
