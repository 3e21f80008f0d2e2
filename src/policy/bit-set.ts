// A fixed set of small numbers with a search for a free one: ports and addresses that translation has given out.
//
// The search reads 32 numbers a step, so even a full range of 64,512 ports costs 2,016 steps, whatever a sender does.

/** Both parities, and even and odd numbers, for BitSet.nextFree. */
export const ANY_PARITY = -1;
export const EVEN = 0x55555555;
export const ODD = 0xaaaaaaaa | 0;

export class BitSet {
  private readonly words: Int32Array;

  /** Numbers 0 to size - 1, all free. */
  constructor(size: number) {
    this.words = new Int32Array((size + 31) >> 5);
  }

  has(n: number): boolean {
    return (this.words[n >> 5]! & (1 << (n & 31))) !== 0;
  }

  add(n: number): void {
    this.words[n >> 5]! |= 1 << (n & 31);
  }

  remove(n: number): void {
    this.words[n >> 5]! &= ~(1 << (n & 31));
  }

  /** The first free number at or after `from` within [low, high], going round once, or -1.  `parity`: ANY_PARITY, EVEN, ODD. */
  nextFree(from: number, low: number, high: number, parity: number): number {
    const found = this.scan(from, high, parity);
    if (found >= 0 || from === low) return found;
    return this.scan(low, from - 1, parity);
  }

  private scan(from: number, to: number, parity: number): number {
    const last = to >> 5;
    for (let word = from >> 5; word <= last; word++) {
      let free = ~this.words[word]! & parity;
      if (word === from >> 5) free &= -1 << (from & 31);
      if (word === last) free &= -1 >>> (31 - (to & 31));
      if (free !== 0) return (word << 5) + 31 - Math.clz32(free & -free);
    }
    return -1;
  }
}
