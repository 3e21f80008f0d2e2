// A session of an older policy, at its next frame: is it still allowed?  Judged by its stored opening tuple, ingress and
// egress, never by the frame at hand; hit counters do not move.  It keeps its state if it is.
//
// Still allowed: both interfaces are there and enabled, the lists permit the opening datagram, NAT gives what the session
// has, and a rule covers it by an entry with the same inspector.
// Control bits of the lists: those of a SYN.  ICMP: an echo request.

import { BRIDGED, DST, INSPECTED, KIND, PORTS, RECORD_SHIFT, REPLY_DST, REPLY_PORTS, REPLY_SRC, SRC, STATE } from '../session/record.ts';
import { find, permits } from '../policy/access-list.ts';
import { selectEntry } from '../policy/inspect-rule.ts';
import { type InspectEntry, NAT_INSIDE, NAT_OUTSIDE } from '../policy/snapshot.ts';
import { OK, SESSION_ENDED } from '../telemetry/reasons.ts';
import { ECHO } from '../wire/icmp.ts';
import { PROTOCOL_ICMP, PROTOCOL_TCP } from '../wire/ipv4.ts';
import { SYN as TCP_SYN } from '../wire/tcp.ts';
import type { DataPlane } from './data-plane.ts';
import { isInspected } from './open-session.ts';
import { endSession } from './session-life.ts';

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
  if (!listPermits(p, session, entryIn.accessIn, SRC, DST)) return false;
  if (!listPermits(p, session, entryOut.accessOut, REPLY_DST, REPLY_SRC)) return false;
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
    nat.inbound(protocol, hot[at + DST]!, ports & 0xffff, now);
    return nat.addr === hot[at + REPLY_SRC] && nat.port === replyPorts >>> 16;
  }
  if (natIn !== NAT_INSIDE || natOut !== NAT_OUTSIDE) return hot[at + SRC] === hot[at + REPLY_DST] && hot[at + DST] === hot[at + REPLY_SRC];
  const reason = nat.outbound(protocol, hot[at + SRC]!, ports >>> 16, hot[at + DST]!, ports & 0xffff, false, now);
  if (nat.binding !== p.sessions.binding[session]) nat.abandon(nat.binding);
  return reason === OK && nat.addr === hot[at + REPLY_DST] && nat.port === (replyPorts & 0xffff);
}

function listPermits(p: DataPlane, session: number, index: number, src: number, dst: number): boolean {
  if (index < 0) return true;
  const list = p.policy.accessLists[index]!;
  const at = session << RECORD_SHIFT;
  const { hot } = p.sessions;
  const protocol = hot[at + KIND]! & 0xff;
  const ports = hot[at + PORTS]!;
  const isQuery = protocol === PROTOCOL_ICMP;
  const first = isQuery ? ECHO : ports >>> 16;
  const second = isQuery ? 0 : ports & 0xffff;
  return permits(list, find(list, hot[at + src]!, hot[at + dst]!, protocol, 0, first, second, protocol === PROTOCOL_TCP ? TCP_SYN : 0, false));
}

/** Takes time-outs and audit of the entry that covers the session now; false: none does, or another inspector. */
function adoptRule(p: DataPlane, session: number, rule: number): boolean {
  if (rule < 0) return false;
  const { policy, sessions } = p;
  const at = session << RECORD_SHIFT;
  const ports = sessions.hot[at + PORTS]!;
  const protocol = sessions.protocol(session);
  const entry = selectEntry(policy.rules[rule]!, policy.accessLists, protocol, sessions.hot[at + REPLY_SRC]!, ports & 0xffff, ECHO);
  if (entry < 0) return false;
  const line: InspectEntry = policy.rules[rule]!.entries[entry]!;
  const inspected = (sessions.hot[at + STATE]! & INSPECTED) !== 0;
  const wanted = isInspected(p, line, sessions.hot[at + REPLY_SRC]!);
  if (wanted !== inspected || (inspected && line.inspector !== sessions.inspector[session])) return false;
  p.ruleSessions.enter(session, line.sessionRow);
  sessions.rule[session] = (rule << 16) | entry;
  sessions.idleTimeout[session] = line.timeout;
  return true;
}
