// The kinds of argument that commands take: each reads one word (a line: all that are left) and says how `?` shows it.

import { formatAddress, maskOf, parseAddress, parseMac, prefixLengthOf } from './address.ts';
import { matchInterfaceName } from './interface-name.ts';
import { restOfLine } from './lexer.ts';
import type { Argument, Pattern, Value } from './pattern.ts';
import type { ArgumentType } from './syntax.ts';

type ReadWord = (text: string) => { value: Value; text: string } | undefined;

function oneWord(label: string, help: string, read: ReadWord, free = false): ArgumentType {
  return (name): Argument => ({
    kind: 'argument',
    name,
    label,
    help,
    free,
    read(lexed, at) {
      const reading = read(lexed.tokens[at]!.text);
      return reading === undefined ? undefined : { ...reading, words: 1 };
    },
  });
}

/** A decimal number of [least, most]. */
export function number(least: number, most: number, help: string): ArgumentType {
  return oneWord(`<${least}-${most}>`, help, (text) => {
    if (!/^\d{1,10}$/.test(text)) return undefined;
    const value = Number(text);
    return value >= least && value <= most ? { value, text: String(value) } : undefined;
  });
}

/** An IPv4 address, as int32. */
export function address(help: string): ArgumentType {
  return oneWord('A.B.C.D', help, (text) => {
    const value = parseAddress(text);
    return value === undefined ? undefined : { value, text: formatAddress(value) };
  });
}

/** An IPv4 mask with contiguous ones, as int32. */
export function mask(help: string): ArgumentType {
  return oneWord('A.B.C.D', help, (text) => {
    const value = parseAddress(text);
    return value === undefined || prefixLengthOf(value) === undefined ? undefined : { value, text: formatAddress(value) };
  });
}

/** `/24`, as the mask. */
export function slashLength(help: string): ArgumentType {
  return oneWord('/nn', help, (text) => {
    const length = /^\/\d{1,2}$/.test(text) ? Number(text.slice(1)) : 33;
    return length > 32 ? undefined : { value: maskOf(length), text };
  });
}

/** A MAC address in the form H.H.H. */
export function mac(help: string): ArgumentType {
  return oneWord('H.H.H', help, (text) => {
    const value = parseMac(text);
    return value === undefined ? undefined : { value, text: value };
  });
}

/** Any one word; case is kept. */
export function word(help: string): ArgumentType {
  return oneWord('WORD', help, (text) => (/^[^\s"]+$/.test(text) ? { value: text, text } : undefined), true);
}

/** A word of a certain form, with a label of its own. */
export function wordLike(label: string, form: RegExp, help: string): ArgumentType {
  return oneWord(label, help, (text) => (form.test(text) ? { value: text, text } : undefined));
}

/** A word, in quotes when it holds blanks; a quote inside is not possible. */
export function quoted(help: string): ArgumentType {
  return oneWord('WORD', help, (text) => ({ value: text, text: `"${text}"` }), true);
}

/** The rest of the line as it was written. */
export function line(help: string): ArgumentType {
  return (name): Argument => ({
    kind: 'argument',
    name,
    label: 'LINE',
    help,
    free: true,
    read(lexed, at) {
      const text = restOfLine(lexed, at);
      return { value: text, words: lexed.tokens.length - at, text };
    },
  });
}

/** An interface name: `Ethernet2/0`, `eth2/0`, `Ethernet 2/0`; the value is the name in full. */
export function interfaceName(help: string): ArgumentType {
  return (name): Argument => ({
    kind: 'argument',
    name,
    label: 'INTERFACE',
    help,
    free: false,
    read(lexed, at) {
      const first = lexed.tokens[at]!.text;
      const joined = matchInterfaceName(first + (lexed.tokens[at + 1]?.text ?? ''));
      const whole = matchInterfaceName(first);
      if (whole !== undefined) return { value: whole, words: 1, text: whole };
      return joined === undefined || !/^[a-z]+$/i.test(first) ? undefined : { value: joined, words: 2, text: joined };
    },
  });
}

/** One of several keywords, each with its help text; the value is the keyword, or what `values` says. */
export function oneOf(words: Readonly<Record<string, string>>, values?: Readonly<Record<string, Value>>): ArgumentType {
  return (name): Pattern => ({
    kind: 'choice',
    options: Object.entries(words).map(([keyword, help]) => ({
      kind: 'keyword',
      word: keyword,
      help,
      name,
      value: values?.[keyword] ?? keyword,
    })),
  });
}

/** Any of several kinds of argument under one name. */
export function either(...types: readonly ArgumentType[]): ArgumentType {
  return (name): Pattern => ({ kind: 'choice', options: types.map((type) => type(name)) });
}
