// One entry of an access list: its grammar, its reading, its text.
//
// Not here: the lists that entries stand in (commands/access-list.ts).  `dynamic`, `reflect`, `option` and `ttl` are rejected.

import {
  DSCPS,
  ICMP_MESSAGES,
  icmpOf,
  icmpText,
  nameOf,
  PRECEDENCES,
  PROTOCOLS,
  TCP_FLAGS,
  TCP_PORTS,
  TYPES_OF_SERVICE,
  UDP_PORTS,
} from './access-list-names.ts';
import type { Args } from './language/args.ts';
import { formatAddress } from './language/address.ts';
import { address, either, number, oneOf, word, wordLike } from './language/arguments.ts';
import type { Value } from './language/pattern.ts';
import type { ArgumentType } from './language/syntax.ts';
import type { ConfiguredEntry } from './model.ts';

const ANY = -1;
const TCP = 6;
const MAX_PORT = 65_535;
/** `eq` and `neq` take that many ports. */
const MAX_PORTS = 10;

const endpoint = (side: string): string => `{${side}_ANY | host ${side}_HOST | ${side}_ADDR ${side}_WILD}`;
const ports = (side: string, port: string): string =>
  `[${side}_LIST ${side}_${port}... | ${side}_ONE ${side}_${port} | range ${side}_${port} ${side}_${port}]`;

const COMMON = 'precedence PRECEDENCE || tos TOS || dscp DSCP || fragments || time-range TIME_RANGE || {log | log-input}';
const FLAGS = 'established || ack || fin || psh || rst || syn || urg || match-any SIGNED... || match-all SIGNED...';

/** What may follow `permit` or `deny` in an extended list. */
export const EXTENDED_SYNTAX = `{${[
  `tcp ${endpoint('SRC')} ${ports('SRC', 'TCP')} ${endpoint('DST')} ${ports('DST', 'TCP')} [${FLAGS} || ${COMMON}]`,
  `udp ${endpoint('SRC')} ${ports('SRC', 'UDP')} ${endpoint('DST')} ${ports('DST', 'UDP')} [${COMMON}]`,
  `icmp ${endpoint('SRC')} ${endpoint('DST')} [MESSAGE | ICMP_TYPE [ICMP_CODE]] [${COMMON}]`,
  `PROTOCOL ${endpoint('SRC')} ${endpoint('DST')} [${COMMON}]`,
].join(' | ')}}`;

/** The same in a standard list. */
export const STANDARD_SYNTAX = '{SRC_ANY | host SRC_HOST | SRC_ADDR [SRC_WILD]} [log]';

const helpFor = (names: Readonly<Record<string, number>>, help: (name: string) => string): Record<string, string> =>
  Object.fromEntries(Object.keys(names).map((name) => [name, help(name)]));

const named = (names: Readonly<Record<string, number>>, help: (name: string) => string): ArgumentType => oneOf(helpFor(names, help), names);

const tcpPort = either(
  number(0, MAX_PORT, 'Port number'),
  named(TCP_PORTS, (name) => `${name} (${TCP_PORTS[name]})`),
);
const udpPort = either(
  number(0, MAX_PORT, 'Port number'),
  named(UDP_PORTS, (name) => `${name} (${UDP_PORTS[name]})`),
);

const { tcp: _tcp, udp: _udp, icmp: _icmp, ...OTHER_PROTOCOLS } = PROTOCOLS;

function endpointArguments(side: string, what: string): Record<string, ArgumentType> {
  return {
    [`${side}_ANY`]: oneOf({ any: `Any ${what} host` }),
    [`${side}_HOST`]: address(`${what[0]!.toUpperCase()}${what.slice(1)} address`),
    [`${side}_ADDR`]: address(`${what[0]!.toUpperCase()}${what.slice(1)} address`),
    [`${side}_WILD`]: address(`${what[0]!.toUpperCase()}${what.slice(1)} wildcard bits`),
    [`${side}_LIST`]: oneOf({ eq: 'Match only packets on a given port number', neq: 'Match only packets not on a given port number' }),
    [`${side}_ONE`]: oneOf({ gt: 'Match only packets with a greater port number', lt: 'Match only packets with a lower port number' }),
    [`${side}_TCP`]: tcpPort,
    [`${side}_UDP`]: udpPort,
  };
}

export const ENTRY_ARGUMENTS: Readonly<Record<string, ArgumentType>> = {
  ACTION: oneOf({ deny: 'Specify packets to reject', permit: 'Specify packets to forward' }),
  ...endpointArguments('SRC', 'source'),
  ...endpointArguments('DST', 'destination'),
  PROTOCOL: either(
    number(0, 255, 'An IP protocol number'),
    named(OTHER_PROTOCOLS, (name) => `IP protocol ${name}`),
  ),
  MESSAGE: named(ICMP_MESSAGES, (name) => name.replaceAll('-', ' ')),
  ICMP_TYPE: number(0, 255, 'ICMP message type'),
  ICMP_CODE: number(0, 254, 'ICMP message code'),
  SIGNED: wordLike('{+|-}FLAG', /^[+-](ack|fin|psh|rst|syn|urg)$/i, 'Flag that must be set (+) or clear (-)'),
  PRECEDENCE: either(
    number(0, 7, 'Precedence value'),
    named(PRECEDENCES, (name) => `Match packets with ${name} precedence`),
  ),
  TOS: either(
    number(0, 15, 'Type of service value'),
    named(TYPES_OF_SERVICE, (name) => `Match packets with ${name} TOS`),
  ),
  DSCP: either(
    number(0, 63, 'Differentiated services codepoint value'),
    named(DSCPS, (name) => `Match packets with ${name} dscp`),
  ),
  TIME_RANGE: word('Name of the time-range'),
};

export const ENTRY_WORDS: Readonly<Record<string, string>> = {
  tcp: 'Transmission Control Protocol',
  udp: 'User Datagram Protocol',
  icmp: 'Internet Control Message Protocol',
  host: 'A single host',
  range: 'Match only packets in the range of port numbers',
  established: 'Match established connections',
  ack: 'Match on the ACK bit',
  fin: 'Match on the FIN bit',
  psh: 'Match on the PSH bit',
  rst: 'Match on the RST bit',
  syn: 'Match on the SYN bit',
  urg: 'Match on the URG bit',
  'match-any': 'Match if any of the given flags is as given',
  'match-all': 'Match if all given flags are as given',
  precedence: 'Match packets with given precedence value',
  tos: 'Match packets with given TOS value',
  dscp: 'Match packets with given dscp value',
  fragments: 'Check non-initial fragments',
  'time-range': 'Specify a time-range',
  log: 'Log matches against this entry',
  'log-input': 'Log matches against this entry, including input interface',
};

interface Endpoint {
  readonly addr: number;
  readonly wildcard: number;
}

function readEndpoint(args: Args, side: string): Endpoint {
  if (args.has(`${side}_HOST`)) return { addr: args.number(`${side}_HOST`), wildcard: 0 };
  if (!args.has(`${side}_ADDR`)) return { addr: 0, wildcard: -1 };
  const wildcard = args.maybeNumber(`${side}_WILD`) ?? 0;
  return { addr: args.number(`${side}_ADDR`) & ~wildcard, wildcard };
}

function endpointText({ addr, wildcard }: Endpoint): string {
  if (wildcard === -1) return 'any';
  return wildcard === 0 ? `host ${formatAddress(addr)}` : `${formatAddress(addr)} ${formatAddress(wildcard)}`;
}

interface Ports {
  readonly operator: string;
  readonly numbers: readonly number[];
  readonly ranges: readonly number[];
}

const NO_PORTS: Ports = { operator: '', numbers: [], ranges: [] };

/** Ports of one side; ranges [low, high, low, high ...] without empty ones. */
function readPorts(args: Args, side: string): Ports {
  const given = [...args.all(`${side}_TCP`), ...args.all(`${side}_UDP`)].map(Number);
  if (given.length === 0) return NO_PORTS;
  const operator = args.maybeText(`${side}_LIST`) ?? args.maybeText(`${side}_ONE`) ?? 'range';
  const numbers = operator === 'range' ? given.sort((a, b) => a - b) : given;
  return { operator, numbers, ranges: rangesOf(operator, numbers) };
}

function rangesOf(operator: string, numbers: readonly number[]): number[] {
  switch (operator) {
    case 'eq':
      return numbers.flatMap((port) => [port, port]);
    case 'gt':
      return [numbers[0]! + 1, MAX_PORT];
    case 'lt':
      return [0, numbers[0]! - 1];
    case 'neq':
      return complement(numbers);
    default:
      return [...numbers];
  }
}

function complement(numbers: readonly number[]): number[] {
  const ranges: number[] = [];
  let low = 0;
  for (const port of [...numbers].sort((a, b) => a - b)) {
    if (port > low) ranges.push(low, port - 1);
    low = Math.max(low, port + 1);
  }
  if (low <= MAX_PORT) ranges.push(low, MAX_PORT);
  return ranges;
}

function portsText({ operator, numbers }: Ports, protocol: number): string {
  const names = protocol === TCP ? TCP_PORTS : UDP_PORTS;
  return [operator, ...numbers.map((port) => nameOf(names, port))].join(' ');
}

interface Flags {
  readonly set: number;
  readonly clear: number;
  readonly any: boolean;
  readonly text: string;
}

/** TCP flags: bare ones match when any of them is set; match-any and match-all as they say. */
function readFlags(args: Args): Flags {
  const bare = Object.keys(TCP_FLAGS).filter((flag) => args.has(flag));
  const signed = args.all('SIGNED').map((flag: Value) => String(flag).toLowerCase());
  const bits = (flags: readonly string[]): number => flags.reduce((sum, flag) => sum | TCP_FLAGS[flag]!, 0);
  const withSign = (sign: string): number => bits(signed.filter((flag) => flag[0] === sign).map((flag) => flag.slice(1)));
  const mode = args.has('match-all') ? 'match-all' : args.has('match-any') ? 'match-any' : '';
  return {
    set: bits(bare) | withSign('+'),
    clear: withSign('-'),
    any: mode === 'match-any' || bare.length > 0,
    text: [...bare, mode, ...signed].filter(Boolean).join(' '),
  };
}

function readIcmp(args: Args): { type: number; code: number } {
  if (args.has('MESSAGE')) return icmpOf(args.number('MESSAGE'));
  return { type: args.maybeNumber('ICMP_TYPE') ?? ANY, code: args.maybeNumber('ICMP_CODE') ?? ANY };
}

function protocolOf(args: Args): number {
  return args.has('tcp') ? TCP : args.has('udp') ? PROTOCOLS['udp']! : args.has('icmp') ? PROTOCOLS['icmp']! : args.number('PROTOCOL');
}

/** `permit`, or `deny` padded to the same width. */
function actionText(args: Args): string {
  return args.text('ACTION').padEnd(6);
}

/** What makes an entry impossible although it parsed. */
function refuse(source: Ports, destination: Ports, args: Args): string | undefined {
  const both = [source, destination];
  if (both.some(({ numbers }) => numbers.length > MAX_PORTS)) return `% Too many ports: at most ${MAX_PORTS}`;
  if (both.some(({ ranges }) => ranges.length > 0 && ranges[0]! > ranges[1]!)) return '% No port number matches';
  if (both.some(({ operator, ranges }) => operator !== '' && ranges.length === 0)) return '% No port number matches';
  if (args.has('fragments') && both.some(({ operator }) => operator !== '')) return "% 'fragments' cannot be combined with ports";
  if (args.has('match-any') && args.has('match-all')) return "% 'match-any' cannot be combined with 'match-all'";
  const bare = Object.keys(TCP_FLAGS).some((flag) => args.has(flag));
  if (args.has('SIGNED') && bare) return "% Flags must be given either by themselves or behind 'match-any' or 'match-all'";
  if (args.has('DSCP') && (args.has('PRECEDENCE') || args.has('TOS'))) return "% 'dscp' cannot be combined with 'precedence' or 'tos'";
  return undefined;
}

/** Reads an entry of an extended list; a string says why it is refused. */
export function readExtended(args: Args, sequence: number): ConfiguredEntry | string {
  const protocol = protocolOf(args);
  const src = readEndpoint(args, 'SRC');
  const dst = readEndpoint(args, 'DST');
  const srcPorts = readPorts(args, 'SRC');
  const dstPorts = readPorts(args, 'DST');
  const refusal = refuse(srcPorts, dstPorts, args);
  if (refusal !== undefined) return refusal;
  const flags = readFlags(args);
  const icmp = readIcmp(args);
  const text = [
    actionText(args),
    nameOf(PROTOCOLS, protocol),
    endpointText(src),
    portsText(srcPorts, protocol),
    endpointText(dst),
    portsText(dstPorts, protocol),
    icmp.type === ANY ? '' : icmpText(icmp.type, icmp.code),
    args.has('established') ? 'established' : '',
    flags.text,
    optionsText(args),
  ];
  return {
    sequence,
    permit: args.text('ACTION') === 'permit',
    protocol,
    src: src.addr,
    srcWildcard: src.wildcard,
    dst: dst.addr,
    dstWildcard: dst.wildcard,
    srcPorts: srcPorts.ranges,
    dstPorts: dstPorts.ranges,
    icmpType: icmp.type,
    icmpCode: icmp.code,
    established: args.has('established'),
    flagsSet: flags.set,
    flagsClear: flags.clear,
    flagsAny: flags.any,
    fragments: args.has('fragments'),
    dscp: args.maybeNumber('DSCP') ?? ANY,
    precedence: args.maybeNumber('PRECEDENCE') ?? ANY,
    tos: args.maybeNumber('TOS') ?? ANY,
    log: args.has('log') || args.has('log-input'),
    logInput: args.has('log-input'),
    ...(args.has('TIME_RANGE') && { timeRange: args.text('TIME_RANGE') }),
    text: text.filter(Boolean).join(' '),
  };
}

function optionsText(args: Args): string {
  const options = [
    args.has('PRECEDENCE') && `precedence ${nameOf(PRECEDENCES, args.number('PRECEDENCE'))}`,
    args.has('TOS') && `tos ${nameOf(TYPES_OF_SERVICE, args.number('TOS'))}`,
    args.has('DSCP') && `dscp ${nameOf(DSCPS, args.number('DSCP'))}`,
    args.has('fragments') && 'fragments',
    args.has('TIME_RANGE') && `time-range ${args.text('TIME_RANGE')}`,
    args.has('log') && 'log',
    args.has('log-input') && 'log-input',
  ];
  return options.filter(Boolean).join(' ');
}

/** Reads an entry of a standard list. */
export function readStandard(args: Args, sequence: number): ConfiguredEntry {
  const src = readEndpoint(args, 'SRC');
  const where = src.wildcard === 0 ? formatAddress(src.addr) : endpointText(src);
  return {
    sequence,
    permit: args.text('ACTION') === 'permit',
    protocol: ANY,
    src: src.addr,
    srcWildcard: src.wildcard,
    dst: 0,
    dstWildcard: -1,
    srcPorts: [],
    dstPorts: [],
    icmpType: ANY,
    icmpCode: ANY,
    established: false,
    flagsSet: 0,
    flagsClear: 0,
    flagsAny: false,
    fragments: false,
    dscp: ANY,
    precedence: ANY,
    tos: ANY,
    log: args.has('log'),
    logInput: false,
    text: [actionText(args), where, args.has('log') ? 'log' : ''].filter(Boolean).join(' '),
  };
}
