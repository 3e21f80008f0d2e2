// Lines and modes that are accepted, kept in their order and printed back, and have no effect here.
//
// The order of the table is the order within a section of the running-config.

import { compileFamily, mode, type Command, type Rule } from '../command.ts';
import type { Args } from '../language/args.ts';
import { address, line, number, wordLike } from '../language/arguments.ts';
import type { Configuration, KeptLine } from '../model.ts';

/** A command as its leading keywords, which name it, and what follows them. */
type HeadAndTail = readonly [head: string, tail: string];

interface Kept {
  readonly section: string;
  readonly line: HeadAndTail;
  /** IOS prints the `no` form of it, too. */
  readonly showsNo?: true;
  /** Several may stand side by side, told apart by the whole line. */
  readonly many?: true;
  /** Commands of the mode that it opens, with the prompt of the mode. */
  readonly mode?: { readonly prompt: string; readonly commands: readonly HeadAndTail[] };
}

const LINE_COMMANDS: readonly HeadAndTail[] = [
  ['exec-timeout', 'NUMBER [NUMBER]'],
  ['privilege level', 'NUMBER'],
  ['password', '[ENCRYPTION] TEXT'],
  ['logging synchronous', ''],
  ['login', '[local]'],
  ['transport input', 'TEXT'],
  ['transport output', 'TEXT'],
  ['stopbits', 'NUMBER'],
];

const TABLE: readonly Kept[] = [
  { section: 'version', line: ['version', 'VERSION'] },
  { section: 'service', line: ['service config', ''] },
  { section: 'service', line: ['service tcp-keepalives-in', ''] },
  { section: 'service', line: ['service tcp-keepalives-out', ''] },
  { section: 'encryption', line: ['service password-encryption', ''], showsNo: true },
  { section: 'boot', line: ['boot-start-marker', ''] },
  { section: 'boot', line: ['boot-end-marker', ''] },
  { section: 'enable', line: ['enable secret', '[ENCRYPTION] TEXT'] },
  { section: 'enable', line: ['enable password', '[ENCRYPTION] TEXT'] },
  { section: 'aaa', line: ['aaa new-model', ''], showsNo: true },
  { section: 'aaa', line: ['resource policy', ''] },
  { section: 'voice-card', line: ['voice-card', 'NUMBER'], many: true, mode: { prompt: 'config-voicecard', commands: [] } },
  { section: 'cef', line: ['ip subnet-zero', ''], showsNo: true },
  { section: 'cef', line: ['ip cef', ''], showsNo: true },
  { section: 'cef', line: ['ip dhcp use vrf connected', ''], showsNo: true },
  { section: 'cef', line: ['ip domain lookup', ''], showsNo: true },
  { section: 'cef', line: ['ip domain name', 'TEXT'] },
  { section: 'ips', line: ['ip ips deny-action ips-interface', ''], showsNo: true },
  { section: 'ips', line: ['ftp-server write-enable', ''], showsNo: true },
  {
    section: 'controller',
    line: ['controller', '{T1 | E1} PLACE'],
    many: true,
    mode: {
      prompt: 'config-controller',
      commands: [
        ['framing', '{sf | esf}'],
        ['linecode', '{ami | b8zs}'],
      ],
    },
  },
  { section: 'http', line: ['ip http server', ''], showsNo: true },
  { section: 'http', line: ['ip http secure-server', ''], showsNo: true },
  { section: 'http', line: ['ip classless', ''], showsNo: true },
  { section: 'control-plane', line: ['control-plane', ''], mode: { prompt: 'config-cp', commands: [] } },
  { section: 'bridge', line: ['bridge', 'GROUP route ip'], many: true },
  { section: 'voice-port', line: ['voice-port', 'PLACE'], many: true, mode: { prompt: 'config-voiceport', commands: [] } },
  { section: 'ntp', line: ['ntp server', 'HOST'], many: true },
  { section: 'line', line: ['line con', 'NUMBER'], many: true, mode: { prompt: 'config-line', commands: LINE_COMMANDS } },
  { section: 'line', line: ['line aux', 'NUMBER'], many: true, mode: { prompt: 'config-line', commands: LINE_COMMANDS } },
  { section: 'line', line: ['line vty', 'NUMBER [NUMBER]'], many: true, mode: { prompt: 'config-line', commands: LINE_COMMANDS } },
];

/** Kept lines of a section in the order of the running-config. */
export function keptOf(configuration: Configuration, section: string): KeptLine[] {
  const rank = (line: KeptLine): number => TABLE.findIndex((entry) => startsWithWords(line.key, entry.line[0]));
  return configuration.kept.filter((line) => line.section === section).sort((a, b) => rank(a) - rank(b));
}

function startsWithWords(text: string, words: string): boolean {
  return text === words || text.startsWith(`${words} `);
}

const WORDS: Readonly<Record<string, string>> = {
  version: 'Version of the configuration',
  service: 'Modify use of network based services',
  config: 'TFTP load config files',
  'tcp-keepalives-in': 'Generate keepalives on idle incoming network connections',
  'tcp-keepalives-out': 'Generate keepalives on idle outgoing network connections',
  'password-encryption': 'Encrypt system passwords',
  'boot-start-marker': 'Begin of the boot commands',
  'boot-end-marker': 'End of the boot commands',
  enable: 'Modify enable password parameters',
  password: 'Assign the privileged level password',
  secret: 'Assign the privileged level secret',
  aaa: 'Authentication, Authorization and Accounting',
  'new-model': 'Enable NEW access control commands and functions',
  resource: 'Configure Embedded Resource Manager',
  policy: 'Enter the resource policy',
  'voice-card': 'Configure a specific voice-card',
  'subnet-zero': "Allow 'subnet zero' subnets",
  cef: 'Cisco Express Forwarding',
  dhcp: 'Configure DHCP server and relay parameters',
  use: 'Configure use of certain information during address allocation',
  vrf: 'Use the VRF table for address allocation',
  connected: 'Use the VRF of the connected interface',
  domain: 'IP DNS Resolver',
  lookup: 'Enable IP Domain Name System hostname translation',
  name: 'Define the default domain name',
  ips: 'Intrusion Prevention System',
  'deny-action': 'Set the action of denied packets',
  'ips-interface': 'Deny on the interface of the rule',
  'ftp-server': 'Configure FTP server',
  'write-enable': 'Enable writes to the FTP server',
  controller: 'Configure a specific controller',
  T1: 'T1 controller',
  E1: 'E1 controller',
  framing: 'Specify the type of framing',
  sf: 'Superframe',
  esf: 'Extended superframe',
  linecode: 'Specify the line encoding method',
  ami: 'AMI encoding',
  b8zs: 'B8ZS encoding',
  http: 'HTTP server configuration',
  server: 'Enable the server, or name one',
  'secure-server': 'Enable HTTP secure server',
  classless: 'Follow classless routing forwarding rules',
  'control-plane': 'Configure control plane services',
  bridge: 'Bridge Group',
  route: 'Specify a protocol to route on this bridge group',
  'voice-port': 'Configure a specific voice port',
  ntp: 'Configure NTP',
  line: 'Configure a terminal line',
  con: 'Primary terminal line',
  aux: 'Auxiliary line',
  vty: 'Virtual terminal',
  login: 'Enable password checking',
  local: 'Local password checking',
  'exec-timeout': 'Set the EXEC timeout',
  logging: 'Modify message logging facilities',
  synchronous: 'Synchronized message output',
  transport: 'Define transport protocols for line',
  input: 'Define which protocols to use when connecting to the line',
  output: 'Define which protocols to use for outgoing connections',
  privilege: 'Change privilege level for line',
  level: 'Assign default privilege level for line',
  stopbits: 'Set async line stop bits',
};

const ARGUMENTS = {
  VERSION: wordLike('WORD', /^\d+\.\d+/, 'Version number'),
  ENCRYPTION: number(0, 7, 'Kind of encryption of the text that follows'),
  TEXT: line('Text'),
  NUMBER: number(0, 65_535, 'Number'),
  PLACE: wordLike('SLOT/PORT', /^\d+(\/\d+){1,2}$/, 'Slot and port numbers'),
  GROUP: number(1, 255, 'Bridge group number'),
  HOST: address('Address of the NTP server'),
};

function keep(configuration: Configuration, section: string, key: string, text: string): KeptLine {
  const present = configuration.kept.find((line) => line.key === key);
  if (present === undefined) {
    const line: KeptLine = { section, key, text, lines: [] };
    configuration.kept.push(line);
    return line;
  }
  present.text = text;
  return present;
}

function forget(configuration: Configuration, key: string): void {
  configuration.kept = configuration.kept.filter((line) => line.key !== key);
}

function optionalTail([head, tail]: HeadAndTail): string {
  return tail === '' ? head : `${head} [${tail}]`;
}

/** A line of a kept mode: replaces the one with the same head. */
function innerCommand(inner: HeadAndTail): Command<KeptLine> {
  const others = (line: KeptLine): string[] => line.lines.filter((text) => !startsWithWords(text, inner[0]));
  return {
    syntax: inner.join(' '),
    set: (line, args) => void (line.lines = [...others(line), args.line]),
    no: optionalTail(inner),
    unset: (line) => void (line.lines = others(line)),
  };
}

function commandOf(entry: Kept): Command<Configuration> {
  const keyOf = (args: Args): string => (entry.many ? args.line.replace(/^no /, '') : entry.line[0]);
  const inner = entry.mode?.commands.map(innerCommand) ?? [];
  const opened = entry.mode && mode<KeptLine>(entry.mode.prompt, compileFamily({ words: WORDS, arguments: ARGUMENTS, commands: inner }));
  return {
    syntax: entry.line.join(' '),
    set(configuration, args, session) {
      const line = keep(configuration, entry.section, keyOf(args), args.line);
      if (opened !== undefined) session.enter(opened, line);
    },
    no: entry.many ? entry.line.join(' ') : optionalTail(entry.line),
    unset(configuration, args) {
      if (entry.showsNo) keep(configuration, entry.section, keyOf(args), args.line);
      else forget(configuration, keyOf(args));
    },
  };
}

export const kept: Rule[] = compileFamily<Configuration>({ words: WORDS, arguments: ARGUMENTS, commands: TABLE.map(commandOf) });
