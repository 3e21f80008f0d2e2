// show arp, show ip route.

import { formatAddress, prefixLengthOf } from '../../config/language/address.ts';
import type { Configuration, InterfaceConfig, RouteConfig } from '../../config/model.ts';
import { NO_PORT, type FirewallState, type NeighbourRow } from '../state.ts';
import { lines } from './text.ts';

const ARP_HEADING = 'Protocol  Address          Age (min)  Hardware Addr   Type   Interface';

/** Our own addresses, static entries, translated addresses that we answer for, and what was learned. */
export function showArp(configuration: Configuration, state: FirewallState): string {
  const rows = [...ownRows(configuration, state), ...state.neighbours];
  const staticRows = configuration.arp
    .filter((entry) => !rows.some((row) => row.addr === entry.addr))
    .map((entry): NeighbourRow => ({ addr: entry.addr, mac: entry.mac, age: -1, interface: '' }));
  return lines([ARP_HEADING, ...[...rows, ...staticRows].sort((a, b) => (a.addr >>> 0) - (b.addr >>> 0)).map(arpLine)]);
}

function arpLine(row: NeighbourRow): string {
  const age = row.age < 0 ? '-' : String(row.age);
  const mac = row.mac === '' ? 'Incomplete' : row.mac;
  return `Internet  ${formatAddress(row.addr).padEnd(15)}  ${age.padStart(8)}   ${mac.padEnd(14)}  ARPA   ${row.interface}`.trimEnd();
}

function ownRows(configuration: Configuration, state: FirewallState): NeighbourRow[] {
  return configuration.interfaces.flatMap((port, index) => {
    if (typeof port.ipAddress !== 'object' || port.shutdown) return [];
    const mac = port.macAddress ?? (state.ports[index] ?? NO_PORT).mac;
    if (mac === '') return [];
    const addresses = [port.ipAddress.addr, ...aliases(configuration, port)];
    return addresses.map((addr): NeighbourRow => ({ addr, mac, age: -1, interface: port.name }));
  });
}

/** Inside global addresses in the subnet of an outside interface. */
function aliases({ statics }: Configuration, port: InterfaceConfig): number[] {
  const subnet = port.ipAddress;
  if (typeof subnet !== 'object' || port.nat !== 'outside') return [];
  const globals = statics.flatMap((entry) =>
    typeof entry.global === 'number' && !entry.noAlias && entry.mask === undefined ? [entry.global] : [],
  );
  return [...new Set(globals)].filter((addr) => ((addr ^ subnet.addr) & subnet.mask) === 0 && addr !== subnet.addr);
}

const ROUTE_CODES = [
  'Codes: C - connected, S - static, R - RIP, M - mobile, B - BGP',
  '       D - EIGRP, EX - EIGRP external, O - OSPF, IA - OSPF inter area ',
  '       N1 - OSPF NSSA external type 1, N2 - OSPF NSSA external type 2',
  '       E1 - OSPF external type 1, E2 - OSPF external type 2',
  '       i - IS-IS, su - IS-IS summary, L1 - IS-IS level-1, L2 - IS-IS level-2',
  '       ia - IS-IS inter area, * - candidate default, U - per-user static route',
  '       o - ODR, P - periodic downloaded static route',
  '',
];

interface RouteLine {
  readonly prefix: number;
  readonly mask: number;
  readonly code: string;
  readonly how: string;
}

/** Connected subnets of interfaces that are not shut, and static routes; classful headings as IOS 12.3 groups them. */
export function showRoute(configuration: Configuration): string {
  const routes = [...connected(configuration), ...configuration.routes.map(staticRoute)];
  const ordinary = routes.filter((route) => route.mask !== 0);
  const defaults = routes.filter((route) => route.mask === 0);
  return lines([
    ...ROUTE_CODES,
    gatewayLine(configuration),
    '',
    ...networks(ordinary),
    ...defaults.map((route) => `${route.code.padEnd(5)}0.0.0.0/0 ${route.how}`),
  ]);
}

function connected({ interfaces }: Configuration): RouteLine[] {
  return interfaces.flatMap(({ name, ipAddress, shutdown }): RouteLine[] =>
    typeof ipAddress === 'object' && !shutdown
      ? [{ prefix: ipAddress.addr & ipAddress.mask, mask: ipAddress.mask, code: 'C', how: `is directly connected, ${name}` }]
      : [],
  );
}

function staticRoute(route: RouteConfig): RouteLine {
  const metric = `[${route.distance ?? 1}/0]`;
  const how =
    route.nextHop === undefined
      ? `is directly connected, ${route.interface}`
      : [`${metric} via ${formatAddress(route.nextHop)}`, ...(route.interface === undefined ? [] : [route.interface])].join(', ');
  return { prefix: route.prefix, mask: route.mask, code: route.mask === 0 ? 'S*' : 'S', how };
}

function gatewayLine({ routes }: Configuration): string {
  const gateway = routes.find((route) => route.mask === 0);
  if (gateway === undefined) return 'Gateway of last resort is not set';
  return `Gateway of last resort is ${formatAddress(gateway.nextHop ?? 0)} to network 0.0.0.0`;
}

function classfulMask(addr: number): number {
  const first = addr >>> 24;
  return first < 128 ? 0xff000000 | 0 : first < 192 ? 0xffff0000 | 0 : 0xffffff00 | 0;
}

/** Subnets stand under a heading of their class A, B or C network. */
function networks(routes: readonly RouteLine[]): string[] {
  const sorted = routes.toSorted((a, b) => (a.prefix >>> 0) - (b.prefix >>> 0));
  const names = [...new Set(sorted.map((route) => route.prefix & classfulMask(route.prefix)))];
  return names.flatMap((network) =>
    networkLines(
      network,
      sorted.filter((route) => (route.prefix & classfulMask(route.prefix)) === network),
    ),
  );
}

function networkLines(network: number, routes: readonly RouteLine[]): string[] {
  const whole = classfulMask(network);
  const text = (route: RouteLine): string => `${formatAddress(route.prefix)}/${prefixLengthOf(route.mask)}`;
  if (routes.every((route) => (route.mask & ~whole) === 0))
    return routes.map((route) => `${route.code.padEnd(5)}${text(route)} ${route.how}`);
  const masks = new Set(routes.map((route) => route.mask));
  if (masks.size > 1) {
    const heading = `     ${formatAddress(network)}/${prefixLengthOf(whole)} is variably subnetted, ${routes.length} subnets, ${masks.size} masks`;
    return [heading, ...routes.map((route) => `${route.code.padEnd(8)}${text(route)} ${route.how}`)];
  }
  const heading = `     ${formatAddress(network)}/${prefixLengthOf(routes[0]!.mask)} is subnetted, ${routes.length} subnets`;
  return [heading, ...routes.map((route) => `${route.code.padEnd(8)}${formatAddress(route.prefix)} ${route.how}`)];
}
