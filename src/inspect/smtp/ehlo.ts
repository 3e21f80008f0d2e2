// The lines of an EHLO reply (RFC 5321 4.1.1.1): keywords that the policy does not let through become `x`, with their
// parameters; the others are what the client may use from here on.  The first line is the greeting, not a keyword.

import { SMTP_MASKED_REPLIES } from '../../telemetry/counters.ts';
import { EHLO_MASKED, ESMTP_POLICY_LOG, ESMTP_POLICY_RESET } from '../../telemetry/reasons.ts';
import { ACTION_LOG, ACTION_RESET } from './declare.ts';
import { K_AUTH } from './keywords.ts';
import { CR, HT, SP } from './phase.ts';
import { OFFERED, REPLY, REPLY_CONTROL, REPLY_CR, REPLY_KEYWORD, REPLY_NODE, REPLY_START } from './state.ts';
import { COLUMNS, FOLD } from './trie.ts';
import type { Turn } from './turn.ts';

const MASK = 0x78;
const EQUALS = 0x3d;

/** Octets [from, end) behind the code and its separator: walks the keyword, looks for control characters behind it. */
export function keywordOctets(turn: Turn, from: number, end: number): void {
  const { words, at, octets, policy } = turn;
  const trie = policy.keywordTrie;
  let reply = words[at + REPLY]!;
  let node = words[at + REPLY_NODE]!;
  for (let i = from; i < end; i++) {
    const c = octets[i]!;
    if ((reply & REPLY_CR) !== 0) reply |= REPLY_CONTROL;
    reply = c === CR ? reply | REPLY_CR : reply & ~REPLY_CR;
    if (c === CR) continue;
    if (c === 0x7f || (c < SP && c !== HT)) reply |= REPLY_CONTROL;
    if ((reply & REPLY_KEYWORD) !== 0) continue;
    // older servers write AUTH=LOGIN
    if (c === SP || (c === EQUALS && trie.word[node] === K_AUTH)) reply |= REPLY_KEYWORD;
    else node = trie.next[node * COLUMNS + FOLD[c]!]!;
  }
  words[at + REPLY] = reply;
  words[at + REPLY_NODE] = node;
}

/** A line with `content` octets before its line end is complete: masks it, or counts its keyword as offered. */
export function ehloLine(turn: Turn, from: number, end: number, content: number): void {
  const { words, at, policy, out, counters } = turn;
  if (content <= 4) return;
  const keyword = policy.keywordTrie.word[words[at + REPLY_NODE]!]!;
  const known = keyword >= 0;
  const action = known ? knownAction(turn, keyword) : policy.otherAction;
  if (action === ACTION_RESET) {
    turn.reset(ESMTP_POLICY_RESET, 0, from, end);
    return;
  }
  if (action === ACTION_LOG) turn.event(ESMTP_POLICY_LOG, 0, from, end);
  const passes = (known ? ((policy.keywords >>> keyword) & 1) === 1 : policy.passOthers) && (words[at + REPLY]! & REPLY_CONTROL) === 0;
  if (passes) {
    if (known) words[at + OFFERED]! |= 1 << keyword;
    return;
  }
  const start = words[at + REPLY_START]!;
  out.edit((start + 4) | 0, (start + content) | 0, MASK);
  counters[SMTP_MASKED_REPLIES]!++;
  turn.event(EHLO_MASKED, content - 4, from, end);
}

function knownAction(turn: Turn, keyword: number): number {
  const { policy } = turn;
  if (((policy.resetKeywords >>> keyword) & 1) === 1) return ACTION_RESET;
  return ((policy.loggedKeywords >>> keyword) & 1) === 1 ? ACTION_LOG : 0;
}
