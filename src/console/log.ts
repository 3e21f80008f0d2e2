// The log: lines with sequence number and time stamp, given to the console, the terminals that monitor, the buffer and the
// logging hosts, each up to its own level.
//
// Not here: texts (syslog/), which events become lines (event-lines.ts), the datagrams to logging hosts (syslog-sender.ts).

import type { Configuration } from '../config/model.ts';
import { type Clock, type Stamp, stampText } from './log-stamp.ts';
import type { LogState } from './state.ts';
import { formatMessage, type LogMessage } from './syslog/message.ts';

const INFORMATIONAL = 6;
const DEBUGGING = 7;
const OFF = -1;

/** Takes a line, without a line feed. */
export type LineListener = (line: string) => void;

/** Takes lines for the logging hosts. */
export interface LogHosts {
  /** `severity` 0 to 7. */
  send(severity: number, line: string): void;
}

export class Log {
  /** Where the console is; null: there is none. */
  console: LineListener | null = null;
  /** Where the logging hosts are reached; null: nowhere (a replay never sends). */
  hosts: LogHosts | null = null;
  private readonly clock: Clock;
  private readonly monitors = new Set<LineListener>();
  private readonly buffer = new LineBuffer();
  private configuration: Configuration;
  private sequence = 0;
  private counts = { console: 0, monitor: 0, buffer: 0, trap: 0, dropped: 0, rateLimited: 0 };

  constructor(configuration: Configuration, clock: Clock) {
    this.clock = clock;
    this.configuration = configuration;
    this.configure(configuration);
  }

  /** Takes levels, forms and the size of the buffer of another configuration. */
  configure(configuration: Configuration): void {
    this.configuration = configuration;
    this.buffer.resize(configuration.logging.buffered ?? 0);
  }

  /** A message of the log. */
  write(message: LogMessage, stamp: Stamp): void {
    this.put(message.severity, stampText(this.configuration.timestamps.log, stamp, this.clock) + formatMessage(message));
  }

  /** A message of `debug`. */
  debug(text: string, stamp: Stamp): void {
    this.put(DEBUGGING, stampText(this.configuration.timestamps.debug, stamp, this.clock) + text);
  }

  /** Gives what a monitoring terminal would see to `listener` until the returned function is called. */
  follow(listener: LineListener): () => void {
    this.monitors.add(listener);
    return () => this.monitors.delete(listener);
  }

  /** `count` messages were not written because of a rate limit. */
  noteLimited(count: number): void {
    this.counts.rateLimited += count;
  }

  /** `count` messages never became lines. */
  noteDropped(count: number): void {
    this.counts.dropped += count;
  }

  get state(): LogState {
    return { lines: this.buffer.lines(), ...this.counts };
  }

  /** `clear logging`: the buffer alone. */
  clear(): void {
    this.buffer.clear();
  }

  private put(severity: number, stamped: string): void {
    this.sequence++;
    const line = this.configuration.sequenceNumbers ? `${String(this.sequence).padStart(6, '0')}: ${stamped}` : stamped;
    if (severity <= this.consoleLevel()) {
      this.counts.console++;
      this.console?.(line);
    }
    if (this.configuration.logging.on) this.distribute(severity, line);
  }

  private distribute(severity: number, line: string): void {
    if (this.monitors.size > 0) this.counts.monitor++;
    for (const listener of this.monitors) listener(line);
    if (severity <= this.bufferLevel()) {
      this.counts.buffer++;
      this.buffer.add(line);
    }
    if (severity > this.trapLevel()) return;
    this.counts.trap++;
    // IOS numbers what it sends, whether sequence numbers are on or not.
    this.hosts?.send(severity, `${this.counts.trap}: ${line}`);
  }

  private consoleLevel(): number {
    const { console: level = DEBUGGING } = this.configuration.logging;
    return this.console === null || level === false ? OFF : level;
  }

  private bufferLevel(): number {
    const { on, buffered, bufferedLevel = DEBUGGING } = this.configuration.logging;
    return !on || buffered === undefined ? OFF : bufferedLevel;
  }

  private trapLevel(): number {
    const { on, hosts, trap = INFORMATIONAL } = this.configuration.logging;
    return !on || hosts.length === 0 || this.hosts === null ? OFF : trap;
  }
}

/** Lines up to a number of octets; the oldest go first. */
class LineBuffer {
  private kept: string[] = [];
  private first = 0;
  private octets = 0;
  private size = 0;

  resize(size: number): void {
    this.size = size;
    this.shorten();
  }

  add(line: string): void {
    this.kept.push(line);
    this.octets += line.length + 1;
    this.shorten();
  }

  lines(): string[] {
    return this.kept.slice(this.first);
  }

  clear(): void {
    this.kept = [];
    this.first = 0;
    this.octets = 0;
  }

  private shorten(): void {
    while (this.octets > this.size && this.first < this.kept.length) this.octets -= this.kept[this.first++]!.length + 1;
    // Copied once in a while, not for every line.
    if (this.first * 2 < this.kept.length) return;
    this.kept = this.kept.slice(this.first);
    this.first = 0;
  }
}
