// The interactive shell without its terminal: modes, prompt, `?`, completion, history, and what a line asks for.
//
// A shell is a value; enterLine() makes the next one.  What a line asks of the firewall is handed back as an action.
// Not here: the terminal, the socket, and the carrying out of actions.

import type { Rule } from '../config/command.ts';
import { complete, helpText } from '../config/language/help.ts';
import { lex } from '../config/language/lexer.ts';
import type { Failure, Matchable } from '../config/language/match.ts';
import type { Configuration } from '../config/model.ts';
import { type ConfigSession, formatReason, openSession } from '../config/parse.ts';
import { EXEC_RULES, type ExecCommand, type ExecRule, parseExec } from './exec-commands.ts';

/** Lines that `show history` remembers. */
const HISTORY_SIZE = 20;
const UNKNOWN = '% Unknown command or computer name, or unable to find computer address\n';
const CONFIGURE = 'Enter configuration commands, one per line.  End with CNTL/Z.\n';
/** Commands that need no `enable`. */
const USER_COMMANDS = /^(show (?!running-config)|terminal |enable$|exit$)/;

export interface Shell {
  readonly hostname: string;
  readonly privileged: boolean;
  /** Open between `configure terminal` and `end`. */
  readonly session: ConfigSession | undefined;
  /** Oldest first. */
  readonly history: readonly string[];
}

/** What the process that runs the firewall has to do. */
export type Action =
  | { readonly kind: 'none' }
  | { readonly kind: 'leave' }
  | { readonly kind: 'exec'; readonly line: string; readonly command: ExecCommand }
  /** A line of `configure terminal` was accepted; `ended`: it was the one that left the mode. */
  | { readonly kind: 'configured'; readonly configuration: Configuration; readonly ended: boolean };

export interface Entered {
  readonly shell: Shell;
  /** What to print at once, in whole lines. */
  readonly output: string;
  readonly action: Action;
  /** The line was not accepted; the output says why. */
  readonly rejected?: boolean;
}

/** `privileged`: begins behind `enable`. */
export function openShell(hostname: string, privileged = false): Shell {
  return { hostname, privileged, session: undefined, history: [] };
}

/** `Router>`, `Router#`, `Router(config-if)#`. */
export function promptOf(shell: Shell): string {
  if (shell.session !== undefined) return `${shell.hostname}(${shell.session.prompt})#`;
  return `${shell.hostname}${shell.privileged ? '#' : '>'}`;
}

/** Commands of the mode that the shell is in. */
function rulesOf(shell: Shell): readonly (Rule | ExecRule)[] {
  if (shell.session !== undefined) return shell.session.rules;
  return shell.privileged ? EXEC_RULES : EXEC_RULES.filter((rule) => USER_COMMANDS.test(rule.command));
}

/** What a line is completed against: behind `do`, in configuration mode, it is a line of exec mode. */
function scopeOf(shell: Shell, line: string): { readonly before: string; readonly rest: string; readonly rules: readonly Matchable[] } {
  const words = shell.session === undefined ? null : /^\s*do\s+/i.exec(line);
  if (words === null) return { before: '', rest: line, rules: rulesOf(shell) };
  return { before: words[0], rest: line.slice(words[0].length), rules: EXEC_RULES };
}

/** Text of `?` typed at the end of `line`; ends in a line feed. */
export function helpFor(shell: Shell, line: string): string {
  const { rest, rules } = scopeOf(shell, line);
  return helpText(rest, rules);
}

/** `line` after the tab key. */
export function completeFor(shell: Shell, line: string): string {
  const { before, rest, rules } = scopeOf(shell, line);
  return before + complete(rest, rules);
}

/**
 * Enters a line.  `configuration` is the running one, of which `configure terminal` opens a working copy.  The output of a
 * rejected line carries the marker under the word as it stands behind the prompt.
 */
export function enterLine(shell: Shell, line: string, configuration: Configuration): Entered {
  if (lex(line).tokens.length === 0) return { shell, output: '', action: { kind: 'none' } };
  const next = { ...shell, history: remember(shell.history, line.trim()) };
  if (shell.session === undefined) return enterExec(next, line, 0, configuration);
  const { before, rest } = scopeOf(shell, line);
  return before === '' ? enterConfiguration(next, shell.session, line) : enterExec(next, rest, before.length, configuration);
}

function remember(history: readonly string[], line: string): string[] {
  const others = history.at(-1) === line ? history : [...history, line];
  return others.slice(-HISTORY_SIZE);
}

function enterConfiguration(shell: Shell, session: ConfigSession, line: string): Entered {
  const rejection = session.apply(line);
  if (rejection !== undefined) return rejected(shell, formatReason(line, rejection, promptOf(shell).length));
  const output = session.notices
    .splice(0)
    .map((notice) => `${notice}\n`)
    .join('');
  const { configuration, ended } = session;
  const after = { ...shell, hostname: configuration.hostname, session: ended ? undefined : session };
  return { shell: after, output, action: { kind: 'configured', configuration, ended } };
}

/** Ctrl-Z: leaves configuration mode as `end` does. */
export function endConfiguration(shell: Shell): Entered {
  return shell.session === undefined ? { shell, output: '', action: { kind: 'none' } } : enterConfiguration(shell, shell.session, 'end');
}

/** `indent`: columns of `do` before the line. */
function enterExec(shell: Shell, line: string, indent: number, configuration: Configuration): Entered {
  const parsed = parseExec(line);
  if ('kind' in parsed) return rejected(shell, reasonOf(shell, line, parsed, indent));
  if (!shell.privileged && !USER_COMMANDS.test(parsed.command)) return rejected(shell, reasonOf(shell, line, invalidAt(line), indent));
  return carryOut(shell, line, parsed, configuration);
}

function rejected(shell: Shell, output: string): Entered {
  return { shell, output, action: { kind: 'none' }, rejected: true };
}

function invalidAt(line: string): Failure {
  return { kind: 'invalid', column: lex(line).tokens[0]!.column };
}

function reasonOf(shell: Shell, line: string, failure: Failure, indent: number): string {
  const unknown = failure.kind === 'invalid' && failure.column === lex(line).tokens[0]!.column;
  return unknown ? UNKNOWN : formatReason(line, failure, promptOf(shell).length + indent);
}

/** Commands that only the shell is concerned with; the others become actions. */
function carryOut(shell: Shell, line: string, command: ExecCommand, configuration: Configuration): Entered {
  const none: Action = { kind: 'none' };
  switch (command.command) {
    case 'enable':
      return { shell: { ...shell, privileged: true }, output: '', action: none };
    case 'disable':
      return { shell: { ...shell, privileged: false, session: undefined }, output: '', action: none };
    case 'exit':
      return { shell, output: '', action: { kind: 'leave' } };
    case 'configure terminal':
      return { shell: { ...shell, session: shell.session ?? openSession(configuration) }, output: CONFIGURE, action: none };
    case 'show history':
      return { shell, output: shell.history.map((entry) => `  ${entry}\n`).join(''), action: none };
    default:
      return { shell, output: '', action: { kind: 'exec', line, command } };
  }
}
