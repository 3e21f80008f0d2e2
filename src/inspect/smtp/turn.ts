// One call of the inspector: whose octets, where they stand, and what was found so far.  One object for the process.

import { type DebugSink, FORWARD, Outcome, RESET, type Verdict } from '../inspector.ts';
import type { Reason } from '../../telemetry/reasons.ts';
import type { SmtpPolicy } from './declare.ts';
import { SmtpState } from './state.ts';

export class Turn {
  readonly state: SmtpState;
  readonly words: Int32Array;
  readonly counters: Float64Array;
  session = 0;
  /** First word of the session. */
  at = 0;
  policy: SmtpPolicy;
  octets: Uint8Array = new Uint8Array(0);
  /** Stream position of octets[0], so that octet i stands at (origin + i) | 0. */
  origin = 0;
  now = 0;
  out: Outcome = new Outcome();
  verdict: Verdict = FORWARD;
  /** Index of the first octet of the client's line in this call. */
  portion = 0;
  /** Index of the octet that made the line illegal in this call, -1: that was earlier. */
  faultAt = -1;
  /** How far client octets had been released when the call began. */
  releasedBefore = 0;
  debug: DebugSink | null = null;
  private quadView: Int32Array = new Int32Array(0);

  constructor(state: SmtpState, counters: Float64Array, policy: SmtpPolicy) {
    this.state = state;
    this.words = state.words;
    this.counters = counters;
    this.policy = policy;
  }

  /**
   * The buffer of `octets` as whole words, for loops that look at four octets at once; octet i is in word (octets.byteOffset + i)
   * >> 2.  Made anew only for another buffer: the data plane shows one region for life.
   */
  quads(): Int32Array {
    const buffer = this.octets.buffer;
    if (this.quadView.buffer !== buffer) this.quadView = new Int32Array(buffer, 0, buffer.byteLength >> 2);
    return this.quadView;
  }

  /** Ends the session: `releaseTo` is set by the caller.  Records the event with octets [from, to). */
  reset(reason: Reason, value: number, from: number, to: number): void {
    this.out.event(reason, value, this.octets, from, to);
    this.out.reason = reason;
    this.verdict = RESET;
  }

  /** Records an event with octets [from, to). */
  event(reason: Reason, value: number, from: number, to: number): void {
    this.out.event(reason, value, this.octets, from, to);
  }
}
