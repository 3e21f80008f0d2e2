// show ip access-lists [NAME].

import { entriesOf } from '../../config/commands/access-list.ts';
import { formatAddress } from '../../config/language/address.ts';
import type { AccessListConfig, Configuration, ConfiguredEntry } from '../../config/model.ts';
import type { FirewallState } from '../state.ts';
import { counted, lines } from './text.ts';

/** Standard lists, then extended ones, each in the order of the configuration; or the named one, nothing when it does not exist. */
export function showAccessLists(configuration: Configuration, state: FirewallState, name?: string): string {
  const shown = configuration.accessLists.filter((list) => name === undefined || list.name === name);
  const ordered = [...shown.filter((list) => list.standard), ...shown.filter((list) => !list.standard)];
  return lines(ordered.flatMap((list) => listLines(list, state)));
}

function listLines(list: AccessListConfig, state: FirewallState): string[] {
  const hits = state.accessListHits.get(list.name);
  const entries = entriesOf(list).map((entry, index) => {
    const text = list.standard ? standardText(entry) : timeRangeText(entry);
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

/** Time ranges have no effect here: their entries are always active, and shown so. */
function timeRangeText(entry: ConfiguredEntry): string {
  return entry.text.replace(/ time-range (\S+)/, ' time-range $1 (active)');
}
