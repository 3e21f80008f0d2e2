// Lines drawn from the grammar itself: a random walk through the pattern of a command.

import { lex } from '../../src/config/language/lexer.ts';
import type { Argument, Pattern } from '../../src/config/language/pattern.ts';

/** A number of [0, below). */
export type Draw = (below: number) => number;

const WORDS = ['alpha', 'B2', 'c', '12.3', 'x-1', 'in', 'log'];
const TEXTS = ['7 0A1B2C', 'some text: with "quotes" and, marks', 'one'];
const ADDRESSES = ['10.1.2.3', '172.16.0.0', '192.0.2.255', '0.0.0.0', '255.255.255.255', '10.0.0.0'];
const MASKS = ['255.255.255.0', '255.0.0.0', '0.0.0.255', '0.255.0.255', '255.255.255.252', '0.0.0.0', '255.255.255.255'];

/** One line of a command, every word as a user may write it. */
export function sampleLine(pattern: Pattern, draw: Draw): string {
  return samplePattern(pattern, draw).join(' ');
}

function samplePattern(pattern: Pattern, draw: Draw): string[] {
  switch (pattern.kind) {
    case 'keyword':
      return [draw(4) === 0 ? pattern.word.toUpperCase() : pattern.word];
    case 'argument':
      return [sampleArgument(pattern, draw)];
    case 'sequence':
      return pattern.parts.flatMap((part) => samplePattern(part, draw));
    case 'choice':
      return samplePattern(pattern.options[draw(pattern.options.length)]!, draw);
    case 'optional':
      return draw(2) === 0 ? [] : samplePattern(pattern.part, draw);
    case 'repeat':
      return Array.from({ length: 1 + draw(3) }, () => samplePattern(pattern.part, draw)).flat();
    case 'anyOrder': {
      const parts = shuffled(pattern.parts, draw).slice(0, Math.max(1, draw(pattern.parts.length + 1)));
      return parts.flatMap((part) => samplePattern(part, draw));
    }
  }
}

function shuffled<T>(list: readonly T[], draw: Draw): T[] {
  const rest = [...list];
  return list.map(() => rest.splice(draw(rest.length), 1)[0]!);
}

function sampleArgument(argument: Argument, draw: Draw): string {
  const fits = candidates(argument.label).filter((text) => argument.read(lex(text), 0) !== undefined);
  return fits[draw(fits.length)]!;
}

function candidates(label: string): string[] {
  const range = /^<(\d+)-(\d+)>$/.exec(label);
  if (range !== null) {
    const [least, most] = [Number(range[1]), Number(range[2])];
    return [least, most, Math.floor((least + most) / 2), Math.min(most, least + 1)].map(String);
  }
  switch (label) {
    case 'A.B.C.D':
      return [...ADDRESSES, ...MASKS];
    case 'H.H.H':
      return ['0200.0000.0110', '02.3.4', '0A00.2B00.00FF'];
    case 'INTERFACE':
      return ['Ethernet2/0', 'e1', 'Ethernet 0', 'BVI1', 'fast0/1'];
    case 'LINE':
      return TEXTS;
    default:
      return [...WORDS, '0x0800', '0x0', '+syn', '-ack', '+FIN', '1/0', '3/0/1', '/24', '/8', '1A2B', '"quoted words"', '8:00', '23:59'];
  }
}
