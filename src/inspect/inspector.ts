// The contract between the stream and an application inspector.
//
// An inspector sees the octets of one session in order, both directions, and answers through one preallocated Outcome:
// how far it judged, how far may be released, which octets are overwritten.  It keeps its state in columns indexed by
// session and direction.  It must not allocate, throw, or keep the octets.
//
// Stream positions are int32 and count from 0 at the first octet behind the SYN, modulo 2^32; compare them by
// (a - b) | 0.  Direction 0 is from the opener of the session (the SMTP client), 1 from its responder (the server).
//
// What stream/ does with the answer
//   - octets at positions below releaseTo leave, with the edits applied; the rest of what was judged is held;
//   - octets that were not judged (from position + consumed on) are held and shown again after a call for the other
//     direction set wakeOther.  They come first then, before new ones;
//   - when a call sets wakeOther with octets left unjudged, the other direction is served first, then the rest is shown;
//   - edits may name octets held since an earlier call, never octets that were released.

import type { Reason } from '../telemetry/reasons.ts';

/** Go on. */
export const FORWARD = 0;
/** Not everything that was shown could be judged or released. */
export const HOLD = 1;
/** Reset both sides; out.reason names the cause.  What lies below releaseTo leaves first. */
export const RESET = 2;
/** Opaque from here: release everything, do not call scan again for this session. */
export const IGNORE = 3;
export type Verdict = number;

export const MAX_EDITS = 256;
export const MAX_EVENTS = 64;
/** Octets of text that an event can carry. */
export const EVENT_TEXT = 128;

/** An answer of scan, end or expire; one object for the process. */
export class Outcome {
  /** Octets judged of those shown, from the first. */
  consumed = 0;
  /** Stream position up to which octets may leave. */
  releaseTo = 0;
  /** The other direction may go on: show it what it left. */
  wakeOther = false;
  /** An absolute time in ms at which expire() is wanted; meaningful when hasDeadline.  Replaces the one before. */
  deadline = 0;
  hasDeadline = false;
  /** Drops the deadline asked for earlier. */
  cancelDeadline = false;
  /** Cause of RESET.  The inspector has recorded the event of that name as well, with its text. */
  reason: Reason = 0;
  /** A table of this object was full: show what was left unjudged again at once, in a new call, without waiting for the other side. */
  again = false;

  editCount = 0;
  readonly editFrom = new Int32Array(MAX_EDITS);
  readonly editTo = new Int32Array(MAX_EDITS);
  readonly editOctet = new Uint8Array(MAX_EDITS);

  eventCount = 0;
  readonly eventReason = new Int32Array(MAX_EVENTS);
  /** A number that the event is about (line length, count), else 0. */
  readonly eventValue = new Int32Array(MAX_EVENTS);
  readonly eventTextLength = new Int32Array(MAX_EVENTS);
  readonly eventText = new Uint8Array(MAX_EVENTS * EVENT_TEXT);

  /** Called by the stream before each call. */
  begin(position: number): void {
    this.consumed = 0;
    this.releaseTo = position;
    this.wakeOther = false;
    this.hasDeadline = false;
    this.cancelDeadline = false;
    this.reason = 0;
    this.again = false;
    this.editCount = 0;
    this.eventCount = 0;
  }

  /**
   * Overwrites the octets at stream positions [from, to) with `octet`.  False when the table is full: the caller stops
   * judging there (consumed) and is called again for the rest.
   */
  edit(from: number, to: number, octet: number): boolean {
    const n = this.editCount;
    if (n > 0 && this.editTo[n - 1] === from && this.editOctet[n - 1] === octet) {
      this.editTo[n - 1] = to;
      return true;
    }
    if (n === MAX_EDITS) return false;
    this.editFrom[n] = from;
    this.editTo[n] = to;
    this.editOctet[n] = octet;
    this.editCount = n + 1;
    return true;
  }

  /** Forgets the edits of this call that begin at or behind stream position `from`; they were recorded in order. */
  dropEdits(from: number): void {
    let n = this.editCount;
    while (n > 0 && ((this.editFrom[n - 1]! - from) | 0) >= 0) n--;
    this.editCount = n;
  }

  /** Records an event with the octets [from, to) of `octets` as its text (cut at EVENT_TEXT); lost when the table is full. */
  event(reason: Reason, value: number, octets: Uint8Array, from: number, to: number): void {
    const n = this.eventCount;
    if (n === MAX_EVENTS) return;
    const length = Math.min(to - from, EVENT_TEXT);
    this.eventReason[n] = reason;
    this.eventValue[n] = value;
    this.eventTextLength[n] = length;
    const at = n * EVENT_TEXT;
    for (let i = 0; i < length; i++) this.eventText[at + i] = octets[from + i]!;
    this.eventCount = n + 1;
  }

  /** Adds the octets [from, to) to the text of the latest event, cut at EVENT_TEXT. */
  appendText(octets: Uint8Array, from: number, to: number): void {
    const n = this.eventCount - 1;
    if (n < 0) return;
    const before = this.eventTextLength[n]!;
    const length = Math.min(to - from, EVENT_TEXT - before);
    const at = n * EVENT_TEXT + before;
    for (let i = 0; i < length; i++) this.eventText[at + i] = octets[from + i]!;
    if (length > 0) this.eventTextLength[n] = before + length;
  }
}

/** Messages of `debug` that one call can produce. */
export const MAX_DEBUG = 1024;
export const DEBUG_WORDS = 5;
export const DEBUG_SESSION = 0;
export const DEBUG_SHAPE = 1;
export const DEBUG_A = 2;

/**
 * Receives what `debug ip inspect PROTOCOL` prints, as numbers: session, shape (the text of a shape is in the inspector's
 * debug-text.ts) and up to three values, in the order in which they are to be printed.  Whoever set it empties it
 * after each call (count = 0).
 */
export class DebugSink {
  readonly records = new Int32Array(MAX_DEBUG * DEBUG_WORDS);
  count = 0;

  /** Lost when the sink is full. */
  put(session: number, shape: number, a: number, b: number, c: number): void {
    if (this.count === MAX_DEBUG) return;
    const at = this.count * DEBUG_WORDS;
    this.records[at + DEBUG_SESSION] = session;
    this.records[at + DEBUG_SHAPE] = shape;
    this.records[at + DEBUG_A] = a;
    this.records[at + DEBUG_A + 1] = b;
    this.records[at + DEBUG_A + 2] = c;
    this.count++;
  }
}

/** What `ip inspect name X PROTOCOL ...` said of one protocol, as the inspector compiled it: plain, cloneable data. */
export type InspectorPolicy = Readonly<Record<string, unknown>>;

/** Pure data about an inspector: the only thing that configuration and console read (declare.ts of its folder). */
export interface Declaration {
  /** Keywords of `ip inspect name X KEYWORD` that select it, for instance smtp and esmtp. */
  readonly keywords: readonly string[];
  /** Destination ports that select it, by keyword (the default port map). */
  readonly ports: readonly number[];
}

export interface Inspector {
  readonly declare: Declaration;
  /** A new session; both directions at position 0. */
  open(session: number, policy: InspectorPolicy, now: number): void;
  /**
   * Judges octets [from, to) of `octets`, the first at stream position `position`.  How the stream was cut may decide only
   * which octets of an illegal line left before it turned illegal.
   */
  scan(
    session: number,
    direction: number,
    octets: Uint8Array,
    from: number,
    to: number,
    position: number,
    now: number,
    out: Outcome,
  ): Verdict;
  /** The sender's FIN is in order behind position `position`; what is still held may be released or masked. */
  end(session: number, direction: number, position: number, now: number, out: Outcome): Verdict;
  /** A deadline that it asked for has come.  releaseTo and edits are those of direction 0; octets are not shown. */
  expire(session: number, now: number, out: Outcome): Verdict;
  close(session: number): void;
  /** Starts (or with null ends) the messages of `debug ip inspect PROTOCOL`; absent: the protocol has none. */
  setDebug?(sink: DebugSink | null): void;
}
