// Access lists, compiled, and their evaluation.  First match wins; the end of a list that has entries denies.
//
// A packet is judged through five fields (source, destination, two ports, protocol).  Each field is cut into intervals,
// and each interval carries the set of entries that may match there, one bit an entry (the bit vectors of Lakshman and
// Stiliadis, SIGCOMM 1998), with one summary word a block of 1,024 entries (aggregated bit vectors, Baboescu and
// Varghese, SIGCOMM 2001).  The sets are only a filter: every candidate is compared in full, in order.  That is how
// wildcards with scattered bits, control bits, DSCP and fragments need no structure of their own.
//
// ICMP type and code stand where TCP and UDP have source and destination port.
// Not here: syntax (config/), compilation (access-list-compile.ts), logging (only whether an entry asks for it).

/** One entry as parsed; -1 where the entry does not say. */
export interface AccessListEntry {
  readonly sequence: number;
  readonly permit: boolean;
  /** IP protocol, -1: ip. */
  readonly protocol: number;
  readonly src: number;
  readonly srcWildcard: number;
  readonly dst: number;
  readonly dstWildcard: number;
  /** Inclusive ranges of ports [low, high, low, high ...]; empty: any. `neq` becomes two ranges. */
  readonly srcPorts: readonly number[];
  readonly dstPorts: readonly number[];
  readonly icmpType: number;
  readonly icmpCode: number;
  readonly established: boolean;
  /** TCP control bits that must be set / clear (match-all), or any of them (match-any when flagsAny). */
  readonly flagsSet: number;
  readonly flagsClear: number;
  readonly flagsAny: boolean;
  readonly fragments: boolean;
  readonly dscp: number;
  readonly precedence: number;
  readonly tos: number;
  readonly log: boolean;
  readonly logInput: boolean;
  /** Name of the time range by which it is active. */
  readonly timeRange?: string;
}

/** A field cut into intervals: interval i begins at starts[i] and has its set at sets[i * stride]. */
export interface FieldSets {
  /** Ascending; addresses have their top bit turned over, so that signed order is address order. */
  readonly starts: Int32Array;
  /** Per interval: a summary word (bit g: some entry of group g), then one word a group of 32 entries, first entry on top. */
  readonly sets: Int32Array;
}

/** Up to BLOCK_ENTRIES entries of a list. */
export interface AccessListBlock {
  /** Index of its first entry. */
  readonly from: number;
  /** Words of a set, summary included. */
  readonly stride: number;
  readonly src: FieldSets;
  readonly dst: FieldSets;
  /** Source port or ICMP type. */
  readonly first: FieldSets;
  /** Destination port or ICMP code. */
  readonly second: FieldSets;
  readonly protocol: FieldSets;
}

export interface CompiledAccessList {
  /** Number or name. */
  readonly name: string;
  readonly standard: boolean;
  readonly entries: readonly AccessListEntry[];
  /** First row of its hit counters; one an entry. */
  readonly firstHit: number;
  /** RULE_WORDS words an entry: what matches() compares. */
  readonly rules: Int32Array;
  /** Pairs low, high that the rules point into. */
  readonly ranges: Int32Array;
  readonly blocks: readonly AccessListBlock[];
}

export const BLOCK_ENTRIES = 1024;
export const TOP_BIT = -2147483648;

// Words of a rule.
export const RULE_WORDS = 12;
export const R_FLAGS = 0;
/** -1: ip. */
export const R_PROTOCOL = 1;
export const R_SRC = 2;
export const R_SRC_MASK = 3;
export const R_DST = 4;
export const R_DST_MASK = 5;
/** Offset in ranges | number of ranges << 24; 0: any. */
export const R_FIRST = 6;
export const R_SECOND = 7;
/** Control bits that must be set | must be clear << 8. */
export const R_CONTROL = 8;
/** Value | mask << 8 of the TOS octet. */
export const R_TOS = 9;

// R_FLAGS
export const PERMIT = 1;
/** Compares something behind the IP header. */
export const LAYER_4 = 2;
export const FRAGMENTS_ONLY = 4;
export const ESTABLISHED = 8;
export const CONTROL_ANY = 16;
export const LOG = 32;
export const LOG_INPUT = 64;
/** Its time range is not active (time-range.ts): the entry is passed over. */
export const INACTIVE = 128;

/** TCP ACK and RST: what `established` looks for. */
const ACK_OR_RST = 0x14;

/**
 * Index of the entry that decides, -1: none (see permits).  Counts nothing.
 * `first` and `second` are the ports, or ICMP type and code; `control` the TCP control bits; what a packet does not have
 * is 0.  `laterFragment`: the fragment offset is not 0, so ports and control bits are unknown; then a permit that asks
 * for them matches by addresses and protocol alone, and a deny that asks for them is passed over.
 */
export function find(
  list: CompiledAccessList,
  src: number,
  dst: number,
  protocol: number,
  tos: number,
  first: number,
  second: number,
  control: number,
  laterFragment: boolean,
): number {
  const { blocks } = list;
  for (let b = 0; b < blocks.length; b++) {
    const entry = findInBlock(list, blocks[b]!, src, dst, protocol, tos, first, second, control, laterFragment);
    if (entry >= 0) return entry;
  }
  return -1;
}

/** find(), and counts the hit at the list's row of `hits`. */
export function evaluate(
  list: CompiledAccessList,
  hits: Float64Array,
  src: number,
  dst: number,
  protocol: number,
  tos: number,
  first: number,
  second: number,
  control: number,
  laterFragment: boolean,
): number {
  const entry = find(list, src, dst, protocol, tos, first, second, control, laterFragment);
  if (entry >= 0) hits[list.firstHit + entry]!++;
  return entry;
}

/** What a result of find() means; -1 is the implicit deny, but a list without entries permits everything. */
export function permits(list: CompiledAccessList, entry: number): boolean {
  if (entry < 0) return list.entries.length === 0;
  return (list.rules[entry * RULE_WORDS + R_FLAGS]! & PERMIT) !== 0;
}

/** LOG or LOG_INPUT bits of an entry, 0: not logged (the implicit deny never is). */
export function logging(list: CompiledAccessList, entry: number): number {
  return entry < 0 ? 0 : list.rules[entry * RULE_WORDS + R_FLAGS]! & (LOG | LOG_INPUT);
}

/** Carries counts over to a new policy: `moves` is [row, former row or -1 ...], rows of new lists never being former rows. */
export function carryHits(hits: Float64Array, moves: Int32Array): void {
  for (let i = 0; i < moves.length; i += 2) {
    const from = moves[i + 1]!;
    hits[moves[i]!] = from < 0 ? 0 : hits[from]!;
  }
}

function findInBlock(
  list: CompiledAccessList,
  block: AccessListBlock,
  src: number,
  dst: number,
  protocol: number,
  tos: number,
  first: number,
  second: number,
  control: number,
  laterFragment: boolean,
): number {
  const { stride } = block;
  const srcSets = block.src.sets;
  const dstSets = block.dst.sets;
  const firstSets = block.first.sets;
  const secondSets = block.second.sets;
  const protocolSets = block.protocol.sets;
  const s = interval(block.src, src ^ TOP_BIT) * stride;
  const d = interval(block.dst, dst ^ TOP_BIT) * stride;
  const p = interval(block.protocol, protocol) * stride;
  let groups = srcSets[s]! & dstSets[d]! & protocolSets[p]!;
  if (groups === 0) return -1;
  const f = laterFragment ? 0 : interval(block.first, first) * stride;
  const q = laterFragment ? 0 : interval(block.second, second) * stride;
  if (!laterFragment) groups &= firstSets[f]! & secondSets[q]!;
  while (groups !== 0) {
    const group = Math.clz32(groups);
    groups &= ~(TOP_BIT >>> group);
    const at = group + 1;
    let candidates = srcSets[s + at]! & dstSets[d + at]! & protocolSets[p + at]!;
    if (!laterFragment) candidates &= firstSets[f + at]! & secondSets[q + at]!;
    while (candidates !== 0) {
      const bit = Math.clz32(candidates);
      candidates &= ~(TOP_BIT >>> bit);
      const entry = block.from + (group << 5) + bit;
      if (matches(list, entry, src, dst, protocol, tos, first, second, control, laterFragment)) return entry;
    }
  }
  return -1;
}

/** Number of the interval that `key` falls in. */
function interval(field: FieldSets, key: number): number {
  const { starts } = field;
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= key) low = middle;
    else high = middle - 1;
  }
  return low;
}

function matches(
  list: CompiledAccessList,
  entry: number,
  src: number,
  dst: number,
  protocol: number,
  tos: number,
  first: number,
  second: number,
  control: number,
  laterFragment: boolean,
): boolean {
  const { rules } = list;
  const at = entry * RULE_WORDS;
  const wanted = rules[at + R_PROTOCOL]!;
  if (wanted !== -1 && wanted !== protocol) return false;
  if (((src ^ rules[at + R_SRC]!) & rules[at + R_SRC_MASK]!) !== 0) return false;
  if (((dst ^ rules[at + R_DST]!) & rules[at + R_DST_MASK]!) !== 0) return false;
  const tosRule = rules[at + R_TOS]!;
  if (((tos ^ tosRule) & (tosRule >> 8)) !== 0) return false;
  const flags = rules[at + R_FLAGS]!;
  if ((flags & INACTIVE) !== 0) return false;
  if ((flags & FRAGMENTS_ONLY) !== 0) return laterFragment;
  if ((flags & LAYER_4) === 0) return true;
  if (laterFragment) return (flags & PERMIT) !== 0;
  return (
    inRanges(list.ranges, rules[at + R_FIRST]!, first) &&
    inRanges(list.ranges, rules[at + R_SECOND]!, second) &&
    controlMatches(flags, rules[at + R_CONTROL]!, control)
  );
}

function inRanges(ranges: Int32Array, where: number, value: number): boolean {
  if (where === 0) return true;
  const from = where & 0xffffff;
  const to = from + (where >>> 24) * 2;
  for (let i = from; i < to; i += 2) if (value >= ranges[i]! && value <= ranges[i + 1]!) return true;
  return false;
}

function controlMatches(flags: number, rule: number, control: number): boolean {
  if ((flags & ESTABLISHED) !== 0 && (control & ACK_OR_RST) === 0) return false;
  if (rule === 0) return true;
  const set = rule & 0xff;
  const clear = rule >> 8;
  if ((flags & CONTROL_ANY) !== 0) return (control & set) !== 0 || (~control & clear) !== 0;
  return (control & set) === set && (control & clear) === 0;
}
