// Patterns: what a command may consist of, as data, and the one operation on them, `expand`: which words may come next.
//
// Parsing, abbreviation, help, completion and the column of the error marker all follow from `expand`, so they cannot
// disagree.  A thread is one reading of the words so far: a stack of patterns that are still to come.  Several commands
// that begin with the same words are several threads, told apart by the first word that differs.

import type { LexedLine } from './lexer.ts';

/** What a word meant: true for a keyword by itself, else the value of an argument. */
export type Value = string | number | boolean;

export interface Keyword {
  readonly kind: 'keyword';
  readonly word: string;
  readonly help: string;
  /** Under which name and with which value it is recorded. */
  readonly name: string;
  readonly value: Value;
}

/** An argument's reading of one or more words; `words` is how many it took. */
export interface Reading {
  readonly value: Value;
  readonly words: number;
  /** As the running-config writes it. */
  readonly text: string;
}

export interface Argument {
  readonly kind: 'argument';
  readonly name: string;
  /** As `?` shows it: `A.B.C.D`, `<1-99>`, `WORD`, `LINE`. */
  readonly label: string;
  readonly help: string;
  /** Takes any word, so that keywords beside it must be written in full. */
  readonly free: boolean;
  readonly read: (lexed: LexedLine, at: number) => Reading | undefined;
}

export type Terminal = Keyword | Argument;

export type Pattern =
  | Terminal
  | { readonly kind: 'sequence'; readonly parts: readonly Pattern[] }
  | { readonly kind: 'choice'; readonly options: readonly Pattern[] }
  | { readonly kind: 'optional'; readonly part: Pattern }
  /** Each part at most once, in any order. */
  | { readonly kind: 'anyOrder'; readonly parts: readonly Pattern[]; readonly least: 0 | 1 }
  /** One or more. */
  | { readonly kind: 'repeat'; readonly part: Pattern };

/** Patterns still to come, innermost first. */
export type Stack = { readonly head: Pattern; readonly tail: Stack } | null;

/** A word that may come next, and what may follow it. */
export interface Step {
  readonly terminal: Terminal;
  readonly rest: Stack;
}

export interface Expansion {
  readonly steps: Step[];
  /** Nothing more has to come. */
  mayEnd: boolean;
}

/** All words that may come next when `stack` is still to come. */
export function expand(stack: Stack): Expansion {
  const into: Expansion = { steps: [], mayEnd: false };
  expandInto(stack, into);
  return into;
}

function expandInto(stack: Stack, into: Expansion): void {
  if (stack === null) {
    into.mayEnd = true;
    return;
  }
  const { head, tail } = stack;
  switch (head.kind) {
    case 'keyword':
    case 'argument':
      into.steps.push({ terminal: head, rest: tail });
      return;
    case 'sequence':
      expandInto(pushAll(head.parts, tail), into);
      return;
    case 'choice':
      for (const option of head.options) expandInto({ head: option, tail }, into);
      return;
    case 'optional':
      expandInto({ head: head.part, tail }, into);
      expandInto(tail, into);
      return;
    case 'repeat':
      expandInto({ head: head.part, tail: { head: { kind: 'optional', part: head }, tail } }, into);
      return;
    case 'anyOrder':
      expandAnyOrder(head.parts, tail, into);
      if (head.least === 0) expandInto(tail, into);
  }
}

function expandAnyOrder(parts: readonly Pattern[], tail: Stack, into: Expansion): void {
  for (const part of parts) {
    const others = parts.filter((other) => other !== part);
    const rest: Stack = others.length === 0 ? tail : { head: { kind: 'anyOrder', parts: others, least: 0 }, tail };
    expandInto({ head: part, tail: rest }, into);
  }
}

function pushAll(parts: readonly Pattern[], tail: Stack): Stack {
  return parts.reduceRight<Stack>((stack, head) => ({ head, tail: stack }), tail);
}

/** Every keyword and argument inside a pattern, for tests and for the help texts. */
export function terminalsOf(pattern: Pattern): Terminal[] {
  switch (pattern.kind) {
    case 'keyword':
    case 'argument':
      return [pattern];
    case 'sequence':
    case 'anyOrder':
      return pattern.parts.flatMap(terminalsOf);
    case 'choice':
      return pattern.options.flatMap(terminalsOf);
    case 'optional':
    case 'repeat':
      return terminalsOf(pattern.part);
  }
}
