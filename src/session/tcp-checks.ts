// Checks of one TCP segment that need no state: control bits that no TCP sends, and the checksum with its pseudo-header over IPv4
// and IPv6.  RFC 9293 sections 3.1 and 3.10.7.
//
// Not here: options (stream/segment-options.ts), sequence numbers (tcp-track.ts, stream/).

import { CHECKSUM_GOOD, type Frames, KIND_IPV6, PARTIAL_CHECKSUM } from '../frame/frames.ts';
import { addSums, complement, sumOctets } from '../wire/checksum.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';

/**
 * True for combinations of control bits that belong to no TCP: none at all, SYN with FIN or RST, FIN with RST, anything but SYN
 * and RST without ACK.  PSH, URG, ECE and CWR are not looked at.
 */
export function hasBadFlags(bits: number): boolean {
  switch (bits & (tcp.SYN | tcp.ACK | tcp.FIN | tcp.RST)) {
    case tcp.SYN:
    case tcp.SYN | tcp.ACK:
    case tcp.ACK:
    case tcp.ACK | tcp.FIN:
    case tcp.RST:
    case tcp.RST | tcp.ACK:
      return false;
    default:
      return true;
  }
}

/** Folded sum of pseudo-header and segment of TCP frame `f`: 0xffff when its checksum is right. */
export function segmentSum(frames: Frames, f: number): number {
  const { region } = frames;
  const l4 = frames.l4[f]!;
  const end = frames.end[f]!;
  return addSums(pseudoSum(frames, f, end - l4), sumOctets(region.u16, region.u8, l4, end));
}

/**
 * True when the checksum of TCP frame `f` is right, partial (the kernel completes it), or was found right before; remembers
 * that in the flags.  Whoever wants no checking sets CHECKSUM_GOOD.
 */
export function verifyChecksum(frames: Frames, f: number): boolean {
  if ((frames.flags[f]! & (CHECKSUM_GOOD | PARTIAL_CHECKSUM)) !== 0) return true;
  if (segmentSum(frames, f) !== 0xffff) return false;
  frames.flags[f]! |= CHECKSUM_GOOD;
  return true;
}

/** Computes the whole checksum of TCP frame `f` and writes it. */
export function writeChecksum(frames: Frames, f: number): void {
  const { view } = frames.region;
  const l4 = frames.l4[f]!;
  tcp.setChecksum(view, l4, 0);
  tcp.setChecksum(view, l4, complement(segmentSum(frames, f)));
}

/** Sum of the pseudo-header of frame `f` for a segment of `length` octets. */
function pseudoSum(frames: Frames, f: number, length: number): number {
  const { view } = frames.region;
  const l3 = frames.l3[f]!;
  if (frames.kind[f] === KIND_IPV6) return ipv6.pseudoSum(view, l3, ipv4.PROTOCOL_TCP, length);
  return ipv4.pseudoSum(ipv4.srcAddr(view, l3), ipv4.dstAddr(view, l3), ipv4.PROTOCOL_TCP, length);
}
