// A first frame to a session: access list, NAT, route, inspection rule, record, timers.  The sessions end outside of the timed part.

import { BATCH } from '../src/frame/frames.ts';
import { ADMITTED, admit } from '../src/path/admit.ts';
import { decode } from '../src/path/decode.ts';
import { lookup } from '../src/path/lookup.ts';
import { endSession } from '../src/path/session-life.ts';
import { SESSION_ENDED } from '../src/telemetry/reasons.ts';
import type { Bench, BenchOptions, Running } from './bench.ts';
import { select } from './memory-port.ts';
import { Rig } from './rig.ts';
import { type StoredWorkload, storeWorkload } from './workloads.ts';

const TURNS = 128;
/** ms */
const BATCH_TIME = 1_000;

class AdmitRun implements Running {
  readonly turns = TURNS;
  readonly octets = 0;
  private readonly rig: Rig;
  private at = 0;
  private refused = 0;

  constructor(workload: StoredWorkload) {
    this.rig = new Rig(workload, { mail: true });
    this.load();
  }

  prepare(): void {
    this.load();
  }

  run(): number {
    const { plane, now } = this.rig;
    for (let f = 0; f < BATCH; f++) if (admit(plane, f, now) !== ADMITTED) this.refused++;
    return BATCH;
  }

  verify(): string | null {
    return this.refused === 0 ? null : `${this.refused} refused`;
  }

  /** Ends the sessions of the batch before, and makes another one ready, a second later: the rate stays below all thresholds. */
  private load(): void {
    const { plane, frames, image } = this.rig;
    const now = (this.rig.now + BATCH_TIME) | 0;
    this.rig.now = now;
    if (this.rig.sessions > 0) for (let f = 0; f < BATCH; f++) endSession(plane, frames.session[f]!, SESSION_ENDED, now);
    if (this.at + BATCH > image.count) this.at = 0;
    image.restore(this.at, BATCH);
    image.fill(frames, this.at, BATCH);
    decode(plane, BATCH);
    lookup(plane, BATCH);
    this.at += BATCH;
  }
}

function openTcp({ seed }: BenchOptions): Running {
  return new AdmitRun(storeWorkload('syn-flood', { scale: 0.02, seed }));
}

function openUdp({ seed }: BenchOptions): Running {
  // Each flow is opened by a datagram from inside, and answered.
  const opened = storeWorkload('udp64', { scale: 0.02, seed });
  return new AdmitRun(select(opened, (i) => opened.inbound[i] === 0));
}

export const benches: readonly Bench[] = [
  { name: 'admit/tcp', about: 'SYN to an inspected session: list, NAT, route, rule, record', open: openTcp },
  { name: 'admit/udp', about: 'first datagram from inside: NAT, route, rule, record', open: openUdp },
];
