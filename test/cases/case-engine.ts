// The firewall of a case: the replay engine with two loopback ports, frame by frame, under a clock of its own.

import { compilePolicy } from '../../src/config/compile.ts';
import { parseConfiguration } from '../../src/config/parse.ts';
import { ReplayEngine } from '../../src/engine/replay-engine.ts';
import { ACTION_RESET, createPolicy, defaultOptions, type SmtpOptions } from '../../src/inspect/smtp/declare.ts';
import type { InspectEntry, PolicySnapshot } from '../../src/policy/snapshot.ts';
import { type CollectedFrame, LoopbackPort } from '../../src/port/loopback.ts';
import * as counters from '../../src/telemetry/counters.ts';
import {
  E_KIND,
  E_REASON,
  EVENT_ACCESS_LOG,
  EVENT_DEBUG,
  EVENT_DROP,
  EVENT_PORT_STATE,
  EVENT_SESSION_START,
  EVENT_SESSION_STOP,
  EVENT_TRACE,
} from '../../src/telemetry/event-ring.ts';
import { OK, REASON_COUNT, REASONS } from '../../src/telemetry/reasons.ts';
import type { CaseConfig, Mode } from './format.ts';

export const OUTSIDE = 0;
export const INSIDE = 1;
const AREA = 1 << 18;

/** How the two ports are wired. */
export type Topology = 'bridge' | 'routed' | 'nat';

/** Both ways, so that a segment of no session is judged from either side; strict, so that nothing hides under a tag. */
const BRIDGE = (mode: Mode): string => `
ip inspect name CASES ${mode}
ip inspect name BACK tcp
bridge irb
interface Ethernet0
 no ip address
 ip inspect CASES in
 bridge-group 1
interface Ethernet1
 no ip address
 ip inspect BACK in
 bridge-group 1
bridge 1 protocol ieee
bridge 1 strict
`;

/** The server is 192.0.2.25 inside; with NAT it is 203.0.113.25 outside. */
const ROUTED = (mode: Mode, nat: boolean): string => `
ip inspect name CASES ${mode}
interface Ethernet0
 mac-address 0200.0000.0002
 ip address 203.0.113.1 255.255.255.0
${nat ? ' ip nat outside\n' : ''} ip inspect CASES in
interface Ethernet1
 mac-address 0200.0000.0003
 ip address 192.0.2.1 255.255.255.0
${nat ? ' ip nat inside\n' : ''}ip route 0.0.0.0 0.0.0.0 203.0.113.2
${nat ? 'ip nat inside source static 192.0.2.25 203.0.113.25\n' : ''}arp 203.0.113.2 0200.0000.0001 arpa
arp 192.0.2.25 0200.0000.0004 arpa
`;

/** The names of a case's configuration, with the values that hold where it names none. */
function smtpOptions(mode: Mode, config: CaseConfig): SmtpOptions {
  const base = defaultOptions(mode === 'esmtp');
  return {
    ...base,
    profile: config.profile ?? 'cbac',
    allowTls: config.allowTls ?? false,
    extensions: config.extensions ?? [],
    maskBanner: config.maskBanner ?? false,
    signatures: config.signatures ?? false,
    holdMs: config.holdMs ?? 0,
    lineTimeoutMs: config.lineTimeoutMs ?? 60_000,
    dataIdleMs: config.dataIdleMs ?? 180_000,
    maxChunk: config.maxChunk ?? 2_147_483_647,
    maxReceived: config.maxReceived ?? 100,
    recipients: { above: config.maxRcpt ?? 100, action: ACTION_RESET },
    invalidRecipients:
      typeof config.maxInvalidRcpt === 'number' ? { above: config.maxInvalidRcpt, action: ACTION_RESET } : base.invalidRecipients,
  };
}

const MANY = 1_000_000;
/** Events that are no part of a case's log. */
const NOT_LOGGED = [EVENT_SESSION_START, EVENT_SESSION_STOP, EVENT_DROP, EVENT_ACCESS_LOG, EVENT_PORT_STATE, EVENT_DEBUG, EVENT_TRACE];

/** Compiles what a case asks for. */
export function casePolicy(mode: Mode, topology: Topology, config: CaseConfig): PolicySnapshot {
  const text = topology === 'bridge' ? BRIDGE(mode) : ROUTED(mode, topology === 'nat');
  const { configuration, rejected } = parseConfiguration(text);
  if (rejected.length > 0) throw new Error(rejected[0]!.formatted);
  const policy = compilePolicy(configuration, { epoch: 1, verifyChecksums: true });
  const inspectorPolicy = createPolicy(smtpOptions(mode, config));
  const entry = (base: InspectEntry): InspectEntry => ({ ...base, inspectorPolicy, timeout: config.idleTimeoutMs ?? base.timeout });
  return {
    ...policy,
    interfaces: policy.interfaces.map((port) => ({
      ...port,
      adjustMss: typeof config.mssClamp === 'number' ? config.mssClamp : 0,
      reassembly: {
        enabled: true,
        maxReassemblies: 200,
        maxFragments: config.fragMax ?? 24,
        timeout: config.fragTimeoutMs ?? 5000,
        dropFragments: false,
      },
    })),
    rules: policy.rules.map((rule) => ({ ...rule, entries: rule.entries.map(entry) })),
    timers: { ...policy.timers, synWait: config.synTimeoutMs ?? 30_000, tcpIdle: config.idleTimeoutMs ?? 3_600_000 },
    thresholds: {
      ...policy.thresholds,
      maxIncompleteHigh: config.maxHalfOpenHigh ?? 500,
      maxIncompleteLow: config.maxHalfOpenLow ?? 400,
      oneMinuteHigh: MANY,
      oneMinuteLow: MANY,
      // The limits for each host and each source are cases of their own.
      hostLimit: MANY,
      sourceSessions: config.maxConnPerSource ?? 0,
      sourceRate: config.maxRatePerSource ?? 0,
      sourceRateWindow: config.rateWindowMs ?? 60_000,
    },
    stream: {
      ...policy.stream,
      outOfOrderOctets: config.oooBytes ?? 65_535,
      outOfOrderSegments: config.oooSegments ?? 64,
      outOfOrderTimeout: config.oooTimeoutMs ?? 4000,
    },
    maxSessions: 2048,
  };
}

/** What one frame, or the passing of time, made the firewall do. */
export interface Step {
  /** Frames that left, by port. */
  readonly sent: readonly [readonly CollectedFrame[], readonly CollectedFrame[]];
  /** Fate of the frame that was fed (frames.ts), -1 for a step of time. */
  readonly fate: number;
}

export class CaseEngine {
  readonly engine: ReplayEngine;
  /** Events in order, by name; each drop reason that was no event beside it is added once (see `log`). */
  private events: string[] = [];
  private baseline = new Float64Array(counters.COUNTER_COUNT);
  private readonly ports: LoopbackPort[] = [];
  now = 0;

  constructor(policy: PolicySnapshot) {
    this.engine = new ReplayEngine({
      policy,
      portOctets: AREA,
      syntheticArp: true,
      shape: { smallSlots: 1024, largeSlots: 16, storePages: 2048 },
      ports: (name, index, region, start, octets) => {
        const port = new LoopbackPort(name, region, start, octets, { mtu: 65_535 });
        this.ports[index] = port;
        return port;
      },
    });
    // Frames are stamped with the case's clock, so the stamps of what leaves tell when it left.
    this.engine.setBase(0, 0);
  }

  /** Feeds a frame to a port at `time` ms; timers that are due fire before it. */
  feed(port: number, octets: Uint8Array, time: number = this.now): Step {
    this.now = Math.max(this.now, time);
    const { frames } = this.engine.plane;
    this.ports[port]!.push(octets, Math.floor(this.now / 1000), (this.now % 1000) * 1_000_000);
    frames.begin(0, port);
    if (this.ports[port]!.receive(frames, 0, 1) !== 1) throw new Error('the frame does not fit the receive area');
    this.engine.breathe(1, this.now);
    return this.step(frames.fate[0]!);
  }

  /** Lets time pass. */
  advance(time: number): Step {
    this.now = Math.max(this.now, time);
    this.engine.advance(this.now);
    return this.step(-1);
  }

  /** Forgets what was counted and logged so far: the state that a case starts from. */
  mark(): void {
    this.events = [];
    this.baseline = this.engine.plane.counters.slice();
  }

  /** A counter since the mark. */
  counter(index: number): number {
    return this.engine.plane.counters[index]! - this.baseline[index]!;
  }

  /** Names of events, and of reasons for which frames were dropped without an event. */
  get log(): string[] {
    const dropped = REASONS.map(({ name }) => name).filter(
      (name, i) => this.counter(counters.DROPS + i) > 0 && !this.events.includes(name),
    );
    return [...this.events, ...dropped];
  }

  close(): void {
    this.engine.finish();
  }

  private step(fate: number): Step {
    this.checkConservation();
    this.drainEvents();
    const [outside, inside] = this.ports as [LoopbackPort, LoopbackPort];
    const sent = [outside.sent, inside.sent] as const;
    outside.sent = [];
    inside.sent = [];
    return { sent, fate };
  }

  private checkConservation(): void {
    const at = (index: number): number => this.engine.plane.counters[index]!;
    const came = at(counters.RECEIVED) + at(counters.GENERATED_FRAMES);
    const went = at(counters.TRANSMITTED_FRAMES) + at(counters.DROPPED_FRAMES) + at(counters.HELD_FRAMES) + at(counters.CONSUMED_FRAMES);
    let drops = 0;
    for (let reason = 0; reason < REASON_COUNT; reason++) drops += at(counters.DROPS + reason);
    if (came !== went) throw new Error(`conservation: ${came} frames came or were made, ${went} are accounted for`);
    if (drops !== at(counters.DROPPED_FRAMES)) throw new Error(`${at(counters.DROPPED_FRAMES)} frames dropped, ${drops} by reason`);
  }

  private drainEvents(): void {
    const { events } = this.engine.plane;
    for (let at = events.peek(); at >= 0; at = events.peek()) {
      const reason = events.words[at + E_REASON]!;
      if (reason !== OK && !NOT_LOGGED.includes(events.words[at + E_KIND]!)) this.events.push(REASONS[reason]!.name);
      events.advance();
    }
  }
}
