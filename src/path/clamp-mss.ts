// `ip tcp adjust-mss`: the maximum segment size that a SYN or SYN/ACK offers is lowered to the value of the interfaces that it
// passes, in either direction.  RFC 9293 section 3.7.1, RFC 1624.
//
// Never raised, and never added where it is not offered.  A SYN whose options are broken is left to whoever drops it; so is one
// that came in fragments, which no TCP sends.

import { FRAGMENT, PARTIAL_CHECKSUM } from '../frame/frames.ts';
import { OK } from '../telemetry/reasons.ts';
import { delta16, swap16, updateChecksum } from '../wire/checksum.ts';
import * as tcp from '../wire/tcp.ts';
import type { DataPlane } from './data-plane.ts';

const LENGTH = 4;

/** Lowers the offer of decoded TCP frame `f`, if it has one, on its way to interface `egress`. */
export function clampMss(p: DataPlane, f: number, egress: number): void {
  const { frames, view } = p;
  const limit = limitOf(p, frames.ingress[f]!, egress);
  if (limit === 0 || (frames.flags[f]! & FRAGMENT) !== 0) return;
  const l4 = frames.l4[f]!;
  if ((tcp.flags(view, l4) & tcp.SYN) === 0 || tcp.checkOptions(view, l4) !== OK) return;
  const at = tcp.findOption(view, l4, tcp.OPTION_MSS);
  if (at < 0 || view.getUint8(at + 1) !== LENGTH) return;
  const offered = view.getUint16(at + 2);
  if (offered <= limit) return;
  view.setUint16(at + 2, limit);
  // A partial checksum has the pseudo-header alone.
  if ((frames.flags[f]! & PARTIAL_CHECKSUM) !== 0) return;
  // At an odd offset the value lies across two words of the sum.
  const isOdd = ((at - l4) & 1) !== 0;
  const delta = isOdd ? delta16(swap16(offered), swap16(limit)) : delta16(offered, limit);
  tcp.setChecksum(view, l4, updateChecksum(tcp.checksum(view, l4), delta));
}

/** The smaller one of two interfaces, 0: neither has one. */
function limitOf(p: DataPlane, ingress: number, egress: number): number {
  const { interfaces } = p.policy;
  const first = interfaces[ingress]!.adjustMss;
  const second = interfaces[egress]!.adjustMss;
  if (first === 0 || second === 0) return first + second;
  return Math.min(first, second);
}
