// Step lookup: 5-tuple to session, from either side of translation.
//
// Works on the batch first, so that the cache misses of independent frames overlap, and its result is a hint: an
// earlier frame of the batch may make or end the session.  refresh() makes it exact for one frame in its turn.

import { type Frames, NO_SESSION, PENDING } from '../frame/frames.ts';
import type { DataPlane } from './data-plane.ts';
import { findHashed, findSession, hasKey, hashKey } from './session-key.ts';

/** Sessions whose places and records a cache of 2 MiB a core still holds: with fewer, touching first costs more than it gains. */
const CACHED = 30_000;

/** Hints for frames [0, count). */
export function lookup(p: DataPlane, count: number): void {
  const { frames, hashes } = p;
  p.insertedAtLookup = p.inserted;
  p.removedAtLookup = p.removed;
  for (let f = 0; f < count; f++) if (isSought(frames, f)) hashes[f] = hashKey(p, f);
  if (p.sessions.count > CACHED) touch(p, count);
  for (let f = 0; f < count; f++) if (isSought(frames, f)) findHashed(p, f, hashes[f]!);
}

/** Looks frame `f` up again when a session was made (after a miss) or ended (after a hit) since its hint. */
export function refresh(p: DataPlane, f: number): void {
  const missed = p.frames.session[f] === NO_SESSION;
  if (missed ? p.inserted !== p.insertedAtLookup : p.removed !== p.removedAtLookup) findSession(p, f);
}

function isSought(frames: Frames, f: number): boolean {
  return frames.fate[f] === PENDING && hasKey(frames, f);
}

/**
 * Loads the places and records that the batch will need, in two rounds of independent loads: the misses of the batch overlap, where one
 * lookup after the other waits for each twice.  Frames that are not sought have an old hash, which does no harm.
 */
function touch(p: DataPlane, count: number): void {
  const { hashes, sessions, touched } = p;
  for (let f = 0; f < count; f++) touched[f] = sessions.firstWith(hashes[f]!);
  let sum = 0;
  for (let f = 0; f < count; f++) sum ^= sessions.touch(touched[f]!);
  touched[0] = sum;
}
