// One capture taken on one wire, replayed through two interfaces: which of them a frame came in by.
//
//   1. the sender is outside when its MAC address is the given one, or its IP address lies within the given prefix;
//   2. else, where exactly two MAC addresses send: the one that sent the first SYN (or the first frame) is outside;
//   3. else per conversation: who sends the SYN, or speaks first, is outside.  An ICMP error belongs to the conversation
//      that it quotes; a fragment goes the way that its two addresses went before.
//
// Conversations are remembered by a hash of 53 bits: two of a million share one with a probability of one in ten thousand.

import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';
import type { OutsideRule } from './outside-rule.ts';

export const OUTSIDE = 0;
export const INSIDE = 1;

/** What one frame says about who talks to whom; one object for the process. */
const talk = {
  /** EtherType under at most two tags, and the offset behind it. */
  type: 0,
  l3: 0,
  /** Words of the addresses: offset in the region and octets of one; 0: no IP. */
  src: 0,
  dst: 0,
  addressOctets: 0,
  protocol: 0,
  isFragment: false,
  /** Transport header, or 0 where it is missing. */
  l4: 0,
  end: 0,
};

function readTalk(v: DataView, at: number, end: number): void {
  talk.addressOctets = 0;
  talk.l4 = 0;
  talk.end = end;
  let typeAt = at + ethernet.ETHER_TYPE;
  for (let tags = 0; tags < 2 && typeAt + 6 <= end && ethernet.isTag(v.getUint16(typeAt)); tags++) typeAt += ethernet.TAG_LENGTH;
  talk.type = typeAt + 2 <= end ? v.getUint16(typeAt) : 0;
  talk.l3 = typeAt + 2;
  if (talk.type === ethernet.TYPE_IPV4 && talk.l3 + ipv4.MIN_HEADER_LENGTH <= end) readIpv4(v, talk.l3, end);
  else if (talk.type === ethernet.TYPE_IPV6 && ipv6.check(v, talk.l3, end) === 0) readIpv6(v, talk.l3, end);
}

function readIpv4(v: DataView, at: number, end: number): void {
  talk.src = at + 12;
  talk.dst = at + 16;
  talk.addressOctets = 4;
  talk.protocol = ipv4.protocol(v, at);
  talk.isFragment = (ipv4.flagsOffset(v, at) & 0x3fff) !== 0;
  const l4 = at + ipv4.headerLength(v, at);
  if (l4 + 4 <= end) talk.l4 = l4;
}

function readIpv6(v: DataView, at: number, end: number): void {
  talk.src = at + ipv6.SRC_ADDR;
  talk.dst = at + ipv6.DST_ADDR;
  talk.addressOctets = 16;
  talk.isFragment = false;
  talk.protocol = ipv6.NO_NEXT;
  if (ipv6.walk(v, at, end) !== 0) return;
  talk.protocol = ipv6.chain.protocol;
  talk.isFragment = ipv6.chain.fragmentAt >= 0;
  if (ipv6.chain.at + 4 <= end) talk.l4 = ipv6.chain.at;
}

function hasPorts(): boolean {
  return talk.l4 > 0 && (talk.protocol === ipv4.PROTOCOL_TCP || talk.protocol === ipv4.PROTOCOL_UDP);
}

/** Control bits of a TCP segment that is no fragment, else 0. */
function tcpFlags(v: DataView): number {
  const isTcp = talk.protocol === ipv4.PROTOCOL_TCP && talk.l4 > 0 && !talk.isFragment && talk.l4 + tcp.MIN_HEADER_LENGTH <= talk.end;
  return isTcp ? tcp.flags(v, talk.l4) : 0;
}

function mix(h: number, value: number): number {
  const m = Math.imul(h ^ value, 0x45d9f3b);
  return Math.imul(m ^ (m >>> 15), 0x119de1f3) ^ (m >>> 13);
}

/** Looks through a capture for the MAC addresses that talk, until a third appears.  Both must have sent: generated captures have one sender. */
export class MacSurvey {
  private readonly seen: { high: number; low: number }[] = [];
  private opener: { high: number; low: number } | null = null;
  private first: { high: number; low: number } | null = null;
  private answered = false;
  private failed = false;

  /** One frame; false: there is no need to go on. `madeUp`: its link header is none of a wire. */
  add(v: DataView, at: number, length: number, madeUp: boolean): boolean {
    if (madeUp) this.failed = true;
    if (this.failed || length < ethernet.HEADER_LENGTH) return !this.failed;
    const high = ethernet.macHigh(v, at + ethernet.SRC_MAC);
    const low = ethernet.macLow(v, at + ethernet.SRC_MAC);
    this.note(high, low);
    this.first ??= { high, low };
    if (this.first.high !== high || this.first.low !== low) this.answered = true;
    readTalk(v, at, at + length);
    const flags = tcpFlags(v) & (tcp.SYN | tcp.ACK | tcp.RST);
    if (flags === tcp.SYN) this.opener ??= { high, low };
    if (flags === (tcp.SYN | tcp.ACK)) this.opener ??= { high: ethernet.macHigh(v, at), low: ethernet.macLow(v, at) };
    return !this.failed;
  }

  /** The outside one of two addresses; null where there are more, fewer, or none at all. */
  outside(): OutsideRule | null {
    const chosen = this.opener ?? this.first;
    return this.failed || !this.answered || this.seen.length !== 2 || chosen === null ? null : { kind: 'mac', ...chosen };
  }

  private note(high: number, low: number): void {
    if (this.seen.some((mac) => mac.high === high && mac.low === low)) return;
    this.seen.push({ high, low });
    if (this.seen.length > 2) this.failed = true;
  }
}

export class WireSides {
  private readonly rule: OutsideRule | null;
  /** Hash of a conversation (or of two addresses) to 1 when its lower end is outside, 0 when its upper end is. */
  private readonly conversations = new Map<number, number>();
  /** Of the endpoints read last: whether the sender is the lower one, and the hash of both. */
  private senderIsLower = false;
  private key = 0;

  /** Null: per conversation. */
  constructor(rule: OutsideRule | null) {
    this.rule = rule;
  }

  /** OUTSIDE or INSIDE: where the sender of the frame is. */
  sideOf(v: DataView, at: number, length: number): number {
    if (length < ethernet.HEADER_LENGTH) return OUTSIDE;
    const { rule } = this;
    if (rule?.kind === 'mac') return this.isFrom(v, at, rule.high, rule.low) ? OUTSIDE : INSIDE;
    readTalk(v, at, at + length);
    if (rule?.kind === 'prefix') return senderIsWithin(v, rule.words, rule.bits) ? OUTSIDE : INSIDE;
    return this.sideOfConversation(v, at);
  }

  private isFrom(v: DataView, at: number, high: number, low: number): boolean {
    return ethernet.macHigh(v, at + ethernet.SRC_MAC) === high && ethernet.macLow(v, at + ethernet.SRC_MAC) === low;
  }

  private sideOfConversation(v: DataView, at: number): number {
    if (talk.addressOctets === 0) {
      this.readEnds(v, at + ethernet.SRC_MAC, at + ethernet.DST_MAC, 6, -1, talk.type);
      return this.recall(true);
    }
    if (talk.protocol === ipv4.PROTOCOL_ICMP || talk.protocol === ipv6.PROTOCOL_ICMP6) {
      const quoted = this.sideOfQuoted(v);
      if (quoted >= 0) return quoted;
    }
    if (talk.isFragment || !hasPorts()) {
      this.readEnds(v, talk.src, talk.dst, talk.addressOctets, -1, 0);
      return this.recall(true);
    }
    return this.sideOfPorts(v);
  }

  private sideOfPorts(v: DataView): number {
    const answersSyn = (tcpFlags(v) & (tcp.SYN | tcp.ACK)) === (tcp.SYN | tcp.ACK);
    this.readEnds(v, talk.src, talk.dst, talk.addressOctets, talk.l4, talk.protocol);
    const side = this.recall(!answersSyn);
    this.readEnds(v, talk.src, talk.dst, talk.addressOctets, -1, 0);
    this.remember(side === OUTSIDE);
    return side;
  }

  /** An ICMP error goes against what it quotes; -1 when it quotes nothing that was seen. */
  private sideOfQuoted(v: DataView): number {
    const isVersion4 = talk.protocol === ipv4.PROTOCOL_ICMP;
    const inner = talk.l4 + icmp.HEADER_LENGTH;
    if (talk.l4 === 0 || inner + (isVersion4 ? 28 : 48) > talk.end) return -1;
    if (isVersion4 ? !icmp.isError(icmp.type(v, talk.l4)) : v.getUint8(talk.l4) > 4) return -1;
    const transport = isVersion4 ? inner + ipv4.headerLength(v, inner) : inner + ipv6.HEADER_LENGTH;
    const protocol = isVersion4 ? ipv4.protocol(v, inner) : ipv6.nextHeader(v, inner);
    if (transport + 4 > talk.end) return -1;
    const octets = isVersion4 ? 4 : 16;
    const src = inner + (isVersion4 ? 12 : ipv6.SRC_ADDR);
    const ports = protocol === ipv4.PROTOCOL_TCP || protocol === ipv4.PROTOCOL_UDP ? transport : -1;
    this.readEnds(v, src, src + octets, octets, ports, ports < 0 ? 0 : protocol);
    const known = this.conversations.get(this.key);
    if (known === undefined) return -1;
    return (known === 1) === this.senderIsLower ? INSIDE : OUTSIDE;
  }

  /** Hashes both ends in an order that does not depend on who sends. `ports`: offset of the source port, -1: none. */
  private readEnds(v: DataView, src: number, dst: number, octets: number, ports: number, protocol: number): void {
    let order = 0;
    for (let i = 0; order === 0 && i < octets; i += 2) order = v.getUint16(src + i) - v.getUint16(dst + i);
    if (order === 0 && ports >= 0) order = v.getUint16(ports) - v.getUint16(ports + 2);
    this.senderIsLower = order <= 0;
    const [low, high] = order <= 0 ? [src, dst] : [dst, src];
    let a = mix(protocol, octets);
    let b = mix(octets, ~protocol);
    for (let i = 0; i < octets; i += 2) {
      a = mix(a, (v.getUint16(low + i) << 16) | v.getUint16(high + i));
      b = mix(b ^ 0x5bd1e995, (v.getUint16(high + i) << 16) | v.getUint16(low + i));
    }
    if (ports >= 0) {
      const lowPort = v.getUint16(order <= 0 ? ports : ports + 2);
      const highPort = v.getUint16(order <= 0 ? ports + 2 : ports);
      a = mix(a, (lowPort << 16) | highPort);
      b = mix(b, (highPort << 16) | lowPort);
    }
    this.key = (a >>> 0) * 0x20_0000 + (b & 0x1f_ffff);
  }

  /** Where the sender is; an unknown conversation begins, with its sender outside if `opens`. */
  private recall(opens: boolean): number {
    const known = this.conversations.get(this.key);
    if (known !== undefined) return (known === 1) === this.senderIsLower ? OUTSIDE : INSIDE;
    this.remember(opens);
    return opens ? OUTSIDE : INSIDE;
  }

  private remember(senderIsOutside: boolean): void {
    this.conversations.set(this.key, senderIsOutside === this.senderIsLower ? 1 : 0);
  }
}

/** The sender's address lies within the prefix; an ARP message counts by its sender's protocol address. */
function senderIsWithin(v: DataView, words: readonly number[], bits: number): boolean {
  const isArp = talk.type === ethernet.TYPE_ARP && talk.l3 + 28 <= talk.end;
  const octets = isArp ? 4 : talk.addressOctets;
  if (octets !== words.length * 4) return false;
  const at = isArp ? talk.l3 + 14 : talk.src;
  for (let i = 0; i < words.length && i * 32 < bits; i++) {
    const mask = bits - i * 32 >= 32 ? -1 : ~(-1 >>> (bits - i * 32));
    if (((v.getInt32(at + i * 4) ^ words[i]!) & mask) !== 0) return false;
  }
  return true;
}
