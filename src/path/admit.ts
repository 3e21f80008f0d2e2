// Step admit: the first frame of a flow.  In the order of IOS: input access list, NAT outside to inside, route, NAT inside to
// outside, output access list, inspection rule of the ingress (`in`) or egress (`out`) interface, session.
//
// The input list sees the datagram as it came in, the output list as it leaves; a denied first frame makes no session.  A datagram
// that is permitted and that no inspection rule covers is forwarded by itself, each one of its flow anew.
// A datagram that came in fragments is judged twice, as its first fragment and as a later one: both must be permitted.
// A session of an older policy is admitted again by its opening tuple (readmit), never by the frame at hand.
//
// Not here: what makes the record (open-session.ts), the answer to a denial (answer.ts).

import { GROUP, KIND_IPV6, MERGED } from '../frame/frames.ts';
import { evaluate, logging, permits } from '../policy/access-list.ts';
import { selectEntry } from '../policy/inspect-rule.ts';
import { BROADCAST, LOCAL, lookup } from '../policy/routes.ts';
import { type InterfacePolicy, NAT_INSIDE, NAT_NONE, NAT_OUTSIDE } from '../policy/snapshot.ts';
import { mayOpen } from '../session/tcp-track.ts';
import {
  ACL_DENIED,
  ARP_UNRESOLVED,
  BRIDGE_STRICT,
  IP6_NO_POLICY,
  IP_BROADCAST,
  IP_FOR_US,
  IP_LAND,
  IP_MARTIAN,
  OK,
  type Reason,
  ROUTE_INTERFACE_DOWN,
  ROUTE_NONE,
  ROUTE_SAME_INTERFACE,
  TCP_MIDSTREAM,
} from '../telemetry/reasons.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { PROTOCOL_ICMP6 } from '../wire/ipv6.ts';
import { logAccess } from './access-log.ts';
import { sendEchoReply, sendUnreachable } from './answer.ts';
import { bridgeEgress } from './bridge.ts';
import type { DataPlane } from './data-plane.ts';
import { beginError, isTranslatableError, translateErrorInwards, translateErrorOutwards } from './error-translation.ts';
import { facts, readFacts, readTransport } from './facts.ts';
import { survivesHop } from './hop.ts';
import { beginOpening, noteAccess, opening, openSession, RETRY } from './open-session.ts';
import { key, readKey } from './session-key.ts';

/** The frame has its fate. */
export const DONE = 0;
/** It opened a session. */
export const ADMITTED = 1;
/** Permitted without a session; `opening` says how it leaves. */
export const FORWARD_ONCE = 2;

/** Sessions must end first to make room: end them, then admitAgain(). */
export const AGAIN = 3;

/** A whole datagram that belongs to no session. */
export function admit(p: DataPlane, f: number, now: number): number {
  const ingress = p.frames.ingress[f]!;
  readKey(p, f);
  beginOpening(f, p.bridgeGroup[ingress] !== 0);
  const reason = opening.bridged ? admitBridged(p, f, ingress) : admitRouted(p, f, ingress, now);
  if (reason < 0) return DONE;
  if (reason !== OK) return refuse(p, f, reason);
  if (opening.rule < 0) {
    p.nat.touch(opening.binding, opening.newSrc !== key.src, facts.control, now);
    return FORWARD_ONCE;
  }
  return finish(p, f, false, now);
}

/** Opens the session that admit() answered AGAIN for. */
export function admitAgain(p: DataPlane, f: number, now: number): number {
  readKey(p, f);
  return finish(p, f, true, now);
}

function finish(p: DataPlane, f: number, again: boolean, now: number): number {
  const refused = openSession(p, f, again, now);
  if (refused === RETRY) return AGAIN;
  return refused === OK ? ADMITTED : refuse(p, f, refused);
}

/** The answer of the parts below: the frame has its fate already. */
const TAKEN = -1;

function refuse(p: DataPlane, f: number, reason: Reason): number {
  if (!opening.bridged) p.nat.abandon(opening.binding);
  p.ledger.drop(f, reason);
  return DONE;
}

function admitRouted(p: DataPlane, f: number, ingress: number, now: number): Reason {
  const entry = p.policy.interfaces[ingress]!;
  if (!entry.enabled) return ROUTE_INTERFACE_DOWN;
  readFacts(p, f);
  const source = checkSource(p, ingress);
  if (source !== OK) return source;
  if (!listPermits(p, entry.accessIn, ingress)) {
    sendUnreachable(p, f, icmp.CODE_ADMIN_PROHIBITED, now);
    return ACL_DENIED;
  }
  if ((p.frames.flags[f]! & GROUP) !== 0) return IP_BROADCAST;
  if (entry.nat !== NAT_NONE && isTranslatableError(p, f)) {
    const reason = beginError(p, f);
    if (reason !== OK) return reason;
  }
  if (entry.nat === NAT_OUTSIDE) translateDestination(p);
  const routed = route(p, f, ingress, now);
  if (routed !== OK) return routed;
  return leave(p, f, ingress, entry, now);
}

/** LAND, and sources that cannot be one or belong elsewhere. */
function checkSource(p: DataPlane, ingress: number): Reason {
  const { src } = facts;
  if (src === facts.dst) return IP_LAND;
  const net = src >>> 24;
  if (net === 0 || net === 127 || net >= 224) return IP_MARTIAN;
  const at = lookup(p.policy.forwarding, src);
  opening.sourceRoute = at;
  if (at < 0) return OK;
  if (p.policy.forwarding.kind[at] !== 0) return IP_MARTIAN;
  // A host of a connected network comes in by no other interface.
  return p.policy.forwarding.nextHop[at] === 0 && p.policy.forwarding.interface[at] !== ingress ? IP_MARTIAN : OK;
}

/** What the output side needs of NAT outside to inside. */
function translateDestination(p: DataPlane): void {
  if (opening.isError) {
    translateErrorInwards(p);
    return;
  }
  const port = portOf(facts.protocol, key.ports & 0xffff);
  if (facts.protocol === ipv4.PROTOCOL_ICMP && isReply(facts.first)) p.nat.inboundReply(facts.dst, port);
  else p.nat.inbound(facts.protocol, facts.dst, port, true);
  if (!p.nat.translated) return;
  opening.newDst = p.nat.addr;
  opening.newPorts = withDestination(facts.protocol, key.ports, p.nat.port);
  opening.binding = p.nat.binding;
}

/** Of a query that no rule inspects: it has no session that would know its reply. */
function isReply(type: number): boolean {
  return type === icmp.ECHO_REPLY || type === icmp.TIMESTAMP_REPLY;
}

/** By the translated destination: sets egress, or answers for the firewall itself. */
function route(p: DataPlane, f: number, ingress: number, now: number): Reason {
  const dst = opening.newDst;
  const at = lookup(p.policy.forwarding, dst);
  if (at >= 0 && p.policy.forwarding.kind[at] === LOCAL) return deliverLocally(p, f);
  if (dst === -1 || dst >>> 28 >= 14) return IP_BROADCAST;
  if (dst === facts.dst && p.nat.isAlias(dst)) return IP_FOR_US;
  if (at < 0) {
    sendUnreachable(p, f, icmp.CODE_HOST, now);
    return ROUTE_NONE;
  }
  if (p.policy.forwarding.kind[at] === BROADCAST) return IP_BROADCAST;
  opening.egress = p.policy.forwarding.interface[at]!;
  opening.nextHop = p.policy.forwarding.nextHop[at] === 0 ? dst : p.policy.forwarding.nextHop[at]!;
  if (opening.egress === ingress) return ROUTE_SAME_INTERFACE;
  return p.up[opening.egress] !== 0 ? OK : downAnswer(p, f, now);
}

function downAnswer(p: DataPlane, f: number, now: number): Reason {
  sendUnreachable(p, f, icmp.CODE_HOST, now);
  return ROUTE_INTERFACE_DOWN;
}

function deliverLocally(p: DataPlane, f: number): Reason {
  if (facts.protocol !== ipv4.PROTOCOL_ICMP || facts.first !== icmp.ECHO) return IP_FOR_US;
  sendEchoReply(p, f);
  p.ledger.consume(f);
  return TAKEN;
}

/** NAT inside to outside, output list, inspection rule, next hops. */
function leave(p: DataPlane, f: number, ingress: number, entry: InterfacePolicy, now: number): Reason {
  const out = p.policy.interfaces[opening.egress]!;
  if (entry.nat === NAT_INSIDE && out.nat === NAT_OUTSIDE) {
    const reason = translateSource(p, now);
    if (reason !== OK) return reason;
  }
  showTranslated();
  if (!listPermits(p, out.accessOut, opening.egress)) {
    sendUnreachable(p, f, icmp.CODE_ADMIN_PROHIBITED, now);
    return ACL_DENIED;
  }
  if (!survivesHop(p, f, opening.egress, now)) return TAKEN;
  const reason = chooseRule(p, f, entry.inspectIn, out.inspectOut);
  if (reason !== OK) return reason;
  opening.neighbour = p.neighbours.resolve(opening.egress, opening.nextHop, now);
  opening.replyNeighbour = opening.rule < 0 ? 0 : p.neighbours.resolve(ingress, nextHopBack(p, ingress), now);
  return opening.neighbour < 0 || opening.replyNeighbour < 0 ? ARP_UNRESOLVED : OK;
}

/** Facts as the datagram leaves. */
function showTranslated(): void {
  facts.src = opening.newSrc;
  facts.dst = opening.newDst;
  if (facts.protocol === ipv4.PROTOCOL_ICMP) return;
  facts.first = opening.newPorts >>> 16;
  facts.second = opening.newPorts & 0xffff;
}

function translateSource(p: DataPlane, now: number): Reason {
  if (opening.isError) {
    translateErrorOutwards(p, now);
    return OK;
  }
  const { protocol } = facts;
  const ports = opening.newPorts;
  const reason = p.nat.outbound(
    protocol,
    facts.src,
    portOf(protocol, ports >>> 16),
    facts.dst,
    portOf(protocol, ports & 0xffff),
    true,
    now,
  );
  if (reason !== OK || !p.nat.translated) return reason;
  opening.newSrc = p.nat.addr;
  opening.newPorts = withSource(protocol, ports, p.nat.port);
  opening.binding = p.nat.binding;
  return OK;
}

/** By what the reply goes back to the opener: the next hop of the route to it if that is by `ingress`, else itself. */
function nextHopBack(p: DataPlane, ingress: number): number {
  const at = opening.sourceRoute;
  if (at < 0 || p.policy.forwarding.interface[at] !== ingress || p.policy.forwarding.nextHop[at] === 0) return key.src;
  return p.policy.forwarding.nextHop[at]!;
}

function admitBridged(p: DataPlane, f: number, ingress: number): Reason {
  opening.egress = bridgeEgress(p, f);
  if (opening.egress < 0) return TAKEN;
  const entry = p.policy.interfaces[ingress]!;
  const out = p.policy.interfaces[opening.egress]!;
  if (p.policy.bridgeStrict && hidesAnother(p.frames.protocol[f]!)) return BRIDGE_STRICT;
  if (p.frames.kind[f] === KIND_IPV6) return admitBridged6(p, f, entry, out);
  readFacts(p, f);
  if (!listPermits(p, entry.accessIn, ingress) || !listPermits(p, out.accessOut, opening.egress)) return ACL_DENIED;
  return chooseRule(p, f, entry.inspectIn, out.inspectOut);
}

/** Neighbour discovery passes an interface with an IPv4 access group, other IPv6 does not. */
function admitBridged6(p: DataPlane, f: number, entry: InterfacePolicy, out: InterfacePolicy): Reason {
  readTransport(p, f);
  if (facts.protocol === PROTOCOL_ICMP6) facts.first = p.view.getUint8(p.frames.l4[f]!);
  const discovery = facts.protocol === PROTOCOL_ICMP6 && facts.first >= 133 && facts.first <= 137;
  if (!discovery && (entry.accessIn >= 0 || out.accessOut >= 0)) return IP6_NO_POLICY;
  facts.dst = 0;
  return chooseRule(p, f, entry.inspectIn, out.inspectOut);
}

/** IP in IP, 6in4, GRE, L2TP, EtherIP, IPIP: datagrams that hold others unseen. */
function hidesAnother(protocol: number): boolean {
  return protocol === 4 || protocol === 41 || protocol === 47 || protocol === 94 || protocol === 97 || protocol === 115;
}

/** Sets opening.rule and entry: the `in` rule of the ingress interface, else the `out` rule of the egress interface. */
function chooseRule(p: DataPlane, f: number, inRule: number, outRule: number): Reason {
  if (inRule >= 0) selectFrom(p, inRule);
  if (opening.rule < 0 && outRule >= 0) selectFrom(p, outRule);
  if (facts.protocol !== ipv4.PROTOCOL_TCP) return OK;
  if (opening.rule >= 0) return mayOpen(p.frames, f);
  // No rule covers it: it passes like any datagram, unless segments of no session are blocked.
  return p.policy.blockNonSession && mayOpen(p.frames, f) !== OK ? TCP_MIDSTREAM : OK;
}

/** By the responder's own port; by the port that the opener asked for where static NAT changes it and the first means nothing. */
function selectFrom(p: DataPlane, rule: number): void {
  const entry = selectEntry(
    p.policy.rules[rule]!,
    p.policy.accessLists,
    facts.protocol,
    facts.dst,
    facts.second,
    key.ports & 0xffff,
    facts.first,
  );
  if (entry < 0) return;
  opening.rule = rule;
  opening.entry = entry;
}

/** Counts the hit; true also when there is no list. */
function listPermits(p: DataPlane, index: number, port: number): boolean {
  if (index < 0) return true;
  const list = p.policy.accessLists[index]!;
  let entry = evaluate(list, p.hits, facts.src, facts.dst, facts.protocol, facts.tos, facts.first, facts.second, facts.control, false);
  const isMerged = (p.frames.flags[opening.frame]! & MERGED) !== 0;
  if (isMerged && permits(list, entry)) {
    entry = evaluate(list, p.hits, facts.src, facts.dst, facts.protocol, facts.tos, facts.first, facts.second, facts.control, true);
  }
  noteAccess(index, entry, port);
  if (logging(list, entry) !== 0) logAccess(p, index, entry);
  return permits(list, entry);
}

/** Ports of TCP and UDP, identifier of an ICMP query, 0 for everything else. */
function portOf(protocol: number, port: number): number {
  return protocol === ipv4.PROTOCOL_TCP || protocol === ipv4.PROTOCOL_UDP || protocol === ipv4.PROTOCOL_ICMP ? port : 0;
}

/** Ports word with another source; an ICMP identifier stands in both halves. */
function withSource(protocol: number, ports: number, port: number): number {
  return (port << 16) | (protocol === ipv4.PROTOCOL_ICMP ? port : ports & 0xffff);
}

function withDestination(protocol: number, ports: number, port: number): number {
  return protocol === ipv4.PROTOCOL_ICMP ? (port << 16) | port : (ports & -65536) | port;
}
