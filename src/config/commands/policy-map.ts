// `policy-map type inspect esmtp NAME` in the syntax of the ASA, with parameters of our own, and `regex`.
//
// What the criteria mean is the inspector's business; here they are kept as words.

import { compileFamily, mode, type Command, type Refusal } from '../command.ts';
import type { Args } from '../language/args.ts';
import { line, number, oneOf, quoted, word } from '../language/arguments.ts';
import type { Configuration, EsmtpPolicyMap } from '../model.ts';

type Match = EsmtpPolicyMap['matches'][number];

const VERBS = ['AUTH', 'DATA', 'EHLO', 'ETRN', 'HELO', 'HELP', 'MAIL', 'NOOP', 'QUIT', 'RCPT', 'RSET', 'SAML', 'SEND', 'SOML', 'VRFY'];
const EHLO_PARAMETERS = ['8bitmime', 'auth', 'binaryname', 'checkpoint', 'dsn', 'ecode', 'etrn', 'others', 'pipelining', 'size', 'vrfy'];

const each = (words: readonly string[], help: (word: string) => string): Record<string, string> =>
  Object.fromEntries(words.map((entry) => [entry, help(entry)]));

const WORDS: Readonly<Record<string, string>> = {
  'policy-map': 'Configure a policy-map',
  type: 'Specify the type of the policy-map',
  inspect: 'An inspect policy-map',
  esmtp: 'ESMTP inspection',
  regex: 'Define a regular expression, or match one',
  description: 'Specify policy-map description',
  parameters: 'Specify the parameters of the policy-map',
  match: 'Specify a match criterion',
  not: 'Negate this match',
  body: 'Match the body of the message',
  header: 'Match the header of the message',
  line: 'Match a line',
  length: 'Match the length',
  gt: 'Greater than',
  count: 'Match the number',
  cmd: 'Match a command',
  verb: 'Match the verb',
  RCPT: 'Match RCPT commands',
  'ehlo-reply-parameter': 'Match a keyword of the EHLO reply',
  'invalid-recipients': 'Match refused recipients',
  MIME: 'Match MIME attributes',
  filename: 'Match the file name',
  'sender-address': 'Match the address of the sender',
  'drop-connection': 'Drop the connection',
  mask: 'Mask what matches',
  reset: 'Reset the connection',
  log: 'Log what matches',
  'mask-banner': "Mask the server's banner",
  'mail-relay': 'Act on mail for other domains',
  'special-character': 'Act on special characters in addresses',
  action: 'Specify the action',
  'allow-tls': 'Allow STARTTLS',
  'hold-time': 'Hold an incomplete command line, in milliseconds',
  'line-timeout': 'Seconds within which a command line must be complete',
  'data-timeout': 'Seconds within which mail data must go on',
  'max-chunk': 'Most octets of one BDAT chunk',
  'max-received': 'Most Received fields of a message',
  profile: 'Choose a set of commands',
  mailguard: 'The seven commands of PIX MailGuard',
  extension: 'Let a further EHLO keyword through',
  signatures: 'Act on the attack signatures of IOS',
};

const ARGUMENTS = {
  NAME: word('Name'),
  PATTERN: quoted('Regular expression, in quotes when it holds blanks'),
  TEXT: line('Description'),
  BYTES: number(1, 2_147_483_647, 'Length in bytes'),
  NUMBER: number(1, 2_147_483_647, 'Number'),
  VERB: oneOf(each(VERBS, (verb) => `The ${verb} command`)),
  PARAMETER: oneOf(
    each(EHLO_PARAMETERS, (parameter) => (parameter === 'others' ? 'All keywords that are not known' : `The keyword ${parameter}`)),
  ),
  REGEX: word('Name of a regular expression'),
  DOMAIN: word('Domain name'),
  WHAT: oneOf({ 'drop-connection': 'Drop the connection', log: 'Log only' }),
  MILLISECONDS: number(0, 60_000, 'Milliseconds'),
  SECONDS: number(1, 86_400, 'Seconds'),
  KEYWORD: word('EHLO keyword'),
  SWITCH: oneOf({ off: 'Off', on: 'On' }),
};

/** `mask` goes with these only. */
const MASKABLE = ['cmd verb', 'ehlo-reply-parameter'];

const ACTION = '{drop-connection [log] | mask [log] | reset [log] | log}';

/** Words of a parsed line; all but the names of regular expressions in lower case. */
function wordsOf(args: Args): string[] {
  const regex = args.maybeText('REGEX');
  const words = args.line.split(' ');
  const last = words.length - 1;
  return words.map((part, index) => (regex !== undefined && index === last ? part : part.toLowerCase()));
}

function refuseAction(target: Match, action: readonly string[]): Refusal {
  const criterion = target.criterion.filter((part) => part !== 'not').join(' ');
  const allowed = (heads: readonly string[]): boolean => heads.some((head) => criterion.startsWith(head));
  if (action[0] === 'mask' && !allowed(MASKABLE)) return '% mask is allowed for cmd verb and ehlo-reply-parameter only';
  return undefined;
}

const actionMode = mode<Match>(
  'config-pmap-c',
  compileFamily<Match>({
    words: WORDS,
    arguments: ARGUMENTS,
    commands: [
      {
        syntax: ACTION,
        set(target, args) {
          const action = wordsOf(args);
          const refusal = refuseAction(target, action);
          if (refusal === undefined) target.action = action;
          return refusal;
        },
        no: ACTION,
        unset: (target) => void (target.action = []),
      },
    ],
  }),
);

/** Parameters: leading keywords, what follows them, and whether the ASA prints their `no` form. */
const PARAMETERS: readonly (readonly [head: string, tail: string, showsNo: boolean])[] = [
  ['mask-banner', '', true],
  ['mail-relay', 'DOMAIN action WHAT [log]', true],
  ['special-character', 'action WHAT [log]', true],
  ['allow-tls', '[action log]', true],
  ['hold-time', 'MILLISECONDS', false],
  ['line-timeout', 'SECONDS', false],
  ['data-timeout', 'SECONDS', false],
  ['max-chunk', 'BYTES', false],
  ['max-received', 'NUMBER', false],
  ['profile', 'mailguard', false],
  ['signatures', 'SWITCH', false],
];

function parameterCommand([head, tail, showsNo]: (typeof PARAMETERS)[number]): Command<EsmtpPolicyMap> {
  const others = (map: EsmtpPolicyMap): string[][] => map.parameters.filter((words) => (words[0] === 'no' ? words[1] : words[0]) !== head);
  const optional = tail.startsWith('[') ? tail : `[${tail}]`;
  return {
    syntax: `${head} ${tail}`.trim(),
    set: (map, args) => void (map.parameters = [...others(map), args.line.split(' ')]),
    no: tail === '' ? head : `${head} ${optional}`,
    unset: (map) => void (map.parameters = showsNo ? [...others(map), ['no', head]] : others(map)),
  };
}

const extension: Command<EsmtpPolicyMap> = {
  syntax: 'extension KEYWORD',
  set(map, args) {
    const words = ['extension', args.text('KEYWORD').toUpperCase()];
    if (!map.parameters.some((other) => other.join(' ') === words.join(' '))) map.parameters.push(words);
  },
  no: 'extension KEYWORD',
  unset(map, args) {
    map.parameters = map.parameters.filter((words) => words[0] !== 'extension' || words[1] !== args.text('KEYWORD').toUpperCase());
  },
};

const parametersMode = mode<EsmtpPolicyMap>(
  'config-pmap-p',
  compileFamily<EsmtpPolicyMap>({ words: WORDS, arguments: ARGUMENTS, commands: [...PARAMETERS.map(parameterCommand), extension] }),
);

/** Criteria, and whether `not` may stand before them.  Those of the ASA that no inspector here judges are rejected. */
const CRITERIA: readonly (readonly [criterion: string, negatable: boolean])[] = [
  ['body line length gt BYTES', false],
  ['cmd verb VERB...', true],
  ['cmd line length gt BYTES', false],
  ['cmd RCPT count gt NUMBER', false],
  ['ehlo-reply-parameter PARAMETER...', true],
  ['header line length gt BYTES', false],
  ['invalid-recipients count gt NUMBER', false],
  ['MIME filename length gt BYTES', false],
  ['sender-address regex REGEX', true],
  ['sender-address length gt BYTES', false],
];

function criterionOf(args: Args): string[] {
  return wordsOf(args)
    .filter((part, index) => index > 0 || part !== 'no')
    .slice(1);
}

function matchCommand([text, negatable]: (typeof CRITERIA)[number]): Command<EsmtpPolicyMap> {
  const criterion = negatable ? `match [not] ${text}` : `match ${text}`;
  const position = (map: EsmtpPolicyMap, words: readonly string[]): number =>
    map.matches.findIndex((match) => match.criterion.join(' ') === words.join(' '));
  return {
    syntax: criterion,
    set(map, args, session) {
      const words = criterionOf(args);
      const at = position(map, words);
      if (at < 0) map.matches.push({ criterion: words, action: [] });
      session.enter(actionMode, map.matches.at(at)!);
    },
    no: criterion,
    unset(map, args) {
      const at = position(map, criterionOf(args));
      if (at < 0) return '% Match criterion not found';
      map.matches.splice(at, 1);
      return undefined;
    },
  };
}

const policyMapMode = mode<EsmtpPolicyMap>(
  'config-pmap',
  compileFamily<EsmtpPolicyMap>({
    words: WORDS,
    arguments: ARGUMENTS,
    commands: [
      {
        syntax: 'description TEXT',
        set: (map, args) => void (map.description = args.text('TEXT')),
        no: 'description [TEXT]',
        unset: (map) => void delete map.description,
      },
      {
        syntax: 'parameters',
        set: (map, _args, session) => session.enter(parametersMode, map),
        no: 'parameters',
        unset: (map) => void (map.parameters = []),
      },
      ...CRITERIA.map(matchCommand),
    ],
  }),
);

export const policyMaps = compileFamily<Configuration>({
  words: WORDS,
  arguments: ARGUMENTS,
  commands: [
    {
      syntax: 'policy-map type inspect esmtp NAME',
      set(configuration, args, session) {
        const name = args.text('NAME');
        let map = configuration.policyMaps.find((candidate) => candidate.name === name);
        if (map === undefined) {
          map = { name, parameters: [], matches: [] };
          configuration.policyMaps.push(map);
        }
        session.enter(policyMapMode, map);
      },
      no: 'policy-map type inspect esmtp NAME',
      unset(configuration, args) {
        const name = args.text('NAME');
        if (configuration.rules.some((rule) => rule.lines.some((entry) => entry.policy === name))) return `% policy-map ${name} is in use`;
        configuration.policyMaps = configuration.policyMaps.filter((map) => map.name !== name);
        return undefined;
      },
    },
    {
      syntax: 'regex NAME PATTERN',
      set: (configuration, args) => refusePattern(args) ?? void configuration.regexes.set(args.text('NAME'), args.text('PATTERN')),
      no: 'regex NAME [PATTERN]',
      unset: (configuration, args) => void configuration.regexes.delete(args.text('NAME')),
    },
  ],
});

function refusePattern(args: Args): Refusal {
  try {
    new RegExp(args.text('PATTERN'));
    return undefined;
  } catch {
    return '% Invalid regular expression';
  }
}
