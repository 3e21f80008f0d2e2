// Compiles time ranges: days to minutes of the week, and which entries of access lists go by which range.

import type { CompiledAccessList } from '../policy/access-list.ts';
import type { TimeRange } from '../policy/snapshot.ts';
import { MINUTES_A_DAY, MINUTES_A_WEEK } from '../policy/time-range.ts';
import { DAYS } from './commands/time-range.ts';
import type { PeriodicConfig, TimeRangeConfig } from './model.ts';

const GROUPS: Readonly<Record<string, readonly number[]>> = { daily: [0, 1, 2, 3, 4, 5, 6], weekdays: [1, 2, 3, 4, 5], weekend: [6, 0] };

export function compileTimeRange({ name, absolute, periodic }: TimeRangeConfig): TimeRange {
  return {
    name,
    start: absolute?.start ?? 0,
    end: absolute?.end === undefined ? Number.MAX_SAFE_INTEGER : absolute.end + 60,
    spans: Int32Array.from(periodic.flatMap(spansOf)),
  };
}

/** First and last minute of the week, a pair a day; a time that is earlier than its beginning is one of the next day. */
function spansOf({ days, from, to, lastDay }: PeriodicConfig): number[] {
  return (GROUPS[days] ?? days.split(' ').map((day) => DAYS.indexOf(day))).flatMap((day) => {
    const first = day * MINUTES_A_DAY + from;
    const last = (lastDay === undefined ? day + (to < from ? 1 : 0) : DAYS.indexOf(lastDay)) * MINUTES_A_DAY + to;
    return [first, last % MINUTES_A_WEEK];
  });
}

/** Triples: list, entry, range; -1 for a range that does not exist: the entry is always active. */
export function timedEntriesOf(lists: readonly CompiledAccessList[], ranges: readonly TimeRange[]): Int32Array {
  return Int32Array.from(
    lists.flatMap(({ entries }, list) =>
      entries.flatMap(({ timeRange }, entry) => {
        return timeRange === undefined ? [] : [list, entry, ranges.findIndex(({ name }) => name === timeRange)];
      }),
    ),
  );
}
