// Time ranges of access list entries: whether one is active at a moment, and what that does to the entries.
//
// All times are UTC; minutes count whole, so that a range that ends at 17:00 is active until 17:01.  An entry whose range is not active
// is passed over.  Sessions that it let in stay.

import { INACTIVE, R_FLAGS, RULE_WORDS } from './access-list.ts';
import type { PolicySnapshot, TimeRange } from './snapshot.ts';

export const MINUTES_A_DAY = 1440;
export const MINUTES_A_WEEK = 10_080;
/** 1 January 1970 was a Thursday, weeks begin on Sunday. */
const EPOCH_MINUTE = 4 * MINUTES_A_DAY;

/** `sec`: seconds since 1970. */
export function isActive(range: TimeRange, sec: number): boolean {
  if (sec < range.start || sec >= range.end) return false;
  const { spans } = range;
  if (spans.length === 0) return true;
  const minute = (Math.floor(sec / 60) + EPOCH_MINUTE) % MINUTES_A_WEEK;
  for (let i = 0; i < spans.length; i += 2) {
    const from = spans[i]!;
    const to = spans[i + 1]!;
    // A span may go over the end of the week.
    if (from <= to ? minute >= from && minute <= to : minute >= from || minute <= to) return true;
  }
  return false;
}

/** Marks the entries of `policy` as they are at `sec`: the one thing of a policy that changes while it is in force. */
export function applyTimeRanges(policy: PolicySnapshot, sec: number): void {
  const { timedEntries } = policy;
  for (let i = 0; i < timedEntries.length; i += 3) {
    const { rules } = policy.accessLists[timedEntries[i]!]!;
    const at = timedEntries[i + 1]! * RULE_WORDS + R_FLAGS;
    const range = timedEntries[i + 2]!;
    const active = range < 0 || isActive(policy.timeRanges[range]!, sec);
    rules[at] = active ? rules[at]! & ~INACTIVE : rules[at]! | INACTIVE;
  }
}
