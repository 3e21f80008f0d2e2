// Evaluation of an access list by length: hosts, prefixes, ports and ranges; three packets of four match an entry, any of them.

import { type AccessListEntry, evaluate } from '../src/policy/access-list.ts';
import { compileAccessList } from '../src/policy/access-list-compile.ts';
import { seededRandom } from '../src/port/fault.ts';
import { ANY_ENTRY } from './any-entry.ts';
import type { Bench, BenchOptions, Running } from './bench.ts';

const SIZES = [10, 100, 1_000, 10_000];
const PACKETS = 1 << 14;
const CHUNK = 1 << 10;
const TCP = 6;
const UDP = 17;

function entries(size: number, random: () => number): AccessListEntry[] {
  return Array.from({ length: size }, (_, i) => {
    const isPrefix = random() < 0.25;
    const port = 1 + Math.floor(random() * 60_000);
    return {
      ...ANY_ENTRY,
      sequence: 10 * (i + 1),
      permit: random() < 0.5,
      protocol: random() < 0.7 ? TCP : UDP,
      src: isPrefix ? (random() * 2 ** 32) & ~0xff : (random() * 2 ** 32) | 0,
      srcWildcard: isPrefix ? 0xff : 0,
      dst: (10 << 24) | Math.floor(random() * 0x10000),
      dstWildcard: random() < 0.5 ? 0 : 0xff,
      dstPorts: random() < 0.2 ? [port, port + 100] : [port, port],
    };
  });
}

function open(size: number, { seed }: BenchOptions): Running {
  const random = seededRandom(seed + size);
  const list = compileAccessList('bench', false, entries(size, random), 0);
  const hits = new Float64Array(size);
  const src = new Int32Array(PACKETS);
  const dst = new Int32Array(PACKETS);
  const protocol = new Int32Array(PACKETS);
  const port = new Int32Array(PACKETS);
  for (let i = 0; i < PACKETS; i++) {
    const entry = list.entries[Math.floor(random() * size)]!;
    src[i] = random() < 0.75 ? entry.src : (random() * 2 ** 32) | 0;
    dst[i] = entry.dst;
    protocol[i] = entry.protocol;
    port[i] = entry.dstPorts[0]!;
  }
  let at = 0;
  let matched = 0;
  return {
    turns: PACKETS / CHUNK,
    octets: 0,
    prepare: () => {},
    run: () => {
      for (let i = at; i < at + CHUNK; i++) {
        if (evaluate(list, hits, src[i]!, dst[i]!, protocol[i]!, 0, 1024, port[i]!, 0x10, false) >= 0) matched++;
      }
      at = (at + CHUNK) & (PACKETS - 1);
      matched &= 0xffff;
      return CHUNK;
    },
  };
}

export const benches: readonly Bench[] = SIZES.map((size) => ({
  name: `access-list/${size}`,
  about: `first match among ${size.toLocaleString('en')} entries`,
  unit: 'packet',
  size,
  open: (options) => open(size, options),
}));
