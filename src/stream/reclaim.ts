// When the store of all sessions together is full: the session that keeps most and gets nowhere is reset, so that its octets
// make room.  A session gets nowhere while its oldest octets wait for an acknowledgement for STALLED_TIME or longer.
//
// Looked for a few sessions at a time, from where the last look ended, each time that a frame was dropped for want of a page: a
// flood of them pays for its own search, and no frame waits for a walk over all sessions.

import { INSPECTED, RECORD_SHIFT, STATE, STATE_MASK } from '../session/record.ts';
import { TCP_STORE_FULL } from '../telemetry/reasons.ts';
import { alert } from './alerts.ts';
import { resetForRoom } from './resets.ts';
import { PEER, recordOf } from './stream-record.ts';
import type { StreamState } from './stream-state.ts';

/** ms */
const STALLED_TIME = 10_000;
const SESSIONS_A_LOOK = 256;
const NONE = -1;

/** Resets one stalled session other than that at hand, if the next look finds any.  The path ends it. */
export function reclaim(s: StreamState): void {
  const { sessions } = s;
  let victim = NONE;
  let most = 0;
  for (let i = 0; i < SESSIONS_A_LOOK && i < sessions.highest; i++) {
    if (s.reclaimNext >= sessions.highest) s.reclaimNext = 0;
    const session = s.reclaimNext++;
    const pages = stalledPages(s, session);
    if (pages <= most || session === s.session) continue;
    most = pages;
    victim = session;
  }
  if (victim === NONE) return;
  const own = s.session;
  s.session = victim;
  alert(s, TCP_STORE_FULL, 0);
  resetForRoom(s, TCP_STORE_FULL);
  s.session = own;
}

/** Pages of an inspected session whose oldest one is older than STALLED_TIME, else 0. */
function stalledPages(s: StreamState, session: number): number {
  const { sessions, store } = s;
  const state = sessions.hot[(session << RECORD_SHIFT) + STATE]!;
  if ((state & STATE_MASK) === 0 || (state & INSPECTED) === 0) return 0;
  const at = recordOf(session, 0);
  const isStalled = store.age(at, s.now) >= STALLED_TIME || store.age(at ^ PEER, s.now) >= STALLED_TIME;
  return isStalled ? store.pagesOf(at) + store.pagesOf(at ^ PEER) : 0;
}
