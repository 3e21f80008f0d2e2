// The state that the steps of the path work on, made once; no step keeps any of its own.
//
// Built by the engine (run, replay, bench) from a policy, a region and its ports.  Everything here is sized at the start;
// a new policy replaces `policy` and what is derived from it (installPolicy), nothing else.

import { FrameQueue } from '../frame/frame-queue.ts';
import { BATCH, Frames } from '../frame/frames.ts';
import { Ledger } from '../frame/ledger.ts';
import type { Region } from '../frame/region.ts';
import { createInspectors } from '../inspect/registry.ts';
import { DebugSink, type Inspector } from '../inspect/inspector.ts';
import { NAT_TIMERS, Nat } from '../policy/nat.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { applyTimeRanges } from '../policy/time-range.ts';
import type { Port } from '../port/port.ts';
import { carryHits } from '../policy/access-list.ts';
import { ClosedList } from '../session/close.ts';
import { NEIGHBOUR_TIMERS, Neighbours } from '../session/neighbours.ts';
import { RuleSessions } from '../session/limits.ts';
import { SessionTable } from '../session/table.ts';
import { THRESHOLD_TIMERS, Thresholds } from '../session/thresholds.ts';
import { TimerWheel } from '../session/timer-wheel.ts';
import { Fragments } from '../stream/fragments.ts';
import { IcmpErrors } from '../stream/icmp-error.ts';
import { Cutter } from '../stream/mtu.ts';
import { Streams } from '../stream/streams.ts';
import { createCounters, MAX_PORTS } from '../telemetry/counters.ts';
import { EventRing } from '../telemetry/event-ring.ts';
import { AccessLog } from './access-log.ts';
import { flushDebug } from './debug-events.ts';
import { logDrop } from './drop-log.ts';
import { MacTable } from './mac-table.ts';
import { notePortState } from './port-events.ts';
import { PacketTrace } from './trace.ts';

export interface DataPlaneOptions {
  readonly region: Region;
  readonly policy: PolicySnapshot;
  /** By interface index; null: the interface has no port and counts as down. */
  readonly ports: readonly (Port | null)[];
  /** Seed of the session hash and of everything drawn by chance; fixed in replay. */
  readonly seed: number;
  /** Clock at start, ms. */
  readonly now: number;
  /** An unresolved next hop gets a synthetic MAC at once (replay without --arp capture). */
  readonly syntheticArp: boolean;
  readonly counters?: Float64Array;
  readonly events?: EventRing;
  /** Access list hit counts; shared with the control plane in `run`. */
  readonly hits?: Float64Array;
}

/** Rows for hit counts: entries of all access lists together. */
export const MAX_ACCESS_ENTRIES = 65_536;
/** Datagrams in reassembly at a time, all interfaces together. */
export const MAX_DATAGRAMS = 1024;
const EVENT_RING_SIZE = 4096;

export class DataPlane {
  readonly region: Region;
  readonly view: DataView;
  readonly frames: Frames;
  readonly ledger: Ledger;
  readonly counters: Float64Array;
  readonly events: EventRing;
  readonly hits: Float64Array;
  readonly ports: readonly (Port | null)[];
  readonly sessions: SessionTable;
  readonly wheel: TimerWheel;
  readonly closed: ClosedList;
  readonly inspectors: readonly Inspector[];
  readonly streams: Streams;
  readonly fragments: Fragments;
  readonly icmpErrors: IcmpErrors;
  readonly neighbours: Neighbours;
  readonly thresholds: Thresholds;
  readonly macTable = new MacTable();
  readonly accessLog = new AccessLog();
  readonly trace = new PacketTrace();
  readonly cutter: Cutter;
  readonly nat: Nat;
  policy: PolicySnapshot;

  /** What a step hands to the next: pieces of a datagram, waiting datagrams. */
  readonly pieces: FrameQueue;
  /** Resets of half-open sessions that make room. */
  readonly resets: FrameQueue;
  /** Frames that forward cut one into. */
  readonly cutPieces: FrameQueue;
  /** Scratch of emit: frames of one port and what the port said of each. */
  readonly emission: { readonly staged: Int32Array; readonly results: Int32Array };
  /** Scratch of lookup: hashes of the keys, references found first. */
  readonly hashes = new Int32Array(BATCH);
  readonly touched = new Int32Array(BATCH);
  /** Timer numbers: sessions from 0, then one range an owner. */
  readonly streamTimers: number;
  readonly fragmentTimers: number;
  readonly neighbourTimers: number;
  readonly natTimers: number;
  readonly thresholdTimers: number;
  readonly clockTimer: number;

  /** Sessions by inspection rule. */
  readonly ruleSessions: RuleSessions;
  /** An event log wants the drops, whatever the configuration says. */
  private dropsWanted = false;
  /** Where inspectors put debug messages while `debug ip inspect smtp` is on. */
  private debugSink: DebugSink | null = null;

  // By interface index.
  readonly macHigh = new Int32Array(MAX_PORTS);
  readonly macLow = new Int32Array(MAX_PORTS);
  /** 1: the port has no MAC address of its own and takes every unicast frame. */
  readonly acceptAll = new Uint8Array(MAX_PORTS);
  readonly bridgeGroup = new Int32Array(MAX_PORTS);
  /** The other port of a bridge group, -1: none. */
  readonly bridgePeer = new Int32Array(MAX_PORTS);
  /** IP datagram length that the interface carries. */
  readonly mtu = new Int32Array(MAX_PORTS);
  /** 1: can be sent to; refreshed once a batch (refreshPorts). */
  readonly up = new Uint8Array(MAX_PORTS);
  /** 1: takes super-frames and partial checksums. */
  readonly carriesSuperFrames = new Uint8Array(MAX_PORTS);
  /** Time of the last ICMP unreachable, ms (one per 500 ms). */
  readonly lastUnreachable = new Int32Array(MAX_PORTS);
  readonly lastTimeExceeded = new Int32Array(MAX_PORTS);

  /** Sessions inserted and removed so far: a lookup made before either moved is checked again. */
  inserted = 0;
  removed = 0;
  /** What they were when the batch was looked up. */
  insertedAtLookup = 0;
  removedAtLookup = 0;
  /** What a timer that fires does; path.ts sets it. */
  onTimer: (timer: number, deadline: number) => void = nothing;
  /** Callback of the wheel, made once. */
  readonly fire: (timer: number, deadline: number) => void;
  /** Verify transport checksums where the rules ask for it. */
  verifyChecksums: boolean;
  /** A policy was replaced, so sessions of an older one may live: until then no frame looks at the epoch of its session. */
  hasReloaded = false;
  now: number;
  private isBuilt = false;
  /** Clock at start. */
  started = 0;
  /** Wall clock at `now` 0, for the stamps of what timers send. */
  baseSec = 0;
  baseNsec = 0;

  constructor(options: DataPlaneOptions) {
    const { region, policy, now } = options;
    const sessions = policy.maxSessions;
    this.region = region;
    this.view = region.view;
    this.counters = options.counters ?? createCounters();
    this.events = options.events ?? new EventRing(EVENT_RING_SIZE, this.counters);
    this.hits = options.hits ?? new Float64Array(MAX_ACCESS_ENTRIES);
    this.ports = options.ports;
    this.frames = new Frames(region);
    this.ledger = new Ledger(this.frames, this.counters);
    this.sessions = new SessionTable(sessions, options.seed);
    this.streamTimers = sessions;
    this.fragmentTimers = this.streamTimers + sessions;
    this.neighbourTimers = this.fragmentTimers + MAX_DATAGRAMS;
    this.natTimers = this.neighbourTimers + NEIGHBOUR_TIMERS;
    this.thresholdTimers = this.natTimers + NAT_TIMERS;
    this.clockTimer = this.thresholdTimers + THRESHOLD_TIMERS;
    this.wheel = new TimerWheel(this.clockTimer + 1, now);
    this.closed = new ClosedList(sessions);
    this.inspectors = createInspectors(sessions, this.counters);
    this.streams = new Streams(
      region,
      this.frames,
      this.ledger,
      this.sessions,
      this.wheel,
      this.streamTimers,
      this.closed,
      this.counters,
      this.events,
      this.inspectors,
      policy.stream,
    );
    this.fragments = new Fragments(
      region,
      this.frames,
      this.ledger,
      this.wheel,
      this.fragmentTimers,
      MAX_DATAGRAMS,
      this.counters,
      this.events,
      options.seed,
    );
    this.icmpErrors = new IcmpErrors(region, this.frames, this.sessions, this.streams);
    this.neighbours = new Neighbours(this.wheel, this.neighbourTimers, options.syntheticArp);
    this.thresholds = new Thresholds(this.sessions, this.events, this.frames, this.wheel, this.thresholdTimers, policy.thresholds, now);
    this.cutter = new Cutter(region, this.frames, this.fragments.sizes);
    this.resets = new FrameQueue(this.frames.capacity);
    this.cutPieces = new FrameQueue(this.frames.capacity);
    this.fire = (timer, deadline) => this.onTimer(timer, deadline);
    this.ruleSessions = new RuleSessions(sessions);
    this.pieces = new FrameQueue(this.frames.capacity);
    this.emission = { staged: new Int32Array(this.frames.capacity), results: new Int32Array(this.frames.capacity) };
    this.policy = policy;
    this.nat = new Nat(this.wheel, this.natTimers, this.hits, options.seed, policy);
    this.verifyChecksums = policy.verifyChecksums;
    this.now = now;
    this.installPolicy(policy, now);
    this.forget(now);
    this.isBuilt = true;
  }

  /** Makes `policy` the one in force.  Sessions of older epochs are admitted again at their next frame. */
  installPolicy(policy: PolicySnapshot, now: number): void {
    this.hasReloaded = true;
    this.policy = policy;
    carryHits(this.hits, policy.hitMoves);
    this.verifyChecksums = policy.verifyChecksums;
    this.streams.verifyChecksums = policy.verifyChecksums;
    this.streams.setLimits(policy.stream);
    this.fragments.octetLimit = policy.stream.fragmentOctets;
    this.nat.install(policy, now);
    this.thresholds.install(policy.thresholds, now);
    this.followClock(now);
    this.setDropLog(this.dropsWanted);
    this.bridgePeer.fill(-1);
    for (let i = 0; i < policy.interfaces.length; i++) this.installInterface(i);
    this.neighbours.install(policy, now);
    this.refreshPorts();
  }

  /** Nothing of what was before `now` is to be seen from here on: counts, events, policies.  No session may live. */
  forget(now: number): void {
    this.counters.fill(0);
    this.hits.fill(0);
    while (this.events.peek() >= 0) this.events.advance();
    this.sessions.renumber();
    this.nat.forget(now);
    this.lastUnreachable.fill((now - 1000) | 0);
    this.lastTimeExceeded.fill((now - 1000) | 0);
    this.started = now;
    this.hasReloaded = false;
  }

  private installInterface(i: number): void {
    const { interfaces } = this.policy;
    const entry = interfaces[i]!;
    const port = this.ports[i] ?? null;
    const mac = entry.mac ?? port?.description.mac ?? null;
    this.acceptAll[i] = mac === null ? 1 : 0;
    // Locally administered, unicast: 0200.506f.xxii ("Po").
    this.macHigh[i] = mac === null ? 0x0200 : mac[0];
    this.macLow[i] = mac === null ? 0x506f_0000 | (i + 1) : mac[1];
    this.carriesSuperFrames[i] = port?.description.offload === true ? 1 : 0;
    this.bridgeGroup[i] = entry.bridgeGroup;
    this.mtu[i] = entry.mtu > 0 ? entry.mtu : (port?.description.mtu ?? 1500);
    if (entry.bridgeGroup === 0) return;
    for (let j = 0; j < interfaces.length; j++) {
      if (j !== i && interfaces[j]!.bridgeGroup === entry.bridgeGroup && this.ports[j] != null) this.bridgePeer[i] = j;
    }
  }

  /** Wall clock at `now` 0, seconds since 1970 and nanoseconds. */
  setClock(sec: number, nsec: number): void {
    // Without | 0 they may be heap numbers, which change the shape of the plane and so undo all compiled code.
    this.baseSec = sec | 0;
    this.baseNsec = nsec | 0;
    this.followClock(this.now);
  }

  /** Time ranges as they are now, and again when the next minute begins. */
  followClock(now: number): void {
    if (this.policy.timedEntries.length === 0) return;
    this.stampAt(now);
    const { stampSec, stampNsec } = this.frames;
    applyTimeRanges(this.policy, stampSec);
    this.wheel.schedule(this.clockTimer, (now + 60_000 - (stampSec % 60) * 1000 - Math.floor(stampNsec / 1_000_000)) | 0);
  }

  /** `debug ip inspect smtp`. */
  setDebug(on: boolean): void {
    this.debugSink = on ? new DebugSink() : null;
    for (const inspector of this.inspectors) inspector.setDebug?.(this.debugSink);
  }

  /** Debug messages since the last call, as events; a compare when debug is off. */
  flushDebug(): void {
    if (this.debugSink !== null) flushDebug(this.events, this.frames, this.debugSink, this.now);
  }

  /** An event for each dropped frame: where the configuration wants it, or somebody else does. */
  setDropLog(wanted: boolean): void {
    this.dropsWanted = wanted;
    this.ledger.onDrop = wanted || this.policy.logDrops ? (f, reason) => logDrop(this, f, reason) : null;
  }

  /** Asks the ports whether they are up; a change is an event, but not at the start. */
  refreshPorts(): void {
    for (let i = 0; i < this.ports.length; i++) {
      const port = this.ports[i]!;
      const up = port !== null && this.policy.interfaces[i]!.enabled && port.isUp() ? 1 : 0;
      if (up === this.up[i]) continue;
      this.up[i] = up;
      if (this.isBuilt) notePortState(this, i);
    }
  }

  /** What leaves from now on is stamped with the arrival of frame `f`. */
  stampFrom(f: number): void {
    this.frames.stampSec = this.frames.sec[f]!;
    this.frames.stampNsec = this.frames.nsec[f]!;
  }

  /** The same for something that a timer does at `now`. */
  stampAt(now: number): void {
    const nsec = this.baseNsec + (now % 1000) * 1_000_000;
    const carry = nsec >= 1_000_000_000 ? 1 : nsec < 0 ? -1 : 0;
    this.frames.stampSec = this.baseSec + ((now / 1000) | 0) + carry;
    this.frames.stampNsec = nsec - carry * 1_000_000_000;
  }
}

function nothing(): void {}
