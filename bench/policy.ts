// The policy that benches run under: rules/3640.cfg reduced to what forwards, with static ARP entries and the MAC addresses that the
// workloads are made for.

import { compilePolicy } from '../src/config/compile.ts';
import { parseConfiguration } from '../src/config/parse.ts';
import type { PolicySnapshot } from '../src/policy/snapshot.ts';

/** Interface indexes. */
export const OUTSIDE = 0;
export const INSIDE = 1;
/** Records of the session table unless a bench needs more. */
export const SESSIONS = 100_000;

export interface PolicyChoice {
  /** ESMTP instead of SMTP, and thresholds that 64 dialogues side by side do not trip. */
  readonly mail?: boolean;
  readonly sessions?: number;
}

const THRESHOLDS = `
ip inspect max-incomplete high 1000000
ip inspect max-incomplete low 900000
ip inspect one-minute high 1000000
ip inspect one-minute low 900000
ip inspect tcp max-incomplete host 250`;

function text({ mail = false, sessions = SESSIONS }: PolicyChoice): string {
  return `hostname bench
ip inspect max-sessions ${sessions}
ip inspect name IN-OUT tcp
ip inspect name IN-OUT udp
ip inspect name IN-OUT ftp
ip inspect name IN-OUT http
ip inspect name IN-OUT icmp
ip inspect name OUT-IN ${mail ? 'esmtp' : 'smtp'}${mail ? THRESHOLDS : ''}
interface Ethernet2/0
 mac-address 0200.0000.0110
 ip address 172.22.1.16 255.255.255.0
 ip access-group 101 in
 ip nat outside
 ip inspect OUT-IN in
 ip virtual-reassembly
interface Ethernet2/1
 mac-address 0200.0000.0210
 ip address 10.10.10.1 255.255.255.0
 ip nat inside
 ip inspect IN-OUT in
 ip virtual-reassembly
ip route 0.0.0.0 0.0.0.0 172.22.1.1
ip nat inside source static 10.10.10.2 172.22.1.110
ip nat inside source static 10.10.10.5 172.22.1.111
access-list 101 permit tcp any host 172.22.1.110 eq smtp
arp 10.10.10.2 0200.0000.0202 arpa
arp 172.22.1.1 0200.0000.0101 arpa
end
`;
}

/** Throws when a line is rejected. */
export function benchPolicy(choice: PolicyChoice = {}): PolicySnapshot {
  const { configuration, rejected } = parseConfiguration(text(choice));
  if (rejected.length > 0) throw new Error(rejected.map((line) => line.formatted).join(''));
  return compilePolicy(configuration, { epoch: 1, verifyChecksums: true });
}
