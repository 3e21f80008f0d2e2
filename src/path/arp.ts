// ARP on routed interfaces: answers for our own addresses and for NAT global addresses, learns, asks, and lets datagrams go
// that waited for an answer.
//
// Requests for other addresses, replies and announcements are consumed; nothing is forwarded (no proxy ARP beyond NAT).

import { NO_FRAME } from '../frame/frames.ts';
import { SPOOFED } from '../session/neighbours.ts';
import { ARP_SPOOFED, ARP_UNRESOLVED, ROUTE_INTERFACE_DOWN } from '../telemetry/reasons.ts';
import * as arp from '../wire/arp.ts';
import { arpReply, arpRequest } from '../wire/build.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { DataPlane } from './data-plane.ts';

const MESSAGE_OCTETS = 64;

/** An ARP message that decode accepted. */
export function receiveArp(p: DataPlane, f: number, now: number): void {
  const { frames, view } = p;
  const port = frames.ingress[f]!;
  const message = frames.l3[f]!;
  const sender = arp.senderAddr(view, message);
  const target = arp.targetAddr(view, message);
  const ours = isOurs(p, port, target);
  const mac = message + arp.SENDER_MAC;
  const learned = p.neighbours.learn(port, sender, ethernet.macHigh(view, mac), ethernet.macLow(view, mac), ours, now);
  if (learned === SPOOFED || p.nat.isGlobal(sender, port)) {
    p.ledger.drop(f, ARP_SPOOFED);
    return;
  }
  if (ours && arp.operation(view, message) === arp.REQUEST) answer(p, f, port);
  sendReady(p);
  sendRequests(p);
  p.ledger.consume(f);
}

/** Timer `timer` of a neighbour: ask again, or give up what waited for it. */
export function neighbourTimer(p: DataPlane, timer: number, now: number): void {
  p.neighbours.expire(timer, now);
  sendReady(p);
  sendRequests(p);
  dropUnresolved(p);
}

/** Sends the requests that neighbours want sent. */
export function sendRequests(p: DataPlane): void {
  for (let n = p.neighbours.takeRequest(); n >= 0; n = p.neighbours.takeRequest()) request(p, n);
}

/** Drops what waited for a neighbour that did not answer. */
export function dropUnresolved(p: DataPlane): void {
  for (let f = p.neighbours.takeUnresolved(); f >= 0; f = p.neighbours.takeUnresolved()) {
    p.ledger.resume(1);
    p.ledger.drop(f, ARP_UNRESOLVED);
  }
}

function isOurs(p: DataPlane, port: number, addr: number): boolean {
  return addr !== 0 && (addr === p.policy.interfaces[port]!.addr || p.nat.isGlobal(addr, port));
}

function answer(p: DataPlane, f: number, port: number): void {
  const { frames } = p;
  const g = frames.allocate(MESSAGE_OCTETS);
  if (g === NO_FRAME) return;
  send(p, g, port, arpReply(p.view, frames.offset[g]!, p.macHigh[port]!, p.macLow[port]!, frames.l3[f]!));
}

function request(p: DataPlane, n: number): void {
  const { frames, neighbours, view } = p;
  const port = neighbours.interface[n]!;
  const own = p.policy.interfaces[port]!.addr;
  if (p.up[port] === 0 || own === 0) return;
  const g = frames.allocate(MESSAGE_OCTETS);
  if (g === NO_FRAME) return;
  const at = frames.offset[g]!;
  const length = arpRequest(view, at, p.macHigh[port]!, p.macLow[port]!, own, neighbours.addr[n]!);
  if (neighbours.asksUnicast(n)) ethernet.setMac(view, at, neighbours.macHigh[n]!, neighbours.macLow[n]!);
  send(p, g, port, length);
}

/** Datagrams whose next hop has just been resolved go, in order. */
export function sendReady(p: DataPlane): void {
  const { frames, ledger, neighbours, view } = p;
  for (let f = neighbours.takeReady(); f >= 0; f = neighbours.takeReady()) {
    ledger.resume(1);
    const egress = frames.egress[f]!;
    if (p.up[egress] === 0) {
      ledger.drop(f, ROUTE_INTERFACE_DOWN);
      continue;
    }
    const n = neighbours.lastReady;
    const at = frames.offset[f]!;
    ethernet.setMac(view, at, neighbours.macHigh[n]!, neighbours.macLow[n]!);
    ethernet.setMac(view, at + ethernet.SRC_MAC, p.macHigh[egress]!, p.macLow[egress]!);
    ledger.transmit(f);
  }
}

function send(p: DataPlane, g: number, egress: number, length: number): void {
  p.frames.length[g] = length;
  p.frames.wireLength[g] = length;
  p.frames.egress[g] = egress;
  p.ledger.transmit(g);
}
