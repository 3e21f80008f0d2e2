// The notation of command references, compiled to patterns:
//
//   word            a keyword; its help text is looked up in the family's words
//   NAME            an argument, looked up in the family's arguments
//   [a]  {a | b}    optional, choice
//   a || b          any of them, each at most once, in any order
//   a...            one or more
//
// Binding, tightest first: `...`, juxtaposition, `||`, `|`.  Compiled once at start; a fault in a syntax text throws there.

import type { Pattern } from './pattern.ts';

/** Makes the pattern of an argument that is recorded as `name`. */
export type ArgumentType = (name: string) => Pattern;

export interface Vocabulary {
  /** Help text of each keyword. */
  readonly words: Readonly<Record<string, string>>;
  readonly arguments: Readonly<Record<string, ArgumentType>>;
}

/** Compiles `text`; throws on unbalanced brackets, an unknown argument or a keyword without help text. */
export function compileSyntax(text: string, vocabulary: Vocabulary): Pattern {
  const reader = new Reader(text, vocabulary);
  const pattern = reader.choice();
  if (!reader.atEnd()) throw new Error(`syntax: unexpected "${reader.peek()}" in "${text}"`);
  return pattern;
}

class Reader {
  private readonly parts: string[];
  private at = 0;
  private readonly text: string;
  private readonly vocabulary: Vocabulary;

  constructor(text: string, vocabulary: Vocabulary) {
    this.text = text;
    this.vocabulary = vocabulary;
    this.parts = text.match(/\|\||[[\]{}|]|\.\.\.|(?:(?!\.\.\.)[^\s[\]{}|])+/g) ?? [];
  }

  atEnd(): boolean {
    return this.at === this.parts.length;
  }

  peek(): string {
    return this.parts[this.at] ?? '';
  }

  choice(): Pattern {
    const options = [this.anyOrder()];
    while (this.take('|')) options.push(this.anyOrder());
    return options.length === 1 ? options[0]! : { kind: 'choice', options };
  }

  private anyOrder(): Pattern {
    const parts = [this.sequence()];
    while (this.take('||')) parts.push(this.sequence());
    return parts.length === 1 ? parts[0]! : { kind: 'anyOrder', parts, least: 1 };
  }

  private sequence(): Pattern {
    const parts: Pattern[] = [];
    while (!this.atEnd() && !['|', '||', ']', '}'].includes(this.peek())) parts.push(this.item());
    if (parts.length === 0) throw new Error(`syntax: nothing at part ${this.at} of "${this.text}"`);
    return parts.length === 1 ? parts[0]! : { kind: 'sequence', parts };
  }

  private item(): Pattern {
    const part = this.simple();
    return this.take('...') ? { kind: 'repeat', part } : part;
  }

  private simple(): Pattern {
    if (this.take('[')) return { kind: 'optional', part: this.closed(']') };
    if (this.take('{')) return this.closed('}');
    return this.word(this.parts[this.at++]!);
  }

  private closed(bracket: string): Pattern {
    const part = this.choice();
    if (!this.take(bracket)) throw new Error(`syntax: "${bracket}" missing in "${this.text}"`);
    return part;
  }

  private word(word: string): Pattern {
    const argument = this.vocabulary.arguments[word];
    if (argument !== undefined) return argument(word);
    const help = this.vocabulary.words[word];
    if (help === undefined) throw new Error(`syntax: no help text for "${word}" of "${this.text}"`);
    return { kind: 'keyword', word, help, name: word, value: true };
  }

  private take(part: string): boolean {
    if (this.parts[this.at] !== part) return false;
    this.at++;
    return true;
  }
}
