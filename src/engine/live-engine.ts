// The main thread's side of `run`: starts the worker, shares counters and events with it, asks it questions, stops it.
//
// Everything here may wait and allocate; traffic never passes through this thread.

import { randomInt } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { loadPacketIo } from '../../native-bindings/packet-io.ts';
import { DEFAULT_SHAPE, storePagesFor } from '../frame/region.ts';
import { MAX_ACCESS_ENTRIES } from '../path/data-plane.ts';
import type { FaultSpec } from '../port/fault.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { COUNTER_OCTETS, createCounters } from '../telemetry/counters.ts';
import { EventRing, RECORD_INTS, TEXT_OCTETS } from '../telemetry/event-ring.ts';
import { type Answer, CONTROL_WORDS, type Question, WAITING, type WorkerNotice, type WorkerStart } from './control.ts';
import { rehearsalPolicy } from './rehearsal-policy.ts';

const RING_EVENTS = 4096;

export interface LiveOptions {
  readonly policy: PolicySnapshot;
  readonly devices: readonly (string | null)[];
  readonly vnet: boolean;
  readonly bypassQdisc: boolean;
  readonly spin: 'auto' | number;
  /** For tests: a bad line in front of each port. */
  readonly fault?: FaultSpec | null;
}

export class LiveEngine {
  readonly counters: Float64Array;
  readonly hits: Float64Array;
  readonly events: EventRing;
  /** Called when the worker ends by itself: the message says why. */
  onFailure: (message: string) => void = () => {};
  macs: readonly (readonly [number, number])[] = [];
  mtus: readonly number[] = [];
  private readonly worker: Worker;
  private readonly control: Int32Array;
  private readonly answers = new Map<number, (answer: Answer) => void>();
  private wakeHandle = -1;
  private requests = 0;
  private readonly exited: Promise<void>;

  private constructor(options: LiveOptions) {
    const counters = new SharedArrayBuffer(COUNTER_OCTETS);
    const hits = new SharedArrayBuffer(MAX_ACCESS_ENTRIES * 8);
    const events = {
      words: new SharedArrayBuffer(RING_EVENTS * RECORD_INTS * 4),
      text: new SharedArrayBuffer(RING_EVENTS * TEXT_OCTETS),
      cursors: new SharedArrayBuffer(8),
    };
    const control = new SharedArrayBuffer(CONTROL_WORDS * 4);
    this.counters = createCounters(counters);
    this.hits = new Float64Array(hits);
    this.events = new EventRing(RING_EVENTS, this.counters, events);
    this.control = new Int32Array(control);
    const fault = options.fault ?? null;
    const start: WorkerStart = {
      ...options,
      fault,
      // A bad line would keep frames of nobody.
      rehearsal: fault === null ? rehearsalPolicy(options.policy, options.devices) : null,
      seed: randomInt(0x7fffffff),
      counters,
      hits,
      events,
      control,
      ...DEFAULT_SHAPE,
      storePages: storePagesFor(options.policy.stream.totalOctets),
    };
    this.worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: start });
    this.exited = new Promise((resolve) => this.worker.once('exit', () => resolve()));
  }

  /** Starts a worker; resolves when it forwards, rejects when it cannot. */
  static async start(options: LiveOptions): Promise<LiveEngine> {
    const engine = new LiveEngine(options);
    await engine.becomeReady();
    return engine;
  }

  /** Asks the data plane; answered between two batches. */
  ask(question: Question): Promise<Answer> {
    const id = ++this.requests;
    return new Promise((resolve) => {
      this.answers.set(id, resolve);
      this.worker.postMessage({ id, question });
      Atomics.add(this.control, WAITING, 1);
      loadPacketIo().wake(this.wakeHandle);
    });
  }

  /** Stops the loop, closes the sockets and waits for the thread to end. */
  async stop(): Promise<void> {
    this.onFailure = () => {};
    await Promise.race([this.ask({ kind: 'stop' }), this.exited]);
    await this.exited;
  }

  private becomeReady(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.worker.on('message', (notice: WorkerNotice) => {
        if (notice.kind === 'answer') this.deliver(notice.id, notice.answer);
        else if (notice.kind === 'ready') {
          this.wakeHandle = notice.wakeHandle;
          this.macs = notice.macs;
          this.mtus = notice.mtus;
          resolve();
        } else {
          reject(new Error(notice.message));
          this.onFailure(notice.message);
        }
      });
      this.worker.once('error', (error) => {
        reject(error);
        this.onFailure(error.message);
      });
    });
  }

  private deliver(id: number, answer: Answer): void {
    this.answers.get(id)?.(answer);
    this.answers.delete(id);
  }
}
