// What the path asks of a stream: open, accept, expire, close, reset.  The order of the checks on a segment, and what is done behind each.
//
// Functions over the state of all streams; attachStreams() ties them to one.

import type { InspectorPolicy } from '../inspect/inspector.ts';
import { CLOSED, OPENING, RECORD_SHIFT, SEQ_EDGE_FORWARD, SEQ_EDGE_REPLY, SEQ_END_FORWARD, SEQ_END_REPLY } from '../session/record.ts';
import { hasBadFlags, verifyChecksum } from '../session/tcp-checks.ts';
import { INSPECTED_PACKETS, TCP_PACKETS } from '../telemetry/counters.ts';
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
import { before } from '../wire/seq.ts';
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
import type { StreamState } from './stream-state.ts';

/** The calls of one StreamState; streams.ts says what they do. */
export interface StreamCalls {
  open(session: number, inspector: number, policy: InspectorPolicy, maxData: number, now: number): void;
  accept(f: number, now: number): void;
  expire(timer: number, now: number): void;
  close(session: number, reason: Reason): void;
  reset(session: number, reason: Reason, now: number): void;
}

/** The bundle copies all that handles a segment in here (scripts/specialise.mjs). */
export function attachStreams(s: StreamState): StreamCalls {
  return {
    open: (session, inspector, policy, maxData, now) => open(s, session, inspector, policy, maxData, now),
    accept: (f, now) => accept(s, f, now),
    expire: (timer, now) => expire(s, timer, now),
    close: (session, reason) => close(s, session, reason),
    reset: (session, reason, now) => reset(s, session, reason, now),
  };
}

function open(s: StreamState, session: number, inspector: number, policy: InspectorPolicy, maxData: number, now: number): void {
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

function accept(s: StreamState, f: number, now: number): void {
  const session = s.frames.session[f]!;
  s.begin(session, now);
  s.segment.load(f);
  s.counters[TCP_PACKETS]!++;
  s.counters[INSPECTED_PACKETS]!++;
  const reason = process(s, recordOf(session, s.frames.direction[f]!));
  if (reason !== OK) {
    alert(s, reason, s.segment.seq);
    s.ledger.drop(f, reason);
    if (reason === TCP_STORE_FULL) reclaim(s);
  }
  finish(s);
}

function expire(s: StreamState, timer: number, now: number): void {
  const session = timer - s.firstTimer;
  const at = recordOf(session, 0);
  s.begin(session, now);
  s.timersMoved = true;
  expireDirection(s, at);
  expireDirection(s, at ^ PEER);
  if (s.resetCause === OK && isDue(s, at, INSPECT_ARMED, PEER + INSPECT_DEADLINE)) {
    s.resetCause = expireInspector(s);
    releaseStored(s, at);
    releaseStored(s, at ^ PEER);
  }
  finish(s);
}

function close(s: StreamState, session: number, reason: Reason): void {
  const at = recordOf(session, 0);
  s.session = session;
  dropHeld(s, reason);
  if ((s.words[at + FLAGS]! & INSPECTOR_OPEN) !== 0) s.inspector().close(session);
  s.words[at + FLAGS]! &= ~INSPECTOR_OPEN;
}

function reset(s: StreamState, session: number, reason: Reason, now: number): void {
  if (s.sessions.state(session) === CLOSED) return;
  s.begin(session, now);
  resetBoth(s, reason);
}

function process(s: StreamState, at: number): Reason {
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

function expireDirection(s: StreamState, at: number): void {
  if (s.words[at + HOLES] !== -1 && ((s.holes.deadline(at) - s.now) | 0) <= 0) forgetHoles(s, at);
  if (isDue(s, at, RESEND_ARMED, RESEND_DEADLINE)) {
    sendStored(s, at, s.words[at + UNA]!, oursEnd(s, at), false);
    applyAck(s, at);
    backOffResend(s, at);
  }
  if (isDue(s, at, HOLD_ARMED, HOLD_DEADLINE)) s.resetCause = TCP_SYNC_LIMIT;
}

/** The hole was not filled in time: what came behind it is dropped, and its sender will send it again. */
function forgetHoles(s: StreamState, at: number): void {
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

function finish(s: StreamState): void {
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
