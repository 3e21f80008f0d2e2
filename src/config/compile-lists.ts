// Compiles the access lists and gives their entries rows of hit counters.
//
// A list that has not changed keeps its rows from the policy before.  A list that has changed gets rows that no list of
// the policy before had, so that both policies can count while one replaces the other; entries that were there before
// carry their counts over (carryHits).

import type { AccessListEntry, CompiledAccessList } from '../policy/access-list.ts';
import { compileAccessList } from '../policy/access-list-compile.ts';
import type { AccessListConfig } from './model.ts';

export interface CompiledLists {
  readonly lists: readonly CompiledAccessList[];
  readonly hitRows: number;
  /** Row, former row or -1 ... */
  readonly hitMoves: Int32Array;
}

interface Rows {
  readonly from: number;
  readonly to: number;
}

/** `previous` are the lists of the policy that is replaced. */
export function compileLists(configured: readonly AccessListConfig[], previous: readonly CompiledAccessList[]): CompiledLists {
  const taken: Rows[] = previous.map(rowsOf);
  const moves: number[] = [];
  const lists = configured.map((config) => {
    const entries = entriesOf(config);
    const former = previous.find(({ name }) => name === config.name);
    if (former !== undefined && isSame(former, config, entries)) return former;
    const list = compileAccessList(config.name, config.standard, entries, freeRows(taken, entries.length));
    taken.push(rowsOf(list));
    moves.push(...movesOf(list, former));
    return list;
  });
  return { lists, hitRows: lists.reduce((most, list) => Math.max(most, rowsOf(list).to), 0), hitMoves: Int32Array.from(moves) };
}

function entriesOf(config: AccessListConfig): AccessListEntry[] {
  return config.items.flatMap((item) => ('remark' in item ? [] : [item]));
}

function isSame(former: CompiledAccessList, config: AccessListConfig, entries: readonly AccessListEntry[]): boolean {
  return (
    former.standard === config.standard &&
    former.entries.length === entries.length &&
    entries.every((entry, i) => JSON.stringify(entry) === JSON.stringify(former.entries[i]))
  );
}

function rowsOf(list: CompiledAccessList): Rows {
  return { from: list.firstHit, to: list.firstHit + list.entries.length };
}

/** First row of the first gap that is long enough. */
function freeRows(taken: readonly Rows[], count: number): number {
  let row = 0;
  for (const { from, to } of taken.toSorted((a, b) => a.from - b.from)) {
    if (from - row >= count) return row;
    row = Math.max(row, to);
  }
  return row;
}

function movesOf(list: CompiledAccessList, former: CompiledAccessList | undefined): number[] {
  const formerRows = new Map(former?.entries.map((entry, i) => [meaning(entry), former.firstHit + i]));
  return list.entries.flatMap((entry, i) => [list.firstHit + i, formerRows.get(meaning(entry)) ?? -1]);
}

/** The entry without its sequence number: resequencing keeps counts. */
function meaning(entry: AccessListEntry): string {
  return JSON.stringify({ ...entry, sequence: 0 });
}
