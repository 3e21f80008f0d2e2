// Merges captures by time into batches: the clock of a replay.
//
// Frames of one capture keep their order; between captures the earlier time stamp goes first, and at equal times the capture
// named first.  The clock counts milliseconds since the first frame of all and never goes back; a batch ends before a frame
// of another millisecond, so that timers are due between batches only.

import { BATCH, type Frames, NO_PORT } from '../frame/frames.ts';
import { BUSY, type CaptureSource, READY } from './capture-file.ts';

/** A longer silence counts as this long: every timer is due, and the int32 clock does not overtake itself. */
const MAX_STEP = 0x3fff_ffff;

export class CaptureMerge {
  /** Milliseconds since the first frame, int32: the time of the batch that fill() made. */
  now = 0;
  private readonly sources: readonly CaptureSource[];
  private readonly batchSize: number;
  private firstSec = 0;
  private firstNsec = 0;
  private latestSec = 0;
  private latestNsec = 0;
  private started = false;
  /** Milliseconds since the first frame, as a double and as far as time has come. */
  private tick = 0;
  /** The current millisecond ends at this stamp; kept so that most frames cost two compares and no division. */
  private tickEndSec = -1;
  private tickEndNsec = 0;

  /** `batchSize` is 1 to BATCH. */
  constructor(sources: readonly CaptureSource[], batchSize: number = BATCH) {
    this.sources = sources;
    this.batchSize = batchSize;
  }

  /** Seconds from the first frame's stamp to the latest one. */
  get elapsed(): number {
    return this.latestSec - this.firstSec + (this.latestNsec - this.firstNsec) / 1e9;
  }

  /** Fills rows 0 to n-1 and returns n; 0: all captures are at their end.  The ports were released before. */
  fill(frames: Frames): number {
    let count = 0;
    while (count < this.batchSize) {
      const next = this.earliest();
      if (next === null) break;
      const tick = this.tickOf(next);
      if (count > 0 && tick !== this.tick) break;
      if (count === 0) this.moveTo(tick);
      this.note(next);
      frames.begin(count, NO_PORT);
      frames.ingress[count] = next.take(frames, count);
      count++;
    }
    return count;
  }

  /** Null: no frame is left, or one that has to wait for the release of this batch may be earlier than all others. */
  private earliest(): CaptureSource | null {
    let best: CaptureSource | null = null;
    for (let i = 0; i < this.sources.length; i++) {
      const source = this.sources[i]!;
      const state = source.look();
      if (state === BUSY) return null;
      if (state === READY && (best === null || isBefore(source, best))) best = source;
    }
    return best;
  }

  private tickOf(source: CaptureSource): number {
    if (source.nextSec === this.tickEndSec && source.nextNsec < this.tickEndNsec) return this.tick;
    if (!this.started) {
      this.started = true;
      this.firstSec = this.latestSec = source.nextSec;
      this.firstNsec = this.latestNsec = source.nextNsec;
    }
    const ms = (source.nextSec - this.firstSec) * 1000 + Math.floor((source.nextNsec - this.firstNsec) / 1e6);
    return Math.max(this.tick, ms);
  }

  private note(source: CaptureSource): void {
    const { nextSec, nextNsec } = source;
    if (nextSec < this.latestSec || (nextSec === this.latestSec && nextNsec <= this.latestNsec)) return;
    this.latestSec = nextSec;
    this.latestNsec = nextNsec;
  }

  private moveTo(tick: number): void {
    this.now = (this.now + Math.min(tick - this.tick, MAX_STEP)) | 0;
    this.tick = tick;
    const end = this.firstNsec + ((tick % 1000) + 1) * 1e6;
    const seconds = Math.floor(end / 1e9);
    this.tickEndSec = this.firstSec + Math.floor(tick / 1000) + seconds;
    this.tickEndNsec = end - seconds * 1e9;
  }
}

function isBefore(a: CaptureSource, b: CaptureSource): boolean {
  return a.nextSec < b.nextSec || (a.nextSec === b.nextSec && a.nextNsec < b.nextNsec);
}
