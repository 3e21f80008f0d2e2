// `debug postern packet`: what became of a frame, one record a step, as events.
//
// A traced frame takes the same path as any other.  What the steps decided is read before and after it from where they left it:
// `opening`, the session, the transmit queue, the counters of events.  So the steps know nothing of the trace, and a frame
// that is not traced costs one compare.
// Not here: the texts (console/packet-trace.ts).

import {
  CONSUMED,
  FRAGMENT,
  GENERATED,
  KIND_ARP,
  KIND_IPV4,
  KIND_IPV6,
  KIND_OTHER,
  NO_FRAME,
  NO_SESSION,
  PENDING,
  QUEUED,
} from '../frame/frames.ts';
import { type CompiledAccessList, find, permits } from '../policy/access-list.ts';
import { INSPECTED } from '../session/record.ts';
import { EVENTS } from '../telemetry/counters.ts';
import {
  EVENT_TRACE,
  E_ADDRS6,
  E_DST,
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
  TRACE_ACCESS_LIST,
  TRACE_DEFRAGMENT,
  TRACE_EMIT,
  TRACE_END,
  TRACE_EVENT,
  TRACE_FRAGMENT,
  TRACE_LOOKUP,
  TRACE_OPEN,
  TRACE_RECEIVE,
  TRACE_RELEASE,
  TRACE_ROUTE,
  TRACE_RULE,
  TRACE_TRACK,
  TRACE_TRANSLATE,
} from '../telemetry/event-ring.ts';
import { OK, REASON_COUNT } from '../telemetry/reasons.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';
import type { DataPlane } from './data-plane.ts';
import { facts, readFacts } from './facts.ts';
import { opening } from './open-session.ts';
import { findSession, hasKey, key } from './session-key.ts';

export class PacketTrace {
  /** Frames are looked at. */
  isOn = false;
  /** Only frames that it permits; null: all. */
  private list: CompiledAccessList | null = null;
  /** Frames still to be traced, -1: any number. */
  private left = -1;
  /** Number of the frame at hand. */
  number = 0;
  /** The frame at hand is traced. */
  isTracing = false;
  /** What stood before it: frames on the transmit queue, what decode said, its session. */
  queued = 0;
  passedDecode = false;
  session = NO_SESSION;
  state = 0;
  payload = 0;
  sec = 0;
  nsec = 0;
  readonly events = new Float64Array(REASON_COUNT);

  /** Traces `count` frames (0: until stop()) that `list` permits. */
  start(list: CompiledAccessList | null, count: number): void {
    this.isOn = true;
    this.list = list;
    this.left = count === 0 ? -1 : count;
    this.number = 0;
  }

  stop(): void {
    this.isOn = false;
    this.isTracing = false;
  }

  /** True when frame `f` is to be traced. */
  takes(p: DataPlane, f: number): boolean {
    if (this.left === 0) this.stop();
    if (!this.isOn || (this.list !== null && !isPermitted(p, f, this.list))) return false;
    if (this.left > 0) this.left--;
    this.number++;
    return true;
  }
}

/** Frames that are no whole IPv4 header are permitted by no list; of a fragment only addresses and protocol count. */
function isPermitted(p: DataPlane, f: number, list: CompiledAccessList): boolean {
  const { frames, view } = p;
  const l3 = frames.l3[f]!;
  if (frames.kind[f] !== KIND_IPV4 || l3 + ipv4.MIN_HEADER_LENGTH > frames.offset[f]! + frames.length[f]!) return false;
  if (frames.fate[f] !== PENDING || (frames.flags[f]! & FRAGMENT) !== 0) {
    return permits(
      list,
      find(list, ipv4.srcAddr(view, l3), ipv4.dstAddr(view, l3), ipv4.protocol(view, l3), ipv4.tos(view, l3), 0, 0, 0, true),
    );
  }
  readFacts(p, f);
  return permits(list, find(list, facts.src, facts.dst, facts.protocol, facts.tos, facts.first, facts.second, facts.control, false));
}

/** Before frame `f` takes its path; decode has seen it. */
export function beginTrace(p: DataPlane, f: number): void {
  const { trace, frames } = p;
  trace.isTracing = trace.takes(p, f);
  if (!trace.isTracing) return;
  trace.sec = frames.sec[f]!;
  trace.nsec = frames.nsec[f]!;
  trace.queued = p.ledger.transmitQueue.count;
  trace.passedDecode = frames.fate[f] === PENDING;
  const isWhole = trace.passedDecode && hasKey(frames, f);
  // The hint of the batch may be out of date.
  if (isWhole) findSession(p, f);
  trace.session = isWhole ? frames.session[f]! : NO_SESSION;
  trace.state = trace.session === NO_SESSION ? 0 : p.sessions.state(trace.session);
  trace.payload = frames.end[f]! - frames.payload[f]!;
  for (let r = 0; r < REASON_COUNT; r++) trace.events[r] = p.counters[EVENTS + r]!;
  opening.frame = NO_FRAME;
  traceReceive(p, f);
  if (isWhole) put(p, TRACE_LOOKUP, trace.session, frames.direction[f]!, trace.state);
}

/** Behind its path. */
export function endTrace(p: DataPlane, f: number): void {
  const { trace, frames } = p;
  if (!trace.isTracing) return;
  const fate = frames.fate[f]!;
  const isFragment = (frames.flags[f]! & FRAGMENT) !== 0;
  if (isFragment && trace.passedDecode) put(p, TRACE_DEFRAGMENT, fate === CONSUMED || fate === QUEUED ? 1 : 0, 0, 0);
  if (opening.frame !== NO_FRAME) traceOpening(p, f);
  const session = opening.frame !== NO_FRAME ? opening.session : trace.session;
  if (session !== NO_SESSION) put(p, TRACE_TRACK, trace.state, p.sessions.state(session), 0);
  traceEvents(p);
  if (session !== NO_SESSION && p.sessions.hasFlag(session, INSPECTED)) traceRelease(p, f, session);
  traceEmission(p);
  const at = claim(p, TRACE_END);
  if (at < 0) return;
  p.events.words[at + E_VALUE2] = fate;
  p.events.words[at + E_REASON] = frames.reason[f]!;
  p.events.commit();
}

function traceReceive(p: DataPlane, f: number): void {
  const { frames, view, trace } = p;
  const at = claim(p, TRACE_RECEIVE);
  if (at < 0) return;
  const { words } = p.events;
  const isFragment = (frames.flags[f]! & FRAGMENT) !== 0;
  words[at + E_VALUE2] = frames.wireLength[f]!;
  words[at + E_VALUE4] = frames.kind[f]! | (isFragment ? TRACE_FRAGMENT : 0);
  words[at + E_PROTOCOL] = frames.ingress[f]! << 8;
  if (trace.passedDecode) {
    writeDatagram(p, at, frames.kind[f]!, frames.l3[f]!, frames.protocol[f]!, isFragment ? -1 : frames.l4[f]!);
    if (frames.protocol[f] === ipv4.PROTOCOL_TCP && !isFragment) words[at + E_VALUE3] = tcp.seqNum(view, frames.l4[f]!);
  }
  p.events.commit();
}

/** What admit decided of a datagram of no session, as far as it came. */
function traceOpening(p: DataPlane, f: number): void {
  for (let i = 0; i < opening.askedCount; i++) traceAccessList(p, f, i * 3);
  const changed = opening.newSrc !== key.src || opening.newDst !== key.dst || opening.newPorts !== key.ports;
  if (changed) traceAddresses(p, f);
  if (opening.egress >= 0) traceRoute(p);
  if (opening.egress >= 0 && p.frames.reason[f] === OK) traceRule(p);
  if (opening.session !== NO_SESSION) put(p, TRACE_OPEN, opening.session, 0, 0);
}

function traceAccessList(p: DataPlane, f: number, i: number): void {
  const { asked } = opening;
  const list = asked[i]!;
  const entry = asked[i + 1]!;
  const at = claim(p, TRACE_ACCESS_LIST);
  if (at < 0) return;
  const { words } = p.events;
  words[at + E_PROTOCOL] = asked[i + 2]! << 8;
  words[at + E_DST] = asked[i + 2] === p.frames.ingress[f] ? 0 : 1;
  words[at + E_VALUE2] = list;
  words[at + E_VALUE3] = entry;
  words[at + E_VALUE4] = permits(p.policy.accessLists[list]!, entry) ? 1 : 0;
  p.events.commit();
}

function traceAddresses(p: DataPlane, f: number): void {
  const at = claim(p, TRACE_TRANSLATE);
  if (at < 0) return;
  const { words } = p.events;
  words[at + E_SRC] = opening.newSrc;
  words[at + E_DST] = opening.newDst;
  words[at + E_PORTS] = opening.newPorts;
  words[at + E_PROTOCOL] = p.frames.protocol[f]!;
  p.events.commit();
}

function traceRoute(p: DataPlane): void {
  const at = claim(p, TRACE_ROUTE);
  if (at < 0) return;
  p.events.words[at + E_PROTOCOL] = opening.egress << 8;
  p.events.words[at + E_DST] = opening.bridged ? 0 : opening.nextHop;
  p.events.commit();
}

function traceRule(p: DataPlane): void {
  const at = claim(p, TRACE_RULE);
  if (at < 0) return;
  p.events.words[at + E_VALUE2] = opening.rule < 0 ? 0 : 1;
  p.events.words[at + E_RULE] = opening.rule < 0 ? 0 : (opening.rule << 16) | opening.entry;
  p.events.commit();
}

/** Octets that arrived, and those that leave in the same direction because of it. */
function traceRelease(p: DataPlane, f: number, session: number): void {
  const { trace, frames } = p;
  const { transmitQueue } = p.ledger;
  let leaving = 0;
  for (let i = trace.queued; i < transmitQueue.count; i++) {
    const g = transmitQueue.frames[i]!;
    if (frames.session[g] === session && frames.direction[g] === frames.direction[f]) leaving += frames.end[g]! - frames.payload[g]!;
  }
  put(p, TRACE_RELEASE, trace.payload, leaving, 0);
}

/** What inspectors and the normaliser reported meanwhile. */
function traceEvents(p: DataPlane): void {
  for (let r = 1; r < REASON_COUNT; r++) {
    const times = p.counters[EVENTS + r]! - p.trace.events[r]!;
    if (times === 0) continue;
    const at = claim(p, TRACE_EVENT);
    if (at < 0) return;
    p.events.words[at + E_REASON] = r;
    p.events.words[at + E_VALUE2] = times;
    p.events.commit();
  }
}

/** What waits for its port now, because of this frame. */
function traceEmission(p: DataPlane): void {
  const { transmitQueue } = p.ledger;
  for (let i = p.trace.queued; i < transmitQueue.count; i++) traceLeaving(p, transmitQueue.frames[i]!);
}

/** Read from its octets: frames that answer one have no columns. */
function traceLeaving(p: DataPlane, g: number): void {
  const { frames, view } = p;
  const at = claim(p, TRACE_EMIT);
  if (at < 0) return;
  const { words } = p.events;
  const l3 = behindTags(view, frames.offset[g]!);
  const kind = kindOf(ethernet.etherType(view, l3 - 2));
  words[at + E_VALUE2] = frames.length[g]!;
  words[at + E_VALUE3] = (frames.flags[g]! & GENERATED) === 0 ? 1 : 0;
  words[at + E_VALUE4] = kind;
  words[at + E_PROTOCOL] = frames.egress[g]! << 8;
  if (kind === KIND_IPV4) writeDatagram(p, at, kind, l3, ipv4.protocol(view, l3), transportOf(view, l3));
  else if (kind === KIND_IPV6) writeDatagram(p, at, kind, l3, frames.protocol[g]!, frames.l4[g]!);
  p.events.commit();
}

function behindTags(view: DataView, offset: number): number {
  let at = offset + ethernet.ETHER_TYPE;
  while (ethernet.isTag(ethernet.etherType(view, at))) at += ethernet.TAG_LENGTH;
  return at + 2;
}

function kindOf(type: number): number {
  if (type === ethernet.TYPE_IPV4) return KIND_IPV4;
  if (type === ethernet.TYPE_IPV6) return KIND_IPV6;
  return type === ethernet.TYPE_ARP ? KIND_ARP : KIND_OTHER;
}

/** -1: a later fragment. */
function transportOf(view: DataView, l3: number): number {
  return ipv4.fragmentOffset(view, l3) === 0 ? l3 + ipv4.headerLength(view, l3) : -1;
}

/** Addresses, protocol, and where there is a transport header ports (ICMP: type and code) and control bits. */
function writeDatagram(p: DataPlane, at: number, kind: number, l3: number, protocol: number, l4: number): void {
  const { view } = p;
  const { words } = p.events;
  if (kind === KIND_IPV4) {
    words[at + E_SRC] = ipv4.srcAddr(view, l3);
    words[at + E_DST] = ipv4.dstAddr(view, l3);
  } else if (kind === KIND_IPV6) {
    for (let i = 0; i < 8; i++) words[at + E_ADDRS6 + i] = ipv6.addrWord(view, l3 + ipv6.SRC_ADDR, i);
  } else {
    return;
  }
  words[at + E_PROTOCOL]! |= protocol;
  if (l4 < 0) return;
  if (protocol === ipv4.PROTOCOL_TCP || protocol === ipv4.PROTOCOL_UDP) words[at + E_PORTS] = view.getInt32(l4);
  if (protocol === ipv4.PROTOCOL_ICMP) words[at + E_PORTS] = (view.getUint8(l4) << 16) | view.getUint8(l4 + 1);
  if (protocol === ipv4.PROTOCOL_TCP) words[at + E_VALUE4]! |= tcp.flags(view, l4) << 8;
}

/** A step that numbers alone describe. */
function put(p: DataPlane, step: number, value2: number, value3: number, value4: number): void {
  const at = claim(p, step);
  if (at < 0) return;
  p.events.words[at + E_VALUE2] = value2;
  p.events.words[at + E_VALUE3] = value3;
  p.events.words[at + E_VALUE4] = value4;
  p.events.commit();
}

/** Word offset of a record, to be committed; -1: the ring is full. */
function claim(p: DataPlane, step: number): number {
  const { events, trace } = p;
  const at = events.claim(EVENT_TRACE, OK);
  if (at < 0) return at;
  const { words } = events;
  words[at + E_TIME] = p.now;
  words[at + E_SEC] = trace.sec;
  words[at + E_NSEC] = trace.nsec;
  words[at + E_SESSION] = trace.number;
  words[at + E_VALUE] = step;
  return at;
}
