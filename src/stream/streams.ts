// Streams: TCP under the inspectors.  Octets of each direction reach the inspector in order and once, leave only when it has
// released them, and every later copy of them leaves with the same values.
//
//   checks      checksum, control bits, options, reserved and urgent bits     here
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
import { CLOSED, OPENING, RECORD_SHIFT, SEQ_EDGE_FORWARD, SEQ_EDGE_REPLY, SEQ_END_FORWARD, SEQ_END_REPLY } from '../session/record.ts';
import type { SessionTable } from '../session/table.ts';
import { hasBadFlags, verifyChecksum } from '../session/tcp-checks.ts';
import type { TimerWheel } from '../session/timer-wheel.ts';
import { INSPECTED_PACKETS, TCP_PACKETS } from '../telemetry/counters.ts';
import type { EventRing } from '../telemetry/event-ring.ts';
import {
  OK,
  type Reason,
  TCP_BAD_CHECKSUM,
  TCP_BAD_FLAGS,
  TCP_CLOSED,
  TCP_HANDSHAKE,
  TCP_OOO_TIMEOUT,
  TCP_STORE_FULL,
  TCP_SYNC_LIMIT,
} from '../telemetry/reasons.ts';
import { after, before } from '../wire/seq.ts';
import * as tcp from '../wire/tcp.ts';
import { alert } from './alerts.ts';
import { backOffResend, isDue, oursEnd, rearm } from './deadlines.ts';
import { acceptSyn, completes, establish, noteEarlyAck } from './handshake.ts';
import { expireInspector } from './inspection.ts';
import { sendStored } from './originate.ts';
import { reclaim } from './reclaim.ts';
import { receive } from './receive.ts';
import { applyAck, releaseStored } from './release.ts';
import { acceptReset, answerClosed, dropHeld, finishReset, resetBoth } from './resets.ts';
import { scrub } from './scrub.ts';
import { filterOptions } from './segment-options.ts';
import {
  EDGE,
  FIN_SEEN,
  FIN_SEQ,
  FIRST_PAGE,
  FLAGS,
  HOLD_ARMED,
  HOLD_DEADLINE,
  HOLES,
  INSPECTOR_OPEN,
  INSPECT_ARMED,
  INSPECT_DEADLINE,
  NXT,
  PEER,
  RECENT_PAGE,
  recordOf,
  RESEND_ARMED,
  RESEND_DEADLINE,
  SENT_END,
  sentTo,
  STREAM_WORDS,
  UNA,
} from './stream-record.ts';
import { StreamState } from './stream-state.ts';

export class Streams {
  /**
   * Frames to translate and send, in order, after each call: the frame itself and those that were made, with their session and
   * direction, checksums right for the sender's side.  Whoever sends them clears it.
   */
  readonly out: FrameQueue;
  private readonly state: StreamState;

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
    const s = this.state;
    const at = recordOf(session, 0);
    s.words.fill(0, at, at + 2 * STREAM_WORDS);
    for (let record = at; record <= at + PEER; record += PEER) {
      s.words[record + FIRST_PAGE] = -1;
      s.words[record + RECENT_PAGE] = -1;
      s.words[record + HOLES] = -1;
    }
    s.words[at + FLAGS] = INSPECTOR_OPEN;
    s.maxData[session] = Math.min(maxData, 0xffff_ffff);
    s.sessions.inspector[session] = inspector;
    s.inspectors[inspector]!.open(session, policy, now);
  }

  /** One decoded TCP frame of an inspected session, session and direction set.  It gets its fate here, or goes to `out`. */
  accept(f: number, now: number): void {
    const s = this.state;
    const session = s.frames.session[f]!;
    s.begin(session, now);
    s.segment.load(f);
    s.counters[TCP_PACKETS]!++;
    s.counters[INSPECTED_PACKETS]!++;
    const reason = this.process(recordOf(session, s.frames.direction[f]!));
    if (reason !== OK) {
      alert(s, reason, s.segment.seq);
      s.ledger.drop(f, reason);
      if (reason === TCP_STORE_FULL) reclaim(s);
    }
    this.finish();
  }

  /** Its timer fired: what is due of holes, waiting octets, octets to be sent again, the inspector's own deadline. */
  expire(timer: number, now: number): void {
    const s = this.state;
    const session = timer - s.firstTimer;
    const at = recordOf(session, 0);
    s.begin(session, now);
    s.timersMoved = true;
    this.expireDirection(at);
    this.expireDirection(at ^ PEER);
    if (s.resetCause === OK && isDue(s, at, INSPECT_ARMED, PEER + INSPECT_DEADLINE)) {
      s.resetCause = expireInspector(s);
      releaseStored(s, at);
      releaseStored(s, at ^ PEER);
    }
    this.finish();
  }

  /** The session is going away: what is held of it is dropped for `reason` (OK: as of a session that ended), its state freed. */
  close(session: number, reason: Reason): void {
    const s = this.state;
    const at = recordOf(session, 0);
    s.session = session;
    dropHeld(s, reason);
    if ((s.words[at + FLAGS]! & INSPECTOR_OPEN) !== 0) s.inspector().close(session);
    s.words[at + FLAGS]! &= ~INSPECTOR_OPEN;
  }

  /** Resets both sides.  The session is CLOSED and answers later segments with the same reset until it is closed. */
  reset(session: number, reason: Reason, now: number): void {
    const s = this.state;
    if (s.sessions.state(session) === CLOSED) return;
    s.begin(session, now);
    resetBoth(s, reason);
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

  private process(at: number): Reason {
    const s = this.state;
    const { segment, frames } = s;
    if (s.verifyChecksums && !verifyChecksum(frames, segment.f)) return TCP_BAD_CHECKSUM;
    if (hasBadFlags(segment.bits)) return TCP_BAD_FLAGS;
    const sessionState = s.sessions.state(s.session);
    if (sessionState === CLOSED) {
      answerClosed(s, at);
      return TCP_CLOSED;
    }
    const options = filterOptions(s, at);
    if (options !== OK) return options;
    scrub(s, at);
    if (segment.has(tcp.RST)) return acceptReset(s, at);
    if (segment.has(tcp.SYN)) return acceptSyn(s, at);
    if (sessionState !== OPENING) return receive(s, at);
    if (!completes(s, at)) {
      noteEarlyAck(s, at);
      return TCP_HANDSHAKE;
    }
    const reason = receive(s, at);
    if (reason === OK) establish(s);
    return reason;
  }

  private expireDirection(at: number): void {
    const s = this.state;
    if (s.words[at + HOLES] !== -1 && ((s.holes.deadline(at) - s.now) | 0) <= 0) this.forgetHoles(at);
    if (isDue(s, at, RESEND_ARMED, RESEND_DEADLINE)) {
      sendStored(s, at, s.words[at + UNA]!, oursEnd(s, at), false);
      applyAck(s, at);
      backOffResend(s, at);
    }
    if (isDue(s, at, HOLD_ARMED, HOLD_DEADLINE)) s.resetCause = TCP_SYNC_LIMIT;
  }

  /** The hole was not filled in time: what came behind it is dropped, and its sender will send it again. */
  private forgetHoles(at: number): void {
    const s = this.state;
    const { words } = s;
    const nxt = words[at + NXT]!;
    const count = s.holes.clear(at);
    if (count > 0) s.ledger.settleDropped(count, TCP_OOO_TIMEOUT);
    alert(s, TCP_OOO_TIMEOUT, nxt);
    words[at + SENT_END] = nxt;
    if ((words[at + FLAGS]! & FIN_SEEN) !== 0 && words[at + FIN_SEQ] !== nxt) words[at + FLAGS]! &= ~FIN_SEEN;
    if (before(words[at + UNA]!, nxt)) s.store.releaseFrom(at, nxt);
    else s.store.releaseAll(at);
  }

  private finish(): void {
    const s = this.state;
    const { words, session } = s;
    finishReset(s);
    const at = recordOf(session, 0);
    const record = session << RECORD_SHIFT;
    const { hot } = s.sessions;
    hot[record + SEQ_END_FORWARD] = sentTo(words, at);
    hot[record + SEQ_EDGE_FORWARD] = words[at + EDGE]!;
    hot[record + SEQ_END_REPLY] = sentTo(words, at ^ PEER);
    hot[record + SEQ_EDGE_REPLY] = words[(at ^ PEER) + EDGE]!;
    if (s.timersMoved) rearm(s);
  }
}
