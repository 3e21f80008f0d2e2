// What the inspector keeps of a session: WORDS int32 and, of a line cut by a segment border, its first octets.
//
// 192 + 64 octets a session, and 32 more where `match invalid-recipients` is configured.  All of it lies in arrays that
// cost memory only for sessions that were ever open.  Stream positions are int32, compared by (a - b) | 0.

import type { SmtpPolicy } from './declare.ts';

/** Words of a session. */
export const WORDS = 48;

/** What client octets are: MODE_... */
export const MODE = 0;
/** Kind of the outstanding reply behind which nothing is judged (SYNC_...), with SYNC_LATE; 0: none. */
export const SYNC = 1;
/** Outstanding replies before the one of SYNC. */
export const OUTSTANDING = 2;
/** CONNECTION_... */
export const CONNECTION = 3;
/** Keywords that the client could see in the latest EHLO reply. */
export const VISIBLE = 4;
/** Verbs that are legal at this moment. */
export const USABLE = 5;
/** Client octets before this position may leave, or left. */
export const RELEASED = 6;

// The line of the client (in mail data: the line and the field).
export const LINE_START = 7;
export const PHASE = 8;
/** Node of the trie being walked; in an address literal, its numbers. */
export const NODE = 9;
export const VERB = 10;
/** Octets of the part being counted, or the position of its first one. */
export const COUNT = 11;
/** Sub-state of the phase. */
export const AUX = 12;
/** LINE_... */
export const LINE = 13;
/** Why the line is illegal, and how early in the order of checks that cause stands. */
export const FAULT = 14;
export const RANK = 15;
/** UTF-8 automaton (utf8.ts). */
export const UTF8 = 16;
export const LINE_TIME = 17;
/** Time of the latest octet of a line or of mail data. */
export const LAST_TIME = 18;
/** Deadline that was asked for; meaningful with CONNECTION_ARMED. */
export const DEADLINE = 19;
export const RECIPIENTS = 20;
export const INVALID_RECIPIENTS = 21;
/** Place of the oldest outstanding reply in the ring of RCPT bits. */
export const RING = 22;

export const REPLY_START = 23;
/** Code of the line being read, while it is usable. */
export const REPLY_CODE = 24;
/** Code of the first line of an open multi-line reply, 0: none is open. */
export const OPEN_CODE = 25;
/** REPLY_... */
export const REPLY = 26;
export const REPLY_NODE = 27;
/** Keywords of the EHLO reply being read. */
export const OFFERED = 28;

export const DATA_AT = 29;
/** DATA_... */
export const DATA_FLAGS = 30;
/** Position of the dot that is held. */
export const DOT = 31;
export const FIELD = 32;
export const FIELD_START = 33;
/** Octets of file names in this field. */
export const NAME_LENGTH = 34;
/** Matched octets of `decode@`. */
export const DECODE = 35;
export const RECEIVED = 36;
export const CHUNK_LEFT = 37;

export const COMMAND_INDEX = 38;
export const REPLY_INDEX = 39;
export const DEBUG_PARAMETER = 40;
export const DEBUG_REPLY = 41;
export const PREFIX_LENGTH = 42;
/** Regex automaton of `match sender-address regex`. */
export const SENDER_STATE = 43;
/** Matched octets of the domain of `mail-relay`, -1: another domain. */
export const RELAY = 44;
export const FIELD_NODE = 45;
export const ARGUMENT = 46;
/** Position behind the latest client octet that was judged. */
export const JUDGED = 47;

// MODE
export const MODE_COMMAND = 0;
export const MODE_SASL = 1;
export const MODE_DATA = 2;
export const MODE_BDAT = 3;
/** 220 to STARTTLS was seen, the handshake not yet. */
export const MODE_TLS = 4;
export const MODE_CLOSED = 5;

// SYNC
export const SYNC_GREETING = 1;
export const SYNC_HELO = 2;
export const SYNC_EHLO = 3;
export const SYNC_DATA = 4;
export const SYNC_AUTH = 5;
export const SYNC_SASL = 6;
export const SYNC_STARTTLS = 7;
export const SYNC_KIND = 7;
/** The line was masked after the server had seen its verb: a refusal is that of a masked line. */
export const SYNC_LATE = 8;

// CONNECTION
export const CONNECTION_EARLY = 1;
export const CONNECTION_VIOLATION = 2;
export const CONNECTION_PIPELINING = 4;
export const CONNECTION_REPLY_SYNTAX = 8;
export const CONNECTION_BANNER = 16;
/** The oldest outstanding command was answered by a line without a code. */
export const CONNECTION_GARBLED = 32;
/** Client octets wait, unjudged. */
export const CONNECTION_LEFT = 64;
export const CONNECTION_ARMED = 128;

// LINE
export const LINE_STARTED = 1;
export const LINE_MASKED = 2;
/** A CR waits for the octet behind it. */
export const LINE_CR = 4;
/** Octets of it had been released when it turned illegal. */
export const LINE_LATE = 8;
export const LINE_LOGGED = 16;
export const LINE_PIPED = 32;
export const LINE_BRACKET = 64;
export const LINE_ROUTE = 128;
export const LINE_ROUTE_CHAR = 256;
export const LINE_UNQUALIFIED = 512;
export const LINE_NO_BRACKETS = 1024;
/** A tab among the blanks just read. */
export const LINE_TAB = 2048;
/** The octet before was `$`. */
export const LINE_DOLLAR = 4096;
export const LINE_QUOTE = 8192;
export const LINE_ESCAPE = 16384;
/** UTF-8 is allowed in the argument. */
export const LINE_UTF8 = 1 << 15;
/** Illegal, and its verb is still being read: it names the cause, the limit of the line and the signature. */
export const LINE_VERB = 1 << 16;
/** The hold timer masked it: the rest is masked as it arrives. */
export const LINE_EXPIRED = 1 << 17;
/** Its length was logged (`match cmd line length` with log only). */
export const LINE_LONG = 1 << 18;

// REPLY
/** Its code is not usable. */
export const REPLY_CODELESS = 1;
/** The latest octet was CR. */
export const REPLY_CR = 2;
/** The separator was `-`. */
export const REPLY_MORE = 4;
/** The EHLO keyword is complete. */
export const REPLY_KEYWORD = 8;
/** A control character behind the code: no client may be shown this as a keyword line. */
export const REPLY_CONTROL = 16;
/** The open multi-line reply answers nothing (421, or a refusal inside mail data). */
export const REPLY_STRAY = 32;
/** The open multi-line reply is that of a line masked late and refuses it. */
export const REPLY_REFUSED = 64;
/** What belongs to the open reply, not to one line of it. */
export const REPLY_OPEN = REPLY_STRAY | REPLY_REFUSED;

// DATA_FLAGS
export const DATA_BODY = 1;
export const DATA_STRICT = 2;
/** The dot at the start of the line is transparency (RFC 5321 4.5.2) and not part of the text. */
export const DATA_STUFFED = 4;
export const DATA_LOGGED_LOOKALIKE = 8;
export const DATA_LOGGED_NEWLINE = 16;
export const DATA_LOGGED_NUL = 32;
export const DATA_LOGGED_LONG = 64;
export const DATA_LOGGED_HOPS = 128;
export const DATA_LOGGED_HEADER = 256;
export const DATA_LOGGED_NAME = 512;

/** First octets of a cut line that are kept for the text of its alert. */
export const PREFIX = 64;
/** Outstanding replies whose kind is kept when invalid recipients are counted; more wait. */
export const RING_BITS = 256;
export const RING_WORDS = RING_BITS / 32;

export class SmtpState {
  readonly words: Int32Array;
  readonly prefix: Uint8Array;
  readonly ring: Int32Array;
  readonly policies: (SmtpPolicy | null)[];

  constructor(maxSessions: number) {
    this.words = new Int32Array(maxSessions * WORDS);
    this.prefix = new Uint8Array(maxSessions * PREFIX);
    this.ring = new Int32Array(maxSessions * RING_WORDS);
    this.policies = new Array<SmtpPolicy | null>(maxSessions).fill(null);
  }
}
