// Step defragment: virtual reassembly under the limits of the ingress interface (stream/fragments).

import type { DataPlane } from './data-plane.ts';

/** NO_FRAME: fragment `f` is held or dropped.  Else the frame of a whole datagram. */
export function defragment(p: DataPlane, f: number, now: number): number {
  const limits = p.policy.interfaces[p.frames.ingress[f]!]!.reassembly;
  return p.fragments.accept(f, limits, now);
}
