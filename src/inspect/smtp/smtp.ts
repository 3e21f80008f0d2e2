// SMTP and ESMTP inspection: the Inspector that the registry holds.
//
// What client octets are at a moment (commands, SASL, mail data, a chunk, TLS) is MODE; lines are in line.ts, mail data
// in mail-data.ts, the server's side in reply.ts, and what ties the two sides together in sync.ts.

import {
  FORWARD,
  HOLD,
  IGNORE,
  type Inspector,
  type InspectorPolicy,
  MAX_EDITS,
  MAX_EVENTS,
  type Outcome,
  RESET,
  type DebugSink,
  type Verdict,
} from '../inspector.ts';
import {
  ESMTP_POLICY_LOG,
  STARTTLS_INJECTION,
  SYNC_EARLY,
  SYNC_VIOLATION,
  TIME_DATA_IDLE,
  TIME_LINE,
  TLS_NOT_HANDSHAKE,
} from '../../telemetry/reasons.ts';
import { createPolicy, declaration, defaultOptions, type SmtpPolicy } from './declare.ts';
import { usableVerbs } from './keywords.ts';
import { notePipelining, releaseHeldLine, scanLine } from './line.ts';
import { DATA_ENDED, mailData, releaseHeldData } from './mail-data.ts';
import { scanReplies } from './reply.ts';
import {
  CHUNK_LEFT,
  CONNECTION,
  CONNECTION_ARMED,
  CONNECTION_EARLY,
  CONNECTION_LEFT,
  CONNECTION_VIOLATION,
  DATA_AT,
  DEADLINE,
  JUDGED,
  LAST_TIME,
  LINE,
  LINE_CR,
  LINE_MASKED,
  LINE_STARTED,
  LINE_TIME,
  MODE,
  MODE_BDAT,
  MODE_CLOSED,
  MODE_COMMAND,
  MODE_DATA,
  MODE_SASL,
  MODE_TLS,
  RELEASED,
  REPLY_NODE,
  REPLY_START,
  SmtpState,
  SYNC,
  SYNC_GREETING,
  SYNC_KIND,
  SYNC_LATE,
  SYNC_STARTTLS,
  USABLE,
  WORDS,
} from './state.ts';
import { dataAnswered, ringFull } from './sync.ts';
import { ROOT } from './trie.ts';
import { Turn } from './turn.ts';
import { isChunkLine } from './command.ts';

/** ContentType of a TLS handshake record (RFC 8446 5.1). */
const TLS_HANDSHAKE = 0x16;
/** Events that one line can record. */
const LINE_EVENTS = 8;
const NO_OCTETS = new Uint8Array(0);

export class Smtp implements Inspector {
  readonly declare = declaration;
  private readonly state: SmtpState;
  private readonly turn: Turn;
  private readonly scanner: Scanner;

  /** `counters` as in telemetry/counters.ts. */
  constructor(maxSessions: number, counters: Float64Array) {
    this.state = new SmtpState(maxSessions);
    this.turn = new Turn(this.state, counters, createPolicy(defaultOptions(true)));
    this.scanner = attachScanner(this.turn);
  }

  open(session: number, policy: InspectorPolicy, now: number): void {
    const { words, policies } = this.state;
    const at = session * WORDS;
    const smtp = policy as unknown as SmtpPolicy;
    policies[session] = smtp;
    words.fill(0, at, at + WORDS);
    words[at + SYNC] = SYNC_GREETING;
    words[at + USABLE] = usableVerbs(smtp.verbs, 0);
    words[at + REPLY_NODE] = ROOT;
    words[at + LAST_TIME] = now;
  }

  scan(
    session: number,
    direction: number,
    octets: Uint8Array,
    from: number,
    to: number,
    position: number,
    now: number,
    out: Outcome,
  ): Verdict {
    const turn = this.begin(session, octets, (position - from) | 0, now, out);
    const { words, at } = turn;
    if (words[at + MODE] === MODE_CLOSED) {
      out.consumed = to - from;
      out.releaseTo = (position + to - from) | 0;
      return IGNORE;
    }
    const done = direction === 0 ? this.scanner.client(from, to) : this.scanner.replies(from, to);
    if (direction === 0) words[at + JUDGED] = (turn.origin + done) | 0;
    out.consumed = turn.verdict === FORWARD ? done - from : to - from;
    out.releaseTo = words[at + (direction === 0 ? RELEASED : REPLY_START)]!;
    if (turn.verdict === RESET) return RESET;
    if (turn.verdict === IGNORE) {
      out.releaseTo = (position + to - from) | 0;
      return IGNORE;
    }
    this.scanner.arm();
    return done < to || ((out.releaseTo - position - (to - from)) | 0) < 0 ? HOLD : FORWARD;
  }

  end(session: number, direction: number, position: number, now: number, out: Outcome): Verdict {
    const turn = this.begin(session, NO_OCTETS, position, now, out);
    const { words, at } = turn;
    if (direction === 1) {
      // what is held of a reply line leaves as it is: incomplete, it steers nothing
      words[at + REPLY_START] = position;
      out.releaseTo = position;
      return FORWARD;
    }
    out.releaseTo = words[at + RELEASED]!;
    if ((words[at + CONNECTION]! & CONNECTION_LEFT) !== 0) return HOLD;
    const mode = words[at + MODE];
    if (mode === MODE_DATA) this.scanner.releaseData(position);
    else if (mode === MODE_COMMAND || mode === MODE_SASL) this.scanner.releaseLine(position);
    out.releaseTo = words[at + RELEASED]!;
    return FORWARD;
  }

  expire(session: number, now: number, out: Outcome): Verdict {
    const turn = this.begin(session, NO_OCTETS, 0, now, out);
    const { words, at, policy } = turn;
    words[at + CONNECTION]! &= ~CONNECTION_ARMED;
    out.releaseTo = words[at + RELEASED]!;
    const mode = words[at + MODE];
    if (mode === MODE_DATA || mode === MODE_BDAT) {
      if (policy.dataIdleMs > 0 && ((now - words[at + LAST_TIME]! - policy.dataIdleMs) | 0) >= 0) turn.reset(TIME_DATA_IDLE, 0, 0, 0);
    } else if ((words[at + LINE]! & LINE_STARTED) !== 0) this.scanner.expireLine(now);
    if (turn.verdict === RESET) return RESET;
    out.releaseTo = words[at + RELEASED]!;
    this.scanner.arm();
    return FORWARD;
  }

  close(session: number): void {
    this.state.policies[session] = null;
    this.state.words[session * WORDS + MODE] = MODE_CLOSED;
  }

  setDebug(sink: DebugSink | null): void {
    this.turn.debug = sink;
  }

  private begin(session: number, octets: Uint8Array, origin: number, now: number, out: Outcome): Turn {
    const turn = this.turn;
    turn.session = session;
    turn.at = session * WORDS;
    const policy = this.state.policies[session];
    if (policy !== null && policy !== undefined && policy !== turn.policy) turn.policy = policy;
    if (octets !== turn.octets) turn.octets = octets;
    turn.origin = origin;
    turn.now = now;
    if (out !== turn.out) turn.out = out;
    turn.verdict = FORWARD;
    turn.portion = 0;
    turn.faultAt = -1;
    turn.releasedBefore = turn.words[turn.at + RELEASED]!;
    return turn;
  }
}

/** The scanner over one Turn. */
interface Scanner {
  client(from: number, to: number): number;
  replies(from: number, to: number): number;
  releaseData(position: number): void;
  releaseLine(position: number): void;
  expireLine(now: number): void;
  arm(): void;
}

/** The bundle copies the whole scanner in here (scripts/specialise.mjs). */
function attachScanner(turn: Turn): Scanner {
  return {
    client: (from, to) => scanClient(turn, from, to),
    replies: (from, to) => scanReplies(turn, from, to),
    releaseData: (position) => releaseHeldData(turn, position),
    releaseLine: (position) => releaseHeldLine(turn, position),
    expireLine: (now) => expireLine(turn, now),
    arm: () => arm(turn),
  };
}

/** Judges client octets [from, to); returns the index of the first that was not judged. */
function scanClient(turn: Turn, from: number, to: number): number {
  const { words, at, out } = turn;
  words[at + CONNECTION]! &= ~CONNECTION_LEFT;
  let i = from;
  while (i < to) {
    if (out.eventCount > MAX_EVENTS - LINE_EVENTS || out.editCount === MAX_EDITS) {
      out.again = true;
      return i;
    }
    if (words[at + SYNC] !== 0 || ringFull(turn)) return wait(turn, i, to);
    switch (words[at + MODE]) {
      case MODE_DATA:
        i = mailData(turn, i, to);
        if (words[at + DATA_AT] === DATA_ENDED && turn.verdict === FORWARD) dataAnswered(turn);
        break;
      case MODE_BDAT:
        i = chunk(turn, i, to);
        break;
      case MODE_TLS:
        return handshake(turn, i, to);
      default:
        i = scanLine(turn, i, to);
    }
    if (turn.verdict !== FORWARD || out.again) return i;
  }
  return i;
}

/** Octets [i, to) behind a synchronising point stay unjudged. */
function wait(turn: Turn, i: number, to: number): number {
  const { words, at } = turn;
  const sync = words[at + SYNC]!;
  const kind = sync & SYNC_KIND;
  words[at + CONNECTION]! |= CONNECTION_LEFT;
  if (sync === 0) return i;
  if ((sync & SYNC_LATE) !== 0) notePipelining(turn, i);
  else if (kind === SYNC_STARTTLS) {
    // whatever stands behind the command would be read by a careless server after the handshake
    words[at + RELEASED] = turn.releasedBefore;
    turn.reset(STARTTLS_INJECTION, to - i, i, to);
  } else if (kind === SYNC_GREETING) noteWait(turn, CONNECTION_EARLY, SYNC_EARLY, i, to);
  else noteWait(turn, CONNECTION_VIOLATION, SYNC_VIOLATION, i, to);
  return i;
}

function noteWait(turn: Turn, flag: number, reason: number, i: number, to: number): void {
  const { words, at } = turn;
  if ((words[at + CONNECTION]! & flag) !== 0) return;
  words[at + CONNECTION]! |= flag;
  turn.event(reason, to - i, i, to);
}

/** Counted octets of a BDAT chunk. */
function chunk(turn: Turn, i: number, to: number): number {
  const { words, at } = turn;
  const length = Math.min(words[at + CHUNK_LEFT]!, to - i);
  words[at + CHUNK_LEFT]! -= length;
  words[at + RELEASED] = (turn.origin + i + length) | 0;
  words[at + LAST_TIME] = turn.now;
  if (words[at + CHUNK_LEFT] === 0) words[at + MODE] = MODE_COMMAND;
  return i + length;
}

/** The first client octet behind the 220 to STARTTLS. */
function handshake(turn: Turn, i: number, to: number): number {
  const { words, at } = turn;
  if (turn.octets[i] !== TLS_HANDSHAKE) {
    turn.reset(TLS_NOT_HANDSHAKE, turn.octets[i]!, i, to);
    return i;
  }
  if (turn.policy.logTls) turn.event(ESMTP_POLICY_LOG, 0, i, i);
  words[at + MODE] = MODE_CLOSED;
  words[at + RELEASED] = (turn.origin + to) | 0;
  turn.verdict = IGNORE;
  return to;
}

/** A deadline of a line in progress: its time is over, or its held octets leave. */
function expireLine(turn: Turn, now: number): void {
  const { words, at, policy } = turn;
  if (policy.lineTimeoutMs > 0 && ((now - words[at + LINE_TIME]! - policy.lineTimeoutMs) | 0) >= 0) {
    turn.reset(TIME_LINE, 0, 0, 0);
    return;
  }
  if (holdsLine(turn) && ((now - words[at + LAST_TIME]! - policy.holdMs) | 0) >= 0) releaseHeldLine(turn, words[at + JUDGED]!);
}

/** True when the hold timer has something to release. */
function holdsLine(turn: Turn): boolean {
  const { words, at, policy } = turn;
  if (policy.holdMs === 0) return false;
  const line = words[at + LINE]!;
  const end = (words[at + JUDGED]! - ((line & LINE_CR) !== 0 ? 1 : 0)) | 0;
  return ((end - words[at + RELEASED]!) | 0) > 0 && ((line & LINE_MASKED) !== 0 || !isChunkLine(turn));
}

/** Asks for the next deadline unless one that is not later was asked for before: it is looked at again when that one comes. */
function arm(turn: Turn): void {
  const { words, at, policy } = turn;
  const mode = words[at + MODE];
  if (mode === MODE_DATA || mode === MODE_BDAT) {
    if (policy.dataIdleMs > 0) armAt(turn, (words[at + LAST_TIME]! + policy.dataIdleMs) | 0);
    return;
  }
  if ((words[at + LINE]! & LINE_STARTED) === 0) return;
  if (policy.lineTimeoutMs > 0) armAt(turn, (words[at + LINE_TIME]! + policy.lineTimeoutMs) | 0);
  if (holdsLine(turn)) armAt(turn, (words[at + LAST_TIME]! + policy.holdMs) | 0);
}

function armAt(turn: Turn, deadline: number): void {
  const { words, at, out } = turn;
  if ((words[at + CONNECTION]! & CONNECTION_ARMED) !== 0 && ((words[at + DEADLINE]! - deadline) | 0) <= 0) return;
  words[at + CONNECTION]! |= CONNECTION_ARMED;
  words[at + DEADLINE] = deadline;
  out.deadline = deadline;
  out.hasDeadline = true;
}

/** The inspector of SMTP and ESMTP for up to `maxSessions` sessions; `counters` as in telemetry/counters.ts. */
export function createSmtp(maxSessions: number, counters: Float64Array): Inspector {
  return new Smtp(maxSessions, counters);
}
