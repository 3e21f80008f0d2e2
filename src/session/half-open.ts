// The half-open sessions in order of creation, all together and by destination host.
//
// Intrusive doubly linked lists in typed arrays: entering, leaving and finding the oldest are O(1).  A host has a record
// while half-open TCP sessions to it exist or while it is blocked; records are found by a chained hash.
// Not here: when a session must go (thresholds.ts).  UDP sessions are in the common list only.

import type { SessionTable } from './table.ts';

const NONE = -1;
/** Blocked hosts without a half-open session that are remembered; beyond it the oldest block ends early. */
const SPARE_HOSTS = 4096;

export class HalfOpen {
  /** Half-open sessions, TCP and UDP. */
  count = 0;
  oldest = NONE;
  // By host record.
  readonly hostAddr: Int32Array;
  readonly hostCount: Int32Array;
  /** The oldest half-open session to it, -1: none. */
  readonly hostOldest: Int32Array;
  /** End of its block, ms; meaningful while hostBlocked. */
  readonly hostBlockedUntil: Int32Array;
  readonly hostBlocked: Uint8Array;
  /** Its limit was reported and not fallen below since. */
  readonly hostAlerted: Uint8Array;
  /** Host whose block ends first, -1: none is blocked. */
  firstBlocked = NONE;

  private newest = NONE;
  private lastBlocked = NONE;
  private blockedWithoutSessions = 0;
  private readonly older: Int32Array;
  private readonly newer: Int32Array;
  private readonly listed: Uint8Array;
  private readonly hostOf: Int32Array;
  private readonly olderOfHost: Int32Array;
  private readonly newerOfHost: Int32Array;
  private readonly hostNewest: Int32Array;
  private readonly hostNext: Int32Array;
  private readonly nextBlocked: Int32Array;
  private readonly heads: Int32Array;
  private readonly mask: number;
  private readonly freeHosts: Int32Array;
  private freeCount: number;

  constructor(sessions: SessionTable) {
    const { capacity } = sessions;
    const hosts = capacity + SPARE_HOSTS;
    let heads = 64;
    while (heads < capacity) heads *= 2;
    this.mask = heads - 1;
    this.heads = new Int32Array(heads).fill(NONE);
    this.older = sessions.olderHalfOpen;
    this.newer = sessions.newerHalfOpen;
    this.listed = new Uint8Array(capacity);
    this.hostOf = new Int32Array(capacity);
    this.olderOfHost = new Int32Array(capacity);
    this.newerOfHost = new Int32Array(capacity);
    this.hostAddr = new Int32Array(hosts);
    this.hostCount = new Int32Array(hosts);
    this.hostOldest = new Int32Array(hosts);
    this.hostNewest = new Int32Array(hosts);
    this.hostNext = new Int32Array(hosts);
    this.hostBlocked = new Uint8Array(hosts);
    this.hostBlockedUntil = new Int32Array(hosts);
    this.hostAlerted = new Uint8Array(hosts);
    this.nextBlocked = new Int32Array(hosts);
    this.freeHosts = Int32Array.from({ length: hosts }, (_, i) => hosts - 1 - i);
    this.freeCount = hosts;
  }

  has(session: number): boolean {
    return this.listed[session] === 1;
  }

  /** Enters a session as the newest; `perHost`: also among those to `addr`. */
  add(session: number, perHost: boolean, addr: number): void {
    this.listed[session] = 1;
    this.count++;
    this.older[session] = this.newest;
    this.newer[session] = NONE;
    if (this.newest === NONE) this.oldest = session;
    else this.newer[this.newest] = session;
    this.newest = session;
    this.hostOf[session] = perHost ? this.addToHost(session, addr) : NONE;
  }

  /** Takes a session out, if it is in. */
  remove(session: number): void {
    if (this.listed[session] === 0) return;
    this.listed[session] = 0;
    this.count--;
    const before = this.older[session]!;
    const after = this.newer[session]!;
    if (before === NONE) this.oldest = after;
    else this.newer[before] = after;
    if (after === NONE) this.newest = before;
    else this.older[after] = before;
    if (this.hostOf[session] !== NONE) this.removeFromHost(session, this.hostOf[session]!);
  }

  /** Record of a host, or -1. */
  findHost(addr: number): number {
    for (let host = this.heads[this.slot(addr)]!; host !== NONE; host = this.hostNext[host]!) if (this.hostAddr[host] === addr) return host;
    return NONE;
  }

  /** Blocks a host until `until`; blocks must be made in order of their ends. */
  block(host: number, until: number): void {
    this.hostBlocked[host] = 1;
    this.hostBlockedUntil[host] = until;
    this.nextBlocked[host] = NONE;
    if (this.lastBlocked === NONE) this.firstBlocked = host;
    else this.nextBlocked[this.lastBlocked] = host;
    this.lastBlocked = host;
    if (this.hostCount[host] === 0) this.blockedWithoutSessions++;
  }

  /** Ends the block of firstBlocked. */
  unblockFirst(): void {
    const host = this.firstBlocked;
    this.firstBlocked = this.nextBlocked[host]!;
    if (this.firstBlocked === NONE) this.lastBlocked = NONE;
    this.hostBlocked[host] = 0;
    if (this.hostCount[host] !== 0) return;
    this.blockedWithoutSessions--;
    this.freeHost(host);
  }

  /** More hosts are blocked than are remembered: the first block must end now. */
  get tooManyBlocked(): boolean {
    return this.blockedWithoutSessions >= SPARE_HOSTS;
  }

  private addToHost(session: number, addr: number): number {
    let host = this.findHost(addr);
    if (host === NONE) host = this.createHost(addr);
    else if (this.hostCount[host] === 0) this.blockedWithoutSessions--;
    const last = this.hostNewest[host]!;
    this.olderOfHost[session] = last;
    this.newerOfHost[session] = NONE;
    if (last === NONE) this.hostOldest[host] = session;
    else this.newerOfHost[last] = session;
    this.hostNewest[host] = session;
    this.hostCount[host]!++;
    return host;
  }

  private removeFromHost(session: number, host: number): void {
    const before = this.olderOfHost[session]!;
    const after = this.newerOfHost[session]!;
    if (before === NONE) this.hostOldest[host] = after;
    else this.newerOfHost[before] = after;
    if (after === NONE) this.hostNewest[host] = before;
    else this.olderOfHost[after] = before;
    if (--this.hostCount[host]! > 0) return;
    if (this.hostBlocked[host] === 1) this.blockedWithoutSessions++;
    else this.freeHost(host);
  }

  private createHost(addr: number): number {
    const host = this.freeHosts[--this.freeCount]!;
    const slot = this.slot(addr);
    this.hostAddr[host] = addr;
    this.hostCount[host] = 0;
    this.hostOldest[host] = NONE;
    this.hostNewest[host] = NONE;
    this.hostBlocked[host] = 0;
    this.hostAlerted[host] = 0;
    this.hostNext[host] = this.heads[slot]!;
    this.heads[slot] = host;
    return host;
  }

  private freeHost(host: number): void {
    const slot = this.slot(this.hostAddr[host]!);
    if (this.heads[slot] === host) this.heads[slot] = this.hostNext[host]!;
    else {
      let before = this.heads[slot]!;
      while (this.hostNext[before] !== host) before = this.hostNext[before]!;
      this.hostNext[before] = this.hostNext[host]!;
    }
    this.freeHosts[this.freeCount++] = host;
  }

  private slot(addr: number): number {
    const h = Math.imul(addr, 0x9e3779b1);
    return (h ^ (h >>> 15)) & this.mask;
  }
}
