// Where a merged datagram was cut when it came: it is cut at the same places when it leaves, because a path that carried
// those sizes up to here can be trusted with them from here on.
//
// By frame number of the merged frame; the octets of that frame may have become fewer since.

import type { Frames } from '../frame/frames.ts';

/** Most fragments of one datagram that are ever held: the largest value that any release takes for `max-fragments`. */
export const MAX_FRAGMENTS = 256;

export class FragmentSizes {
  /** Fragments that the frame came in; meaningful while its MERGED flag is set. */
  readonly count: Int32Array;
  /** IPv6 identification; IPv4 has its own in the header. */
  readonly identification: Int32Array;
  private readonly sizes: Uint16Array;

  constructor(frames: Frames) {
    this.count = new Int32Array(frames.capacity);
    this.identification = new Int32Array(frames.capacity);
    this.sizes = new Uint16Array(frames.capacity * MAX_FRAGMENTS);
  }

  /** Begins a new list for merged frame `f`. */
  begin(f: number, identification: number): void {
    this.count[f] = 0;
    this.identification[f] = identification;
  }

  /** Appends a fragment of `octets` octets of payload. */
  push(f: number, octets: number): void {
    const n = this.count[f]!;
    if (n === MAX_FRAGMENTS) return;
    this.sizes[f * MAX_FRAGMENTS + n] = octets;
    this.count[f] = n + 1;
  }

  /** Octets of payload of fragment `i`; 0 behind the last. */
  size(f: number, i: number): number {
    return i < this.count[f]! ? this.sizes[f * MAX_FRAGMENTS + i]! : 0;
  }

  /** Whoever moves a merged frame to another slot takes its list along. */
  move(from: number, to: number): void {
    this.begin(to, this.identification[from]!);
    for (let i = 0; i < this.count[from]!; i++) this.push(to, this.size(from, i));
  }
}
