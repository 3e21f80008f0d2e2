// `ip nat` in global mode: static and dynamic translation, pools, timeouts.
//
// Not here: route maps, VRFs, redundancy, `ip nat outside source` and `ip nat inside destination`; they are rejected.

import { compileFamily, type Refusal } from '../command.ts';
import type { Args } from '../language/args.ts';
import { formatAddress, maskOf, prefixLengthOf } from '../language/address.ts';
import { address, interfaceName, mask, number, oneOf, slashLength, word } from '../language/arguments.ts';
import type { Configuration, DynamicNat, StaticNat } from '../model.ts';

const OPTIONS = '[extendable || no-alias || no-payload]';
const TCP = 6;
const UDP = 17;
/** `never` in natTimeouts. */
const NEVER = 0;

const TIMEOUTS = {
  timeout: 'Specify timeout for dynamic NAT translations',
  'tcp-timeout': 'Specify timeout for NAT TCP flows',
  'udp-timeout': 'Specify timeout for NAT UDP flows',
  'finrst-timeout': 'Specify timeout for NAT TCP flows after a FIN or RST',
  'syn-timeout': 'Specify timeout for NAT TCP flows after a SYN and no further data',
  'icmp-timeout': 'Specify timeout for NAT ICMP flows',
  'dns-timeout': 'Specify timeout for NAT DNS flows',
  'pptp-timeout': 'Specify timeout for NAT PPTP flows',
};

function staticOf(args: Args): StaticNat {
  const protocol = args.has('PROTOCOL') ? (args.number('PROTOCOL') as 6 | 17) : 0;
  const bits = args.maybeNumber('MASK') ?? args.maybeNumber('LENGTH');
  const extendable = args.has('extendable') || protocol !== 0;
  return {
    local: args.number('LOCAL'),
    global: args.maybeText('INTERFACE') ?? args.number('GLOBAL'),
    protocol,
    localPort: args.maybeNumber('LOCAL_PORT') ?? 0,
    globalPort: args.maybeNumber('GLOBAL_PORT') ?? 0,
    ...(bits !== undefined && { mask: bits }),
    noAlias: args.has('no-alias'),
    options: [...(extendable ? ['extendable'] : []), ...(args.has('no-payload') ? ['no-payload'] : [])],
  };
}

function sameStatic(a: StaticNat, b: StaticNat): boolean {
  return (
    a.local === b.local &&
    a.global === b.global &&
    a.protocol === b.protocol &&
    a.localPort === b.localPort &&
    a.globalPort === b.globalPort &&
    a.mask === b.mask
  );
}

function textOf(entry: StaticNat): string {
  const port = (number: number): string => (entry.protocol === 0 ? '' : `:${number}`);
  const global = typeof entry.global === 'string' ? entry.global : formatAddress(entry.global);
  return `${formatAddress(entry.local)}${port(entry.localPort)} -> ${global}${port(entry.globalPort)}`;
}

/** An entry that stands in the way: the same one, or one that maps the same address or port elsewhere. */
function refuseStatic(configuration: Configuration, entry: StaticNat): Refusal {
  const extendable = entry.options.includes('extendable');
  for (const other of configuration.statics) {
    if (sameStatic(other, entry)) return `% similar static entry (${textOf(other)}) already exists`;
    if (other.protocol !== entry.protocol || other.mask !== entry.mask) continue;
    if (other.global === entry.global && other.globalPort === entry.globalPort) {
      return `% ${textOf(entry).split(' -> ')[1]!} already mapped (${textOf(other)})`;
    }
    if (!extendable && other.local === entry.local && other.localPort === entry.localPort) {
      return `% ${textOf(entry).split(' -> ')[0]!} already mapped (${textOf(other)})`;
    }
  }
  return undefined;
}

function setStatic(configuration: Configuration, args: Args): Refusal {
  const entry = staticOf(args);
  const misaligned = entry.mask !== undefined && ((entry.local & ~entry.mask) !== 0 || ((entry.global as number) & ~entry.mask) !== 0);
  if (misaligned) return '%Invalid address/netmask combination';
  const refusal = refuseStatic(configuration, entry);
  if (refusal === undefined) configuration.statics.push(entry);
  return refusal;
}

function unsetStatic(configuration: Configuration, args: Args): Refusal {
  const entry = staticOf(args);
  const kept = configuration.statics.filter((other) => !sameStatic(other, entry));
  if (kept.length === configuration.statics.length) return '% Translation not found';
  configuration.statics = kept;
  return undefined;
}

function dynamicOf(args: Args): DynamicNat {
  const pool = args.maybeText('POOL');
  const egress = args.maybeText('INTERFACE');
  return {
    list: args.text('LIST'),
    ...(pool !== undefined && { pool }),
    ...(egress !== undefined && { interface: egress }),
    overload: args.has('overload'),
  };
}

export const nat = compileFamily<Configuration>({
  words: {
    nat: 'NAT configuration commands',
    inside: 'Inside address translation',
    source: 'Source address translation',
    static: 'Specify static local->global mapping',
    network: 'Subnet translation',
    interface: 'Specify interface for global address',
    extendable: 'Extend this translation when used',
    'no-alias': 'Do not create an alias for the global address',
    'no-payload': 'No translation of embedded address/port in the payload',
    list: 'Specify access list describing local addresses',
    pool: 'Name pool of addresses',
    overload: 'Overload an address translation',
    netmask: 'Specify the network mask',
    'prefix-length': 'Specify the prefix length',
    translation: 'NAT translation entry configuration',
    'port-timeout': 'Specify timeout for NAT TCP/UDP port specific flows',
    'max-entries': 'Specify maximum number of NAT entries',
    never: 'Never timeout',
  },
  arguments: {
    LOCAL: address('Inside local IP address'),
    GLOBAL: address('Inside global IP address'),
    PROTOCOL: oneOf({ tcp: 'Transmission Control Protocol', udp: 'User Datagram Protocol' }, { tcp: TCP, udp: UDP }),
    TRANSPORT: oneOf({ tcp: 'Transmission Control Protocol', udp: 'User Datagram Protocol' }),
    LOCAL_PORT: number(1, 65_535, 'Local TCP/UDP port'),
    GLOBAL_PORT: number(1, 65_535, 'Global TCP/UDP port'),
    MASK: mask('Network mask of the translation'),
    LENGTH: slashLength('Network prefix of the translation'),
    INTERFACE: interfaceName('Interface of the global address'),
    LIST: word('Access list for local addresses'),
    POOL: word('Pool name'),
    START: address('Start IP address'),
    END: address('End IP address'),
    NETMASK: mask('Network mask'),
    PREFIX: number(1, 32, 'Prefix length'),
    KIND: oneOf(TIMEOUTS),
    PORT: number(1, 65_535, 'Port number'),
    SECONDS: number(1, 2_147_483, 'Timeout in seconds'),
    ENTRIES: number(1, 2_147_483_647, 'Number of entries'),
  },
  commands: [
    {
      syntax: `ip nat inside source static LOCAL GLOBAL ${OPTIONS}`,
      set: setStatic,
      no: `ip nat inside source static LOCAL GLOBAL ${OPTIONS}`,
      unset: unsetStatic,
    },
    {
      syntax: `ip nat inside source static PROTOCOL LOCAL LOCAL_PORT {GLOBAL | interface INTERFACE} GLOBAL_PORT ${OPTIONS}`,
      set: setStatic,
      no: `ip nat inside source static PROTOCOL LOCAL LOCAL_PORT {GLOBAL | interface INTERFACE} GLOBAL_PORT ${OPTIONS}`,
      unset: unsetStatic,
    },
    {
      syntax: `ip nat inside source static network LOCAL GLOBAL {MASK | LENGTH} ${OPTIONS}`,
      set: setStatic,
      no: `ip nat inside source static network LOCAL GLOBAL {MASK | LENGTH} ${OPTIONS}`,
      unset: unsetStatic,
    },
    {
      syntax: 'ip nat inside source list LIST {interface INTERFACE | pool POOL} [overload]',
      set(configuration, args) {
        const entry = dynamicOf(args);
        configuration.dynamics = [...configuration.dynamics.filter((other) => other.list !== entry.list), entry];
      },
      no: 'ip nat inside source list LIST [{interface INTERFACE | pool POOL} [overload]]',
      unset: (configuration, args) =>
        void (configuration.dynamics = configuration.dynamics.filter((other) => other.list !== args.text('LIST'))),
    },
    {
      syntax: 'ip nat pool POOL START END {netmask NETMASK | prefix-length PREFIX}',
      set(configuration, args) {
        const bits = args.maybeNumber('NETMASK') ?? maskOf(args.number('PREFIX'));
        const start = args.number('START');
        const end = args.number('END');
        if (start >>> 0 > end >>> 0) return '%End address less than start address';
        if ((start & bits) !== (end & bits)) return `%Start and end addresses on different subnets with mask /${prefixLengthOf(bits)!}`;
        const pool = { name: args.text('POOL'), start, end, mask: bits, prefixLength: args.has('PREFIX') };
        configuration.pools = [...configuration.pools.filter((other) => other.name !== pool.name), pool];
        return undefined;
      },
      no: 'ip nat pool POOL [START END {netmask NETMASK | prefix-length PREFIX}]',
      unset(configuration, args) {
        const name = args.text('POOL');
        if (configuration.dynamics.some((entry) => entry.pool === name)) return `%Pool ${name} in use, cannot destroy`;
        configuration.pools = configuration.pools.filter((other) => other.name !== name);
        return undefined;
      },
    },
    {
      syntax: 'ip nat translation {KIND | port-timeout TRANSPORT PORT} {SECONDS | never}',
      set: ({ natTimeouts }, args) => void (natTimeouts[timeoutKey(args)] = args.maybeNumber('SECONDS') ?? NEVER),
      no: 'ip nat translation {KIND | port-timeout TRANSPORT PORT} [SECONDS | never]',
      unset: ({ natTimeouts }, args) => void delete natTimeouts[timeoutKey(args)],
    },
    {
      syntax: 'ip nat translation max-entries ENTRIES',
      set: (configuration, args) => void (configuration.natMaxEntries = args.number('ENTRIES')),
      no: 'ip nat translation max-entries [ENTRIES]',
      unset: (configuration) => void delete configuration.natMaxEntries,
    },
  ],
});

function timeoutKey(args: Args): string {
  return args.maybeText('KIND') ?? `port-timeout ${args.text('TRANSPORT')} ${args.number('PORT')}`;
}
