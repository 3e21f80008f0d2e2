// A command family: commands in the notation of language/syntax.ts with what they do to the configuration; and the modes
// that families make up.

import type { Args } from './language/args.ts';
import type { Pattern } from './language/pattern.ts';
import { compileSyntax, type ArgumentType } from './language/syntax.ts';
import type { ConfigSession } from './session.ts';

/** Why a command that parsed is refused, in the words of IOS; undefined: it was carried out. */
export type Refusal = string | undefined;

/** What a command does.  It checks everything before it changes anything, so that a refused line leaves no trace. */
export type Action<T> = (target: T, args: Args, session: ConfigSession) => Refusal | void;

export interface Command<T> {
  readonly syntax?: string;
  readonly set?: Action<T>;
  /** What may stand behind `no`; undoes the command. */
  readonly no?: string;
  readonly unset?: Action<T>;
}

/** A compiled command, or its `no` form. */
export interface Rule {
  readonly pattern: Pattern;
  readonly action: Action<unknown>;
}

/** A configuration mode: what may be entered in it, on a target of its own kind. */
export interface Mode<T> {
  /** Between the parentheses of the prompt. */
  readonly prompt: string;
  readonly rules: readonly Rule[];
  /** Only here to tie the mode to its target. */
  readonly target?: T;
}

export interface Family<T> {
  readonly words: Readonly<Record<string, string>>;
  readonly arguments?: Readonly<Record<string, ArgumentType>>;
  readonly commands: readonly Command<T>[];
}

const COMMON_WORDS: Readonly<Record<string, string>> = {
  no: 'Negate a command or set its defaults',
  ip: 'Global IP configuration subcommands',
  exit: 'Exit from the current mode',
  end: 'Exit from configure mode',
};

/** Compiles a family; throws at start when a syntax text is faulty. */
export function compileFamily<T>(family: Family<T>): Rule[] {
  const vocabulary = { words: { ...COMMON_WORDS, ...family.words }, arguments: family.arguments ?? {} };
  const rules: Rule[] = [];
  const add = (text: string | undefined, action: Action<T> | undefined): void => {
    if (text === undefined || action === undefined) return;
    rules.push({ pattern: compileSyntax(text, vocabulary), action: action as Action<unknown> });
  };
  for (const command of family.commands) {
    add(command.syntax, command.set);
    add(command.no === undefined ? undefined : `no ${command.no}`, command.unset);
  }
  return rules;
}

const LEAVE = compileFamily<unknown>({
  words: {},
  commands: [
    { syntax: 'exit', set: (_target, _args, session) => session.exit() },
    { syntax: 'end', set: (_target, _args, session) => session.end() },
  ],
});

/** A mode of several families; `exit` and `end` are in each. */
export function mode<T>(prompt: string, ...families: readonly Rule[][]): Mode<T> {
  return { prompt, rules: [...families.flat(), ...LEAVE] };
}
