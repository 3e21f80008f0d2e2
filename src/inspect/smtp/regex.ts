// Regular expressions of `match sender-address regex`, compiled to one deterministic automaton, so that the data plane
// makes one table step an octet and keeps no text.
//
// The syntax is the ASA's: . * + ? | ( ) [ ] [^ ] ^ $ {n} {n,} {n,m} and \ before an octet; letters keep their case.  A pattern matches
// anywhere in the text unless ^ or $ says otherwise.  Left out: \x, \n classes, back references.

/** One automaton for several patterns: the step table, and per state the actions reached when the text ends there. */
export type Automaton = {
  /** next[state * 256 + octet]; state 0 is the start. */
  readonly next: Uint16Array;
  /** Highest action (ACTION_...) of the patterns that hold when the text ends in this state. */
  readonly action: Uint8Array;
};

type Node =
  | { readonly kind: 'set'; readonly set: Uint8Array }
  | { readonly kind: 'cat' | 'alt'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly least: number; readonly most: number }
  | { readonly kind: 'start' | 'end' };

const MAX_STATES = 2048;
const MAX_REPEAT = 255;

class Parser {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  parse(): Node {
    const node = this.alternatives();
    if (this.at < this.text.length) throw new Error(`regex ${this.text}: unexpected ${this.text[this.at]!}`);
    return node;
  }

  private alternatives(): Node {
    const parts = [this.sequence()];
    while (this.text[this.at] === '|') {
      this.at++;
      parts.push(this.sequence());
    }
    return parts.length === 1 ? parts[0]! : { kind: 'alt', parts };
  }

  private sequence(): Node {
    const parts: Node[] = [];
    while (this.at < this.text.length && this.text[this.at] !== '|' && this.text[this.at] !== ')') parts.push(this.repeated());
    return { kind: 'cat', parts };
  }

  private repeated(): Node {
    let node = this.atom();
    for (;;) {
      const c = this.text[this.at];
      if (c === '*') node = { kind: 'repeat', part: node, least: 0, most: -1 };
      else if (c === '+') node = { kind: 'repeat', part: node, least: 1, most: -1 };
      else if (c === '?') node = { kind: 'repeat', part: node, least: 0, most: 1 };
      else if (c === '{') {
        node = this.counted(node);
        continue;
      } else return node;
      this.at++;
    }
  }

  private counted(part: Node): Node {
    const found = /^\{(\d+)(,(\d*))?\}/.exec(this.text.slice(this.at));
    if (found === null) throw new Error(`regex ${this.text}: {`);
    this.at += found[0].length;
    const least = Number(found[1]);
    const most = found[2] === undefined ? least : found[3] === '' ? -1 : Number(found[3]);
    if (least > MAX_REPEAT || most > MAX_REPEAT) throw new Error(`regex ${this.text}: repeat above ${MAX_REPEAT}`);
    return { kind: 'repeat', part, least, most };
  }

  private atom(): Node {
    const c = this.text[this.at++]!;
    if (c === '(') {
      const node = this.alternatives();
      if (this.text[this.at++] !== ')') throw new Error(`regex ${this.text}: ) is missing`);
      return node;
    }
    if (c === '[') return this.octetClass();
    if (c === '.') return { kind: 'set', set: new Uint8Array(256).fill(1) };
    if (c === '^') return { kind: 'start' };
    if (c === '$') return { kind: 'end' };
    if (c === '*' || c === '+' || c === '?') throw new Error(`regex ${this.text}: nothing before ${c}`);
    return single(c === '\\' ? this.escaped() : c.charCodeAt(0));
  }

  private escaped(): number {
    if (this.at >= this.text.length) throw new Error(`regex ${this.text}: nothing behind \\`);
    return this.text.charCodeAt(this.at++);
  }

  private octetClass(): Node {
    const set = new Uint8Array(256);
    const not = this.text[this.at] === '^';
    if (not) this.at++;
    let first = true;
    while (first || this.text[this.at] !== ']') {
      if (this.at >= this.text.length) throw new Error(`regex ${this.text}: ] is missing`);
      first = false;
      const from = this.member();
      let to = from;
      if (this.text[this.at] === '-' && this.text[this.at + 1] !== ']' && this.at + 1 < this.text.length) {
        this.at++;
        to = this.member();
      }
      for (let octet = from; octet <= to; octet++) set[octet & 0xff] = 1;
    }
    this.at++;
    if (not) for (let octet = 0; octet < 256; octet++) set[octet]! ^= 1;
    return { kind: 'set', set };
  }

  private member(): number {
    const c = this.text[this.at++]!;
    return c === '\\' ? this.escaped() : c.charCodeAt(0);
  }
}

function single(octet: number): Node {
  const set = new Uint8Array(256);
  set[octet & 0xff] = 1;
  return { kind: 'set', set };
}

/** Thompson's construction: places with at most one octet step and any number of empty ones, some only at a border of the text. */
class Places {
  readonly set: (Uint8Array | null)[] = [];
  readonly to: number[] = [];
  readonly empty: number[][] = [];
  /** 0: always, 1: at the start of the text only, 2: at its end only. */
  readonly border: number[] = [];

  add(): number {
    this.set.push(null);
    this.to.push(-1);
    this.empty.push([]);
    this.border.push(0);
    return this.set.length - 1;
  }

  /** Builds `node` from place `from`; returns the place behind it. */
  build(node: Node, from: number): number {
    switch (node.kind) {
      case 'set': {
        const to = this.add();
        this.set[from] = node.set;
        this.to[from] = to;
        const behind = this.add();
        this.empty[to]!.push(behind);
        return behind;
      }
      case 'cat':
        return node.parts.reduce((at, part) => this.build(part, at), from);
      case 'alt': {
        const end = this.add();
        for (const part of node.parts) this.empty[this.build(part, this.branch(from))]!.push(end);
        return end;
      }
      case 'repeat':
        return this.repeat(node.part, node.least, node.most, from);
      default: {
        const gate = this.branch(from);
        this.border[gate] = node.kind === 'start' ? 1 : 2;
        return this.branch(gate);
      }
    }
  }

  private branch(from: number): number {
    const place = this.add();
    this.empty[from]!.push(place);
    return place;
  }

  private repeat(part: Node, least: number, most: number, from: number): number {
    let at = from;
    for (let i = 0; i < least; i++) at = this.build(part, at);
    if (most < 0) {
      const loop = this.branch(at);
      this.empty[this.build(part, this.branch(loop))]!.push(loop);
      return this.branch(loop);
    }
    const end = this.add();
    for (let i = least; i < most; i++) {
      this.empty[at]!.push(end);
      at = this.build(part, this.branch(at));
    }
    this.empty[at]!.push(end);
    return end;
  }

  /** Places reached from `from` without an octet; `atStart` and `atEnd` open the gates of ^ and $. */
  closure(from: readonly number[], atStart: boolean, atEnd: boolean): number[] {
    const seen = new Set<number>();
    const stack = [...from];
    while (stack.length > 0) {
      const place = stack.pop()!;
      if (seen.has(place)) continue;
      if (this.border[place] === 1 && !atStart) continue;
      if (this.border[place] === 2 && !atEnd) {
        // kept, so that the end of the text can still open it
        seen.add(place);
        continue;
      }
      seen.add(place);
      stack.push(...this.empty[place]!);
    }
    return [...seen].sort((a, b) => a - b);
  }
}

/** Compiles the patterns into one automaton.  Throws where a pattern is not understood or needs more than MAX_STATES states. */
export function compileRegex(patterns: readonly { readonly pattern: string; readonly not: boolean; readonly action: number }[]): Automaton {
  const places = new Places();
  const start = places.add();
  const ends = patterns.map(({ pattern }) => {
    const begin = places.add();
    places.empty[start]!.push(begin);
    return places.build(new Parser(pattern).parse(), begin);
  });
  const keys = new Map<string, number>();
  const states: { places: number[]; found: number }[] = [];
  const add = (reached: number[], found: number): number => {
    const key = `${reached.join()}/${found}`;
    const known = keys.get(key);
    if (known !== undefined) return known;
    if (states.length === MAX_STATES) throw new Error('regex: too complex');
    keys.set(key, states.length);
    states.push({ places: reached, found });
    return states.length - 1;
  };
  // a pattern that ended once has matched, whatever follows
  const endedIn = (reached: readonly number[], found: number): number =>
    ends.reduce((set, end, i) => (reached.includes(end) ? set | (1 << i) : set), found);
  const first = places.closure([start], true, false);
  add(first, endedIn(first, 0));
  const rows: number[] = [];
  for (let state = 0; state < states.length; state++) {
    const { places: from, found } = states[state]!;
    for (let octet = 0; octet < 256; octet++) {
      const moved = from.filter((place) => places.set[place]?.[octet] === 1).map((place) => places.to[place]!);
      const reached = places.closure([...moved, start], false, false);
      rows.push(add(reached, endedIn(reached, found)));
    }
  }
  const action = states.map(({ places: reached, found }, state) => {
    const atEnd = endedIn(places.closure(reached, state === 0, true), found);
    return patterns.reduce((most, { not, action: wanted }, i) => (((atEnd & (1 << i)) !== 0) !== not ? Math.max(most, wanted) : most), 0);
  });
  return { next: Uint16Array.from(rows), action: Uint8Array.from(action) };
}
