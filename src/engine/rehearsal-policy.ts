// The policy under which a data plane rehearses before it forwards (rehearsal.ts): between the first two interfaces that are attached,
// routed or transparent as the real policy has it, with a mail server inside.

import { compilePolicy } from '../config/compile.ts';
import { formatAddress } from '../config/language/address.ts';
import { parseConfiguration } from '../config/parse.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { CLIENT, INSIDE_GATEWAY, OUTSIDE_GATEWAY, SERVER, SERVER_GLOBAL, WORKSTATION } from './rehearsal-stage.ts';

export interface RehearsalPolicy {
  readonly policy: PolicySnapshot;
  /** Interface indexes. */
  readonly outside: number;
  readonly inside: number;
  readonly routed: boolean;
}

const COMMON = `hostname rehearsal
ip inspect max-incomplete high 1000000
ip inspect max-incomplete low 900000
ip inspect one-minute high 1000000
ip inspect one-minute low 900000
ip inspect tcp max-incomplete host 250
ip inspect name IN tcp
ip inspect name IN udp
ip inspect name IN icmp
ip inspect name MAIL esmtp
access-list 101 permit ip any any
`;

function mac(low: number): string {
  return `0200.${(low >>> 16).toString(16)}.${(low & 0xffff).toString(16).padStart(4, '0')}`;
}

/** Addresses and translation of a routed rehearsal: lines of either interface, and those that belong to none. */
function routedLines(): readonly [outside: string, inside: string, others: string] {
  const address = ({ addr, mac: low }: typeof OUTSIDE_GATEWAY | typeof INSIDE_GATEWAY, side: string): string =>
    ` mac-address ${mac(low)}\n ip address ${formatAddress(addr)} 255.255.255.0\n ip nat ${side}\n`;
  const neighbours = [CLIENT, SERVER, WORKSTATION].map(({ addr, mac: low }) => `arp ${formatAddress(addr)} ${mac(low)} arpa\n`).join('');
  return [
    address(OUTSIDE_GATEWAY, 'outside'),
    address(INSIDE_GATEWAY, 'inside'),
    `ip nat inside source static ${formatAddress(SERVER.addr)} ${formatAddress(SERVER_GLOBAL)}\n${neighbours}`,
  ];
}

/** The policy for a rehearsal of `real`, or null where fewer than two interfaces are attached. */
export function rehearsalPolicy(real: PolicySnapshot, devices: readonly (string | null)[]): RehearsalPolicy | null {
  const attached = devices.flatMap((device, i) => (device !== null && real.interfaces[i]!.enabled ? [i] : []));
  const [outside, inside] = attached;
  if (outside === undefined || inside === undefined) return null;
  const routed = real.interfaces[outside]!.bridgeGroup === 0;
  const [first, second, others] = routed
    ? routedLines()
    : [' bridge-group 1\n', ' bridge-group 1\n', 'bridge irb\nbridge 1 protocol ieee\n'];
  const inspects = real.interfaces[inside]!.inspectIn >= 0 || real.interfaces[outside]!.inspectOut >= 0;
  const lines = real.interfaces.map((_, i) => {
    if (i === outside) return `interface Ethernet0/${i}\n${first} ip access-group 101 in\n ip inspect MAIL in\n`;
    if (i === inside) return `interface Ethernet0/${i}\n${second}${inspects ? ' ip inspect IN in\n' : ''}`;
    return `interface Ethernet0/${i}\n shutdown\n`;
  });
  const { configuration } = parseConfiguration(`${COMMON}${lines.join('')}${others}end\n`);
  const policy = compilePolicy(configuration, { epoch: real.epoch - 1, verifyChecksums: real.verifyChecksums });
  return { policy, outside, inside, routed };
}
