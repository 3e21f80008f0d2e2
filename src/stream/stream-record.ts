// The stream record: what is kept of one direction of an inspected session, 32 int32 words (128 octets), indexed by
// session << 1 | direction.  The record of the other direction is `at ^ PEER`.
//
// Sequence numbers are those on the wire, int32, compared by wire/seq.ts.  The octets of a direction stand like this, each
// number at or before the next:
//
//   UNA            acknowledged by the receiver, and the acknowledgement was passed on to the sender
//   RELEASED       emitted; everything from UNA to here is kept in the store, as it was emitted
//   RELEASE_TO     may leave (differs from RELEASED only while one frame is worked on)
//   JUDGED         the inspector has seen it; from RELEASE_TO to here it is held by the inspector
//   NXT            received in order; from JUDGED to here it waits for the other direction (a synchronising point)
//   EDGE           the largest right edge of the window that the receiver ever offered
//
// Behind NXT lie holes, and octets that came out of order (holes.ts).

export const STREAM_SHIFT = 5;
export const STREAM_WORDS = 32;
/** XOR of the places of the two directions of a session. */
export const PEER = 32;

/** Initial sequence number; the first octet of data has ISN + 1 and stream position 0. */
export const ISN = 0;
export const UNA = 1;
export const RELEASED = 2;
export const RELEASE_TO = 3;
export const JUDGED = 4;
export const NXT = 5;
export const EDGE = 6;
/** Sequence number of the FIN, with FIN_SEEN. */
export const FIN_SEQ = 7;
/** Highest sequence number of data or FIN that the sender has shown + 1. */
export const SENT_END = 8;
export const FLAGS = 9;
/** Newest acknowledgement and window (as it stands in the header, after clamping) of this sender. */
export const ACK_NUM = 10;
export const WINDOW = 11;
/** Newest timestamp in order of this sender, and the newest that it echoed.  RFC 7323. */
export const TS_RECENT = 12;
export const TS_ECHO = 13;
/** Largest segment that this side wants to receive | largest payload of a segment that it sent << 16. */
export const SIZES = 14;
export const FIRST_PAGE = 15;
/** The page used last: where the next octets are likely to go. */
export const RECENT_PAGE = 16;
/** Queue of octets out of order (holes.ts), -1: none. */
export const HOLES = 17;
/** Frames that are held because of octets before NXT, and the sequence number behind the last of them. */
export const HELD = 18;
export const HELD_END = 19;
/** Held octets before this number were acknowledged to the sender: the receiver gets them from us alone. */
export const OURS = 20;
/** ms, with HOLD_ARMED: what waits for the other direction may not wait longer. */
export const HOLD_DEADLINE = 21;
/** ms, with RESEND_ARMED: octets that are ours are sent again. */
export const RESEND_DEADLINE = 22;
/** Of the session, in the record of direction 0: TCP events that were reported, one bit each. */
export const ALERTED = 23;
/** Of the session, in the record of direction 1: the inspector's deadline, with INSPECT_ARMED. */
export const INSPECT_DEADLINE = 23;
/** Words 24-31 are 32 octets: header of the newest segment that was kept for copying (originate.ts). */
export const TEMPLATE = 24;

// FLAGS.  The low four bits are the shift of the windows that this sender offers, 0 until and unless both offered one.
export const SCALE_MASK = 15;
export const SYN_SEEN = 0x10;
/** What the SYN of this direction offered. */
export const OFFERS_SCALE = 0x20;
export const OFFERS_SACK = 0x40;
export const OFFERS_TIMESTAMPS = 0x80;
export const OFFERS_ECN = 0x100;
/** A FIN was seen; the inspector was told; it has left. */
export const FIN_SEEN = 0x200;
export const FIN_ENDED = 0x400;
export const FIN_SENT = 0x800;
export const HOLD_ARMED = 0x1000;
export const RESEND_ARMED = 0x2000;
/** The template is filled. */
export const HAS_TEMPLATE = 0x4000;
/** A reset was sent to the sender of this direction: later segments get it again. */
export const ANSWERED_BY_RESET = 0x8000;
/** An acknowledgement of the opener came before the SYN/ACK; ACK_NUM is its number. */
export const ACKED_EARLY = 0x20_0000;
/** The inspector left octets unjudged: it waits for the other direction. */
export const WAITS = 0x10_0000;
/** How often octets that are ours were sent again, in bits 16-19. */
export const RESENT_SHIFT = 16;
export const RESENT_MASK = 15 << RESENT_SHIFT;

// Of the session, in the FLAGS of direction 0.
/** The inspector wants to see no more. */
export const OPAQUE = 0x100_0000;
export const INSPECT_ARMED = 0x200_0000;
/** Both sides offered it. */
export const TIMESTAMPS = 0x400_0000;
export const SACK = 0x800_0000;
export const ECN = 0x1000_0000;
/** The inspector holds state of the session. */
export const INSPECTOR_OPEN = 0x2000_0000;

/** First word of the record of one direction. */
export function recordOf(session: number, direction: number): number {
  return ((session << 1) | direction) << STREAM_SHIFT;
}

/** First word of the record that holds what belongs to the session: that of direction 0. */
export function sessionRecord(at: number): number {
  return at & ~PEER;
}

/** Next sequence number that the receiver expects of what has left, FIN included. */
export function sentTo(words: Int32Array, at: number): number {
  return (words[at + FLAGS]! & FIN_SENT) === 0 ? words[at + RELEASED]! : (words[at + FIN_SEQ]! + 1) | 0;
}
