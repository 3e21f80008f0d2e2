// What we say about a frame to its sender: ICMP destination unreachable, time exceeded, echo reply.  Routed only: a bridge
// is silent.
//
// Unreachables leave at most once in 500 ms an interface, as `ip icmp rate-limit unreachable` of IOS; a datagram that is too
// large for the next link is always answered, because path MTU discovery hangs on it.
// The frame is answered as it came in, before translation, back to the MAC that it came from.

import { NO_FRAME } from '../frame/frames.ts';
import { MAX_ANSWER, echoReply, mayAnswerWithError, timeExceeded, unreachable } from '../wire/build.ts';
import { CODE_FRAGMENTATION_NEEDED } from '../wire/icmp.ts';
import type { DataPlane } from './data-plane.ts';

const UNREACHABLE_INTERVAL = 500;

/** Destination unreachable with `code` for frame `f`, if the interface sends unreachables and one is due. */
export function sendUnreachable(p: DataPlane, f: number, code: number, now: number): void {
  const ingress = p.frames.ingress[f]!;
  if (!p.policy.interfaces[ingress]!.unreachables || !mayAnswer(p, f)) return;
  if (((now - p.lastUnreachable[ingress]!) | 0) < UNREACHABLE_INTERVAL) return;
  p.lastUnreachable[ingress] = now;
  sendError(p, f, code, 0);
}

/** The datagram does not fit into `mtu` octets and must not be fragmented. */
export function sendTooBig(p: DataPlane, f: number, mtu: number): void {
  if (mayAnswer(p, f)) sendError(p, f, CODE_FRAGMENTATION_NEEDED, mtu);
}

export function sendTimeExceeded(p: DataPlane, f: number, now: number): void {
  const { frames } = p;
  const ingress = frames.ingress[f]!;
  if (!mayAnswer(p, f) || ((now - p.lastTimeExceeded[ingress]!) | 0) < UNREACHABLE_INTERVAL) return;
  const g = frames.allocate(MAX_ANSWER);
  if (g === NO_FRAME) return;
  p.lastTimeExceeded[ingress] = now;
  const { u8, u16 } = p.region;
  const src = p.policy.interfaces[ingress]!.addr;
  send(p, g, ingress, timeExceeded(p.view, u8, u16, frames.offset[g]!, frames.offset[f]!, frames.l3[f]!, frames.end[f]!, src));
}

/** Answers the echo request `f` for one of our addresses. */
export function sendEchoReply(p: DataPlane, f: number): void {
  const { frames } = p;
  const g = frames.allocate(frames.length[f]!);
  if (g === NO_FRAME) return;
  send(
    p,
    g,
    frames.ingress[f]!,
    echoReply(p.view, p.region.u8, frames.offset[g]!, frames.offset[f]!, frames.l3[f]!, frames.l4[f]!, frames.end[f]!),
  );
}

function mayAnswer(p: DataPlane, f: number): boolean {
  const { frames } = p;
  const ingress = frames.ingress[f]!;
  if (ingress < 0 || p.bridgeGroup[ingress] !== 0 || p.policy.interfaces[ingress]!.addr === 0) return false;
  return mayAnswerWithError(p.view, frames.offset[f]!, frames.l3[f]!, frames.end[f]!);
}

function sendError(p: DataPlane, f: number, code: number, mtu: number): void {
  const { frames } = p;
  const g = frames.allocate(MAX_ANSWER);
  if (g === NO_FRAME) return;
  const ingress = frames.ingress[f]!;
  const { u8, u16 } = p.region;
  const src = p.policy.interfaces[ingress]!.addr;
  send(p, g, ingress, unreachable(p.view, u8, u16, frames.offset[g]!, frames.offset[f]!, frames.l3[f]!, frames.end[f]!, code, mtu, src));
}

function send(p: DataPlane, g: number, egress: number, length: number): void {
  p.frames.length[g] = length;
  p.frames.wireLength[g] = length;
  p.frames.egress[g] = egress;
  p.ledger.transmit(g);
}
