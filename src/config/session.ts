// A configuration session: where the lines of a file or of `configure terminal` go.  It keeps the stack of modes, matches
// each line against the innermost mode first and then outwards, and carries the command out.
//
// A line that is rejected changes nothing, neither the configuration nor the mode.

import type { Mode, Rule } from './command.ts';
import { lex } from './language/lexer.ts';
import { match, type Failure } from './language/match.ts';
import type { Configuration } from './model.ts';

interface Frame {
  readonly mode: Mode<unknown>;
  readonly target: unknown;
  /** The line that opened it. */
  readonly opener: string;
}

/** Why a line was not accepted. */
export type Rejection = Failure | { readonly kind: 'refused'; readonly message: string };

export class ConfigSession {
  /** The working copy. */
  readonly configuration: Configuration;
  /** Remarks of the last lines that were accepted nevertheless; the caller takes them off. */
  readonly notices: string[] = [];
  private readonly global: Mode<Configuration>;
  private frames: Frame[];
  /** The one that is being carried out. */
  private line = '';

  constructor(configuration: Configuration, global: Mode<Configuration>) {
    this.configuration = configuration;
    this.global = global;
    this.frames = [this.globalFrame()];
  }

  /** `config`, `config-if` ... */
  get prompt(): string {
    return this.frames.at(-1)!.mode.prompt;
  }

  /** Commands of the mode that the session is in. */
  get rules(): readonly Rule[] {
    return this.frames.at(-1)!.mode.rules;
  }

  /** `end` was entered; no mode is left. */
  ended = false;

  /** The lines that lead from global mode to the mode that the session is in. */
  get path(): readonly string[] {
    return this.frames.slice(1).map((frame) => frame.opener);
  }

  /** Carries one line out, or says why not.  Empty lines and comments are accepted. */
  apply(line: string): Rejection | undefined {
    const lexed = lex(line);
    if (lexed.tokens.length === 0) return undefined;
    const before = this.frames;
    this.line = line;
    let failure: Failure | undefined;
    for (let depth = before.length - 1; depth >= 0; depth--) {
      const found = match(lexed, before[depth]!.mode.rules);
      if (found.kind === 'matched') {
        this.frames = before.slice(0, depth + 1);
        const refusal = found.command.action(before[depth]!.target, found.args, this);
        if (refusal === undefined) return undefined;
        this.frames = before;
        return { kind: 'refused', message: refusal };
      }
      failure = further(failure, found);
    }
    return failure;
  }

  /** Opens a mode inside the one whose command is being carried out. */
  enter<T>(mode: Mode<T>, target: T): void {
    this.frames = [...this.frames, { mode, target, opener: this.line }];
  }

  exit(): undefined {
    if (this.frames.length === 1) return this.end();
    this.frames = this.frames.slice(0, -1);
  }

  end(): undefined {
    this.frames = [this.globalFrame()];
    this.ended = true;
  }

  private globalFrame(): Frame {
    return { mode: this.global, target: this.configuration, opener: '' };
  }
}

/** Of two failures the one further to the right; of equal ones that of the inner mode. */
function further(inner: Failure | undefined, outer: Failure): Failure {
  return inner === undefined || outer.column > inner.column ? outer : inner;
}

/**
 * The lines that IOS prints for a rejected line: the line behind its prompt, the marker where there is one, the message.
 * Ends in a line feed; an empty line follows "Invalid input".
 */
export function formatRejection(line: string, rejection: Rejection, prompt = ''): string {
  return `${prompt}${line}\n${formatReason(line, rejection, prompt.length)}`;
}

/** The same without the line itself, whose first character stands in column `indent` of the terminal. */
export function formatReason(line: string, rejection: Rejection, indent: number): string {
  switch (rejection.kind) {
    case 'invalid':
      return `${' '.repeat(indent + rejection.column)}^\n% Invalid input detected at '^' marker.\n\n`;
    case 'incomplete':
      return '% Incomplete command.\n';
    case 'ambiguous':
      return `% Ambiguous command:  "${line.trim()}"\n`;
    case 'refused':
      return `${rejection.message}\n`;
  }
}

/** Message of a rejection in one line. */
export function messageOf(line: string, rejection: Rejection): string {
  return rejection.kind === 'invalid' ? "% Invalid input detected at '^' marker." : formatReason(line, rejection, 0).trimEnd();
}
