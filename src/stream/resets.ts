// Resets: those that we send to both sides, those that an endpoint sends, and the answer to whatever comes after one.
// RFC 9293 section 3.10.7.1, RFC 5961 section 3.
//
// Each side sees the numbers that it expects: towards the receiver of a direction, what was released of it; the sender's held
// octets are nothing that the receiver ever heard of.

import { CLOSED } from '../session/record.ts';
import { INSPECT_RESETS, RESETS_SENT } from '../telemetry/counters.ts';
import { INSPECT_MAX_DATA, INSPECT_RESET, OK, type Reason, SESSION_ENDED, TCP_RST_INVALID, TCP_SYNC_LIMIT } from '../telemetry/reasons.ts';
import * as tcp from '../wire/tcp.ts';
import { alert, alertAlways } from './alerts.ts';
import { keepTemplate, originate } from './originate.ts';
import { pass } from './release.ts';
import {
  ANSWERED_BY_RESET,
  FIN_SEEN,
  FIN_SEQ,
  FLAGS,
  HELD,
  HOLD_ARMED,
  INSPECT_ARMED,
  ISN,
  NXT,
  PEER,
  recordOf,
  RESEND_ARMED,
  SENT_END,
  sentTo,
  SYN_SEEN,
} from './stream-record.ts';
import { directionOf, type StreamState } from './stream-state.ts';

/** What frames are dropped for when a session is reset for `cause`. */
export function dropReasonOf(cause: Reason): Reason {
  return cause === OK || cause === TCP_SYNC_LIMIT || cause === INSPECT_MAX_DATA ? cause : INSPECT_RESET;
}

/** Carries out the reset that the segment or timer at hand has led to, when everything that may still leave is on its way. */
export function finishReset(s: StreamState): void {
  const cause = s.resetCause;
  if (cause === OK) return;
  s.resetCause = OK;
  if (cause === TCP_SYNC_LIMIT) alert(s, cause, 0);
  else s.counters[INSPECT_RESETS]!++;
  if (cause === INSPECT_MAX_DATA) alertAlways(s, cause, s.maxData[s.session]!);
  resetBoth(s, dropReasonOf(cause));
}

/** Resets both sides of the session at hand, which is CLOSED then.  What is held of it is dropped for `reason`. */
export function resetBoth(s: StreamState, reason: Reason): void {
  sendResets(s);
  close(s, reason);
}

/** The same for a session whose frames are not at hand: it goes on the closed list, and the path ends it. */
export function resetForRoom(s: StreamState, reason: Reason): void {
  sendResets(s);
  dropHeld(s, reason);
  s.closed.add(s.session);
}

function sendResets(s: StreamState): void {
  const at = recordOf(s.session, 0);
  if ((s.words[at + FLAGS]! & SYN_SEEN) !== 0) {
    sendReset(s, at);
    s.words[at + PEER + FLAGS]! |= ANSWERED_BY_RESET;
  }
  // An opener that has heard nothing from the responder yet is left to its own time-out.
  if ((s.words[at + PEER + FLAGS]! & SYN_SEEN) !== 0) sendReset(s, at ^ PEER);
  s.words[at + FLAGS]! |= ANSWERED_BY_RESET;
}

/** A segment with RST of the direction at `at`.  OK when it is on its way, and the session is closed. */
export function acceptReset(s: StreamState, at: number): Reason {
  const { segment, words } = s;
  const peer = at ^ PEER;
  if (!isExpected(s, at)) return TCP_RST_INVALID;
  keepTemplate(s, at);
  if ((words[at + FLAGS]! & SYN_SEEN) !== 0 && segment.seq !== sentTo(words, at)) segment.setSeq(sentTo(words, at));
  segment.truncate(0);
  // A reset of the opener tells the responder, and the other way round; only the one that was told may be told again.
  words[peer + FLAGS]! |= ANSWERED_BY_RESET;
  pass(s);
  close(s, SESSION_ENDED);
  return OK;
}

/** Sends the reset again to the sender of the segment at hand, of the direction at `at`. */
export function answerClosed(s: StreamState, at: number): void {
  if (!s.segment.has(tcp.RST) && (s.words[at + FLAGS]! & ANSWERED_BY_RESET) !== 0) sendReset(s, at ^ PEER);
}

/** Drops what is held of the session at hand and gives everything back that it has in the stores. */
export function dropHeld(s: StreamState, reason: Reason): void {
  const { words } = s;
  const first = recordOf(s.session, 0);
  for (let at = first; at <= first + PEER; at += PEER) {
    const count = words[at + HELD]! + s.holes.clear(at);
    if (count > 0) s.ledger.settleDropped(count, reason === OK ? SESSION_ENDED : reason);
    words[at + HELD] = 0;
    s.noteWaiting(at, 0);
    words[at + FLAGS]! &= ~(HOLD_ARMED | RESEND_ARMED | INSPECT_ARMED);
    s.store.releaseAll(at);
  }
  s.wheel.cancel(s.firstTimer + s.session);
}

function close(s: StreamState, reason: Reason): void {
  dropHeld(s, reason);
  s.sessions.setState(s.session, CLOSED);
}

/**
 * The number that its receiver expects, or the sender's own next one: with octets held or lost in front of us the two differ.
 * The answer to a SYN has no number of its own; it names the SYN.
 */
function isExpected(s: StreamState, at: number): boolean {
  const { segment, words } = s;
  if ((words[at + FLAGS]! & SYN_SEEN) === 0) {
    return directionOf(at) === 1 && segment.has(tcp.ACK) && segment.ack === ((words[(at ^ PEER) + ISN]! + 1) | 0);
  }
  return segment.seq === sentTo(words, at) || segment.seq === words[at + SENT_END];
}

/** A reset in the direction at `at`, as if its sender had sent it. */
function sendReset(s: StreamState, at: number): void {
  const { words } = s;
  const peer = at ^ PEER;
  const isAnswered = (words[peer + FLAGS]! & SYN_SEEN) !== 0;
  const ack = isAnswered ? receivedTo(s, at) : 0;
  if (originate(s, at, sentTo(words, at), ack, isAnswered ? tcp.RST | tcp.ACK : tcp.RST, 0, 0)) s.counters[RESETS_SENT]!++;
}

/** What the sender of the direction at `at` would acknowledge: of the opener's octets all that came, of the responder's all that left. */
function receivedTo(s: StreamState, at: number): number {
  const { words } = s;
  const peer = at ^ PEER;
  if (directionOf(at) === 0) return sentTo(words, peer);
  const hasFin = (words[peer + FLAGS]! & FIN_SEEN) !== 0 && words[peer + NXT] === words[peer + FIN_SEQ];
  return hasFin ? (words[peer + NXT]! + 1) | 0 : words[peer + NXT]!;
}
