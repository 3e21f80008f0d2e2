// Neighbours of routed interfaces: which MAC address has the IPv4 address of a next hop.  RFC 826, RFC 1122 2.3.2, RFC 5227.
//
// A neighbour is a number below 65,536 that sessions keep (record word NEIGHBOURS), so a number that a session retains is
// never given to another address.  An unresolved one keeps up to QUEUE frames and asks three times, a second apart.
// A learned one is asked again after the ARP timeout of its interface, by unicast first.
//
// Spoofing: static entries and our own addresses are never overwritten; senders outside the interface's subnet and group
// MAC addresses are refused; nothing is learned of addresses nobody asked for unless the sender talks to us; an
// announcement that contradicts a resolved entry is believed only if the former owner does not answer a probe within
// PROBE_TIME (a router that takes over an address needs one second more, an impostor is found out).
//
// Not here: the ARP messages themselves and who answers requests (path/arp.ts), IPv6.

import type { TimerWheel } from './timer-wheel.ts';

/** Timers, and neighbours: one each. */
export const NEIGHBOUR_TIMERS = 65_535;
/** Frames that wait for one neighbour. */
export const QUEUE = 8;
const REQUEST_TIME = 1_000;
const PROBE_TIME = 1_000;
const MAX_REQUESTS = 3;
/** Entries looked at for one to be given up when the table is full. */
const EVICTION_STEPS = 64;
const NONE = -1;
const BUCKETS = 65_536;

// state
export const UNUSED = 0;
/** Did not answer; nothing under way. */
export const UNRESOLVED = 1;
/** Asked for, no MAC address yet. */
export const INCOMPLETE = 2;
export const RESOLVED = 3;
/** Has a MAC address that is in use and being confirmed. */
export const STALE = 4;

// origin
export const LEARNED = 0;
export const STATIC = 1;
/** Invented in replay. */
export const SYNTHETIC = 2;

// results of learn() that are no neighbour
export const NOT_LEARNED = -1;
export const SPOOFED = -2;

/** What neighbours need to know of an interface; index = interface. */
export interface NeighbourInterface {
  readonly addr: number;
  readonly mask: number;
  readonly enabled: boolean;
  readonly bridgeGroup: number;
  /** ms, 0: never. */
  readonly arpTimeout: number;
}

export interface NeighbourPolicy {
  readonly interfaces: readonly NeighbourInterface[];
  readonly neighbours: readonly { readonly addr: number; readonly mac: readonly [high: number, low: number] }[];
}

export class Neighbours {
  count = 0;
  // Columns, by neighbour; read only outside.
  readonly addr = new Int32Array(NEIGHBOUR_TIMERS);
  readonly interface = new Uint8Array(NEIGHBOUR_TIMERS);
  readonly macHigh = new Uint16Array(NEIGHBOUR_TIMERS);
  readonly macLow = new Int32Array(NEIGHBOUR_TIMERS);
  readonly state = new Uint8Array(NEIGHBOUR_TIMERS);
  readonly origin = new Uint8Array(NEIGHBOUR_TIMERS);
  /** Time of the last confirmation, ms. */
  readonly confirmed = new Int32Array(NEIGHBOUR_TIMERS);
  /** Sessions that use it. */
  readonly uses = new Int32Array(NEIGHBOUR_TIMERS);

  private readonly tries = new Uint8Array(NEIGHBOUR_TIMERS);
  private readonly candidateHigh = new Uint16Array(NEIGHBOUR_TIMERS);
  private readonly candidateLow = new Int32Array(NEIGHBOUR_TIMERS);
  private readonly hasCandidate = new Uint8Array(NEIGHBOUR_TIMERS);
  private readonly waiting = new Int32Array(NEIGHBOUR_TIMERS * QUEUE);
  private readonly waitingCount = new Uint8Array(NEIGHBOUR_TIMERS);
  private readonly heads = new Int32Array(BUCKETS).fill(NONE);
  private readonly next = new Int32Array(NEIGHBOUR_TIMERS);
  private readonly freeList = new Int32Array(NEIGHBOUR_TIMERS);
  private freeCount = 0;
  private unused = 0;
  private hand = 0;

  // What the path must do next: requests to send, frames that may go on, frames that may not.
  private readonly requests = new Int32Array(NEIGHBOUR_TIMERS);
  private readonly requested = new Uint8Array(NEIGHBOUR_TIMERS);
  private requestCount = 0;
  private readonly ready = new Int32Array(NEIGHBOUR_TIMERS);
  private readyCount = 0;
  private readonly failed = new Int32Array(QUEUE);
  private failedCount = 0;

  /** Neighbour of the frame that takeReady() gave last. */
  lastReady = NONE;

  private readonly wheel: TimerWheel;
  private readonly firstTimer: number;
  private readonly synthetic: boolean;
  private interfaces: readonly NeighbourInterface[] = [];

  /** `synthetic`: an address without an entry gets a locally administered MAC address at once. */
  constructor(wheel: TimerWheel, firstTimer: number, synthetic: boolean) {
    this.wheel = wheel;
    this.firstTimer = firstTimer;
    this.synthetic = synthetic;
  }

  /** Takes the interfaces and static entries of a new policy; learned entries stay. */
  install(policy: NeighbourPolicy, now: number): void {
    this.interfaces = policy.interfaces;
    for (let n = 0; n < this.unused; n++) if (this.state[n] !== UNUSED && this.origin[n] === STATIC) this.forgetStatic(n);
    for (const entry of policy.neighbours) this.setStatic(entry.addr, entry.mac[0], entry.mac[1], now);
  }

  /** Number of the neighbour, made and asked for if need be; -1: the table is full of neighbours in use. */
  resolve(port: number, addr: number, now: number): number {
    let n = this.find(port, addr);
    if (n < 0) n = this.create(port, addr);
    if (n < 0) return NONE;
    if (this.state[n]! >= INCOMPLETE) return n;
    if (this.synthetic) this.invent(n, now);
    else this.ask(n, INCOMPLETE, now);
    return n;
  }

  /** Number of a known neighbour, or -1. */
  find(port: number, addr: number): number {
    for (let n = this.heads[hash(port, addr)]!; n !== NONE; n = this.next[n]!) {
      if (this.addr[n] === addr && this.interface[n] === port) return n;
    }
    return NONE;
  }

  /** Has it a MAC address that may be used? */
  isUsable(n: number): boolean {
    return this.state[n]! >= RESOLVED;
  }

  /** May another frame wait for it? */
  hasRoom(n: number): boolean {
    return this.waitingCount[n]! < QUEUE;
  }

  /** Frame `f` waits for the neighbour; false: QUEUE frames wait already. */
  wait(n: number, f: number): boolean {
    const count = this.waitingCount[n]!;
    if (count === QUEUE) return false;
    this.waiting[n * QUEUE + count] = f;
    this.waitingCount[n] = count + 1;
    return true;
  }

  retain(n: number): void {
    this.uses[n]!++;
  }

  release(n: number): void {
    if (--this.uses[n]! === 0 && this.state[n] === UNRESOLVED) this.free(n);
  }

  /**
   * An ARP message came in by interface `port` from `addr` at that MAC address.  `forUs`: its target is an address of ours
   * (RFC 826: then the sender is learned even if nobody asked for him).  Returns the neighbour, NOT_LEARNED, or SPOOFED:
   * the message is a lie or a mistake, to be dropped.
   */
  learn(port: number, addr: number, macHigh: number, macLow: number, forUs: boolean, now: number): number {
    if (addr === 0) return NOT_LEARNED;
    if (!this.isPlausible(port, addr, macHigh, macLow)) return SPOOFED;
    let n = this.find(port, addr);
    if (n < 0 && !forUs) return NOT_LEARNED;
    if (n < 0) n = this.create(port, addr);
    if (n < 0) return NOT_LEARNED;
    const same = this.isUsable(n) && this.macHigh[n] === macHigh && this.macLow[n] === macLow;
    if (this.origin[n] === STATIC) return same ? n : SPOOFED;
    if (same || !this.isUsable(n) || this.origin[n] === SYNTHETIC) this.confirm(n, macHigh, macLow, now);
    else this.doubt(n, macHigh, macLow, now);
    return n;
  }

  /** The timer of a neighbour fired; take...() afterwards. */
  expire(timer: number, now: number): void {
    const n = timer - this.firstTimer;
    const state = this.state[n]!;
    if (state === STALE && this.hasCandidate[n] === 1) this.confirm(n, this.candidateHigh[n]!, this.candidateLow[n]!, now);
    else if (state === RESOLVED) this.ask(n, STALE, now);
    else if (state >= INCOMPLETE && this.tries[n]! < MAX_REQUESTS) this.request(n, now);
    else if (state >= INCOMPLETE) this.fail(n);
  }

  /** A neighbour that must be asked for now, or -1. */
  takeRequest(): number {
    while (this.requestCount > 0) {
      const n = this.requests[--this.requestCount]!;
      this.requested[n] = 0;
      if (this.state[n] === INCOMPLETE || this.state[n] === STALE) return n;
    }
    return NONE;
  }

  /** Is the request to go to the MAC address it has (first confirmation) rather than to everybody? */
  asksUnicast(n: number): boolean {
    return this.state[n] === STALE && (this.tries[n] === 1 || this.hasCandidate[n] === 1);
  }

  /**
   * A frame whose neighbour was just resolved, in order of arrival, or -1.  To be drained after every learn(), expire()
   * and install().
   */
  takeReady(): number {
    while (this.readyCount > 0) {
      const n = this.ready[this.readyCount - 1]!;
      if (this.waitingCount[n]! > 0) return this.takeFirst(n);
      this.readyCount--;
    }
    return NONE;
  }

  /** A frame whose neighbour did not answer, or -1.  To be drained after every expire() and flush(). */
  takeUnresolved(): number {
    return this.failedCount > 0 ? this.failed[--this.failedCount]! : NONE;
  }

  /**
   * Forgets a learned neighbour (`clear arp-cache`, lost carrier): asked again when next needed.  Its waiting frames are
   * given to takeUnresolved(), which must be drained after each call.
   */
  forget(n: number): void {
    if (this.state[n] === UNUSED || this.origin[n] === STATIC) return;
    this.fail(n);
  }

  /** Highest number ever used + 1: the bound of a walk. */
  get highest(): number {
    return this.unused;
  }

  private takeFirst(n: number): number {
    this.lastReady = n;
    const count = --this.waitingCount[n]!;
    const at = n * QUEUE;
    const f = this.waiting[at]!;
    this.waiting.copyWithin(at, at + 1, at + 1 + count);
    return f;
  }

  private isPlausible(port: number, addr: number, macHigh: number, macLow: number): boolean {
    const own = this.interfaces[port];
    if (own === undefined || own.addr === 0 || addr === own.addr) return false;
    if (((addr ^ own.addr) & own.mask) !== 0) return false;
    if ((macHigh & 0x0100) !== 0 || (macHigh === 0 && macLow === 0)) return false;
    const hostPart = addr & ~own.mask;
    return own.mask >>> 0 >= 0xfffffffe || (hostPart !== 0 && hostPart !== ~own.mask);
  }

  private setStatic(addr: number, macHigh: number, macLow: number, now: number): void {
    const port = this.interfaces.findIndex((own) => own.addr !== 0 && own.bridgeGroup === 0 && ((addr ^ own.addr) & own.mask) === 0);
    if (port < 0) return;
    let n = this.find(port, addr);
    if (n < 0) n = this.create(port, addr);
    if (n < 0) return;
    this.confirm(n, macHigh, macLow, now);
    this.origin[n] = STATIC;
    this.wheel.cancel(this.firstTimer + n);
  }

  private forgetStatic(n: number): void {
    this.origin[n] = LEARNED;
    this.fail(n);
  }

  private invent(n: number, now: number): void {
    this.origin[n] = SYNTHETIC;
    this.setMac(n, 0x0200 | this.interface[n]!, this.addr[n]!, now);
  }

  private setMac(n: number, macHigh: number, macLow: number, now: number): void {
    this.macHigh[n] = macHigh;
    this.macLow[n] = macLow;
    this.state[n] = RESOLVED;
    this.hasCandidate[n] = 0;
    this.confirmed[n] = now;
    if (this.waitingCount[n]! > 0) this.ready[this.readyCount++] = n;
  }

  private confirm(n: number, macHigh: number, macLow: number, now: number): void {
    this.origin[n] = LEARNED;
    this.setMac(n, macHigh, macLow, now);
    const timeout = this.interfaces[this.interface[n]!]!.arpTimeout;
    if (timeout > 0) this.wheel.schedule(this.firstTimer + n, (now + timeout) | 0);
    else this.wheel.cancel(this.firstTimer + n);
  }

  /** Another MAC address claims a resolved neighbour: probe the one we have. */
  private doubt(n: number, macHigh: number, macLow: number, now: number): void {
    this.candidateHigh[n] = macHigh;
    this.candidateLow[n] = macLow;
    if (this.hasCandidate[n] === 1) return;
    this.hasCandidate[n] = 1;
    this.ask(n, STALE, now);
    this.wheel.schedule(this.firstTimer + n, (now + PROBE_TIME) | 0);
  }

  private ask(n: number, state: number, now: number): void {
    this.state[n] = state;
    this.tries[n] = 0;
    this.request(n, now);
  }

  private request(n: number, now: number): void {
    this.tries[n]!++;
    this.wheel.schedule(this.firstTimer + n, (now + REQUEST_TIME) | 0);
    if (this.requested[n] === 1) return;
    this.requested[n] = 1;
    this.requests[this.requestCount++] = n;
  }

  private fail(n: number): void {
    this.wheel.cancel(this.firstTimer + n);
    this.state[n] = UNRESOLVED;
    this.hasCandidate[n] = 0;
    const count = this.waitingCount[n]!;
    for (let i = 0; i < count && this.failedCount < QUEUE; i++) this.failed[this.failedCount++] = this.waiting[n * QUEUE + i]!;
    this.waitingCount[n] = 0;
    if (this.uses[n] === 0) this.free(n);
  }

  private create(port: number, addr: number): number {
    if (this.freeCount === 0 && this.unused === NEIGHBOUR_TIMERS) this.evict();
    if (this.freeCount === 0 && this.unused === NEIGHBOUR_TIMERS) return NONE;
    const n = this.freeCount > 0 ? this.freeList[--this.freeCount]! : this.unused++;
    const slot = hash(port, addr);
    this.addr[n] = addr;
    this.interface[n] = port;
    this.state[n] = UNRESOLVED;
    this.origin[n] = LEARNED;
    this.uses[n] = 0;
    this.hasCandidate[n] = 0;
    this.waitingCount[n] = 0;
    this.next[n] = this.heads[slot]!;
    this.heads[slot] = n;
    this.count++;
    return n;
  }

  /** Gives up a resolved neighbour that no session uses, found within a few steps of where the last search ended. */
  private evict(): void {
    for (let i = 0; i < EVICTION_STEPS; i++) {
      const n = this.hand;
      this.hand = n + 1 < NEIGHBOUR_TIMERS ? n + 1 : 0;
      if (this.uses[n] === 0 && this.state[n]! >= RESOLVED && this.origin[n] !== STATIC && this.waitingCount[n] === 0) {
        this.wheel.cancel(this.firstTimer + n);
        this.free(n);
        return;
      }
    }
  }

  private free(n: number): void {
    const slot = hash(this.interface[n]!, this.addr[n]!);
    if (this.heads[slot] === n) this.heads[slot] = this.next[n]!;
    else {
      let before = this.heads[slot]!;
      while (this.next[before] !== n) before = this.next[before]!;
      this.next[before] = this.next[n]!;
    }
    this.state[n] = UNUSED;
    this.freeList[this.freeCount++] = n;
    this.count--;
  }
}

function hash(port: number, addr: number): number {
  const h = Math.imul(addr ^ (port << 24), 0x9e3779b1);
  return (h ^ (h >>> 15)) & (BUCKETS - 1);
}
