// show ip access-lists [NAME].

import { entriesOf } from '../../config/commands/access-list.ts';
import { formatAddress } from '../../config/language/address.ts';
import type { AccessListConfig, Configuration, ConfiguredEntry } from '../../config/model.ts';
import type { TimeRange } from '../../policy/snapshot.ts';
import { isActive } from '../../policy/time-range.ts';
import { compileTimeRange } from '../../config/compile-time-ranges.ts';
import type { FirewallState } from '../state.ts';
import { counted, lines } from './text.ts';

/** Standard lists, then extended ones, each in the order of the configuration; or the named one, nothing when it does not exist. */
export function showAccessLists(configuration: Configuration, state: FirewallState, name?: string): string {
  const shown = configuration.accessLists.filter((list) => name === undefined || list.name === name);
  const ordered = [...shown.filter((list) => list.standard), ...shown.filter((list) => !list.standard)];
  const ranges = configuration.timeRanges.map(compileTimeRange);
  return lines(ordered.flatMap((list) => listLines(list, state, ranges)));
}

function listLines(list: AccessListConfig, state: FirewallState, ranges: readonly TimeRange[]): string[] {
  const hits = state.accessListHits.get(list.name);
  const entries = entriesOf(list).map((entry, index) => {
    const text = list.standard ? standardText(entry) : timeRangeText(entry, state, ranges);
    return `    ${entry.sequence} ${text}${hitText(hits?.[index] ?? 0)}`;
  });
  return [`${list.standard ? 'Standard' : 'Extended'} IP access list ${list.name}`, ...entries];
}

function hitText(hits: number): string {
  return hits === 0 ? '' : ` (${counted(hits, 'match', 'matches')})`;
}

/** A standard entry with a wildcard spells it out; the running-config does not. */
function standardText(entry: ConfiguredEntry): string {
  if (entry.srcWildcard === 0 || entry.srcWildcard === -1) return entry.text;
  return entry.text.replace(` ${formatAddress(entry.srcWildcard)}`, `, wildcard bits ${formatAddress(entry.srcWildcard)}`);
}

/** A range that does not exist is always active. */
function timeRangeText(entry: ConfiguredEntry, state: FirewallState, ranges: readonly TimeRange[]): string {
  const range = ranges.find(({ name }) => name === entry.timeRange);
  const active = range === undefined || isActive(range, state.clock);
  return entry.text.replace(/ time-range (\S+)/, ` time-range $1 (${active ? 'active' : 'inactive'})`);
}
