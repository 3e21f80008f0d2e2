// `?` and the tab key, out of the same patterns that parse.

import { lex } from './lexer.ts';
import { begin, walk, type Failure, type Matchable } from './match.ts';
import { expand, type Terminal } from './pattern.ts';

/** What may stand at the end of a partly typed line. */
export interface Continuation {
  /** Words that may come, each once, in the order of `?`; an argument by its label. */
  readonly words: readonly { readonly word: string; readonly help: string; readonly keyword: boolean }[];
  /** The command may end here. */
  readonly mayEnd: boolean;
  /** Column of the word being typed, or the end of the line behind a blank. */
  readonly column: number;
  /** The beginning of the word that is being typed; empty behind a blank. */
  readonly partial: string;
}

/** What may come at the end of `line`: the word being typed when it ends in no blank, else the next one. */
export function continuation<C extends Matchable>(line: string, commands: readonly C[]): Continuation | Failure {
  const lexed = lex(line);
  const behindBlank = line === '' || /[ \t]$/.test(line);
  const typed = behindBlank ? undefined : lexed.tokens.at(-1);
  const walked = walk(lexed, lexed.tokens.length - (typed === undefined ? 0 : 1), begin(commands));
  if ('kind' in walked) return walked;

  const partial = typed?.text ?? '';
  const expansions = walked.threads.map((thread) => expand(thread.rest));
  const terminals = expansions.flatMap((expansion) => expansion.steps.map((step) => step.terminal));
  return {
    words: distinct(terminals.filter((terminal) => fits(terminal, partial))),
    mayEnd: partial === '' && lexed.tokens.length > 0 && expansions.some((expansion) => expansion.mayEnd),
    column: typed?.column ?? line.length,
    partial,
  };
}

function fits(terminal: Terminal, partial: string): boolean {
  if (partial === '') return true;
  return terminal.kind === 'keyword' && terminal.word.toLowerCase().startsWith(partial.toLowerCase());
}

function distinct(terminals: readonly Terminal[]): Continuation['words'] {
  const words = new Map<string, { word: string; help: string; keyword: boolean }>();
  for (const terminal of terminals) {
    const word = terminal.kind === 'keyword' ? terminal.word : terminal.label;
    if (!words.has(word)) words.set(word, { word, help: terminal.help, keyword: terminal.kind === 'keyword' });
  }
  return [...words.values()].sort((a, b) => (a.word < b.word ? -1 : 1));
}

/**
 * Text of `?` at the end of `line`: `ip ins?` lists the words that begin so, `ip ?` explains each word that may come.
 * Without the line itself; ends in a line feed.
 */
export function helpText<C extends Matchable>(line: string, commands: readonly C[]): string {
  const found = continuation(line, commands);
  if ('kind' in found) return '% Unrecognized command\n';
  if (found.partial !== '') {
    const words = found.words.map((entry) => entry.word);
    return words.length === 0 ? '% Unrecognized command\n' : `${words.join('  ')}\n`;
  }
  const width = Math.max(0, ...found.words.map((entry) => entry.word.length));
  const lines = found.words.map((entry) => `  ${entry.word.padEnd(width)}  ${entry.help}`);
  if (found.mayEnd) lines.push('  <cr>');
  return `${lines.join('\n')}\n`;
}

/** `line` after the tab key: the word being typed in full when only one keyword fits, else as far as all that fit agree. */
export function complete<C extends Matchable>(line: string, commands: readonly C[]): string {
  const found = continuation(line, commands);
  if ('kind' in found || found.partial === '') return line;
  const words = found.words.filter((entry) => entry.keyword).map((entry) => entry.word);
  if (words.length === 0) return line;
  if (words.length === 1) return `${line.slice(0, found.column)}${words[0]!} `;
  const shared = commonPrefix(words);
  return shared.length > found.partial.length ? line.slice(0, found.column) + shared : line;
}

function commonPrefix(words: readonly string[]): string {
  let length = 0;
  while (words.every((word) => word[length] !== undefined && word[length] === words[0]![length])) length++;
  return words[0]!.slice(0, length);
}
