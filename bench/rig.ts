// A data plane between two memory ports, and the frames of one workload for it.

import { ReplayEngine } from '../src/engine/replay-engine.ts';
import { BATCH, type Frames } from '../src/frame/frames.ts';
import type { DataPlane } from '../src/path/data-plane.ts';
import { DROPPED_FRAMES, DROPS, SESSIONS_CURRENT } from '../src/telemetry/counters.ts';
import { REASON_COUNT, REASONS } from '../src/telemetry/reasons.ts';
import { FrameImage, imageOctets, MemoryPort, STRETCH } from './memory-port.ts';
import { benchPolicy, type PolicyChoice } from './policy.ts';
import type { StoredWorkload } from './workloads.ts';

/** Longer than any idle time of the policy. */
const SILENCE = 7_200_000;
/** A port without an image needs no receive area; a region wants one. */
const NO_AREA = 4096;

export class Rig {
  readonly engine: ReplayEngine;
  readonly plane: DataPlane;
  readonly frames: Frames;
  readonly image: FrameImage;
  /** ms, int32 */
  now = 0;
  /** Added to the times of the image. */
  private base = 0;

  constructor(workload: StoredWorkload, choice: PolicyChoice = {}) {
    const octets = Math.max(NO_AREA, imageOctets(workload));
    this.engine = new ReplayEngine({
      policy: benchPolicy(choice),
      portOctets: octets,
      syntheticArp: false,
      ports: (name) => new MemoryPort(name),
    });
    this.plane = this.engine.plane;
    this.frames = this.plane.frames;
    this.image = new FrameImage(this.engine.region, this.engine.region.portStart[0]!, workload);
  }

  /** Frames [first, first + count) through the whole path, restored before, in full batches. */
  breathe(first: number, count: number): void {
    const { image, frames, engine } = this;
    for (let done = 0; done < count; done += BATCH) {
      const n = Math.min(BATCH, count - done);
      image.fill(frames, first + done, n);
      this.now = (this.base + image.time[first + done]!) | 0;
      engine.breathe(n, this.now);
    }
  }

  /** Frames [first, to) through the whole path, restored as they come. */
  pass(first: number, to: number): void {
    for (let at = first; at < to; at += STRETCH) {
      const count = Math.min(STRETCH, to - at);
      this.image.restore(at, count);
      this.breathe(at, count);
      this.drainEvents();
    }
  }

  /** Forgets the events, as somebody who reads them does. */
  drainEvents(): void {
    const { events } = this.plane;
    while (events.peek() >= 0) events.advance();
  }

  /** The times of the image begin anew, `pause` ms behind the present. */
  rewind(pause = 1): void {
    this.base = (this.now + pause) | 0;
  }

  /** Nothing happens until every session has ended by its own timer; then as rewind(). */
  endSessions(): void {
    // A timer that fires too early goes back on the wheel: two silences are one idle time at least.
    for (let i = 0; i < 2; i++) {
      this.now = (this.now + SILENCE) | 0;
      this.engine.advance(this.now);
    }
    this.rewind();
  }

  get sessions(): number {
    return this.plane.counters[SESSIONS_CURRENT]!;
  }

  /** What was dropped, or null. */
  drops(): string | null {
    const { counters } = this.plane;
    if (counters[DROPPED_FRAMES] === 0) return null;
    const causes: string[] = [];
    for (let r = 0; r < REASON_COUNT; r++) if (counters[DROPS + r]! > 0) causes.push(`${counters[DROPS + r]} ${REASONS[r]!.name}`);
    return `dropped: ${causes.join(', ')}`;
  }
}
