// Step lookup: 5-tuple to session, from either side of translation.
//
// Works on the batch first, so that the cache misses of independent frames overlap, and its result is a hint: an
// earlier frame of the batch may make or end the session.  refresh() makes it exact for one frame in its turn.

import { NO_SESSION, PENDING } from '../frame/frames.ts';
import type { DataPlane } from './data-plane.ts';
import { findSession, firstPlace, hasKey } from './session-key.ts';

/** Sessions whose places and records a cache of 2 MiB a core still holds; below, touching first costs 8 % (60-octet frames), above it gains 7 to 35 %. */
const CACHED = 30_000;

/** Hints for frames [0, count). */
export function lookup(p: DataPlane, count: number): void {
  const { frames } = p;
  p.insertedAtLookup = p.inserted;
  p.removedAtLookup = p.removed;
  if (p.sessions.count > CACHED) touch(p, count);
  for (let f = 0; f < count; f++) {
    if (frames.fate[f] === PENDING && hasKey(frames, f)) findSession(p, f);
  }
}

/** Looks frame `f` up again when a session was made (after a miss) or ended (after a hit) since its hint. */
export function refresh(p: DataPlane, f: number): void {
  const missed = p.frames.session[f] === NO_SESSION;
  if (missed ? p.inserted !== p.insertedAtLookup : p.removed !== p.removedAtLookup) findSession(p, f);
}

/**
 * Loads the places and records that the batch will need, in two rounds of independent loads: the misses of the batch overlap, where one
 * lookup after the other waits for each twice.
 */
function touch(p: DataPlane, count: number): void {
  const { frames, sessions, touched } = p;
  for (let f = 0; f < count; f++) {
    touched[f] = frames.fate[f] === PENDING && hasKey(frames, f) ? firstPlace(p, f) : 0;
  }
  let sum = 0;
  for (let f = 0; f < count; f++) sum ^= sessions.touch(touched[f]!);
  touched[0] = sum;
}
