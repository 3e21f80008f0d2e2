// The data plane in the event loop of the main thread, for ports that push their frames (`run --driver libpcap`).
//
// A turn: the ports gather what one poll of the event loop brings, up to a batch each; then each batch goes through the path.  A
// batch that fills up goes through at once, within the event, because under overload the package never gives the event loop its
// turn.  Timers of the path are served by every batch, and every 20 ms while any is scheduled.
// The same questions are answered as by the worker (live-engine.ts), without a thread in between.

import { randomInt } from 'node:crypto';
import { loadCap } from '../../native-bindings/cap.ts';
import { DEFAULT_SHAPE, Region, regionOctets, storePagesFor } from '../frame/region.ts';
import { DataPlane } from '../path/data-plane.ts';
import { attach, type Path } from '../path/path.ts';
import { LIBPCAP_AREA, LibpcapPort } from '../port/libpcap.ts';
import type { Answer, Question } from './control.ts';
import { answer } from './inquiry.ts';
import type { LiveEngine, LiveOptions } from './live-engine.ts';
import { takeTurn } from './turn.ts';

/** What `run` does with an engine, whichever it is. */
export type RunEngine = Pick<LiveEngine, 'counters' | 'hits' | 'events' | 'macs' | 'mtus' | 'onFailure' | 'ask' | 'stop'>;

/** Between two looks at the wheel, ms, while a timer is scheduled and while none is. */
const TICK = 20;
const IDLE_TICK = 100;
/** Between two looks at the links, ms. */
const LINKS_EVERY = 1000;

export class EventedEngine implements RunEngine {
  readonly counters: Float64Array;
  readonly hits: Float64Array;
  readonly events: DataPlane['events'];
  readonly macs: readonly (readonly [number, number])[];
  readonly mtus: readonly number[];
  /** Nothing here fails by itself; kept for the face. */
  onFailure: (message: string) => void = () => {};
  private readonly plane: DataPlane;
  private readonly path: Path;
  private readonly ports: (LibpcapPort | null)[] = [];
  private readonly started = performance.now();
  private linksDue = 0;
  private turnPlanned = false;
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;

  private constructor({ policy, devices }: Pick<LiveOptions, 'policy' | 'devices'>) {
    const cap = loadCap();
    const shape = {
      ...DEFAULT_SHAPE,
      storePages: storePagesFor(policy.stream.totalOctets),
      portOctets: devices.map((device) => (device === null ? 0 : LIBPCAP_AREA)),
    };
    const region = new Region(new ArrayBuffer(regionOctets(shape)), shape);
    const onFrames = (isFull: boolean): void => this.notice(isFull);
    try {
      devices.forEach((device, i) => {
        const { name } = policy.interfaces[i]!;
        this.ports.push(device === null ? null : new LibpcapPort(cap, region, region.portStart[i]!, { name, device, onFrames }));
      });
    } catch (error) {
      this.closePorts();
      throw error;
    }
    this.plane = new DataPlane({ region, policy, ports: this.ports, seed: randomInt(0x7fffffff), now: 0, syntheticArp: false });
    this.path = attach(this.plane);
    const wall = Date.now();
    this.plane.setClock(Math.floor(wall / 1000), (wall % 1000) * 1_000_000);
    this.counters = this.plane.counters;
    this.hits = this.plane.hits;
    this.events = this.plane.events;
    this.macs = this.ports.map((_, i) => [this.plane.macHigh[i]!, this.plane.macLow[i]!] as const);
    this.mtus = this.ports.map((_, i) => this.plane.mtu[i]!);
    this.planTick();
  }

  /** Opens the ports and forwards from then on.  Rejects with a MissingPackageError or with libpcap's message. */
  static async start(options: Pick<LiveOptions, 'policy' | 'devices'>): Promise<EventedEngine> {
    return new EventedEngine(options);
  }

  /** Asks the data plane; nothing else runs meanwhile. */
  async ask(question: Question): Promise<Answer> {
    return answer(this.plane, question);
  }

  /** Closes the ports; what is still held stays counted as held. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.closePorts();
  }

  private notice(isFull: boolean): void {
    if (this.stopped) return;
    if (isFull) {
      this.turn();
    } else if (!this.turnPlanned) {
      this.turnPlanned = true;
      setImmediate(() => {
        this.turnPlanned = false;
        if (!this.stopped) this.turn();
      });
    }
  }

  private turn(): void {
    takeTurn(this.plane, this.path, this.ports, this.now());
  }

  /** Milliseconds since start. */
  private now(): number {
    return (performance.now() - this.started) | 0;
  }

  private planTick(): void {
    this.timer = setTimeout(() => this.tick(), this.plane.wheel.count === 0 ? IDLE_TICK : TICK);
  }

  private tick(): void {
    const now = this.now();
    this.path.advance(now);
    if (((now - this.linksDue) | 0) >= 0) {
      this.linksDue = (now + LINKS_EVERY) | 0;
      for (const port of this.ports) port?.refresh();
    }
    this.planTick();
  }

  private closePorts(): void {
    for (const port of this.ports) port?.close();
  }
}
