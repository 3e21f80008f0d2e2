// SMTP and ESMTP inspection as configuration and console see it: keywords, the compiled policy and how it is made of
// `ip inspect name X {smtp|esmtp} policy NAME` and a `policy-map type inspect esmtp NAME`.
//
// The syntax is that of the ASA (match ... / action, parameters) with commands of ours beside it: hold-time, line-timeout,
// data-timeout, max-chunk, max-received, profile, extension, signatures.  drop-connection is a reset of both sides.
// Left out: rate-limit, match header/body length, to-fields, mime encoding and filetype (no rule here looks at them).

import type { Declaration } from '../inspector.ts';
import {
  DEFAULT_KEYWORDS,
  FIRST_KEYWORD,
  K_8BITMIME,
  K_AUTH,
  K_BINARYMIME,
  K_CHECKPOINT,
  K_CHUNKING,
  K_DSN,
  K_ENHANCEDSTATUSCODES,
  K_ETRN,
  K_PIPELINING,
  K_SIZE,
  K_STARTTLS,
  K_VRFY,
  KEYWORDS,
  MAX_EXTENSIONS,
  keywordTrie,
} from './keywords.ts';
import { type Automaton, compileRegex } from './regex.ts';
import type { Trie } from './trie.ts';
import {
  BDAT,
  EHLO,
  ESMTP_VERBS,
  FIRST_EXTENSION,
  LAST_EXTENSION,
  MAILGUARD_VERBS,
  SIGNATURE_VERBS,
  SMTP_VERBS,
  STARTTLS,
  VERBS,
  verbTrie,
} from './verbs.ts';

export { debugText } from './debug-text.ts';

export const declaration: Declaration = { keywords: ['smtp', 'esmtp'], ports: [25] };

// Actions of a limit or match.
export const ACTION_NONE = 0;
/** An event, nothing else. */
export const ACTION_LOG = 1;
export const ACTION_RESET = 2;

/** `gt BYTES` or `gt COUNT` and what happens above it; above 0 with ACTION_NONE: no limit. */
export type Limit = { readonly above: number; readonly action: number };

/** What is set for one line of an inspection rule; the names and defaults are those of the test corpus. */
export type SmtpOptions = {
  readonly esmtp: boolean;
  readonly profile: 'cbac' | 'mailguard';
  readonly allowTls: boolean;
  readonly logTls: boolean;
  readonly extensions: readonly string[];
  readonly maskBanner: boolean;
  readonly signatures: boolean;
  /** 0: judge and forward at once; else ms for which the octets of an incomplete line are held. */
  readonly holdMs: number;
  readonly lineTimeoutMs: number;
  readonly dataIdleMs: number;
  /** Without the growth by extensions (RFC 5321 4.5.3.1.4). */
  readonly line: Limit;
  readonly recipients: Limit;
  readonly invalidRecipients: Limit;
  readonly body: Limit;
  readonly header: Limit;
  readonly sender: Limit;
  readonly fileName: Limit;
  readonly maxChunk: number;
  readonly maxReceived: number;
  /** Verbs, as sets: masked, logged, reset. */
  readonly maskedVerbs: number;
  readonly loggedVerbs: number;
  readonly resetVerbs: number;
  /** EHLO keywords, as sets; -1 in `otherKeywords` stands for the ones that have no name here. */
  readonly maskedKeywords: number;
  readonly loggedKeywords: number;
  readonly resetKeywords: number;
  readonly otherKeywords: 'mask' | 'log' | 'reset' | 'pass';
  /** `|` and back quote in an address become blanks in any case. */
  readonly specialCharacter: number;
  readonly relayDomain: string;
  readonly relayAction: number;
  readonly senderRegex: readonly { readonly pattern: string; readonly not: boolean; readonly action: number }[];
};

/** What the data plane reads: plain, cloneable data. */
export type SmtpPolicy = {
  readonly options: SmtpOptions;
  readonly esmtp: boolean;
  readonly verbs: number;
  readonly verbTrie: Trie;
  /** Verbs whose prefixes lead to a reset although they are not legal. */
  readonly signatureVerbs: number;
  readonly signatures: boolean;
  readonly loggedVerbs: number;
  readonly resetVerbs: number;
  /** EHLO keywords that pass. */
  readonly keywords: number;
  readonly keywordTrie: Trie;
  readonly loggedKeywords: number;
  readonly resetKeywords: number;
  readonly passOthers: boolean;
  readonly otherAction: number;
  readonly maskBanner: boolean;
  readonly logTls: boolean;
  readonly holdMs: number;
  readonly lineTimeoutMs: number;
  readonly dataIdleMs: number;
  readonly lineLimit: number;
  readonly lineAction: number;
  readonly recipientLimit: number;
  readonly recipientAction: number;
  readonly invalidLimit: number;
  readonly invalidAction: number;
  readonly bodyLimit: number;
  readonly bodyAction: number;
  readonly headerLimit: number;
  readonly headerAction: number;
  readonly senderLimit: number;
  readonly senderAction: number;
  readonly nameLimit: number;
  readonly nameAction: number;
  readonly maxChunk: number;
  readonly maxReceived: number;
  readonly specialAction: number;
  /** Lower case; no octets: off. */
  readonly relayDomain: Uint8Array;
  readonly relayAction: number;
  readonly senderRegex: Automaton | null;
};

/** The values that hold without a policy map, but for `signatures`, which `ip inspect` has on. */
export function defaultOptions(esmtp: boolean): SmtpOptions {
  return {
    esmtp,
    profile: 'cbac',
    allowTls: false,
    logTls: false,
    extensions: [],
    maskBanner: false,
    signatures: false,
    holdMs: 0,
    lineTimeoutMs: 60_000,
    dataIdleMs: 180_000,
    line: { above: 512, action: ACTION_RESET },
    recipients: { above: 100, action: ACTION_RESET },
    invalidRecipients: { above: 0, action: ACTION_NONE },
    body: { above: 998, action: ACTION_LOG },
    header: { above: 998, action: ACTION_RESET },
    sender: { above: 320, action: ACTION_RESET },
    fileName: { above: 255, action: ACTION_RESET },
    maxChunk: 2_147_483_647,
    maxReceived: 100,
    maskedVerbs: 0,
    loggedVerbs: 0,
    resetVerbs: 0,
    maskedKeywords: 0,
    loggedKeywords: 0,
    resetKeywords: 0,
    otherKeywords: 'mask',
    specialCharacter: ACTION_NONE,
    relayDomain: '',
    relayAction: ACTION_NONE,
    senderRegex: [],
  };
}

/** Compiles options.  Throws where an extension is no EHLO keyword, there are too many, or a regular expression is not understood. */
export function createPolicy(options: SmtpOptions): SmtpPolicy {
  const named = options.extensions.map((keyword) => keyword.toUpperCase());
  const own = [...new Set(named.filter((keyword) => !KEYWORDS.includes(keyword)))];
  for (const keyword of own) if (!/^[A-Z0-9][A-Z0-9-]*$/.test(keyword)) throw new Error(`extension ${keyword}: not an EHLO keyword`);
  if (own.length > MAX_EXTENSIONS) throw new Error(`extension: at most ${MAX_EXTENSIONS} keywords of your own`);
  const tls = options.allowTls || named.includes('STARTTLS');
  return {
    options,
    esmtp: options.esmtp,
    verbs: verbSet(options, named, own, tls),
    verbTrie: verbTrie(own),
    signatureVerbs: (options.signatures ? SIGNATURE_VERBS : 0) | options.resetVerbs,
    signatures: options.signatures,
    loggedVerbs: options.loggedVerbs,
    resetVerbs: options.resetVerbs,
    keywords: keywordSet(options, named, own, tls),
    keywordTrie: keywordTrie(own),
    loggedKeywords: options.loggedKeywords,
    resetKeywords: options.resetKeywords,
    passOthers: options.otherKeywords === 'pass' || options.otherKeywords === 'log',
    otherAction: options.otherKeywords === 'log' ? ACTION_LOG : options.otherKeywords === 'reset' ? ACTION_RESET : ACTION_NONE,
    maskBanner: options.maskBanner,
    logTls: options.logTls,
    holdMs: options.holdMs,
    lineTimeoutMs: options.lineTimeoutMs,
    dataIdleMs: options.dataIdleMs,
    lineLimit: options.line.above,
    lineAction: options.line.action,
    recipientLimit: options.recipients.above,
    recipientAction: options.recipients.action,
    invalidLimit: options.invalidRecipients.above,
    invalidAction: options.invalidRecipients.action,
    bodyLimit: options.body.above,
    bodyAction: options.body.action,
    headerLimit: options.header.above,
    headerAction: options.header.action,
    senderLimit: options.sender.above,
    senderAction: options.sender.action,
    nameLimit: options.fileName.above,
    nameAction: options.fileName.action,
    maxChunk: options.maxChunk,
    maxReceived: options.maxReceived,
    specialAction: options.specialCharacter,
    relayDomain: Uint8Array.from(options.relayDomain.toLowerCase(), (c) => c.charCodeAt(0) & 0xff),
    relayAction: options.relayAction,
    senderRegex: options.senderRegex.length === 0 ? null : compileRegex(options.senderRegex),
  };
}

function verbSet(options: SmtpOptions, named: readonly string[], own: readonly string[], tls: boolean): number {
  let verbs = options.esmtp ? ESMTP_VERBS : SMTP_VERBS;
  if (options.profile === 'mailguard') verbs &= MAILGUARD_VERBS;
  if (options.esmtp && (verbs & (1 << EHLO)) !== 0) {
    if (tls) verbs |= 1 << STARTTLS;
    if (named.includes('CHUNKING')) verbs |= 1 << BDAT;
    own.forEach((keyword, i) => {
      if (!VERBS.includes(keyword)) verbs |= 1 << (FIRST_EXTENSION + i);
    });
  }
  return verbs & ~options.maskedVerbs;
}

function keywordSet(options: SmtpOptions, named: readonly string[], own: readonly string[], tls: boolean): number {
  let keywords = DEFAULT_KEYWORDS;
  KEYWORDS.forEach((keyword, i) => {
    if (named.includes(keyword)) keywords |= 1 << i;
    if (i > K_BINARYMIME && options.otherKeywords !== 'mask') keywords |= 1 << i;
  });
  own.forEach((_, i) => {
    keywords |= 1 << (FIRST_KEYWORD + i);
  });
  // BINARYMIME cannot be used without BDAT (RFC 3030)
  if ((keywords & (1 << K_CHUNKING)) === 0) keywords &= ~(1 << K_BINARYMIME);
  if (tls) keywords |= 1 << K_STARTTLS;
  return keywords & ~options.maskedKeywords;
}

/** The part of `ip inspect name X KEYWORD ...` that is read here. */
export interface InspectLineLike {
  readonly keyword: string;
}

/** The part of a `policy-map type inspect esmtp NAME` that is read here; tokens as entered. */
export interface PolicyMapLike {
  readonly parameters: readonly (readonly string[])[];
  readonly matches: readonly { readonly criterion: readonly string[]; readonly action: readonly string[] }[];
}

/**
 * The policy of one line of an inspection rule.  `policyMap` undefined: the defaults.  `regexes` holds the `regex NAME
 * PATTERN` commands.  Throws an Error whose message names the line that is not understood.
 */
export function compilePolicy(
  line: InspectLineLike,
  policyMap: PolicyMapLike | undefined,
  regexes: ReadonlyMap<string, string>,
): SmtpPolicy {
  let options: SmtpOptions = { ...defaultOptions(line.keyword === 'esmtp'), signatures: true };
  for (const tokens of policyMap?.parameters ?? []) options = { ...options, ...parameter(tokens, options) };
  for (const { criterion, action } of policyMap?.matches ?? []) options = { ...options, ...match(criterion, action, options, regexes) };
  return createPolicy(options);
}

function parameter(tokens: readonly string[], options: SmtpOptions): Partial<SmtpOptions> {
  const on = tokens[0] !== 'no';
  const [name = '', ...rest] = on ? tokens : tokens.slice(1);
  switch (name) {
    case 'mask-banner':
      return { maskBanner: on };
    case 'allow-tls':
      return { allowTls: on, logTls: on && rest.includes('log') };
    case 'special-character':
      return { specialCharacter: on ? actionOf(rest) : ACTION_NONE };
    case 'mail-relay':
      return on ? { relayDomain: rest[0] ?? '', relayAction: actionOf(rest) } : { relayDomain: '', relayAction: ACTION_NONE };
    case 'hold-time':
      return { holdMs: on ? numberOf(rest[0], name) : 0 };
    case 'line-timeout':
      return { lineTimeoutMs: on ? numberOf(rest[0], name) * 1000 : 60_000 };
    case 'data-timeout':
      return { dataIdleMs: on ? numberOf(rest[0], name) * 1000 : 180_000 };
    case 'max-chunk':
      return { maxChunk: on ? Math.min(numberOf(rest[0], name), 2_147_483_647) : 2_147_483_647 };
    case 'max-received':
      return { maxReceived: on ? numberOf(rest[0], name) : 100 };
    case 'profile':
      return { profile: on && rest[0] === 'mailguard' ? 'mailguard' : 'cbac' };
    case 'signatures':
      return { signatures: on && rest[0] !== 'off' };
    case 'extension': {
      const keyword = (rest[0] ?? '').toUpperCase();
      const others = options.extensions.filter((other) => other !== keyword);
      return { extensions: on ? [...others, keyword] : others };
    }
    default:
      throw new Error(`parameter ${tokens.join(' ')}: not understood`);
  }
}

function match(
  criterion: readonly string[],
  action: readonly string[],
  options: SmtpOptions,
  regexes: ReadonlyMap<string, string>,
): Partial<SmtpOptions> {
  const not = criterion[0]?.toLowerCase() === 'not';
  const tokens = (not ? criterion.slice(1) : criterion).map((token) => token.toLowerCase());
  const text = `match ${criterion.join(' ')}`;
  const head = tokens.slice(0, 2).join(' ');
  if (head === 'cmd verb') return matchVerbs(tokens.slice(2), not, action, options, text);
  if (tokens[0] === 'ehlo-reply-parameter') return matchKeywords(tokens.slice(1), not, action, options, text);
  if (tokens.slice(0, 2).join(' ') === 'sender-address regex') {
    const name = (not ? criterion.slice(1) : criterion)[2] ?? '';
    const pattern = regexes.get(name);
    if (pattern === undefined) throw new Error(`${text}: no regex ${name}`);
    return { senderRegex: [...options.senderRegex, { pattern, not, action: actionOf(action) }] };
  }
  if (not) throw new Error(`${text}: not understood`);
  return matchLimit(tokens, { above: numberOf(tokens.at(-1), text), action: actionOf(action) }, text);
}

function matchLimit(tokens: readonly string[], limit: Limit, text: string): Partial<SmtpOptions> {
  switch (tokens.slice(0, -1).join(' ')) {
    case 'cmd line length gt':
      return { line: limit };
    case 'cmd rcpt count gt':
      return { recipients: limit };
    case 'body line length gt':
      return { body: limit };
    case 'header line length gt':
      return { header: limit };
    case 'sender-address length gt':
      return { sender: limit };
    case 'mime filename length gt':
      return { fileName: limit };
    case 'invalid-recipients count gt':
      return { invalidRecipients: limit };
    default:
      throw new Error(`${text}: not understood`);
  }
}

function matchVerbs(
  names: readonly string[],
  not: boolean,
  action: readonly string[],
  options: SmtpOptions,
  text: string,
): Partial<SmtpOptions> {
  let set = 0;
  for (const name of names) {
    const verb = VERBS.indexOf(name.toUpperCase());
    if (verb < 1) throw new Error(`${text}: no verb ${name}`);
    set |= 1 << verb;
  }
  if (not) set = ~set & ((1 << (LAST_EXTENSION + 1)) - 1);
  const logged = action.includes('log') ? options.loggedVerbs | set : options.loggedVerbs;
  if (action.includes('mask')) return { maskedVerbs: options.maskedVerbs | set, loggedVerbs: logged };
  if (actionOf(action) === ACTION_RESET) return { resetVerbs: options.resetVerbs | set };
  return { loggedVerbs: logged };
}

/** The ASA's names of EHLO keywords. */
const KEYWORD_NAMES: Readonly<Record<string, number>> = {
  '8bitmime': K_8BITMIME,
  auth: K_AUTH,
  binaryname: K_BINARYMIME,
  binarymime: K_BINARYMIME,
  checkpoint: K_CHECKPOINT,
  dsn: K_DSN,
  ecode: K_ENHANCEDSTATUSCODES,
  etrn: K_ETRN,
  pipelining: K_PIPELINING,
  size: K_SIZE,
  vrfy: K_VRFY,
};

function matchKeywords(
  names: readonly string[],
  not: boolean,
  action: readonly string[],
  options: SmtpOptions,
  text: string,
): Partial<SmtpOptions> {
  let set = 0;
  let others = names.includes('others');
  for (const name of names) {
    if (name === 'others') continue;
    const keyword = KEYWORD_NAMES[name] ?? KEYWORDS.indexOf(name.toUpperCase());
    if (keyword < 0) throw new Error(`${text}: no parameter ${name}`);
    set |= 1 << keyword;
  }
  if (not) {
    set = ~set & DEFAULT_KEYWORDS;
    others = !others;
  }
  const kind = action.includes('mask') ? 'mask' : actionOf(action) === ACTION_RESET ? 'reset' : 'log';
  const result: { -readonly [name in keyof SmtpOptions]?: SmtpOptions[name] } = {};
  if (others) result.otherKeywords = kind;
  if (kind === 'mask') result.maskedKeywords = options.maskedKeywords | set;
  if (kind === 'reset') result.resetKeywords = options.resetKeywords | set;
  if (action.includes('log')) result.loggedKeywords = options.loggedKeywords | set;
  return result;
}

function actionOf(tokens: readonly string[]): number {
  if (tokens.includes('drop-connection') || tokens.includes('reset')) return ACTION_RESET;
  return tokens.includes('log') ? ACTION_LOG : ACTION_NONE;
}

function numberOf(token: string | undefined, text: string): number {
  const value = Number(token);
  if (token === undefined || !Number.isInteger(value) || value < 0 || value > 2_147_483_647)
    throw new Error(`${text}: a number is missing`);
  return value;
}
