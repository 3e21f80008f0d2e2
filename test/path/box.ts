// A firewall in a box: the real path under a configuration, with loopback ports; every call checks conservation, that each drop
// has its reason, and the checksums of what left.

import { compilePolicy } from '../../src/config/compile.ts';
import type { Configuration } from '../../src/config/model.ts';
import { parseConfiguration } from '../../src/config/parse.ts';
import { EventLines } from '../../src/console/event-lines.ts';
import { Log } from '../../src/console/log.ts';
import { emptyState, type FirewallState } from '../../src/console/state.ts';
import type { SessionRow } from '../../src/engine/control.ts';
import { EventPump } from '../../src/engine/event-pump.ts';
import { readState } from '../../src/engine/firewall-state.ts';
import { answer } from '../../src/engine/inquiry.ts';
import { ReplayEngine } from '../../src/engine/replay-engine.ts';
import type { PolicySnapshot } from '../../src/policy/snapshot.ts';
import { GSO, PARTIAL_CHECKSUM } from '../../src/frame/frames.ts';
import { type CollectedFrame, LoopbackPort } from '../../src/port/loopback.ts';
import * as counters from '../../src/telemetry/counters.ts';
import { REASON_COUNT, REASONS } from '../../src/telemetry/reasons.ts';
import { checksumsAreGood, describe } from './datagrams.ts';
import { asOnTheWire } from './offload.ts';

/** A frame that arrives; `partial`: its TCP checksum is the pseudo-header sum, `gsoSize`: a super-frame (partial too). */
export interface Arriving {
  readonly octets: Uint8Array;
  readonly partial?: boolean;
  readonly gsoSize?: number;
}

interface BoxOptions {
  readonly down?: readonly string[];
  readonly syntheticArp?: boolean;
  readonly maxSessions?: number;
  /** Octets of a datagram, by interface name; 1500. */
  readonly mtu?: Readonly<Record<string, number>>;
  /** Interfaces that take super-frames and partial checksums. */
  readonly offload?: readonly string[];
}

export class Box {
  readonly engine: ReplayEngine;
  policy: PolicySnapshot;
  configuration: Configuration;
  readonly ports: LoopbackPort[] = [];
  now = 0;
  private before: Float64Array;

  constructor(config: string, options: BoxOptions = {}) {
    const { configuration, rejected } = parseConfiguration(config);
    if (rejected.length > 0) throw new Error(rejected.map((line) => line.formatted).join(''));
    this.configuration = configuration;
    const policy = compilePolicy(configuration, { epoch: 1, verifyChecksums: true });
    this.policy = { ...policy, maxSessions: options.maxSessions ?? policy.maxSessions };
    this.engine = new ReplayEngine({
      policy: this.policy,
      portOctets: 1 << 20,
      syntheticArp: options.syntheticArp ?? true,
      shape: { smallSlots: 1024, largeSlots: 16, storePages: 1024 },
      ports: (name, index, region, start, octets) => {
        if (options.down?.includes(name)) return null;
        const port = new LoopbackPort(name, region, start, octets, {
          mtu: options.mtu?.[name] ?? 1500,
          offload: options.offload?.includes(name) ?? false,
        });
        this.ports[index] = port;
        return port;
      },
    });
    this.before = this.engine.plane.counters.slice();
  }

  /** Puts another configuration in force, between two batches. */
  install(config: string): void {
    const { configuration, rejected } = parseConfiguration(config);
    if (rejected.length > 0) throw new Error(rejected.map((line) => line.formatted).join(''));
    this.policy = compilePolicy(configuration, { epoch: this.policy.epoch + 1, verifyChecksums: true, previous: this.policy });
    this.configuration = configuration;
    answer(this.engine.plane, { kind: 'install', policy: this.policy });
    this.lines?.configure(configuration, this.policy);
  }

  private lines: EventLines | null = null;
  private readonly heard: string[] = [];
  private pump: EventPump | null = null;

  /** What the log says since the last call; the first call begins to listen. */
  said(): string[] {
    if (this.pump === null) {
      const log = new Log(this.configuration, 'never set');
      log.follow((line) => this.heard.push(line));
      this.lines = new EventLines(log, this.configuration, this.policy);
      this.pump = new EventPump(this.engine.plane.events, this.engine.plane.counters);
      this.pump.add(this.lines);
    }
    this.pump.drain();
    return this.heard.splice(0);
  }

  /** Sessions as the console gets them. */
  sessions(): SessionRow[] {
    const rows: SessionRow[] = [];
    for (let from = 0; from >= 0; ) {
      const page = answer(this.engine.plane, { kind: 'sessions', from });
      rows.push(...(page.rows as SessionRow[]));
      from = page.next ?? -1;
    }
    return rows;
  }

  /** What the displays are made of. */
  async state(): Promise<FirewallState> {
    const { plane } = this.engine;
    const { log, version } = emptyState();
    return readState(
      { counters: plane.counters, hits: plane.hits, ask: async (question) => answer(plane, question) },
      {
        configuration: this.configuration,
        policy: this.policy,
        log,
        version,
        debugging: [],
        ports: [],
        sessionPeaks: [0, 0, 0],
        creationRate: 0,
        portBaseline: new Float64Array(counters.MAX_PORTS * counters.PORT_SIZE),
        maxCreationRate: 0,
        lastCreation: -1,
      },
    );
  }

  /** Keyword of the rule's line that took the newest session, '-' without any. */
  keyword(): string {
    const { sessions } = this.engine.plane;
    let last = -1;
    for (const row of this.sessions()) if (last < 0 || sessions.created[row.session]! >= sessions.created[last]!) last = row.session;
    if (last < 0) return '-';
    return this.policy.rules[sessions.rule[last]! >> 16]!.entries[sessions.rule[last]! & 0xffff]!.keyword;
  }

  /** Hit counts of an access list. */
  hits(name: string): number[] {
    const list = this.policy.accessLists.find((entry) => entry.name === name)!;
    return [...this.engine.plane.hits.subarray(list.firstHit, list.firstHit + list.entries.length)];
  }

  /** Interface index of a name. */
  index(name: string): number {
    return this.policy.interfaces.findIndex((entry) => entry.name === name);
  }

  /** Sends frames in by an interface, one batch; returns what left by each interface, `NAME line`. */
  send(name: string, ...frames: Uint8Array[]): string[] {
    return this.arrive(
      name,
      frames.map((octets) => ({ octets })),
    );
  }

  /** The same for frames of a port with offloads. */
  arrive(name: string, frames: readonly Arriving[]): string[] {
    const index = this.index(name);
    const port = this.ports[index]!;
    const { plane } = this.engine;
    for (const { octets, partial, gsoSize } of frames) {
      const flags = (partial === true || gsoSize !== undefined ? PARTIAL_CHECKSUM : 0) | (gsoSize === undefined ? 0 : GSO);
      port.push(octets, (this.now / 1000) | 0, (this.now % 1000) * 1e6, flags, gsoSize ?? 0);
    }
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

  /** Frames that left, as they are on the wire: checksums complete, super-frames cut.  The test empties it. */
  left: Uint8Array[] = [];
  /** The same as they were handed to the ports. */
  handed: CollectedFrame[] = [];

  private collect(): string[] {
    this.checkLedger();
    const lines: string[] = [];
    this.ports.forEach((port, i) => {
      for (const frame of port.sent) {
        for (const octets of asOnTheWire(frame)) {
          if (!checksumsAreGood(octets)) throw new Error(`wrong checksum: ${describe(octets)}`);
          this.left.push(octets);
        }
        this.handed.push(frame);
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
