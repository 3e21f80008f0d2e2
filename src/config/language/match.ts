// Matches the words of a line against a set of commands, one word after the other over all of them at once.
//
// A keyword may be cut to any prefix that no other keyword possible at that place shares; case does not matter.  Written
// in full it wins over cut ones.  Where a name of one's own choosing may stand as well, keywords count only in full, and
// a name that is spelt like one (`ip access-group in in`) is told apart by the words behind it.

import { Args } from './args.ts';
import type { LexedLine } from './lexer.ts';
import { expand, type Argument, type Keyword, type Pattern, type Reading, type Stack, type Step, type Value } from './pattern.ts';

/** What was recorded on the way, last first. */
interface Capture {
  readonly name: string;
  readonly value: Value;
  readonly text: string;
  readonly before: Capture | null;
}

/** One reading of the words so far. */
export interface Thread<C> {
  readonly command: C;
  readonly rest: Stack;
  readonly captures: Capture | null;
}

export type Failure =
  /** Column of the first word that nothing accepts. */
  | { readonly kind: 'invalid'; readonly column: number }
  | { readonly kind: 'incomplete'; readonly column: number }
  | { readonly kind: 'ambiguous'; readonly column: number };

export type Match<C> = { readonly kind: 'matched'; readonly command: C; readonly args: Args } | Failure;

/** A command as match() wants it. */
export interface Matchable {
  readonly pattern: Pattern;
}

/** The readings before the first word. */
export function begin<C extends Matchable>(commands: readonly C[]): Thread<C>[] {
  return commands.map((command) => ({ command, rest: { head: command.pattern, tail: null }, captures: null }));
}

/** The command that the whole line is, or where it fails. */
export function match<C extends Matchable>(lexed: LexedLine, commands: readonly C[]): Match<C> {
  const walked = walk(lexed, lexed.tokens.length, begin(commands));
  if ('kind' in walked) return walked;
  const complete = walked.threads.find((thread) => expand(thread.rest).mayEnd);
  if (complete === undefined) return { kind: 'incomplete', column: lexed.tokens.at(-1)?.end ?? 0 };
  return { kind: 'matched', command: complete.command, args: argsOf(complete.captures) };
}

/** The readings behind the first `count` words, or the first word that fails. */
export function walk<C>(lexed: LexedLine, count: number, from: readonly Thread<C>[]): { threads: Thread<C>[] } | Failure {
  let threads = [...from];
  for (let at = 0; at < count; ) {
    const taken = takeWord(lexed, at, threads);
    if ('kind' in taken) return taken;
    threads = taken.threads;
    at += taken.words;
  }
  return { threads };
}

interface Candidate<C> {
  readonly thread: Thread<C>;
  readonly step: Step;
}

function takeWord<C>(lexed: LexedLine, at: number, threads: readonly Thread<C>[]): { threads: Thread<C>[]; words: number } | Failure {
  const token = lexed.tokens[at]!;
  const candidates = threads.flatMap((thread) => expand(thread.rest).steps.map((step): Candidate<C> => ({ thread, step })));
  const word = token.quoted ? undefined : token.text.toLowerCase();
  const keywords = keywordsFor(word, candidates);
  const readings = readArguments(lexed, at, candidates);
  if (keywords.exact.length > 0) {
    const names = readings.filter((reading) => reading.argument.free && reading.reading.words === 1);
    return { threads: [...keywords.exact, ...names.map((reading) => reading.thread)], words: 1 };
  }
  const free = readings.some((reading) => reading.argument.free);
  if (!free && keywords.words.size === 1) return { threads: keywords.prefixed, words: 1 };
  if (readings.length > 0) return longestReadings(readings);
  return { kind: keywords.words.size > 1 ? 'ambiguous' : 'invalid', column: token.column };
}

interface KeywordMatches<C> {
  readonly exact: Thread<C>[];
  readonly prefixed: Thread<C>[];
  readonly words: Set<string>;
}

function keywordsFor<C>(word: string | undefined, candidates: readonly Candidate<C>[]): KeywordMatches<C> {
  const found: KeywordMatches<C> = { exact: [], prefixed: [], words: new Set() };
  if (word === undefined) return found;
  for (const { thread, step } of candidates) {
    if (step.terminal.kind !== 'keyword') continue;
    const keyword = step.terminal.word.toLowerCase();
    if (!keyword.startsWith(word)) continue;
    const next = afterKeyword(thread, step.terminal, step.rest);
    found.words.add(keyword);
    found.prefixed.push(next);
    if (keyword === word) found.exact.push(next);
  }
  return found;
}

function afterKeyword<C>(thread: Thread<C>, keyword: Keyword, rest: Stack): Thread<C> {
  const captures = { name: keyword.name, value: keyword.value, text: keyword.word, before: thread.captures };
  return { command: thread.command, rest, captures };
}

interface ArgumentReading<C> {
  readonly argument: Argument;
  readonly reading: Reading;
  readonly thread: Thread<C>;
}

function readArguments<C>(lexed: LexedLine, at: number, candidates: readonly Candidate<C>[]): ArgumentReading<C>[] {
  const readings: ArgumentReading<C>[] = [];
  for (const { thread, step } of candidates) {
    if (step.terminal.kind !== 'argument') continue;
    const reading = step.terminal.read(lexed, at);
    if (reading === undefined) continue;
    const captures = { name: step.terminal.name, value: reading.value, text: reading.text, before: thread.captures };
    readings.push({ argument: step.terminal, reading, thread: { command: thread.command, rest: step.rest, captures } });
  }
  return readings;
}

function longestReadings<C>(readings: readonly ArgumentReading<C>[]): { threads: Thread<C>[]; words: number } {
  const words = Math.max(...readings.map((reading) => reading.reading.words));
  return { threads: readings.filter((reading) => reading.reading.words === words).map((reading) => reading.thread), words };
}

function argsOf(captures: Capture | null): Args {
  const list: Capture[] = [];
  for (let at = captures; at !== null; at = at.before) list.unshift(at);
  const values = new Map<string, Value[]>();
  for (const { name, value } of list) {
    const seen = values.get(name);
    if (seen === undefined) values.set(name, [value]);
    else seen.push(value);
  }
  return new Args(list.map((capture) => capture.text).join(' '), values);
}
