// What the displays need of a running firewall, as plain values, so that they can cross from the worker by structured clone
// and be compared in tests.  `check` shows the state of a firewall that has seen nothing.

import { createCounters } from '../telemetry/counters.ts';

export const SESSION_OPENING = 'SIS_OPENING';
export const SESSION_OPEN = 'SIS_OPEN';
export const SESSION_CLOSING = 'SIS_CLOSING';
export const SESSION_CLOSED = 'SIS_CLOSED';
export type SessionState = typeof SESSION_OPENING | typeof SESSION_OPEN | typeof SESSION_CLOSING | typeof SESSION_CLOSED;

/** Identifiers of sessions: the address of the record, as IOS prints that of its control block. */
export const SESSION_ID_BASE = 0x6500_0000;
export const SESSION_ID_STEP = 64;

/** One session; addresses as text, because they may be IPv6. */
export interface SessionRow {
  /** Identifier, uint32. */
  readonly id: number;
  readonly initiatorAddr: string;
  readonly initiatorPort: number;
  readonly responderAddr: string;
  readonly responderPort: number;
  /** `tcp`, `udp`, `icmp`, `smtp` ... */
  readonly protocol: string;
  readonly state: SessionState;
  /** Seconds since it was made, and since its last frame. */
  readonly created: number;
  readonly lastHeard: number;
  /** Payload octets. */
  readonly initiatorOctets: number;
  readonly responderOctets: number;
  /** Access list that its first datagram passed on the way in, and that entry's hits; '' without one. */
  readonly accessList: string;
  readonly accessListMatches: number;
}

/** One dynamic or extended translation; static ones come from the configuration. */
export interface TranslationRow {
  /** IP protocol, 0: a simple entry (addresses only). */
  readonly protocol: number;
  /** int32 addresses; ports, or the query identifier of ICMP. */
  readonly insideGlobal: number;
  readonly insideGlobalPort: number;
  readonly insideLocal: number;
  readonly insideLocalPort: number;
  readonly outsideLocal: number;
  readonly outsideLocalPort: number;
  readonly outsideGlobal: number;
  readonly outsideGlobalPort: number;
  /** Seconds since it was made, and since it was last used. */
  readonly created: number;
  readonly used: number;
  /** Milliseconds; 0: never. */
  readonly timeout: number;
  /** Milliseconds to its end. */
  readonly left: number;
  readonly useCount: number;
  readonly entryId: number;
}

export interface NatTotals {
  readonly hits: number;
  readonly misses: number;
  readonly expired: number;
  readonly peak: number;
  /** Seconds since the peak. */
  readonly peakAge: number;
  /** Bindings by dynamic mapping, in the order of the configuration. */
  readonly mappingReferences: readonly number[];
}

export interface NeighbourRow {
  readonly addr: number;
  /** `0200.0000.0110`, or '' while it is not known. */
  readonly mac: string;
  /** Minutes; -1: our own or a static entry. */
  readonly age: number;
  readonly interface: string;
}

/** One interface as it runs, by the order of the configuration. */
export interface PortRow {
  /** What it is attached to, '' for nothing. */
  readonly device: string;
  /** Link up and carrier present. */
  readonly up: boolean;
  /** `0200.0000.0110`, or '' where it has none. */
  readonly mac: string;
  readonly mtu: number;
  /** Seconds since the last frame in and out; -1: never. */
  readonly lastInput: number;
  readonly lastOutput: number;
  /** Seconds since `clear counters`, -1: never. */
  readonly lastCleared: number;
  /** Mean of five minutes. */
  readonly inputBits: number;
  readonly inputFrames: number;
  readonly outputBits: number;
  readonly outputFrames: number;
  /** Virtual reassembly. */
  readonly reassemblies: number;
  readonly fragments: number;
  readonly totalReassemblies: number;
  readonly reassemblyTimeouts: number;
}

export interface LogState {
  /** Lines of the buffer, oldest first, without line feeds. */
  readonly lines: readonly string[];
  readonly console: number;
  readonly monitor: number;
  readonly buffer: number;
  readonly trap: number;
  readonly dropped: number;
  readonly rateLimited: number;
}

export interface FirewallState {
  /** Seconds since start. */
  readonly uptime: number;
  /** Wall clock, seconds since 1970. */
  readonly clock: number;
  /** Laid out by telemetry/counters.ts. */
  readonly counters: Float64Array;
  /** Sessions in the order of the table; an implementation may stop at a bound and says so in sessionsLeftOut. */
  readonly sessions: readonly SessionRow[];
  readonly sessionsLeftOut: number;
  /** Most sessions at one time: established, half-open, terminating. */
  readonly sessionPeaks: readonly [established: number, halfOpen: number, terminating: number];
  /** Seconds since the last session was made, -1: none. */
  readonly lastSessionCreated: number;
  /** Sessions made in the last minute, and the most in any. */
  readonly creationRate: number;
  readonly maxCreationRate: number;
  /** Hits by name of access list, an entry each in the order of the list. */
  readonly accessListHits: ReadonlyMap<string, ArrayLike<number>>;
  readonly translations: readonly TranslationRow[];
  readonly nat: NatTotals;
  readonly neighbours: readonly NeighbourRow[];
  readonly ports: readonly PortRow[];
  readonly log: LogState;
  /** Lines of `show debugging` that are on, for instance `INSPECT SMTP Inspection debugging is on`. */
  readonly debugging: readonly string[];
  /** Version of the program. */
  readonly version: string;
}

const NO_NAT: NatTotals = { hits: 0, misses: 0, expired: 0, peak: 0, peakAge: 0, mappingReferences: [] };
const NO_LOG: LogState = { lines: [], console: 0, monitor: 0, buffer: 0, trap: 0, dropped: 0, rateLimited: 0 };

/** The state of a port that nothing is attached to. */
export const NO_PORT: PortRow = {
  device: '',
  up: false,
  mac: '',
  mtu: 1500,
  lastInput: -1,
  lastOutput: -1,
  lastCleared: -1,
  inputBits: 0,
  inputFrames: 0,
  outputBits: 0,
  outputFrames: 0,
  reassemblies: 0,
  fragments: 0,
  totalReassemblies: 0,
  reassemblyTimeouts: 0,
};

/** A firewall that runs nothing and has seen nothing. */
export function emptyState(version = 'unknown'): FirewallState {
  return {
    uptime: 0,
    clock: Math.floor(Date.now() / 1000),
    counters: createCounters(),
    sessions: [],
    sessionsLeftOut: 0,
    sessionPeaks: [0, 0, 0],
    lastSessionCreated: -1,
    creationRate: 0,
    maxCreationRate: 0,
    accessListHits: new Map(),
    translations: [],
    nat: NO_NAT,
    neighbours: [],
    ports: [],
    log: NO_LOG,
    debugging: [],
    version,
  };
}
