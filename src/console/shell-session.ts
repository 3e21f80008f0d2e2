// One shell on a running firewall: what a line typed at a console, or given to `postern exec`, does and prints.
//
// A line of `configure terminal` acts at once: it is parsed, the whole configuration is compiled, and the new policy
// replaces the old one; a line that fails anywhere changes nothing.  Several sessions may configure: each works on a copy
// of the running configuration, taken again when another session or a reload has changed it.
// Not here: the socket (engine/console-server.ts), the terminal (command/console.ts), what commands do to the firewall.

import type { Configuration } from '../config/model.ts';
import { openSession } from '../config/parse.ts';
import { executeShow } from './exec.ts';
import type { ExecCommand } from './exec-commands.ts';
import { type Action, completeFor, endConfiguration, type Entered, enterLine, helpFor, openShell, promptOf, type Shell } from './shell.ts';
import type { FirewallState } from './state.ts';

/** What a command prints, in whole lines, and whether it was refused. */
export interface Outcome {
  readonly output: string;
  readonly rejected: boolean;
}

/** The running firewall as a shell needs it. */
export interface Firewall {
  /** In force; replaced, never changed. */
  readonly configuration: Configuration;
  state(): Promise<FirewallState>;
  /** Puts a configuration in force.  Returns why not, as one line, or undefined. */
  install(configuration: Configuration): Promise<string | undefined>;
  /** Configuration mode was left. */
  noteConfigured(): void;
  /** Commands that are no displays. */
  carryOut(command: ExecCommand): Promise<Outcome>;
  /** Calls `listener` with each log line from now on; returns how to stop. */
  follow(listener: (line: string) => void): () => void;
}

const DONE: Outcome = { output: '', rejected: false };
const DEFAULT_LENGTH = 24;

export class ShellSession {
  /** Called for each log line while `terminal monitor` is on. */
  onLine: (line: string) => void = () => {};
  /** `exit` was entered. */
  left = false;
  /** Lines of the terminal, 0: no pauses. */
  terminalLength = DEFAULT_LENGTH;
  private readonly firewall: Firewall;
  private shell: Shell;
  /** What the working copy of configuration mode was taken from. */
  private base: Configuration;
  private stopFollowing: (() => void) | undefined;

  /** `privileged`: begins behind `enable`. */
  constructor(firewall: Firewall, privileged: boolean) {
    this.firewall = firewall;
    this.base = firewall.configuration;
    this.shell = openShell(firewall.configuration.hostname, privileged);
  }

  get prompt(): string {
    return promptOf(this.shell);
  }

  /** Enters one line, without its line end. */
  enter(line: string): Promise<Outcome> {
    return this.take((shell) => enterLine(shell, line, this.firewall.configuration));
  }

  /** Ctrl-Z. */
  endConfiguration(): Promise<Outcome> {
    return this.take(endConfiguration);
  }

  /** Text of `?` behind `line`. */
  help(line: string): string {
    return helpFor(this.shell, line);
  }

  /** `line` after the tab key. */
  complete(line: string): string {
    return completeFor(this.shell, line);
  }

  /** Stops following the log. */
  close(): void {
    this.stopFollowing?.();
    this.stopFollowing = undefined;
  }

  private async take(enter: (shell: Shell) => Entered): Promise<Outcome> {
    const path = this.shell.session?.path ?? [];
    if (this.base !== this.firewall.configuration) this.takeCopy(path);
    const { shell, output, action, rejected = false } = enter(this.shell);
    this.shell = shell;
    const outcome = await this.act(action, path);
    this.shell = { ...this.shell, hostname: this.firewall.configuration.hostname };
    return { output: output + outcome.output, rejected: rejected || outcome.rejected };
  }

  /** A fresh working copy, in the same mode as far as that is still there. */
  private takeCopy(path: readonly string[]): void {
    this.base = this.firewall.configuration;
    if (this.shell.session === undefined) return;
    const session = openSession(this.base);
    for (const line of path) if (session.apply(line) !== undefined) break;
    session.notices.length = 0;
    this.shell = { ...this.shell, session };
  }

  private async act(action: Action, path: readonly string[]): Promise<Outcome> {
    switch (action.kind) {
      case 'none':
        return DONE;
      case 'leave':
        this.left = true;
        return DONE;
      case 'configured':
        return this.configure(action.configuration, action.ended, path);
      case 'exec':
        return this.execute(action.line, action.command);
    }
  }

  private async configure(configuration: Configuration, ended: boolean, path: readonly string[]): Promise<Outcome> {
    const refusal = await this.firewall.install(configuration);
    if (refusal !== undefined) this.takeCopy(path);
    this.base = this.firewall.configuration;
    if (ended) this.firewall.noteConfigured();
    return refusal === undefined ? DONE : { output: `${refusal}\n`, rejected: true };
  }

  private async execute(line: string, command: ExecCommand): Promise<Outcome> {
    switch (command.command) {
      case 'terminal monitor':
        this.stopFollowing ??= this.firewall.follow((text) => this.onLine(text));
        return DONE;
      case 'terminal no monitor':
        this.close();
        return DONE;
      case 'terminal length':
        this.terminalLength = command.arguments.number('LINES');
        return DONE;
      default:
        return command.command.startsWith('show ') ? this.show(line) : this.firewall.carryOut(command);
    }
  }

  private async show(line: string): Promise<Outcome> {
    const shown = executeShow(line, this.firewall.configuration, await this.firewall.state());
    return { output: shown.kind === 'shown' ? shown.text : '', rejected: shown.kind !== 'shown' };
  }
}
