// What a matched command said, by name: a keyword under itself (`log`), an argument under its name in the syntax (`SECONDS`).

import type { Value } from './pattern.ts';

export class Args {
  /** The command with every keyword in full and every argument as the running-config writes it. */
  readonly line: string;
  private readonly values: ReadonlyMap<string, readonly Value[]>;

  constructor(line: string, values: ReadonlyMap<string, readonly Value[]>) {
    this.line = line;
    this.values = values;
  }

  has(name: string): boolean {
    return this.values.has(name);
  }

  /** All values of a repeated argument, in order. */
  all(name: string): readonly Value[] {
    return this.values.get(name) ?? [];
  }

  /** A text that the syntax guarantees; throws otherwise, which is a fault in the grammar. */
  text(name: string): string {
    return String(this.get(name));
  }

  /** A number that the syntax guarantees; throws otherwise, which is a fault in the grammar. */
  number(name: string): number {
    return Number(this.get(name));
  }

  maybeText(name: string): string | undefined {
    return this.has(name) ? this.text(name) : undefined;
  }

  maybeNumber(name: string): number | undefined {
    return this.has(name) ? this.number(name) : undefined;
  }

  private get(name: string): Value {
    const value = this.values.get(name)?.[0];
    if (value === undefined) throw new Error(`the syntax has no ${name}`);
    return value;
  }
}
