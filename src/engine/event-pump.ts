// The event pump: takes records out of the ring of a data plane and gives each to every sink, in order.
//
// Replay drains it after each batch; `run` on a timer of the main thread.  A sink that is slow makes the ring overflow, never
// the data plane wait; what was lost is counted there and told to the sinks here.

import { EVENTS_LOST } from '../telemetry/counters.ts';
import { type EventRecord, readRecord } from '../telemetry/event-record.ts';
import type { EventRing } from '../telemetry/event-ring.ts';

/** Who wants the events: log lines, the event file.  It must not throw. */
export interface EventSink {
  take(event: EventRecord): void;
  /** `count` events were lost since the last call, because the ring was full. */
  lost?(count: number): void;
}

/** Records taken without a pause in `run`, so that the main thread stays responsive: all that the ring holds. */
const MOST_AT_ONCE = 4096;

export class EventPump {
  private readonly ring: EventRing;
  private readonly counters: Float64Array;
  private readonly sinks: EventSink[] = [];
  private lostBefore: number;
  private timer: NodeJS.Timeout | undefined;

  /** `counters` are those of the same data plane. */
  constructor(ring: EventRing, counters: Float64Array) {
    this.ring = ring;
    this.counters = counters;
    this.lostBefore = counters[EVENTS_LOST]!;
  }

  /** Events from now on go to `sink` too. */
  add(sink: EventSink): void {
    this.sinks.push(sink);
  }

  /** Hands over what the ring holds; returns how many records that were.  Without sinks they are thrown away. */
  drain(): number {
    let count = 0;
    for (let at = this.ring.peek(); at >= 0 && count < MOST_AT_ONCE; at = this.ring.peek()) {
      if (this.sinks.length > 0) this.give(at);
      this.ring.advance();
      count++;
    }
    this.tellLost();
    return count;
  }

  /** Drains every `interval` ms until stop(); the timer does not keep the process alive. */
  start(interval = 50): void {
    this.timer = setInterval(() => this.drain(), interval);
    this.timer.unref();
  }

  /** Ends the timer and drains what is left. */
  stop(): void {
    clearInterval(this.timer);
    this.drain();
  }

  private give(at: number): void {
    const event = readRecord(this.ring, at);
    for (const sink of this.sinks) sink.take(event);
  }

  private tellLost(): void {
    const lost = this.counters[EVENTS_LOST]! - this.lostBefore;
    if (lost === 0) return;
    this.lostBefore += lost;
    for (const sink of this.sinks) sink.lost?.(lost);
  }
}
