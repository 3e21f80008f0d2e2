// The store: octets of inspected streams from their arrival in order (or out of it) until their receiver has acknowledged
// them, indexed by sequence number.
//
// A direction has a list of pages of STORE_PAGE octets, in order of sequence number; a page holds the octets whose numbers
// share all but the low twelve bits, so the place of an octet in its page is known without a search.  Pages are taken when the
// first octet needs them; a direction with nothing to keep has none.
// A page holds what is emitted.  When an edit changes it, a second page, its original, keeps what the sender sent,
// so that a copy with other octets is told from an honest retransmission of a masked line.
//
// Not here: which octets of a page mean anything (stream-record.ts, holes.ts).

import { type Region, STORE_PAGE } from '../frame/region.ts';
import { STORE_OCTETS } from '../telemetry/counters.ts';
import { before } from '../wire/seq.ts';
import { FIRST_PAGE, RECENT_PAGE } from './stream-record.ts';

const NONE = -1;
const PAGE_MASK = STORE_PAGE - 1;

// Answer of overlay(), bits.
/** The octets differ from those that the sender sent first. */
export const MISMATCH = 1;
/** The octets differ from those that are emitted, and were overwritten with them. */
export const CHANGED = 2;

export class Store {
  /** Pages in use. */
  used = 0;
  /** Pages that may be in use. */
  limit: number;
  private readonly words: Int32Array;
  private readonly u8: Uint8Array;
  private readonly start: number;
  private readonly counters: Float64Array;
  private readonly next: Int32Array;
  /** Sequence number of the first octet of a page. */
  private readonly base: Int32Array;
  /** Page with the octets as they were sent, NONE: the page itself. */
  private readonly original: Int32Array;
  /** ms */
  private readonly takenAt: Int32Array;
  private readonly free: Int32Array;
  private freeCount: number;

  /** `words` are the stream records. */
  constructor(region: Region, words: Int32Array, counters: Float64Array) {
    const pages = region.shape.storePages;
    this.words = words;
    this.u8 = region.u8;
    this.start = region.storeStart;
    this.counters = counters;
    this.next = new Int32Array(pages);
    this.base = new Int32Array(pages);
    this.original = new Int32Array(pages);
    this.takenAt = new Int32Array(pages);
    this.free = new Int32Array(pages);
    // The lowest page lies on top: memory that was touched is used again first.
    for (let page = 0; page < pages; page++) this.free[page] = pages - 1 - page;
    this.freeCount = pages;
    this.limit = pages;
  }

  /**
   * Takes the pages of [from, to) that are missing, at `now` ms.  False when fewer than `spare` would be left; then none is taken.
   * Whoever keeps octets that do not go on at once leaves some spare, so that those of sessions that get on find a page.
   */
  reserve(at: number, from: number, to: number, now: number, spare: number): boolean {
    if (from === to) return true;
    let missing = 0;
    for (let base = from & ~PAGE_MASK; before(base, to); base = (base + STORE_PAGE) | 0) {
      if (this.find(at, base) === NONE) missing++;
    }
    if (missing === 0) return true;
    if (missing + spare > Math.min(this.freeCount, this.limit - this.used)) return false;
    for (let base = from & ~PAGE_MASK; before(base, to); base = (base + STORE_PAGE) | 0) {
      if (this.find(at, base) === NONE) this.insert(at, base, now);
    }
    return true;
  }

  /** Offset in the region of the octet with number `seq`; its page is there. */
  placeOf(at: number, seq: number): number {
    return this.octets(this.find(at, seq)) + (seq & PAGE_MASK);
  }

  /** Octets from `seq` to the end of its page. */
  run(seq: number): number {
    return STORE_PAGE - (seq & PAGE_MASK);
  }

  /** Stores the `length` octets at `from` of the region under the numbers from `seq` on; pages are reserved. */
  write(at: number, seq: number, from: number, length: number): void {
    for (let done = 0; done < length; ) {
      const page = this.find(at, (seq + done) | 0);
      const place = (seq + done) & PAGE_MASK;
      const n = Math.min(length - done, STORE_PAGE - place);
      this.u8.copyWithin(this.octets(page) + place, from + done, from + done + n);
      const original = this.original[page]!;
      if (original !== NONE) this.u8.copyWithin(this.octets(original) + place, from + done, from + done + n);
      done += n;
    }
  }

  /** Copies the emitted octets [seq, seq + length) to `to` of the region. */
  read(at: number, seq: number, to: number, length: number): void {
    for (let done = 0; done < length; ) {
      const place = this.placeOf(at, (seq + done) | 0);
      const n = Math.min(length - done, this.run((seq + done) | 0));
      this.u8.copyWithin(to + done, place, place + n);
      done += n;
    }
  }

  /** Lays the emitted octets [seq, seq + length) over a copy of them at `over` of the region.  MISMATCH and CHANGED bits. */
  overlay(at: number, seq: number, over: number, length: number): number {
    let answer = 0;
    for (let done = 0; done < length; ) {
      const page = this.find(at, (seq + done) | 0);
      const place = (seq + done) & PAGE_MASK;
      const n = Math.min(length - done, STORE_PAGE - place);
      const original = this.original[page]!;
      answer |= this.overlayRun(this.octets(page) + place, this.octets(original === NONE ? page : original) + place, over + done, n);
      done += n;
    }
    return answer;
  }

  /** Overwrites the emitted octets [from, to) with `octet`; what was sent is kept beside while there is a page for it. */
  edit(at: number, from: number, to: number, octet: number): void {
    for (let seq = from; before(seq, to); ) {
      const page = this.find(at, seq);
      const place = seq & PAGE_MASK;
      const n = Math.min((to - seq) | 0, STORE_PAGE - place);
      if (this.original[page] === NONE) this.keepOriginal(page);
      const first = this.octets(page) + place;
      this.u8.fill(octet, first, first + n);
      seq = (seq + n) | 0;
    }
  }

  /** Gives back the pages that lie wholly before `seq`. */
  release(at: number, seq: number): void {
    const { words } = this;
    let page = words[at + FIRST_PAGE]!;
    while (page !== NONE && ((seq - this.base[page]!) | 0) >= STORE_PAGE) {
      const following = this.next[page]!;
      this.put(page);
      page = following;
    }
    if (page === words[at + FIRST_PAGE]) return;
    words[at + FIRST_PAGE] = page;
    words[at + RECENT_PAGE] = page;
  }

  /** Gives back the pages that lie wholly at or behind `seq`. */
  releaseFrom(at: number, seq: number): void {
    const { words } = this;
    let last = NONE;
    let page = words[at + FIRST_PAGE]!;
    while (page !== NONE && before(this.base[page]!, seq)) {
      last = page;
      page = this.next[page]!;
    }
    if (last === NONE) words[at + FIRST_PAGE] = NONE;
    else this.next[last] = NONE;
    words[at + RECENT_PAGE] = words[at + FIRST_PAGE]!;
    this.putList(page);
  }

  /** Gives back all pages. */
  releaseAll(at: number): void {
    const page = this.words[at + FIRST_PAGE]!;
    this.words[at + FIRST_PAGE] = NONE;
    this.words[at + RECENT_PAGE] = NONE;
    this.putList(page);
  }

  /** Pages of a direction, originals included. */
  pagesOf(at: number): number {
    let count = 0;
    for (let page = this.words[at + FIRST_PAGE]!; page !== NONE; page = this.next[page]!) count += this.original[page] === NONE ? 1 : 2;
    return count;
  }

  /** How long the first page of a direction has been in use, ms; 0 when there is none. */
  age(at: number, now: number): number {
    const page = this.words[at + FIRST_PAGE]!;
    return page === NONE ? 0 : (now - this.takenAt[page]!) | 0;
  }

  private overlayRun(emitted: number, sent: number, over: number, length: number): number {
    const { u8 } = this;
    let answer = 0;
    for (let i = 0; i < length; i++) {
      const octet = u8[over + i]!;
      if (octet !== u8[sent + i]) answer |= MISMATCH;
      if (octet === u8[emitted + i]) continue;
      answer |= CHANGED;
      u8[over + i] = u8[emitted + i]!;
    }
    return answer;
  }

  private keepOriginal(page: number): void {
    if (this.freeCount === 0 || this.used >= this.limit) return;
    const original = this.take();
    this.original[page] = original;
    const from = this.octets(page);
    this.u8.copyWithin(this.octets(original), from, from + STORE_PAGE);
  }

  private octets(page: number): number {
    return this.start + page * STORE_PAGE;
  }

  private find(at: number, seq: number): number {
    const { words } = this;
    const base = seq & ~PAGE_MASK;
    let page = words[at + RECENT_PAGE]!;
    if (page === NONE || before(base, this.base[page]!)) page = words[at + FIRST_PAGE]!;
    while (page !== NONE && before(this.base[page]!, base)) page = this.next[page]!;
    if (page === NONE || this.base[page] !== base) return NONE;
    words[at + RECENT_PAGE] = page;
    return page;
  }

  private insert(at: number, base: number, now: number): void {
    const { words } = this;
    const page = this.take();
    this.takenAt[page] = now;
    this.base[page] = base;
    let previous = words[at + RECENT_PAGE]!;
    if (previous === NONE || before(base, this.base[previous]!)) previous = words[at + FIRST_PAGE]!;
    if (previous === NONE || before(base, this.base[previous]!)) {
      this.next[page] = previous;
      words[at + FIRST_PAGE] = page;
    } else {
      for (
        let following = this.next[previous]!;
        following !== NONE && before(this.base[following]!, base);
        following = this.next[previous]!
      ) {
        previous = following;
      }
      this.next[page] = this.next[previous]!;
      this.next[previous] = page;
    }
    words[at + RECENT_PAGE] = page;
  }

  private take(): number {
    const page = this.free[--this.freeCount]!;
    this.next[page] = NONE;
    this.original[page] = NONE;
    this.used++;
    this.counters[STORE_OCTETS] = this.used * STORE_PAGE;
    return page;
  }

  private put(page: number): void {
    const original = this.original[page]!;
    this.free[this.freeCount++] = page;
    this.used--;
    if (original !== NONE) {
      this.free[this.freeCount++] = original;
      this.used--;
    }
    this.counters[STORE_OCTETS] = this.used * STORE_PAGE;
  }

  private putList(first: number): void {
    for (let page = first; page !== NONE; ) {
      const following = this.next[page]!;
      this.put(page);
      page = following;
    }
  }
}
