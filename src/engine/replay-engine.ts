// The data plane for captures, cases and benches: in the main thread, on a region of its own, driven by whoever fills the
// batches.  The live engine (worker.ts) drives the same path.

import { Region, type RegionShape, DEFAULT_SHAPE, regionOctets, storePagesFor } from '../frame/region.ts';
import { DataPlane } from '../path/data-plane.ts';
import { attach, type Path } from '../path/path.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import type { Port } from '../port/port.ts';
import type { Answer, Question } from './control.ts';
import type { Inquirable } from './firewall-state.ts';
import { answer } from './inquiry.ts';

/** Makes the port of an interface in its receive area, or null when the interface has none. */
export type MakePort = (name: string, index: number, region: Region, start: number, octets: number) => Port | null;

export interface ReplayOptions {
  readonly policy: PolicySnapshot;
  readonly ports: MakePort;
  /** Receive area of each interface, octets, a multiple of 4096. */
  readonly portOctets: number;
  /** Default: the same for every replay. */
  readonly seed?: number;
  readonly syntheticArp: boolean;
  readonly shape?: Partial<Omit<RegionShape, 'portOctets'>>;
}

const REPLAY_SEED = 0x5051_5253;

export class ReplayEngine implements Inquirable {
  readonly plane: DataPlane;
  readonly counters: Float64Array;
  readonly hits: Float64Array;
  readonly region: Region;
  readonly ports: readonly (Port | null)[];
  private readonly path: Path;

  constructor(options: ReplayOptions) {
    const { policy } = options;
    const shape: RegionShape = {
      ...DEFAULT_SHAPE,
      storePages: storePagesFor(policy.stream.totalOctets),
      ...options.shape,
      portOctets: policy.interfaces.map(() => options.portOctets),
    };
    this.region = new Region(new ArrayBuffer(regionOctets(shape)), shape);
    this.ports = policy.interfaces.map((entry, i) =>
      options.ports(entry.name, i, this.region, this.region.portStart[i]!, options.portOctets),
    );
    this.plane = new DataPlane({
      region: this.region,
      policy,
      ports: this.ports,
      seed: options.seed ?? REPLAY_SEED,
      now: 0,
      syntheticArp: options.syntheticArp,
    });
    this.path = attach(this.plane);
    this.counters = this.plane.counters;
    this.hits = this.plane.hits;
  }

  /** Wall clock of millisecond 0, for the stamps of frames that timers send. */
  setBase(sec: number, nsec: number): void {
    this.plane.setClock(sec, nsec);
  }

  /** Frames [0, count) of plane.frames are filled and arrived in millisecond `now`; the ports get their areas back. */
  breathe(count: number, now: number): void {
    this.path.breathe(count, now);
    for (let i = 0; i < this.ports.length; i++) this.ports[i]?.release();
  }

  /** Fires the timers that are due at or before `now`. */
  advance(now: number): void {
    this.path.advance(now);
  }

  /** Between two batches. */
  async ask(question: Question): Promise<Answer> {
    return answer(this.plane, question);
  }

  /** Closes the ports: files are written out.  What is still held stays counted as held. */
  finish(): void {
    for (const port of this.ports) port?.close();
  }
}
