// The console of a replay: `--debug` before it, log lines while it runs, `--exec 'show ...'` behind it.
//
// The clock of a capture was never set, so stamps of `datetime` begin with `*`; they carry the time of the frame.  Logging hosts
// get nothing: what happened in a capture happened long ago.

import { formatRejection } from '../config/parse.ts';
import { EventLines } from '../console/event-lines.ts';
import { parseExec } from '../console/exec-commands.ts';
import { executeShow } from '../console/exec.ts';
import { Log } from '../console/log.ts';
import { emptyState } from '../console/state.ts';
import { ControlPlane } from '../engine/control-plane.ts';
import type { EventSink } from '../engine/event-pump.ts';
import type { ReplayEngine } from '../engine/replay-engine.ts';
import { CommandError } from './errors.ts';
import { version } from './installation.ts';
import { LineFile } from './line-file.ts';
import type { LoadedPolicy } from './load-policy.ts';

export interface ConsoleOptions {
  /** File for log lines. */
  readonly log?: string;
  /** Commands behind `debug`. */
  readonly debug: readonly string[];
  /** Displays. */
  readonly exec: readonly string[];
}

const SECOND = 1000;
/** Samples for one gap of the capture: an hour. */
const MOST_SAMPLES = 3600;

export class ReplayConsole {
  /** Wants the events; null: nobody looks at the log. */
  readonly sink: EventSink | null;
  private readonly engine: ReplayEngine;
  private readonly plane: ControlPlane;
  private readonly lines: EventLines;
  private readonly file: LineFile | null;
  private readonly displays: readonly string[];
  private sampled = 0;

  /** `devices` by interface index.  Throws a CommandError for a command that is none, or a file that cannot be written. */
  static async open(
    options: ConsoleOptions,
    loaded: LoadedPolicy,
    engine: ReplayEngine,
    devices: readonly (string | null)[],
  ): Promise<ReplayConsole> {
    for (const line of options.exec) checkDisplay(line, loaded);
    const opened = new ReplayConsole(options, loaded, engine, devices);
    for (const text of options.debug) await opened.debug(`debug ${text}`);
    return opened;
  }

  private constructor(
    { log: path, debug, exec }: ConsoleOptions,
    { configuration, policy }: LoadedPolicy,
    engine: ReplayEngine,
    devices: readonly (string | null)[],
  ) {
    const log = new Log(configuration, 'never set');
    this.engine = engine;
    this.displays = exec;
    this.file = openFile(path, debug);
    if (this.file !== null) log.follow((line) => this.file!.add(line));
    this.lines = new EventLines(log, configuration, policy);
    this.sink = this.file !== null || exec.length > 0 ? this.lines : null;
    this.plane = new ControlPlane({ engine, configuration, policy, file: null, devices, version: version(), log });
  }

  /** After each batch: samples what the displays say of rates and peaks, once a second of the capture. */
  sample(): void {
    if (this.displays.length === 0) return;
    const { now } = this.engine.plane;
    for (let i = 0; this.sampled + SECOND <= now && i < MOST_SAMPLES; i++, this.sampled += SECOND) this.plane.rates.sample();
    if (this.sampled + SECOND <= now) this.sampled = now;
  }

  /** The displays, as the firewall stands behind the last frame. */
  async show(): Promise<string> {
    if (this.displays.length === 0) return '';
    this.plane.rates.sample();
    const state = await this.plane.state();
    return this.displays.map((line) => shown(line, this.plane, state)).join('');
  }

  /** Writes out the log; returns what was wrong with its file, or null. */
  close(): string | null {
    this.lines.finish();
    this.file?.close();
    this.plane.close();
    return this.file?.failure ?? null;
  }

  private async debug(line: string): Promise<void> {
    const command = parseExec(line);
    if ('kind' in command) return refuse('--debug', line, formatRejection(line, command));
    const { output, rejected } = await this.plane.carryOut(command);
    if (rejected) throw new CommandError(`--debug: ${output.replace(/^% /, '').trimEnd()}`);
  }
}

/** With --debug alone the lines go to stderr. */
function openFile(path: string | undefined, debug: readonly string[]): LineFile | null {
  if (path === undefined && debug.length === 0) return null;
  try {
    return new LineFile(path ?? null);
  } catch (error) {
    throw new CommandError(`--log: ${(error as Error).message}`);
  }
}

function checkDisplay(line: string, { configuration }: LoadedPolicy): void {
  const result = executeShow(line, configuration, emptyState());
  if (result.kind === 'other') throw new CommandError(`--exec '${line}': only displays can be asked for`);
  if (result.kind !== 'shown') refuse('--exec', line, formatRejection(line, result));
}

function refuse(option: string, line: string, marked: string): never {
  process.stderr.write(marked);
  throw new CommandError(`${option}: '${line}' was not understood`);
}

function shown(line: string, { configuration }: ControlPlane, state: Parameters<typeof executeShow>[2]): string {
  const result = executeShow(line, configuration, state);
  return result.kind === 'shown' ? result.text : '';
}
