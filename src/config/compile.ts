// Compiles a configuration to the policy that the data plane works by: names to indices, commands' units to
// milliseconds, what is not configured to its default.
//
// Only a policy map can fail (a criterion that is not understood); what names something that does not exist means what
// IOS makes of it (an access list that does not exist permits everything, a rule that does not exist inspects nothing).
// Not here: syntax and checks of single lines (commands/), rules (compile-rules.ts), access lists (compile-lists.ts).

import * as http from '../inspect/http/declare.ts';
import * as smtp from '../inspect/smtp/declare.ts';
import {
  DEFAULT_STREAM_LIMITS,
  type InterfacePolicy,
  NAT_INSIDE,
  NAT_NONE,
  NAT_OUTSIDE,
  type NatPolicy,
  type PolicySnapshot,
  type PortTimeout,
  type Route,
  type StaticBinding,
  type StreamLimits,
  type Timers,
  type VirtualReassembly,
} from '../policy/snapshot.ts';
import { compileRoutes } from '../policy/routes.ts';
import { compileTypeList } from '../policy/type-list.ts';
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';
import { compileLists } from './compile-lists.ts';
import { compileTimeRange, timedEntriesOf } from './compile-time-ranges.ts';
import { compileRule, type InspectorDeclaration, sessionRows } from './compile-rules.ts';
import { expandDefaults, expandReassembly, type InspectSettings } from './inspect-defaults.ts';
import type { Configuration, DynamicNat, InterfaceConfig, RouteConfig, StaticNat } from './model.ts';
import { macParts, milliseconds } from './units.ts';

export { expandDefaults, expandLine } from './inspect-defaults.ts';

export interface CompileOptions {
  readonly epoch: number;
  /** `--checksum verify` */
  readonly verifyChecksums: boolean;
  /** The policy that this one will replace: interfaces keep their index, unchanged lists their hit counters. */
  readonly previous?: PolicySnapshot;
  /** Declarations of the inspectors in the order of the registry. */
  readonly inspectors?: readonly InspectorDeclaration[];
}

const DEFAULT_SESSIONS = 100_000;
const MOST_SESSIONS = 1_000_000;
const MINUTE = 60_000;
const ARP_TIMEOUT = 14_400;
/** Of a connected and a static route. */
const CONNECTED = 0;
const STATIC = 1;

/** In the order of inspect/registry.ts. */
const INSPECTORS: readonly InspectorDeclaration[] = [
  { ...smtp.declaration, compilePolicy: smtp.compilePolicy },
  { ...http.declaration, compilePolicy: http.compilePolicy },
];

/** Throws an Error that names the line of a policy map that is not understood. */
export function compilePolicy(configuration: Configuration, options: CompileOptions): PolicySnapshot {
  const { previous, inspectors = INSPECTORS } = options;
  const settings = expandDefaults(configuration);
  const { lists: accessLists, hitRows, hitMoves } = compileLists(configuration.accessLists, previous?.accessLists ?? []);
  const listIndex = (name: string | undefined): number => accessLists.findIndex((list) => list.name === name && list.entries.length > 0);
  const ruleIndex = (name: string | undefined): number => configuration.rules.findIndex((rule) => rule.name === name);
  const interfaces = compileInterfaces(configuration, previous?.interfaces ?? [], listIndex, ruleIndex);
  const interfaceIndex = (name: string | undefined): number => interfaces.findIndex((port) => port.name === name);
  const routes = compileRouteList(configuration.routes, interfaces, interfaceIndex);
  const timeRanges = configuration.timeRanges.map(compileTimeRange);
  const rows = sessionRows(configuration.rules, previous?.rules ?? []);
  return {
    epoch: options.epoch,
    hostname: configuration.hostname,
    interfaces,
    accessLists,
    timeRanges,
    timedEntries: timedEntriesOf(accessLists, timeRanges),
    hitRows,
    hitMoves,
    rules: configuration.rules.map((rule) => compileRule(rule, { configuration, accessLists, inspectors, rows })),
    routes,
    forwarding: compileRoutes(routes, interfaces),
    nat: compileNat(configuration, interfaces, interfaceIndex, (name) => accessLists.findIndex((list) => list.name === name)),
    neighbours: configuration.arp.map(({ addr, mac }) => ({ addr, mac: macParts(mac) })),
    timers: compileTimers(settings),
    thresholds: compileThresholds(settings, configuration),
    stream: compileStream(configuration),
    maxSessions: previous?.maxSessions ?? Math.min(configuration.inspect.maxSessions ?? DEFAULT_SESSIONS, MOST_SESSIONS),
    bridgeStrict: configuration.bridge.strict,
    logDrops: configuration.inspect.logDropPkt === true,
    verifyChecksums: options.verifyChecksums,
    windowScaleLoose: configuration.inspect.windowScaleLoose === true,
    blockNonSession: configuration.inspect.blockNonSession === true,
  };
}

type IndexOf = (name: string | undefined) => number;

/** In configuration order at first; later an interface keeps its place, a removed one stays as a place without use. */
function compileInterfaces(
  { interfaces, typeLists }: Configuration,
  previous: readonly InterfacePolicy[],
  listIndex: IndexOf,
  ruleIndex: IndexOf,
): InterfacePolicy[] {
  const known = previous.map((former) => interfaces.find(({ name }) => name === former.name) ?? removed(former.name));
  const added = interfaces.filter(({ name }) => !previous.some((former) => former.name === name));
  return [...known, ...added].map((config) => {
    const types = config.bridgeInputTypeList;
    const inputTypes = types === undefined ? null : compileTypeList(typeLists.filter(({ list }) => list === types));
    return compileInterface(config, inputTypes, listIndex, ruleIndex);
  });
}

function removed(name: string): InterfaceConfig {
  return { name, shutdown: true, kept: [] };
}

function compileInterface(config: InterfaceConfig, inputTypes: Int32Array | null, listIndex: IndexOf, ruleIndex: IndexOf): InterfacePolicy {
  const address = typeof config.ipAddress === 'object' ? config.ipAddress : { addr: 0, mask: 0 };
  return {
    name: config.name,
    enabled: !config.shutdown,
    addr: address.addr,
    mask: address.mask,
    mac: config.macAddress === undefined ? null : macParts(config.macAddress),
    bridgeGroup: config.bridgeGroup ?? 0,
    inputTypes,
    nat: natSide(config),
    accessIn: listIndex(config.accessGroupIn),
    accessOut: listIndex(config.accessGroupOut),
    inspectIn: ruleIndex(config.inspectIn),
    inspectOut: ruleIndex(config.inspectOut),
    reassembly: compileReassembly(config),
    unreachables: config.unreachables !== false,
    mtu: config.mtu ?? 0,
    arpTimeout: milliseconds(config.arpTimeout ?? ARP_TIMEOUT),
    adjustMss: config.adjustMss ?? 0,
  };
}

function natSide({ nat }: InterfaceConfig): number {
  if (nat === 'inside') return NAT_INSIDE;
  return nat === 'outside' ? NAT_OUTSIDE : NAT_NONE;
}

/** NAT and inspection switch it on for their interfaces. */
function compileReassembly(config: InterfaceConfig): VirtualReassembly {
  const configured = config.virtualReassembly;
  const needed = config.nat !== undefined || config.inspectIn !== undefined || config.inspectOut !== undefined;
  return {
    enabled: configured !== undefined || needed,
    maxReassemblies: configured?.maxReassemblies ?? 16,
    maxFragments: configured?.maxFragments ?? 32,
    timeout: milliseconds(configured?.timeout ?? 3),
    dropFragments: configured?.dropFragments ?? false,
  };
}

interface RankedRoute extends Route {
  readonly distance: number;
}

/** Longest mask first, then by distance; of routes to the same prefix only the best. */
function compileRouteList(configured: readonly RouteConfig[], interfaces: readonly InterfacePolicy[], interfaceIndex: IndexOf): Route[] {
  const ranked: RankedRoute[] = [];
  interfaces.forEach((port, index) => {
    if (!port.enabled || port.addr === 0 || port.bridgeGroup !== 0) return;
    ranked.push({ prefix: port.addr & port.mask, mask: port.mask, nextHop: 0, interface: index, distance: CONNECTED });
  });
  for (const route of configured) ranked.push(...staticRoute(route, interfaceIndex));
  ranked.sort((a, b) => (b.mask >>> 0) - (a.mask >>> 0) || a.distance - b.distance);
  const isBest = (route: RankedRoute, i: number): boolean =>
    ranked.findIndex(({ prefix, mask }) => prefix === route.prefix && mask === route.mask) === i;
  return ranked.filter(isBest).map(({ prefix, mask, nextHop, interface: port }) => ({ prefix, mask, nextHop, interface: port }));
}

/** A route by an interface that does not exist is none. */
function staticRoute(route: RouteConfig, interfaceIndex: IndexOf): RankedRoute[] {
  const index = interfaceIndex(route.interface);
  if (route.interface !== undefined && index < 0) return [];
  return [
    {
      prefix: route.prefix & route.mask,
      mask: route.mask,
      nextHop: route.nextHop ?? 0,
      interface: index,
      distance: route.distance ?? STATIC,
    },
  ];
}

function compileNat(
  configuration: Configuration,
  interfaces: readonly InterfacePolicy[],
  interfaceIndex: IndexOf,
  listIndex: IndexOf,
): NatPolicy {
  const { pools, natTimeouts } = configuration;
  const timeout = (keyword: string, seconds: number): number => milliseconds(natTimeouts[keyword] ?? seconds);
  return {
    statics: configuration.statics.flatMap((config) => compileStatic(config, interfaces, interfaceIndex)),
    pools: pools.map(({ name, start, end, mask }) => ({ name, start, end, mask })),
    mappings: configuration.dynamics
      .map((config: DynamicNat) => ({
        accessList: listIndex(config.list),
        pool: pools.findIndex(({ name }) => name === config.pool),
        interface: interfaceIndex(config.interface),
        overload: config.overload || config.interface !== undefined,
      }))
      .filter((mapping) => mapping.pool >= 0 || mapping.interface >= 0),
    timeout: timeout('timeout', 86_400),
    tcpTimeout: timeout('tcp-timeout', 86_400),
    udpTimeout: timeout('udp-timeout', 300),
    finRstTimeout: timeout('finrst-timeout', 60),
    synTimeout: timeout('syn-timeout', 60),
    icmpTimeout: timeout('icmp-timeout', 60),
    dnsTimeout: timeout('dns-timeout', 60),
    portTimeouts: compilePortTimeouts(natTimeouts),
    maxEntries: configuration.natMaxEntries ?? 0,
  };
}

/** Their keys are `port-timeout {tcp | udp} PORT`. */
function compilePortTimeouts(natTimeouts: Configuration['natTimeouts']): PortTimeout[] {
  return Object.entries(natTimeouts).flatMap(([key, seconds]) => {
    const [kind, transport, port] = key.split(' ');
    if (kind !== 'port-timeout') return [];
    return [{ protocol: transport === 'tcp' ? PROTOCOL_TCP : PROTOCOL_UDP, port: Number(port), timeout: milliseconds(seconds) }];
  });
}

/** A translation to the address of an interface that has none is none. */
function compileStatic(config: StaticNat, interfaces: readonly InterfacePolicy[], interfaceIndex: IndexOf): StaticBinding[] {
  const index = typeof config.global === 'string' ? interfaceIndex(config.global) : -1;
  const global = typeof config.global === 'string' ? (interfaces[index]?.addr ?? 0) : config.global;
  if (global === 0) return [];
  return [
    {
      local: config.local,
      global,
      protocol: config.protocol,
      localPort: config.localPort,
      globalPort: config.globalPort,
      mask: config.mask ?? -1,
      interface: index,
      alias: !config.noAlias,
    },
  ];
}

function compileTimers(settings: InspectSettings): Timers {
  return {
    synWait: milliseconds(settings.synwaitTime),
    finWait: milliseconds(settings.finwaitTime),
    tcpIdle: milliseconds(settings.tcpIdleTime),
    udpIdle: milliseconds(settings.udpIdleTime),
    dns: milliseconds(settings.dnsTimeout),
  };
}

function compileThresholds(settings: InspectSettings, { inspect }: Configuration): PolicySnapshot['thresholds'] {
  return {
    maxIncompleteHigh: settings.maxIncompleteHigh,
    maxIncompleteLow: settings.maxIncompleteLow,
    oneMinuteHigh: settings.oneMinuteHigh,
    oneMinuteLow: settings.oneMinuteLow,
    hostLimit: settings.maxIncompleteHost,
    hostBlockTime: milliseconds(settings.blockTime * 60),
    sourceSessions: inspect.sourceSessions ?? 0,
    sourceRate: inspect.sourceRate ?? 0,
    sourceRateWindow: MINUTE,
  };
}

function compileStream(configuration: Configuration): StreamLimits {
  const { inspect } = configuration;
  const defaults = DEFAULT_STREAM_LIMITS;
  const reassembly = expandReassembly(configuration);
  return {
    emitted: inspect.storeOctets ?? defaults.emitted,
    outOfOrderOctets: inspect.outOfOrderOctets ?? defaults.outOfOrderOctets,
    outOfOrderSegments: reassembly?.queueLength ?? defaults.outOfOrderSegments,
    outOfOrderTimeout: reassembly === undefined ? defaults.outOfOrderTimeout : milliseconds(reassembly.timeout),
    outOfOrderTotal: reassembly === undefined ? defaults.outOfOrderTotal : reassembly.memoryLimit * 1024,
    outOfOrderAlarm: inspect.reassemblyAlarm ?? inspect.alertOff !== true,
    syncOctets: inspect.syncOctets ?? defaults.syncOctets,
    syncTimeout: inspect.syncTimeout === undefined ? defaults.syncTimeout : milliseconds(inspect.syncTimeout),
    totalOctets: inspect.storeTotal ?? defaults.totalOctets,
    fragmentOctets: inspect.fragmentOctets ?? defaults.fragmentOctets,
  };
}
