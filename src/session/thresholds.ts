// What half-open sessions may do to the firewall: `ip inspect max-incomplete`, `one-minute`, `tcp max-incomplete host`.
//
// Total and rate: above `high` of either the firewall is aggressive, and every new request makes the oldest half-open
// session go, until both are below `low` (one alert each way).  The rate is a count over the last minute in steps of five
// seconds.  An ICMP query is no such request.  Host: above its limit every new TCP request to it makes its oldest half-open
// session go (block-time 0), or all its half-open sessions go and new requests are refused until the block ends.
// A full session table makes half-open sessions go too, oldest first; established ones are never touched.
//
// For a first frame the path calls admit(); then nextVictim() until there is none, ending each session that it names; then,
// if admit() said OK and there was a record, opened().  It calls established() when a session is half-open no longer and
// ended() for every session that ends.
// Not here: limits by source and rule (limits.ts), resets of victims (path/).

import {
  EVENT_AGGRESSIVE,
  EVENT_CALM,
  EVENT_HOST_BLOCKED,
  EVENT_HOST_LIMIT,
  EVENT_HOST_UNBLOCKED,
  type EventRing,
  E_DST,
  E_NSEC,
  E_SEC,
  E_TIME,
  E_VALUE,
  E_VALUE2,
  E_VALUE3,
} from '../telemetry/event-ring.ts';
import { FLOOD_HALF_OPEN, FLOOD_PER_HOST, OK, type Reason, SESSION_BLOCKED_HOST } from '../telemetry/reasons.ts';
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';
import { HalfOpen } from './half-open.ts';
import { SourceLimits } from './limits.ts';
import type { SessionTable } from './table.ts';
import type { TimerWheel } from './timer-wheel.ts';

/** Timers that thresholds need: sampling, end of the first block. */
export const THRESHOLD_TIMERS = 2;
const SAMPLE_TIMER = 0;
const BLOCK_TIMER = 1;

const STEP = 5_000;
const STEPS = 12;
const NONE = -1;

export interface ThresholdSettings {
  readonly maxIncompleteHigh: number;
  readonly maxIncompleteLow: number;
  readonly oneMinuteHigh: number;
  readonly oneMinuteLow: number;
  /** Half-open TCP sessions to one host. */
  readonly hostLimit: number;
  /** ms, 0: victims instead of a block. */
  readonly hostBlockTime: number;
  /** 0: off. */
  readonly sourceSessions: number;
  readonly sourceRate: number;
  /** ms */
  readonly sourceRateWindow: number;
}

/** Stamp of what is being worked on (frame/frames.ts). */
interface Stamp {
  readonly stampSec: number;
  readonly stampNsec: number;
}

export class Thresholds {
  readonly halfOpen: HalfOpen;
  /** More than `high` was seen, and not yet less than `low` of both. */
  aggressive = false;
  private readonly sessions: SessionTable;
  private readonly sources: SourceLimits;
  private readonly events: EventRing;
  private readonly stamp: Stamp;
  private readonly wheel: TimerWheel;
  private readonly firstTimer: number;
  private settings: ThresholdSettings;

  /** New half-open sessions of the last STEPS steps, the one at hand included. */
  private readonly steps = new Int32Array(STEPS);
  private step = 0;
  private stepStart: number;
  private rate = 0;

  /** Victims still to be named: the oldest of all, the oldest of a host, or all of a host. */
  private oldestMustGo = false;
  private hostToThin = NONE;
  private hostToClear = NONE;
  /** Source of the request that was admitted last. */
  private source = 0;

  /** Uses THRESHOLD_TIMERS timers of `wheel` from `firstTimer` on. */
  constructor(
    sessions: SessionTable,
    events: EventRing,
    stamp: Stamp,
    wheel: TimerWheel,
    firstTimer: number,
    settings: ThresholdSettings,
    now: number,
  ) {
    this.sessions = sessions;
    this.halfOpen = new HalfOpen(sessions);
    this.sources = new SourceLimits(sessions.capacity);
    this.events = events;
    this.stamp = stamp;
    this.wheel = wheel;
    this.firstTimer = firstTimer;
    this.settings = settings;
    this.stepStart = now;
    this.install(settings, now);
  }

  /** Takes new settings; a block that is on stays, unless there is no block-time any more. */
  install(settings: ThresholdSettings, now: number): void {
    this.settings = settings;
    this.sources.install(settings.sourceSessions, settings.sourceRate, settings.sourceRateWindow);
    if (settings.hostBlockTime === 0) while (this.halfOpen.firstBlocked !== NONE) this.unblock(now);
    this.calmDown(now);
  }

  /** New half-open sessions in the last minute, as of the last request or sample. */
  get oneMinuteRate(): number {
    return this.rate;
  }

  /** May a session from `source` to `host` be opened?  OK or why not; either way nextVictim() must be asked. */
  admit(protocol: number, source: number, host: number, now: number): Reason {
    this.oldestMustGo = false;
    this.hostToThin = NONE;
    this.hostToClear = NONE;
    this.source = source;
    const refused = this.sources.check(source, now);
    if (refused !== OK) return refused;
    const isFull = this.sessions.count >= this.sessions.capacity;
    if (protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP) {
      if (protocol === PROTOCOL_TCP && !this.admitToHost(host, now)) return SESSION_BLOCKED_HOST;
      this.sample(now);
      this.calmDown(now);
      this.getAggressive(now);
      this.oldestMustGo = this.aggressive;
    }
    if (isFull) this.oldestMustGo = true;
    if (this.hostToThin !== NONE) this.oldestMustGo = false;
    return OK;
  }

  /** A half-open session that must be ended now, or -1.  It is off the lists already. */
  nextVictim(): number {
    const { halfOpen } = this;
    let victim = NONE;
    if (this.hostToClear !== NONE) {
      victim = halfOpen.hostOldest[this.hostToClear]!;
    } else if (this.hostToThin !== NONE) {
      victim = halfOpen.hostOldest[this.hostToThin]!;
      this.hostToThin = NONE;
    } else if (this.oldestMustGo) {
      victim = halfOpen.oldest;
      this.oldestMustGo = false;
    }
    if (victim === NONE) this.hostToClear = NONE;
    else halfOpen.remove(victim);
    return victim;
  }

  /** The session that was admitted last exists now; only TCP and UDP count as half-open. */
  opened(session: number, host: number, now: number): void {
    this.sources.enter(session, this.source, now);
    const protocol = this.sessions.protocol(session);
    if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return;
    this.sample(now);
    this.halfOpen.add(session, protocol === PROTOCOL_TCP, host);
    this.steps[this.step]!++;
    this.rate++;
  }

  /** TCP: the handshake is complete; UDP: a reply was seen. */
  established(session: number): void {
    this.leaveHalfOpen(session);
  }

  ended(session: number): void {
    this.leaveHalfOpen(session);
    this.sources.leave(session);
  }

  /** One of the timers fired. */
  expire(timer: number, now: number): void {
    if (timer - this.firstTimer === BLOCK_TIMER) this.endBlocks(now);
    else this.sampleTimer(now);
  }

  private leaveHalfOpen(session: number): void {
    this.halfOpen.remove(session);
  }

  /** False: new requests to the host are blocked, maybe from now on. */
  private admitToHost(addr: number, now: number): boolean {
    const { halfOpen, settings } = this;
    const host = halfOpen.findHost(addr);
    if (host === NONE) return true;
    if (halfOpen.hostBlocked[host] === 1) return false;
    const count = halfOpen.hostCount[host]!;
    // reported once, until the count has come well below the limit: at the limit it would alternate with every request
    if (count * 2 < settings.hostLimit) halfOpen.hostAlerted[host] = 0;
    if (count < settings.hostLimit) return true;
    if (halfOpen.hostAlerted[host] === 0) this.report(EVENT_HOST_LIMIT, FLOOD_PER_HOST, addr, count + 1, settings.hostLimit, now);
    halfOpen.hostAlerted[host] = 1;
    if (settings.hostBlockTime === 0) {
      this.hostToThin = host;
      return true;
    }
    this.block(host, addr, now);
    return false;
  }

  private block(host: number, addr: number, now: number): void {
    const { halfOpen, settings } = this;
    if (halfOpen.tooManyBlocked) this.unblock(now);
    halfOpen.block(host, (now + settings.hostBlockTime) | 0);
    this.hostToClear = host;
    this.report(EVENT_HOST_BLOCKED, FLOOD_PER_HOST, addr, settings.hostLimit, settings.hostBlockTime / 60_000, now);
    if (halfOpen.firstBlocked === host) this.wheel.schedule(this.firstTimer + BLOCK_TIMER, halfOpen.hostBlockedUntil[host]!);
  }

  private endBlocks(now: number): void {
    const { halfOpen } = this;
    while (halfOpen.firstBlocked !== NONE) {
      const until = halfOpen.hostBlockedUntil[halfOpen.firstBlocked]!;
      if (((until - now) | 0) > 0) {
        this.wheel.schedule(this.firstTimer + BLOCK_TIMER, until);
        return;
      }
      this.unblock(now);
    }
  }

  private unblock(now: number): void {
    const { halfOpen } = this;
    this.report(EVENT_HOST_UNBLOCKED, FLOOD_PER_HOST, halfOpen.hostAddr[halfOpen.firstBlocked]!, 0, 0, now);
    halfOpen.unblockFirst();
  }

  /** The request at hand counts: one that makes the count exceed `high` begins the aggressive mode. */
  private getAggressive(now: number): void {
    const { settings } = this;
    const count = this.halfOpen.count + (this.hostToThin === NONE ? 1 : 0);
    if (this.aggressive || (count <= settings.maxIncompleteHigh && this.rate + 1 <= settings.oneMinuteHigh)) return;
    this.aggressive = true;
    this.wheel.schedule(this.firstTimer + SAMPLE_TIMER, (this.stepStart + STEP) | 0);
    this.reportMode(EVENT_AGGRESSIVE, FLOOD_HALF_OPEN, count, this.rate + 1, settings.maxIncompleteHigh, now);
  }

  private calmDown(now: number): void {
    const { settings } = this;
    if (!this.aggressive || this.halfOpen.count >= settings.maxIncompleteLow || this.rate >= settings.oneMinuteLow) return;
    this.aggressive = false;
    this.wheel.cancel(this.firstTimer + SAMPLE_TIMER);
    this.reportMode(EVENT_CALM, OK, this.halfOpen.count, this.rate, settings.maxIncompleteLow, now);
  }

  private sampleTimer(now: number): void {
    this.sample(now);
    this.calmDown(now);
    if (this.aggressive) this.wheel.schedule(this.firstTimer + SAMPLE_TIMER, (this.stepStart + STEP) | 0);
  }

  /** Forgets the steps that are older than a minute. */
  private sample(now: number): void {
    let elapsed = (now - this.stepStart) | 0;
    if (elapsed >= STEP * STEPS) {
      this.steps.fill(0);
      this.rate = 0;
      this.stepStart = now;
      return;
    }
    while (elapsed >= STEP) {
      this.step = this.step + 1 < STEPS ? this.step + 1 : 0;
      this.rate -= this.steps[this.step]!;
      this.steps[this.step] = 0;
      this.stepStart = (this.stepStart + STEP) | 0;
      elapsed -= STEP;
    }
  }

  private reportMode(kind: number, reason: Reason, count: number, rate: number, limit: number, now: number): void {
    const at = this.begin(kind, reason, now);
    if (at < 0) return;
    this.events.words[at + E_VALUE] = count;
    this.events.words[at + E_VALUE2] = limit;
    this.events.words[at + E_VALUE3] = rate;
    this.events.commit();
  }

  /** Host events: value is the count or limit, value2 the limit or the block-time in minutes. */
  private report(kind: number, reason: Reason, host: number, value: number, value2: number, now: number): void {
    const at = this.begin(kind, reason, now);
    if (at < 0) return;
    this.events.words[at + E_DST] = host;
    this.events.words[at + E_VALUE] = value;
    this.events.words[at + E_VALUE2] = value2;
    this.events.commit();
  }

  private begin(kind: number, reason: Reason, now: number): number {
    const at = this.events.claim(kind, reason);
    if (at < 0) return at;
    const { words } = this.events;
    words[at + E_TIME] = now;
    words[at + E_SEC] = this.stamp.stampSec;
    words[at + E_NSEC] = this.stamp.stampNsec;
    return at;
  }
}
