// Step forward: what fits through the egress interface, its link header, the transmit queue.
//
// Over the MTU: fragmented (routed, IPv4 without DF; merged datagrams always, at their original boundaries), re-segmented (TCP
// in a transparent pair, segments that we made), else dropped as tx.too-big; never truncated.  A routed datagram with DF was
// answered before (hop.ts).  A super-frame is cut only for a port that cannot carry it.

import { GENERATED, GSO, MERGED, NO_FRAME } from '../frame/frames.ts';
import { exceedsMtu } from '../stream/mtu.ts';
import { ARP_UNRESOLVED, FRAME_NO_SLOT, ROUTE_INTERFACE_DOWN, TX_TOO_BIG } from '../telemetry/reasons.ts';
import * as ethernet from '../wire/ethernet.ts';
import { PROTOCOL_TCP, dontFragment } from '../wire/ipv4.ts';
import { sendRequests } from './arp.ts';
import type { DataPlane } from './data-plane.ts';

/** Sends frame `f`, an IP datagram as its receiver's side must see it, by `egress`. */
export function forward(p: DataPlane, f: number, egress: number, neighbour: number, bridged: boolean, now: number): void {
  const { frames } = p;
  if (p.up[egress] === 0) {
    p.ledger.drop(f, ROUTE_INTERFACE_DOWN);
    return;
  }
  const flags = frames.flags[f]!;
  const tooLong = exceedsMtu(frames, f, p.mtu[egress]!);
  if (!tooLong && (flags & (MERGED | GSO)) === 0) link(p, f, egress, neighbour, bridged, now);
  else if (!tooLong && (flags & MERGED) === 0 && p.carriesSuperFrames[egress] !== 0) link(p, f, egress, neighbour, bridged, now);
  else cut(p, f, egress, neighbour, bridged, now);
}

/** Without a link header of ours: bridged frames that are not IP. */
export function transmit(p: DataPlane, f: number, egress: number): void {
  if (p.up[egress] === 0) {
    p.ledger.drop(f, ROUTE_INTERFACE_DOWN);
    return;
  }
  p.frames.egress[f] = egress;
  p.ledger.transmit(f);
}

function cut(p: DataPlane, f: number, egress: number, neighbour: number, bridged: boolean, now: number): void {
  const { cutPieces } = p;
  const first = cutPieces.count;
  if (!cutInto(p, f, egress, bridged)) return;
  for (let i = first; i < cutPieces.count; i++) link(p, cutPieces.frames[i]!, egress, neighbour, bridged, now);
  cutPieces.count = first;
}

/** False when the frame was dropped. */
function cutInto(p: DataPlane, f: number, egress: number, bridged: boolean): boolean {
  const { cutter, cutPieces, frames } = p;
  const mtu = p.mtu[egress]!;
  const flags = frames.flags[f]!;
  const isSegment = frames.protocol[f] === PROTOCOL_TCP && (flags & MERGED) === 0;
  const resegment = isSegment && (bridged || (flags & (GSO | GENERATED)) !== 0);
  const fragment = (flags & MERGED) !== 0 || (!bridged && !dontFragment(p.view, frames.l3[f]!));
  if (!resegment && !fragment) {
    p.ledger.drop(f, TX_TOO_BIG);
    return false;
  }
  const done = resegment ? cutter.cutSegment(f, mtu, cutPieces) : cutter.cutDatagram(f, mtu, cutPieces);
  if (!done) p.ledger.drop(f, FRAME_NO_SLOT);
  return done;
}

function link(p: DataPlane, f: number, egress: number, neighbour: number, bridged: boolean, now: number): void {
  if (bridged) {
    p.frames.egress[f] = egress;
    p.ledger.transmit(f);
    return;
  }
  const { neighbours, view } = p;
  if (!neighbours.isUsable(neighbour)) {
    wait(p, f, egress, neighbour, now);
    return;
  }
  const at = p.frames.offset[f]!;
  ethernet.setMac(view, at, neighbours.macHigh[neighbour]!, neighbours.macLow[neighbour]!);
  ethernet.setMac(view, at + ethernet.SRC_MAC, p.macHigh[egress]!, p.macLow[egress]!);
  p.frames.egress[f] = egress;
  p.ledger.transmit(f);
}

/** The datagram waits for the ARP reply of its next hop, in a slot of its own. */
function wait(p: DataPlane, f: number, egress: number, neighbour: number, now: number): void {
  const { frames, ledger, neighbours } = p;
  neighbours.resolve(egress, neighbours.addr[neighbour]!, now);
  sendRequests(p);
  const g = neighbours.hasRoom(neighbour) ? frames.copy(f) : NO_FRAME;
  if (g === NO_FRAME) {
    ledger.drop(f, ARP_UNRESOLVED);
    return;
  }
  frames.egress[g] = egress;
  ledger.hold(f);
  frames.flags[g]! &= ~GENERATED;
  neighbours.wait(neighbour, g);
}
