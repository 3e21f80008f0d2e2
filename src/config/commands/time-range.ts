// `time-range NAME` with its `absolute` and `periodic` lines.
//
// Times are UTC, as those of a router without `clock timezone`.  A range without lines is always active.
// Not here: what a range means at a moment (policy/time-range.ts).

import { compileFamily, mode, type Refusal } from '../command.ts';
import type { Args } from '../language/args.ts';
import { number, oneOf, wordLike } from '../language/arguments.ts';
import type { Configuration, PeriodicConfig, TimeRangeConfig } from '../model.ts';

/** From Sunday on, as weeks are counted here. */
export const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const GROUPS = { daily: 'Every day of the week', weekdays: 'Monday thru Friday', weekend: 'Saturday and Sunday' };
const CLOCK = /^([01]?\d|2[0-3]):[0-5]\d$/;

const named = (words: readonly string[]): Record<string, string> => Object.fromEntries(words.map((word) => [word, word]));

function minuteOf(text: string): number {
  const [hours, minutes] = text.split(':').map(Number) as [number, number];
  return hours * 60 + minutes;
}

function clockText(minute: number): string {
  return `${Math.floor(minute / 60)}:${String(minute % 60).padStart(2, '0')}`;
}

/** Seconds since 1970 of one end of an absolute range, or undefined when there is no such day. */
function momentOf(args: Args, end: string): number | undefined {
  const day = args.number(`${end}_DAY`);
  const date = new Date(Date.UTC(args.number(`${end}_YEAR`), args.number(`${end}_MONTH`), day));
  return date.getUTCDate() === day ? date.getTime() / 1000 + minuteOf(args.text(`${end}_TIME`)) * 60 : undefined;
}

/** `08:00 01 January 2026`. */
function momentText(seconds: number): string {
  const date = new Date(seconds * 1000);
  const [hours, minutes, day] = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCDate()].map((part) => String(part).padStart(2, '0'));
  return `${hours}:${minutes} ${day} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

function setAbsolute(range: TimeRangeConfig, args: Args): Refusal {
  const start = args.has('START_TIME') ? momentOf(args, 'START') : undefined;
  const end = args.has('END_TIME') ? momentOf(args, 'END') : undefined;
  if ((args.has('START_TIME') && start === undefined) || (args.has('END_TIME') && end === undefined)) return '% Invalid day of the month';
  if (start !== undefined && end !== undefined && end <= start) return '% The end of an absolute range must be after its start';
  range.absolute = { ...(start !== undefined && { start }), ...(end !== undefined && { end }) };
  return undefined;
}

function periodicOf(args: Args): PeriodicConfig {
  const group = args.maybeText('GROUP');
  const days = group ?? DAYS.filter((day) => args.has(day)).join(' ');
  const last = args.maybeText('LAST_DAY');
  return { days, from: minuteOf(args.text('FROM')), to: minuteOf(args.text('UNTIL')), ...(last !== undefined && { lastDay: last }) };
}

function periodicText(entry: PeriodicConfig): string {
  const last = entry.lastDay === undefined ? '' : `${entry.lastDay} `;
  return `periodic ${entry.days} ${clockText(entry.from)} to ${last}${clockText(entry.to)}`;
}

function setPeriodic(range: TimeRangeConfig, args: Args): Refusal {
  const entry = periodicOf(args);
  if (entry.lastDay !== undefined && entry.days.includes(' '))
    return '% Only one day of the week may stand before "to" and a day behind it';
  unsetPeriodic(range, args);
  range.periodic.push(entry);
  return undefined;
}

function unsetPeriodic(range: TimeRangeConfig, args: Args): void {
  const text = periodicText(periodicOf(args));
  range.periodic = range.periodic.filter((other) => periodicText(other) !== text);
}

const MOMENT = (end: string): string => `${end}_TIME ${end}_DAY ${end}_MONTH ${end}_YEAR`;
const ABSOLUTE = `start ${MOMENT('START')} || end ${MOMENT('END')}`;
const GROUPED = 'periodic GROUP FROM to UNTIL';
const BY_DAY = `periodic {${DAYS.join(' || ')}} FROM to [LAST_DAY] UNTIL`;

const ends = (end: string): Record<string, ReturnType<typeof number>> => ({
  [`${end}_TIME`]: wordLike('hh:mm', CLOCK, `${end === 'START' ? 'Starting' : 'Ending'} time`),
  [`${end}_DAY`]: number(1, 31, 'Day of the month'),
  [`${end}_MONTH`]: oneOf(named(MONTHS), Object.fromEntries(MONTHS.map((month, index) => [month, index]))),
  [`${end}_YEAR`]: number(1993, 2035, 'Year'),
});

const rangeMode = mode<TimeRangeConfig>(
  'config-time-range',
  compileFamily<TimeRangeConfig>({
    words: {
      absolute: 'Absolute time and date',
      periodic: 'Periodic time and date',
      start: 'Starting time and date',
      end: 'Ending time and date',
      to: 'Ending day and time',
      ...Object.fromEntries(DAYS.map((day) => [day, day])),
    },
    arguments: {
      ...ends('START'),
      ...ends('END'),
      GROUP: oneOf(GROUPS),
      FROM: wordLike('hh:mm', CLOCK, 'Starting time'),
      UNTIL: wordLike('hh:mm', CLOCK, 'Ending time, inclusive'),
      LAST_DAY: oneOf(named(DAYS)),
    },
    commands: [
      { syntax: `absolute {${ABSOLUTE}}`, set: setAbsolute, no: `absolute [${ABSOLUTE}]`, unset: (range) => void delete range.absolute },
      { syntax: GROUPED, set: setPeriodic, no: GROUPED, unset: unsetPeriodic },
      { syntax: BY_DAY, set: setPeriodic, no: BY_DAY, unset: unsetPeriodic },
    ],
  }),
);

export const timeRanges = compileFamily<Configuration>({
  words: { 'time-range': 'Define time range entries' },
  arguments: { NAME: wordLike('WORD', /^[a-z]\S*$/i, 'Name of the time range') },
  commands: [
    {
      syntax: 'time-range NAME',
      set(configuration, args, session) {
        const name = args.text('NAME');
        let range = configuration.timeRanges.find((candidate) => candidate.name === name);
        if (range === undefined) {
          range = { name, periodic: [] };
          configuration.timeRanges.push(range);
        }
        session.enter(rangeMode, range);
      },
      no: 'time-range NAME',
      unset: (configuration, args) =>
        void (configuration.timeRanges = configuration.timeRanges.filter(({ name }) => name !== args.text('NAME'))),
    },
  ],
});

/** A range as the running-config writes it. */
export function timeRangeLines({ name, absolute, periodic }: TimeRangeConfig): string[] {
  const moments = [
    ...(absolute?.start === undefined ? [] : [`start ${momentText(absolute.start)}`]),
    ...(absolute?.end === undefined ? [] : [`end ${momentText(absolute.end)}`]),
  ];
  return [
    `time-range ${name}`,
    ...(absolute === undefined ? [] : [` absolute ${moments.join(' ')}`]),
    ...periodic.map((entry) => ` ${periodicText(entry)}`),
  ];
}
