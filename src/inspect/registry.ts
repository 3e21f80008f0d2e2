// The inspectors, one line each.  Their order is their number in the policy (InspectEntry.inspector).

import { createHttp } from './http/http.ts';
import type { Inspector } from './inspector.ts';
import { createSmtp } from './smtp/smtp.ts';

/** All inspectors, with state for up to `maxSessions` sessions; `counters` as in telemetry/counters.ts. */
export function createInspectors(maxSessions: number, counters: Float64Array): readonly Inspector[] {
  return [createSmtp(maxSessions, counters), createHttp(maxSessions)];
}
