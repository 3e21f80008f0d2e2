// Messages between the control plane and a data plane in a worker: what may be asked, what is shared.
//
// Requests are answered between two batches, one a turn; pages have at most PAGE rows, so that no question stops traffic.
// A word of shared memory says that one waits, so that a batch costs one atomic load and no call.

import type { FaultSpec } from '../port/fault.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import type { RehearsalPolicy } from './rehearsal-policy.ts';

/** Rows of a page. */
export const PAGE = 256;

// Words of the control array.
/** Requests posted and not yet taken. */
export const WAITING = 0;
export const CONTROL_WORDS = 4;

/** One session as shown; addresses int32, IPv6 in `text6`. */
export interface SessionRow {
  readonly session: number;
  readonly protocol: number;
  readonly state: number;
  readonly rule: number;
  readonly entry: number;
  readonly initiator: number;
  readonly initiatorPort: number;
  readonly responder: number;
  readonly responderPort: number;
  /** Responder as the frames of the responder have it (after translation). */
  readonly responderLocal: number;
  /** Initiator after translation. */
  readonly initiatorGlobal: number;
  readonly initiatorGlobalPort: number;
  readonly responderLocalPort: number;
  readonly ipv6: readonly number[] | null;
  /** ms ago. */
  readonly age: number;
  readonly idle: number;
  readonly sent: number;
  readonly received: number;
  readonly translated: boolean;
  readonly ingress: number;
  readonly egress: number;
  readonly inspected: boolean;
}

export interface BindingRow {
  readonly protocol: number;
  readonly insideLocal: number;
  readonly insideLocalPort: number;
  readonly insideGlobal: number;
  readonly insideGlobalPort: number;
  /** Index in the policy's dynamic mappings; negative: it was cleared and ends with its sessions. */
  readonly mapping: number;
  readonly uses: number;
  /** ms that it outlives its last use, 0: for ever. */
  readonly timeout: number;
  /** ms */
  readonly age: number;
  readonly idle: number;
}

export interface NeighbourRow {
  readonly interface: number;
  readonly addr: number;
  readonly mac: readonly [high: number, low: number];
  /** session/neighbours state. */
  readonly state: number;
  readonly origin: number;
  /** ms since it was confirmed. */
  readonly age: number;
}

/** An interface as the data plane has it. */
export interface PortGauge {
  readonly up: boolean;
  readonly mac: readonly [high: number, low: number];
  readonly mtu: number;
}

export interface Gauges {
  /** By interface index. */
  readonly ports: readonly PortGauge[];
  readonly natHits: number;
  readonly natMisses: number;
  readonly natExpired: number;
  readonly natBindings: number;
  readonly natPeak: number;
  readonly natPeakAge: number;
  readonly reassembly: readonly { current: number; fragments: number; total: number; timeouts: number }[];
  readonly slotsInUse: number;
  readonly storePages: number;
  readonly oneMinuteRate: number;
  readonly uptime: number;
  /** Wall clock, seconds since 1970. */
  readonly clock: number;
}

export type Question =
  | { readonly kind: 'sessions'; readonly from: number }
  | { readonly kind: 'bindings'; readonly from: number }
  | { readonly kind: 'neighbours'; readonly from: number }
  | { readonly kind: 'gauges' }
  | { readonly kind: 'clear-session'; readonly session: number }
  | { readonly kind: 'clear-sessions'; readonly from: number }
  | { readonly kind: 'clear-translations' }
  | {
      readonly kind: 'clear-translation';
      readonly protocol: number;
      readonly global: number;
      readonly globalPort: number;
      readonly local: number;
      readonly localPort: number;
    }
  /** Ends the sessions whose translation was cleared. */
  | { readonly kind: 'end-stale'; readonly from: number }
  | { readonly kind: 'clear-nat-statistics' }
  | { readonly kind: 'clear-arp'; readonly from: number }
  | { readonly kind: 'clear-hits'; readonly list: number }
  | { readonly kind: 'debug'; readonly smtp: boolean }
  /** `list`: index of an access list that permits the frames, -1: all frames; `count`: 0 for any number. */
  | { readonly kind: 'trace'; readonly on: boolean; readonly list: number; readonly count: number }
  | { readonly kind: 'log-drops'; readonly on: boolean }
  | { readonly kind: 'install'; readonly policy: PolicySnapshot }
  | { readonly kind: 'stop' };

/** `next`: where the following page begins, -1: that was all. */
export interface Answer {
  readonly rows?: readonly SessionRow[] | readonly BindingRow[] | readonly NeighbourRow[];
  readonly next?: number;
  readonly gauges?: Gauges;
  readonly count?: number;
}

/** What a worker gets at its start. */
export interface WorkerStart {
  readonly policy: PolicySnapshot;
  /** What the plane rehearses before it forwards, null: nothing. */
  readonly rehearsal: RehearsalPolicy | null;
  /** Interface of the machine by interface index, null: none. */
  readonly devices: readonly (string | null)[];
  readonly vnet: boolean;
  readonly bypassQdisc: boolean;
  readonly spin: 'auto' | number;
  /** A bad line in front of each port. */
  readonly fault: FaultSpec | null;
  readonly seed: number;
  readonly counters: SharedArrayBuffer;
  readonly hits: SharedArrayBuffer;
  readonly events: { readonly words: SharedArrayBuffer; readonly text: SharedArrayBuffer; readonly cursors: SharedArrayBuffer };
  readonly control: SharedArrayBuffer;
  readonly smallSlots: number;
  readonly largeSlots: number;
  readonly storePages: number;
}

/** What a worker says of itself. */
export type WorkerNotice =
  | {
      readonly kind: 'ready';
      readonly wakeHandle: number;
      readonly macs: readonly (readonly [number, number])[];
      readonly mtus: readonly number[];
    }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'failed'; readonly message: string; readonly status: number };

/** A question with its number. */
export interface Request {
  readonly id: number;
  readonly question: Question;
}
