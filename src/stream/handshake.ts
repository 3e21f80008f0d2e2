// The handshake of an inspected session: SYN, SYN/ACK, and nothing else with a SYN.  RFC 9293 section 3.5, RFC 7323 section 2.2,
// RFC 2018 section 2, RFC 3168 section 6.1.1.
//
// Payload and Fast Open (RFC 7413) are removed from both; their sender repeats the octets after the handshake.  Simultaneous
// open and a SYN as the answer to a SYN are refused.  A repeated SYN may drop options, but not change the window scale: the
// responder may have seen either.
//
// An acknowledgement of the opener may come before the SYN/ACK: a capture of one wire is no better ordered than the clocks of the
// interfaces that it was taken from, and between two ports of a machine either may be read first.  Letting it pass would let
// a number pass that nothing vouches for; forgetting it would lose the session, because the opener has no reason to
// repeat it and the responder speaks next.  So it is dropped and its number kept: a SYN/ACK that has exactly this number
// completes the handshake.  Whoever guesses the number could as well have sent the acknowledgement a moment later.  Octets
// and FINs in front of the SYN/ACK are dropped and leave no trace: their sender repeats them.

import { OPEN, OPENING, REPLIED, SYN_ACKED } from '../session/record.ts';
import {
  OK,
  type Reason,
  TCP_HANDSHAKE,
  TCP_SPLIT_HANDSHAKE,
  TCP_SYN_DATA,
  TCP_SYN_IN_ESTABLISHED,
  TCP_SYN_MISMATCH,
} from '../telemetry/reasons.ts';
import { before } from '../wire/seq.ts';
import * as tcp from '../wire/tcp.ts';
import { alert } from './alerts.ts';
import { keepTemplate } from './originate.ts';
import { clampWindow, pass } from './release.ts';
import { NO_SCALE, offer } from './segment-options.ts';
import {
  ACKED_EARLY,
  ACK_NUM,
  ECN,
  EDGE,
  FLAGS,
  ISN,
  JUDGED,
  NXT,
  OFFERS_ECN,
  OFFERS_SACK,
  OFFERS_SCALE,
  OFFERS_TIMESTAMPS,
  OURS,
  PEER,
  RELEASED,
  RELEASE_TO,
  SACK,
  SCALE_MASK,
  SENT_END,
  SIZES,
  SYN_SEEN,
  TIMESTAMPS,
  TS_ECHO,
  TS_RECENT,
  UNA,
  WINDOW,
} from './stream-record.ts';
import { directionOf, type StreamState } from './stream-state.ts';

/** A segment with SYN, of the direction at `at`; its options are filtered.  OK when it is on its way. */
export function acceptSyn(s: StreamState, at: number): Reason {
  const isOpening = s.sessions.state(s.session) === OPENING;
  const reason = directionOf(at) === 0 ? checkSyn(s, at, isOpening) : checkSynAck(s, at, isOpening);
  if (reason !== OK) return reason;
  removeData(s);
  if ((s.words[at + FLAGS]! & SYN_SEEN) === 0) begin(s, at);
  keepTemplate(s, at);
  clampWindow(s, 0);
  if (isOpening) {
    noteOffer(s, at);
    noteNumbers(s, at);
    if (directionOf(at) === 1) answer(s, at);
  }
  pass(s);
  return OK;
}

/** A SYN/ACK: the session is established when its acknowledgement was here before it. */
function answer(s: StreamState, at: number): void {
  const peer = at ^ PEER;
  const isAcked = (s.words[peer + FLAGS]! & ACKED_EARLY) !== 0 && s.words[peer + ACK_NUM] === s.words[at + NXT];
  s.words[peer + FLAGS]! &= ~ACKED_EARLY;
  negotiate(s, at);
  if (isAcked) establish(s);
}

function checkSyn(s: StreamState, at: number, isOpening: boolean): Reason {
  const { segment, words } = s;
  if (segment.has(tcp.ACK)) return isOpening ? TCP_HANDSHAKE : TCP_SYN_IN_ESTABLISHED;
  if (!isOpening) return TCP_SYN_IN_ESTABLISHED;
  const flags = words[at + FLAGS]!;
  if ((flags & SYN_SEEN) === 0) return OK;
  if (segment.seq !== words[at + ISN]) return TCP_SYN_MISMATCH;
  const changesScale = (flags & OFFERS_SCALE) !== 0 && offer.scale !== NO_SCALE && offer.scale !== (flags & SCALE_MASK);
  return changesScale ? TCP_SYN_MISMATCH : OK;
}

function checkSynAck(s: StreamState, at: number, isOpening: boolean): Reason {
  const { segment, words } = s;
  if (!segment.has(tcp.ACK)) return isOpening ? TCP_SPLIT_HANDSHAKE : TCP_SYN_IN_ESTABLISHED;
  const isSeen = (words[at + FLAGS]! & SYN_SEEN) !== 0;
  if (isOpening) {
    if (segment.ack !== ((words[(at ^ PEER) + ISN]! + 1) | 0)) return TCP_HANDSHAKE;
    return isSeen && !isSameAnswer(s, at) ? TCP_SYN_MISMATCH : OK;
  }
  // Its acknowledgement was lost on the way to the responder, who has therefore sent nothing yet.
  const isRepeated = segment.seq === words[at + ISN] && words[at + NXT] === ((words[at + ISN]! + 1) | 0);
  return isRepeated && segment.ack === ((words[(at ^ PEER) + ISN]! + 1) | 0) ? OK : TCP_SYN_IN_ESTABLISHED;
}

/** The opener may have taken either of two answers, so they must say the same. */
function isSameAnswer(s: StreamState, at: number): boolean {
  const flags = s.words[at + FLAGS]!;
  if (s.segment.seq !== s.words[at + ISN]) return false;
  if (offer.timestamps !== ((flags & OFFERS_TIMESTAMPS) !== 0)) return false;
  return offer.scale === ((flags & OFFERS_SCALE) === 0 ? NO_SCALE : flags & SCALE_MASK);
}

function removeData(s: StreamState): void {
  if (s.segment.length === 0) return;
  s.segment.truncate(0);
  alert(s, TCP_SYN_DATA, s.segment.seq);
}

function begin(s: StreamState, at: number): void {
  const { segment, words } = s;
  const next = (segment.seq + 1) | 0;
  words[at + ISN] = segment.seq;
  words[at + UNA] = next;
  words[at + RELEASED] = next;
  words[at + RELEASE_TO] = next;
  words[at + JUDGED] = next;
  words[at + NXT] = next;
  words[at + SENT_END] = next;
  words[at + OURS] = next;
  words[at + EDGE] = next;
  words[at + FLAGS]! |= SYN_SEEN;
}

/** What was offered once stays offered: the responder may have seen that SYN and not this one. */
function noteOffer(s: StreamState, at: number): void {
  const { words, segment } = s;
  // An opener that sends its SYN again has not seen the SYN/ACK that it seemed to acknowledge.
  let flags = words[at + FLAGS]! & ~ACKED_EARLY;
  if (offer.scale !== NO_SCALE) flags = (flags & ~SCALE_MASK) | offer.scale | OFFERS_SCALE;
  if (offer.sack) flags |= OFFERS_SACK;
  if (offer.timestamps) flags |= OFFERS_TIMESTAMPS;
  // RFC 3168 section 6.1.1: ECE and CWR on the SYN, ECE alone on its answer.
  const ecn = segment.bits & (tcp.ECE | tcp.CWR);
  if (ecn === (segment.has(tcp.ACK) ? tcp.ECE : tcp.ECE | tcp.CWR)) flags |= OFFERS_ECN;
  words[at + FLAGS] = flags;
  words[at + SIZES] = offer.mss;
}

function noteNumbers(s: StreamState, at: number): void {
  const { words, segment } = s;
  words[at + ACK_NUM] = segment.ack;
  words[at + WINDOW] = tcp.window(s.region.view, segment.l4);
  if (!segment.hasTimestamps) return;
  words[at + TS_RECENT] = segment.tsValue;
  words[at + TS_ECHO] = segment.tsEcho;
}

/** The SYN/ACK: what both offered holds.  The windows of both SYNs are never scaled. */
function negotiate(s: StreamState, at: number): void {
  const { words } = s;
  const peer = at ^ PEER;
  const both = words[at + FLAGS]! & words[peer + FLAGS]!;
  const flags =
    ((both & OFFERS_TIMESTAMPS) !== 0 ? TIMESTAMPS : 0) | ((both & OFFERS_SACK) !== 0 ? SACK : 0) | ((both & OFFERS_ECN) !== 0 ? ECN : 0);
  if ((both & OFFERS_SCALE) === 0) {
    words[at + FLAGS]! &= ~SCALE_MASK;
    words[peer + FLAGS]! &= ~SCALE_MASK;
  }
  words[peer + FLAGS]! |= flags;
  // The opener has acknowledged nothing yet: its SYN had no acknowledgement number to compare later ones with.
  words[peer + ACK_NUM] = words[at + ISN]!;
  words[at + EDGE] = (words[at + NXT]! + words[peer + WINDOW]!) | 0;
  words[peer + EDGE] = (words[at + ACK_NUM]! + words[at + WINDOW]!) | 0;
  s.sessions.addFlag(s.session, SYN_ACKED | REPLIED);
}

/** The first segment of the opener behind the SYN/ACK; false when it does not acknowledge that. */
export function completes(s: StreamState, at: number): boolean {
  const { segment, words } = s;
  const peer = at ^ PEER;
  if ((words[peer + FLAGS]! & SYN_SEEN) === 0 || !segment.has(tcp.ACK) || before(segment.ack, words[peer + NXT]!)) return false;
  return directionOf(at) === 0;
}

/** Remembers the segment at hand, which completes() did not take, if it is an acknowledgement alone that a SYN/ACK may yet confirm. */
export function noteEarlyAck(s: StreamState, at: number): void {
  const { segment, words } = s;
  if (directionOf(at) === 1 || (words[(at ^ PEER) + FLAGS]! & SYN_SEEN) !== 0) return;
  if (segment.length > 0 || segment.has(tcp.FIN) || segment.seq !== words[at + NXT]) return;
  words[at + ACK_NUM] = segment.ack;
  words[at + FLAGS]! |= ACKED_EARLY;
}

/** The session is established. */
export function establish(s: StreamState): void {
  s.sessions.setState(s.session, OPEN);
}
