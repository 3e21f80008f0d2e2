// SMTP verbs, numbered as IOS numbers them: the fifteen of `esmtp` by the alphabet from 1, in a trie whose nodes carry
// the state numbers that `debug ip inspect smtp` prints (VERB ... cmd_re_state).
//
// IOS numbers its states breadth first over the patterns [any octet, VRFY ... AUTH, `.` CR LF, CR LF].  The first and the
// last two are no verbs; they only take their numbers (2; 13 29 45; 14 30).  Verbs that IOS does not know come behind, from 61 on.

import { buildTrie, type Trie, type Word } from './trie.ts';

export const AUTH = 1;
export const DATA = 2;
export const EHLO = 3;
export const ETRN = 4;
export const HELO = 5;
export const HELP = 6;
export const MAIL = 7;
export const NOOP = 8;
export const QUIT = 9;
export const RCPT = 10;
export const RSET = 11;
export const SAML = 12;
export const SEND = 13;
export const SOML = 14;
export const VRFY = 15;
export const BDAT = 16;
export const STARTTLS = 17;
/** No verbs of any mode: the signature 3104 knows them. */
export const WIZ = 18;
export const DEBUG = 19;
/** Verbs of `extension KEYWORD`: the keyword itself. */
export const FIRST_EXTENSION = 20;
export const LAST_EXTENSION = 30;

/** Names by number; 0 is none. */
export const VERBS: readonly string[] = [
  '',
  'AUTH',
  'DATA',
  'EHLO',
  'ETRN',
  'HELO',
  'HELP',
  'MAIL',
  'NOOP',
  'QUIT',
  'RCPT',
  'RSET',
  'SAML',
  'SEND',
  'SOML',
  'VRFY',
  'BDAT',
  'STARTTLS',
  'WIZ',
  'DEBUG',
];

/** `ip inspect name X smtp`: twelve verbs. */
export const SMTP_VERBS =
  (1 << DATA) |
  (1 << HELO) |
  (1 << HELP) |
  (1 << MAIL) |
  (1 << NOOP) |
  (1 << QUIT) |
  (1 << RCPT) |
  (1 << RSET) |
  (1 << SAML) |
  (1 << SEND) |
  (1 << SOML) |
  (1 << VRFY);
/** `ip inspect name X esmtp`: three more. */
export const ESMTP_VERBS = SMTP_VERBS | (1 << AUTH) | (1 << EHLO) | (1 << ETRN);
/** `profile mailguard`: the seven of the PIX. */
export const MAILGUARD_VERBS = (1 << HELO) | (1 << MAIL) | (1 << RCPT) | (1 << DATA) | (1 << RSET) | (1 << NOOP) | (1 << QUIT);
/** Verbs with a reverse-path. */
export const SENDER_VERBS = (1 << MAIL) | (1 << SEND) | (1 << SOML) | (1 << SAML);
export const SIGNATURE_VERBS = (1 << WIZ) | (1 << DEBUG);
/** Verbs that a server may obey although the rest of their line was masked, and after which client octets change their meaning. */
export const STEERING_VERBS = (1 << HELO) | (1 << EHLO) | (1 << DATA) | (1 << AUTH) | (1 << STARTTLS);
/** Verbs that need no argument. */
export const BARE_VERBS =
  (1 << DATA) | (1 << HELP) | (1 << NOOP) | (1 << QUIT) | (1 << RSET) | (1 << STARTTLS) | ~((1 << FIRST_EXTENSION) - 1);

/** States of the trie above this are not IOS's: it prints 2, "any other octet", for them. */
export const LAST_IOS_STATE = 60;

/** The trie of all verbs; `extensions` are the keywords that are their own verb, in the order of their numbers. */
export function verbTrie(extensions: readonly string[]): Trie {
  const words: Word[] = [];
  words.push(['\0', -1]);
  for (let verb = VRFY; verb >= AUTH; verb--) words.push([VERBS[verb]!, verb]);
  words.push(['.\r\n', -1], ['\r\n', -1]);
  const extra: Word[] = [];
  for (let verb = BDAT; verb <= DEBUG; verb++) extra.push([VERBS[verb]!, verb]);
  extensions.forEach((keyword, i) => {
    if (!VERBS.includes(keyword)) extra.push([keyword, FIRST_EXTENSION + i]);
  });
  return buildTrie(words, extra);
}
