// All benches, in the order of the path; whole paths and what depends on size behind the steps.

import * as accessList from './access-list.bench.ts';
import * as admission from './admit.bench.ts';
import type { Bench, Gauge } from './bench.ts';
import * as control from './control.bench.ts';
import * as lookups from './lookup.bench.ts';
import * as memory from './memory.bench.ts';
import * as octets from './octets.bench.ts';
import * as path from './path.bench.ts';
import * as smtp from './smtp-scan.bench.ts';
import * as steps from './steps.bench.ts';
import * as stream from './stream.bench.ts';

export const BENCHES: readonly (Bench | Gauge)[] = [
  ...steps.benches,
  ...admission.benches,
  ...stream.benches,
  ...smtp.benches,
  ...octets.benches,
  ...path.benches,
  ...lookups.benches,
  ...accessList.benches,
  ...memory.benches,
];

/** Throws when there is none of that name; the controls are found by name only. */
export function findBench(name: string): Bench | Gauge {
  const found = [...BENCHES, ...control.benches].find((bench) => bench.name === name);
  if (found === undefined) throw new Error(`no bench ${name}`);
  return found;
}

/** Those named by `words`, whole or by how their name begins; all, without words. */
export function selectBenches(words: readonly string[]): readonly (Bench | Gauge)[] {
  if (words.length === 0) return BENCHES;
  const whole = new Set(BENCHES.map(({ name }) => name).filter((name) => words.includes(name)));
  const beginnings = words.filter((word) => !whole.has(word));
  return BENCHES.filter(({ name }) => whole.has(name) || beginnings.some((word) => name.startsWith(word)));
}
