// Streams: TCP under the inspectors.  Octets of each direction reach the inspector in order and once, leave only when it has
// released them, and every later copy of them leaves with the same values.
//
//   checks      checksum, control bits, options, reserved and urgent bits     calls.ts
//   handshake   SYN and SYN/ACK                                               handshake.ts
//   receive     numbers, windows, order, first copy wins                      receive.ts
//   inspect     octets -> edits, release limit, verdict                       inspection.ts
//   release     the frame itself, cut or whole, and stored octets around it   release.ts
//   resets      of either side, and ours                                      resets.ts
//
// What is kept: records of two directions a session (stream-record.ts), octets in pages (store.ts), what came out of
// order (holes.ts).  Not here: half-open, idle and close timers, which belong to the session.

import type { FrameQueue } from '../frame/frame-queue.ts';
import type { Frames } from '../frame/frames.ts';
import type { Ledger } from '../frame/ledger.ts';
import type { Region } from '../frame/region.ts';
import type { Inspector, InspectorPolicy } from '../inspect/inspector.ts';
import type { StreamLimits } from '../policy/snapshot.ts';
import type { ClosedList } from '../session/close.ts';
import type { SessionTable } from '../session/table.ts';
import type { TimerWheel } from '../session/timer-wheel.ts';
import type { EventRing } from '../telemetry/event-ring.ts';
import type { Reason } from '../telemetry/reasons.ts';
import { after, before } from '../wire/seq.ts';
import { attachStreams, type StreamCalls } from './calls.ts';
import { recordOf, sentTo, UNA } from './stream-record.ts';
import { StreamState } from './stream-state.ts';

export class Streams {
  /**
   * Frames to translate and send, in order, after each call: the frame itself and those that were made, with their session and
   * direction, checksums right for the sender's side.  Whoever sends them clears it.
   */
  readonly out: FrameQueue;
  private readonly state: StreamState;
  private readonly calls: StreamCalls;

  /** One timer a session, firstTimer + session.  `inspectors` by their index in the registry. */
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
    this.state = new StreamState(region, frames, ledger, sessions, wheel, firstTimer, closed, counters, events, inspectors, limits);
    this.out = this.state.out;
    this.calls = attachStreams(this.state);
  }

  /** TCP checksums of inspected sessions are verified; off for captures that were taken in front of the checksum offload. */
  get verifyChecksums(): boolean {
    return this.state.verifyChecksums;
  }

  set verifyChecksums(verify: boolean) {
    this.state.verifyChecksums = verify;
  }

  /** Bounds from now on; what is stored beyond a lower one stays until it is acknowledged. */
  setLimits(limits: StreamLimits): void {
    this.state.setLimits(limits);
  }

  /** A session with an inspector, before its SYN is accepted.  `maxData`: octets that its opener may send, 0: any number. */
  open(session: number, inspector: number, policy: InspectorPolicy, maxData: number, now: number): void {
    this.calls.open(session, inspector, policy, maxData, now);
  }

  /** One decoded TCP frame of an inspected session, session and direction set.  It gets its fate here, or goes to `out`. */
  accept(f: number, now: number): void {
    this.calls.accept(f, now);
  }

  /** Its timer fired: what is due of holes, waiting octets, octets to be sent again, the inspector's own deadline. */
  expire(timer: number, now: number): void {
    this.calls.expire(timer, now);
  }

  /** The session is going away: what is held of it is dropped for `reason` (OK: as of a session that ended), its state freed. */
  close(session: number, reason: Reason): void {
    this.calls.close(session, reason);
  }

  /** Resets both sides.  The session is CLOSED and answers later segments with the same reset until it is closed. */
  reset(session: number, reason: Reason, now: number): void {
    this.calls.reset(session, reason, now);
  }

  /** Next sequence number that the receiver of `direction` expects: behind what was emitted, FIN included. */
  nextSeq(session: number, direction: number): number {
    return sentTo(this.state.words, recordOf(session, direction));
  }

  /**
   * True when `seq` may stand in a segment of `direction` that was emitted and is not acknowledged, or follow the last one: what an
   * ICMP error about it names.
   */
  isPlausibleSeq(session: number, direction: number, seq: number): boolean {
    const { words } = this.state;
    const at = recordOf(session, direction);
    return !before(seq, words[at + UNA]!) && !after(seq, sentTo(words, at));
  }

  /** Pages of the store in use. */
  get pagesInUse(): number {
    return this.state.store.used;
  }
}
