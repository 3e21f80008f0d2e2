// How long a translation lives after its last use: `ip nat translation ...-timeout`.

import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';
import type { NatPolicy } from './snapshot.ts';

const DNS_PORT = 53;

// How far the flows of a binding got.
/** In use, or idle. */
export const ENDED_IDLE = 0;
/** FINs or a reset. */
export const ENDED_CLOSED = 1;
/** Never established. */
export const ENDED_SYN = 2;

/**
 * Milliseconds, 0: never.  `protocol` 0 is that of a whole address; `service` the port at the outside; `ended` is ENDED_....
 * The time-out of a port takes the place of those of TCP, UDP and DNS, not of finrst-timeout and syn-timeout.
 */
export function translationTimeout(policy: NatPolicy, protocol: number, service: number, ended: number): number {
  if (protocol === PROTOCOL_ICMP) return policy.icmpTimeout;
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return policy.timeout;
  if (protocol === PROTOCOL_TCP && ended === ENDED_CLOSED) return policy.finRstTimeout;
  if (protocol === PROTOCOL_TCP && ended === ENDED_SYN) return policy.synTimeout;
  const { portTimeouts } = policy;
  for (let i = 0; i < portTimeouts.length; i++) {
    const entry = portTimeouts[i]!;
    if (entry.protocol === protocol && entry.port === service) return entry.timeout;
  }
  if (protocol === PROTOCOL_TCP) return policy.tcpTimeout;
  return service === DNS_PORT ? policy.dnsTimeout : policy.udpTimeout;
}
