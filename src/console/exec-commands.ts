// The commands of exec mode: their grammar, and for each what it is called by whoever carries it out.
//
// Displays are carried out in exec.ts; everything else by the process that runs the firewall.

import type { Args } from '../config/language/args.ts';
import { address, interfaceName, line, number, oneOf, word, wordLike } from '../config/language/arguments.ts';
import { lex } from '../config/language/lexer.ts';
import { match, type Failure } from '../config/language/match.ts';
import type { Pattern } from '../config/language/pattern.ts';
import { compileSyntax, type Vocabulary } from '../config/language/syntax.ts';
import { PORT_MAP } from '../policy/port-map.ts';

/** Name of a command, and its syntax. */
const SHOW = [
  ['show ip inspect all', 'show ip inspect all'],
  ['show ip inspect config', 'show ip inspect config'],
  ['show ip inspect interfaces', 'show ip inspect interfaces'],
  ['show ip inspect name', 'show ip inspect name NAME'],
  ['show ip inspect sessions', 'show ip inspect sessions [detail]'],
  ['show ip inspect statistics', 'show ip inspect statistics'],
  ['show ip access-lists', 'show ip access-lists [LIST]'],
  ['show ip access-lists', 'show access-lists [LIST]'],
  ['show ip nat translations', 'show ip nat translations [verbose]'],
  ['show ip nat statistics', 'show ip nat statistics'],
  ['show ip virtual-reassembly', 'show ip virtual-reassembly [INTERFACE]'],
  ['show ip route', 'show ip route'],
  ['show ip port-map', 'show ip port-map [APPLICATION]'],
  ['show interfaces', 'show interfaces [INTERFACE]'],
  ['show arp', 'show arp'],
  ['show arp', 'show ip arp'],
  ['show logging', 'show logging'],
  ['show running-config', 'show running-config'],
  ['show running-config', 'write terminal'],
  ['show version', 'show version'],
  ['show debugging', 'show debugging'],
  ['show history', 'show history'],
  ['show postern counters', 'show postern counters'],
] as const;

const DEBUG = 'ip inspect SUBJECT';
const OUTSIDE_FLOW = '[outside OUTSIDE_LOCAL OUTSIDE_GLOBAL]';
const OUTSIDE_PORTS = '[outside OUTSIDE_LOCAL OUTSIDE_LOCAL_PORT OUTSIDE_GLOBAL OUTSIDE_GLOBAL_PORT]';

const ACT = [
  ['clear ip inspect session', 'clear ip inspect session {all | SESSION}'],
  ['clear ip nat translation', 'clear ip nat translation *'],
  ['clear ip nat translation', `clear ip nat translation inside GLOBAL LOCAL ${OUTSIDE_FLOW}`],
  ['clear ip nat translation', `clear ip nat translation PROTOCOL inside GLOBAL GLOBAL_PORT LOCAL LOCAL_PORT ${OUTSIDE_PORTS}`],
  ['clear ip nat statistics', 'clear ip nat statistics'],
  ['clear access-list counters', 'clear access-list counters [LIST]'],
  ['clear counters', 'clear counters [INTERFACE]'],
  ['clear arp-cache', 'clear arp-cache'],
  ['clear logging', 'clear logging'],
  ['debug ip inspect', `debug ${DEBUG}`],
  ['debug postern packet', 'debug postern packet [access-list LIST || count COUNT]'],
  ['undebug ip inspect', `undebug ${DEBUG}`],
  ['undebug ip inspect', `no debug ${DEBUG}`],
  ['undebug postern packet', 'undebug postern packet'],
  ['undebug postern packet', 'no debug postern packet'],
  ['undebug all', 'undebug all'],
  ['undebug all', 'no debug all'],
  ['terminal monitor', 'terminal monitor'],
  ['terminal no monitor', 'terminal no monitor'],
  ['terminal length', 'terminal length LINES'],
  ['write memory', 'write [memory]'],
  ['write memory', 'copy running-config startup-config'],
  ['copy running-config', 'copy running-config FILE'],
  ['configure terminal', 'configure terminal'],
  ['reload', 'reload'],
  ['enable', 'enable'],
  ['disable', 'disable'],
  ['exit', 'exit'],
  ['exit', 'logout'],
  ['exit', 'quit'],
] as const;

export type ShowCommand = (typeof SHOW)[number][0];
export type ActCommand = (typeof ACT)[number][0];
export type ExecCommandName = ShowCommand | ActCommand;

/** A filter behind `|`. */
export interface OutputFilter {
  readonly kind: 'include' | 'exclude' | 'begin' | 'section';
  /** A regular expression; one that is not valid is taken as plain text. */
  readonly pattern: string;
}

export interface ExecCommand {
  readonly command: ExecCommandName;
  readonly arguments: Args;
  readonly filter: OutputFilter | undefined;
}

const VOCABULARY: Vocabulary = {
  words: {
    show: 'Show running system information',
    clear: 'Reset functions',
    debug: "Debugging functions (see also 'undebug')",
    undebug: "Disable debugging functions (see also 'debug')",
    no: 'Disable debugging functions, or negate a command',
    terminal: 'Set terminal line parameters',
    configure: 'Enter configuration mode',
    reload: 'Read the configuration file again',
    enable: 'Turn on privileged commands',
    disable: 'Turn off privileged commands',
    exit: 'Exit from the EXEC',
    logout: 'Exit from the EXEC',
    quit: 'Exit from the EXEC',
    ip: 'IP information',
    inspect: 'CBAC (Context Based Access Control) information',
    all: 'Everything',
    config: 'The inspection configuration',
    interfaces: 'Interface status and configuration',
    name: 'One inspection rule',
    sessions: 'Sessions that are tracked by inspection',
    session: 'Sessions that are tracked by inspection',
    detail: 'Detailed information',
    statistics: 'Statistics',
    'access-lists': 'List access lists',
    'access-list': 'Access list',
    nat: 'IP NAT information',
    translations: 'Translation entries',
    translation: 'Translation entries',
    verbose: 'Show extra information',
    'virtual-reassembly': 'IP Virtual Fragment Reassembly (VFR) information',
    route: 'IP routing table',
    'port-map': 'Port to application mapping (PAM)',
    arp: 'ARP table',
    'arp-cache': 'Clear the ARP cache',
    logging: 'The contents of logging buffers',
    'running-config': 'Current operating configuration',
    version: 'Version of the program',
    debugging: 'State of each debugging option',
    history: 'The session command history',
    postern: 'Functions beyond those of IOS',
    counters: 'Counters',
    packet: 'What becomes of frames, step by step',
    count: 'Number of frames',
    '*': 'All dynamic translations',
    inside: 'Inside addresses (and ports)',
    outside: 'Outside addresses (and ports)',
    monitor: 'Copy debug output to the current terminal line',
    length: 'Set number of lines on a screen',
    write: 'Write running configuration to memory or terminal',
    memory: 'Write to the configuration file that the firewall was started with',
    copy: 'Copy from one file to another',
    'startup-config': 'The configuration file that the firewall was started with',
  },
  arguments: {
    NAME: word('Name of the inspection rule'),
    LIST: word('Access list number or name'),
    INTERFACE: interfaceName('Name of the interface'),
    APPLICATION: oneOf(Object.fromEntries(Object.keys(PORT_MAP).map((keyword) => [keyword, `${keyword} application`]))),
    SESSION: wordLike('HEX', /^[0-9a-f]{1,8}$/i, 'Identifier of the session'),
    PROTOCOL: oneOf({ tcp: 'Transmission Control Protocol', udp: 'User Datagram Protocol' }),
    GLOBAL: address('Inside global IP address'),
    GLOBAL_PORT: number(1, 65_535, 'Inside global port'),
    LOCAL: address('Inside local IP address'),
    LOCAL_PORT: number(1, 65_535, 'Inside local port'),
    OUTSIDE_LOCAL: address('Outside local IP address'),
    OUTSIDE_LOCAL_PORT: number(1, 65_535, 'Outside local port'),
    OUTSIDE_GLOBAL: address('Outside global IP address'),
    OUTSIDE_GLOBAL_PORT: number(1, 65_535, 'Outside global port'),
    COUNT: number(1, 1_000_000, 'Number of frames'),
    LINES: number(0, 512, 'Number of lines on screen (0 for no pausing)'),
    FILE: word('Name of the file'),
    SUBJECT: oneOf({
      detailed: 'Detailed information',
      esmtp: 'ESMTP inspection',
      events: 'Special events',
      'function-trace': 'Function trace',
      http: 'HTTP inspection',
      icmp: 'ICMP inspection',
      'L2-transparent': 'Transparent mode',
      'object-creation': 'Creation of objects',
      'object-deletion': 'Deletion of objects',
      smtp: 'SMTP inspection',
      tcp: 'TCP inspection',
      timers: 'Timer events',
      udp: 'UDP inspection',
    }),
  },
};

const FILTER_KIND = oneOf({
  begin: 'Begin with the line that matches',
  exclude: 'Exclude lines that match',
  include: 'Include lines that match',
  section: 'Filter a section of output',
})('FILTER');

const FILTER: Pattern = {
  kind: 'sequence',
  parts: [
    { kind: 'keyword', word: '|', help: 'Output modifiers', name: '|', value: true },
    FILTER_KIND,
    line('Regular Expression')('FILTER_PATTERN'),
  ],
};

export interface ExecRule {
  readonly command: ExecCommandName;
  readonly pattern: Pattern;
}

const filtered = (pattern: Pattern): Pattern => ({ kind: 'sequence', parts: [pattern, { kind: 'optional', part: FILTER }] });

/** All commands of exec mode, for parsing, help and completion. */
export const EXEC_RULES: readonly ExecRule[] = [
  ...SHOW.map(([command, syntax]): ExecRule => ({ command, pattern: filtered(compileSyntax(syntax, VOCABULARY)) })),
  ...ACT.map(([command, syntax]): ExecRule => ({ command, pattern: compileSyntax(syntax, VOCABULARY) })),
];

/** Parses a line of exec mode.  An empty line is incomplete. */
export function parseExec(text: string): ExecCommand | Failure {
  const found = match(lex(text), EXEC_RULES);
  if (found.kind !== 'matched') return found;
  const kind = found.args.maybeText('FILTER') as OutputFilter['kind'] | undefined;
  const filter = kind === undefined ? undefined : { kind, pattern: found.args.text('FILTER_PATTERN') };
  return { command: found.command.command, arguments: found.args, filter };
}
