// Which line of an inspection rule takes a new flow.
//
// An application's line wins for its ports over the generic tcp or udp line; a port that is mapped for some hosts only
// (`ip port-map ... list`) wins over one mapped for all.  ICMP: only queries open a session (echo, timestamp).
//
// Not here: ports by keyword (port-map.ts), compilation (config/compile.ts).

import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';
import { type CompiledAccessList, find, permits } from './access-list.ts';
import type { InspectRule } from './snapshot.ts';

const ICMP_ECHO = 8;
const ICMP_TIMESTAMP = 13;
const PROTOCOL_ICMP6 = 58;
const ICMP6_ECHO = 128;

/**
 * Index of the entry of `rule` for a flow to `dst`:`dstPort`, or -1: not inspected.  `askedPort` is the port that its opener asked
 * for, where NAT changes it: an application that has it is taken when `dstPort` is no application's.  `icmpType` is looked at for
 * ICMP only.  `lists` are those of the same policy.
 */
export function selectEntry(
  rule: InspectRule,
  lists: readonly CompiledAccessList[],
  protocol: number,
  dst: number,
  dstPort: number,
  askedPort: number,
  icmpType: number,
): number {
  if (protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP) {
    const application = applicationEntry(rule, lists, protocol, dst, dstPort);
    if (application >= 0) return application;
    const asked = askedPort === dstPort ? -1 : applicationEntry(rule, lists, protocol, dst, askedPort);
    if (asked >= 0) return asked;
    return protocol === PROTOCOL_TCP ? rule.tcpEntry : rule.udpEntry;
  }
  if (protocol === PROTOCOL_ICMP) return icmpType === ICMP_ECHO || icmpType === ICMP_TIMESTAMP ? rule.icmpEntry : -1;
  return protocol === PROTOCOL_ICMP6 && icmpType === ICMP6_ECHO ? rule.icmpEntry : -1;
}

function applicationEntry(rule: InspectRule, lists: readonly CompiledAccessList[], protocol: number, dst: number, dstPort: number): number {
  const { portKeys, portEntries, portLists } = rule;
  const key = (protocol << 16) | dstPort;
  for (let i = lowerBound(portKeys, key); i < portKeys.length && portKeys[i] === key; i++) {
    const index = portLists[i]!;
    if (index < 0) return portEntries[i]!;
    const list = lists[index]!;
    // a standard list names hosts as sources
    if (permits(list, find(list, dst, dst, 0, 0, 0, 0, 0, false))) return portEntries[i]!;
  }
  return -1;
}

function lowerBound(keys: Int32Array, key: number): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
