// 5-tuple to session, every one a hit, at random among so many live sessions; and the whole path of such frames.
//
// For lookup alone 64 UDP frames get another key before each batch, three stores a frame (about 1 ns, included), so that a pass
// touches a quarter of a million sessions: what is measured is the table out of the cache, as it is in the field.

import { BATCH } from '../src/frame/frames.ts';
import { decode } from '../src/path/decode.ts';
import { lookup } from '../src/path/lookup.ts';
import { seededRandom } from '../src/port/fault.ts';
import type { Bench, BenchOptions, Running } from './bench.ts';
import { hostOf, manySessions, OPENING, portsOf } from './many-sessions.ts';
import { STRETCH } from './memory-port.ts';

const SIZES = [100, 1_000, 10_000, 100_000, 1_000_000];
const KEYS = 1 << 18;
/** Batches in a turn. */
const BATCHES = 64;
/** In the IPv4 header. */
const DST_ADDR = 16;

function openLookup(size: number, { seed }: BenchOptions): Running {
  const rig = manySessions(size, BATCH, 0, seed);
  const { plane, frames } = rig;
  const random = seededRandom(seed + 1);
  const dsts = new Int32Array(KEYS);
  const ports = new Int32Array(KEYS);
  for (let i = 0; i < KEYS; i++) {
    const k = Math.floor(random() * size);
    dsts[i] = hostOf(k);
    ports[i] = portsOf(k);
  }
  rig.image.restore(OPENING, BATCH);
  rig.image.fill(frames, OPENING, BATCH);
  decode(plane, BATCH);
  const { view } = plane;
  let at = 0;
  const batch = (): void => {
    for (let f = 0; f < BATCH; f++) {
      view.setInt32(frames.l3[f]! + DST_ADDR, dsts[at + f]!);
      view.setInt32(frames.l4[f]!, ports[at + f]!);
    }
    lookup(plane, BATCH);
    at = (at + BATCH) & (KEYS - 1);
  };
  return {
    turns: KEYS / BATCH / BATCHES,
    octets: 0,
    prepare: () => {},
    run: () => {
      for (let i = 0; i < BATCHES; i++) batch();
      return BATCHES * BATCH;
    },
    verify: () => (frames.session.subarray(0, BATCH).some((session) => session < 0) ? 'a lookup missed' : null),
  };
}

const IMAGE = 1 << 17;

function openPath(size: number, { seed }: BenchOptions): Running {
  const rig = manySessions(size, IMAGE, 0.5, seed);
  let at = OPENING;
  return {
    turns: IMAGE / STRETCH,
    octets: 0,
    prepare: () => {
      if (at >= IMAGE) {
        at = OPENING;
        rig.rewind();
      }
      rig.image.restore(at, STRETCH);
    },
    run: () => {
      rig.breathe(at, STRETCH);
      at += STRETCH;
      return STRETCH;
    },
    verify: () => rig.drops(),
  };
}

export const benches: readonly Bench[] = SIZES.flatMap((size) => {
  const among = `among ${size.toLocaleString('en')} sessions`;
  return [
    { name: `lookup/${size}`, about: `5-tuple to session, hits ${among}`, size, open: (options) => openLookup(size, options) },
    { name: `sessions/${size}`, about: `whole path, 60-octet frames at random ${among}`, size, open: (options) => openPath(size, options) },
  ] satisfies Bench[];
});
