// The whole path, from the columns that a port fills to the transmit call, on the five workloads.
//
//   udp64       frames of known sessions alone: the flows are open before the first sample
//   the others  whole conversations, first frame to last; between two samples every session ends by its timers
//   syn-flood   each SYN makes the oldest half-open session of its host go, with its resets

import { SMTP_MASKED_COMMANDS, SESSIONS_OPENED } from '../src/telemetry/counters.ts';
import type { Bench, BenchOptions, Running } from './bench.ts';
import { STRETCH } from './memory-port.ts';
import { Rig } from './rig.ts';
import { storeWorkload, WORKLOADS, type WorkloadName } from './workloads.ts';

/** Of the sizes of workloads.ts: 30,000 frames of mail a sample. */
const SCALE = 0.1;
/** Frames that open the flows of udp64. */
const UDP_OPENING = 20_000;
/** ms between two samples of udp64: idle timers are due now and then, no session ends. */
const KNOWN_PAUSE = 5_000;
/** A tenth of the sessions of smtp-chat has one command masked. */
const CHAT_MASKED = 10;

const ABOUT: Readonly<Record<WorkloadName, string>> = {
  'smtp-mail': 'ESMTP, messages of 30,000 octets, 64 sessions at a time',
  'smtp-chat': 'ESMTP, short dialogues, every tenth with a masked command',
  'tcp-bulk': '200 downloads, tracked without an inspector',
  udp64: '60-octet frames of 10,000 known sessions',
  'syn-flood': 'SYNs to port 25, each ends another half-open session',
};

class PathRun implements Running {
  readonly turns: number;
  readonly octets: number;
  private readonly name: WorkloadName;
  private readonly rig: Rig;
  /** First frame of a sample: what is in front was sent once. */
  private readonly first: number;
  private at: number;
  private count = 0;

  constructor(name: WorkloadName, { seed, scale }: BenchOptions) {
    this.name = name;
    this.first = name === 'udp64' ? UDP_OPENING : 0;
    const isMail = name === 'smtp-mail' || name === 'smtp-chat';
    // At small scales there must still be known flows to see.
    const size = name === 'udp64' ? Math.max(SCALE * scale, (UDP_OPENING * 1.5) / 1_000_000) : SCALE * scale;
    this.rig = new Rig(storeWorkload(name, { scale: size, seed }), { mail: isMail });
    const { image } = this.rig;
    this.turns = Math.ceil((image.count - this.first) / STRETCH);
    this.octets = image.length.subarray(this.first).reduce((a, b) => a + b, 0);
    this.rig.pass(0, this.first);
    this.at = this.first;
  }

  prepare(): void {
    const { rig } = this;
    if (this.at === rig.image.count) this.restart();
    this.count = Math.min(STRETCH, rig.image.count - this.at);
    rig.image.restore(this.at, this.count);
    rig.drainEvents();
  }

  run(): number {
    this.rig.breathe(this.at, this.count);
    this.at += this.count;
    return this.count;
  }

  verify(): string | null {
    if (this.name === 'syn-flood') return null;
    const { counters } = this.rig.plane;
    const drops = this.rig.drops();
    if (drops !== null) return drops;
    const masked = counters[SMTP_MASKED_COMMANDS]!;
    const sessions = counters[SESSIONS_OPENED]!;
    if (this.name !== 'smtp-chat') return masked === 0 ? null : `${masked} commands masked`;
    return Math.abs(masked - sessions / CHAT_MASKED) <= sessions / 100 ? null : `${masked} commands masked in ${sessions} sessions`;
  }

  private restart(): void {
    this.at = this.first;
    if (this.first > 0) this.rig.rewind(KNOWN_PAUSE);
    else this.rig.endSessions();
  }
}

export const benches: readonly Bench[] = WORKLOADS.map((name) => ({
  name: `path/${name}`,
  about: ABOUT[name],
  open: (options) => new PathRun(name, options),
}));
