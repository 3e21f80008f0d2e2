// The stream step of inspected sessions: checksum, order, windows, store, inspector, release.  Sessions are opened, and headers
// decoded, outside of the timed part.
//
//   stream/trivial   an inspector that releases all it is shown: what the stream itself costs
//   stream/smtp      the inspector of the registry

import { BATCH } from '../src/frame/frames.ts';
import { FORWARD, type Inspector, type Outcome } from '../src/inspect/inspector.ts';
import { admit } from '../src/path/admit.ts';
import { decode } from '../src/path/decode.ts';
import { lookup } from '../src/path/lookup.ts';
import { findSession } from '../src/path/session-key.ts';
import { endSession } from '../src/path/session-life.ts';
import { SESSION_ENDED } from '../src/telemetry/reasons.ts';
import type { Bench, BenchOptions, Running } from './bench.ts';
import { Rig } from './rig.ts';
import { storeWorkload } from './workloads.ts';

const SCALE = 0.05;

/** Judges and releases everything. */
const trivial: Inspector = {
  declare: { keywords: [], ports: [] },
  open: () => {},
  scan: (_session, _direction, _octets, from, to, position, _now, out: Outcome) => {
    out.consumed = to - from;
    out.releaseTo = (position + to - from) | 0;
    return FORWARD;
  },
  end: (_session, _direction, position, _now, out: Outcome) => {
    out.releaseTo = position;
    return FORWARD;
  },
  expire: () => FORWARD,
  close: () => {},
};

class StreamRun implements Running {
  readonly turns: number;
  readonly octets: number;
  private readonly rig: Rig;
  private at = 0;
  private count = 0;
  /** Frames that were made. */
  private made = 0;

  constructor({ seed }: BenchOptions, inspector: Inspector | null) {
    this.rig = new Rig(storeWorkload('smtp-mail', { scale: SCALE, seed }), { mail: true });
    const { image, plane } = this.rig;
    if (inspector !== null) (plane.inspectors as Inspector[])[0] = inspector;
    this.turns = Math.ceil(image.count / BATCH);
    this.octets = image.length.reduce((a, b) => a + b, 0);
  }

  prepare(): void {
    const { plane, frames, image, now } = this.rig;
    if (this.at === image.count) this.endAll();
    this.count = Math.min(BATCH, image.count - this.at);
    image.restore(this.at, this.count);
    image.fill(frames, this.at, this.count);
    this.at += this.count;
    decode(plane, this.count);
    lookup(plane, this.count);
    for (let f = 0; f < this.count; f++) {
      findSession(plane, f);
      if (frames.session[f]! < 0) admit(plane, f, now);
    }
  }

  run(): number {
    const { plane, now } = this.rig;
    const { out } = plane.streams;
    for (let f = 0; f < this.count; f++) {
      plane.streams.accept(f, now);
      if (out.count > 1) this.freeMade();
      out.clear();
    }
    return this.count;
  }

  verify(): string | null {
    return this.rig.drops() ?? (this.made === 0 ? null : `${this.made} frames were made`);
  }

  private freeMade(): void {
    const { plane } = this.rig;
    const { out } = plane.streams;
    for (let i = 0; i < out.count; i++) {
      if (out.frames[i]! < BATCH) continue;
      plane.frames.free(out.frames[i]!);
      this.made++;
    }
  }

  private endAll(): void {
    const { plane, now } = this.rig;
    for (let session = 0; session < plane.sessions.highest; session++) {
      if (plane.sessions.state(session) !== 0) endSession(plane, session, SESSION_ENDED, now);
    }
    plane.closed.count = 0;
    this.at = 0;
  }
}

export const benches: readonly Bench[] = [
  {
    name: 'stream/trivial',
    about: 'accept of smtp-mail, an inspector that releases everything',
    open: (options) => new StreamRun(options, trivial),
  },
  { name: 'stream/smtp', about: 'accept of smtp-mail, SMTP inspector', open: (options) => new StreamRun(options, null) },
];
