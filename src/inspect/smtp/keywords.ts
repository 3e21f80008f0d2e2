// EHLO keywords, their numbers, and the verbs that need one of them to be visible to the client.

import { buildTrie, type Trie, type Word } from './trie.ts';
import { AUTH, BDAT, ETRN, FIRST_EXTENSION, LAST_EXTENSION, STARTTLS } from './verbs.ts';

export const K_SIZE = 0;
export const K_8BITMIME = 1;
export const K_PIPELINING = 2;
export const K_DSN = 3;
export const K_ETRN = 4;
export const K_AUTH = 5;
export const K_ENHANCEDSTATUSCODES = 6;
export const K_VRFY = 7;
export const K_CHECKPOINT = 8;
export const K_STARTTLS = 9;
export const K_CHUNKING = 10;
export const K_BINARYMIME = 11;
export const K_SMTPUTF8 = 12;
export const K_DELIVERBY = 13;
export const K_MT_PRIORITY = 14;
export const K_FUTURERELEASE = 15;
export const K_REQUIRETLS = 16;
export const K_LIMITS = 17;
/** Keywords of `extension KEYWORD` that are not in this list. */
export const FIRST_KEYWORD = 18;
export const MAX_EXTENSIONS = LAST_EXTENSION - FIRST_EXTENSION + 1;

export const KEYWORDS: readonly string[] = [
  'SIZE',
  '8BITMIME',
  'PIPELINING',
  'DSN',
  'ETRN',
  'AUTH',
  'ENHANCEDSTATUSCODES',
  'VRFY',
  'CHECKPOINT',
  'STARTTLS',
  'CHUNKING',
  'BINARYMIME',
  'SMTPUTF8',
  'DELIVERBY',
  'MT-PRIORITY',
  'FUTURERELEASE',
  'REQUIRETLS',
  'LIMITS',
];

/** Keywords that pass in `esmtp` without being named in the policy. */
export const DEFAULT_KEYWORDS = (1 << (K_CHECKPOINT + 1)) - 1;

/** The trie of all keywords; `extensions` are those of the policy that are not in KEYWORDS, at most MAX_EXTENSIONS. */
export function keywordTrie(extensions: readonly string[]): Trie {
  const words: Word[] = KEYWORDS.map((keyword, i): Word => [keyword, i]);
  extensions.forEach((keyword, i) => {
    words.push([keyword, FIRST_KEYWORD + i]);
  });
  return buildTrie(words);
}

/** Of the verbs in `verbs` those whose keyword, where they need one, is in `visible`. */
export function usableVerbs(verbs: number, visible: number): number {
  let usable = verbs;
  if ((visible & (1 << K_ETRN)) === 0) usable &= ~(1 << ETRN);
  if ((visible & (1 << K_AUTH)) === 0) usable &= ~(1 << AUTH);
  if ((visible & (1 << K_CHUNKING)) === 0) usable &= ~(1 << BDAT);
  if ((visible & (1 << K_STARTTLS)) === 0) usable &= ~(1 << STARTTLS);
  // an extension keyword stands FIRST_EXTENSION - FIRST_KEYWORD bits below its verb
  const offered = (visible >>> FIRST_KEYWORD) << FIRST_EXTENSION;
  return usable & (((1 << FIRST_EXTENSION) - 1) | offered);
}
