// What the steps of a stream work on, made once: the records, the store, the holes, the segment at hand, the inspector's answer,
// what leaves.  The steps are functions over it: handshake, receive, inspection, release, originate.

import { FrameQueue } from '../frame/frame-queue.ts';
import type { Frames } from '../frame/frames.ts';
import type { Ledger } from '../frame/ledger.ts';
import { type Region, STORE_PAGE } from '../frame/region.ts';
import { type Inspector, Outcome } from '../inspect/inspector.ts';
import type { StreamLimits } from '../policy/snapshot.ts';
import type { ClosedList } from '../session/close.ts';
import type { SessionTable } from '../session/table.ts';
import type { TimerWheel } from '../session/timer-wheel.ts';
import { WAITING_OCTETS } from '../telemetry/counters.ts';
import type { EventRing } from '../telemetry/event-ring.ts';
import { OK, type Reason } from '../telemetry/reasons.ts';
import { Holes } from './holes.ts';
import { Segment } from './segment.ts';
import { Store } from './store.ts';
import { PEER, STREAM_SHIFT, STREAM_WORDS } from './stream-record.ts';

/** Intervals out of order, all sessions together. */
const MAX_INTERVALS = 16_384;

export class StreamState {
  readonly region: Region;
  readonly frames: Frames;
  readonly ledger: Ledger;
  readonly sessions: SessionTable;
  readonly wheel: TimerWheel;
  readonly firstTimer: number;
  readonly closed: ClosedList;
  readonly counters: Float64Array;
  readonly events: EventRing;
  readonly inspectors: readonly Inspector[];
  /** Stream records. */
  readonly words: Int32Array;
  /** The same octets, for templates. */
  readonly octets: Uint8Array;
  /** Payload octets of the opener that a session may carry, 0: any number.  By session. */
  readonly maxData: Uint32Array;
  /** Octets in order that wait for the other direction, by session << 1 | direction: the parts of the gauge. */
  readonly waiting: Int32Array;
  readonly store: Store;
  readonly holes: Holes;
  readonly segment: Segment;
  readonly outcome = new Outcome();
  readonly out: FrameQueue;
  limits: StreamLimits;
  verifyChecksums = true;

  /** ms; of the call at hand. */
  now = 0;
  /** Session of the call at hand. */
  session = 0;
  /** A deadline of the session was set or lifted. */
  timersMoved = false;
  /** Numbers [freshFrom, freshTo) are new in the segment at hand and are shown to the inspector in the frame, of record freshAt. */
  freshAt = -1;
  freshFrom = 0;
  freshTo = 0;
  /** The direction that the inspector was asked about has more to show. */
  mayGoOn = false;
  /** Why the session is reset when the segment at hand is done with, OK: it is not. */
  resetCause: Reason = OK;
  /** The session that the next search for room begins with. */
  reclaimNext = 0;
  /** IPv4 identification of the next datagram that we make. */
  nextIdentification = 1;

  constructor(
    region: Region,
    frames: Frames,
    ledger: Ledger,
    sessions: SessionTable,
    wheel: TimerWheel,
    firstTimer: number,
    closed: ClosedList,
    counters: Float64Array,
    events: EventRing,
    inspectors: readonly Inspector[],
    limits: StreamLimits,
  ) {
    this.region = region;
    this.frames = frames;
    this.ledger = ledger;
    this.sessions = sessions;
    this.wheel = wheel;
    this.firstTimer = firstTimer;
    this.closed = closed;
    this.counters = counters;
    this.events = events;
    this.inspectors = inspectors;
    this.words = new Int32Array(sessions.capacity * 2 * STREAM_WORDS);
    this.octets = new Uint8Array(this.words.buffer);
    this.maxData = new Uint32Array(sessions.capacity);
    this.waiting = new Int32Array(sessions.capacity * 2);
    this.store = new Store(region, this.words, counters);
    this.holes = new Holes(this.words, counters, MAX_INTERVALS);
    this.segment = new Segment(frames);
    this.out = new FrameQueue(frames.capacity);
    this.limits = limits;
    this.setLimits(limits);
  }

  setLimits(limits: StreamLimits): void {
    this.limits = limits;
    this.store.limit = Math.min(Math.floor(limits.totalOctets / STORE_PAGE), this.region.shape.storePages);
  }

  /** Begins work on a session without a segment at hand. */
  begin(session: number, now: number): void {
    this.session = session;
    this.now = now;
    this.timersMoved = false;
    this.freshAt = -1;
  }

  /** The direction at `at` has `octets` octets that wait for the other. */
  noteWaiting(at: number, octets: number): void {
    const i = at >> STREAM_SHIFT;
    this.counters[WAITING_OCTETS]! += octets - this.waiting[i]!;
    this.waiting[i] = octets;
  }

  inspector(): Inspector {
    return this.inspectors[this.sessions.inspector[this.session]!]!;
  }
}

/** Direction of the record at `at`. */
export function directionOf(at: number): number {
  return (at & PEER) === 0 ? 0 : 1;
}

/** Session of the record at `at`. */
export function sessionOf(at: number): number {
  return at >> (STREAM_SHIFT + 1);
}
