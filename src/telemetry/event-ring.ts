// The event ring: what the data plane tells the control plane, one fixed-size record an event.
//
// A record is RECORD_INTS int32 words and EVENT_TEXT octets of text.  The writer never waits: when the reader has not made
// room, the event is counted as lost.  One writer, one reader; in `run` both views lie over SharedArrayBuffers.
//
// Not here: texts (console/syslog), the event log file (events-file).

import { EVENTS, EVENTS_LOST } from './counters.ts';
import type { Reason } from './reasons.ts';

// Kinds of event.
export const EVENT_SESSION_START = 1;
export const EVENT_SESSION_STOP = 2;
/** An inspector's or normaliser's event: reason says which. */
export const EVENT_ALERT = 3;
/** A frame was dropped (only when drops are logged). */
export const EVENT_DROP = 4;
/** Thresholds: value is the count, value2 the limit, value3 the one-minute rate. */
export const EVENT_AGGRESSIVE = 5;
export const EVENT_CALM = 6;
export const EVENT_HOST_LIMIT = 7;
export const EVENT_HOST_BLOCKED = 8;
export const EVENT_HOST_UNBLOCKED = 9;
/** An access list entry with `log` matched: value is the list, value2 the entry, value3 the packets. */
export const EVENT_ACCESS_LOG = 10;
/** value: interface index, value2: PORT_... */
export const EVENT_PORT_STATE = 11;
/** One message of `debug`: reason is the shape, values its numbers. */
export const EVENT_DEBUG = 12;
/** One line of the packet trace: session is the number of the frame, value the step (TRACE_...). */
export const EVENT_TRACE = 13;
/** Virtual reassembly: reason says which message. */
export const EVENT_REASSEMBLY = 14;
/** value2 of EVENT_REASSEMBLY with ip.frag-limit: too many datagrams in reassembly (else too many fragments of one); value: the limit. */
export const TABLE_OVERFLOW = 1;

// value2 of EVENT_PORT_STATE.
export const PORT_DOWN = 0;
export const PORT_UP = 1;
export const PORT_SHUT = 2;

// Steps of EVENT_TRACE, in value; value2 to value4 are said there.
/** As it arrived.  length, sequence number, kind | control bits << 8 | TRACE_FRAGMENT. */
export const TRACE_RECEIVE = 1;
/** A fragment: 1 the datagram is whole now, 0 it waits. */
export const TRACE_DEFRAGMENT = 2;
/** Session or -1, direction, state. */
export const TRACE_LOOKUP = 3;
/** An access list: list, entry (-1: its end), 1 permits; the interface is in the protocol word, dst 1: `out`. */
export const TRACE_ACCESS_LIST = 4;
/** NAT: addresses and ports as the datagram leaves. */
export const TRACE_TRANSLATE = 5;
/** Egress interface in the protocol word, next hop in dst (0: of a bridge group). */
export const TRACE_ROUTE = 6;
/** 1: the rule word says which line inspects it, 0: none does. */
export const TRACE_RULE = 7;
/** The session that it opened. */
export const TRACE_OPEN = 8;
/** State before and after. */
export const TRACE_TRACK = 9;
/** An inspector or the normaliser: reason, times. */
export const TRACE_EVENT = 10;
/** Payload octets that arrived, and that leave in its direction. */
export const TRACE_RELEASE = 11;
/** A frame that leaves: length, 1 itself or 0 made here, control bits << 8. */
export const TRACE_EMIT = 12;
/** Its fate (frames.ts), and the reason. */
export const TRACE_END = 13;
export const TRACE_FRAGMENT = 1 << 16;

// Words of a record.
export const E_KIND = 0;
export const E_REASON = 1;
/** ms of the data plane's clock. */
export const E_TIME = 2;
/** Seconds and nanoseconds of the frame's stamp. */
export const E_SEC = 3;
export const E_NSEC = 4;
export const E_SESSION = 5;
/** Initiator and responder; IPv4 addresses (IPv6: in the text). */
export const E_SRC = 6;
export const E_DST = 7;
export const E_PORTS = 8;
/** IP protocol | interface index << 8 | keyword entry << 16. */
export const E_PROTOCOL = 9;
export const E_VALUE = 10;
export const E_VALUE2 = 11;
export const E_VALUE3 = 12;
export const E_VALUE4 = 13;
/** Index of the inspection rule << 16 | entry, -1: none. */
export const E_RULE = 14;
export const E_TEXT_LENGTH = 15;
/** IPv6: the two addresses, four words each, initiator first; all 0 for IPv4. */
export const E_ADDRS6 = 16;
export const RECORD_INTS = 24;
export const TEXT_OCTETS = 128;

export class EventRing {
  readonly words: Int32Array;
  readonly text: Uint8Array;
  readonly size: number;
  /** [0] records written, [1] records read; both run on, modulo 2^32. */
  readonly cursors: Int32Array;
  private readonly counters: Float64Array;

  /** `size` is a power of two. */
  constructor(
    size: number,
    counters: Float64Array,
    buffers?: { words: SharedArrayBuffer; text: SharedArrayBuffer; cursors: SharedArrayBuffer },
  ) {
    this.size = size;
    this.counters = counters;
    this.words = buffers === undefined ? new Int32Array(size * RECORD_INTS) : new Int32Array(buffers.words);
    this.text = buffers === undefined ? new Uint8Array(size * TEXT_OCTETS) : new Uint8Array(buffers.text);
    this.cursors = buffers === undefined ? new Int32Array(2) : new Int32Array(buffers.cursors);
  }

  /**
   * Claims the next record, zeroed but for kind and reason, and returns the offset of its first word, or -1 when the ring
   * is full.  The record is visible to the reader after commit().  Counts the event under its reason.
   */
  claim(kind: number, reason: Reason): number {
    this.counters[EVENTS + reason]!++;
    const written = this.cursors[0]!;
    if (((written - Atomics.load(this.cursors, 1)) | 0) >= this.size) {
      this.counters[EVENTS_LOST]!++;
      return -1;
    }
    const at = (written & (this.size - 1)) * RECORD_INTS;
    this.words.fill(0, at, at + RECORD_INTS);
    this.words[at + E_KIND] = kind;
    this.words[at + E_REASON] = reason;
    return at;
  }

  /** Copies text into the claimed record at word offset `at`. */
  setText(at: number, octets: Uint8Array, from: number, length: number): void {
    const n = Math.min(length, TEXT_OCTETS);
    const to = (at / RECORD_INTS) * TEXT_OCTETS;
    for (let i = 0; i < n; i++) this.text[to + i] = octets[from + i]!;
    this.words[at + E_TEXT_LENGTH] = n;
  }

  /** Eight words of `addrs6` from `from`: the addresses of an IPv6 session, initiator first. */
  setAddrs6(at: number, addrs6: Int32Array, from: number): void {
    for (let i = 0; i < 8; i++) this.words[at + E_ADDRS6 + i] = addrs6[from + i]!;
  }

  commit(): void {
    Atomics.store(this.cursors, 0, (this.cursors[0]! + 1) | 0);
  }

  /** Word offset of the oldest unread record, or -1. */
  peek(): number {
    const read = this.cursors[1]!;
    if (Atomics.load(this.cursors, 0) === read) return -1;
    return (read & (this.size - 1)) * RECORD_INTS;
  }

  /** Gives the oldest record back to the writer. */
  advance(): void {
    Atomics.store(this.cursors, 1, (this.cursors[1]! + 1) | 0);
  }

  /** Text of a record, one octet a character. */
  textOf(at: number): string {
    const from = (at / RECORD_INTS) * TEXT_OCTETS;
    let out = '';
    for (let i = 0; i < this.words[at + E_TEXT_LENGTH]!; i++) out += String.fromCharCode(this.text[from + i]!);
    return out;
  }
}
