// Static routes, static ARP entries, and bridging.

import { compileFamily } from '../command.ts';
import { formatAddress } from '../language/address.ts';
import { address, interfaceName, mac, mask, number } from '../language/arguments.ts';
import type { Configuration, RouteConfig } from '../model.ts';
import type { Args } from '../language/args.ts';

const WARN_GATEWAY = '%Default route without gateway, if not a point-to-point interface, may impact performance';

function routeOf(args: Args): RouteConfig {
  const nextHop = args.maybeNumber('NEXT_HOP');
  const egress = args.maybeText('INTERFACE');
  const distance = args.maybeNumber('DISTANCE');
  return {
    prefix: args.number('PREFIX'),
    mask: args.number('MASK'),
    ...(nextHop !== undefined && { nextHop }),
    ...(egress !== undefined && { interface: egress }),
    ...(distance !== undefined && { distance }),
    permanent: args.has('permanent'),
  };
}

function samePath(a: RouteConfig, b: RouteConfig): boolean {
  return a.prefix === b.prefix && a.mask === b.mask && a.nextHop === b.nextHop && a.interface === b.interface;
}

export const routing = compileFamily<Configuration>({
  words: {
    route: 'Establish static routes',
    permanent: 'permanent route',
    arp: 'Set a static ARP entry',
    arpa: 'ARP type ARPA',
    bridge: 'Bridge Group',
    irb: 'Integrated routing and bridging',
    crb: 'Concurrent routing and bridging',
    protocol: 'Specify spanning tree protocol',
    ieee: 'IEEE 802.1 protocol',
    strict: 'Pass nothing that cannot be inspected',
  },
  arguments: {
    PREFIX: address('Destination prefix'),
    MASK: mask('Destination prefix mask'),
    NEXT_HOP: address("Forwarding router's address"),
    INTERFACE: interfaceName('Egress interface'),
    DISTANCE: number(1, 255, 'Distance metric for this route'),
    ADDRESS: address('IP address of ARP entry'),
    MAC: mac('48-bit hardware address of ARP entry'),
    GROUP: number(1, 255, 'Bridge group number'),
  },
  commands: [
    {
      syntax: 'ip route PREFIX MASK {INTERFACE [NEXT_HOP] | NEXT_HOP} [DISTANCE] [permanent]',
      set(configuration, args, session) {
        const route = routeOf(args);
        if ((route.prefix & ~route.mask) !== 0) return '%Inconsistent address and mask';
        const own = configuration.interfaces.some(({ ipAddress }) => typeof ipAddress === 'object' && ipAddress.addr === route.nextHop);
        if (own) return `%Invalid next hop address (it's this router)`;
        configuration.routes = [...configuration.routes.filter((other) => !samePath(other, route)), route];
        if (route.mask === 0 && route.nextHop === undefined) session.notices.push(WARN_GATEWAY);
        return undefined;
      },
      no: 'ip route PREFIX MASK [{INTERFACE [NEXT_HOP] | NEXT_HOP} [DISTANCE] [permanent]]',
      unset(configuration, args) {
        const route = routeOf(args);
        const whole = route.nextHop === undefined && route.interface === undefined;
        const kept = configuration.routes.filter((other) =>
          whole ? other.prefix !== route.prefix || other.mask !== route.mask : !samePath(other, route),
        );
        if (kept.length === configuration.routes.length) return '%No matching route to delete';
        configuration.routes = kept;
        return undefined;
      },
    },
    {
      syntax: 'arp ADDRESS MAC arpa',
      set(configuration, args) {
        const addr = args.number('ADDRESS');
        configuration.arp = [...configuration.arp.filter((entry) => entry.addr !== addr), { addr, mac: args.text('MAC') }];
      },
      no: 'arp ADDRESS [MAC [arpa]]',
      unset(configuration, args) {
        const addr = args.number('ADDRESS');
        if (!configuration.arp.some((entry) => entry.addr === addr)) return `% ARP entry for ${formatAddress(addr)} not found`;
        configuration.arp = configuration.arp.filter((entry) => entry.addr !== addr);
        return undefined;
      },
    },
    {
      syntax: 'bridge irb',
      set({ bridge }) {
        if (bridge.crb) return '% CRB is enabled: disable it first';
        bridge.irb = true;
        return undefined;
      },
      no: 'bridge irb',
      unset: ({ bridge }) => void (bridge.irb = false),
    },
    {
      syntax: 'bridge crb',
      set({ bridge }) {
        if (bridge.irb) return '% IRB is enabled: disable it first';
        bridge.crb = true;
        return undefined;
      },
      no: 'bridge crb',
      unset: ({ bridge }) => void (bridge.crb = false),
    },
    {
      syntax: 'bridge GROUP protocol ieee',
      set({ bridge }, args) {
        if (!bridge.groups.includes(args.number('GROUP'))) bridge.groups.push(args.number('GROUP'));
      },
      no: 'bridge GROUP protocol ieee',
      unset: ({ bridge }, args) => void (bridge.groups = bridge.groups.filter((group) => group !== args.number('GROUP'))),
    },
    {
      syntax: 'bridge GROUP strict',
      set: ({ bridge }) => void (bridge.strict = true),
      no: 'bridge GROUP strict',
      unset: ({ bridge }) => void (bridge.strict = false),
    },
  ],
});
