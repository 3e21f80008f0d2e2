// The log of a running firewall, put together: lines of the data plane's events and of what is done to the configuration, on
// the console, at monitoring terminals, in the buffer and at the logging hosts.

import type { Configuration } from '../config/model.ts';
import { EventLines } from '../console/event-lines.ts';
import { type LineListener, Log } from '../console/log.ts';
import type { LogState } from '../console/state.ts';
import { startupMessage } from '../console/syslog/firewall.ts';
import { configuredMessage } from '../console/syslog/system.ts';
import type { LogMessage } from '../console/syslog/message.ts';
import { SyslogSender } from '../console/syslog-sender.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import type { LogView } from './control-plane.ts';
import type { EventSink } from './event-pump.ts';

export class FirewallLog implements LogView {
  /** To be added to the event pump. */
  readonly sink: EventSink;
  private readonly log: Log;
  private readonly lines: EventLines;
  private readonly sender: SyslogSender;
  private readonly started = performance.now();

  /** `policy` is compiled from `configuration`; `console` gets the lines of `logging console`. */
  constructor(configuration: Configuration, policy: PolicySnapshot, console: LineListener | null) {
    this.log = new Log(configuration, 'set');
    this.log.console = console;
    this.sender = new SyslogSender(configuration.logging.hosts);
    this.log.hosts = this.sender;
    this.lines = new EventLines(this.log, configuration, policy);
    this.sink = this.lines;
  }

  get state(): LogState {
    return this.log.state;
  }

  clear(): void {
    this.log.clear();
  }

  follow(listener: LineListener): () => void {
    return this.log.follow(listener);
  }

  configure(configuration: Configuration, policy: PolicySnapshot): void {
    this.log.configure(configuration);
    this.lines.configure(configuration, policy);
    this.sender.configure(configuration.logging.hosts);
  }

  noteStarted(): void {
    this.write(startupMessage());
  }

  noteConfigured(from: string): void {
    this.write(configuredMessage(from, 'console'));
  }

  private write(message: LogMessage): void {
    const now = Date.now();
    const stamp = { sec: Math.floor(now / 1000), nsec: (now % 1000) * 1_000_000, uptime: performance.now() - this.started };
    this.log.write(message, stamp);
  }

  /** Writes what was kept back and closes the way to the logging hosts. */
  close(): void {
    this.lines.finish();
    this.sender.close();
  }
}
