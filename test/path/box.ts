// A firewall in a box: the real path under a configuration, with loopback ports; every call checks conservation, that each drop
// has its reason, and the checksums of what left.

import { compilePolicy } from '../../src/config/compile.ts';
import { parseConfiguration } from '../../src/config/parse.ts';
import { ReplayEngine } from '../../src/engine/replay-engine.ts';
import type { PolicySnapshot } from '../../src/policy/snapshot.ts';
import { LoopbackPort } from '../../src/port/loopback.ts';
import * as counters from '../../src/telemetry/counters.ts';
import { REASON_COUNT, REASONS } from '../../src/telemetry/reasons.ts';
import { checksumsAreGood, describe } from './datagrams.ts';

export class Box {
  readonly engine: ReplayEngine;
  readonly policy: PolicySnapshot;
  readonly ports: LoopbackPort[] = [];
  now = 0;
  private before: Float64Array;

  constructor(config: string, options: { down?: readonly string[]; syntheticArp?: boolean; maxSessions?: number } = {}) {
    const { configuration, rejected } = parseConfiguration(config);
    if (rejected.length > 0) throw new Error(rejected.map((line) => line.formatted).join(''));
    const policy = compilePolicy(configuration, { epoch: 1, verifyChecksums: true });
    this.policy = { ...policy, maxSessions: options.maxSessions ?? policy.maxSessions };
    this.engine = new ReplayEngine({
      policy: this.policy, portOctets: 1 << 20, syntheticArp: options.syntheticArp ?? true,
      shape: { smallSlots: 1024, largeSlots: 16, storePages: 1024 },
      ports: (name, index, region, start, octets) => {
        if (options.down?.includes(name)) return null;
        const port = new LoopbackPort(name, region, start, octets);
        this.ports[index] = port;
        return port;
      },
    });
    this.before = this.engine.plane.counters.slice();
  }

  /** Interface index of a name. */
  index(name: string): number {
    return this.policy.interfaces.findIndex((entry) => entry.name === name);
  }

  /** Sends frames in by an interface, one batch; returns what left by each interface, `NAME line`. */
  send(name: string, ...frames: Uint8Array[]): string[] {
    const index = this.index(name);
    const port = this.ports[index]!;
    const { plane } = this.engine;
    for (const frame of frames) port.push(frame, (this.now / 1000) | 0, (this.now % 1000) * 1e6);
    plane.frames.clear(frames.length);
    const count = port.receive(plane.frames, 0, frames.length);
    for (let f = 0; f < count; f++) plane.frames.arrive(f, index);
    this.engine.breathe(count, this.now);
    return this.collect();
  }

  /** Lets time pass; returns what timers sent. */
  wait(ms: number): string[] {
    this.now += ms;
    this.engine.advance(this.now);
    return this.collect();
  }

  /** Counters that moved since the last call, by name; gauges too. */
  delta(): Record<string, number> {
    const { counters: now } = this.engine.plane;
    const moved: Record<string, number> = {};
    const note = (name: string, at: number): void => {
      if (now[at] !== this.before[at]) moved[name] = now[at]! - this.before[at]!;
    };
    counters.LEDGER_NAMES.forEach(note);
    for (let r = 1; r < REASON_COUNT; r++) {
      note(`drop ${REASONS[r]!.name}`, counters.DROPS + r);
      note(`event ${REASONS[r]!.name}`, counters.EVENTS + r);
    }
    delete moved.batches;
    this.before = now.slice();
    return moved;
  }

  /** Frames that left since the last call, as octets. */
  readonly left: Uint8Array[] = [];

  private collect(): string[] {
    this.checkLedger();
    const lines: string[] = [];
    this.ports.forEach((port, i) => {
      for (const frame of port.sent) {
        if (!checksumsAreGood(frame.octets)) throw new Error(`wrong checksum: ${describe(frame.octets)}`);
        this.left.push(frame.octets);
        lines.push(`${this.policy.interfaces[i]!.name} ${describe(frame.octets)}`);
      }
      port.sent = [];
    });
    return lines;
  }

  private checkLedger(): void {
    const c = this.engine.plane.counters;
    const input = c[counters.RECEIVED]! + c[counters.GENERATED_FRAMES]!;
    const output = c[counters.TRANSMITTED_FRAMES]! + c[counters.DROPPED_FRAMES]! + c[counters.HELD_FRAMES]! + c[counters.CONSUMED_FRAMES]!;
    if (input !== output) throw new Error(`conservation: ${input} in, ${output} accounted for`);
    let drops = 0;
    for (let r = 0; r < REASON_COUNT; r++) drops += c[counters.DROPS + r]!;
    if (drops !== c[counters.DROPPED_FRAMES] || c[counters.DROPS] !== 0) throw new Error('a drop without its reason');
  }
}
