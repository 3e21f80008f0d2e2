// A turn of the loop of live ports: what waits at each port, a batch at most, through the path.

import { BATCH } from '../frame/frames.ts';
import type { DataPlane } from '../path/data-plane.ts';
import type { Path } from '../path/path.ts';
import type { Port } from '../port/port.ts';

/** One batch of each port in millisecond `now`; returns how many frames came. */
export function takeTurn(plane: DataPlane, path: Path, ports: readonly (Port | null)[], now: number): number {
  let total = 0;
  for (let i = 0; i < ports.length; i++) {
    const port = ports[i]!;
    if (port === null) continue;
    const count = port.receive(plane.frames, 0, BATCH);
    if (count === 0) continue;
    for (let f = 0; f < count; f++) plane.frames.arrive(f, i);
    path.breathe(count, now);
    port.release();
    plane.frames.clear(count);
    total += count;
  }
  return total;
}
