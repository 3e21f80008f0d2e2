// One fragment as it stands in its frame: range, transport, and the rules that need nothing but the fragment itself.  RFC 791
// section 3.1, RFC 8200 section 4.5, RFC 1858 and RFC 3128 (tiny fragments), RFC 7112 (whole header chain in the first),
// RFC 6946 (atomic fragments).
//
// Not here: how it lies beside other fragments (fragments.ts).

import { FRAGMENT, type Frames, KIND_IPV6 } from '../frame/frames.ts';
import type { Region } from '../frame/region.ts';
import { IP6_EXT_ILLEGAL, IP_FRAG_BADLEN, IP_FRAG_OVERSIZE, IP_FRAG_TINY, OK, type Reason } from '../telemetry/reasons.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';

const MAX_DATAGRAM = 65_535;
const MORE = 1;

/** The fragment read last; one object for its owner. */
export class FragmentHeader {
  /** Range of its payload in that of the datagram, octets. */
  from = 0;
  to = 0;
  /** Not the last one. */
  more = false;
  /** First octet of its payload in the region. */
  dataAt = 0;
  /** Offset of the IPv6 fragment header in the region, -1 for IPv4. */
  fragmentAt = -1;
  /** Offset of the IPv6 next-header octet that names the fragment header. */
  link = -1;
  /** Octets that count towards the 65,535 of the datagram in front of the payload. */
  private front = 0;
  private protocol = 0;
  private l4 = 0;
  private end = 0;

  /** Reads frame `f`, a fragment that decode accepted. */
  read(view: DataView, frames: Frames, f: number): void {
    if (frames.kind[f] === KIND_IPV6) this.read6(view, frames, f);
    else this.read4(view, frames, f);
  }

  private read4(view: DataView, frames: Frames, f: number): void {
    const l3 = frames.l3[f]!;
    const header = ipv4.headerLength(view, l3);
    this.end = frames.end[f]!;
    this.dataAt = l3 + header;
    this.from = ipv4.fragmentOffset(view, l3);
    this.to = this.from + this.end - this.dataAt;
    this.more = ipv4.moreFragments(view, l3);
    this.fragmentAt = -1;
    this.front = header;
    this.protocol = ipv4.protocol(view, l3);
    this.l4 = this.dataAt;
  }

  private read6(view: DataView, frames: Frames, f: number): void {
    const l3 = frames.l3[f]!;
    this.end = frames.end[f]!;
    ipv6.walk(view, l3, this.end);
    this.fragmentAt = ipv6.chain.fragmentAt;
    this.link = ipv6.chain.fragmentLink;
    this.dataAt = this.fragmentAt + ipv6.FRAGMENT_HEADER_LENGTH;
    this.from = view.getUint16(this.fragmentAt + 2) & 0xfff8;
    this.to = this.from + this.end - this.dataAt;
    this.more = (view.getUint16(this.fragmentAt + 2) & MORE) !== 0;
    this.front = this.fragmentAt - l3 - ipv6.HEADER_LENGTH;
    this.protocol = ipv6.chain.protocol;
    this.l4 = ipv6.chain.at;
  }

  /** The whole datagram, with a fragment header all the same. */
  get isAtomic(): boolean {
    return this.from === 0 && !this.more;
  }

  /** OK, or what is wrong with the fragment alone. */
  check(view: DataView): Reason {
    const octets = this.to - this.from;
    if (octets <= 0 || (this.more && (octets & 7) !== 0)) return IP_FRAG_BADLEN;
    if (this.front + this.to > MAX_DATAGRAM) return IP_FRAG_OVERSIZE;
    // The chain of an IPv6 datagram, its transport included, stands in the first fragment.
    if (this.fragmentAt >= 0 && this.from === 0 && this.l4 >= this.end) return IP6_EXT_ILLEGAL;
    return this.isTiny(view) ? IP_FRAG_TINY : OK;
  }

  /** The first fragment must hold the whole transport header, and no other may begin inside the fixed part of one. */
  private isTiny(view: DataView): boolean {
    const minimum = minimumHeader(this.protocol);
    if (this.from > 0) return this.from < minimum;
    if (this.l4 + minimum > this.end) return true;
    return this.protocol === ipv4.PROTOCOL_TCP && this.l4 + tcp.headerLength(view, this.l4) > this.end;
  }
}

function minimumHeader(protocol: number): number {
  if (protocol === ipv4.PROTOCOL_TCP) return tcp.MIN_HEADER_LENGTH;
  if (protocol === ipv4.PROTOCOL_UDP) return udp.HEADER_LENGTH;
  return protocol === ipv4.PROTOCOL_ICMP || protocol === ipv6.PROTOCOL_ICMP6 ? icmp.HEADER_LENGTH : 0;
}

/**
 * Takes the fragment header out of frame `f` in place: what stands in front of it moves up by eight octets.  `fragmentAt` and
 * `link` are those of the frame.  Afterwards the frame is a whole datagram but for the transport columns.
 */
export function removeFragmentHeader(region: Region, frames: Frames, f: number, fragmentAt: number, link: number): void {
  const { u8, view } = region;
  const by = ipv6.FRAGMENT_HEADER_LENGTH;
  const offset = frames.offset[f]!;
  const l3 = frames.l3[f]! + by;
  u8[link] = u8[fragmentAt]!;
  u8.copyWithin(offset + by, offset, fragmentAt);
  frames.offset[f] = offset + by;
  frames.length[f]! -= by;
  frames.wireLength[f]! -= by;
  frames.l3[f] = l3;
  frames.flags[f]! &= ~FRAGMENT;
  ipv6.setPayloadLength(view, l3, frames.end[f]! - l3 - ipv6.HEADER_LENGTH);
}
