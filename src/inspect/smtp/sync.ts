// The two sides of the dialogue: replies that are outstanding, and the points behind which no client octet is judged
// before the reply is complete (RFC 2920 3.1: greeting, HELO, EHLO, DATA, AUTH, SASL line, STARTTLS).
//
// Such a point is always the newest of the outstanding replies, so the queue is a count, the kind of its last entry, and
// whether the oldest was answered by a line without a code.  Which of the others are RCPT matters only where refused
// recipients are counted; then their bits stand in a ring and further commands wait while it is full.

import { RCPT_INVALID_LIMIT, ESMTP_POLICY_LOG } from '../../telemetry/reasons.ts';
import { ACTION_NONE, ACTION_RESET } from './declare.ts';
import { usableVerbs } from './keywords.ts';
import { beginData } from './mail-data.ts';
import {
  CHUNK_LEFT,
  CONNECTION,
  CONNECTION_GARBLED,
  CONNECTION_VIOLATION,
  COUNT,
  INVALID_RECIPIENTS,
  LAST_TIME,
  LINE,
  LINE_LATE,
  MODE,
  MODE_BDAT,
  MODE_COMMAND,
  MODE_SASL,
  MODE_TLS,
  OFFERED,
  OUTSTANDING,
  RECIPIENTS,
  RING,
  RING_BITS,
  RING_WORDS,
  SYNC,
  SYNC_AUTH,
  SYNC_DATA,
  SYNC_EHLO,
  SYNC_GREETING,
  SYNC_HELO,
  SYNC_KIND,
  SYNC_LATE,
  SYNC_SASL,
  SYNC_STARTTLS,
  USABLE,
  VERB,
  VISIBLE,
} from './state.ts';
import type { Turn } from './turn.ts';
import { AUTH, BDAT, DATA, EHLO, HELO, RCPT, SENDER_VERBS, STARTTLS, STEERING_VERBS } from './verbs.ts';

/** Outstanding replies, the garbled one not counted. */
export function outstanding(turn: Turn): number {
  const { words, at } = turn;
  return allOutstanding(turn) - ((words[at + CONNECTION]! & CONNECTION_GARBLED) !== 0 ? 1 : 0);
}

export function allOutstanding(turn: Turn): number {
  const { words, at } = turn;
  return words[at + OUTSTANDING]! + (words[at + SYNC] === 0 ? 0 : 1);
}

/** True when a further command must wait because the kinds of the outstanding replies fill their ring. */
export function ringFull(turn: Turn): boolean {
  return turn.policy.invalidAction !== ACTION_NONE && turn.words[turn.at + OUTSTANDING]! >= RING_BITS;
}

function push(turn: Turn, recipient: boolean): void {
  const { words, at, state } = turn;
  if (turn.policy.invalidAction !== ACTION_NONE) {
    const place = (words[at + RING]! + words[at + OUTSTANDING]!) & (RING_BITS - 1);
    const word = turn.session * RING_WORDS + (place >> 5);
    const bit = 1 << (place & 31);
    state.ring[word] = recipient ? state.ring[word]! | bit : state.ring[word]! & ~bit;
  }
  words[at + OUTSTANDING]!++;
}

function synchronise(turn: Turn, kind: number): void {
  turn.words[turn.at + SYNC] = kind;
  turn.words[turn.at + CONNECTION]! &= ~CONNECTION_VIOLATION;
}

/** The kind of synchronising point that a verb makes, 0: none. */
function syncOf(verb: number): number {
  switch (verb) {
    case HELO:
      return SYNC_HELO;
    case EHLO:
      return SYNC_EHLO;
    case DATA:
      return SYNC_DATA;
    case AUTH:
      return SYNC_AUTH;
    case STARTTLS:
      return SYNC_STARTTLS;
    default:
      return 0;
  }
}

/** A legal line is complete: queues its reply. */
export function lineAnswered(turn: Turn): void {
  const { words, at } = turn;
  if (words[at + MODE] === MODE_SASL) {
    synchronise(turn, SYNC_SASL);
    return;
  }
  const verb = words[at + VERB]!;
  const kind = syncOf(verb);
  if (kind !== 0) {
    synchronise(turn, kind);
    return;
  }
  push(turn, verb === RCPT);
  if (verb === BDAT) beginChunk(turn);
  else if (((SENDER_VERBS >>> verb) & 1) === 1) words[at + RECIPIENTS] = 0;
}

/** Behind a BDAT line: CHUNK_LEFT octets are counted, not read.  COUNT is 4 when LAST was given. */
function beginChunk(turn: Turn): void {
  const { words, at } = turn;
  if (words[at + COUNT] === 4) words[at + RECIPIENTS] = 0;
  if (words[at + CHUNK_LEFT] === 0) return;
  words[at + MODE] = MODE_BDAT;
  words[at + LAST_TIME] = turn.now;
}

/**
 * A masked line of `length` octets is complete.  Where the server saw a whole verb that changes the meaning of what follows
 * before the masking began, it may obey it, so the line stays a synchronising point of that kind.
 */
export function maskedLineAnswered(turn: Turn, length: number): void {
  const { words, at } = turn;
  if (words[at + MODE] === MODE_SASL) {
    synchronise(turn, SYNC_SASL);
    return;
  }
  const verb = words[at + VERB]!;
  const usable = words[at + USABLE]! & STEERING_VERBS;
  if ((words[at + LINE]! & LINE_LATE) !== 0 && ((usable >>> verb) & 1) === 1) {
    const seen = words[at + COUNT]!;
    const verbLength = verb === STARTTLS ? 8 : 4;
    if (seen > verbLength || (seen === verbLength && length === verbLength)) {
      synchronise(turn, syncOf(verb) | SYNC_LATE);
      return;
    }
  }
  push(turn, false);
}

/** The end of mail data was released. */
export function dataAnswered(turn: Turn): void {
  push(turn, false);
  turn.words[turn.at + RECIPIENTS] = 0;
  turn.words[turn.at + MODE] = MODE_COMMAND;
}

/** Takes the oldest entry off; it is not that of SYNC.  Returns true when it was a RCPT. */
export function popOldest(turn: Turn): boolean {
  const { words, at, state } = turn;
  words[at + OUTSTANDING]!--;
  words[at + CONNECTION]! &= ~CONNECTION_GARBLED;
  if (turn.policy.invalidAction === ACTION_NONE) return false;
  const place = words[at + RING]!;
  words[at + RING] = (place + 1) & (RING_BITS - 1);
  return ((state.ring[turn.session * RING_WORDS + (place >> 5)]! >>> (place & 31)) & 1) === 1;
}

/** The oldest outstanding reply is complete, with `code`.  Resets when too many recipients were refused. */
export function replyComplete(turn: Turn, code: number, refused: boolean, from: number, to: number): void {
  const { words, at, policy } = turn;
  if (words[at + OUTSTANDING]! > 0) {
    const recipient = popOldest(turn);
    if (!recipient || code < 500) return;
    const invalid = ++words[at + INVALID_RECIPIENTS]!;
    if (invalid <= policy.invalidLimit) return;
    if (policy.invalidAction === ACTION_RESET) turn.reset(RCPT_INVALID_LIMIT, invalid, from, to);
    else turn.event(ESMTP_POLICY_LOG, invalid, from, to);
    return;
  }
  const kind = words[at + SYNC]! & SYNC_KIND;
  words[at + SYNC] = 0;
  words[at + CONNECTION]! &= ~CONNECTION_GARBLED;
  if (!refused) obey(turn, kind, code);
}

/** What the reply to a synchronising command makes of the client octets behind it. */
function obey(turn: Turn, kind: number, code: number): void {
  const { words, at } = turn;
  switch (kind) {
    case SYNC_GREETING:
      return;
    case SYNC_HELO:
      setVisible(turn, 0);
      return;
    case SYNC_EHLO:
      setVisible(turn, code === 250 ? words[at + OFFERED]! : 0);
      return;
    case SYNC_DATA:
      if (code === 354) beginData(turn);
      return;
    case SYNC_STARTTLS:
      if (code === 220) words[at + MODE] = MODE_TLS;
      return;
    default:
      words[at + MODE] = code === 334 ? MODE_SASL : MODE_COMMAND;
  }
}

/** Sets the EHLO keywords that the client can see, and with them the verbs that are legal. */
export function setVisible(turn: Turn, visible: number): void {
  turn.words[turn.at + VISIBLE] = visible;
  turn.words[turn.at + USABLE] = usableVerbs(turn.policy.verbs, visible);
}
