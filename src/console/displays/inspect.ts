// show ip inspect {all | config | interfaces | name NAME}.
//
// Not here: sessions and statistics (sessions.ts).

import { expandDefaults, expandLine, expandReassembly } from '../../config/inspect-defaults.ts';
import type { Configuration, InspectLine, InspectRuleConfig, InterfaceConfig } from '../../config/model.ts';
import { PORT_MAP } from '../../policy/port-map.ts';
import { PROTOCOL_UDP } from '../../wire/ipv4.ts';
import type { FirewallState } from '../state.ts';
import { showInspectSessions } from './sessions.ts';
import { lines } from './text.ts';

/** `all`: the configuration, the interfaces, and the sessions if there are any. */
export function showInspectAll(configuration: Configuration, state: FirewallState): string {
  return `${showInspectConfig(configuration)}\n${showInspectInterfaces(configuration)}${showInspectSessions(state, false)}`;
}

export function showInspectConfig(configuration: Configuration): string {
  const s = expandDefaults(configuration);
  return lines([
    `Session audit trail is ${s.auditTrail ? 'enabled' : 'disabled'}`,
    `Session alert is ${s.alert ? 'enabled' : 'disabled'}`,
    `one-minute (sampling period) thresholds are [${s.oneMinuteLow}:${s.oneMinuteHigh}] connections`,
    `max-incomplete sessions thresholds are [${s.maxIncompleteLow}:${s.maxIncompleteHigh}]`,
    `max-incomplete tcp connections per host is ${s.maxIncompleteHost}. Block-time ${s.blockTime} minute.`,
    `tcp synwait-time is ${s.synwaitTime} sec -- tcp finwait-time is ${s.finwaitTime} sec`,
    `tcp idle-time is ${s.tcpIdleTime} sec -- udp idle-time is ${s.udpIdleTime} sec`,
    ...reassemblyLine(configuration),
    `dns-timeout is ${s.dnsTimeout} sec`,
    'Inspection Rule Configuration',
    ...configuration.rules.flatMap((rule) => ruleLines(configuration, rule)),
  ]);
}

/** The line of 12.4(11)T; printed when one of its values is configured, since 12.3 does not have it. */
function reassemblyLine(configuration: Configuration): string[] {
  const settings = expandReassembly(configuration);
  if (settings === undefined) return [];
  const { queueLength, timeout, memoryLimit } = settings;
  return [`tcp reassembly queue length ${queueLength}; timeout ${timeout} sec; memory-limit ${memoryLimit} kilo bytes`];
}

function ruleLines(configuration: Configuration, rule: InspectRuleConfig): string[] {
  return [` Inspection name ${rule.name}`, ...protocolLines(configuration, rule)];
}

function protocolLines(configuration: Configuration, rule: InspectRuleConfig): string[] {
  return rule.lines.map((line) => `    ${protocolLine(configuration, line)}`);
}

function protocolLine(configuration: Configuration, line: InspectLine): string {
  const udp = PORT_MAP[line.keyword]?.protocols[0] === PROTOCOL_UDP;
  const s = expandLine(line, expandDefaults(configuration), udp);
  const timeout = line.keyword === 'fragment' ? (line.timeout ?? 1) : s.timeout;
  const switches = `alert is ${s.alert ? 'on' : 'off'} audit-trail is ${s.auditTrail ? 'on' : 'off'} timeout ${timeout}`;
  return [line.keyword, ...optionWords(line, s.maxData), switches].join(' ');
}

function optionWords(line: InspectLine, maxData: number): string[] {
  if (line.keyword === 'fragment') return [`Maximum ${line.options[0]?.split(' ')[1] ?? 256} In Use 0`];
  return [
    ...(line.javaList === undefined ? [] : [`java-list ${line.javaList}`]),
    ...(line.urlFilter ? ['urlfilter'] : []),
    ...(maxData === 0 ? [] : [`max-data ${maxData}`]),
    ...line.options,
  ];
}

/** `name NAME`; nothing when the rule does not exist. */
export function showInspectName(configuration: Configuration, name: string): string {
  const rule = configuration.rules.find((candidate) => candidate.name === name);
  return rule === undefined ? '' : lines(ruleLines(configuration, rule));
}

/** Interfaces that have a rule, the last configured first, as IOS shows them. */
export function showInspectInterfaces(configuration: Configuration): string {
  const inspected = configuration.interfaces.filter((port) => port.inspectIn !== undefined || port.inspectOut !== undefined);
  return lines(['Interface Configuration', ...inspected.toReversed().flatMap((port) => interfaceLines(configuration, port))]);
}

function interfaceLines(configuration: Configuration, port: InterfaceConfig): string[] {
  return [
    ` Interface ${port.name}`,
    `  Inbound inspection rule is ${port.inspectIn ?? 'not set'}`,
    ...linesOfRule(configuration, port.inspectIn),
    `  Outgoing inspection rule is ${port.inspectOut ?? 'not set'}`,
    ...linesOfRule(configuration, port.inspectOut),
    `  Inbound access list is ${port.accessGroupIn ?? 'not set'}`,
    `  Outgoing access list is ${port.accessGroupOut ?? 'not set'}`,
  ];
}

function linesOfRule(configuration: Configuration, name: string | undefined): string[] {
  const rule = configuration.rules.find((candidate) => candidate.name === name);
  return rule === undefined ? [] : protocolLines(configuration, rule);
}
