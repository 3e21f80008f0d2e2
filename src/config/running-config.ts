// Prints a configuration in the order of an IOS running-config, so that it reads back as the same configuration.
// Defaults are not printed.

import { SEQUENCE_STEP, entriesOf } from './commands/access-list.ts';
import { keptOf } from './commands/kept.ts';
import { SEVERITIES } from './commands/system.ts';
import { timeRangeLines } from './commands/time-range.ts';
import { formatAddress, prefixLengthOf } from './language/address.ts';
import type { AccessListConfig, Configuration, EsmtpPolicyMap, InspectLine, InterfaceConfig, RouteConfig, StaticNat } from './model.ts';

type Section = (configuration: Configuration) => string[];

/** Sections in order; each prints its lines, `!` stands between them. */
const SECTIONS: readonly Section[] = [
  (c) => [
    ...kept(c, 'version'),
    ...kept(c, 'service'),
    ...timestamps(c),
    ...kept(c, 'encryption'),
    ...(c.sequenceNumbers ? ['service sequence-numbers'] : []),
  ],
  (c) => [`hostname ${c.hostname}`],
  (c) => kept(c, 'boot'),
  logBuffer,
  (c) => kept(c, 'enable'),
  (c) => kept(c, 'aaa'),
  (c) => kept(c, 'voice-card'),
  (c) => kept(c, 'cef'),
  regexes,
  (c) => c.policyMaps.flatMap(policyMap),
  portMaps,
  (c) => [
    ...inspectSettings(c),
    ...c.rules.flatMap((rule) => rule.lines.map((line) => `ip inspect name ${rule.name} ${inspectLine(line)}`)),
  ],
  (c) => kept(c, 'ips'),
  (c) => kept(c, 'controller'),
  bridgeModes,
  (c) => separated(c.interfaces.map(interfaceBlock)),
  (c) => [...kept(c, 'http'), ...c.routes.map(route)],
  nat,
  (c) => separated(c.accessLists.filter(printsAsBlock).map(accessListBlock)),
  (c) => separated(c.timeRanges.map(timeRangeLines)),
  logHosts,
  (c) => [...c.accessLists.filter((list) => !printsAsBlock(list)).flatMap(accessListLines), ...typeLists(c)],
  (c) => kept(c, 'control-plane'),
  (c) => [
    ...c.bridge.groups.map((group) => `bridge ${group} protocol ieee`),
    ...kept(c, 'bridge'),
    ...(c.bridge.strict ? [`bridge ${c.bridge.groups[0] ?? 1} strict`] : []),
  ],
  (c) => kept(c, 'voice-port'),
  (c) => c.arp.map((entry) => `arp ${formatAddress(entry.addr)} ${entry.mac} arpa`),
  (c) => kept(c, 'line'),
  (c) => kept(c, 'ntp'),
];

/**
 * The text of `show running-config`; ends in a line feed.  The byte count is that of the text behind it, with line feeds
 * as line ends.
 */
export function printRunningConfig(configuration: Configuration): string {
  const body = configurationText(configuration);
  return `Building configuration...\n\nCurrent configuration : ${Buffer.byteLength(body)} bytes\n${body}`;
}

/** The configuration itself, from the first `!` to `end`. */
export function configurationText(configuration: Configuration): string {
  const blocks = SECTIONS.map((section) => section(configuration)).filter((lines) => lines.length > 0);
  return `!\n${blocks.map((lines) => `${lines.join('\n')}\n!\n`).join('')}end\n`;
}

function separated(blocks: readonly (readonly string[])[]): string[] {
  return blocks.flatMap((lines, index) => (index === 0 ? lines : ['!', ...lines]));
}

function kept(configuration: Configuration, section: string): string[] {
  return keptOf(configuration, section).flatMap((line) => [line.text, ...line.lines.map((inner) => ` ${inner}`)]);
}

/** `words` with the value when there is one. */
function optional(words: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [`${words} ${value}`];
}

function timestamps({ timestamps: { debug, log } }: Configuration): string[] {
  return [...optional('service timestamps debug', debug), ...optional('service timestamps log', log)];
}

function logBuffer({ logging }: Configuration): string[] {
  const lines: string[] = [];
  if (!logging.on) lines.push('no logging on');
  if (logging.buffered !== undefined) lines.push(['logging buffered', logging.buffered, SEVERITIES[logging.bufferedLevel ?? 7]].join(' '));
  if (logging.console === false) lines.push('no logging console');
  else if (logging.console !== undefined) lines.push(`logging console ${SEVERITIES[logging.console]}`);
  return lines;
}

function logHosts({ logging }: Configuration): string[] {
  const trap = logging.trap === undefined ? [] : [`logging trap ${SEVERITIES[logging.trap]}`];
  return [...trap, ...logging.hosts.map((host) => `logging ${formatAddress(host)}`)];
}

function regexes({ regexes: patterns }: Configuration): string[] {
  return [...patterns].map(([name, pattern]) => `regex ${name} "${pattern}"`);
}

function policyMap(map: EsmtpPolicyMap): string[] {
  return [
    `policy-map type inspect esmtp ${map.name}`,
    ...optional(' description', map.description),
    ...(map.parameters.length === 0 ? [] : [' parameters', ...map.parameters.map((words) => `  ${words.join(' ')}`)]),
    ...map.matches.flatMap((match) => [
      ` match ${criterionText(match.criterion)}`,
      ...(match.action.length === 0 ? [] : [`  ${match.action.join(' ')}`]),
    ]),
  ];
}

/** Verbs, RCPT and MIME are written in capitals. */
function criterionText(criterion: readonly string[]): string {
  const verbs = criterion.indexOf('verb');
  return criterion
    .map((word, index) => ((verbs >= 0 && index > verbs) || word === 'rcpt' || word === 'mime' ? word.toUpperCase() : word))
    .join(' ');
}

function portMaps({ portMaps: entries }: Configuration): string[] {
  return entries.map((entry) => [`ip port-map ${entry.application} port ${entry.port}`, ...optional('list', entry.list)].join(' '));
}

function inspectSettings({ inspect: s }: Configuration): string[] {
  const flag = (words: string, on: boolean | undefined): string[] => (on ? [words] : []);
  return [
    ...flag('ip inspect log drop-pkt', s.logDropPkt),
    ...flag('ip inspect alert-off', s.alertOff),
    ...flag('ip inspect audit-trail', s.auditTrail),
    ...optional('ip inspect max-incomplete low', s.maxIncompleteLow),
    ...optional('ip inspect max-incomplete high', s.maxIncompleteHigh),
    ...optional('ip inspect one-minute low', s.oneMinuteLow),
    ...optional('ip inspect one-minute high', s.oneMinuteHigh),
    ...optional('ip inspect udp idle-time', s.udpIdleTime),
    ...optional('ip inspect dns-timeout', s.dnsTimeout),
    ...optional('ip inspect hashtable-size', s.hashtableSize),
    ...optional('ip inspect tcp idle-time', s.tcpIdleTime),
    ...optional('ip inspect tcp finwait-time', s.finwaitTime),
    ...optional('ip inspect tcp synwait-time', s.synwaitTime),
    ...optional('ip inspect tcp max-incomplete host', s.maxIncompleteHost).map((line) =>
      [line, ...optional('block-time', s.blockTime)].join(' '),
    ),
    ...optional('ip inspect tcp reassembly queue length', s.reassemblyQueueLength),
    ...optional('ip inspect tcp reassembly timeout', s.reassemblyTimeout),
    ...optional('ip inspect tcp reassembly memory limit', s.reassemblyMemoryLimit),
    ...(s.reassemblyAlarm === undefined ? [] : [`ip inspect tcp reassembly alarm ${s.reassemblyAlarm ? 'on' : 'off'}`]),
    ...flag('ip inspect tcp window-scale-enforcement loose', s.windowScaleLoose),
    ...flag('ip inspect tcp block-non-session', s.blockNonSession),
    ...flag('ip inspect L2-transparent dhcp-passthrough', s.dhcpPassthrough),
    ...optional('ip inspect max-sessions', s.maxSessions),
    ...optional('ip inspect source max-sessions', s.sourceSessions),
    ...optional('ip inspect source rate', s.sourceRate),
    ...optional('ip inspect tcp store emitted', s.storeOctets),
    ...optional('ip inspect tcp store total', s.storeTotal),
    ...optional('ip inspect tcp store out-of-order', s.outOfOrderOctets),
    ...optional('ip inspect tcp store synchronising', s.syncOctets),
    ...optional('ip inspect tcp store synchronising-timeout', s.syncTimeout),
    ...optional('ip inspect store fragments', s.fragmentOctets),
  ];
}

const onOff = (value: boolean | undefined): string | undefined => (value === undefined ? undefined : value ? 'on' : 'off');

function inspectLine(line: InspectLine): string {
  return [
    ...optional('parameter max-sessions', line.maxSessions),
    line.keyword,
    ...line.options,
    ...optional('java-list', line.javaList),
    ...(line.urlFilter ? ['urlfilter'] : []),
    ...optional('alert', onOff(line.alert)),
    ...optional('audit-trail', onOff(line.auditTrail)),
    ...optional('max-data', line.maxData),
    ...(line.routerTraffic ? ['router-traffic'] : []),
    ...optional('timeout', line.timeout),
    ...optional('policy', line.policy),
  ].join(' ');
}

function bridgeModes({ bridge }: Configuration): string[] {
  return [...(bridge.irb ? ['bridge irb'] : []), ...(bridge.crb ? ['bridge crb'] : [])];
}

function interfaceBlock(port: InterfaceConfig): string[] {
  const lines = [
    ...optional('description', port.description),
    ...optional('mac-address', port.macAddress),
    addressLine(port),
    ...optional('ip access-group', port.accessGroupIn).map((line) => `${line} in`),
    ...optional('ip access-group', port.accessGroupOut).map((line) => `${line} out`),
    ...(port.unreachables === false ? ['no ip unreachables'] : []),
    ...optional('ip mtu', port.mtu),
    ...optional('ip nat', port.nat),
    ...optional('ip inspect', port.inspectIn).map((line) => `${line} in`),
    ...optional('ip inspect', port.inspectOut).map((line) => `${line} out`),
    ...virtualReassembly(port),
    ...optional('ip tcp adjust-mss', port.adjustMss),
    ...optional('arp timeout', port.arpTimeout),
    ...(port.shutdown ? ['shutdown'] : []),
    ...port.kept,
    ...optional('bridge-group', port.bridgeGroup),
    ...(port.bridgeInputTypeList === undefined ? [] : [`bridge-group ${port.bridgeGroup} input-type-list ${port.bridgeInputTypeList}`]),
  ];
  return [`interface ${port.name}`, ...lines.map((line) => ` ${line}`)];
}

function addressLine({ ipAddress }: InterfaceConfig): string {
  return typeof ipAddress === 'object' ? `ip address ${formatAddress(ipAddress.addr)} ${formatAddress(ipAddress.mask)}` : 'no ip address';
}

function virtualReassembly({ virtualReassembly: limits }: InterfaceConfig): string[] {
  if (limits === undefined) return [];
  return [
    [
      'ip virtual-reassembly',
      ...optional('max-fragments', limits.maxFragments),
      ...optional('max-reassemblies', limits.maxReassemblies),
      ...optional('timeout', limits.timeout),
      ...(limits.dropFragments ? ['drop-fragments'] : []),
    ].join(' '),
  ];
}

function route(entry: RouteConfig): string {
  return [
    `ip route ${formatAddress(entry.prefix)} ${formatAddress(entry.mask)}`,
    ...(entry.interface === undefined ? [] : [entry.interface]),
    ...(entry.nextHop === undefined ? [] : [formatAddress(entry.nextHop)]),
    ...(entry.distance === undefined ? [] : [entry.distance]),
    ...(entry.permanent ? ['permanent'] : []),
  ].join(' ');
}

function nat(configuration: Configuration): string[] {
  return [
    ...Object.entries(configuration.natTimeouts).map(
      ([kind, seconds]) => `ip nat translation ${kind} ${seconds === 0 ? 'never' : seconds}`,
    ),
    ...optional('ip nat translation max-entries', configuration.natMaxEntries),
    ...configuration.pools.map((pool) => {
      const size = pool.prefixLength ? `prefix-length ${prefixLengthOf(pool.mask)}` : `netmask ${formatAddress(pool.mask)}`;
      return `ip nat pool ${pool.name} ${formatAddress(pool.start)} ${formatAddress(pool.end)} ${size}`;
    }),
    ...configuration.dynamics.map((entry) => {
      const target = entry.pool === undefined ? `interface ${entry.interface}` : `pool ${entry.pool}`;
      return `ip nat inside source list ${entry.list} ${target}${entry.overload ? ' overload' : ''}`;
    }),
    ...configuration.statics.map(staticNat),
  ];
}

function staticNat(entry: StaticNat): string {
  const global = typeof entry.global === 'string' ? `interface ${entry.global}` : formatAddress(entry.global);
  const local = formatAddress(entry.local);
  const options = [
    ...entry.options.filter((word) => word === 'extendable'),
    ...(entry.noAlias ? ['no-alias'] : []),
    ...entry.options.filter((word) => word !== 'extendable'),
  ];
  const words =
    entry.mask !== undefined
      ? ['network', local, global, formatAddress(entry.mask)]
      : entry.protocol === 0
        ? [local, global]
        : [entry.protocol === 6 ? 'tcp' : 'udp', local, entry.localPort, global, entry.globalPort];
  return ['ip nat inside source static', ...words, ...options].join(' ');
}

/** Named lists, and numbered ones whose sequence numbers a numbered line could not say. */
function printsAsBlock(list: AccessListConfig): boolean {
  return list.named || !hasDefaultSequence(list) || list.items.length === 0;
}

function hasDefaultSequence(list: AccessListConfig): boolean {
  return entriesOf(list).every((entry, index) => entry.sequence === (index + 1) * SEQUENCE_STEP);
}

function accessListBlock(list: AccessListConfig): string[] {
  const numbered = !hasDefaultSequence(list);
  const lines = list.items.map((item) =>
    'remark' in item ? `remark ${item.remark}` : `${numbered ? `${item.sequence} ` : ''}${item.text}`,
  );
  return [`ip access-list ${list.standard ? 'standard' : 'extended'} ${list.name}`, ...lines.map((line) => ` ${line}`)];
}

function accessListLines(list: AccessListConfig): string[] {
  return list.items.map((item) => `access-list ${list.name} ${'remark' in item ? `remark ${item.remark}` : item.text}`);
}

function typeLists({ typeLists: entries }: Configuration): string[] {
  const hex = (value: number): string => `0x${value.toString(16).toUpperCase().padStart(4, '0')}`;
  return entries.map(
    (entry) => `access-list ${entry.list} ${(entry.permit ? 'permit' : 'deny').padEnd(6)} ${hex(entry.type)} ${hex(entry.wildcard)}`,
  );
}
