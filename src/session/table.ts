// The session table: records by number, found by either of their two keys.
//
// Open addressing with linear probing over words: 11 bits of the hash, and 21 of session << 1 | direction, + 1.  A word and not the whole
// hash beside it, because the places of 100,000 sessions are a mebibyte then, which a cache holds.  Deletion shifts entries back, so
// there are no tombstones and no rebuild.  The hash is seeded (fixed in replay), so that a sender cannot choose
// collisions.
//
// Cold fields stand in arrays of their own, indexed by session:  [I] fixed at open  [D] written by the path.
// Not here: what makes or ends a session (admit, track), TCP state, time-outs.

import {
  FAMILY_IPV6,
  FORWARD_PORT_SHIFT,
  FREE,
  KIND,
  NEIGHBOURS,
  PORTS,
  PORT_MASK,
  RECORD_SHIFT,
  RECORD_WORDS,
  REPLY_DST,
  REPLY_PORTS,
  REPLY_PORT_SHIFT,
  REPLY_SRC,
  SRC,
  DST,
  STATE,
  STATE_MASK,
  VLAN,
} from './record.ts';

const KEY_KIND_MASK = 0x1ff;
/** Of a place: 21 bits of reference + 1, which a million sessions need, and the highest 11 of the hash. */
const TAG_SHIFT = 21;
const REFERENCE_MASK = 0x1f_ffff;
/** Of the places, at most, with every record in use.  At 0.95 a hit among a million sessions takes ten places, at 0.48 one or two. */
const MAX_LOAD = 0.77;
/**
 * Octets of a cache line, and those that glibc puts in front of a large block: so far into a block a record begins on a line.  A million
 * sessions, whole path: 242 ns a frame, 254 without.
 */
const LINE = 64;
const BLOCK_HEADER = 16;

export class SessionTable {
  readonly capacity: number;
  /** Records of RECORD_WORDS words. */
  readonly hot: Int32Array;
  /** Time it was made, ms, and the wall clock beside it. [I] */
  readonly created: Int32Array;
  readonly createdSec: Int32Array;
  /** Policy epoch under which it was last admitted. [D] */
  readonly epoch: Int32Array;
  /** rule << 16 | entry of the policy, -1: none. [D] */
  readonly rule: Int32Array;
  /** Idle timeout, ms. [D] */
  readonly idleTimeout: Int32Array;
  /** Index of its inspector in the registry, -1: none. [I] */
  readonly inspector: Int32Array;
  /** NAT binding that it uses (policy/nat.ts), -1: none or static. [I] */
  readonly binding: Int32Array;
  /** Payload octets: forward at session * 2, reply at session * 2 + 1. [D] */
  readonly octets: Float64Array;
  /** IPv6 addresses as the opener sent them: source four words, destination four. [I] */
  readonly addrs6: Int32Array;
  /** MACs seen at the opening in a transparent pair: opener high, low, responder high, low. [D] */
  readonly macs: Int32Array;
  /** Doubly linked list in order of creation of the half-open ones, and one list per host (thresholds.ts). */
  readonly olderHalfOpen: Int32Array;
  readonly newerHalfOpen: Int32Array;

  /** Addresses of an IPv6 key to be found or inserted: source four words, destination four. */
  readonly probe6 = new Int32Array(8);
  count = 0;
  private readonly buckets: Int32Array;
  private readonly mask: number;
  private readonly seed: number;
  private readonly seed2: number;
  private readonly freeList: Int32Array;
  private freeCount = 0;
  private unused = 0;

  /** `seed` is any int32. */
  constructor(capacity: number, seed: number) {
    let places = 64;
    while (places * MAX_LOAD < capacity * 2) places *= 2;
    this.capacity = capacity;
    this.seed = seed;
    this.seed2 = mix(seed ^ 0x3c6ef372);
    this.mask = places - 1;
    this.buckets = new Int32Array(places);
    const words = capacity * RECORD_WORDS;
    this.hot = new Int32Array(new ArrayBuffer(words * 4 + LINE), LINE - BLOCK_HEADER, words);
    this.created = new Int32Array(capacity);
    this.createdSec = new Int32Array(capacity);
    this.epoch = new Int32Array(capacity);
    this.rule = new Int32Array(capacity);
    this.idleTimeout = new Int32Array(capacity);
    this.inspector = new Int32Array(capacity);
    this.binding = new Int32Array(capacity);
    this.octets = new Float64Array(capacity * 2);
    this.addrs6 = new Int32Array(capacity * 8);
    this.macs = new Int32Array(capacity * 4);
    this.olderHalfOpen = new Int32Array(capacity);
    this.newerHalfOpen = new Int32Array(capacity);
    this.freeList = new Int32Array(capacity);
  }

  /** Word `field` of record `session`. */
  get(session: number, field: number): number {
    return this.hot[(session << RECORD_SHIFT) + field]!;
  }

  set(session: number, field: number, value: number): void {
    this.hot[(session << RECORD_SHIFT) + field] = value;
  }

  state(session: number): number {
    return this.hot[(session << RECORD_SHIFT) + STATE]! & STATE_MASK;
  }

  setState(session: number, state: number): void {
    const at = (session << RECORD_SHIFT) + STATE;
    this.hot[at] = (this.hot[at]! & ~STATE_MASK) | state;
  }

  hasFlag(session: number, flag: number): boolean {
    return (this.hot[(session << RECORD_SHIFT) + STATE]! & flag) !== 0;
  }

  addFlag(session: number, flag: number): void {
    this.hot[(session << RECORD_SHIFT) + STATE]! |= flag;
  }

  clearFlag(session: number, flag: number): void {
    this.hot[(session << RECORD_SHIFT) + STATE]! &= ~flag;
  }

  protocol(session: number): number {
    return this.hot[(session << RECORD_SHIFT) + KIND]! & 0xff;
  }

  isIpv6(session: number): boolean {
    return (this.hot[(session << RECORD_SHIFT) + KIND]! & FAMILY_IPV6) !== 0;
  }

  /** Interface that frames of `direction` come in by. */
  ingress(session: number, direction: number): number {
    const kind = this.hot[(session << RECORD_SHIFT) + KIND]!;
    return (kind >> (FORWARD_PORT_SHIFT + direction * (REPLY_PORT_SHIFT - FORWARD_PORT_SHIFT))) & PORT_MASK;
  }

  /** Neighbour number of the next hop of frames of `direction`; 0 in a bridge. */
  nextHop(session: number, direction: number): number {
    const word = this.hot[(session << RECORD_SHIFT) + NEIGHBOURS]!;
    return (word >>> (direction << 4)) & 0xffff;
  }

  /**
   * session << 1 | direction of the session with that key, or -1.  `kind` is protocol | family | ingress << 9.
   * For IPv6 src and dst are fold6() of the addresses in probe6.
   */
  find(src: number, dst: number, ports: number, kind: number, vlan: number): number {
    return this.findHashed(this.hash(src, dst, ports, kind, vlan), src, dst, ports, kind, vlan);
  }

  /** The same where the hash() of the key is known. */
  findHashed(hash: number, src: number, dst: number, ports: number, kind: number, vlan: number): number {
    const { buckets, mask } = this;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const entry = buckets[i]!;
      if (entry === 0) return -1;
      if ((entry ^ hash) >>> TAG_SHIFT !== 0) continue;
      const reference = (entry & REFERENCE_MASK) - 1;
      if (this.matches(reference, src, dst, ports, kind, vlan)) return reference;
    }
  }

  /** First reference + 1 among the places of `hash` that may be its, 0: none. */
  firstWith(hash: number): number {
    const { buckets, mask } = this;
    let i = hash & mask;
    while (buckets[i] !== 0 && (buckets[i]! ^ hash) >>> TAG_SHIFT !== 0) i = (i + 1) & mask;
    return buckets[i]! & REFERENCE_MASK;
  }

  /** Loads the record and the octet counts of what firstWith() gave (of record 0 for nothing); the result means nothing. */
  touch(reference: number): number {
    const r = reference - 1;
    const session = (r & ~(r >> 31)) >> 1;
    return this.hot[session << RECORD_SHIFT]! ^ (this.octets[session * 2]! > 0 ? 1 : 0);
  }

  /** A record of zeros taken from the free list, not yet findable, or -1. */
  allocate(): number {
    const session = this.freeCount > 0 ? this.freeList[--this.freeCount]! : this.unused < this.capacity ? this.unused++ : -1;
    if (session < 0) return -1;
    this.hot.fill(0, session << RECORD_SHIFT, (session + 1) << RECORD_SHIFT);
    this.octets[session * 2] = 0;
    this.octets[session * 2 + 1] = 0;
    this.inspector[session] = -1;
    this.binding[session] = -1;
    this.rule[session] = -1;
    this.count++;
    return session;
  }

  /** Makes a filled record findable by both keys.  Its key words must not change afterwards. */
  insert(session: number): void {
    this.place(session << 1);
    this.place((session << 1) | 1);
  }

  /** Takes both keys out and frees the record.  `wasInserted` false: only free it. */
  remove(session: number, wasInserted = true): void {
    if (wasInserted) {
      this.displace(session << 1);
      this.displace((session << 1) | 1);
    }
    this.hot[(session << RECORD_SHIFT) + STATE] = FREE;
    this.freeList[this.freeCount++] = session;
    this.count--;
  }

  /** Numbers begin at 0 again.  No session may live. */
  renumber(): void {
    this.freeCount = 0;
    this.unused = 0;
  }

  /** Highest number ever used + 1: the bound of a walk over all records (console pages). */
  get highest(): number {
    return this.unused;
  }

  /** Seeded fold of the address in four words of `words` at `at` into one. */
  fold6(words: Int32Array, at: number): number {
    let h = this.seed;
    for (let i = 0; i < 4; i++) h = mix(h ^ words[at + i]!);
    return h;
  }

  /** Seeded hash of a key, all 32 bits. */
  hash(src: number, dst: number, ports: number, kind: number, vlan: number): number {
    // Two lanes, so that half of the multiplications wait for nothing.
    const rest = mix(ports ^ this.seed2) ^ kind ^ (vlan << 13);
    return mix(mix(mix(src ^ this.seed) ^ dst) ^ rest);
  }

  private matches(reference: number, src: number, dst: number, ports: number, kind: number, vlan: number): boolean {
    const { hot } = this;
    const record = (reference >> 1) << RECORD_SHIFT;
    const reply = reference & 1;
    const at = record + reply * REPLY_SRC;
    const k = hot[record + KIND]!;
    if (hot[at + SRC] !== src || hot[at + DST] !== dst || hot[at + PORTS] !== ports || hot[record + VLAN] !== vlan) return false;
    const port = (k >> (FORWARD_PORT_SHIFT + reply * (REPLY_PORT_SHIFT - FORWARD_PORT_SHIFT))) & PORT_MASK;
    if (((k & KEY_KIND_MASK) | (port << FORWARD_PORT_SHIFT)) !== kind) return false;
    return (k & FAMILY_IPV6) === 0 || this.matches6(reference);
  }

  private matches6(reference: number): boolean {
    const at = (reference >> 1) * 8;
    const swap = (reference & 1) === 0 ? 0 : 4;
    for (let i = 0; i < 8; i++) if (this.addrs6[at + (i ^ swap)] !== this.probe6[i]) return false;
    return true;
  }

  private hashOf(reference: number): number {
    const { hot } = this;
    const at = (reference >> 1) << RECORD_SHIFT;
    const k = hot[at + KIND]!;
    if ((reference & 1) === 0) return this.hash(hot[at + SRC]!, hot[at + DST]!, hot[at + PORTS]!, k & 0x1fff, hot[at + VLAN]!);
    return this.hash(hot[at + REPLY_SRC]!, hot[at + REPLY_DST]!, hot[at + REPLY_PORTS]!, replyKind(k), hot[at + VLAN]!);
  }

  private place(reference: number): void {
    const { buckets, mask } = this;
    const hash = this.hashOf(reference);
    let i = hash & mask;
    while (buckets[i] !== 0) i = (i + 1) & mask;
    buckets[i] = ((hash >>> TAG_SHIFT) << TAG_SHIFT) | (reference + 1);
  }

  /** Backward-shift deletion: entries behind the hole that may stand in it move up. */
  private displace(reference: number): void {
    const { buckets, mask } = this;
    let i = this.hashOf(reference) & mask;
    while ((buckets[i]! & REFERENCE_MASK) !== reference + 1) i = (i + 1) & mask;
    for (let j = (i + 1) & mask; buckets[j] !== 0; j = (j + 1) & mask) {
      const home = this.hashOf((buckets[j]! & REFERENCE_MASK) - 1) & mask;
      if (((j - home) & mask) < ((j - i) & mask)) continue;
      buckets[i] = buckets[j]!;
      i = j;
    }
    buckets[i] = 0;
  }
}

/** The KIND of a record as its reply key has it. */
function replyKind(kind: number): number {
  return (kind & KEY_KIND_MASK) | (((kind >> REPLY_PORT_SHIFT) & PORT_MASK) << FORWARD_PORT_SHIFT);
}

/** One round of a 32-bit mixer (multiply, xor-shift). */
function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x45d9f3b);
  h = Math.imul(h ^ (h >>> 15), 0x119de1f3);
  return h ^ (h >>> 13);
}
