// Receivers for tests: what a TCP makes of the segments that reach it.  One keeps the first copy of an octet, one the last; no
// window, no timers.  Positions count from the octet behind the SYN.

export interface Arrival {
  readonly seq: number;
  readonly syn: boolean;
  readonly fin: boolean;
  readonly data: Buffer;
}

export class Receiver {
  /** An octet came with two values. */
  conflicts = 0;
  /** Position of the FIN, -1: none. */
  finAt = -1;
  private readonly first = new Map<number, number>();
  private readonly last = new Map<number, number>();
  private isn = 0;

  accept(segment: Arrival): void {
    if (segment.syn) this.isn = segment.seq;
    const from = (segment.seq - this.isn - 1) | 0;
    for (let i = 0; i < segment.data.length; i++) this.octet(from + i, segment.data[i]!);
    if (segment.fin) this.finAt = from + segment.data.length;
  }

  /** The stream in order as far as it is complete, for a receiver that prefers the first copy. */
  firstWins(): string {
    return text(this.first);
  }

  lastWins(): string {
    return text(this.last);
  }

  /** Octets received, holes apart. */
  get octets(): number {
    return this.first.size;
  }

  private octet(at: number, value: number): void {
    const before = this.first.get(at);
    if (before === undefined) this.first.set(at, value);
    else if (before !== value) this.conflicts++;
    this.last.set(at, value);
  }
}

function text(octets: Map<number, number>): string {
  const out: number[] = [];
  for (let at = 0; octets.has(at); at++) out.push(octets.get(at)!);
  return Buffer.from(out).toString('latin1');
}
