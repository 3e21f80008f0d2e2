// The policy: the compiled configuration, as the data plane reads it.  Immutable but for the marks of time ranges, replaced whole; plain, cloneable data
// (numbers, strings, arrays, typed arrays), because in `run` it crosses to the worker by structured clone.
//
// Interfaces keep their index for the life of the process: index = position in the configuration = port index.
// Addresses, masks and wildcards are int32 in host reading (10.0.0.0 is 0x0a000000 | 0).  Times are milliseconds.
//
// Not here: anything that changes while traffic flows (hit counts, bindings, neighbours, sessions).

import type { InspectorPolicy } from '../inspect/inspector.ts';
import type { ThresholdSettings } from '../session/thresholds.ts';
import type { CompiledAccessList } from './access-list.ts';
import type { ForwardingTable } from './routes.ts';

export const NAT_NONE = 0;
export const NAT_INSIDE = 1;
export const NAT_OUTSIDE = 2;

export interface VirtualReassembly {
  readonly enabled: boolean;
  readonly maxReassemblies: number;
  readonly maxFragments: number;
  readonly timeout: number;
  readonly dropFragments: boolean;
}

export interface InterfacePolicy {
  readonly name: string;
  /** Not `shutdown`. */
  readonly enabled: boolean;
  /** 0: no address. */
  readonly addr: number;
  readonly mask: number;
  /** `mac-address`, or null: the port's own, or a locally administered one. */
  readonly mac: readonly [high: number, low: number] | null;
  /** 0: routed. */
  readonly bridgeGroup: number;
  /** `input-type-list` of the bridge group, for permitsType(); null: none. */
  readonly inputTypes: Int32Array | null;
  /** NAT_... */
  readonly nat: number;
  /** Index in accessLists, -1: none, or one that does not exist (permits everything). */
  readonly accessIn: number;
  readonly accessOut: number;
  /** Index in rules, -1: none. */
  readonly inspectIn: number;
  readonly inspectOut: number;
  readonly reassembly: VirtualReassembly;
  /** `ip unreachables` (default) */
  readonly unreachables: boolean;
  /** `ip mtu`, octets of an IP datagram; 0: that of the port. */
  readonly mtu: number;
  /** `ip proxy-arp` for NAT addresses is always on; this is the ARP timeout. */
  readonly arpTimeout: number;
  /** MSS clamp of `ip tcp adjust-mss`, 0: off. */
  readonly adjustMss: number;
}

/** One line `ip inspect name RULE PROTOCOL ...`. */
export interface InspectEntry {
  /** As configured and displayed: tcp, udp, icmp, ftp, http, smtp, esmtp ... */
  readonly keyword: string;
  /** IP protocol number. */
  readonly protocol: number;
  /** Destination ports that select it; empty: every port (generic tcp, udp, icmp). */
  readonly ports: readonly number[];
  /** Index in inspect/registry.ts, -1: tracked, not inspected. */
  readonly inspector: number;
  readonly inspectorPolicy: InspectorPolicy | null;
  readonly timeout: number;
  readonly alert: boolean;
  readonly auditTrail: boolean;
  /** 0: no limit.  Of the rule: every entry of a rule has the same. */
  readonly maxSessions: number;
  /** Row of the rule in the count of sessions a rule (session/limits.ts); kept while the rule keeps its name. */
  readonly sessionRow: number;
  /** Octets one session may carry; 0: no limit. */
  readonly maxData: number;
  readonly routerTraffic: boolean;
  /** Index in accessLists, -1: no Java blocking, -2: the list does not exist (blocks all applets). */
  readonly javaList: number;
}

export interface InspectRule {
  readonly name: string;
  readonly entries: readonly InspectEntry[];
  /** Port map of its entries, ascending: protocol << 16 | port, those with a list before the one without. */
  readonly portKeys: Int32Array;
  readonly portEntries: Int32Array;
  /** Index in accessLists of the hosts that the mapping is for, -1: all. */
  readonly portLists: Int32Array;
  /** Generic entries, -1: none. */
  readonly tcpEntry: number;
  readonly udpEntry: number;
  readonly icmpEntry: number;
}

export interface Route {
  readonly prefix: number;
  readonly mask: number;
  /** 0: connected (or by interface alone), the destination itself is the next hop. */
  readonly nextHop: number;
  /** Interface index, -1: found through the route to the next hop. */
  readonly interface: number;
}

export interface StaticBinding {
  readonly local: number;
  readonly global: number;
  /** 0: the whole address; else 6 or 17 with the two ports. */
  readonly protocol: number;
  readonly localPort: number;
  readonly globalPort: number;
  /** 0xffffffff | 0 for one address, shorter for `static network`. */
  readonly mask: number;
  /** Global address is that of an interface: its index, else -1. */
  readonly interface: number;
  /** `no-alias`: do not answer ARP for the global address. */
  readonly alias: boolean;
}

export interface NatPool {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly mask: number;
}

export interface DynamicMapping {
  /** Index in accessLists. */
  readonly accessList: number;
  /** Index in pools, -1: the address of `interface`. */
  readonly pool: number;
  readonly interface: number;
  readonly overload: boolean;
}

/** `ip nat translation port-timeout` */
export interface PortTimeout {
  readonly protocol: number;
  readonly port: number;
  /** 0: never. */
  readonly timeout: number;
}

export interface NatPolicy {
  readonly statics: readonly StaticBinding[];
  readonly pools: readonly NatPool[];
  readonly mappings: readonly DynamicMapping[];
  /** 0: never. */
  readonly timeout: number;
  readonly tcpTimeout: number;
  readonly udpTimeout: number;
  readonly finRstTimeout: number;
  readonly synTimeout: number;
  readonly icmpTimeout: number;
  readonly dnsTimeout: number;
  readonly portTimeouts: readonly PortTimeout[];
  /** 0: no limit. */
  readonly maxEntries: number;
}

export interface StaticNeighbour {
  readonly addr: number;
  readonly mac: readonly [high: number, low: number];
}

export interface Timers {
  readonly synWait: number;
  readonly finWait: number;
  readonly tcpIdle: number;
  readonly udpIdle: number;
  readonly dns: number;
}

/** Bounds of the stream stores. */
export interface StreamLimits {
  /** Unacknowledged emitted octets a direction. */
  readonly emitted: number;
  readonly outOfOrderOctets: number;
  readonly outOfOrderSegments: number;
  readonly outOfOrderTimeout: number;
  /** Octets behind holes, all sessions together. */
  readonly outOfOrderTotal: number;
  /** A segment that finds no room behind a hole is reported with its numbers (`reassembly alarm`). */
  readonly outOfOrderAlarm: boolean;
  /** Held by a synchronising point. */
  readonly syncOctets: number;
  readonly syncTimeout: number;
  /** All sessions together. */
  readonly totalOctets: number;
  /** Of slots that fragments occupy, all interfaces together. */
  readonly fragmentOctets: number;
}

/** A time range: active from `start` to before `end` (seconds since 1970), in the minutes of the week [first, last] of its spans. */
export interface TimeRange {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** Empty: always. */
  readonly spans: Int32Array;
}

export interface PolicySnapshot {
  /** Grows by one with every replacement. */
  readonly epoch: number;
  readonly hostname: string;
  readonly interfaces: readonly InterfacePolicy[];
  readonly accessLists: readonly CompiledAccessList[];
  readonly timeRanges: readonly TimeRange[];
  /** Access list, entry, time range (-1: there is none of that name) ... of the entries that have one (time-range.ts). */
  readonly timedEntries: Int32Array;
  /** Rows of hit counters that this policy needs. */
  readonly hitRows: number;
  /** Row, former row (-1: begin at 0) ... of the lists that are new or changed: for carryHits() when the policy is put in force. */
  readonly hitMoves: Int32Array;
  readonly rules: readonly InspectRule[];
  /** Longest mask first, connected before static of the same length. */
  readonly routes: readonly Route[];
  /** The same, for lookup(). */
  readonly forwarding: ForwardingTable;
  readonly nat: NatPolicy;
  readonly neighbours: readonly StaticNeighbour[];
  readonly timers: Timers;
  readonly thresholds: ThresholdSettings;
  readonly stream: StreamLimits;
  /** Session records; fixed at start. */
  readonly maxSessions: number;
  /** `bridge 1 strict` */
  readonly bridgeStrict: boolean;
  /** `ip inspect log drop-pkt` */
  readonly logDrops: boolean;
  /** --checksum verify */
  readonly verifyChecksums: boolean;
  /** `ip inspect tcp window-scale-enforcement loose` */
  readonly windowScaleLoose: boolean;
  /** `ip inspect tcp block-non-session` */
  readonly blockNonSession: boolean;
}

export const DEFAULT_STREAM_LIMITS: StreamLimits = {
  emitted: 1 << 20,
  outOfOrderOctets: 65_535,
  outOfOrderSegments: 64,
  outOfOrderTimeout: 4_000,
  outOfOrderTotal: 256 << 20,
  outOfOrderAlarm: true,
  syncOctets: 16_384,
  syncTimeout: 120_000,
  totalOctets: 256 << 20,
  fragmentOctets: 4 << 20,
};
