// Access list logging: an event for the first packet of a flow at once, then one every five minutes with the count since.
//
// Flows are remembered in a small direct-mapped cache; one that loses its place is reported again as new.  The texts
// (%SEC-6-IPACCESSLOGP ...) are the console's.

import { type CompiledAccessList, R_FIRST, R_SECOND, RULE_WORDS } from '../policy/access-list.ts';
import {
  EVENT_ACCESS_LOG,
  E_DST,
  E_NSEC,
  E_PORTS,
  E_PROTOCOL,
  E_RULE,
  E_SEC,
  E_SRC,
  E_TIME,
  E_VALUE,
  E_VALUE2,
  E_VALUE3,
  E_VALUE4,
} from '../telemetry/event-ring.ts';
import { OK } from '../telemetry/reasons.ts';
import type { DataPlane } from './data-plane.ts';
import * as ethernet from '../wire/ethernet.ts';
import { PROTOCOL_ICMP } from '../wire/ipv4.ts';
import { facts } from './facts.ts';
import { opening } from './open-session.ts';

const PLACES = 1024;
/** IOS reports the hits of a flow every five minutes. */
const INTERVAL = 300_000;

export class AccessLog {
  readonly src = new Int32Array(PLACES);
  readonly dst = new Int32Array(PLACES);
  readonly ports = new Int32Array(PLACES);
  readonly protocol = new Int32Array(PLACES);
  readonly entry = new Int32Array(PLACES).fill(-1);
  readonly packets = new Int32Array(PLACES);
  readonly reported = new Int32Array(PLACES);
}

/** Entry `entry` of access list `list` (indexes) with `log` matched the datagram in `facts`, of the frame in `opening`. */
export function logAccess(p: DataPlane, list: number, entry: number): void {
  const log = p.accessLog;
  const key = (list << 16) | (entry & 0xffff);
  const ports = portsRead(p.policy.accessLists[list]!, entry);
  const h = Math.imul(facts.src ^ Math.imul(facts.dst ^ Math.imul(ports, 31), 31) ^ key ^ facts.protocol, 0x9e3779b1);
  const i = (h ^ (h >>> 15)) & (PLACES - 1);
  const known =
    log.entry[i] === key &&
    log.src[i] === facts.src &&
    log.dst[i] === facts.dst &&
    log.ports[i] === ports &&
    log.protocol[i] === facts.protocol;
  if (!known) {
    log.entry[i] = key;
    log.src[i] = facts.src;
    log.dst[i] = facts.dst;
    log.ports[i] = ports;
    log.protocol[i] = facts.protocol;
    log.packets[i] = 0;
  }
  log.packets[i]!++;
  if (known && ((p.now - log.reported[i]!) | 0) < INTERVAL) return;
  report(p, list, entry, ports, log.packets[i]!);
  log.packets[i] = 0;
  log.reported[i] = p.now;
}

/** Ports of TCP and UDP are 0 where the entry does not compare them, as in IOS, and all are one flow; ICMP has type and code. */
function portsRead(list: CompiledAccessList, entry: number): number {
  const at = entry * RULE_WORDS;
  const isRead = facts.protocol === PROTOCOL_ICMP || list.rules[at + R_FIRST] !== 0 || list.rules[at + R_SECOND] !== 0;
  return isRead ? (facts.first << 16) | facts.second : 0;
}

function report(p: DataPlane, list: number, entry: number, ports: number, packets: number): void {
  const at = p.events.claim(EVENT_ACCESS_LOG, OK);
  if (at < 0) return;
  const { words } = p.events;
  words[at + E_TIME] = p.now;
  words[at + E_SEC] = p.frames.stampSec;
  words[at + E_NSEC] = p.frames.stampNsec;
  words[at + E_SRC] = facts.src;
  words[at + E_DST] = facts.dst;
  words[at + E_PORTS] = ports;
  words[at + E_PROTOCOL] = facts.protocol | (p.frames.ingress[opening.frame]! << 8);
  words[at + E_VALUE] = list;
  words[at + E_VALUE2] = entry;
  words[at + E_VALUE3] = packets;
  // For `log-input`: where it came from on the link.
  const link = p.frames.offset[opening.frame]!;
  words[at + E_VALUE4] = ethernet.macLow(p.view, link + ethernet.SRC_MAC);
  words[at + E_RULE] = ethernet.macHigh(p.view, link + ethernet.SRC_MAC);
  p.events.commit();
}
