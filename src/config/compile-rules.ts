// Compiles the inspection rules: lines with their defaults, the port map, the inspectors.

import type { Declaration, InspectorPolicy } from '../inspect/inspector.ts';
import { PORT_MAP, type PortMapping } from '../policy/port-map.ts';
import type { CompiledAccessList } from '../policy/access-list.ts';
import type { InspectEntry, InspectRule } from '../policy/snapshot.ts';
import { PROTOCOL_UDP } from '../wire/ipv4.ts';
import { expandDefaults, expandLine, type InspectSettings } from './inspect-defaults.ts';
import type { Configuration, EsmtpPolicyMap, InspectLine, InspectRuleConfig } from './model.ts';
import { milliseconds } from './units.ts';

/** What compilation needs of an inspector's declare.ts; the position in the list is its index in the registry. */
export interface InspectorDeclaration extends Declaration {
  /** `policyMap` is the map that the line names, if it exists; `regexes` are by name. */
  readonly compilePolicy?: (
    line: InspectLine,
    policyMap: EsmtpPolicyMap | undefined,
    regexes: ReadonlyMap<string, string>,
  ) => InspectorPolicy | null;
}

/** A protocol that the port map does not know: stored and displayed, never selected. */
const UNKNOWN: PortMapping = { protocols: [0], ports: [] };
const GENERIC = ['tcp', 'udp', 'icmp'];
const NO_LIST = -1;
const MISSING_LIST = -2;

interface MappedPort {
  readonly key: number;
  readonly entry: number;
  readonly list: number;
}

export interface RuleContext {
  readonly configuration: Configuration;
  readonly accessLists: readonly CompiledAccessList[];
  readonly inspectors: readonly InspectorDeclaration[];
  /** Rows of session counts by name of rule. */
  readonly rows: ReadonlyMap<string, number>;
}

/** Entries keep the order and number of their lines. */
export function compileRule(rule: InspectRuleConfig, context: RuleContext): InspectRule {
  const settings = expandDefaults(context.configuration);
  const entries = rule.lines.map((line) => compileEntry(line, settings, context.rows.get(rule.name)!, context));
  const mapped = rule.lines.flatMap((line, index) => mappedPorts(line.keyword, index, context));
  mapped.sort((a, b) => a.key - b.key || b.list - a.list || a.entry - b.entry);
  return {
    name: rule.name,
    entries,
    portKeys: Int32Array.from(mapped, (port) => port.key),
    portEntries: Int32Array.from(mapped, (port) => port.entry),
    portLists: Int32Array.from(mapped, (port) => port.list),
    tcpEntry: rule.lines.findIndex((line) => line.keyword === 'tcp'),
    udpEntry: rule.lines.findIndex((line) => line.keyword === 'udp'),
    icmpEntry: rule.lines.findIndex((line) => line.keyword === 'icmp'),
  };
}

function compileEntry(line: InspectLine, settings: InspectSettings, sessionRow: number, context: RuleContext): InspectEntry {
  const { protocols } = mappingOf(line.keyword);
  const expanded = expandLine(line, settings, protocols[0] === PROTOCOL_UDP);
  const inspector = context.inspectors.findIndex((declaration) => declaration.keywords.includes(line.keyword));
  return {
    keyword: line.keyword,
    protocol: protocols[0]!,
    ports: portsOf(line.keyword, context.configuration).map(({ port }) => port),
    inspector,
    inspectorPolicy: inspector < 0 ? null : inspectorPolicy(line, context.inspectors[inspector]!, context.configuration),
    timeout: milliseconds(expanded.timeout),
    alert: expanded.alert,
    auditTrail: expanded.auditTrail,
    maxSessions: line.maxSessions ?? 0,
    sessionRow,
    maxData: expanded.maxData,
    routerTraffic: line.routerTraffic,
    javaList: javaList(line, context.accessLists),
  };
}

/** Null: the inspector has nothing to look at under this line. */
function inspectorPolicy(
  line: InspectLine,
  declaration: InspectorDeclaration,
  { policyMaps, regexes }: Configuration,
): InspectorPolicy | null {
  const map = policyMaps.find(({ name }) => name === line.policy);
  return declaration.compilePolicy === undefined ? { ...line } : declaration.compilePolicy(line, map, regexes);
}

function javaList(line: InspectLine, lists: readonly CompiledAccessList[]): number {
  if (line.javaList === undefined) return NO_LIST;
  const index = lists.findIndex(({ name }) => name === line.javaList);
  return index < 0 ? MISSING_LIST : index;
}

function mappingOf(keyword: string): PortMapping {
  return PORT_MAP[keyword] ?? UNKNOWN;
}

/** System-defined and configured ports of a keyword. */
function portsOf(keyword: string, { portMaps }: Configuration): { port: number; list: string | undefined }[] {
  if (GENERIC.includes(keyword)) return [];
  const { ports, application = keyword } = mappingOf(keyword);
  const own = portMaps.filter((map) => map.application === keyword || map.application === application);
  return [...ports.map((port) => ({ port, list: undefined })), ...own.map(({ port, list }) => ({ port, list }))];
}

/** A mapping for the hosts of a list that does not exist is for no host. */
function mappedPorts(keyword: string, entry: number, { configuration, accessLists }: RuleContext): MappedPort[] {
  const { protocols } = mappingOf(keyword);
  return portsOf(keyword, configuration).flatMap(({ port, list }) => {
    const index = list === undefined ? NO_LIST : accessLists.findIndex(({ name }) => name === list);
    if (list !== undefined && index < 0) return [];
    return protocols.map((protocol) => ({ key: (protocol << 16) | port, entry, list: index }));
  });
}

/** A row of session counts for every name of a rule, kept from the policy before. */
export function sessionRows(rules: readonly InspectRuleConfig[], previous: readonly InspectRule[]): Map<string, number> {
  const rows = new Map<string, number>();
  for (const rule of previous) if (rule.entries.length > 0) rows.set(rule.name, rule.entries[0]!.sessionRow);
  const taken = new Set(rows.values());
  for (const { name } of rules) {
    if (rows.has(name)) continue;
    let row = 0;
    while (taken.has(row)) row++;
    taken.add(row);
    rows.set(name, row);
  }
  return rows;
}
