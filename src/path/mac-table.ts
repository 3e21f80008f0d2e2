// Where a MAC address was last seen as a source, for transparent pairs: a frame whose destination was last seen on the
// port that it came in by is not forwarded.
//
// A direct-mapped cache, not a complete table: an address that lost its place is unknown again, and frames to unknown
// addresses are forwarded.  So a flood of addresses costs nothing but needless frames.

const PLACES = 8192;

export class MacTable {
  /** False: nothing is learned, so every frame is forwarded (a capture of one wire shows addresses on either side). */
  learning = true;
  private readonly high = new Int32Array(PLACES);
  private readonly low = new Int32Array(PLACES);
  private readonly ports = new Int8Array(PLACES).fill(-1);

  learn(high: number, low: number, port: number): void {
    if (!this.learning) return;
    const i = place(high, low);
    this.high[i] = high;
    this.low[i] = low;
    this.ports[i] = port;
  }

  /** Interface index, or -1 when unknown. */
  portOf(high: number, low: number): number {
    const i = place(high, low);
    return this.high[i] === high && this.low[i] === low ? this.ports[i]! : -1;
  }
}

function place(high: number, low: number): number {
  const h = Math.imul(low ^ (high << 7), 0x9e3779b1);
  return (h ^ (h >>> 15)) & (PLACES - 1);
}
