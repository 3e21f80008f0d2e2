// ICMP errors: to which session one belongs, whether it can be true, and its translation inside and outside.  RFC 792, RFC 1191,
// RFC 4443, RFC 5508 section 4 (address translation), RFC 5927 (forged errors).
//
// The inner datagram was sent by the session's other side and looks as it did here, on the side that the error comes from: its key turned
// round is the key of a frame that would answer it, arriving by the same interface.
// IPv6 errors are looked up and checked but never translated (they are bridged).  Not here: rate limits, path MTU caches, the
// extensions of RFC 4884 (they pass).

import { type Frames, KIND_IPV6, PARTIAL_CHECKSUM } from '../frame/frames.ts';
import type { Region } from '../frame/region.ts';
import {
  exchange,
  DST,
  FAMILY_IPV6,
  FORWARD_PORT_SHIFT,
  INSPECTED,
  PORTS,
  RECORD_SHIFT,
  REPLY_DST,
  REPLY_PORTS,
  REPLY_SRC,
  SCALES,
  SEQ_END_FORWARD,
  SEQ_END_REPLY,
  SRC,
  queryKind,
} from '../session/record.ts';
import type { SessionTable } from '../session/table.ts';
import {
  ICMP_BAD_CHECKSUM,
  ICMP_BAD_INNER,
  ICMP_MALFORMED,
  ICMP_MTU_FLOOR,
  ICMP_UNSOLICITED,
  OK,
  type Reason,
} from '../telemetry/reasons.ts';
import { delta16, delta32, fold, sumOctets, updateChecksum } from '../wire/checksum.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as segment from '../wire/segment.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';

/** Smallest next-hop MTU that is believed: RFC 1122 section 3.3.2 and RFC 8200 section 5. */
export const MTU_FLOOR = 576;
export const MTU_FLOOR6 = 1280;
const PACKET_TOO_BIG = 2;
const INNER_TRANSPORT = 8;
const MAX_SHIFT = 14;

/** Knows the sequence space of inspected sessions. */
export interface SequenceCheck {
  /** `seq` (int32) may stand in a segment of `direction` that was released and not yet acknowledged, or follow the last one. */
  isPlausibleSeq(session: number, direction: number, seq: number): boolean;
}

export class IcmpErrors {
  /** Why lookupError answered -1. */
  reason: Reason = OK;
  private readonly region: Region;
  private readonly frames: Frames;
  private readonly sessions: SessionTable;
  private readonly inspected: SequenceCheck;

  // The inner datagram read last.
  private l4 = 0;
  protocol = 0;
  src = 0;
  dst = 0;
  /** Ports as one word; a query has its identifier in both halves. */
  ports = 0;
  /** Kind of an inner ICMP query, a bit of the session key. */
  private query = 0;

  constructor(region: Region, frames: Frames, sessions: SessionTable, inspected: SequenceCheck) {
    this.region = region;
    this.frames = frames;
    this.sessions = sessions;
    this.inspected = inspected;
  }

  /**
   * session << 1 | direction for the decoded ICMP error `f`, or -1 with the cause in `reason`.  The direction is that of the error
   * itself: the inner datagram travelled the other way.
   */
  lookupError(f: number): number {
    const is6 = this.frames.kind[f] === KIND_IPV6;
    this.reason = is6 ? this.checkOuter6(f) : this.checkOuter4(f);
    if (this.reason === OK) this.reason = is6 ? this.readInner6(f) : this.readInner4(f);
    if (this.reason !== OK) return -1;
    const kind = this.protocol | (is6 ? FAMILY_IPV6 : 0) | (this.frames.ingress[f]! << FORWARD_PORT_SHIFT);
    const found = this.sessions.find(this.dst, this.src, exchange(this.ports), kind, this.frames.vlan[f]! | this.query);
    if (found < 0) this.reason = ICMP_UNSOLICITED;
    else if (!this.isPlausible(found >> 1, (found & 1) ^ 1)) this.reason = ICMP_BAD_INNER;
    return this.reason === OK ? found : -1;
  }

  /** Reads the datagram that the IPv4 error `f` is about; OK, or why that cannot be. */
  read(f: number): Reason {
    const reason = this.checkOuter4(f);
    return reason === OK ? this.readInner4(f) : reason;
  }

  /**
   * Rewrites the IPv4 error `f`, found by lookupError, as the other side must see it.  The outer source becomes the session's own
   * translated one where that direction translates sources at all: a router behind us stays hidden.
   */
  translateError(f: number, session: number, direction: number): void {
    const { view } = this.region;
    const { hot } = this.sessions;
    const at = session << RECORD_SHIFT;
    const isForward = direction === 0;
    const l3 = this.frames.l3[f]!;
    const before = hot[at + (isForward ? SRC : REPLY_SRC)]!;
    const after = hot[at + (isForward ? REPLY_DST : DST)]!;
    const src = before === after ? ipv4.srcAddr(view, l3) : after;
    const dst = hot[at + (isForward ? REPLY_SRC : SRC)]!;
    if (isForward) this.rewrite(f, src, dst, hot[at + REPLY_SRC]!, hot[at + REPLY_DST]!, hot[at + REPLY_PORTS]!);
    else this.rewrite(f, src, dst, hot[at + SRC]!, hot[at + DST]!, hot[at + PORTS]!);
  }

  /** Gives the IPv4 error `f` new addresses, and its inner datagram new addresses and ports. */
  rewrite(f: number, src: number, dst: number, innerSrc: number, innerDst: number, innerPorts: number): void {
    const { view } = this.region;
    const l3 = this.frames.l3[f]!;
    const delta = fold(delta32(ipv4.srcAddr(view, l3), src) + delta32(ipv4.dstAddr(view, l3), dst));
    ipv4.setAddrs(view, l3, src, dst, delta);
    this.translateInner(f, innerSrc, innerDst, innerPorts);
  }

  private checkOuter4(f: number): Reason {
    const { view } = this.region;
    const l4 = this.frames.l4[f]!;
    const end = this.frames.end[f]!;
    if (icmp.innerCheck(view, l4, end) !== OK) return ICMP_MALFORMED;
    if (sumOctets(this.region.u16, this.region.u8, l4, end) !== 0xffff) return ICMP_BAD_CHECKSUM;
    const isTooBig = icmp.type(view, l4) === icmp.UNREACHABLE && icmp.code(view, l4) === icmp.CODE_FRAGMENTATION_NEEDED;
    return isTooBig && icmp.nextHopMtu(view, l4) < MTU_FLOOR ? ICMP_MTU_FLOOR : OK;
  }

  private checkOuter6(f: number): Reason {
    const { u16, u8, view } = this.region;
    const l4 = this.frames.l4[f]!;
    const end = this.frames.end[f]!;
    if (end - l4 < icmp.HEADER_LENGTH + ipv6.HEADER_LENGTH + INNER_TRANSPORT) return ICMP_MALFORMED;
    if (view.getUint8(l4 + icmp.HEADER_LENGTH) >> 4 !== 6) return ICMP_MALFORMED;
    const isPartial = (this.frames.flags[f]! & PARTIAL_CHECKSUM) !== 0;
    if (!isPartial && !segment.isChecksumGood(view, u8, u16, this.frames.l3[f]!, l4, end, ipv6.PROTOCOL_ICMP6)) return ICMP_BAD_CHECKSUM;
    const isTooBig = icmp.type(view, l4) === PACKET_TOO_BIG;
    return isTooBig && view.getUint32(l4 + 4) < MTU_FLOOR6 ? ICMP_MTU_FLOOR : OK;
  }

  private readInner4(f: number): Reason {
    const { view } = this.region;
    const inner = this.frames.l4[f]! + icmp.HEADER_LENGTH;
    this.l4 = inner + ipv4.headerLength(view, inner);
    this.protocol = ipv4.protocol(view, inner);
    this.src = ipv4.srcAddr(view, inner);
    this.dst = ipv4.dstAddr(view, inner);
    // Errors are about first fragments only, and they go to whom the datagram came from.
    if (ipv4.fragmentOffset(view, inner) !== 0) return ICMP_BAD_INNER;
    if (ipv4.dstAddr(view, this.frames.l3[f]!) !== this.src) return ICMP_BAD_INNER;
    if (this.protocol !== ipv4.PROTOCOL_ICMP) return this.readPorts();
    const type = icmp.type(view, this.l4);
    if (icmp.isError(type)) return ICMP_BAD_INNER;
    this.query = queryKind(type);
    const id = icmp.identifier(view, this.l4);
    this.ports = (id << 16) | id;
    return OK;
  }

  private readInner6(f: number): Reason {
    const { view } = this.region;
    const { probe6 } = this.sessions;
    const l3 = this.frames.l3[f]!;
    const end = this.frames.end[f]!;
    const inner = this.frames.l4[f]! + icmp.HEADER_LENGTH;
    if (ipv6.walk(view, inner, end) !== OK) return ICMP_BAD_INNER;
    const { chain } = ipv6;
    if (chain.fragmentAt >= 0 && (view.getUint16(chain.fragmentAt + 2) & 0xfff8) !== 0) return ICMP_BAD_INNER;
    if (chain.at + INNER_TRANSPORT > end) return ICMP_MALFORMED;
    for (let i = 0; i < 4; i++) {
      // The answer's source is the inner destination.
      probe6[i] = ipv6.addrWord(view, inner + ipv6.DST_ADDR, i);
      probe6[4 + i] = ipv6.addrWord(view, inner + ipv6.SRC_ADDR, i);
      if (probe6[4 + i] !== ipv6.addrWord(view, l3 + ipv6.DST_ADDR, i)) return ICMP_BAD_INNER;
    }
    this.l4 = chain.at;
    this.protocol = chain.protocol;
    this.dst = this.sessions.fold6(probe6, 0);
    this.src = this.sessions.fold6(probe6, 4);
    return this.readPorts();
  }

  private readPorts(): Reason {
    this.query = 0;
    const hasPorts = this.protocol === ipv4.PROTOCOL_TCP || this.protocol === ipv4.PROTOCOL_UDP;
    this.ports = hasPorts ? this.region.view.getInt32(this.l4) : 0;
    return OK;
  }

  /** A TCP error names a segment that its sender may still be waiting for. */
  private isPlausible(session: number, direction: number): boolean {
    if (this.protocol !== ipv4.PROTOCOL_TCP) return true;
    const seq = tcp.seqNum(this.region.view, this.l4);
    if (this.sessions.hasFlag(session, INSPECTED)) return this.inspected.isPlausibleSeq(session, direction, seq);
    const end = this.sessions.get(session, direction === 0 ? SEQ_END_FORWARD : SEQ_END_REPLY);
    const behind = (end - seq) | 0;
    return behind >= 0 && behind <= 0xffff << this.receiverShift(session, direction);
  }

  /** Shift of the windows that the receiver of `direction` advertises. */
  private receiverShift(session: number, direction: number): number {
    const scales = this.sessions.get(session, SCALES);
    const shift = direction === 0 ? (scales >> 8) & 0xff : scales & 0xff;
    return shift <= MAX_SHIFT ? shift : 0;
  }

  private translateInner(f: number, src: number, dst: number, ports: number): void {
    const { view } = this.region;
    const message = this.frames.l4[f]!;
    const inner = message + icmp.HEADER_LENGTH;
    const delta = fold(delta32(ipv4.srcAddr(view, inner), src) + delta32(ipv4.dstAddr(view, inner), dst));
    const checksum = ipv4.checksum(view, inner);
    ipv4.setAddrs(view, inner, src, dst, delta);
    const changed = delta + delta16(checksum, ipv4.checksum(view, inner)) + this.translateTransport(f, inner, delta, ports);
    view.setUint16(message + icmp.CHECKSUM, updateChecksum(view.getUint16(message + icmp.CHECKSUM), fold(changed)));
  }

  /** What the inner transport adds to the sum of the message; `delta` is that of the addresses. */
  private translateTransport(f: number, inner: number, delta: number, ports: number): number {
    const { view } = this.region;
    const l4 = inner + ipv4.headerLength(view, inner);
    const protocol = ipv4.protocol(view, inner);
    if (protocol === ipv4.PROTOCOL_ICMP) {
      const id = icmp.identifier(view, l4);
      const changed = delta16(id, ports & 0xffff);
      icmp.setIdentifier(view, l4, ports & 0xffff);
      return changed + this.update(l4 + icmp.CHECKSUM, changed);
    }
    if (protocol !== ipv4.PROTOCOL_TCP && protocol !== ipv4.PROTOCOL_UDP) return 0;
    const changed = delta32(view.getInt32(l4), ports);
    view.setInt32(l4, ports);
    if (protocol === ipv4.PROTOCOL_TCP) {
      // Eight octets are all that must be quoted.
      return l4 + tcp.CHECKSUM + 2 > this.frames.end[f]! ? changed : changed + this.update(l4 + tcp.CHECKSUM, fold(delta + changed));
    }
    if (udp.checksum(view, l4) === 0) return changed;
    return changed + this.update(l4 + udp.CHECKSUM, fold(delta + changed));
  }

  /** Updates the checksum at `at` and says what that adds to the sum around it. */
  private update(at: number, delta: number): number {
    const { view } = this.region;
    const before = view.getUint16(at);
    const after = updateChecksum(before, delta);
    view.setUint16(at, after);
    return delta16(before, after);
  }
}
