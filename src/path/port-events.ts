// An interface came up or went down, as an event.

import { EVENT_PORT_STATE, E_NSEC, E_SEC, E_TIME, E_VALUE, E_VALUE2, PORT_DOWN, PORT_SHUT, PORT_UP } from '../telemetry/event-ring.ts';
import { OK } from '../telemetry/reasons.ts';
import type { DataPlane } from './data-plane.ts';

/** `up` of interface `i` has changed. */
export function notePortState(p: DataPlane, i: number): void {
  const at = p.events.claim(EVENT_PORT_STATE, OK);
  if (at < 0) return;
  const { words } = p.events;
  p.stampAt(p.now);
  words[at + E_TIME] = p.now;
  words[at + E_SEC] = p.frames.stampSec;
  words[at + E_NSEC] = p.frames.stampNsec;
  words[at + E_VALUE] = i;
  words[at + E_VALUE2] = p.up[i] !== 0 ? PORT_UP : p.policy.interfaces[i]!.enabled ? PORT_DOWN : PORT_SHUT;
  p.events.commit();
}
