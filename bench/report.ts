// What is shown of results: one line each, and what has changed against an earlier run.

import { cpus } from 'node:os';
import type { Result } from './bench.ts';

/** Results that belong together. */
export interface Run {
  /** Machine and version of Node: figures of different ones do not compare. */
  readonly machine: string;
  readonly date: string;
  readonly results: readonly Result[];
  /** Names of those with faults, and of those that became slower. */
  readonly failed?: readonly string[];
}

/** Less than this is no change, however quiet the machine was. */
const LEAST_CHANGE = 0.05;

export function thisMachine(): string {
  return `${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.versions.node}`;
}

export interface Change {
  /** min / min of the earlier run - 1. */
  readonly by: number;
  /** Worse by more than the figures are good for. */
  readonly isRegression: boolean;
}

/** How a figure moved; null when the earlier run has none of that name. */
export function changeOf(result: Result, earlier: readonly Result[]): Change | null {
  const former = earlier.find(({ name }) => name === result.name);
  if (former === undefined) return null;
  const by = result.min / former.min - 1;
  return { by, isRegression: by > Math.max(LEAST_CHANGE, result.spread, former.spread) };
}

/** Why a result fails by itself: it left something on the heap, code was thrown away, or the work was not done. */
export function faultsOf({ heap, deoptimisations, problem }: Result): string[] {
  const faults: string[] = [];
  if (problem !== null) faults.push(problem);
  if (heap !== null && heap > 0) faults.push(`${heap.toFixed(2)} octets a frame on the heap`);
  if (deoptimisations !== null && deoptimisations.length > 0) faults.push(`deoptimised ${[...new Set(deoptimisations)].join(', ')}`);
  return faults;
}

export const HEADING = `${'bench'.padEnd(20)} ${'min'.padStart(9)} ${'median'.padStart(9)}  ${'ns per'.padEnd(10)} ${'GB/s'.padStart(6)} ${'heap'.padStart(6)} ${'deopt'.padStart(5)}`;

/** One line, without its end. */
export function lineOf(result: Result, change: Change | null): string {
  const { name, min, median, unit, gigabytes, heap, deoptimisations } = result;
  const columns = [
    name.padEnd(20),
    min.toFixed(1).padStart(9),
    heap === null ? ''.padStart(9) : median.toFixed(1).padStart(9),
    ` ${unit.padEnd(10)}`,
    (gigabytes === null ? '' : gigabytes.toFixed(2)).padStart(6),
    (heap === null ? '' : heap.toFixed(2)).padStart(6),
    (deoptimisations === null ? '' : String(deoptimisations.length)).padStart(5),
  ];
  const moved =
    change === null ? '' : `  ${change.by < 0 ? '' : '+'}${(change.by * 100).toFixed(1)} %${change.isRegression ? ' SLOWER' : ''}`;
  const faults = faultsOf(result).map((text) => `\n    ${text}`);
  return `${columns.join(' ').trimEnd()}${moved}${faults.join('')}`;
}
