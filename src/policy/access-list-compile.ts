// Compiles the entries of an access list to rules and to the sets of entries that access-list.ts searches.
//
// Runs when a policy is made, never per frame.  A set costs 33 words an interval at most, so 1,000 entries with addresses
// and ports all different take about 1 MB; blocks keep it linear beyond that.

import {
  type AccessListBlock,
  type AccessListEntry,
  BLOCK_ENTRIES,
  CONTROL_ANY,
  type CompiledAccessList,
  ESTABLISHED,
  FRAGMENTS_ONLY,
  type FieldSets,
  LAYER_4,
  LOG,
  LOG_INPUT,
  PERMIT,
  R_CONTROL,
  R_DST,
  R_DST_MASK,
  R_FIRST,
  R_FLAGS,
  R_PROTOCOL,
  R_SECOND,
  R_SRC,
  R_SRC_MASK,
  R_TOS,
  RULE_WORDS,
  TOP_BIT,
} from './access-list.ts';

const MAX_PORT = 0xffff;
const MAX_PROTOCOL = 0xff;
const DSCP_MASK = 0xfc;
const PRECEDENCE_MASK = 0xe0;
const TOS_MASK = 0x1e;

/** Pairs low, high, inclusive, in the order of the field's keys. */
type Spans = readonly number[];

/** `firstHit` is the row of the first entry's hit counter. */
export function compileAccessList(
  name: string,
  standard: boolean,
  entries: readonly AccessListEntry[],
  firstHit: number,
): CompiledAccessList {
  const rules = new Int32Array(entries.length * RULE_WORDS);
  const ranges: number[] = [];
  for (let i = 0; i < entries.length; i++) writeRule(rules, i * RULE_WORDS, entries[i]!, ranges);
  const blocks: AccessListBlock[] = [];
  for (let from = 0; from < entries.length; from += BLOCK_ENTRIES) blocks.push(compileBlock(entries, from));
  return { name, standard, entries, firstHit, rules, ranges: Int32Array.from(ranges), blocks };
}

function writeRule(rules: Int32Array, at: number, entry: AccessListEntry, ranges: number[]): void {
  const first = firstSpans(entry);
  const second = secondSpans(entry);
  rules[at + R_FLAGS] = flagsOf(entry, first.length + second.length > 0);
  rules[at + R_PROTOCOL] = entry.protocol;
  rules[at + R_SRC] = entry.src;
  rules[at + R_SRC_MASK] = ~entry.srcWildcard;
  rules[at + R_DST] = entry.dst;
  rules[at + R_DST_MASK] = ~entry.dstWildcard;
  rules[at + R_FIRST] = store(first, ranges);
  rules[at + R_SECOND] = store(second, ranges);
  rules[at + R_CONTROL] = entry.flagsSet | (entry.flagsClear << 8);
  rules[at + R_TOS] = tosRule(entry);
}

function flagsOf(entry: AccessListEntry, ports: boolean): number {
  const layer4 = ports || entry.established || entry.flagsSet !== 0 || entry.flagsClear !== 0;
  return (
    (entry.permit ? PERMIT : 0) |
    (layer4 ? LAYER_4 : 0) |
    (entry.fragments ? FRAGMENTS_ONLY : 0) |
    (entry.established ? ESTABLISHED : 0) |
    (entry.flagsAny ? CONTROL_ANY : 0) |
    (entry.log ? LOG : 0) |
    (entry.logInput ? LOG_INPUT : 0)
  );
}

/** DSCP, precedence and TOS are parts of one octet (RFC 2474, RFC 791): one masked comparison. */
function tosRule(entry: AccessListEntry): number {
  let value = 0;
  let mask = 0;
  if (entry.dscp >= 0) {
    value |= entry.dscp << 2;
    mask |= DSCP_MASK;
  }
  if (entry.precedence >= 0) {
    value |= entry.precedence << 5;
    mask |= PRECEDENCE_MASK;
  }
  if (entry.tos >= 0) {
    value |= entry.tos << 1;
    mask |= TOS_MASK;
  }
  return value | (mask << 8);
}

function store(spans: Spans, ranges: number[]): number {
  if (spans.length === 0) return 0;
  const at = ranges.length;
  ranges.push(...spans);
  return at | ((spans.length / 2) << 24);
}

function firstSpans(entry: AccessListEntry): Spans {
  return entry.icmpType >= 0 ? [entry.icmpType, entry.icmpType] : entry.srcPorts;
}

function secondSpans(entry: AccessListEntry): Spans {
  return entry.icmpCode >= 0 ? [entry.icmpCode, entry.icmpCode] : entry.dstPorts;
}

function compileBlock(entries: readonly AccessListEntry[], from: number): AccessListBlock {
  const block = entries.slice(from, from + BLOCK_ENTRIES);
  const stride = 1 + Math.ceil(block.length / 32);
  const anyPort: Spans = [0, MAX_PORT];
  return {
    from,
    stride,
    src: compileField(
      block.map((entry) => addressSpan(entry.src, entry.srcWildcard)),
      stride,
    ),
    dst: compileField(
      block.map((entry) => addressSpan(entry.dst, entry.dstWildcard)),
      stride,
    ),
    first: compileField(
      block.map((entry) => orElse(firstSpans(entry), anyPort)),
      stride,
    ),
    second: compileField(
      block.map((entry) => orElse(secondSpans(entry), anyPort)),
      stride,
    ),
    protocol: compileField(
      block.map((entry) => (entry.protocol < 0 ? [0, MAX_PROTOCOL] : [entry.protocol, entry.protocol])),
      stride,
    ),
  };
}

function orElse(spans: Spans, any: Spans): Spans {
  return spans.length > 0 ? spans : any;
}

/** The smallest span with all addresses that the wildcard lets match; with scattered bits it has others too. */
function addressSpan(addr: number, wildcard: number): Spans {
  return [(addr & ~wildcard) ^ TOP_BIT, (addr | wildcard) ^ TOP_BIT];
}

function compileField(spans: readonly Spans[], stride: number): FieldSets {
  const starts = boundaries(spans);
  const sets = new Int32Array(starts.length * stride);
  for (let entry = 0; entry < spans.length; entry++) {
    for (let i = 0; i < spans[entry]!.length; i += 2) mark(starts, sets, stride, entry, spans[entry]![i]!, spans[entry]![i + 1]!);
  }
  return { starts, sets };
}

/** Where some span begins or ends; the first interval has no lower end. */
function boundaries(spans: readonly Spans[]): Int32Array {
  const cuts = new Set<number>([TOP_BIT]);
  for (const list of spans) {
    for (let i = 0; i < list.length; i += 2) {
      cuts.add(list[i]!);
      if (list[i + 1]! < 0x7fffffff) cuts.add(list[i + 1]! + 1);
    }
  }
  return Int32Array.from(cuts).sort();
}

function mark(starts: Int32Array, sets: Int32Array, stride: number, entry: number, low: number, high: number): void {
  const group = entry >> 5;
  for (let i = lowerBound(starts, low); i < starts.length && starts[i]! <= high; i++) {
    sets[i * stride]! |= TOP_BIT >>> group;
    sets[i * stride + 1 + group]! |= TOP_BIT >>> (entry & 31);
  }
}

function lowerBound(starts: Int32Array, value: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
