// Limits that are no thresholds: sessions and new sessions a minute of one source, sessions of one inspection rule.
//
// The rate of a source is a sliding window made of two counts: those of the window at hand, and those of the window
// before, as far as it still reaches into the last `window` milliseconds if they were spread evenly.  A source is remembered
// while it has sessions; sources without any are forgotten oldest first when room is needed.

import { FLOOD_PER_SOURCE, FLOOD_RATE, OK, type Reason } from '../telemetry/reasons.ts';

const NONE = -1;

export class SourceLimits {
  private readonly capacity: number;
  private maxSessions = 0;
  private maxRate = 0;
  private window = 60_000;
  /** Source of each session, -1: not counted. */
  private readonly sourceOf: Int32Array;
  // By source; made when a limit is first set.
  private addr = new Int32Array(0);
  private sessions = new Int32Array(0);
  private windowStart = new Int32Array(0);
  private current = new Int32Array(0);
  private before = new Int32Array(0);
  private next = new Int32Array(0);
  /** Sources without sessions, in the order in which they lost their last one. */
  private olderIdle = new Int32Array(0);
  private newerIdle = new Int32Array(0);
  private heads = new Int32Array(0);
  private oldestIdle = NONE;
  private newestIdle = NONE;
  private unused = 0;

  /** `capacity` sessions. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.sourceOf = new Int32Array(capacity).fill(NONE);
  }

  /** Sessions at a time, new sessions in `window` ms; 0: no limit.  Allocates when a limit is first set. */
  install(maxSessions: number, maxRate: number, window: number): void {
    this.maxSessions = maxSessions;
    this.maxRate = maxRate;
    this.window = window;
    if (this.isOn && this.addr.length === 0) this.allocate();
  }

  /** OK, FLOOD_PER_SOURCE or FLOOD_RATE: may `addr` open a session now? */
  check(addr: number, now: number): Reason {
    if (!this.isOn) return OK;
    const source = this.find(addr);
    if (source === NONE) return OK;
    if (this.maxSessions > 0 && this.sessions[source]! >= this.maxSessions) return FLOOD_PER_SOURCE;
    return this.maxRate > 0 && this.rate(source, now) >= this.maxRate ? FLOOD_RATE : OK;
  }

  /** Counts a session that was opened. */
  enter(session: number, addr: number, now: number): void {
    this.sourceOf[session] = NONE;
    if (!this.isOn) return;
    let source = this.find(addr);
    if (source === NONE) source = this.create(addr, now);
    else if (this.sessions[source] === 0) this.unlinkIdle(source);
    this.roll(source, now);
    this.sessions[source]!++;
    this.current[source]!++;
    this.sourceOf[session] = source;
  }

  /** Counts it off, if it was counted. */
  leave(session: number): void {
    const source = this.sourceOf[session]!;
    if (source === NONE) return;
    this.sourceOf[session] = NONE;
    if (--this.sessions[source]! === 0) this.linkIdle(source);
  }

  private get isOn(): boolean {
    return this.maxSessions > 0 || this.maxRate > 0;
  }

  private rate(source: number, now: number): number {
    this.roll(source, now);
    const rest = this.window - ((now - this.windowStart[source]!) | 0);
    return this.current[source]! + Math.floor((this.before[source]! * rest) / this.window);
  }

  private roll(source: number, now: number): void {
    const elapsed = (now - this.windowStart[source]!) | 0;
    if (elapsed >= 0 && elapsed < this.window) return;
    const adjoins = elapsed >= 0 && elapsed < 2 * this.window;
    this.before[source] = adjoins ? this.current[source]! : 0;
    this.current[source] = 0;
    this.windowStart[source] = adjoins ? (this.windowStart[source]! + this.window) | 0 : now;
  }

  private allocate(): void {
    let heads = 64;
    while (heads < this.capacity) heads *= 2;
    this.heads = new Int32Array(heads).fill(NONE);
    this.addr = new Int32Array(this.capacity);
    this.sessions = new Int32Array(this.capacity);
    this.windowStart = new Int32Array(this.capacity);
    this.current = new Int32Array(this.capacity);
    this.before = new Int32Array(this.capacity);
    this.next = new Int32Array(this.capacity);
    this.olderIdle = new Int32Array(this.capacity);
    this.newerIdle = new Int32Array(this.capacity);
  }

  private find(addr: number): number {
    for (let source = this.heads[this.slot(addr)]!; source !== NONE; source = this.next[source]!)
      if (this.addr[source] === addr) return source;
    return NONE;
  }

  /** There are as many records as sessions, so one is unused or idle. */
  private create(addr: number, now: number): number {
    const source = this.unused < this.capacity ? this.unused++ : this.evict();
    const slot = this.slot(addr);
    this.addr[source] = addr;
    this.sessions[source] = 0;
    this.windowStart[source] = now;
    this.current[source] = 0;
    this.before[source] = 0;
    this.next[source] = this.heads[slot]!;
    this.heads[slot] = source;
    return source;
  }

  private evict(): number {
    const source = this.oldestIdle;
    this.unlinkIdle(source);
    const slot = this.slot(this.addr[source]!);
    if (this.heads[slot] === source) this.heads[slot] = this.next[source]!;
    else {
      let before = this.heads[slot]!;
      while (this.next[before] !== source) before = this.next[before]!;
      this.next[before] = this.next[source]!;
    }
    return source;
  }

  private linkIdle(source: number): void {
    this.olderIdle[source] = this.newestIdle;
    this.newerIdle[source] = NONE;
    if (this.newestIdle === NONE) this.oldestIdle = source;
    else this.newerIdle[this.newestIdle] = source;
    this.newestIdle = source;
  }

  private unlinkIdle(source: number): void {
    const older = this.olderIdle[source]!;
    const newer = this.newerIdle[source]!;
    if (older === NONE) this.oldestIdle = newer;
    else this.newerIdle[older] = newer;
    if (newer === NONE) this.newestIdle = older;
    else this.olderIdle[newer] = older;
  }

  private slot(addr: number): number {
    const h = Math.imul(addr, 0x9e3779b1);
    return (h ^ (h >>> 15)) & (this.heads.length - 1);
  }
}

/** Rows of session counts; rules beyond share the last one. */
const MAX_ROWS = 256;

/** Sessions of each inspection rule, by the row that compilation gave it (`parameter max-sessions`). */
export class RuleSessions {
  private readonly counts = new Int32Array(MAX_ROWS);
  private readonly rowOf: Int16Array;

  constructor(capacity: number) {
    this.rowOf = new Int16Array(capacity).fill(NONE);
  }

  count(row: number): number {
    return this.counts[Math.min(row, MAX_ROWS - 1)]!;
  }

  /** Counts a session under `row`, and off the row it was counted under (when it is admitted again by another rule). */
  enter(session: number, row: number): void {
    this.leave(session);
    const bounded = Math.min(row, MAX_ROWS - 1);
    this.rowOf[session] = bounded;
    this.counts[bounded]!++;
  }

  leave(session: number): void {
    const row = this.rowOf[session]!;
    if (row < 0) return;
    this.rowOf[session] = NONE;
    this.counts[row]!--;
  }
}
