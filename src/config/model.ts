// The configuration as parsed: what the command families write and what running-config, displays and compile.ts read.
//
// Every object keeps the order in which it was entered; lines without effect are kept as text so that they print back
// unchanged.  Addresses are int32 in host reading.  Times are in the unit of their command (seconds or minutes), so that
// they print back as entered; compile.ts turns them into milliseconds.
// `undefined` means "not configured": the default applies and is not printed.

import type { AccessListEntry } from '../policy/access-list.ts';

export interface InterfaceConfig {
  readonly name: string;
  ipAddress?: { addr: number; mask: number } | 'none';
  shutdown: boolean;
  macAddress?: string;
  accessGroupIn?: string;
  accessGroupOut?: string;
  nat?: 'inside' | 'outside';
  inspectIn?: string;
  inspectOut?: string;
  virtualReassembly?: { maxReassemblies?: number; maxFragments?: number; timeout?: number; dropFragments: boolean };
  bridgeGroup?: number;
  bridgeInputTypeList?: number;
  unreachables?: boolean;
  mtu?: number;
  arpTimeout?: number;
  adjustMss?: number;
  description?: string;
  /** Lines without effect, in order: half-duplex, speed ... */
  kept: string[];
}

export interface InspectLine {
  keyword: string;
  maxSessions?: number;
  alert?: boolean;
  auditTrail?: boolean;
  maxData?: number;
  timeout?: number;
  routerTraffic: boolean;
  javaList?: string;
  urlFilter: boolean;
  /** `policy NAME`: a policy-map type inspect esmtp. */
  policy?: string;
  /** Further options kept as text (fragment maximum, rpc program-number, reset, secure-login). */
  options: string[];
}

export interface InspectRuleConfig {
  readonly name: string;
  lines: InspectLine[];
}

/** An entry with its text in the form of the running-config, without a sequence number. */
export interface ConfiguredEntry extends AccessListEntry {
  readonly text: string;
}

export interface Remark {
  readonly remark: string;
}

export interface AccessListConfig {
  /** Number or name. */
  readonly name: string;
  readonly standard: boolean;
  /** `ip access-list extended NAME` form; numbered lists print as access-list lines. */
  readonly named: boolean;
  /** Entries and remarks in order. */
  items: (ConfiguredEntry | Remark)[];
}

/** A line, or a mode with its lines, that has no effect here: printed back in the place of its section. */
export interface KeptLine {
  readonly section: string;
  /** The words that name it; a later line of the same key replaces it. */
  readonly key: string;
  text: string;
  lines: string[];
}

/** One line of `access-list 200-299`: a list of EtherTypes. */
export interface TypeListEntry {
  readonly list: number;
  readonly permit: boolean;
  readonly type: number;
  /** Ones are bits of the type that do not matter. */
  readonly wildcard: number;
}

export interface PeriodicConfig {
  /** `daily`, `weekdays`, `weekend`, or names of days from Sunday on. */
  readonly days: string;
  /** Minutes of the day, both inclusive. */
  readonly from: number;
  readonly to: number;
  readonly lastDay?: string;
}

export interface TimeRangeConfig {
  readonly name: string;
  /** Seconds since 1970. */
  absolute?: { start?: number; end?: number };
  periodic: PeriodicConfig[];
}

export interface StaticNat {
  local: number;
  /** Address, or the name of an interface. */
  global: number | string;
  protocol: 0 | 6 | 17;
  localPort: number;
  globalPort: number;
  /** Mask of `static network`. */
  mask?: number;
  noAlias: boolean;
  /** Further keywords as entered: extendable, no-payload. */
  options: string[];
}

export interface DynamicNat {
  list: string;
  pool?: string;
  interface?: string;
  overload: boolean;
}

export interface PoolConfig {
  readonly name: string;
  start: number;
  end: number;
  mask: number;
  /** Printed as prefix-length when entered so. */
  prefixLength: boolean;
}

export interface RouteConfig {
  prefix: number;
  mask: number;
  nextHop?: number;
  interface?: string;
  distance?: number;
  permanent: boolean;
}

/** `policy-map type inspect esmtp NAME`; criteria as data, compiled by inspect/smtp/declare.ts. */
export interface EsmtpPolicyMap {
  readonly name: string;
  description?: string;
  /** Parameter lines, tokens in lower case but for names: [['mask-banner'], ['allow-tls', 'action', 'log'], ['hold-time', '500']]; `no X` as ['no', 'x']. */
  parameters: string[][];
  /** Each `match` with its action line, as tokens. */
  matches: { criterion: string[]; action: string[] }[];
}

export interface Configuration {
  hostname: string;
  interfaces: InterfaceConfig[];
  rules: InspectRuleConfig[];
  accessLists: AccessListConfig[];
  typeLists: TypeListEntry[];
  timeRanges: TimeRangeConfig[];
  statics: StaticNat[];
  dynamics: DynamicNat[];
  pools: PoolConfig[];
  /** `ip nat translation ...`, seconds; 0: never. */
  natTimeouts: Record<string, number>;
  natMaxEntries?: number;
  routes: RouteConfig[];
  arp: { addr: number; mac: string }[];
  policyMaps: EsmtpPolicyMap[];
  /** name -> pattern, `regex NAME "PATTERN"`. */
  regexes: Map<string, string>;
  /** `ip port-map APP port N [list L]`. */
  portMaps: { application: string; port: number; list?: string }[];
  inspect: {
    alertOff?: boolean;
    auditTrail?: boolean;
    synwaitTime?: number;
    finwaitTime?: number;
    tcpIdleTime?: number;
    udpIdleTime?: number;
    dnsTimeout?: number;
    maxIncompleteHigh?: number;
    maxIncompleteLow?: number;
    oneMinuteHigh?: number;
    oneMinuteLow?: number;
    maxIncompleteHost?: number;
    /** Minutes. */
    blockTime?: number;
    hashtableSize?: number;
    reassemblyQueueLength?: number;
    reassemblyTimeout?: number;
    reassemblyMemoryLimit?: number;
    reassemblyAlarm?: boolean;
    windowScaleLoose?: boolean;
    blockNonSession?: boolean;
    logDropPkt?: boolean;
    dhcpPassthrough?: boolean;
    /** Ours: `ip inspect max-sessions N`, `ip inspect source max-sessions N`, `ip inspect source rate N`. */
    maxSessions?: number;
    sourceSessions?: number;
    sourceRate?: number;
    /** Ours, stream stores: `ip inspect tcp store {emitted | total | out-of-order | synchronising} OCTETS`. */
    storeOctets?: number;
    storeTotal?: number;
    outOfOrderOctets?: number;
    syncOctets?: number;
    /** Seconds: `ip inspect tcp store synchronising-timeout S`. */
    syncTimeout?: number;
    /** `ip inspect store fragments OCTETS` */
    fragmentOctets?: number;
  };
  bridge: { irb: boolean; crb: boolean; strict: boolean; groups: number[] };
  logging: {
    hosts: number[];
    buffered?: number;
    bufferedLevel?: number;
    console?: number | false;
    trap?: number;
    on: boolean;
  };
  /** What follows `service timestamps debug`, for instance `datetime msec`. */
  timestamps: { debug?: string; log?: string };
  sequenceNumbers: boolean;
  kept: KeptLine[];
}

/** A configuration in which nothing was entered. */
export function emptyConfiguration(): Configuration {
  return {
    hostname: 'Router',
    interfaces: [],
    rules: [],
    accessLists: [],
    typeLists: [],
    timeRanges: [],
    statics: [],
    dynamics: [],
    pools: [],
    natTimeouts: {},
    routes: [],
    arp: [],
    policyMaps: [],
    regexes: new Map(),
    portMaps: [],
    inspect: {},
    bridge: { irb: false, crb: false, strict: false, groups: [] },
    logging: { hosts: [], on: true },
    timestamps: {},
    sequenceNumbers: false,
    kept: [],
  };
}
