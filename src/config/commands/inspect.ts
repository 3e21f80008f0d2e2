// `ip inspect` in global mode: rules, timers, thresholds; and `ip port-map`.
//
// Not here: `ip inspect NAME in|out` of an interface (interface.ts), policy maps (policy-map.ts).

import { compileFamily, type Command, type Refusal } from '../command.ts';
import type { Args } from '../language/args.ts';
import { number, oneOf, word } from '../language/arguments.ts';
import type { Configuration, InspectLine, InspectRuleConfig } from '../model.ts';
import { MAIL_PROTOCOLS, MAILBOX_PROTOCOLS, MAPPED_APPLICATIONS, PLAIN_PROTOCOLS, ROUTER_PROTOCOLS, WORDS } from './inspect-words.ts';

const MAX_NAME = 16;
const MOST = 2_147_483_647;
const MOST_SECONDS = 2_147_483;
/** Records of the session table. */
const MOST_TABLE = 1_000_000;

const OPTIONS = 'alert ALERT || audit-trail AUDIT || timeout TIMEOUT';

function ruleCommands(): Command<Configuration>[] {
  const head = 'ip inspect name NAME [parameter max-sessions SESSIONS]';
  const lines = [
    `PLAIN [${OPTIONS}]`,
    `ROUTER [${OPTIONS} || router-traffic]`,
    `MAIL [${OPTIONS} || max-data OCTETS || policy POLICY]`,
    `MAILBOX [${OPTIONS} || reset || secure-login]`,
    `http [java-list LIST || urlfilter || ${OPTIONS}]`,
    `rpc program-number PROGRAM [wait-time MINUTES || ${OPTIONS}]`,
    `fragment [maximum FRAGMENTS || timeout FRAGMENT_TIMEOUT]`,
  ];
  return [
    ...lines.map((line): Command<Configuration> => ({ syntax: `${head} ${line}`, set: setLine, no: `${head} ${line}`, unset: removeLine })),
    {
      no: 'ip inspect name NAME',
      unset: (configuration, args) => void (configuration.rules = configuration.rules.filter((rule) => rule.name !== nameOf(args))),
    },
  ];
}

function nameOf(args: Args): string {
  return args.text('NAME').slice(0, MAX_NAME);
}

function keywordOf(args: Args): string {
  for (const name of ['PLAIN', 'ROUTER', 'MAIL', 'MAILBOX']) if (args.has(name)) return args.text(name);
  return ['http', 'rpc', 'fragment'].find((keyword) => args.has(keyword))!;
}

/** Options that have no field of their own, as they print. */
function optionsOf(args: Args): string[] {
  const options: string[] = [];
  if (args.has('PROGRAM')) options.push(`program-number ${args.number('PROGRAM')}`);
  if (args.has('MINUTES')) options.push(`wait-time ${args.number('MINUTES')}`);
  if (args.has('FRAGMENTS')) options.push(`maximum ${args.number('FRAGMENTS')}`);
  if (args.has('reset')) options.push('reset');
  if (args.has('secure-login')) options.push('secure-login');
  return options;
}

function lineOf(args: Args): InspectLine {
  const line: InspectLine = {
    keyword: keywordOf(args),
    routerTraffic: args.has('router-traffic'),
    urlFilter: args.has('urlfilter'),
    options: optionsOf(args),
  };
  const timeout = args.maybeNumber('TIMEOUT') ?? args.maybeNumber('FRAGMENT_TIMEOUT');
  if (args.has('SESSIONS')) line.maxSessions = args.number('SESSIONS');
  if (args.has('ALERT')) line.alert = args.text('ALERT') === 'on';
  if (args.has('AUDIT')) line.auditTrail = args.text('AUDIT') === 'on';
  if (args.has('OCTETS')) line.maxData = args.number('OCTETS');
  if (timeout !== undefined) line.timeout = timeout;
  if (args.has('LIST')) line.javaList = args.text('LIST');
  if (args.has('POLICY')) line.policy = args.text('POLICY');
  return line;
}

function sameLine(a: InspectLine, b: InspectLine): boolean {
  return a.keyword === b.keyword && (a.keyword !== 'rpc' || a.options[0] === b.options[0]);
}

function setLine(configuration: Configuration, args: Args): Refusal {
  const line = lineOf(args);
  const rule = configuration.rules.find((candidate) => candidate.name === nameOf(args));
  const refusal = rule && refuseBothMailProtocols(rule, line);
  if (refusal !== undefined) return refusal;
  if (rule === undefined) {
    configuration.rules.push({ name: nameOf(args), lines: [line] });
    return undefined;
  }
  const present = rule.lines.findIndex((other) => sameLine(other, line));
  if (present < 0) rule.lines.push(line);
  else rule.lines[present] = line;
  return undefined;
}

function refuseBothMailProtocols(rule: InspectRuleConfig, line: InspectLine): Refusal {
  const other = line.keyword === 'smtp' ? 'esmtp' : line.keyword === 'esmtp' ? 'smtp' : undefined;
  if (other === undefined || !rule.lines.some((present) => present.keyword === other)) return undefined;
  const word = other.toUpperCase();
  return `${line.keyword.toUpperCase()} cannot coexist with ${word}, please unconfigure ${word} and try again`;
}

function removeLine(configuration: Configuration, args: Args): void {
  const line = lineOf(args);
  const rule = configuration.rules.find((candidate) => candidate.name === nameOf(args));
  if (rule === undefined) return;
  rule.lines = rule.lines.filter((other) => !sameLine(other, line));
  if (rule.lines.length === 0) configuration.rules = configuration.rules.filter((other) => other !== rule);
}

type Settings = Configuration['inspect'];
type KeysOf<T> = { [K in keyof Settings]-?: NonNullable<Settings[K]> extends T ? K : never }[keyof Settings];

/** `ip inspect HEAD N`: a number under `key`. */
function numberSetting(head: string, argument: string, key: KeysOf<number>): Command<Configuration> {
  return {
    syntax: `ip inspect ${head} ${argument}`,
    set: ({ inspect }, args) => void (inspect[key] = args.number(argument)),
    no: `ip inspect ${head} [${argument}]`,
    unset: ({ inspect }) => void delete inspect[key],
  };
}

function flagSetting(head: string, key: KeysOf<boolean>): Command<Configuration> {
  return {
    syntax: `ip inspect ${head}`,
    set: ({ inspect }) => void (inspect[key] = true),
    no: `ip inspect ${head}`,
    unset: ({ inspect }) => void delete inspect[key],
  };
}

const REASSEMBLY = 'ip inspect tcp reassembly {queue length QUEUE || timeout REASSEMBLY_TIMEOUT || memory limit KILOBYTES || alarm ALARM}';

/** Threshold lines: IOS takes any order of the two values and says so. */
function threshold(
  head: string,
  high: 'maxIncompleteHigh' | 'oneMinuteHigh',
  low: 'maxIncompleteLow' | 'oneMinuteLow',
): Command<Configuration>[] {
  return [numberSetting(`${head} high`, 'THRESHOLD', high), numberSetting(`${head} low`, 'THRESHOLD', low)];
}

export const inspect = compileFamily<Configuration>({
  words: WORDS,
  arguments: {
    NAME: word('Name of inspection defined'),
    SESSIONS: number(1, MOST, 'Number of sessions'),
    TABLE: number(1, MOST_TABLE, 'Number of sessions'),
    PLAIN: oneOf(PLAIN_PROTOCOLS),
    ROUTER: oneOf(ROUTER_PROTOCOLS),
    MAIL: oneOf(MAIL_PROTOCOLS),
    MAILBOX: oneOf(MAILBOX_PROTOCOLS),
    ALERT: oneOf({ off: 'Turn off alert', on: 'Turn on alert' }),
    AUDIT: oneOf({ off: 'Turn off audit trail', on: 'Turn on audit trail' }),
    ALARM: oneOf({ off: 'Turn off alarm', on: 'Turn on alarm' }),
    TIMEOUT: number(5, 43_200, 'Timeout in seconds'),
    FRAGMENT_TIMEOUT: number(1, 1000, 'Timeout in seconds'),
    OCTETS: number(1, MOST, 'Bytes'),
    POLICY: word('Name of the policy-map'),
    LIST: word('Standard access-list number or name'),
    PROGRAM: number(1, MOST, 'Program number'),
    MINUTES: number(0, 35_791, 'Minutes'),
    FRAGMENTS: number(50, 10_000, 'Number of packets'),
    SECONDS: number(1, MOST_SECONDS, 'Timeout in seconds'),
    THRESHOLD: number(1, MOST, 'Number of connections'),
    HOST_LIMIT: number(1, MOST, 'Number of connections'),
    SIZE: oneOf({ 1024: 'Buckets', 2048: 'Buckets', 4096: 'Buckets', 8192: 'Buckets' }),
    QUEUE: number(0, 1024, 'Number of segments'),
    REASSEMBLY_TIMEOUT: number(1, 3600, 'Seconds'),
    KILOBYTES: number(1, 4_194_303, 'Kilobytes'),
    APPLICATION: oneOf(MAPPED_APPLICATIONS),
    PORT: number(1, 65_535, 'Port number'),
  },
  commands: [
    ...ruleCommands(),
    flagSetting('alert-off', 'alertOff'),
    flagSetting('audit-trail', 'auditTrail'),
    ...threshold('max-incomplete', 'maxIncompleteHigh', 'maxIncompleteLow'),
    ...threshold('one-minute', 'oneMinuteHigh', 'oneMinuteLow'),
    numberSetting('tcp synwait-time', 'SECONDS', 'synwaitTime'),
    numberSetting('tcp finwait-time', 'SECONDS', 'finwaitTime'),
    numberSetting('tcp idle-time', 'SECONDS', 'tcpIdleTime'),
    numberSetting('udp idle-time', 'SECONDS', 'udpIdleTime'),
    numberSetting('dns-timeout', 'SECONDS', 'dnsTimeout'),
    numberSetting('hashtable-size', 'SIZE', 'hashtableSize'),
    numberSetting('max-sessions', 'TABLE', 'maxSessions'),
    numberSetting('source max-sessions', 'SESSIONS', 'sourceSessions'),
    numberSetting('source rate', 'SESSIONS', 'sourceRate'),
    numberSetting('tcp store emitted', 'OCTETS', 'storeOctets'),
    numberSetting('tcp store total', 'OCTETS', 'storeTotal'),
    numberSetting('tcp store out-of-order', 'OCTETS', 'outOfOrderOctets'),
    numberSetting('tcp store synchronising', 'OCTETS', 'syncOctets'),
    numberSetting('tcp store synchronising-timeout', 'SECONDS', 'syncTimeout'),
    numberSetting('store fragments', 'OCTETS', 'fragmentOctets'),
    flagSetting('tcp window-scale-enforcement loose', 'windowScaleLoose'),
    flagSetting('tcp block-non-session', 'blockNonSession'),
    flagSetting('log drop-pkt', 'logDropPkt'),
    flagSetting('L2-transparent dhcp-passthrough', 'dhcpPassthrough'),
    {
      syntax: 'ip inspect tcp max-incomplete host HOST_LIMIT [block-time MINUTES]',
      set({ inspect: settings }, args) {
        settings.maxIncompleteHost = args.number('HOST_LIMIT');
        if (args.has('MINUTES')) settings.blockTime = args.number('MINUTES');
        else delete settings.blockTime;
      },
      no: 'ip inspect tcp max-incomplete host [HOST_LIMIT [block-time MINUTES]]',
      unset({ inspect: settings }) {
        delete settings.maxIncompleteHost;
        delete settings.blockTime;
      },
    },
    {
      syntax: REASSEMBLY,
      set({ inspect: settings }, args) {
        if (args.has('QUEUE')) settings.reassemblyQueueLength = args.number('QUEUE');
        if (args.has('REASSEMBLY_TIMEOUT')) settings.reassemblyTimeout = args.number('REASSEMBLY_TIMEOUT');
        if (args.has('KILOBYTES')) settings.reassemblyMemoryLimit = args.number('KILOBYTES');
        if (args.has('ALARM')) settings.reassemblyAlarm = args.text('ALARM') === 'on';
      },
      no: 'ip inspect tcp reassembly {queue length [QUEUE] || timeout [REASSEMBLY_TIMEOUT] || memory limit [KILOBYTES] || alarm [ALARM]}',
      unset({ inspect: settings }, args) {
        if (args.has('queue')) delete settings.reassemblyQueueLength;
        if (args.has('timeout')) delete settings.reassemblyTimeout;
        if (args.has('memory')) delete settings.reassemblyMemoryLimit;
        if (args.has('alarm')) delete settings.reassemblyAlarm;
      },
    },
    {
      syntax: 'ip port-map APPLICATION port PORT [list LIST]',
      set(configuration, args) {
        const entry = portMapOf(args);
        configuration.portMaps = [...configuration.portMaps.filter((other) => !samePortMap(other, entry)), entry];
      },
      no: 'ip port-map APPLICATION port PORT [list LIST]',
      unset(configuration, args) {
        const entry = portMapOf(args);
        configuration.portMaps = configuration.portMaps.filter((other) => !samePortMap(other, entry));
      },
    },
  ],
});

type PortMap = Configuration['portMaps'][number];

function portMapOf(args: Args): PortMap {
  const list = args.maybeText('LIST');
  return { application: args.text('APPLICATION'), port: args.number('PORT'), ...(list !== undefined && { list }) };
}

function samePortMap(a: PortMap, b: PortMap): boolean {
  return a.application === b.application && a.port === b.port && a.list === b.list;
}
