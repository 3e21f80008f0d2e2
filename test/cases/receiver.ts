// What a receiver makes of the segments that reach it: the stream, whichever copy of an octet it prefers.
//
// Two preferences are kept, first copy and last copy; where they differ the case has failed, because then the stream depends
// on the receiver.

import { type Datagram, datagramOf, RST, type Segment, segmentOf, SYN } from './frames.ts';

/** Puts the fragments of one port together, as a host does. */
export class Reassembly {
  private readonly pieces = new Map<string, Datagram[]>();

  /** The TCP segment that the frame holds or completes, or null. */
  take(frame: Uint8Array): Segment | null {
    const datagram = datagramOf(frame);
    if (datagram === null || datagram.protocol !== 6) return null;
    if (datagram.fragment === null) return segmentOf(datagram);
    const key = `${datagram.src.join()} ${datagram.dst.join()} ${datagram.fragment.id}`;
    const pieces = [...(this.pieces.get(key) ?? []), datagram].sort((a, b) => a.fragment!.offset - b.fragment!.offset);
    this.pieces.set(key, pieces);
    const whole = join(pieces);
    if (whole === null) return null;
    this.pieces.delete(key);
    return segmentOf({ ...datagram, payload: whole, fragment: null });
  }
}

function join(pieces: readonly Datagram[]): Uint8Array | null {
  let end = 0;
  for (const { fragment, payload } of pieces) {
    if (fragment!.offset !== end) return null;
    end += payload.length;
  }
  return pieces.at(-1)!.fragment!.more ? null : Uint8Array.from(Buffer.concat(pieces.map(({ payload }) => payload)));
}

export class Receiver {
  /** Octets by position; position 0 is the first behind the SYN. */
  private readonly first: number[] = [];
  private readonly last: number[] = [];
  private readonly isn: number;
  /** A reset reached it. */
  wasReset = false;
  /** Positions whose copies differ. */
  readonly contradictions = new Set<number>();

  constructor(isn: number) {
    this.isn = isn;
  }

  accept(segment: Segment): void {
    if ((segment.flags & RST) !== 0) this.wasReset = true;
    const from = this.positionOf(segment);
    segment.payload.forEach((octet, i) => {
      const position = from + i;
      if (position < 0) return;
      if (this.first[position] !== undefined && this.first[position] !== octet) this.contradictions.add(position);
      this.first[position] ??= octet;
      this.last[position] = octet;
    });
  }

  /** Position of the first octet of a segment's payload. */
  positionOf({ seq, flags }: Pick<Segment, 'seq' | 'flags'>): number {
    return ((seq - this.isn) | 0) - 1 + ((flags & SYN) !== 0 ? 1 : 0);
  }

  /** Octets in order from the first, up to the first hole. */
  get stream(): Uint8Array {
    let end = 0;
    while (this.first[end] !== undefined) end++;
    return Uint8Array.from(this.first.slice(0, end));
  }
}
