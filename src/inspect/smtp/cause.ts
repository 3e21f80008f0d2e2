// What the violation of a line is called: the earliest cause, in the order of checks, among the octets that were seen when
// it is logged.  The automaton stops at the first octet that no legal line can have; a NUL behind it names the line all
// the same.

import {
  ADDR_EXPANSION,
  AUTH_SYNTAX,
  CMD_8BIT,
  CMD_BARE_NEWLINE,
  CMD_CONTROL_CHAR,
  CMD_ILLEGAL,
  CMD_SYNTAX,
} from '../../telemetry/reasons.ts';
import { nameParameter } from './parameters.ts';
import {
  CR,
  fault,
  HT,
  LF,
  PHASE_VERB,
  RANK_8BIT,
  RANK_ADDRESS,
  RANK_CONTROL,
  RANK_EXPANSION,
  RANK_NEWLINE,
  RANK_TAB,
  RANK_VERB,
  SP,
} from './phase.ts';
import { FAULT, LINE, LINE_DOLLAR, LINE_LOGGED, LINE_TAB, LINE_UTF8, MODE, MODE_SASL, PHASE, RANK, UTF8 } from './state.ts';
import type { Turn } from './turn.ts';
import { UTF8_VALID, utf8Next } from './utf8.ts';

/** Looks in the octets behind the violation, up to index `end`, for a cause that stands earlier in the order of checks. */
export function nameRest(turn: Turn, end: number, complete: boolean): void {
  const { words, at, octets } = turn;
  if ((words[at + LINE]! & LINE_LOGGED) !== 0) return;
  if (words[at + MODE] === MODE_SASL) {
    words[at + FAULT] = AUTH_SYNTAX;
    return;
  }
  const from = turn.faultAt >= 0 ? turn.faultAt : turn.portion;
  if (turn.faultAt >= 0) words[at + FAULT] = nameParameter(turn, from, end, words[at + FAULT]!);
  const line = words[at + LINE]!;
  const envelope = words[at + RANK]! >= RANK_ADDRESS;
  let sequence = words[at + UTF8]!;
  let tab = (line & LINE_TAB) !== 0 && words[at + RANK] === RANK_TAB;
  let dollar = envelope && (line & LINE_DOLLAR) !== 0;
  for (let i = from; i < end; i++) {
    const c = octets[i]!;
    if (c >= 0x80 || sequence !== UTF8_VALID) {
      sequence = (line & LINE_UTF8) === 0 ? -1 : utf8Next(sequence, c);
      if (sequence < 0) {
        name(turn, CMD_8BIT, RANK_8BIT);
        sequence = UTF8_VALID;
      }
    }
    if (c === LF) name(turn, CMD_BARE_NEWLINE, RANK_NEWLINE);
    else if ((c < SP && c !== HT && c !== CR) || c === 0x7f) name(turn, CMD_CONTROL_CHAR, RANK_CONTROL);
    if (c === HT) tab = true;
    else if (c !== SP && tab) nameTab(turn, octets[from]!);
    if (c === 0x7b && dollar) name(turn, ADDR_EXPANSION, RANK_EXPANSION);
    dollar = envelope && c === 0x24;
  }
  if (complete && sequence !== UTF8_VALID) name(turn, CMD_8BIT, RANK_8BIT);
  words[at + UTF8] = sequence;
}

/** A tab with an octet behind it that is no blank.  Where it was itself the violation, behind a verb, it is part of the verb. */
function nameTab(turn: Turn, first: number): void {
  if (turn.words[turn.at + PHASE] === PHASE_VERB && first === HT) name(turn, CMD_ILLEGAL, RANK_VERB);
  else name(turn, CMD_SYNTAX, RANK_TAB);
}

function name(turn: Turn, reason: number, rank: number): void {
  if (rank < turn.words[turn.at + RANK]!) fault(turn, 0, reason, rank);
}
