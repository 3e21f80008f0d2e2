// Debug messages of inspectors as events, with the session and the time of what is worked on.

import type { Frames } from '../frame/frames.ts';
import { DEBUG_A, DEBUG_SESSION, DEBUG_SHAPE, DEBUG_WORDS, type DebugSink } from '../inspect/inspector.ts';
import {
  EVENT_DEBUG,
  E_NSEC,
  E_SEC,
  E_SESSION,
  E_TIME,
  E_VALUE,
  E_VALUE2,
  E_VALUE3,
  E_VALUE4,
  type EventRing,
} from '../telemetry/event-ring.ts';
import { OK } from '../telemetry/reasons.ts';

/** Moves what is in the sink to the ring: value is the shape, value2 to value4 its numbers. */
export function flushDebug(events: EventRing, frames: Frames, sink: DebugSink, now: number): void {
  for (let i = 0; i < sink.count; i++) {
    const at = events.claim(EVENT_DEBUG, OK);
    if (at < 0) break;
    const from = i * DEBUG_WORDS;
    const { words } = events;
    words[at + E_TIME] = now;
    words[at + E_SEC] = frames.stampSec;
    words[at + E_NSEC] = frames.stampNsec;
    words[at + E_SESSION] = sink.records[from + DEBUG_SESSION]!;
    words[at + E_VALUE] = sink.records[from + DEBUG_SHAPE]!;
    words[at + E_VALUE2] = sink.records[from + DEBUG_A]!;
    words[at + E_VALUE3] = sink.records[from + DEBUG_A + 1]!;
    words[at + E_VALUE4] = sink.records[from + DEBUG_A + 2]!;
    events.commit();
  }
  sink.count = 0;
}
