// Answers the control plane's questions from a data plane, between two batches.  Reads walk at most PAGE records.

import {
  DST,
  FREE,
  INSPECTED,
  LAST_HEARD,
  PORTS,
  RECORD_SHIFT,
  REPLY_DST,
  REPLY_PORTS,
  REPLY_SRC,
  SRC,
  STATE,
  STATE_MASK,
  TRANSLATED,
} from '../session/record.ts';
import { UNUSED } from '../session/neighbours.ts';
import { POLICY_RELOADS } from '../telemetry/counters.ts';
import { SESSION_ENDED } from '../telemetry/reasons.ts';
import { dropUnresolved, sendReady } from '../path/arp.ts';
import type { DataPlane } from '../path/data-plane.ts';
import { endSession } from '../path/session-life.ts';
import { type Answer, type BindingRow, type Gauges, type NeighbourRow, PAGE, type Question, type SessionRow } from './control.ts';

/** Answers one question. */
export function answer(p: DataPlane, question: Question): Answer {
  switch (question.kind) {
    case 'sessions':
      return sessionPage(p, question.from);
    case 'bindings':
      return bindingPage(p, question.from);
    case 'neighbours':
      return neighbourPage(p, question.from);
    case 'gauges':
      return { gauges: gauges(p) };
    case 'clear-session':
      return { count: clearSession(p, question.session) };
    case 'clear-sessions':
      return clearSessions(p, question.from);
    case 'clear-translations':
      return { count: p.nat.clear() };
    case 'clear-translation': {
      const { protocol, global, globalPort, local, localPort } = question;
      return { count: p.nat.clearOne(protocol, global, globalPort, local, localPort) ? 1 : 0 };
    }
    case 'end-stale':
      return endStale(p, question.from);
    case 'clear-nat-statistics':
      p.nat.clearStatistics();
      return {};
    case 'clear-arp':
      return clearNeighbours(p, question.from);
    case 'clear-hits':
      return clearHits(p, question.list);
    case 'debug':
      p.setDebug(question.smtp);
      return {};
    case 'trace':
      if (question.on) p.trace.start(p.policy.accessLists[question.list] ?? null, question.count);
      else p.trace.stop();
      return {};
    case 'log-drops':
      p.setDropLog(question.on);
      return {};
    case 'install':
      p.installPolicy(question.policy, p.now);
      p.counters[POLICY_RELOADS]!++;
      sendReady(p);
      return {};
    default:
      return {};
  }
}

function sessionPage(p: DataPlane, from: number): Answer {
  const rows: SessionRow[] = [];
  let session = from;
  for (; session < p.sessions.highest && rows.length < PAGE && session - from < PAGE * 16; session++) {
    if (p.sessions.state(session) !== FREE) rows.push(sessionRow(p, session));
  }
  return { rows, next: session < p.sessions.highest ? session : -1 };
}

function sessionRow(p: DataPlane, session: number): SessionRow {
  const { sessions } = p;
  const at = session << RECORD_SHIFT;
  const { hot } = sessions;
  const ports = hot[at + PORTS]!;
  const replyPorts = hot[at + REPLY_PORTS]!;
  return {
    session,
    protocol: sessions.protocol(session),
    state: hot[at + STATE]! & STATE_MASK,
    rule: sessions.rule[session]! >> 16,
    entry: sessions.rule[session]! & 0xffff,
    initiator: hot[at + SRC]!,
    initiatorPort: ports >>> 16,
    responder: hot[at + DST]!,
    responderPort: ports & 0xffff,
    responderLocal: hot[at + REPLY_SRC]!,
    responderLocalPort: replyPorts >>> 16,
    initiatorGlobal: hot[at + REPLY_DST]!,
    initiatorGlobalPort: replyPorts & 0xffff,
    ipv6: sessions.isIpv6(session) ? Array.from(sessions.addrs6.subarray(session * 8, session * 8 + 8)) : null,
    age: (p.now - sessions.created[session]!) | 0,
    idle: (p.now - hot[at + LAST_HEARD]!) | 0,
    sent: sessions.octets[session * 2]!,
    received: sessions.octets[session * 2 + 1]!,
    translated: (hot[at + STATE]! & TRANSLATED) !== 0,
    ingress: sessions.ingress(session, 0),
    egress: sessions.ingress(session, 1),
    inspected: (hot[at + STATE]! & INSPECTED) !== 0,
  };
}

function bindingPage(p: DataPlane, from: number): Answer {
  const { bindings } = p.nat;
  const rows: BindingRow[] = [];
  let b = from;
  for (; b < bindings.highest && rows.length < PAGE; b++) {
    if (!bindings.isLive(b)) continue;
    rows.push({
      protocol: bindings.protocol[b]!,
      insideLocal: bindings.localAddr[b]!,
      insideLocalPort: bindings.localPort[b]!,
      insideGlobal: bindings.globalAddr[b]!,
      insideGlobalPort: bindings.globalPort[b]!,
      mapping: bindings.mapping[b]!,
      uses: bindings.uses[b]!,
      timeout: p.nat.timeoutOf(b),
      age: (p.now - bindings.created[b]!) | 0,
      idle: (p.now - bindings.lastUsed[b]!) | 0,
    });
  }
  return { rows, next: b < bindings.highest ? b : -1 };
}

function neighbourPage(p: DataPlane, from: number): Answer {
  const { neighbours } = p;
  const rows: NeighbourRow[] = [];
  let n = from;
  for (; n < neighbours.highest && rows.length < PAGE; n++) {
    if (neighbours.state[n] === UNUSED) continue;
    rows.push({
      interface: neighbours.interface[n]!,
      addr: neighbours.addr[n]!,
      mac: [neighbours.macHigh[n]!, neighbours.macLow[n]!],
      state: neighbours.state[n]!,
      origin: neighbours.origin[n]!,
      age: (p.now - neighbours.confirmed[n]!) | 0,
    });
  }
  return { rows, next: n < neighbours.highest ? n : -1 };
}

function gauges(p: DataPlane): Gauges {
  const { nat, fragments } = p;
  const { statistics } = fragments;
  return {
    ports: p.policy.interfaces.map((entry, i) => ({
      up: entry.enabled && (p.ports[i]?.isUp() ?? false),
      mac: [p.macHigh[i]!, p.macLow[i]!],
      mtu: p.mtu[i]!,
    })),
    natHits: nat.hits,
    natMisses: nat.misses,
    natExpired: nat.expired,
    natBindings: nat.bindings.count,
    natPeak: nat.peak,
    natPeakAge: (p.now - nat.peakTime) | 0,
    reassembly: p.policy.interfaces.map((_, i) => ({
      current: statistics.currentReassemblies[i]!,
      fragments: statistics.currentFragments[i]!,
      total: statistics.totalReassemblies[i]!,
      timeouts: statistics.totalTimeouts[i]!,
    })),
    slotsInUse: p.frames.slotsInUse,
    storePages: p.streams.pagesInUse,
    oneMinuteRate: p.thresholds.oneMinuteRate,
    uptime: (p.now - p.started) | 0,
    clock: p.baseSec + Math.floor(p.now / 1000 + p.baseNsec / 1e9),
  };
}

function clearSession(p: DataPlane, session: number): number {
  if (session < 0 || session >= p.sessions.highest || p.sessions.state(session) === FREE) return 0;
  endSession(p, session, SESSION_ENDED, p.now);
  return 1;
}

function clearSessions(p: DataPlane, from: number): Answer {
  let count = 0;
  let session = from;
  for (; session < p.sessions.highest && session - from < PAGE; session++) count += clearSession(p, session);
  return { count, next: session < p.sessions.highest ? session : -1 };
}

/** Sessions whose translation was cleared end with it. */
function endStale(p: DataPlane, from: number): Answer {
  let count = 0;
  let session = from;
  for (; session < p.sessions.highest && session - from < PAGE; session++) {
    if (p.sessions.state(session) !== FREE && p.nat.isStale(p.sessions.binding[session]!)) count += clearSession(p, session);
  }
  return { count, next: session < p.sessions.highest ? session : -1 };
}

/** Forgets learned neighbours; the path drops what waited for them. */
function clearNeighbours(p: DataPlane, from: number): Answer {
  let n = from;
  for (; n < p.neighbours.highest && n - from < PAGE; n++) {
    p.neighbours.forget(n);
    dropUnresolved(p);
  }
  return { count: n - from, next: n < p.neighbours.highest ? n : -1 };
}

/** All lists for -1. */
function clearHits(p: DataPlane, list: number): Answer {
  const lists = list < 0 ? p.policy.accessLists : p.policy.accessLists.slice(list, list + 1);
  for (const { firstHit, entries } of lists) p.hits.fill(0, firstHit, firstHit + entries.length);
  return {};
}
