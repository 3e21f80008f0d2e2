// Splits a line into words with their columns.
//
// A blank or tab separates words.  `!` at the beginning of a word opens a comment up to the end of the line; inside a word
// and inside quotes it is an ordinary character.  A word that begins with `"` runs to the closing quote, if there is one.

export interface Token {
  /** Without the quotes. */
  readonly text: string;
  /** Column of its first character in the line, from 0. */
  readonly column: number;
  /** Column behind its last character. */
  readonly end: number;
  readonly quoted: boolean;
}

/** A line cut into words. */
export interface LexedLine {
  readonly line: string;
  readonly tokens: readonly Token[];
}

const BLANK = /[ \t]/;

/** Words of `line`, in order; never fails. */
export function lex(line: string): LexedLine {
  const tokens: Token[] = [];
  let at = 0;
  while (at < line.length) {
    if (BLANK.test(line[at]!)) {
      at++;
      continue;
    }
    if (line[at] === '!') break;
    const token = readToken(line, at);
    tokens.push(token);
    at = token.end;
  }
  return { line, tokens };
}

function readToken(line: string, column: number): Token {
  const closing = line[column] === '"' ? line.indexOf('"', column + 1) : -1;
  if (closing >= 0) return { text: line.slice(column + 1, closing), column, end: closing + 1, quoted: true };
  let end = column + 1;
  while (end < line.length && !BLANK.test(line[end]!)) end++;
  return { text: line.slice(column, end), column, end, quoted: false };
}

/** The line from word `at` to its last word, as written. */
export function restOfLine(lexed: LexedLine, at: number): string {
  const first = lexed.tokens[at];
  return first === undefined ? '' : lexed.line.slice(first.column, lexed.tokens.at(-1)!.end);
}
