// A session of an older policy, at its next frame: is it still allowed?  Judged by its stored opening tuple, ingress and
// egress, never by the frame at hand; hit counters do not move.  It keeps its state if it is.
//
// Still allowed: both interfaces are there and enabled, the lists permit the opening datagram, NAT gives what the session
// has, and a rule covers it by an entry with the same inspector.
// Control bits of the lists: those of a SYN.  TOS is taken for 0.  IPv6 has no lists: an interface with an access group refuses it.
// An inspector keeps its state and the policy that it began with.

import {
  AUDITED,
  BRIDGED,
  DST,
  exchange,
  INSPECTED,
  KIND,
  PORTS,
  QUERY_TIMESTAMP,
  RECORD_SHIFT,
  REPLY_DST,
  REPLY_PORTS,
  REPLY_SRC,
  SRC,
  STATE,
  VLAN,
} from '../session/record.ts';
import { find, permits } from '../policy/access-list.ts';
import { selectEntry } from '../policy/inspect-rule.ts';
import { type InspectEntry, NAT_INSIDE, NAT_OUTSIDE } from '../policy/snapshot.ts';
import { OK, SESSION_ENDED } from '../telemetry/reasons.ts';
import { ECHO, TIMESTAMP } from '../wire/icmp.ts';
import { PROTOCOL_ICMP, PROTOCOL_TCP } from '../wire/ipv4.ts';
import { SYN as TCP_SYN } from '../wire/tcp.ts';
import type { DataPlane } from './data-plane.ts';
import { idleTimeoutOf, isInspected } from './open-session.ts';
import { endSession, sessionDeadline } from './session-life.ts';

const ECHO6 = 128;

/** True when `session` lives on under the policy in force; false: it has ended. */
export function readmit(p: DataPlane, session: number, now: number): boolean {
  if (isAllowed(p, session, now)) {
    p.sessions.epoch[session] = p.policy.epoch;
    return true;
  }
  endSession(p, session, SESSION_ENDED, now);
  return false;
}

function isAllowed(p: DataPlane, session: number, now: number): boolean {
  const { policy, sessions } = p;
  const entryIn = policy.interfaces[sessions.ingress(session, 0)];
  const entryOut = policy.interfaces[sessions.ingress(session, 1)];
  if (entryIn === undefined || entryOut === undefined || !entryIn.enabled || !entryOut.enabled) return false;
  const bridged = sessions.hasFlag(session, BRIDGED);
  if (bridged !== (entryIn.bridgeGroup !== 0) || p.nat.isStale(sessions.binding[session]!)) return false;
  if (!bridged && !translatesTheSame(p, session, entryIn.nat, entryOut.nat, now)) return false;
  const ports = sessions.get(session, PORTS);
  const portsOut = exchange(sessions.get(session, REPLY_PORTS));
  if (!listPermits(p, session, entryIn.accessIn, SRC, DST, ports)) return false;
  if (!listPermits(p, session, entryOut.accessOut, REPLY_DST, REPLY_SRC, portsOut)) return false;
  return adoptRule(p, session, entryIn.inspectIn) || adoptRule(p, session, entryOut.inspectOut);
}

/** NAT would give the opening datagram the addresses and ports that the session has. */
function translatesTheSame(p: DataPlane, session: number, natIn: number, natOut: number, now: number): boolean {
  const { nat } = p;
  const at = session << RECORD_SHIFT;
  const { hot } = p.sessions;
  const protocol = hot[at + KIND]! & 0xff;
  const ports = hot[at + PORTS]!;
  const replyPorts = hot[at + REPLY_PORTS]!;
  if (natIn === NAT_OUTSIDE) {
    nat.inbound(protocol, hot[at + DST]!, ports & 0xffff, false);
    return nat.addr === hot[at + REPLY_SRC] && nat.port === replyPorts >>> 16;
  }
  if (natIn !== NAT_INSIDE || natOut !== NAT_OUTSIDE) return hot[at + SRC] === hot[at + REPLY_DST] && hot[at + DST] === hot[at + REPLY_SRC];
  const reason = nat.outbound(protocol, hot[at + SRC]!, ports >>> 16, hot[at + DST]!, ports & 0xffff, false, now);
  return reason === OK && nat.addr === hot[at + REPLY_DST] && nat.port === (replyPorts & 0xffff);
}

/** `src` and `dst` are words of the record, `ports` a word of source and destination. */
function listPermits(p: DataPlane, session: number, index: number, src: number, dst: number, ports: number): boolean {
  if (index < 0) return true;
  if (p.sessions.isIpv6(session)) return false;
  const list = p.policy.accessLists[index]!;
  const at = session << RECORD_SHIFT;
  const { hot } = p.sessions;
  const protocol = hot[at + KIND]! & 0xff;
  const isQuery = protocol === PROTOCOL_ICMP;
  const first = isQuery ? queryType(p, session) : ports >>> 16;
  const second = isQuery ? 0 : ports & 0xffff;
  return permits(
    list,
    find(list, hot[at + src]!, hot[at + dst]!, protocol, 0, first, second, protocol === PROTOCOL_TCP ? TCP_SYN : 0, false),
  );
}

/** Type of the query that opened an ICMP session. */
function queryType(p: DataPlane, session: number): number {
  return (p.sessions.get(session, VLAN) & QUERY_TIMESTAMP) !== 0 ? TIMESTAMP : ECHO;
}

/** Takes time-outs and audit of the entry that covers the session now; false: none does, or another inspector. */
function adoptRule(p: DataPlane, session: number, rule: number): boolean {
  if (rule < 0) return false;
  const { policy, sessions } = p;
  const at = session << RECORD_SHIFT;
  const asked = sessions.hot[at + PORTS]! & 0xffff;
  const port = sessions.hot[at + REPLY_PORTS]! >>> 16;
  const protocol = sessions.protocol(session);
  const responder = sessions.isIpv6(session) ? 0 : sessions.hot[at + REPLY_SRC]!;
  const type = sessions.isIpv6(session) ? ECHO6 : queryType(p, session);
  const entry = selectEntry(policy.rules[rule]!, policy.accessLists, protocol, responder, port, asked, type);
  if (entry < 0) return false;
  const line: InspectEntry = policy.rules[rule]!.entries[entry]!;
  const inspected = (sessions.hot[at + STATE]! & INSPECTED) !== 0;
  const wanted = isInspected(p, line, sessions.hot[at + REPLY_SRC]!);
  if (wanted !== inspected || (inspected && line.inspector !== sessions.inspector[session])) return false;
  p.ruleSessions.enter(session, line.sessionRow);
  sessions.rule[session] = (rule << 16) | entry;
  sessions.idleTimeout[session] = idleTimeoutOf(p, line, protocol, port);
  if (line.auditTrail) sessions.addFlag(session, AUDITED);
  else sessions.clearFlag(session, AUDITED);
  // An idle time that became shorter must not wait for the end of the former one.
  p.wheel.schedule(session, sessionDeadline(p, session));
  return true;
}
