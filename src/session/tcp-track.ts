// TCP of sessions without an inspector: handshake, sequence and window checks, the end.  RFC 9293 sections 3.5, 3.10; RFC 7323
// section 2.3 (window scale); RFC 5961 section 3 (resets).
//
// Nothing is copied, held or changed.  Of each direction two numbers are kept: the highest sequence number sent + 1, and the
// right edge that the other side ever offered.  A segment passes when it ends at or before that edge and not further back
// than one window, and when it acknowledges what was sent, not further back than one window (as IOS checks every TCP session).
// Checksums are verified for SYN, FIN and RST only, because nothing else changes the state of a session.
//
// Not here: sessions with an inspector (stream/), time-outs (path/session-life.ts).

import type { Frames } from '../frame/frames.ts';
import {
  OK,
  type Reason,
  TCP_ACK_UNSEEN,
  TCP_BAD_CHECKSUM,
  TCP_BAD_FLAGS,
  TCP_CLOSED,
  TCP_DATA_AFTER_FIN,
  TCP_HANDSHAKE,
  TCP_MIDSTREAM,
  TCP_OUT_OF_WINDOW,
  TCP_RST_INVALID,
  TCP_SPLIT_HANDSHAKE,
  TCP_SYN_IN_ESTABLISHED,
  TCP_SYN_MISMATCH,
  TCP_WINDOW_SCALE,
} from '../telemetry/reasons.ts';
import { after, before, later } from '../wire/seq.ts';
import * as tcp from '../wire/tcp.ts';
import type { ClosedList } from './close.ts';
import {
  CLOSED,
  CLOSING,
  FIN_FORWARD,
  FIN_REPLY,
  OPEN,
  OPENING,
  RECORD_SHIFT,
  REPLIED,
  SCALES,
  SEQ_EDGE_FORWARD,
  SEQ_EDGE_REPLY,
  SEQ_END_FORWARD,
  SEQ_END_REPLY,
  STATE,
  STATE_MASK,
  SYN_ACKED,
} from './record.ts';
import type { SessionTable } from './table.ts';
import { hasBadFlags, verifyChecksum } from './tcp-checks.ts';

/** A window of 65,535 and one segment: how far behind the newest a segment or an acknowledgement may be (unscaled). */
const WINDOW_BACK = 0xffff + 1500;
const NO_SCALE = 0xff;
/** In the word SCALES, behind both scales: octets that the SYN/ACK carried. */
const DATA_SHIFT = 16;
/** RFC 7323 section 2.3 */
const MAX_SCALE = 14;

/**
 * Reason for TCP frame `f` that belongs to no session: OK when it may open one (a SYN alone).  An answer to a SYN that nobody
 * remembers is a late one.
 */
export function mayOpen(frames: Frames, f: number): Reason {
  const { view } = frames.region;
  const l4 = frames.l4[f]!;
  const bits = tcp.flags(view, l4);
  if (hasBadFlags(bits)) return TCP_BAD_FLAGS;
  if ((bits & tcp.SYN) === 0) return TCP_MIDSTREAM;
  if ((bits & tcp.ACK) !== 0) return TCP_HANDSHAKE;
  if (!verifyChecksum(frames, f)) return TCP_BAD_CHECKSUM;
  return tcp.checkOptions(view, l4);
}

/**
 * True for a SYN of the opener that may take the place of `session`, which has ended but is still remembered: reset, or
 * both FINs seen and a later initial sequence number (RFC 9293 section 3.6.1).  Of both kinds of TCP session.
 */
export function mayReopen(sessions: SessionTable, frames: Frames, f: number, session: number, direction: number): boolean {
  const state = sessions.state(session);
  if (direction !== 0 || state < CLOSING || mayOpen(frames, f) !== OK) return false;
  return state === CLOSED || after(tcp.seqNum(frames.region.view, frames.l4[f]!), sessions.get(session, SEQ_END_FORWARD));
}

/**
 * Tracks TCP frame `f` of a session without an inspector.  OK or the reason to drop it.  Updates state, windows and FIN flags; puts
 * a session that was reset on the closed list.  `isNew`: the frame made the session.  `looseScale`: a SYN/ACK may carry a window
 * scale that the SYN did not offer; it does not count.
 */
export function trackTcp(
  sessions: SessionTable,
  frames: Frames,
  closed: ClosedList,
  f: number,
  session: number,
  direction: number,
  isNew: boolean,
  looseScale: boolean,
): Reason {
  const { view } = frames.region;
  const l4 = frames.l4[f]!;
  const bits = tcp.flags(view, l4);
  if (hasBadFlags(bits)) return TCP_BAD_FLAGS;
  if ((bits & (tcp.SYN | tcp.FIN | tcp.RST)) !== 0 && !verifyChecksum(frames, f)) return TCP_BAD_CHECKSUM;
  if (sessions.state(session) === CLOSED) return TCP_CLOSED;
  if ((bits & tcp.RST) !== 0) return trackReset(sessions, frames, closed, f, session, direction);
  if ((bits & tcp.SYN) !== 0) return trackSyn(sessions, frames, f, session, direction, isNew, looseScale);
  return trackSegment(sessions, frames, f, session, direction, bits);
}

function trackSyn(
  sessions: SessionTable,
  frames: Frames,
  f: number,
  session: number,
  direction: number,
  isNew: boolean,
  looseScale: boolean,
): Reason {
  const { view } = frames.region;
  const l4 = frames.l4[f]!;
  const options = tcp.checkOptions(view, l4);
  if (options !== OK) return options;
  const isOpening = sessions.state(session) === OPENING;
  if ((tcp.flags(view, l4) & tcp.ACK) === 0) {
    if (!isOpening) return TCP_SYN_IN_ESTABLISHED;
    return direction === 0 ? trackFirstSyn(sessions, frames, f, session, isNew) : TCP_SPLIT_HANDSHAKE;
  }
  return direction === 0 ? TCP_HANDSHAKE : trackSynAck(sessions, frames, f, session, isOpening, looseScale);
}

/** Until the SYN/ACK the edge words hold: what the SYN sent with its data, and its window as it stands. */
function trackFirstSyn(sessions: SessionTable, frames: Frames, f: number, session: number, isNew: boolean): Reason {
  const { view } = frames.region;
  const { hot } = sessions;
  const at = session << RECORD_SHIFT;
  const l4 = frames.l4[f]!;
  const next = (tcp.seqNum(view, l4) + 1) | 0;
  if (!isNew) return next === hot[at + SEQ_END_FORWARD] ? OK : TCP_SYN_MISMATCH;
  hot[at + SEQ_END_FORWARD] = next;
  hot[at + SEQ_EDGE_FORWARD] = (next + frames.end[f]! - frames.payload[f]!) | 0;
  hot[at + SEQ_EDGE_REPLY] = tcp.window(view, l4);
  hot[at + SCALES] = scaleOffered(view, l4) | (NO_SCALE << 8);
  return OK;
}

function trackSynAck(sessions: SessionTable, frames: Frames, f: number, session: number, isOpening: boolean, looseScale: boolean): Reason {
  const { view } = frames.region;
  const { hot } = sessions;
  const at = session << RECORD_SHIFT;
  const l4 = frames.l4[f]!;
  const next = (tcp.seqNum(view, l4) + 1) | 0;
  const first = (hot[at + SEQ_END_REPLY]! - (hot[at + SCALES]! >>> DATA_SHIFT)) | 0;
  if (!isOpening) return next === first ? OK : TCP_SYN_IN_ESTABLISHED;
  if ((hot[at + STATE]! & SYN_ACKED) !== 0) return next === first ? OK : TCP_SYN_MISMATCH;
  const ack = tcp.ackNum(view, l4);
  if (before(ack, hot[at + SEQ_END_FORWARD]!) || after(ack, hot[at + SEQ_EDGE_FORWARD]!)) return TCP_HANDSHAKE;
  const forward = hot[at + SCALES]! & 0xff;
  const reply = scaleOffered(view, l4);
  // The opener may scale by it although it must not (RFC 7323 section 2.2): then the two see different windows.
  if (forward === NO_SCALE && reply !== NO_SCALE && !looseScale) return TCP_WINDOW_SCALE;
  // Scaling holds only when both offered it (RFC 7323 section 2.2).
  const octets = (frames.end[f]! - frames.payload[f]!) | 0;
  hot[at + SCALES] = (forward === NO_SCALE || reply === NO_SCALE ? 0 : forward | (reply << 8)) | (octets << DATA_SHIFT);
  hot[at + SEQ_END_FORWARD] = ack;
  hot[at + SEQ_END_REPLY] = (next + octets) | 0;
  hot[at + SEQ_EDGE_REPLY] = (next + hot[at + SEQ_EDGE_REPLY]!) | 0;
  hot[at + SEQ_EDGE_FORWARD] = (ack + tcp.window(view, l4)) | 0;
  hot[at + STATE]! |= SYN_ACKED | REPLIED;
  return OK;
}

function trackSegment(sessions: SessionTable, frames: Frames, f: number, session: number, direction: number, bits: number): Reason {
  const { view } = frames.region;
  const { hot } = sessions;
  const at = session << RECORD_SHIFT;
  const l4 = frames.l4[f]!;
  if ((hot[at + STATE]! & SYN_ACKED) === 0) return TCP_HANDSHAKE;

  const own = at + (direction === 0 ? SEQ_END_FORWARD : SEQ_END_REPLY);
  const other = at + (direction === 0 ? SEQ_END_REPLY : SEQ_END_FORWARD);
  const ownScale = (hot[at + SCALES]! >> (direction === 0 ? 0 : 8)) & 0xff;
  const otherScale = (hot[at + SCALES]! >> (direction === 0 ? 8 : 0)) & 0xff;
  const isFin = (bits & tcp.FIN) !== 0;
  const dataEnd = (tcp.seqNum(view, l4) + frames.end[f]! - frames.payload[f]!) | 0;
  const end = isFin ? (dataEnd + 1) | 0 : dataEnd;
  // One octet beyond the edge is a probe of a closed window (RFC 9293 section 3.8.6.1).
  if (after(dataEnd, (hot[own + 1]! + 1) | 0) || before(end, (hot[own]! - (WINDOW_BACK << otherScale)) | 0)) return TCP_OUT_OF_WINDOW;
  const ack = tcp.ackNum(view, l4);
  if (after(ack, hot[other]!) || before(ack, (hot[other]! - (WINDOW_BACK << ownScale)) | 0)) return TCP_ACK_UNSEEN;
  const finFlag = direction === 0 ? FIN_FORWARD : FIN_REPLY;
  if ((hot[at + STATE]! & finFlag) !== 0 && after(end, hot[own]!)) return TCP_DATA_AFTER_FIN;

  hot[own] = later(hot[own]!, end);
  hot[other + 1] = later(hot[other + 1]!, (ack + (tcp.window(view, l4) << ownScale)) | 0);
  if (direction === 0 && sessions.state(session) === OPENING) sessions.setState(session, OPEN);
  if (isFin) noteFin(sessions, session, finFlag);
  return OK;
}

/** The end of one direction was sent; of both: CLOSING. */
export function noteFin(sessions: SessionTable, session: number, finFlag: number): void {
  sessions.addFlag(session, finFlag);
  const word = sessions.get(session, STATE);
  if ((word & FIN_FORWARD) !== 0 && (word & FIN_REPLY) !== 0 && (word & STATE_MASK) < CLOSING) sessions.setState(session, CLOSING);
}

/**
 * Only a reset with the number that its receiver expects ends the session.  Another one inside the window passes, and the session
 * stays: its receiver answers it with a challenge (RFC 5961 section 3.2).
 */
function trackReset(sessions: SessionTable, frames: Frames, closed: ClosedList, f: number, session: number, direction: number): Reason {
  const { view } = frames.region;
  const { hot } = sessions;
  const at = session << RECORD_SHIFT;
  const l4 = frames.l4[f]!;
  const seq = tcp.seqNum(view, l4);
  if ((hot[at + STATE]! & SYN_ACKED) === 0 && direction === 1) {
    const ack = tcp.ackNum(view, l4);
    const isAnswer =
      (tcp.flags(view, l4) & tcp.ACK) !== 0 && !before(ack, hot[at + SEQ_END_FORWARD]!) && !after(ack, hot[at + SEQ_EDGE_FORWARD]!);
    if (!isAnswer) return TCP_RST_INVALID;
  } else {
    const own = at + (direction === 0 ? SEQ_END_FORWARD : SEQ_END_REPLY);
    if (seq !== hot[own]) return before(seq, (hot[own]! - WINDOW_BACK) | 0) || after(seq, hot[own + 1]!) ? TCP_RST_INVALID : OK;
  }
  sessions.setState(session, CLOSED);
  closed.add(session);
  return OK;
}

/** Shift of the window scale option, clamped to 14, or NO_SCALE.  Options are checked. */
function scaleOffered(view: DataView, l4: number): number {
  const at = tcp.findOption(view, l4, tcp.OPTION_WINDOW_SCALE);
  return at < 0 || view.getUint8(at + 1) !== 3 ? NO_SCALE : Math.min(view.getUint8(at + 2), MAX_SCALE);
}
