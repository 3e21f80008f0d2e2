// The session record: 16 int32 words, one cache line of 64 octets, hot fields first (random access to a million sessions:
// columns 127 ns, records 63).  Cold fields stand in arrays of their own in table.ts.
//
// Two keys, after pf: what frames of the opener look like on arrival (forward), and what frames of the responder look like
// on arrival (reply).  Address translation is nothing but the difference of the two: a forward frame leaves with
// source REPLY_DST, destination REPLY_SRC and the ports of REPLY_PORTS exchanged; a reply frame leaves with
// source DST, destination SRC and the ports of PORTS exchanged.
//
// IPv6: an address word holds a seeded fold of the 128 bits; the whole addresses stand in cold words and are compared
// after a hit.
// Legend: [I] fixed when the session is made, [T] written by track, [D] by the path.

import { ECHO, ECHO_REPLY, TIMESTAMP, TIMESTAMP_REPLY } from '../wire/icmp.ts';

export const RECORD_SHIFT = 4;
export const RECORD_WORDS = 16;

/** Forward key: source as it arrives. [I] */
export const SRC = 0;
export const DST = 1;
/** Source port << 16 | destination port; ICMP: query identifier in both halves. [I] */
export const PORTS = 2;
/** Reply key: source (the responder as its frames arrive). [I] */
export const REPLY_SRC = 3;
export const REPLY_DST = 4;
export const REPLY_PORTS = 5;
/** protocol | family << 8 | forward ingress << 9 | reply ingress << 13; part of both keys. [I] */
export const KIND = 6;
/** VLAN key of frames.vlan | kind of ICMP query (queryKind); part of both keys. [I] */
export const VLAN = 7;
/** STATE_... | flag bits. [T] */
export const STATE = 8;
/** Time of the last frame, ms. [D] */
export const LAST_HEARD = 9;
/** TCP without an inspector: highest sequence number sent + 1, and right edge it may send up to, per direction. [T] */
export const SEQ_END_FORWARD = 10;
export const SEQ_EDGE_FORWARD = 11;
export const SEQ_END_REPLY = 12;
export const SEQ_EDGE_REPLY = 13;
/** Window scale shifts: forward | reply << 8; 0xff: not offered. [T] */
export const SCALES = 14;
/** Neighbour numbers of the next hops: forward | reply << 16 (neighbours.ts); transparent: unused. [D] */
export const NEIGHBOURS = 15;

// Kinds of ICMP messages in the VLAN word, so that a query has only the replies of its own type: an echo has neither bit.
/** Timestamp and its reply. */
export const QUERY_TIMESTAMP = 1 << 26;
/** Whatever opens no session and belongs to none by its identifier. */
export const QUERY_NONE = 1 << 27;

export const FAMILY_IPV6 = 1 << 8;
export const FORWARD_PORT_SHIFT = 9;
export const REPLY_PORT_SHIFT = 13;
export const PORT_MASK = 15;

// States as `show ip inspect sessions` prints them.
export const STATE_MASK = 7;
export const FREE = 0;
/** SIS_OPENING: half-open.  TCP before the third segment of the handshake, UDP and ICMP before the first reply. */
export const OPENING = 1;
/** SIS_OPEN */
export const OPEN = 2;
/** SIS_CLOSING: both FINs seen. */
export const CLOSING = 3;
/** SIS_CLOSED: reset; kept for 5 s to answer stragglers. */
export const CLOSED = 4;

// Flag bits of STATE.
/** Has an inspector: its octets go through stream/. */
export const INSPECTED = 0x10;
/** The reply direction was seen. */
export const REPLIED = 0x20;
/** FIN seen per direction. */
export const FIN_FORWARD = 0x40;
export const FIN_REPLY = 0x80;
/** Addresses or ports change on the way. */
export const TRANSLATED = 0x100;
/** SYN/ACK passed. */
export const SYN_ACKED = 0x400;
/** Both ports are in one bridge group: link header unchanged. */
export const BRIDGED = 0x800;
/** Counts as half-open for the thresholds. */
export const COUNTED_HALF_OPEN = 0x1000;
/** Audit trail is on for the session. */
export const AUDITED = 0x4000;

/** Bits of the VLAN word for an ICMP message (IPv4) of `type`. */
export function queryKind(type: number): number {
  if (type === ECHO || type === ECHO_REPLY) return 0;
  return type === TIMESTAMP || type === TIMESTAMP_REPLY ? QUERY_TIMESTAMP : QUERY_NONE;
}

/** The two halves of a ports word exchanged: ports of a frame that answers. */
export function exchange(ports: number): number {
  return (ports << 16) | (ports >>> 16);
}
