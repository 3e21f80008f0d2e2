// Whether a routed datagram survives this hop: TTL, and the MTU of the next link when it must not be fragmented.
//
// Checked before an inspector sees the octets, so that what does not leave is never taken for sent, and before translation, so
// that the answer quotes what its sender sent.

import { MERGED } from '../frame/frames.ts';
import { exceedsMtu } from '../stream/mtu.ts';
import { IP_TTL_EXCEEDED, TX_TOO_BIG } from '../telemetry/reasons.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { sendTimeExceeded, sendTooBig } from './answer.ts';
import type { DataPlane } from './data-plane.ts';

/** False when frame `f` (IPv4) ends here: it was dropped and its sender told. */
export function survivesHop(p: DataPlane, f: number, egress: number, now: number): boolean {
  const { frames, view } = p;
  const l3 = frames.l3[f]!;
  if (ipv4.ttl(view, l3) <= 1) {
    sendTimeExceeded(p, f, now);
    p.ledger.drop(f, IP_TTL_EXCEEDED);
    return false;
  }
  if (!exceedsMtu(frames, f, p.mtu[egress]!) || !ipv4.dontFragment(view, l3) || (frames.flags[f]! & MERGED) !== 0) return true;
  sendTooBig(p, f, p.mtu[egress]!);
  p.ledger.drop(f, TX_TOO_BIG);
  return false;
}
