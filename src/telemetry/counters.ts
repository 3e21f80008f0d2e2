// Counters: one Float64Array, written by the data plane, read by the control plane at any time.
//
//   0 .. LEDGER_COUNT-1        the frame ledger and session counts below
//   DROPS + reason             frames dropped for that reason
//   EVENTS + reason            events of that name
//   PORTS + port * PORT_SIZE   per interface
//
// Doubles, because they hold whole numbers up to 2^53 and a typed-array store allocates nothing.  In `run` the array lies
// over a SharedArrayBuffer; a reader may see a value of the batch before, never a torn one.
//
// Invariant after every batch: RECEIVED + GENERATED = TRANSMITTED + DROPPED + HELD + CONSUMED, and the drops by
// reason add up to DROPPED.  HELD and the session gauges go up and down; all others only grow.

import { REASON_COUNT } from './reasons.ts';

export const RECEIVED = 0;
export const GENERATED_FRAMES = 1;
export const TRANSMITTED_FRAMES = 2;
export const DROPPED_FRAMES = 3;
/** Gauge. */
export const HELD_FRAMES = 4;
export const CONSUMED_FRAMES = 5;
export const SESSIONS_OPENED = 6;
export const SESSIONS_CLOSED = 7;
/** First frames that could have opened a session and were refused (table full, thresholds, limits). */
export const SESSIONS_REFUSED = 8;
/** Gauges. */
export const SESSIONS_CURRENT = 9;
export const SESSIONS_HALF_OPEN = 10;
/** Complete SMTP command lines seen (also masked ones). */
export const SMTP_COMMANDS = 11;
/** Command or SASL lines of which an octet was masked. */
export const SMTP_MASKED_COMMANDS = 12;
/** Reply lines of which an octet was masked (EHLO keywords, banner). */
export const SMTP_MASKED_REPLIES = 13;
/** Sessions that an inspector reset. */
export const INSPECT_RESETS = 14;
export const SESSIONS_MAX_EVER = 15;
export const EVENTS_LOST = 16;
export const SESSIONS_TERMINATING = 17;
export const TCP_PACKETS = 18;
export const UDP_PACKETS = 19;
export const ICMP_PACKETS = 20;
export const INSPECTED_PACKETS = 21;
/** Octets in the stream store; gauge. */
export const STORE_OCTETS = 22;
/** Datagrams in reassembly; gauge. */
export const FRAGMENT_DATAGRAMS = 23;
export const OUT_OF_ORDER_SEGMENTS = 24;
export const BATCHES = 25;
export const POLICY_RELOADS = 26;
/** ACKs that we made for held octets. */
export const HELD_ACKS = 27;
/** Frames that carried stored octets over other ones. */
export const OVERWRITTEN_SEGMENTS = 28;
export const RESETS_SENT = 29;
/** Octets behind holes, and octets in order that wait for the other direction; gauges. */
export const OUT_OF_ORDER_OCTETS = 30;
export const WAITING_OCTETS = 31;
/** Octets of slots that fragments occupy; gauge. */
export const FRAGMENT_OCTETS = 32;
export const LEDGER_COUNT = 40;

export const DROPS = LEDGER_COUNT;
export const EVENTS = DROPS + REASON_COUNT;
export const PORTS = EVENTS + REASON_COUNT;

// within a port's block
export const PORT_RX_FRAMES = 0;
export const PORT_RX_OCTETS = 1;
export const PORT_TX_FRAMES = 2;
export const PORT_TX_OCTETS = 3;
export const PORT_DROPS = 4;
export const PORT_TX_ERRORS = 5;
export const PORT_RX_BROADCASTS = 6;
export const PORT_KERNEL_DROPS = 7;
export const PORT_CARRIER_LOST = 8;
export const PORT_RESETS = 9;
export const PORT_SIZE = 16;
export const MAX_PORTS = 15;

export const COUNTER_COUNT = PORTS + MAX_PORTS * PORT_SIZE;

/** Names of the ledger, by index; reasons have theirs in reasons.ts. */
export const LEDGER_NAMES: readonly string[] = [
  'received',
  'generated',
  'transmitted',
  'dropped',
  'held',
  'consumed',
  'sessions-opened',
  'sessions-closed',
  'sessions-refused',
  'sessions-current',
  'sessions-half-open',
  'smtp-commands',
  'smtp-masked-commands',
  'smtp-masked-replies',
  'inspect-resets',
  'sessions-max-ever',
  'events-lost',
  'sessions-terminating',
  'tcp-packets',
  'udp-packets',
  'icmp-packets',
  'inspected-packets',
  'store-octets',
  'fragment-datagrams',
  'out-of-order-segments',
  'batches',
  'policy-reloads',
  'held-acks',
  'overwritten-segments',
  'resets-sent',
  'out-of-order-octets',
  'waiting-octets',
  'fragment-octets',
];

/** `buffer` may be shared; without one the counters are private. */
export function createCounters(buffer?: SharedArrayBuffer): Float64Array {
  return buffer === undefined ? new Float64Array(COUNTER_COUNT) : new Float64Array(buffer, 0, COUNTER_COUNT);
}

export const COUNTER_OCTETS = COUNTER_COUNT * 8;
