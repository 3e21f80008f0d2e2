// The interface mode.

import { compileFamily, mode, type Command, type Refusal } from '../command.ts';
import { formatAddress, prefixLengthOf } from '../language/address.ts';
import { address, interfaceName, line, mac, mask, number, oneOf, word } from '../language/arguments.ts';
import type { Configuration, InterfaceConfig } from '../model.ts';
import type { ConfigSession } from '../session.ts';

/** Lines of an interface that have no effect here: leading keywords, and what follows them. */
const KEPT: readonly (readonly [head: string, tail: string])[] = [
  ['half-duplex', ''],
  ['full-duplex', ''],
  ['duplex', '{auto | full | half}'],
  ['speed', '{auto | SPEED}'],
  ['bandwidth', 'KBIT'],
  ['keepalive', '[SECONDS]'],
  ['cdp enable', ''],
  ['mop enabled', ''],
  ['ip redirects', ''],
  ['ip proxy-arp', ''],
  ['ip route-cache', ''],
];

/** Those of KEPT whose `no` form is a line of its own, because they are on by default. */
const ON_BY_DEFAULT = ['keepalive', 'cdp enable', 'mop enabled', 'ip redirects', 'ip proxy-arp', 'ip route-cache'];

const MASK_POINT_TO_POINT = 31;

export const interfaceMode = mode<InterfaceConfig>(
  'config-if',
  compileFamily<InterfaceConfig>({
    words: {
      ip: 'Interface Internet Protocol config commands',
      address: 'Set the IP address of an interface',
      'access-group': 'Specify access control for packets',
      in: 'Inbound',
      out: 'Outbound',
      nat: 'NAT interface commands',
      inspect: 'Apply inspect name',
      'virtual-reassembly': 'Virtual Reassembly',
      'max-reassemblies': 'Specify the number of concurrent reassemblies',
      'max-fragments': 'Specify the number of fragments per reassembly',
      timeout: 'Specify the reassembly timeout',
      'drop-fragments': 'Drop all fragments',
      unreachables: 'Enable sending ICMP Unreachable messages',
      mtu: 'Set IP Maximum Transmission Unit',
      tcp: 'TCP interface commands',
      'adjust-mss': 'Adjust the mss of transit packets',
      shutdown: 'Shutdown the selected interface',
      'mac-address': 'Manually set interface MAC address',
      arp: 'Set arp timeout',
      description: 'Interface specific description',
      'bridge-group': 'Transparent bridging interface parameters',
      'input-type-list': 'Filter packets input by type code',
      'half-duplex': 'Half duplex operation',
      'full-duplex': 'Full duplex operation',
      duplex: 'Configure duplex operation',
      auto: 'Negotiate it',
      full: 'Force full duplex operation',
      half: 'Force half-duplex operation',
      speed: 'Configure speed operation',
      bandwidth: 'Set bandwidth informational parameter',
      keepalive: 'Enable keepalive',
      cdp: 'CDP interface subcommands',
      enable: 'Enable CDP on interface',
      mop: 'DEC MOP server commands',
      enabled: 'Enable MOP on interface',
      redirects: 'Enable sending ICMP Redirect messages',
      'proxy-arp': 'Enable proxy ARP',
      'route-cache': 'Enable fast-switching cache for outgoing packets',
    },
    arguments: {
      ADDRESS: address('IP address'),
      MASK: mask('IP subnet mask'),
      LIST: word('Access-list number or name'),
      DIRECTION: oneOf({ in: 'inbound packets', out: 'outbound packets' }),
      SIDE: oneOf({ inside: 'Inside interface for address translation', outside: 'Outside interface for address translation' }),
      RULE: word('Name of an inspection rule'),
      REASSEMBLIES: number(1, 1024, 'Number of concurrent reassemblies'),
      FRAGMENTS: number(1, 255, 'Number of fragments per reassembly'),
      VFR_TIMEOUT: number(1, 64, 'Reassembly timeout in seconds'),
      OCTETS: number(68, 65_535, 'MTU in bytes'),
      MSS: number(500, 1460, 'Maximum segment size in bytes'),
      MAC: mac('MAC address'),
      SECONDS: number(0, 2_147_483, 'Seconds'),
      TEXT: line('Up to 240 characters describing this interface'),
      GROUP: number(1, 255, 'Bridge group number'),
      TYPE_LIST: number(200, 299, 'Ethernet type access list'),
      SPEED: number(10, 10_000, 'Speed in Mbps'),
      KBIT: number(1, 10_000_000, 'Bandwidth in kilobits'),
    },
    commands: [
      {
        syntax: 'ip address ADDRESS MASK',
        set(target, args, session) {
          const addr = args.number('ADDRESS');
          const bits = args.number('MASK');
          const refusal = refuseAddress(target, addr, bits, session);
          if (refusal === undefined) target.ipAddress = { addr, mask: bits };
          return refusal;
        },
        no: 'ip address [ADDRESS MASK]',
        unset: (target) => void (target.ipAddress = 'none'),
      },
      {
        syntax: 'ip access-group LIST DIRECTION',
        set: (target, args) => void (target[args.text('DIRECTION') === 'in' ? 'accessGroupIn' : 'accessGroupOut'] = args.text('LIST')),
        no: 'ip access-group [LIST] DIRECTION',
        unset: (target, args) => void delete target[args.text('DIRECTION') === 'in' ? 'accessGroupIn' : 'accessGroupOut'],
      },
      {
        syntax: 'ip nat SIDE',
        set: (target, args) => void (target.nat = args.text('SIDE') as 'inside' | 'outside'),
        no: 'ip nat SIDE',
        unset(target, args) {
          if (target.nat === args.text('SIDE')) delete target.nat;
        },
      },
      {
        syntax: 'ip inspect RULE DIRECTION',
        set: (target, args) => void (target[args.text('DIRECTION') === 'in' ? 'inspectIn' : 'inspectOut'] = args.text('RULE')),
        no: 'ip inspect RULE DIRECTION',
        unset: (target, args) => void delete target[args.text('DIRECTION') === 'in' ? 'inspectIn' : 'inspectOut'],
      },
      {
        syntax: 'ip virtual-reassembly [max-reassemblies REASSEMBLIES || max-fragments FRAGMENTS || timeout VFR_TIMEOUT || drop-fragments]',
        set(target, args) {
          const maxReassemblies = args.maybeNumber('REASSEMBLIES');
          const maxFragments = args.maybeNumber('FRAGMENTS');
          const timeout = args.maybeNumber('VFR_TIMEOUT');
          target.virtualReassembly = {
            ...(maxReassemblies !== undefined && { maxReassemblies }),
            ...(maxFragments !== undefined && { maxFragments }),
            ...(timeout !== undefined && { timeout }),
            dropFragments: args.has('drop-fragments'),
          };
        },
        no: 'ip virtual-reassembly [max-reassemblies REASSEMBLIES || max-fragments FRAGMENTS || timeout VFR_TIMEOUT || drop-fragments]',
        unset: (target) => void delete target.virtualReassembly,
      },
      {
        syntax: 'ip unreachables',
        set: (target) => void delete target.unreachables,
        no: 'ip unreachables',
        unset: (target) => void (target.unreachables = false),
      },
      numberCommand('ip mtu', 'OCTETS', 'mtu'),
      numberCommand('ip tcp adjust-mss', 'MSS', 'adjustMss'),
      numberCommand('arp timeout', 'SECONDS', 'arpTimeout'),
      {
        syntax: 'shutdown',
        set: (target) => void (target.shutdown = true),
        no: 'shutdown',
        unset: (target) => void (target.shutdown = false),
      },
      {
        syntax: 'mac-address MAC',
        set(target, args) {
          if (Number.parseInt(args.text('MAC').slice(0, 2), 16) & 1) return '% Multicast MAC address not allowed';
          target.macAddress = args.text('MAC');
          return undefined;
        },
        no: 'mac-address [MAC]',
        unset: (target) => void delete target.macAddress,
      },
      {
        syntax: 'bridge-group GROUP',
        set: (target, args) => void (target.bridgeGroup = args.number('GROUP')),
        no: 'bridge-group GROUP',
        unset(target, args) {
          if (target.bridgeGroup !== args.number('GROUP')) return;
          delete target.bridgeGroup;
          delete target.bridgeInputTypeList;
        },
      },
      {
        syntax: 'bridge-group GROUP input-type-list TYPE_LIST',
        set(target, args) {
          if (target.bridgeGroup !== args.number('GROUP')) return `% ${target.name} is not in bridge group ${args.number('GROUP')}`;
          target.bridgeInputTypeList = args.number('TYPE_LIST');
          return undefined;
        },
        no: 'bridge-group GROUP input-type-list [TYPE_LIST]',
        unset: (target) => void delete target.bridgeInputTypeList,
      },
      {
        syntax: 'description TEXT',
        set: (target, args) => void (target.description = args.text('TEXT').slice(0, 240)),
        no: 'description [TEXT]',
        unset: (target) => void delete target.description,
      },
      ...KEPT.map(keptCommand),
    ],
  }),
);

function numberCommand(head: string, argument: string, key: 'mtu' | 'adjustMss' | 'arpTimeout'): Command<InterfaceConfig> {
  return {
    syntax: `${head} ${argument}`,
    set: (target, args) => void (target[key] = args.number(argument)),
    no: `${head} [${argument}]`,
    unset: (target) => void delete target[key],
  };
}

function keptCommand([head, tail]: readonly [string, string]): Command<InterfaceConfig> {
  const onByDefault = ON_BY_DEFAULT.includes(head);
  const others = (target: InterfaceConfig): string[] =>
    target.kept.filter((text) => text !== head && text !== `no ${head}` && !text.startsWith(`${head} `));
  return {
    syntax: `${head} ${tail}`.trim(),
    set: (target, args) => void (target.kept = onByDefault && args.line === head ? others(target) : [...others(target), args.line]),
    no: tail === '' ? head : `${head} ${tail.startsWith('[') ? tail : `[${tail}]`}`,
    unset: (target) => void (target.kept = onByDefault ? [...others(target), `no ${head}`] : others(target)),
  };
}

/** Why an interface cannot have the address: it is that of its subnet or the broadcast, or the subnet is another's. */
function refuseAddress(target: InterfaceConfig, addr: number, bits: number, session: ConfigSession): Refusal {
  const length = prefixLengthOf(bits)!;
  const host = addr & ~bits;
  const isSubnetItself = length < MASK_POINT_TO_POINT && (host === 0 || host === ~bits);
  if (length === 0 || isSubnetItself) return `Bad mask /${length} for address ${formatAddress(addr)}`;
  const other = session.configuration.interfaces.find((candidate) => candidate !== target && overlaps(candidate, addr, bits));
  return other && `% ${formatAddress(addr & bits)} overlaps with ${other.name}`;
}

function overlaps({ ipAddress }: InterfaceConfig, addr: number, bits: number): boolean {
  if (ipAddress === undefined || ipAddress === 'none') return false;
  const shared = ipAddress.mask & bits;
  return (ipAddress.addr & shared) === (addr & shared);
}

/** `interface NAME`: opens the mode, and makes the interface where it does not exist. */
export const interfaces = compileFamily<Configuration>({
  words: { interface: 'Select an interface to configure' },
  arguments: { NAME: interfaceName('Name of the interface') },
  commands: [
    {
      syntax: 'interface NAME',
      set(configuration, args, session) {
        const name = args.text('NAME');
        let target = configuration.interfaces.find((candidate) => candidate.name === name);
        if (target === undefined) {
          target = { name, ipAddress: 'none', shutdown: false, kept: [] };
          configuration.interfaces.push(target);
        }
        session.enter(interfaceMode, target);
      },
      no: 'interface NAME',
      unset(configuration, args) {
        configuration.interfaces = configuration.interfaces.filter((candidate) => candidate.name !== args.text('NAME'));
      },
    },
  ],
});
