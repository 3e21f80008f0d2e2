// The state of a running firewall as the displays want it: asks the data plane page by page and puts names to numbers.
//
// A snapshot is taken while traffic goes on, so pages are of different moments; a session may be missing or stand twice.

import type { Configuration } from '../config/model.ts';
import {
  type FirewallState,
  type LogState,
  type NeighbourRow,
  NO_PORT,
  type PortRow,
  type SessionRow,
  type SessionState,
  type TranslationRow,
  SESSION_CLOSED,
  SESSION_CLOSING,
  SESSION_ID_BASE,
  SESSION_ID_STEP,
  SESSION_OPEN,
  SESSION_OPENING,
} from '../console/state.ts';
import { PORT_SIZE, PORTS, SESSIONS_CURRENT } from '../telemetry/counters.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { RESOLVED, STATIC, UNRESOLVED } from '../session/neighbours.ts';
import { CLOSED, CLOSING, OPENING } from '../session/record.ts';
import { ENDED_CLOSED, ENDED_IDLE, ENDED_SYN, translationTimeout } from '../policy/nat-timeouts.ts';
import type { PortRates } from './rates.ts';
import type { Answer, BindingRow, Gauges, NeighbourRow as NeighbourAnswer, Question, SessionRow as SessionAnswer } from './control.ts';

/** A data plane that answers: a worker, or one in this thread. */
export interface Inquirable {
  readonly counters: Float64Array;
  readonly hits: Float64Array;
  ask(question: Question): Promise<Answer>;
}

/** What the process knows beside the data plane. */
export interface Surroundings {
  readonly configuration: Configuration;
  readonly policy: PolicySnapshot;
  readonly log: LogState;
  readonly debugging: readonly string[];
  readonly version: string;
  /** By interface index. */
  readonly ports: readonly (PortRates & Pick<PortRow, 'device'>)[];
  /** The port blocks of the counters when they were last cleared. */
  readonly portBaseline: Float64Array;
  readonly sessionPeaks: readonly [number, number, number];
  readonly creationRate: number;
  readonly maxCreationRate: number;
  /** Seconds since a session was made, -1: never. */
  readonly lastCreation: number;
}

/** Sessions that a display shows at most. */
const MAX_SESSIONS = 10_000;
const ICMP = 1;

export async function readState(source: Inquirable, around: Surroundings): Promise<FirewallState> {
  const { gauges } = (await source.ask({ kind: 'gauges' })) as { gauges: Gauges };
  const sessions = await pages<SessionAnswer>(source, 'sessions', MAX_SESSIONS);
  const bindings = await pages<BindingRow>(source, 'bindings', MAX_SESSIONS);
  const neighbours = await pages<NeighbourAnswer>(source, 'neighbours', MAX_SESSIONS);
  const total = source.counters[SESSIONS_CURRENT]!;
  const order = around.configuration.interfaces.map(({ name }) => around.policy.interfaces.findIndex((entry) => entry.name === name));
  return {
    uptime: gauges.uptime / 1000,
    clock: gauges.clock,
    counters: displayedCounters(source.counters, around.portBaseline, order),
    sessions: sessions.map((row) => sessionRow(row, around.policy, source.hits)),
    sessionsLeftOut: Math.max(0, total - sessions.length),
    sessionPeaks: around.sessionPeaks,
    lastSessionCreated: sessions.reduce((last, row) => (last < 0 || row.age / 1000 < last ? row.age / 1000 : last), around.lastCreation),
    creationRate: around.creationRate,
    maxCreationRate: around.maxCreationRate,
    accessListHits: hitsByName(around.policy, source.hits),
    translations: [...translations(sessions, around.policy), ...bindings.filter(isShown).map((row, i) => bindingRow(row, i))],
    nat: {
      hits: gauges.natHits,
      misses: gauges.natMisses,
      expired: gauges.natExpired,
      peak: gauges.natPeak,
      peakAge: gauges.natPeakAge / 1000,
      mappingReferences: mappingReferences(bindings, around.configuration),
    },
    neighbours: neighbours.filter(({ state }) => state !== UNRESOLVED).map((row) => neighbourRow(row, around.policy)),
    ports: order.map((i) => portRow(around.ports[i], gauges, i)),
    log: around.log,
    debugging: around.debugging,
    version: around.version,
  };
}

/** The counters with the blocks of the ports in the order of the configuration, less what they were when they were cleared. */
function displayedCounters(counters: Float64Array, baseline: Float64Array, order: readonly number[]): Float64Array {
  const shown = counters.slice();
  shown.fill(0, PORTS);
  order.forEach((from, to) => {
    for (let i = 0; from >= 0 && i < PORT_SIZE; i++) {
      shown[PORTS + to * PORT_SIZE + i] = counters[PORTS + from * PORT_SIZE + i]! - baseline[from * PORT_SIZE + i]!;
    }
  });
  return shown;
}

/** Dynamic translations with ports show as the sessions that use them. */
function isShown(row: BindingRow): boolean {
  return row.protocol === 0 || row.uses === 0;
}

/** Bindings by `ip nat inside source list` command; the policy leaves out those without a pool or an interface. */
function mappingReferences(bindings: readonly BindingRow[], { dynamics, pools, interfaces }: Configuration): number[] {
  let mapping = 0;
  return dynamics.map((entry) => {
    const exists = pools.some(({ name }) => name === entry.pool) || interfaces.some(({ name }) => name === entry.interface);
    if (!exists) return 0;
    const index = mapping++;
    return bindings.filter((row) => row.mapping === index).length;
  });
}

async function pages<T>(source: Inquirable, kind: 'sessions' | 'bindings' | 'neighbours', max: number): Promise<T[]> {
  const rows: T[] = [];
  for (let from = 0; from >= 0 && rows.length < max; ) {
    const page = await source.ask({ kind, from });
    rows.push(...(page.rows as readonly T[]));
    from = page.next ?? -1;
  }
  return rows;
}

/** `10.0.0.1` of an int32. */
export function addrText(addr: number): string {
  return `${addr >>> 24}.${(addr >>> 16) & 255}.${(addr >>> 8) & 255}.${addr & 255}`;
}

/** `0200.0000.0110` of high 16 and low 32 bits. */
export function macText(mac: readonly [number, number]): string {
  const digits = mac[0].toString(16).padStart(4, '0') + (mac[1] >>> 0).toString(16).padStart(8, '0');
  return `${digits.slice(0, 4)}.${digits.slice(4, 8)}.${digits.slice(8)}`;
}

function addr6Text(words: readonly number[], at: number): string {
  const groups: string[] = [];
  for (let i = 0; i < 4; i++) groups.push((words[at + i]! >>> 16).toString(16), (words[at + i]! & 0xffff).toString(16));
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

function sessionRow(row: SessionAnswer, policy: PolicySnapshot, hits: Float64Array): SessionRow {
  const isQuery = row.protocol === ICMP;
  const list = policy.accessLists[policy.interfaces[row.ingress]?.accessIn ?? -1];
  return {
    id: SESSION_ID_BASE + row.session * SESSION_ID_STEP,
    initiatorAddr: row.ipv6 === null ? addrText(row.initiator) : addr6Text(row.ipv6, 0),
    // An echo shows its type at the initiator and 0 at the responder.
    initiatorPort: isQuery ? 8 : row.initiatorPort,
    responderAddr: row.ipv6 === null ? addrText(row.responderLocal) : addr6Text(row.ipv6, 4),
    responderPort: isQuery ? 0 : row.responderLocalPort,
    protocol: policy.rules[row.rule]?.entries[row.entry]?.keyword ?? 'tcp',
    state: stateName(row.state),
    created: row.age / 1000,
    lastHeard: row.idle / 1000,
    initiatorOctets: row.sent,
    responderOctets: row.received,
    accessList: list?.name ?? '',
    accessListMatches:
      list === undefined ? 0 : hits.subarray(list.firstHit, list.firstHit + list.entries.length).reduce((a, b) => a + b, 0),
  };
}

function stateName(state: number): SessionState {
  if (state === OPENING) return SESSION_OPENING;
  if (state === CLOSING) return SESSION_CLOSING;
  return state === CLOSED ? SESSION_CLOSED : SESSION_OPEN;
}

/** One extended row a translated session, as IOS shows flows through a static entry. */
function translations(sessions: readonly SessionAnswer[], policy: PolicySnapshot): TranslationRow[] {
  const rows: TranslationRow[] = [];
  for (const row of sessions) {
    if (!row.translated) continue;
    const fromInside = row.initiator !== row.initiatorGlobal || row.initiatorPort !== row.initiatorGlobalPort;
    const timeout = translationTimeout(policy.nat, row.protocol, fromInside ? row.responderPort : row.initiatorPort, endOf(row.state));
    rows.push({
      protocol: row.protocol,
      insideGlobal: fromInside ? row.initiatorGlobal : row.responder,
      insideGlobalPort: fromInside ? row.initiatorGlobalPort : row.responderPort,
      insideLocal: fromInside ? row.initiator : row.responderLocal,
      insideLocalPort: fromInside ? row.initiatorPort : row.responderLocalPort,
      outsideLocal: fromInside ? row.responder : row.initiator,
      outsideLocalPort: fromInside ? row.responderPort : row.initiatorPort,
      outsideGlobal: fromInside ? row.responder : row.initiator,
      outsideGlobalPort: fromInside ? row.responderPort : row.initiatorPort,
      created: row.age / 1000,
      used: row.idle / 1000,
      timeout,
      left: Math.max(0, timeout - row.idle),
      useCount: 0,
      entryId: row.session,
    });
  }
  return rows;
}

/** How far a flow of that state got. */
function endOf(state: number): number {
  if (state === OPENING) return ENDED_SYN;
  return state === CLOSING || state === CLOSED ? ENDED_CLOSED : ENDED_IDLE;
}

/** A dynamic entry of addresses only; those with ports show as the sessions that use them, or alone while nobody does. */
function bindingRow(row: BindingRow, index: number): TranslationRow {
  const { timeout } = row;
  return {
    protocol: row.protocol,
    insideGlobal: row.insideGlobal,
    insideGlobalPort: row.insideGlobalPort,
    insideLocal: row.insideLocal,
    insideLocalPort: row.insideLocalPort,
    outsideLocal: 0,
    outsideLocalPort: 0,
    outsideGlobal: 0,
    outsideGlobalPort: 0,
    created: row.age / 1000,
    used: row.idle / 1000,
    timeout,
    left: Math.max(0, timeout - row.idle),
    useCount: row.uses,
    entryId: index,
  };
}

function neighbourRow(row: NeighbourAnswer, policy: PolicySnapshot): NeighbourRow {
  return {
    addr: row.addr,
    mac: row.state >= RESOLVED ? macText(row.mac) : '',
    age: row.origin === STATIC ? -1 : Math.floor(row.age / 60_000),
    interface: policy.interfaces[row.interface]?.name ?? '',
  };
}

function portRow(port: Surroundings['ports'][number] | undefined, gauges: Gauges, i: number): PortRow {
  const reassembly = gauges.reassembly[i];
  const gauge = gauges.ports[i];
  return {
    ...NO_PORT,
    ...port,
    ...(gauge === undefined ? {} : { up: gauge.up, mac: macText(gauge.mac), mtu: gauge.mtu }),
    reassemblies: reassembly?.current ?? 0,
    fragments: reassembly?.fragments ?? 0,
    totalReassemblies: reassembly?.total ?? 0,
    reassemblyTimeouts: reassembly?.timeouts ?? 0,
  };
}

function hitsByName(policy: PolicySnapshot, hits: Float64Array): Map<string, ArrayLike<number>> {
  return new Map(policy.accessLists.map((list) => [list.name, hits.subarray(list.firstHit, list.firstHit + list.entries.length)]));
}
