// Shows octets in order to the inspector and takes its answer: edits, how far octets may leave, events, deadlines, verdict.
//
// New octets are shown where they arrived, in the frame; what was held, or came out of order, in its page of the store, or in one
// piece when it lies on several.  Both directions take turns here: an answer may free octets of the other direction, which are judged before the
// rest of this one.  Nothing is emitted here.

import { NO_FRAME } from '../frame/frames.ts';
import { HEADROOM, LARGE_SLOT } from '../frame/region.ts';
import { FORWARD, IGNORE, RESET, type Verdict } from '../inspect/inspector.ts';
import { INSPECT_RESET, OK, type Reason, TCP_SYNC_LIMIT } from '../telemetry/reasons.ts';
import { before, earlier, later } from '../wire/seq.ts';
import { report } from './alerts.ts';
import { armHold, disarmHold } from './deadlines.ts';
import {
  FIN_ENDED,
  FIN_SEEN,
  FIN_SEQ,
  FLAGS,
  HOLD_ARMED,
  INSPECT_ARMED,
  INSPECT_DEADLINE,
  ISN,
  JUDGED,
  NXT,
  OPAQUE,
  PEER,
  RELEASE_TO,
  recordOf,
  WAITS,
} from './stream-record.ts';
import { directionOf, type StreamState } from './stream-state.ts';

/** Octets of a slot, and so of the largest piece that is put together. */
const LARGEST_PIECE = LARGE_SLOT - HEADROOM;
/** Calls that one frame may cause (a super-frame of 64 KiB of the shortest replies); an inspector that wants more is broken. */
const MAX_TURNS = 1 << 17;

/**
 * Judges what the direction at `at` has in order, and what that frees of the other.  OK, or the cause of a reset; then RELEASE_TO of
 * both says what may still leave.
 */
export function inspect(s: StreamState, at: number): Reason {
  const peer = at ^ PEER;
  const judged = s.words[at + JUDGED]!;
  const peerJudged = s.words[peer + JUDGED]!;
  const reason = takeTurns(s, at);
  if (reason !== OK) return reason;
  const waiting = watchHold(s, at, judged);
  return waiting !== OK ? waiting : watchHold(s, peer, peerJudged);
}

/** The inspector's deadline has come.  OK, or the cause of a reset. */
export function expireInspector(s: StreamState): Reason {
  const { words, outcome } = s;
  const at = recordOf(s.session, 0);
  disarmInspector(s, at);
  outcome.begin(positionOf(s, at, words[at + RELEASE_TO]!));
  const verdict = s.inspector().expire(s.session, s.now, outcome);
  const wakeOther = outcome.wakeOther;
  const reason = takeAnswer(s, at, verdict);
  if (reason !== OK) return reason;
  if (wakeOther) words[at + PEER + FLAGS]! &= ~WAITS;
  // A FIN of the opener may go now.
  const own = inspect(s, at);
  return own !== OK || !wakeOther ? own : inspect(s, at ^ PEER);
}

/** The directions that may go on take turns; one that was freed by the other goes first. */
function takeTurns(s: StreamState, first: number): Reason {
  const { outcome } = s;
  let at = first;
  let ready = bitOf(first);
  for (let turn = 0; ready !== 0 && turn < MAX_TURNS; turn++) {
    if ((ready & bitOf(at)) === 0) at ^= PEER;
    outcome.wakeOther = false;
    const reason = takeTurn(s, at);
    if (reason !== OK) return reason;
    if (!s.mayGoOn) ready &= ~bitOf(at);
    if (!outcome.wakeOther) continue;
    at ^= PEER;
    ready |= bitOf(at);
    s.words[at + FLAGS]! &= ~WAITS;
  }
  return OK;
}

/** One call of the inspector, if there is anything to say to it; `mayGoOn` tells whether there is more. */
function takeTurn(s: StreamState, at: number): Reason {
  const { words } = s;
  s.mayGoOn = false;
  if ((words[recordOf(s.session, 0) + FLAGS]! & OPAQUE) !== 0) {
    passOpaque(s, at);
    return OK;
  }
  if (words[at + JUDGED] === words[at + NXT]) return tellEnd(s, at);
  return (words[at + FLAGS]! & WAITS) === 0 ? show(s, at) : OK;
}

/**
 * The next octets, in one piece.  When octets that came out of order follow those of the frame, all are shown from the
 * store, so that a line is not judged in two parts only because it arrived in two.
 */
function show(s: StreamState, at: number): Reason {
  const { words, segment } = s;
  const seq = words[at + JUDGED]!;
  const nxt = words[at + NXT]!;
  if (s.freshAt === at && nxt === s.freshTo && !before(seq, s.freshFrom)) {
    return showPiece(s, at, seq, segment.payload + ((seq - segment.seq) | 0), (nxt - seq) | 0);
  }
  const run = s.store.run(seq);
  const octets = Math.min((nxt - seq) | 0, LARGEST_PIECE);
  if (octets <= run) return showPiece(s, at, seq, s.store.placeOf(at, seq), octets);
  // Where a page ends depends on the sequence number, and no line may be judged in two parts because of that.
  const f = s.frames.allocate(octets);
  if (f === NO_FRAME) return showPiece(s, at, seq, s.store.placeOf(at, seq), run);
  s.store.read(at, seq, s.frames.offset[f]!, octets);
  const reason = showPiece(s, at, seq, s.frames.offset[f]!, octets);
  s.frames.free(f);
  return reason;
}

/** The octets [from, from + octets) of the region, the first with number `seq`. */
function showPiece(s: StreamState, at: number, seq: number, from: number, octets: number): Reason {
  const { words, outcome } = s;
  const position = positionOf(s, at, seq);
  outcome.begin(position);
  const verdict = s.inspector().scan(s.session, directionOf(at), s.region.u8, from, from + octets, position, s.now, outcome);
  const consumed = Math.max(0, Math.min(outcome.consumed, octets));
  words[at + JUDGED] = (seq + consumed) | 0;
  s.mayGoOn = consumed === octets || outcome.again || outcome.wakeOther;
  if (!s.mayGoOn) words[at + FLAGS]! |= WAITS;
  return takeAnswer(s, at, verdict);
}

/** All octets are judged and the FIN is the next: what is held of an incomplete line may go, or not. */
function tellEnd(s: StreamState, at: number): Reason {
  const { words, outcome } = s;
  const flags = words[at + FLAGS]!;
  if ((flags & FIN_SEEN) === 0 || (flags & FIN_ENDED) !== 0 || words[at + NXT] !== words[at + FIN_SEQ]) return OK;
  const position = positionOf(s, at, words[at + FIN_SEQ]!);
  outcome.begin(position);
  const verdict = s.inspector().end(s.session, directionOf(at), position, s.now, outcome);
  const reason = takeAnswer(s, at, verdict);
  // No octet follows that could change what is still kept back (a CR, the beginning of a BDAT line): it leaves in front of the FIN.
  if (verdict === FORWARD) words[at + RELEASE_TO] = words[at + FIN_SEQ]!;
  if (words[at + RELEASE_TO] === words[at + FIN_SEQ]) words[at + FLAGS]! |= FIN_ENDED;
  return reason;
}

/** Edits, release, events, deadline, verdict.  OK, or the cause of a reset. */
function takeAnswer(s: StreamState, at: number, verdict: Verdict): Reason {
  const { words, outcome } = s;
  for (let i = 0; i < outcome.editCount; i++)
    edit(s, at, numberOf(s, at, outcome.editFrom[i]!), numberOf(s, at, outcome.editTo[i]!), outcome.editOctet[i]!);
  const releaseTo = earlier(numberOf(s, at, outcome.releaseTo), words[at + JUDGED]!);
  words[at + RELEASE_TO] = later(words[at + RELEASE_TO]!, releaseTo);
  if (outcome.eventCount > 0) report(s);
  takeDeadline(s);
  if (verdict === RESET) return outcome.reason === OK ? INSPECT_RESET : outcome.reason;
  if (verdict === IGNORE) becomeOpaque(s, at);
  return OK;
}

/** Overwrites what has not been released of [from, to), in the store and in the frame at hand. */
function edit(s: StreamState, at: number, from: number, to: number, octet: number): void {
  const { words, segment } = s;
  const first = later(from, words[at + RELEASE_TO]!);
  const last = earlier(to, words[at + JUDGED]!);
  if (!before(first, last)) return;
  s.store.edit(at, first, last, octet);
  if (s.freshAt !== at) return;
  const inFrame = later(first, segment.seq);
  const behind = earlier(last, segment.end);
  if (!before(inFrame, behind)) return;
  const place = segment.payload - segment.seq;
  s.region.u8.fill(octet, (place + inFrame) | 0, (place + behind) | 0);
  segment.isChanged = true;
}

function takeDeadline(s: StreamState): void {
  const { words, outcome } = s;
  const at = recordOf(s.session, 0);
  if (outcome.hasDeadline) {
    words[at + PEER + INSPECT_DEADLINE] = outcome.deadline;
    words[at + FLAGS]! |= INSPECT_ARMED;
    s.timersMoved = true;
  } else if (outcome.cancelDeadline) {
    disarmInspector(s, at);
  }
}

function disarmInspector(s: StreamState, at: number): void {
  if ((s.words[at + FLAGS]! & INSPECT_ARMED) === 0) return;
  s.words[at + FLAGS]! &= ~INSPECT_ARMED;
  s.timersMoved = true;
}

/** The inspector wants to see no more of either direction. */
function becomeOpaque(s: StreamState, at: number): void {
  const session = recordOf(s.session, 0);
  s.words[session + FLAGS]! |= OPAQUE;
  disarmInspector(s, session);
  passOpaque(s, at);
  passOpaque(s, at ^ PEER);
}

function passOpaque(s: StreamState, at: number): void {
  const { words } = s;
  words[at + JUDGED] = words[at + NXT]!;
  words[at + RELEASE_TO] = words[at + NXT]!;
  words[at + FLAGS]! |= FIN_ENDED;
}

/** What waits for the other direction: OK, or TCP_SYNC_LIMIT when it is too much.  The time runs anew whenever some of it was judged. */
function watchHold(s: StreamState, at: number, judgedBefore: number): Reason {
  const { words } = s;
  const waiting = (words[at + NXT]! - words[at + JUDGED]!) | 0;
  if (waiting > 0 || (words[at + FLAGS]! & HOLD_ARMED) !== 0) s.noteWaiting(at, waiting);
  if (waiting === 0) disarmHold(s, at);
  else if (waiting > s.limits.syncOctets) return TCP_SYNC_LIMIT;
  else if ((words[at + FLAGS]! & HOLD_ARMED) === 0 || judgedBefore !== words[at + JUDGED]) armHold(s, at);
  return OK;
}

function bitOf(at: number): number {
  return directionOf(at) + 1;
}

/** Stream position of a sequence number: 0 is the first octet behind the SYN. */
function positionOf(s: StreamState, at: number, seq: number): number {
  return (seq - s.words[at + ISN]! - 1) | 0;
}

function numberOf(s: StreamState, at: number, position: number): number {
  return (position + s.words[at + ISN]! + 1) | 0;
}
