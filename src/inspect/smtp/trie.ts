// Tries over ASCII words, letters without case, as tables that the data plane walks octet by octet.
//
// Node 0 is "no word begins so", node 1 the root.  `under` says which words can still be reached from a node, as a set of
// bits by word number: a prefix is alive exactly when that set meets the set of words that are allowed at the moment.
// Built when a policy is compiled; nothing here runs per octet but the three array reads of the callers.

/** Column of an octet in `next`; 0: in no word. */
export const FOLD: Uint8Array = foldTable();
/** Columns of a node. */
export const COLUMNS = 42;
export const ROOT = 1;

export type Trie = {
  /** next[node * COLUMNS + FOLD[octet]] */
  readonly next: Uint8Array;
  /** Set of the words at or below a node: bit by word number. */
  readonly under: Int32Array;
  /** Number of the word that ends at a node, -1: none. */
  readonly word: Int8Array;
};

/** A word and its number, 0..30. */
export type Word = readonly [text: string, number: number];

/** Most nodes that fit a trie: numbers are octets. */
export const MAX_NODES = 256;

function foldTable(): Uint8Array {
  const fold = new Uint8Array(256);
  for (let i = 0; i < 26; i++) {
    fold[0x41 + i] = 1 + i;
    fold[0x61 + i] = 1 + i;
  }
  for (let i = 0; i < 10; i++) fold[0x30 + i] = 27 + i;
  fold[0x2d] = 37;
  fold[0x2e] = 38;
  fold[0x5f] = 39;
  fold[0x0d] = 40;
  fold[0x0a] = 41;
  return fold;
}

/**
 * The trie of `words`, nodes numbered breadth first in the order of the words.  `first` words without a number (an
 * empty text, or of octets that no caller feeds) only take up the numbers that their nodes would have.  `extra` words
 * get their nodes behind all of `words`.
 * Throws when more than MAX_NODES nodes are needed.
 */
export function buildTrie(words: readonly Word[], extra: readonly Word[] = []): Trie {
  const next = new Uint8Array(MAX_NODES * COLUMNS);
  const under = new Int32Array(MAX_NODES);
  const word = new Int8Array(MAX_NODES).fill(-1);
  let nodes = ROOT + 1;
  const addLevel = (list: readonly Word[], depth: number): void => {
    for (const [text] of list) {
      if (text.length < depth) continue;
      let node = ROOT;
      for (let i = 0; i < depth - 1; i++) node = next[node * COLUMNS + FOLD[text.charCodeAt(i)]!]!;
      const at = node * COLUMNS + FOLD[text.charCodeAt(depth - 1)]!;
      if (next[at] !== 0) continue;
      if (nodes === MAX_NODES) throw new RangeError('too many words');
      next[at] = nodes++;
    }
  };
  for (const list of [words, extra]) {
    const longest = list.reduce((most, [text]) => Math.max(most, text.length), 0);
    for (let depth = 1; depth <= longest; depth++) addLevel(list, depth);
    for (const [text, number] of list) markWord(next, under, word, text, number);
  }
  return { next: next.slice(0, nodes * COLUMNS), under: under.slice(0, nodes), word: word.slice(0, nodes) };
}

function markWord(next: Uint8Array, under: Int32Array, word: Int8Array, text: string, number: number): void {
  if (number < 0) return;
  let node = ROOT;
  under[node]! |= 1 << number;
  for (let i = 0; i < text.length; i++) {
    node = next[node * COLUMNS + FOLD[text.charCodeAt(i)]!]!;
    under[node]! |= 1 << number;
  }
  word[node] = number;
}
