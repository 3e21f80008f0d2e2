// The report of a replay (and the totals of `run`): where every frame went, why frames were dropped, what sessions and
// inspection did, and how fast it was; as a table, and as one JSON object.
//
// Everything is read from the counters; conservation holds in both forms: received + generated = transmitted + dropped +
// held + consumed, and the drops by reason add up to dropped.

import * as counters from '../telemetry/counters.ts';
import { type ReasonEntry, REASONS } from '../telemetry/reasons.ts';

export interface Report {
  readonly frames: {
    readonly received: number;
    readonly transmitted: number;
    readonly dropped: number;
    readonly held: number;
    readonly consumed: number;
    readonly generated: number;
  };
  /** By dotted name; reasons that did not occur are left out. */
  readonly drops: Readonly<Record<string, number>>;
  readonly sessions: {
    readonly opened: number;
    readonly closed: number;
    readonly current: number;
    readonly halfOpen: number;
    readonly refused: number;
  };
  readonly inspect: {
    readonly commands: number;
    readonly maskedCommands: number;
    readonly maskedReplies: number;
    readonly resets: number;
    /** Events of inspectors and of the normaliser that dropped nothing, by dotted name; those that did not occur are left out. */
    readonly alerts: Readonly<Record<string, number>>;
  };
  /** From the first frame's stamp to the last one's. */
  readonly captureSeconds: number;
  /** Wall time of the data path. */
  readonly seconds: number;
  readonly framesPerSecond: number;
}

/** `values` as counters.ts lays them out; times in seconds. */
export function makeReport(values: Float64Array, captureSeconds: number, seconds: number): Report {
  const received = values[counters.RECEIVED]!;
  return {
    frames: {
      received,
      transmitted: values[counters.TRANSMITTED_FRAMES]!,
      dropped: values[counters.DROPPED_FRAMES]!,
      held: values[counters.HELD_FRAMES]!,
      consumed: values[counters.CONSUMED_FRAMES]!,
      generated: values[counters.GENERATED_FRAMES]!,
    },
    drops: byReason(values, counters.DROPS, () => true),
    sessions: {
      opened: values[counters.SESSIONS_OPENED]!,
      closed: values[counters.SESSIONS_CLOSED]!,
      current: values[counters.SESSIONS_CURRENT]!,
      halfOpen: values[counters.SESSIONS_HALF_OPEN]!,
      refused: values[counters.SESSIONS_REFUSED]!,
    },
    inspect: {
      commands: values[counters.SMTP_COMMANDS]!,
      maskedCommands: values[counters.SMTP_MASKED_COMMANDS]!,
      maskedReplies: values[counters.SMTP_MASKED_REPLIES]!,
      resets: values[counters.INSPECT_RESETS]!,
      alerts: byReason(values, counters.EVENTS, isAlert),
    },
    captureSeconds,
    seconds,
    framesPerSecond: seconds > 0 ? Math.round(received / seconds) : 0,
  };
}

/** One object and a newline. */
export function formatJson(report: Report): string {
  return `${JSON.stringify(report)}\n`;
}

/** The same for people. */
export function formatTable(report: Report): string {
  const { frames, sessions, inspect } = report;
  const sections = [
    section('Frames', [
      ['received', frames.received],
      ['generated', frames.generated],
      ['transmitted', frames.transmitted],
      ['dropped', frames.dropped],
      ['held', frames.held],
      ['consumed', frames.consumed],
    ]),
    section('Drops', Object.entries(report.drops)),
    section('Sessions', [
      ['opened', sessions.opened],
      ['closed', sessions.closed],
      ['current', sessions.current],
      ['half-open', sessions.halfOpen],
      ['refused', sessions.refused],
    ]),
    section('Inspection', [
      ['SMTP commands', inspect.commands],
      ['commands masked', inspect.maskedCommands],
      ['replies masked', inspect.maskedReplies],
      ['resets', inspect.resets],
    ]),
    section('Alerts', Object.entries(inspect.alerts)),
  ];
  return `${sections.filter((text) => text !== '').join('\n')}\n${speed(report)}\n`;
}

const NAME_WIDTH = 28;
const NUMBER_WIDTH = 14;

function section(title: string, rows: readonly (readonly [string, number])[]): string {
  if (rows.length === 0) return '';
  const lines = rows.map(([name, value]) => `  ${name.padEnd(NAME_WIDTH)}${value.toLocaleString('en-US').padStart(NUMBER_WIDTH)}\n`);
  return `${title}\n${lines.join('')}`;
}

function speed(report: Report): string {
  const rate = report.framesPerSecond.toLocaleString('en-US');
  return `${report.captureSeconds.toFixed(3)} s of traffic in ${report.seconds.toFixed(3)} s, ${rate} frames/s`;
}

/** Events also count under what a frame was dropped for (when drops are logged) and under no reason (sessions). */
function isAlert({ level }: ReasonEntry): boolean {
  return level === 'info' || level === 'warning';
}

/** Most frequent first; equal ones in the order of the list of reasons. */
function byReason(values: Float64Array, first: number, isWanted: (reason: ReasonEntry) => boolean): Record<string, number> {
  const counted = REASONS.map((reason, i) => ({ reason, count: values[first + i]! }));
  const found = counted.filter(({ reason, count }) => count > 0 && isWanted(reason)).sort((a, b) => b.count - a.count);
  return Object.fromEntries(found.map(({ reason, count }) => [reason.name, count]));
}
