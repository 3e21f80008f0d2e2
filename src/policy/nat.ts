// Network address translation of inside sources: static, dynamic pools, and overload (PAT).
//
// `outbound` is asked for the first frame of a flow that crosses from an inside to an outside interface, `inbound` for
// one that comes from outside; the session keeps the answer, later frames never come here.
// Overload: endpoint-independent mapping (RFC 4787 REQ-1, RFC 5382 REQ-1); the source port is kept if it is free, else the
// next free one of its group 1-511, 512-1023, 1024-65535 (so RFC 4787 REQ-3 holds), for UDP of the same parity first
// (REQ-4); no port is given out twice (REQ-7 of RFC 5382).  Filtering is the access list's task: a TCP or UDP flow
// from outside to a global port that is in use is translated, whoever sent it.  ICMP queries from outside never are.
// A binding lives as long as sessions use it, then for the time-out of its protocol; one that no session uses (no inspection rule
// covers the flow) lives from frame to frame by the same time-outs.
//
// Not here: payloads (FTP, DNS), hairpinning (a flow must cross inside/outside), outside source and destination lists.

import type { TimerWheel } from '../session/timer-wheel.ts';
import { NAT_LIMIT, NAT_NO_ADDRESS, NAT_UNTRANSLATABLE, OK, type Reason } from '../telemetry/reasons.ts';
import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';
import { RST, FIN, SYN, ACK } from '../wire/tcp.ts';
import { evaluate, find, permits } from './access-list.ts';
import { NatBindings, STALE } from './nat-bindings.ts';
import { NatAddresses } from './nat-addresses.ts';
import { ENDED_CLOSED, ENDED_IDLE, ENDED_SYN, translationTimeout } from './nat-timeouts.ts';
import { StaticTable } from './nat-static.ts';
import { type DynamicMapping, NAT_OUTSIDE, type NatPolicy, type PolicySnapshot } from './snapshot.ts';

/** Timers, and bindings: one each. */
export const NAT_TIMERS = 131_072;

export class Nat {
  // The answer of outbound and inbound.
  /** Translated address and port (ICMP: query identifier). */
  addr = 0;
  port = 0;
  /** Dynamic binding behind the answer, -1: none or static. */
  binding = -1;
  /** Was there a translation (it may be to the same values)? */
  translated = false;
  /** The answer made the binding. */
  private made = false;

  // For `show ip nat statistics`.
  hits = 0;
  misses = 0;
  expired = 0;
  peak = 0;
  peakTime = 0;

  readonly bindings: NatBindings;
  private readonly wheel: TimerWheel;
  private readonly firstTimer: number;
  private readonly accessHits: Float64Array;
  private snapshot: PolicySnapshot;
  private policy: NatPolicy;
  private statics: StaticTable;
  private addresses: NatAddresses;

  /**
   * NAT_TIMERS bindings at most; each has a timer of `wheel`, from firstTimer on, whose firing calls expire().
   * `accessHits` are the hit counters of access lists, `seed` any int32.
   */
  constructor(wheel: TimerWheel, firstTimer: number, accessHits: Float64Array, seed: number, snapshot: PolicySnapshot) {
    this.bindings = new NatBindings(NAT_TIMERS, seed);
    this.wheel = wheel;
    this.firstTimer = firstTimer;
    this.accessHits = accessHits;
    this.snapshot = snapshot;
    this.policy = snapshot.nat;
    this.statics = new StaticTable(this.policy.statics);
    this.addresses = new NatAddresses(this.policy, snapshot.interfaces);
  }

  /**
   * Takes a new policy: bindings whose mapping is still there live on, the others become stale.  Walks all bindings;
   * called between two batches.
   */
  install(snapshot: PolicySnapshot, now: number): void {
    const mappings = newMappings(this.snapshot, snapshot);
    this.snapshot = snapshot;
    this.policy = snapshot.nat;
    this.statics = new StaticTable(this.policy.statics);
    this.addresses = new NatAddresses(this.policy, snapshot.interfaces);
    for (let b = 0; b < this.bindings.highest; b++) if (this.bindings.isLive(b)) this.carryOver(b, mappings, now);
  }

  /**
   * A flow from an inside interface about to leave by an outside one: its source address and port translated.
   * NAT_NO_ADDRESS, NAT_LIMIT or NAT_UNTRANSLATABLE when a mapping asks for a translation that cannot be had.
   * `isNew`: count, and make a binding where there is none; otherwise (a known session is admitted again) nothing changes.
   */
  outbound(protocol: number, src: number, srcPort: number, dst: number, dstPort: number, isNew: boolean, now: number): Reason {
    this.begin(src, srcPort);
    const fixed = this.statics.byLocal(protocol, src, srcPort);
    if (fixed >= 0) {
      if (isNew) this.hits++;
      this.answer(this.statics.globalAddr(fixed, src), this.statics.globalPort(fixed, srcPort), -1);
      return OK;
    }
    const mapping = this.mappingFor(protocol, src, srcPort, dst, dstPort, isNew);
    if (mapping < 0) return OK;
    if (this.policy.mappings[mapping]!.overload) return this.overload(mapping, protocol, src, srcPort, dstPort, isNew, now);
    return this.wholeAddress(mapping, src, isNew, now);
  }

  /** A flow that came in by an outside interface: its destination address and port translated; never fails.  `isNew`: count. */
  inbound(protocol: number, dst: number, dstPort: number, isNew: boolean): void {
    this.begin(dst, dstPort);
    const fixed = this.statics.byGlobal(protocol, dst, dstPort);
    if (fixed >= 0) {
      if (isNew) this.hits++;
      this.answer(this.statics.localAddr(fixed, dst), this.statics.localPort(fixed, dstPort), -1);
      return;
    }
    const binding = this.bindingOfGlobal(protocol, dst, dstPort);
    if (binding < 0) return;
    const whole = this.bindings.protocol[binding] === 0;
    if (isNew) this.hits++;
    this.answer(this.bindings.localAddr[binding]!, whole ? dstPort : this.bindings.localPort[binding]!, binding);
  }

  /** The same for a reply to an ICMP query from inside, or an error about it: `ident` is its identifier as it left. */
  inboundReply(dst: number, ident: number): void {
    this.inbound(PROTOCOL_ICMP, dst, ident, true);
    if (this.translated) return;
    const { bindings } = this;
    const binding = bindings.findGlobal(PROTOCOL_ICMP, dst, ident);
    // One that sessions use is theirs: they know their replies.
    const isFree = binding >= 0 && bindings.uses[binding] === 0 && bindings.mapping[binding] !== STALE;
    if (isFree) this.answer(bindings.localAddr[binding]!, bindings.localPort[binding]!, binding);
  }

  /**
   * A frame of a flow that has no session went through the binding: it lives on.  `outward`: from the inside; `control` are the TCP
   * control bits, which tell how far the flow got.
   */
  touch(binding: number, outward: boolean, control: number, now: number): void {
    if (binding < 0 || this.bindings.uses[binding]! > 0) return;
    const { ended, lastUsed } = this.bindings;
    lastUsed[binding] = now;
    const before = ended[binding]!;
    const after = advanced(before, outward, control);
    // Within one state the timer finds out by itself that it came too early.
    if (after !== before) this.linger(binding, after, now);
  }

  /** A session uses the binding (the one of the last answer, once a session): it does not expire. */
  retain(binding: number): void {
    if (binding < 0) return;
    this.bindings.uses[binding]!++;
    this.wheel.cancel(this.firstTimer + binding);
  }

  /**
   * A session that retained the binding is gone.  `ended` is ENDED_...; `lastHeard` the time of its last frame, from which
   * the time-out counts.
   */
  release(binding: number, ended: number, lastHeard: number, now: number): void {
    if (binding < 0) return;
    const { bindings } = this;
    bindings.lastUsed[binding] = lastHeard;
    if (--bindings.uses[binding]! > 0) return;
    if (bindings.mapping[binding] === STALE) this.remove(binding);
    else this.linger(binding, ended, now);
  }

  /** The flow of the last answer was refused by a later step: a binding made for it and used by nobody goes. */
  abandon(binding: number): void {
    if (binding < 0 || !this.made || binding !== this.binding || this.bindings.uses[binding] !== 0) return;
    this.made = false;
    this.remove(binding);
  }

  /** The timer of a binding fired. */
  expire(timer: number, now: number): void {
    const b = timer - this.firstTimer;
    if (this.bindings.isLive(b) && this.bindings.uses[b] === 0) this.endOrWait(b, now);
  }

  /** Milliseconds for which the binding outlives its last use, 0: for ever. */
  timeoutOf(b: number): number {
    const { bindings } = this;
    return translationTimeout(this.policy, bindings.protocol[b]!, bindings.service[b]!, bindings.ended[b]!);
  }

  /**
   * Must the firewall answer ARP for `addr` on interface `index`?  Global addresses of static translations without
   * `no-alias` and of pools in use, in the subnet of an outside interface and not its own address.
   */
  isGlobal(addr: number, index: number): boolean {
    const port = this.snapshot.interfaces[index]!;
    if (port.nat !== NAT_OUTSIDE || port.addr === 0 || addr === port.addr) return false;
    return ((addr ^ port.addr) & port.mask) === 0 && this.isAlias(addr);
  }

  /** Is `addr` a global address that is the firewall's own where no translation takes it further? */
  isAlias(addr: number): boolean {
    return this.statics.isAlias(addr) || this.addresses.inPool(addr);
  }

  /** `clear ip nat translation *`: all dynamic bindings; those in use end with their sessions.  Returns how many. */
  clear(): number {
    let count = 0;
    for (let b = 0; b < this.bindings.highest; b++) {
      if (!this.bindings.isLive(b)) continue;
      this.drop(b);
      count++;
    }
    return count;
  }

  /** Clears one dynamic binding by its two tuples (protocol 0 and ports 0: a whole address); false: there is none. */
  clearOne(protocol: number, globalAddr: number, globalPort: number, localAddr: number, localPort: number): boolean {
    const b = this.bindings.findGlobal(protocol, globalAddr, globalPort);
    if (b < 0 || this.bindings.localAddr[b] !== localAddr || this.bindings.localPort[b] !== localPort) return false;
    this.drop(b);
    return true;
  }

  /** True once the binding was cleared or lost its mapping: sessions that use it should end. */
  isStale(binding: number): boolean {
    return binding >= 0 && this.bindings.mapping[binding] === STALE;
  }

  clearStatistics(): void {
    this.hits = 0;
    this.misses = 0;
    this.expired = 0;
  }

  /** What was counted and what was highest before `now` is forgotten. */
  forget(now: number): void {
    this.clearStatistics();
    this.peak = 0;
    this.peakTime = now;
  }

  private begin(addr: number, port: number): void {
    this.addr = addr;
    this.port = port;
    this.binding = -1;
    this.translated = false;
    this.made = false;
  }

  private answer(addr: number, port: number, binding: number): void {
    this.addr = addr;
    this.port = port;
    this.binding = binding;
    this.translated = true;
  }

  /** The first dynamic mapping whose access list permits the flow, or -1.  The list sees local addresses. */
  private mappingFor(protocol: number, src: number, srcPort: number, dst: number, dstPort: number, isNew: boolean): number {
    const { mappings } = this.policy;
    for (let m = 0; m < mappings.length; m++) {
      const index = mappings[m]!.accessList;
      if (index < 0) continue;
      const list = this.snapshot.accessLists[index]!;
      const entry = isNew
        ? evaluate(list, this.accessHits, src, dst, protocol, 0, srcPort, dstPort, 0, false)
        : find(list, src, dst, protocol, 0, srcPort, dstPort, 0, false);
      if (permits(list, entry)) return m;
    }
    return -1;
  }

  private wholeAddress(mapping: number, src: number, isNew: boolean, now: number): Reason {
    const { bindings } = this;
    let b = bindings.findLocal(mapping, 0, src, 0);
    if (b < 0) {
      if (!isNew) return NAT_NO_ADDRESS;
      if (this.isFull()) return NAT_LIMIT;
      const addr = this.addresses.takeAddress(mapping);
      if (addr === 0) return NAT_NO_ADDRESS;
      b = this.make(mapping, 0, src, 0, addr, 0, 0, now);
    } else if (isNew) {
      this.hits++;
    }
    this.answer(bindings.globalAddr[b]!, this.port, b);
    return OK;
  }

  private overload(mapping: number, protocol: number, src: number, srcPort: number, dstPort: number, isNew: boolean, now: number): Reason {
    const { bindings, addresses } = this;
    if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP && protocol !== PROTOCOL_ICMP) return NAT_UNTRANSLATABLE;
    let b = bindings.findLocal(mapping, protocol, src, srcPort);
    if (b < 0) {
      if (!isNew) return NAT_NO_ADDRESS;
      if (this.isFull()) return NAT_LIMIT;
      const port = addresses.takePort(mapping, protocol, srcPort);
      if (port < 0) return NAT_NO_ADDRESS;
      b = this.make(mapping, protocol, src, srcPort, addresses.addr, port, dstPort, now);
    } else if (isNew) {
      this.hits++;
    }
    this.answer(bindings.globalAddr[b]!, bindings.globalPort[b]!, b);
    return OK;
  }

  private isFull(): boolean {
    const { bindings, policy } = this;
    return bindings.count >= bindings.capacity || (policy.maxEntries !== 0 && bindings.count >= policy.maxEntries);
  }

  /** A new binding; until a session retains it, it lives as long as one whose SYN was not answered. */
  private make(
    mapping: number,
    protocol: number,
    src: number,
    srcPort: number,
    addr: number,
    port: number,
    service: number,
    now: number,
  ): number {
    const b = this.bindings.insert(mapping, protocol, src, srcPort, addr, port, now);
    this.bindings.service[b] = service;
    this.made = true;
    this.misses++;
    if (this.bindings.count > this.peak) {
      this.peak = this.bindings.count;
      this.peakTime = now;
    }
    this.linger(b, ENDED_SYN, now);
    return b;
  }

  private bindingOfGlobal(protocol: number, dst: number, dstPort: number): number {
    const { bindings } = this;
    let b = bindings.findGlobal(0, dst, 0);
    if (b < 0 && (protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP)) b = bindings.findGlobal(protocol, dst, dstPort);
    return b >= 0 && bindings.mapping[b] !== STALE ? b : -1;
  }

  private linger(b: number, ended: number, now: number): void {
    this.bindings.ended[b] = ended;
    this.endOrWait(b, now);
  }

  /** Ends a binding that nobody uses when its time-out after the last use has passed, or waits for that. */
  private endOrWait(b: number, now: number): void {
    const timeout = this.timeoutOf(b);
    if (timeout === 0) return;
    const deadline = (this.bindings.lastUsed[b]! + timeout) | 0;
    if (((deadline - now) | 0) > 0) {
      this.wheel.schedule(this.firstTimer + b, deadline);
      return;
    }
    this.expired++;
    this.remove(b);
  }

  private drop(b: number): void {
    this.bindings.makeStale(b);
    if (this.bindings.uses[b] === 0) this.remove(b);
  }

  private remove(b: number): void {
    const { bindings } = this;
    this.wheel.cancel(this.firstTimer + b);
    if (bindings.protocol[b] === 0) this.addresses.giveAddress(bindings.globalAddr[b]!);
    else this.addresses.givePort(bindings.protocol[b]!, bindings.globalAddr[b]!, bindings.globalPort[b]!);
    bindings.remove(b);
  }

  private carryOver(b: number, mappings: Int32Array, now: number): void {
    const { bindings, addresses } = this;
    const before = bindings.mapping[b]!;
    const mapping = before === STALE ? STALE : mappings[before]!;
    if (bindings.protocol[b] === 0) addresses.markAddress(bindings.globalAddr[b]!);
    else addresses.markPort(bindings.protocol[b]!, bindings.globalAddr[b]!, bindings.globalPort[b]!);
    if (mapping === STALE) this.drop(b);
    else {
      bindings.setMapping(b, mapping);
      if (bindings.uses[b] === 0) this.endOrWait(b, now);
    }
  }
}

/** How far a flow got, ENDED_..., after another frame. */
function advanced(ended: number, outward: boolean, control: number): number {
  if ((control & (FIN | RST)) !== 0) return ENDED_CLOSED;
  if ((control & (SYN | ACK)) === SYN && ended === ENDED_CLOSED) return ENDED_SYN;
  return !outward && ended === ENDED_SYN ? ENDED_IDLE : ended;
}

/** New index of each former mapping, STALE where it is gone: same list, same pool addresses or interface address, same kind. */
function newMappings(before: PolicySnapshot, after: PolicySnapshot): Int32Array {
  const names = after.nat.mappings.map((mapping) => identity(after, mapping));
  return Int32Array.from(before.nat.mappings, (mapping) => names.indexOf(identity(before, mapping)));
}

function identity(snapshot: PolicySnapshot, mapping: DynamicMapping): string {
  const pool = snapshot.nat.pools[mapping.pool];
  const addresses = pool === undefined ? snapshot.interfaces[mapping.interface]?.addr : `${pool.start}-${pool.end}`;
  return `${snapshot.accessLists[mapping.accessList]?.name} ${addresses} ${mapping.overload}`;
}
