// The transparent pair: each frame leaves by the other port of its bridge group, except one whose destination was last seen
// as a source on its own ingress port; that one is consumed, its receiver has it already.
//
// BPDUs and everything that is not IP passes (strict mode is decode's business).  No learning beyond where a
// source was last seen, no spanning tree, no flooding to more than one port.

import { GROUP } from '../frame/frames.ts';
import { BRIDGE_NO_PAIR } from '../telemetry/reasons.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { DataPlane } from './data-plane.ts';
import { transmit } from './forward.ts';

/** A frame without IP of a bridge group. */
export function bridgeOther(p: DataPlane, f: number): void {
  const egress = bridgeEgress(p, f);
  if (egress >= 0) transmit(p, f, egress);
}

/** The interface that frame `f` leaves by, or -1: it has its fate. */
export function bridgeEgress(p: DataPlane, f: number): number {
  const { frames, view, macTable } = p;
  const at = frames.offset[f]!;
  const ingress = frames.ingress[f]!;
  macTable.learn(ethernet.macHigh(view, at + ethernet.SRC_MAC), ethernet.macLow(view, at + ethernet.SRC_MAC), ingress);
  if ((frames.flags[f]! & GROUP) === 0 && macTable.portOf(ethernet.macHigh(view, at), ethernet.macLow(view, at)) === ingress) {
    p.ledger.consume(f);
    return -1;
  }
  const egress = p.bridgePeer[ingress]!;
  if (egress < 0) p.ledger.drop(f, BRIDGE_NO_PAIR);
  return egress;
}
