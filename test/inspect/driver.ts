// Feeds an inspector as stream/ would, without TCP: octets in order, what was not judged shown again, edits laid over what
// is held, deadlines called when time passes them.  Every breach of the contract is an exception.

import { createCounters } from '../../src/telemetry/counters.ts';
import { REASONS } from '../../src/telemetry/reasons.ts';
import { type DebugSink, FORWARD, HOLD, IGNORE, type Inspector, Outcome, RESET, type Verdict } from '../../src/inspect/inspector.ts';
import { ACTION_RESET, createPolicy, defaultOptions, type SmtpOptions, type SmtpPolicy } from '../../src/inspect/smtp/declare.ts';
import { createSmtp } from '../../src/inspect/smtp/smtp.ts';

export type Side = 'c' | 's';
export interface Segment {
  from: Side;
  data: string;
}
export interface Emission {
  t: number;
  to: Side;
  data: string;
}

/** What a whole transcript came to. */
export interface Result {
  toServer: string;
  toClient: string;
  verdict: 'pass' | 'mask' | 'reset';
  log: string[];
  held: [client: number, server: number];
  resetAt: number;
}

const SESSIONS = 256;
const PADDING = 5;
/** Events that say a line was judged illegal or rewritten although no octet may have changed. */
const MASKING = new Set([
  'cmd.illegal',
  'cmd.syntax',
  'cmd.control-char',
  'cmd.bare-newline',
  'cmd.8bit',
  'cmd.not-offered',
  'addr.expansion',
  'addr.syntax',
  'addr.pipe',
  'param.syntax',
  'param.not-negotiated',
  'bdat.syntax',
  'auth.syntax',
]);

export const counters = createCounters();
const inspector: Inspector = createSmtp(SESSIONS, counters);
let nextSession = 0;
const outcome = new Outcome();

export function setDebug(sink: DebugSink | null): void {
  inspector.setDebug!(sink);
}

/** The `config` of a corpus case as a policy. */
export function corpusPolicy(esmtp: boolean, config: Record<string, unknown> = {}): SmtpPolicy {
  const options: { -readonly [name in keyof SmtpOptions]: SmtpOptions[name] } = defaultOptions(esmtp);
  for (const [name, value] of Object.entries(config)) {
    switch (name) {
      case 'maxRcpt':
        options.recipients = { above: value as number, action: ACTION_RESET };
        break;
      case 'maxInvalidRcpt':
        if (value !== 'off') options.invalidRecipients = { above: value as number, action: ACTION_RESET };
        break;
      case 'profile':
      case 'allowTls':
      case 'extensions':
      case 'maskBanner':
      case 'maxChunk':
      case 'maxReceived':
      case 'signatures':
      case 'holdMs':
      case 'lineTimeoutMs':
      case 'dataIdleMs':
        Object.assign(options, { [name]: value });
        break;
      default:
        throw new Error(`config ${name}`);
    }
  }
  return createPolicy(options);
}

class Direction {
  /** Octets as received, and as they leave. */
  raw = new Uint8Array(1 << 12);
  sent = new Uint8Array(1 << 12);
  length = 0;
  judged = 0;
  released = 0;

  append(data: string): void {
    if (this.length + data.length > this.raw.length) {
      const size = 2 * (this.length + data.length);
      const raw = new Uint8Array(size);
      raw.set(this.raw);
      this.raw = raw;
      const sent = new Uint8Array(size);
      sent.set(this.sent);
      this.sent = sent;
    }
    for (let i = 0; i < data.length; i++) this.raw[this.length] = this.sent[this.length++] = data.charCodeAt(i);
  }
}

export class Dialogue {
  readonly log: string[] = [];
  readonly texts: string[] = [];
  readonly emissions: Emission[] = [];
  now = 0;
  resetAt = -1;
  private readonly sides = [new Direction(), new Direction()];
  private readonly session = (nextSession = (nextSession + 1) % SESSIONS);
  private masked = false;
  private closed = false;
  private opaque = false;
  private deadline: number | null = null;

  constructor(policy: SmtpPolicy) {
    inspector.open(this.session, policy, 0);
  }

  feed(from: Side, data: string): void {
    if (this.closed) return;
    const d = from === 'c' ? 0 : 1;
    this.sides[d]!.append(data);
    this.run(d);
  }

  /** Lets time pass to `now`; deadlines on the way are called at their time. */
  advance(now: number): void {
    while (!this.closed && this.deadline !== null && this.deadline <= now) {
      this.now = this.deadline;
      this.deadline = null;
      outcome.begin(0);
      outcome.releaseTo = this.sides[0]!.released;
      this.take(0, inspector.expire(this.session, this.now, outcome), this.sides[0]!.judged);
    }
    this.now = now;
  }

  end(from: Side): void {
    const d = from === 'c' ? 0 : 1;
    const side = this.sides[d]!;
    outcome.begin(side.judged);
    this.take(d, inspector.end(this.session, d, side.judged, this.now, outcome), side.judged);
  }

  result(): Result {
    const [client, server] = this.sides as [Direction, Direction];
    const verdict = this.resetAt >= 0 ? 'reset' : this.masked || this.log.some((name) => MASKING.has(name)) ? 'mask' : 'pass';
    return {
      toServer: latin1(client.sent, client.released),
      toClient: latin1(server.sent, server.released),
      verdict,
      log: this.log,
      held: [client.length - client.released, server.length - server.released],
      resetAt: this.resetAt,
    };
  }

  private run(d: number): void {
    const side = this.sides[d]!;
    while (!this.closed) {
      if (this.opaque) {
        for (const each of this.sides) each.released = each.judged = each.length;
        return;
      }
      if (side.judged === side.length) return;
      // shown at an offset, in a buffer of its own, so that wrong indices show
      const shown = new Uint8Array(side.length - side.judged + 2 * PADDING).fill(0x0d);
      shown.set(side.raw.subarray(side.judged, side.length), PADDING);
      outcome.begin(side.judged);
      const verdict = inspector.scan(this.session, d, shown, PADDING, shown.length - PADDING, side.judged, this.now, outcome);
      const consumed = outcome.consumed;
      const again = outcome.again;
      const wake = outcome.wakeOther;
      if (consumed < 0 || consumed > side.length - side.judged) throw new Error(`consumed ${consumed}`);
      side.judged += consumed;
      this.take(d, verdict, side.judged);
      if (wake) this.run(1 - d);
      if (!again && !wake && !this.opaque) return;
      if (again && consumed === 0 && outcome.editCount === 0 && outcome.eventCount === 0) throw new Error('no progress');
    }
  }

  private take(d: number, verdict: Verdict, judged: number): void {
    const side = this.sides[d]!;
    for (let i = 0; i < outcome.editCount; i++) {
      const from = outcome.editFrom[i]!;
      const to = outcome.editTo[i]!;
      if (from < side.released || to > judged || from >= to)
        throw new Error(`edit ${from}..${to} released ${side.released} judged ${judged}`);
      side.sent.fill(outcome.editOctet[i]!, from, to);
      this.masked = true;
    }
    for (let i = 0; i < outcome.eventCount; i++) {
      this.log.push(REASONS[outcome.eventReason[i]!]!.name);
      this.texts.push(latin1(outcome.eventText.subarray(i * 128), outcome.eventTextLength[i]!));
    }
    if (outcome.releaseTo < side.released || outcome.releaseTo > judged)
      throw new Error(`releaseTo ${outcome.releaseTo} of ${side.released}..${judged}`);
    if (outcome.releaseTo > side.released) {
      this.emissions.push({
        t: this.now,
        to: d === 0 ? 's' : 'c',
        data: latin1(side.sent.subarray(side.released), outcome.releaseTo - side.released),
      });
      side.released = outcome.releaseTo;
    }
    if (outcome.hasDeadline) this.deadline = outcome.deadline;
    if (outcome.cancelDeadline) this.deadline = null;
    if (verdict === RESET) {
      if (outcome.reason === 0) throw new Error('reset without a reason');
      this.closed = true;
      this.resetAt = this.now;
    } else if (verdict === IGNORE) this.opaque = true;
    else if (verdict !== FORWARD && verdict !== HOLD) throw new Error(`verdict ${verdict}`);
  }
}

function latin1(octets: Uint8Array, length: number): string {
  return Buffer.from(octets.buffer, octets.byteOffset, length).toString('latin1');
}

/** Runs a transcript, each entry one segment, no time passing. */
export function runTranscript(policy: SmtpPolicy, segments: readonly Segment[]): Result {
  const dialogue = new Dialogue(policy);
  for (const { from, data } of segments) dialogue.feed(from, data);
  return dialogue.result();
}
