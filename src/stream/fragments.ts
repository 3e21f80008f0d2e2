// Virtual reassembly: fragments are collected, checked and handed on as one datagram, for sessions with an inspector merged,
// for all others as the fragments that came, in order.  RFC 791, RFC 8200 section 4.5, RFC 1858, RFC 3128, RFC 5722 (applied to
// IPv4 too), RFC 6946; limits and words of `ip virtual-reassembly`.
//
// Whatever is wrong with one fragment drops all of its datagram, and every later fragment with its key until the timer that the
// first one started ends.  An exact copy of a held fragment is dropped alone.
// Not here: cutting merged datagrams again (mtu.ts), which of the two ways a session wants (the path).

import type { FrameQueue } from '../frame/frame-queue.ts';
import { type Frames, HELD, NO_FRAME, PENDING } from '../frame/frames.ts';
import type { Ledger } from '../frame/ledger.ts';
import { HEADROOM, LARGE_SLOT, type Region, SMALL_SLOT } from '../frame/region.ts';
import { DEFAULT_STREAM_LIMITS, type VirtualReassembly } from '../policy/snapshot.ts';
import type { TimerWheel } from '../session/timer-wheel.ts';
import { FRAGMENT_DATAGRAMS, FRAGMENT_OCTETS, MAX_PORTS } from '../telemetry/counters.ts';
import type { EventRing } from '../telemetry/event-ring.ts';
import {
  FRAME_NO_SLOT,
  IP_FRAG_BADLEN,
  IP_FRAG_DENIED,
  IP_FRAG_DUP,
  IP_FRAG_LIMIT,
  IP_FRAG_OVERLAP,
  IP_FRAG_TIMEOUT,
  OK,
  type Reason,
} from '../telemetry/reasons.ts';
import { reportDatagram, reportTableOverflow } from './fragment-events.ts';
import { FragmentHeader, removeFragmentHeader } from './fragment-header.ts';
import { decodeTransport, merge } from './fragment-merge.ts';
import { FragmentSizes, MAX_FRAGMENTS } from './fragment-sizes.ts';
import { FragmentTable, NO_DATAGRAM, UNKNOWN } from './fragment-table.ts';

/** What `show ip virtual-reassembly` prints, by interface index. */
export class ReassemblyStatistics {
  readonly currentReassemblies = new Int32Array(MAX_PORTS);
  readonly currentFragments = new Int32Array(MAX_PORTS);
  /** Datagrams that became whole. */
  readonly totalReassemblies = new Float64Array(MAX_PORTS);
  readonly totalTimeouts = new Float64Array(MAX_PORTS);
}

export class Fragments {
  readonly statistics = new ReassemblyStatistics();
  /** Where merged frames were cut. */
  readonly sizes: FragmentSizes;
  /** Octets of slots that fragments may occupy, all interfaces together. */
  octetLimit = DEFAULT_STREAM_LIMITS.fragmentOctets;
  private readonly region: Region;
  private readonly frames: Frames;
  private readonly ledger: Ledger;
  private readonly wheel: TimerWheel;
  private readonly firstTimer: number;
  private readonly table: FragmentTable;
  private readonly counters: Float64Array;
  private readonly events: EventRing;
  private readonly header = new FragmentHeader();
  /** For reading a first piece while `header` still has the fragment at hand. */
  private readonly firstHeader = new FragmentHeader();
  /** 1: the overflow of the interface was reported and its number of datagrams has not fallen since. */
  private readonly overflowReported = new Uint8Array(MAX_PORTS);

  /** The merged frame whose pieces await consumeFragments or takeFragments; the first of them, and the one that was never held. */
  private merged = NO_FRAME;
  private mergedFirst = NO_FRAME;
  private atHand = NO_FRAME;

  /** Uses timers firstTimer .. firstTimer + datagrams - 1 of the wheel; `seed` of the hash is any int32. */
  constructor(
    region: Region,
    frames: Frames,
    ledger: Ledger,
    wheel: TimerWheel,
    firstTimer: number,
    datagrams: number,
    counters: Float64Array,
    events: EventRing,
    seed = 0,
  ) {
    this.region = region;
    this.frames = frames;
    this.ledger = ledger;
    this.wheel = wheel;
    this.firstTimer = firstTimer;
    this.counters = counters;
    this.events = events;
    this.table = new FragmentTable(datagrams, frames.capacity, seed);
    this.sizes = new FragmentSizes(frames);
  }

  /** Octets of slots occupied now. */
  get heldOctets(): number {
    return this.counters[FRAGMENT_OCTETS]!;
  }

  /**
   * Takes frame `f`, a decoded fragment.  NO_FRAME: it is held, or dropped with its reason.  `f` itself: it was a whole datagram
   * with a needless fragment header, which is gone.  Any other number: a new frame with the whole datagram, all columns as
   * decode sets them, flags MERGED and GENERATED; the caller answers with consumeFragments() or takeFragments() before he does
   * anything else with it.  Limits are those of the interface that `f` came in by.
   */
  accept(f: number, limits: VirtualReassembly, now: number): number {
    if (this.merged !== NO_FRAME) this.consumeFragments(this.merged);
    if (limits.dropFragments) return this.refuse(f, IP_FRAG_DENIED);
    const { header, table } = this;
    header.read(this.region.view, this.frames, f);
    if (header.isAtomic) return this.acceptAtomic(f);
    table.aim(this.region.view, this.frames, f, header.fragmentAt);
    const d = table.find();
    if (d !== NO_DATAGRAM && table.refused[d] !== OK) return this.refuse(f, table.refused[d]!);
    const reason = header.check(this.region.view);
    if (reason !== OK) return this.condemn(d, f, reason, limits, now);
    return d === NO_DATAGRAM ? this.open(f, limits, now) : this.add(d, f, limits, now);
  }

  /** The pieces of `merged` leave inside it (or end with it): they count as consumed. */
  consumeFragments(merged: number): void {
    if (merged !== this.merged) return;
    let g = this.mergedFirst;
    while (g !== NO_FRAME) {
      const following = this.table.next[g]!;
      this.resume(g);
      this.ledger.consume(g);
      g = following;
    }
    this.forgetMerged();
  }

  /**
   * The fragments go on as they came: appends them to `queue` in order of offset, each pending and in need of a fate of its own,
   * and gives the slot of `merged` back uncounted.  When its pieces were consumed already, `merged` goes on in their place.
   */
  takeFragments(merged: number, queue: FrameQueue): void {
    if (merged !== this.merged) {
      queue.push(merged);
      return;
    }
    for (let g = this.mergedFirst; g !== NO_FRAME; g = this.table.next[g]!) {
      this.resume(g);
      queue.push(g);
    }
    this.frames.free(merged);
    this.forgetMerged();
  }

  /** Timer `timer` of ours ended at `now`: what is not complete is dropped; what was refused is forgotten. */
  expire(timer: number, now: number): void {
    const d = timer - this.firstTimer;
    if (this.table.refused[d] === OK) {
      this.statistics.totalTimeouts[this.table.ingress[d]!]!++;
      reportDatagram(this.events, this.frames, this.region, this.table.first[d]!, IP_FRAG_TIMEOUT, 0, now);
      this.dropPieces(d, IP_FRAG_TIMEOUT);
      this.closeGauges(d);
    }
    this.table.remove(d);
  }

  private refuse(f: number, reason: Reason): number {
    this.ledger.drop(f, reason);
    return NO_FRAME;
  }

  /** RFC 6946: processed alone, whatever else is held under its key. */
  private acceptAtomic(f: number): number {
    const { region, frames, header } = this;
    if (header.to === 0) return this.refuse(f, IP_FRAG_BADLEN);
    removeFragmentHeader(region, frames, f, header.fragmentAt, header.link);
    const reason = decodeTransport(region.view, frames, f);
    return reason === OK ? f : this.refuse(f, reason);
  }

  /** The first fragment of a datagram to come, whichever it is. */
  private open(f: number, limits: VirtualReassembly, now: number): number {
    const { statistics, table } = this;
    const ingress = this.frames.ingress[f]!;
    if (statistics.currentReassemblies[ingress]! >= limits.maxReassemblies) return this.overflow(f, ingress, limits.maxReassemblies, now);
    if (this.heldOctets + this.slotOctets(f) > this.octetLimit) return this.refuse(f, IP_FRAG_LIMIT);
    const d = table.insert(ingress, OK);
    if (d === NO_DATAGRAM) return this.overflow(f, ingress, table.capacity, now);
    statistics.currentReassemblies[ingress]!++;
    this.counters[FRAGMENT_DATAGRAMS]!++;
    this.wheel.schedule(this.firstTimer + d, (now + limits.timeout) | 0);
    return this.add(d, f, limits, now);
  }

  private overflow(f: number, ingress: number, limit: number, now: number): number {
    if (this.overflowReported[ingress] === 0) reportTableOverflow(this.events, this.frames, f, limit, now);
    this.overflowReported[ingress] = 1;
    return this.refuse(f, IP_FRAG_LIMIT);
  }

  /** Puts the fragment in its place among the others. */
  private add(d: number, f: number, limits: VirtualReassembly, now: number): number {
    const { header, table } = this;
    const before = table.pieceBefore(d, header.from);
    if (before !== NO_FRAME && this.isCopy(f, before)) return this.refuse(f, IP_FRAG_DUP);
    if (this.overlaps(d, before)) return this.condemn(d, f, IP_FRAG_OVERLAP, limits, now);
    if (table.count[d]! >= limits.maxFragments || table.count[d]! === MAX_FRAGMENTS) return this.condemn(d, f, IP_FRAG_LIMIT, limits, now);
    if (!header.more) table.total[d] = header.to;
    const completes = table.octets[d]! + header.to - header.from === table.total[d];
    return completes ? this.complete(d, f, before, limits, now) : this.hold(d, f, before, limits, now);
  }

  private hold(d: number, f: number, before: number, limits: VirtualReassembly, now: number): number {
    const { frames, header } = this;
    if (this.heldOctets + this.slotOctets(f) > this.octetLimit) return this.condemn(d, f, IP_FRAG_LIMIT, limits, now);
    const g = frames.copy(f);
    if (g === NO_FRAME) return this.condemn(d, f, FRAME_NO_SLOT, limits, now);
    this.table.link(d, before, g, header.from, header.to);
    this.counters[FRAGMENT_OCTETS]! += this.slotOctets(g);
    this.statistics.currentFragments[frames.ingress[f]!]!++;
    this.ledger.hold(f);
    frames.fate[g] = HELD;
    return NO_FRAME;
  }

  /** The fragment at hand is the last one missing: it is never copied. */
  private complete(d: number, f: number, before: number, limits: VirtualReassembly, now: number): number {
    const { frames, header, region, statistics, table } = this;
    const total = table.total[d]!;
    table.link(d, before, f, header.from, header.to);
    const merged = merge(region, frames, table, this.sizes, this.firstHeader, table.first[d]!, total);
    const reason = merged === NO_FRAME ? FRAME_NO_SLOT : decodeTransport(region.view, frames, merged);
    if (reason !== OK) {
      if (merged !== NO_FRAME) frames.free(merged);
      table.unlink(d, before, f);
      return this.condemn(d, f, reason, limits, now);
    }
    this.merged = merged;
    this.mergedFirst = table.first[d]!;
    this.atHand = f;
    statistics.totalReassemblies[table.ingress[d]!]!++;
    this.closeGauges(d);
    this.wheel.cancel(this.firstTimer + d);
    table.empty(d);
    table.remove(d);
    return merged;
  }

  /** An exact copy of piece `g`: same range, same octets, same last-fragment bit. */
  private isCopy(f: number, g: number): boolean {
    const { frames, header, table } = this;
    if (table.from[g] !== header.from || table.to[g] !== header.to) return false;
    this.firstHeader.read(this.region.view, frames, g);
    if (this.firstHeader.more !== header.more) return false;
    const { u8 } = this.region;
    const other = this.firstHeader.dataAt - header.dataAt;
    const end = frames.end[f]!;
    for (let i = header.dataAt; i < end; i++) if (u8[i] !== u8[i + other]) return false;
    return true;
  }

  /** The fragment at hand shares octets with a held one, or the two disagree where the datagram ends. */
  private overlaps(d: number, before: number): boolean {
    const { header, table } = this;
    if (before !== NO_FRAME && table.to[before]! > header.from) return true;
    const following = before === NO_FRAME ? table.first[d]! : table.next[before]!;
    if (following !== NO_FRAME && table.from[following]! < header.to) return true;
    if (table.total[d] !== UNKNOWN) return !header.more || header.to > table.total[d]!;
    return !header.more && following !== NO_FRAME;
  }

  /** Drops fragment `f`, all others of datagram `d` (NO_DATAGRAM: none is known) and what will come of it before its timer ends. */
  private condemn(d: number, f: number, reason: Reason, limits: VirtualReassembly, now: number): number {
    const { frames, table } = this;
    const limit = reason === IP_FRAG_LIMIT ? limits.maxFragments : 0;
    reportDatagram(this.events, frames, this.region, f, reason, limit, now);
    if (d !== NO_DATAGRAM) {
      this.dropPieces(d, reason);
      this.closeGauges(d);
      table.refused[d] = reason;
      return this.refuse(f, reason);
    }
    const e = table.insert(frames.ingress[f]!, reason);
    if (e !== NO_DATAGRAM) this.wheel.schedule(this.firstTimer + e, (now + limits.timeout) | 0);
    return this.refuse(f, reason);
  }

  private dropPieces(d: number, reason: Reason): void {
    let g = this.table.first[d]!;
    while (g !== NO_FRAME) {
      const following = this.table.next[g]!;
      this.resume(g);
      this.ledger.drop(g, reason);
      g = following;
    }
    this.table.empty(d);
  }

  /** Piece `g` is held no more. */
  private resume(g: number): void {
    if (g === this.atHand) return;
    this.counters[FRAGMENT_OCTETS]! -= this.slotOctets(g);
    this.statistics.currentFragments[this.frames.ingress[g]!]!--;
    this.frames.fate[g] = PENDING;
    this.ledger.resume(1);
  }

  private closeGauges(d: number): void {
    const ingress = this.table.ingress[d]!;
    this.statistics.currentReassemblies[ingress]!--;
    this.overflowReported[ingress] = 0;
    this.counters[FRAGMENT_DATAGRAMS]!--;
  }

  private forgetMerged(): void {
    this.merged = NO_FRAME;
    this.mergedFirst = NO_FRAME;
    this.atHand = NO_FRAME;
  }

  private slotOctets(f: number): number {
    return this.frames.length[f]! > SMALL_SLOT - HEADROOM ? LARGE_SLOT : SMALL_SLOT;
  }
}
