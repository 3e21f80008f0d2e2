// Time stamps of log lines: `service timestamps {debug | log} {uptime | datetime [msec] [localtime] [show-timezone] [year]}`.

import { ageText } from './displays/text.ts';

/** When something happened. */
export interface Stamp {
  /** Wall clock. */
  readonly sec: number;
  readonly nsec: number;
  /** ms since start. */
  readonly uptime: number;
}

/** IOS marks the time of a clock that was never set by `*`; that is the clock of a capture. */
export type Clock = 'set' | 'never set';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** What stands before a line, with `: ` behind it; '' when `format` is undefined.  `format` is what follows `service timestamps debug`. */
export function stampText(format: string | undefined, stamp: Stamp, clock: Clock): string {
  if (format === undefined) return '';
  const options = format.split(' ');
  if (!options.includes('datetime')) return `${ageText(stamp.uptime / 1000)}: `;
  return `${clock === 'set' ? '' : '*'}${dateText(stamp, options)}: `;
}

/** The time is cut, not rounded, to milliseconds; UTC without `localtime`. */
function dateText({ sec, nsec }: Stamp, options: readonly string[]): string {
  const isLocal = options.includes('localtime');
  const time = new Date((sec >>> 0) * 1000);
  const shown = isLocal ? new Date(time.getTime() - time.getTimezoneOffset() * 60_000) : time;
  const day = `${MONTHS[shown.getUTCMonth()]} ${String(shown.getUTCDate()).padStart(2)}`;
  const year = options.includes('year') ? ` ${shown.getUTCFullYear()}` : '';
  const clock = shown.toISOString().slice(11, 19);
  const msec = options.includes('msec') ? `.${String(Math.floor(nsec / 1e6)).padStart(3, '0')}` : '';
  const zone = options.includes('show-timezone') ? ` ${isLocal ? zoneName(time) : 'UTC'}` : '';
  return `${day}${year} ${clock}${msec}${zone}`;
}

function zoneName(time: Date): string {
  return (
    new Intl.DateTimeFormat('en', { timeZoneName: 'short' }).formatToParts(time).find(({ type }) => type === 'timeZoneName')?.value ?? 'UTC'
  );
}
