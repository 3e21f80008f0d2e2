// The loop of a replay: batches from the captures through the engine until they end.

import type { ReplayEngine } from '../engine/replay-engine.ts';
import type { CaptureSource } from '../port/capture-file.ts';
import { CaptureMerge } from '../port/capture-merge.ts';

/** Batches between two calls of `onProgress`. */
const PROGRESS_BATCHES = 2048;

export interface ReplayTimes {
  /** Seconds between the first and the last stamp. */
  readonly elapsed: number;
  /** Wall time of the loop, seconds: reading, the data path, writing. */
  readonly seconds: number;
}

/** What else is to be done while captures run. */
export interface ReplayCompany {
  /** Now and then, to show how far it is. */
  readonly onProgress?: () => void;
  /** After each batch, to take the events off the ring. */
  readonly onBatch?: (() => void) | null;
}

/** Runs the sources to their end, or to where they fail, and closes the ports.  `batch` is 1 to BATCH frames. */
export function runCaptures(
  engine: ReplayEngine,
  sources: readonly CaptureSource[],
  batch: number,
  { onProgress = () => {}, onBatch = null }: ReplayCompany = {},
): ReplayTimes {
  const { frames } = engine.plane;
  const merge = new CaptureMerge(sources, batch);
  const started = performance.now();
  let count = merge.fill(frames);
  if (count > 0) engine.setBase(frames.sec[0]!, frames.nsec[0]!);
  for (let batches = 1; count > 0; batches++) {
    engine.breathe(count, merge.now);
    if (onBatch !== null) onBatch();
    if (batches % PROGRESS_BATCHES === 0) onProgress();
    count = merge.fill(frames);
  }
  engine.finish();
  return { elapsed: merge.elapsed, seconds: (performance.now() - started) / 1000 };
}
