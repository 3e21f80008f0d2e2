// Datagrams in reassembly: found by (addresses, protocol, identification, interface, VLAN), with the pieces of each held in
// order of offset.  RFC 791 section 2.3 (IPv4 key), RFC 8200 section 4.5 (IPv6 key: no protocol).
//
// A piece is a frame: its list links and its range stand in columns by frame number, so there is no pool of pieces.  Overlaps
// are refused, so a datagram is complete when the octets held are as many as its length: no list of holes is needed.
// The hash is seeded and chained.  Not here: what is refused and why (fragments.ts).

import { type Frames, KIND_IPV6, NO_FRAME } from '../frame/frames.ts';
import type { Reason } from '../telemetry/reasons.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';

export const NO_DATAGRAM = -1;
/** Length of a datagram whose last fragment has not come. */
export const UNKNOWN = -1;
const FAMILY_IPV6 = 1 << 8;
const ADDR_WORDS = 8;

export class FragmentTable {
  readonly capacity: number;
  /** First and last piece in order of offset, NO_FRAME when none is held. */
  readonly first: Int32Array;
  readonly last: Int32Array;
  /** Pieces held, and octets of payload in them. */
  readonly count: Int32Array;
  readonly octets: Int32Array;
  /** Octets of the whole payload, UNKNOWN until the last fragment came. */
  readonly total: Int32Array;
  /** Interface that it comes in by. */
  readonly ingress: Int32Array;
  /** Why every further fragment of it is dropped until its timer ends; OK: it is in reassembly. */
  readonly refused: Int32Array;

  // By frame number, while the frame is a piece.
  readonly next: Int32Array;
  /** Range of the payload, octets. */
  readonly from: Int32Array;
  readonly to: Int32Array;

  // What find() looks for.
  private readonly probe = new Int32Array(ADDR_WORDS);
  private probeKind = 0;
  private probeVlan = 0;
  private probeId = 0;

  private readonly addrs: Int32Array;
  private readonly kind: Int32Array;
  private readonly vlan: Int32Array;
  private readonly id: Int32Array;
  private readonly chain: Int32Array;
  private readonly heads: Int32Array;
  private readonly mask: number;
  private readonly seed: number;
  private free = 0;

  /** `pieces` is the number of frames; `seed` any int32. */
  constructor(capacity: number, pieces: number, seed: number) {
    let heads = 16;
    while (heads < capacity * 2) heads *= 2;
    this.capacity = capacity;
    this.seed = seed;
    this.mask = heads - 1;
    this.heads = new Int32Array(heads).fill(NO_DATAGRAM);
    this.chain = new Int32Array(capacity);
    this.first = new Int32Array(capacity);
    this.last = new Int32Array(capacity);
    this.count = new Int32Array(capacity);
    this.octets = new Int32Array(capacity);
    this.total = new Int32Array(capacity);
    this.ingress = new Int32Array(capacity);
    this.refused = new Int32Array(capacity);
    this.addrs = new Int32Array(capacity * ADDR_WORDS);
    this.kind = new Int32Array(capacity);
    this.vlan = new Int32Array(capacity);
    this.id = new Int32Array(capacity);
    this.next = new Int32Array(pieces);
    this.from = new Int32Array(pieces);
    this.to = new Int32Array(pieces);
    // The free ones hang together by `chain`.
    for (let d = 0; d < capacity; d++) this.chain[d] = d + 1 < capacity ? d + 1 : NO_DATAGRAM;
  }

  /** Reads the key of fragment `f`; `fragmentAt` is the offset of its IPv6 fragment header. */
  aim(view: DataView, frames: Frames, f: number, fragmentAt: number): void {
    const l3 = frames.l3[f]!;
    const ingress = frames.ingress[f]! << 9;
    this.probeVlan = frames.vlan[f]!;
    this.probe.fill(0);
    if (frames.kind[f] === KIND_IPV6) {
      for (let i = 0; i < ADDR_WORDS; i++) this.probe[i] = ipv6.addrWord(view, l3 + ipv6.SRC_ADDR, i);
      this.probeKind = FAMILY_IPV6 | ingress;
      this.probeId = view.getInt32(fragmentAt + 4);
      return;
    }
    this.probe[0] = ipv4.srcAddr(view, l3);
    this.probe[4] = ipv4.dstAddr(view, l3);
    this.probeKind = ipv4.protocol(view, l3) | ingress;
    this.probeId = ipv4.identification(view, l3);
  }

  /** The datagram that aim() named, or NO_DATAGRAM. */
  find(): number {
    let d = this.heads[this.hash() & this.mask]!;
    while (d !== NO_DATAGRAM && !this.matches(d)) d = this.chain[d]!;
    return d;
  }

  /** A new, empty datagram with the key that aim() read, or NO_DATAGRAM when the table is full. */
  insert(ingress: number, refused: Reason): number {
    const d = this.free;
    if (d === NO_DATAGRAM) return NO_DATAGRAM;
    this.free = this.chain[d]!;
    for (let i = 0; i < ADDR_WORDS; i++) this.addrs[d * ADDR_WORDS + i] = this.probe[i]!;
    this.kind[d] = this.probeKind;
    this.vlan[d] = this.probeVlan;
    this.id[d] = this.probeId;
    this.ingress[d] = ingress;
    this.refused[d] = refused;
    this.empty(d);
    const head = this.hash() & this.mask;
    this.chain[d] = this.heads[head]!;
    this.heads[head] = d;
    return d;
  }

  /** Forgets the pieces of a datagram; whose frames they are is the caller's business. */
  empty(d: number): void {
    this.first[d] = NO_FRAME;
    this.last[d] = NO_FRAME;
    this.count[d] = 0;
    this.octets[d] = 0;
    this.total[d] = UNKNOWN;
  }

  /** Takes a datagram out of the table. */
  remove(d: number): void {
    this.aimAt(d);
    const head = this.hash() & this.mask;
    let before = NO_DATAGRAM;
    for (let e = this.heads[head]!; e !== d; e = this.chain[e]!) before = e;
    if (before === NO_DATAGRAM) this.heads[head] = this.chain[d]!;
    else this.chain[before] = this.chain[d]!;
    this.chain[d] = this.free;
    this.free = d;
  }

  /** The last piece that begins at or before `from`, or NO_FRAME.  Fragments mostly come in order: the last one first. */
  pieceBefore(d: number, from: number): number {
    const last = this.last[d]!;
    if (last === NO_FRAME || this.from[last]! <= from) return last;
    let before = NO_FRAME;
    for (let g = this.first[d]!; this.from[g]! <= from; g = this.next[g]!) before = g;
    return before;
  }

  /** Puts frame `g` with the range [from, to) behind piece `before` (NO_FRAME: in front of all). */
  link(d: number, before: number, g: number, from: number, to: number): void {
    const following = before === NO_FRAME ? this.first[d]! : this.next[before]!;
    this.from[g] = from;
    this.to[g] = to;
    this.next[g] = following;
    if (before === NO_FRAME) this.first[d] = g;
    else this.next[before] = g;
    if (following === NO_FRAME) this.last[d] = g;
    this.count[d]!++;
    this.octets[d]! += to - from;
  }

  /** Undoes link(): `g` stands behind `before`. */
  unlink(d: number, before: number, g: number): void {
    const following = this.next[g]!;
    if (before === NO_FRAME) this.first[d] = following;
    else this.next[before] = following;
    if (following === NO_FRAME) this.last[d] = before;
    this.count[d]!--;
    this.octets[d]! -= this.to[g]! - this.from[g]!;
  }

  private aimAt(d: number): void {
    for (let i = 0; i < ADDR_WORDS; i++) this.probe[i] = this.addrs[d * ADDR_WORDS + i]!;
    this.probeKind = this.kind[d]!;
    this.probeVlan = this.vlan[d]!;
    this.probeId = this.id[d]!;
  }

  private hash(): number {
    let h = this.seed ^ this.probeKind ^ (this.probeVlan << 13);
    for (let i = 0; i < ADDR_WORDS; i++) h = mix(h ^ this.probe[i]!);
    return mix(h ^ this.probeId);
  }

  private matches(d: number): boolean {
    if (this.id[d] !== this.probeId || this.kind[d] !== this.probeKind || this.vlan[d] !== this.probeVlan) return false;
    const at = d * ADDR_WORDS;
    for (let i = 0; i < ADDR_WORDS; i++) if (this.addrs[at + i] !== this.probe[i]) return false;
    return true;
  }
}

function mix(h: number): number {
  const m = Math.imul(h ^ (h >>> 16), 0x45d9f3b);
  return m ^ (m >>> 15);
}
