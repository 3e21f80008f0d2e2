// Access list logging: an event for the first packet of a flow at once, then one every five minutes with the count since.
//
// Flows are remembered in a small direct-mapped cache; one that loses its place is reported again as new.  The texts
// (%SEC-6-IPACCESSLOGP ...) are the console's.

import {
  EVENT_ACCESS_LOG, E_DST, E_NSEC, E_PORTS, E_PROTOCOL, E_RULE, E_SEC, E_SRC, E_TIME, E_VALUE, E_VALUE2, E_VALUE3, E_VALUE4,
} from '../telemetry/event-ring.ts';
import { OK } from '../telemetry/reasons.ts';
import type { DataPlane } from './data-plane.ts';
import * as ethernet from '../wire/ethernet.ts';
import { facts } from './facts.ts';
import { opening } from './open-session.ts';

const PLACES = 1024;
/** IOS reports the hits of a flow every five minutes. */
const INTERVAL = 300_000;

export class AccessLog {
  readonly src = new Int32Array(PLACES);
  readonly dst = new Int32Array(PLACES);
  readonly entry = new Int32Array(PLACES).fill(-1);
  readonly packets = new Int32Array(PLACES);
  readonly reported = new Int32Array(PLACES);
}

/** Entry `entry` of access list `list` (indexes) with `log` matched the datagram in `facts`, at interface `port`. */
export function logAccess(p: DataPlane, list: number, entry: number, port: number): void {
  const log = p.accessLog;
  const key = (list << 16) | (entry & 0xffff);
  const h = Math.imul(facts.src ^ Math.imul(facts.dst, 31) ^ key, 0x9e3779b1);
  const i = (h ^ (h >>> 15)) & (PLACES - 1);
  const known = log.entry[i] === key && log.src[i] === facts.src && log.dst[i] === facts.dst;
  if (!known) {
    log.entry[i] = key;
    log.src[i] = facts.src;
    log.dst[i] = facts.dst;
    log.packets[i] = 0;
  }
  log.packets[i]!++;
  if (known && ((p.now - log.reported[i]!) | 0) < INTERVAL) return;
  report(p, list, entry, port, log.packets[i]!);
  log.packets[i] = 0;
  log.reported[i] = p.now;
}

function report(p: DataPlane, list: number, entry: number, port: number, packets: number): void {
  const at = p.events.claim(EVENT_ACCESS_LOG, OK);
  if (at < 0) return;
  const { words } = p.events;
  words[at + E_TIME] = p.now;
  words[at + E_SEC] = p.frames.stampSec;
  words[at + E_NSEC] = p.frames.stampNsec;
  words[at + E_SRC] = facts.src;
  words[at + E_DST] = facts.dst;
  words[at + E_PORTS] = (facts.first << 16) | facts.second;
  words[at + E_PROTOCOL] = facts.protocol | (port << 8);
  words[at + E_VALUE] = list;
  words[at + E_VALUE2] = entry;
  words[at + E_VALUE3] = packets;
  // For `log-input`: where it came from on the link.
  const link = p.frames.offset[opening.frame]!;
  words[at + E_VALUE4] = ethernet.macLow(p.view, link + ethernet.SRC_MAC);
  words[at + E_RULE] = ethernet.macHigh(p.view, link + ethernet.SRC_MAC);
  p.events.commit();
}
