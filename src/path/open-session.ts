// Makes a session of its first frame: the record with both keys, its inspector, thresholds, timers.
//
// The words of the record that admit has decided stand in `opening`, one object for the process.

import { KIND_IPV6, NO_FRAME } from '../frame/frames.ts';
import { find, permits } from '../policy/access-list.ts';
import type { InspectEntry } from '../policy/snapshot.ts';
import {
  AUDITED,
  BRIDGED,
  COUNTED_HALF_OPEN,
  DST,
  FORWARD_PORT_SHIFT,
  INSPECTED,
  KIND,
  LAST_HEARD,
  NEIGHBOURS,
  OPENING,
  PORTS,
  RECORD_SHIFT,
  REPLY_DST,
  REPLY_PORTS,
  REPLY_PORT_SHIFT,
  REPLY_SRC,
  SRC,
  STATE,
  TRANSLATED,
  VLAN,
} from '../session/record.ts';
import { SESSIONS_CURRENT, SESSIONS_HALF_OPEN, SESSIONS_MAX_EVER, SESSIONS_OPENED, SESSIONS_REFUSED } from '../telemetry/counters.ts';
import { OK, type Reason, SESSION_MAX_SESSIONS, SESSION_TABLE_FULL } from '../telemetry/reasons.ts';
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { DataPlane } from './data-plane.ts';
import { resetHalfOpen } from './half-open-reset.ts';
import { auditStart, sessionDeadline } from './session-life.ts';
import { key } from './session-key.ts';

const DNS_PORT = 53;

/** What admit decided about a first frame. */
export const opening = {
  /** The frame. */
  frame: NO_FRAME,
  /** -1: not found. */
  egress: -1,
  /** As the frame leaves: source, destination, ports word. */
  newSrc: 0,
  newDst: 0,
  newPorts: 0,
  /** Place of the route to its source in the forwarding table, -1: none. */
  sourceRoute: -1,
  /** Address whose MAC address the frame needs. */
  nextHop: 0,
  /** Neighbour numbers of the next hops, forward and back; 0 in a bridge. */
  neighbour: 0,
  replyNeighbour: 0,
  /** Index of the inspection rule and its entry; rule -1: none covers it. */
  rule: -1,
  entry: -1,
  /** An ICMP error of no session that NAT takes part in, and its inner datagram as it leaves. */
  isError: false,
  innerSrc: 0,
  innerDst: 0,
  innerPorts: 0,
  /** NAT binding in use, -1: static or none. */
  binding: -1,
  bridged: false,
  /** The session that was made, -1: none. */
  session: -1,
  /** Access lists that were asked, at most two: list, entry (-1: the end of the list), interface. */
  asked: new Int32Array(6),
  askedCount: 0,
};

/** Begins with frame `f`, whose key is in `key`: nothing is decided, it leaves as it came. */
export function beginOpening(f: number, bridged: boolean): void {
  opening.frame = f;
  opening.egress = -1;
  opening.newSrc = key.src;
  opening.newDst = key.dst;
  opening.newPorts = key.ports;
  opening.nextHop = 0;
  opening.neighbour = 0;
  opening.replyNeighbour = 0;
  opening.rule = -1;
  opening.isError = false;
  opening.binding = -1;
  opening.bridged = bridged;
  opening.session = -1;
  opening.askedCount = 0;
}

/** Access list `list` was asked at interface `port` and `entry` decided. */
export function noteAccess(list: number, entry: number, port: number): void {
  const at = opening.askedCount * 3;
  opening.asked[at] = list;
  opening.asked[at + 1] = entry;
  opening.asked[at + 2] = port;
  opening.askedCount++;
}

/** The answer of openSession: a record becomes free when the victims have ended; ask again then. */
export const RETRY = -2;

/**
 * Opens a session for frame `f`, whose key is in `key`; sets frames.session and direction.  OK or why it is refused.  `again`: the
 * victims that it asks for have ended.
 */
export function openSession(p: DataPlane, f: number, again: boolean, now: number): Reason {
  const { sessions, counters, frames } = p;
  const entry = p.policy.rules[opening.rule]!.entries[opening.entry]!;
  const { sessionRow } = entry;
  if (entry.maxSessions > 0 && p.ruleSessions.count(sessionRow) >= entry.maxSessions) return refuse(p, SESSION_MAX_SESSIONS);
  const refused = again ? OK : makeRoom(p, now);
  if (refused !== OK) return refuse(p, refused);
  const session = sessions.allocate();
  if (session < 0) return p.closed.count > 0 ? RETRY : refuse(p, SESSION_TABLE_FULL);

  fillRecord(p, f, session);
  sessions.created[session] = now;
  sessions.createdSec[session] = frames.stampSec;
  sessions.epoch[session] = p.policy.epoch;
  sessions.rule[session] = (opening.rule << 16) | opening.entry;
  sessions.idleTimeout[session] = idleTimeoutOf(p, entry, key.kind & 0xff, opening.newPorts & 0xffff);
  sessions.binding[session] = opening.binding;
  sessions.inspector[session] = entry.inspector;
  sessions.set(session, LAST_HEARD, now);
  if (!opening.bridged) retain(p);
  if (entry.auditTrail) sessions.addFlag(session, AUDITED);
  sessions.insert(session);
  p.inserted++;
  frames.session[f] = session;
  frames.direction[f] = 0;
  opening.session = session;

  if (isInspected(p, entry, opening.newDst)) {
    sessions.addFlag(session, INSPECTED);
    p.streams.open(session, entry.inspector, entry.inspectorPolicy!, entry.maxData, now);
  }
  p.ruleSessions.enter(session, sessionRow);
  counters[SESSIONS_OPENED]!++;
  const current = ++counters[SESSIONS_CURRENT]!;
  if (current > counters[SESSIONS_MAX_EVER]!) counters[SESSIONS_MAX_EVER] = current;
  enterHalfOpen(p, session, now);
  p.wheel.schedule(session, sessionDeadline(p, session));
  auditStart(p, session, now);
  return OK;
}

/** Idle time-out of a session under `entry`, ms: dns-timeout overrides the idle time of UDP and the timeout of the line. */
export function idleTimeoutOf(p: DataPlane, entry: InspectEntry, protocol: number, responderPort: number): number {
  return protocol === PROTOCOL_UDP && responderPort === DNS_PORT ? p.policy.timers.dns : entry.timeout;
}

/** The session keeps its next hops and its binding. */
function retain(p: DataPlane): void {
  p.neighbours.retain(opening.neighbour);
  p.neighbours.retain(opening.replyNeighbour);
  p.nat.retain(opening.binding);
}

/** Are the octets of a session to `responder` looked at?  HTTP only of sites that the java-list does not permit. */
export function isInspected(p: DataPlane, entry: InspectEntry, responder: number): boolean {
  if (entry.inspector < 0 || entry.inspectorPolicy === null || entry.protocol !== PROTOCOL_TCP) return false;
  if (entry.javaList < 0) return true;
  const list = p.policy.accessLists[entry.javaList]!;
  return !permits(list, find(list, responder, responder, 0, 0, 0, 0, 0, false));
}

/** Thresholds: OK, or why the new session is refused; victims are ended first. */
function makeRoom(p: DataPlane, now: number): Reason {
  const protocol = key.kind & 0xff;
  const reason = p.thresholds.admit(protocol, key.src, opening.newDst, now);
  for (let victim = p.thresholds.nextVictim(); victim >= 0; victim = p.thresholds.nextVictim()) {
    if (p.sessions.protocol(victim) === PROTOCOL_TCP) resetHalfOpen(p, victim, p.resets);
    // Ended when its resets have been translated.
    p.closed.add(victim);
  }
  return reason;
}

function enterHalfOpen(p: DataPlane, session: number, now: number): void {
  const protocol = p.sessions.protocol(session);
  p.thresholds.opened(session, opening.newDst, now);
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return;
  p.sessions.addFlag(session, COUNTED_HALF_OPEN);
  p.counters[SESSIONS_HALF_OPEN]!++;
}

function refuse(p: DataPlane, reason: Reason): Reason {
  p.counters[SESSIONS_REFUSED]!++;
  return reason;
}

function fillRecord(p: DataPlane, f: number, session: number): void {
  const { hot } = p.sessions;
  const at = session << RECORD_SHIFT;
  const ingress = p.frames.ingress[f]!;
  hot[at + SRC] = key.src;
  hot[at + DST] = key.dst;
  hot[at + PORTS] = key.ports;
  hot[at + REPLY_SRC] = opening.newDst;
  hot[at + REPLY_DST] = opening.newSrc;
  hot[at + REPLY_PORTS] = (opening.newPorts << 16) | (opening.newPorts >>> 16);
  hot[at + KIND] = (key.kind & 0x1ff) | (ingress << FORWARD_PORT_SHIFT) | (opening.egress << REPLY_PORT_SHIFT);
  hot[at + VLAN] = key.vlan;
  const translated = opening.newSrc !== key.src || opening.newDst !== key.dst || opening.newPorts !== key.ports;
  hot[at + STATE] = OPENING | (translated ? TRANSLATED : 0) | (opening.bridged ? BRIDGED : 0);
  hot[at + NEIGHBOURS] = opening.neighbour | (opening.replyNeighbour << 16);
  if (p.frames.kind[f] === KIND_IPV6) p.sessions.addrs6.set(p.sessions.probe6, session * 8);
  rememberMacs(p, f, session);
}

/** Resets in a transparent pair carry the MAC addresses of the session. */
function rememberMacs(p: DataPlane, f: number, session: number): void {
  const { macs } = p.sessions;
  const at = p.frames.offset[f]!;
  macs[session * 4] = ethernet.macHigh(p.view, at + ethernet.SRC_MAC);
  macs[session * 4 + 1] = ethernet.macLow(p.view, at + ethernet.SRC_MAC);
  macs[session * 4 + 2] = ethernet.macHigh(p.view, at);
  macs[session * 4 + 3] = ethernet.macLow(p.view, at);
}
