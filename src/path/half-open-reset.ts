// Resets for a half-open TCP session that makes room for another: the responder always, the opener only if the responder's SYN
// and ACK had passed (a spoofed source gets nothing).
//
// The segments are built as the other side would have sent them; the caller translates and forwards them like any others.
// Sequence numbers: those of the record, which tcp-track and the stream both keep.

import { CHECKSUM_GOOD, FORWARD_DIRECTION, KIND_IPV4, KIND_IPV6, NO_FRAME, REPLY_DIRECTION } from '../frame/frames.ts';
import type { FrameQueue } from '../frame/frame-queue.ts';
import {
  BRIDGED,
  DST,
  PORTS,
  RECORD_SHIFT,
  REPLY_DST,
  REPLY_PORTS,
  REPLY_SRC,
  SEQ_END_FORWARD,
  SEQ_END_REPLY,
  SRC,
  SYN_ACKED,
  VLAN,
} from '../session/record.ts';
import { RESETS_SENT } from '../telemetry/counters.ts';
import * as build from '../wire/build.ts';
import * as ethernet from '../wire/ethernet.ts';
import { PROTOCOL_TCP } from '../wire/ipv4.ts';
import { ACK, RST } from '../wire/tcp.ts';
import type { DataPlane } from './data-plane.ts';

const RESET_OCTETS = 128;

/** Appends the resets of half-open `session` to `out`. */
export function resetHalfOpen(p: DataPlane, session: number, out: FrameQueue): void {
  const opener = p.sessions.get(session, SEQ_END_FORWARD);
  const responder = p.sessions.get(session, SEQ_END_REPLY);
  const answered = p.sessions.hasFlag(session, SYN_ACKED);
  buildReset(p, session, FORWARD_DIRECTION, opener, answered ? responder : 0, answered ? RST | ACK : RST, out);
  if (answered) buildReset(p, session, REPLY_DIRECTION, responder, opener, RST | ACK, out);
}

function buildReset(p: DataPlane, session: number, direction: number, seq: number, ack: number, bits: number, out: FrameQueue): void {
  const { frames, sessions } = p;
  const g = frames.allocate(RESET_OCTETS);
  if (g === NO_FRAME) return;
  const is6 = sessions.isIpv6(session);
  const l3 = writeLink(p, g, session, direction, is6);
  const length = is6 ? write6(p, l3, session, direction, seq, ack, bits) : write4(p, l3, session, direction, seq, ack, bits);
  frames.kind[g] = is6 ? KIND_IPV6 : KIND_IPV4;
  frames.protocol[g] = PROTOCOL_TCP;
  frames.l3[g] = l3;
  frames.l4[g] = l3 + (is6 ? 40 : 20);
  frames.payload[g] = l3 + length;
  frames.end[g] = l3 + length;
  frames.length[g] = l3 + length - frames.offset[g]!;
  frames.wireLength[g] = frames.length[g]!;
  frames.flags[g]! |= CHECKSUM_GOOD;
  frames.session[g] = session;
  frames.direction[g] = direction;
  p.counters[RESETS_SENT]!++;
  out.push(g);
}

function write4(p: DataPlane, l3: number, session: number, direction: number, seq: number, ack: number, bits: number): number {
  const { hot } = p.sessions;
  const at = session << RECORD_SHIFT;
  const forward = direction === FORWARD_DIRECTION;
  const ports = hot[at + (forward ? PORTS : REPLY_PORTS)]!;
  return build.segment4(
    p.view,
    l3,
    hot[at + (forward ? SRC : REPLY_SRC)]!,
    hot[at + (forward ? DST : REPLY_DST)]!,
    ports >>> 16,
    ports & 0xffff,
    seq,
    ack,
    bits,
    0,
  );
}

function write6(p: DataPlane, l3: number, session: number, direction: number, seq: number, ack: number, bits: number): number {
  const at = session * 8;
  const forward = direction === FORWARD_DIRECTION;
  const ports = p.sessions.get(session, forward ? PORTS : REPLY_PORTS);
  return build.segment6(
    p.view,
    l3,
    p.sessions.addrs6,
    forward ? at : at + 4,
    forward ? at + 4 : at,
    ports >>> 16,
    ports & 0xffff,
    seq,
    ack,
    bits,
    0,
  );
}

/** MAC addresses and tags of a bridged session; a routed one gets its own in forward.  Returns the offset behind. */
function writeLink(p: DataPlane, g: number, session: number, direction: number, is6: boolean): number {
  const { view, sessions, frames } = p;
  const { macs } = sessions;
  const at = frames.offset[g]!;
  const type = is6 ? ethernet.TYPE_IPV6 : ethernet.TYPE_IPV4;
  const from = session * 4 + (direction === FORWARD_DIRECTION ? 0 : 2);
  const to = session * 4 + (direction === FORWARD_DIRECTION ? 2 : 0);
  ethernet.setHeader(view, at, macs[to]!, macs[to + 1]!, macs[from]!, macs[from + 1]!, type);
  if (!sessions.hasFlag(session, BRIDGED)) return at + ethernet.HEADER_LENGTH;
  const vlan = sessions.get(session, VLAN);
  const tags = vlan >> 24;
  let typeAt = at + ethernet.ETHER_TYPE;
  for (let i = 0; i < tags; i++) {
    view.setUint16(typeAt, i === 0 && tags > 1 ? ethernet.TYPE_QINQ : ethernet.TYPE_VLAN);
    view.setUint16(typeAt + 2, (vlan >> (i * 12)) & 0xfff);
    typeAt += ethernet.TAG_LENGTH;
  }
  view.setUint16(typeAt, type);
  return typeAt + 2;
}
