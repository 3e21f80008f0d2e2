// The forwarding table: longest prefix match over the routes of the policy.
//
// The address space is cut where some prefix begins or ends; each interval knows its best route.  A lookup is one binary
// search in a typed array.  Next hops that lie behind another route are resolved when the table is made (RFC 1812 5.2.4).
//
// Not here: where routes come from (config/compile.ts), ARP (session/neighbours.ts), several routes of equal cost (the
// first one wins).

import { TOP_BIT } from './access-list.ts';
import type { InterfacePolicy, Route } from './snapshot.ts';

/** To be forwarded. */
export const FORWARD = 0;
/** An address of the firewall itself. */
export const LOCAL = 1;
/** Network or broadcast address of a connected subnet. */
export const BROADCAST = 2;

export interface ForwardingTable {
  /** Begin of each interval, ascending, top bit turned over. */
  readonly starts: Int32Array;
  /** Entry that holds there, -1: no route. */
  readonly best: Int32Array;
  // Columns of the entries.
  readonly interface: Int32Array;
  /** 0: the destination itself. */
  readonly nextHop: Int32Array;
  /** FORWARD, LOCAL or BROADCAST */
  readonly kind: Int32Array;
}

/** Entry for `dst`, or -1: no route.  interface[], nextHop[] and kind[] of the table say what it means. */
export function lookup(table: ForwardingTable, dst: number): number {
  const { starts } = table;
  const key = dst ^ TOP_BIT;
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= key) low = middle;
    else high = middle - 1;
  }
  return table.best[low]!;
}

interface Entry {
  readonly prefix: number;
  readonly mask: number;
  readonly interface: number;
  readonly nextHop: number;
  readonly kind: number;
}

/**
 * `routes` as in the snapshot: longest mask first.  Routes by an interface that is shut, and routes whose next hop
 * cannot be reached by a connected one, are left out.
 */
export function compileRoutes(routes: readonly Route[], interfaces: readonly InterfacePolicy[]): ForwardingTable {
  const entries = [...ownAddresses(interfaces)];
  for (const route of routes) {
    const entry = resolve(route, routes, interfaces);
    if (entry !== null) entries.push(entry);
  }
  const starts = boundaries(entries);
  return {
    starts,
    best: starts.map((start) => entries.findIndex((entry) => ((start ^ TOP_BIT ^ entry.prefix) & entry.mask) === 0)),
    interface: Int32Array.from(entries, (entry) => entry.interface),
    nextHop: Int32Array.from(entries, (entry) => entry.nextHop),
    kind: Int32Array.from(entries, (entry) => entry.kind),
  };
}

/** Host entries for what the firewall is itself and what it never forwards; /31 and /32 have no broadcast (RFC 3021). */
function ownAddresses(interfaces: readonly InterfacePolicy[]): Entry[] {
  const own: Entry[] = [];
  const broadcasts: Entry[] = [];
  interfaces.forEach((port, index) => {
    if (!isRouted(port)) return;
    const host = (prefix: number, kind: number): Entry => ({ prefix, mask: -1, interface: index, nextHop: 0, kind });
    own.push(host(port.addr, LOCAL));
    if (port.mask >>> 0 >= 0xfffffffe) return;
    broadcasts.push(host(port.addr & port.mask, BROADCAST), host(port.addr | ~port.mask, BROADCAST));
  });
  return [...own, ...broadcasts];
}

function isRouted(port: InterfacePolicy): boolean {
  return port.enabled && port.addr !== 0 && port.bridgeGroup === 0;
}

/** Follows next hops to a route with an interface; null: there is none, or they go in a circle. */
function resolve(route: Route, routes: readonly Route[], interfaces: readonly InterfacePolicy[]): Entry | null {
  let nextHop = route.nextHop;
  let via: Route = route;
  for (let hops = 0; via.interface < 0; hops++) {
    const target = nextHop;
    const next = routes.find((other) => other !== via && ((target ^ other.prefix) & other.mask) === 0 && leadsOn(other, interfaces));
    if (next === undefined || hops === routes.length) return null;
    via = next;
    if (next.nextHop !== 0) nextHop = next.nextHop;
  }
  if (!leadsOn(via, interfaces)) return null;
  return { prefix: route.prefix, mask: route.mask, interface: via.interface, nextHop, kind: FORWARD };
}

function leadsOn(route: Route, interfaces: readonly InterfacePolicy[]): boolean {
  return route.interface < 0 || interfaces[route.interface]?.enabled === true;
}

function boundaries(entries: readonly Entry[]): Int32Array {
  const cuts = new Set<number>([TOP_BIT]);
  for (const entry of entries) {
    const last = entry.prefix | ~entry.mask;
    cuts.add((entry.prefix & entry.mask) ^ TOP_BIT);
    if (last !== -1) cuts.add((last + 1) ^ TOP_BIT);
  }
  return Int32Array.from(cuts).sort();
}
