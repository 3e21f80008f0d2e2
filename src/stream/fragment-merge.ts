// Makes one frame of the pieces of a datagram: link header and IP header of the first fragment without its fragment fields, then the
// payloads in order.  RFC 791 section 3.2, RFC 8200 section 4.5.
//
// Time to live, type of service and the DF bit are those of the first fragment.  Not here: whether the pieces fit
// (fragments.ts), checksums of the transport (they cover the whole datagram and are right or wrong as they were sent).

import { type Frames, GENERATED, GROUP, KIND_IPV6, MERGED, NO_FRAME, NO_SESSION } from '../frame/frames.ts';
import type { Region } from '../frame/region.ts';
import { ICMP_MALFORMED, OK, type Reason } from '../telemetry/reasons.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import type { FragmentHeader } from './fragment-header.ts';
import type { FragmentSizes } from './fragment-sizes.ts';
import type { FragmentTable } from './fragment-table.ts';

/**
 * A new frame with the whole datagram whose pieces begin with frame `first` and whose payload has `total` octets, or NO_FRAME
 * when no slot is free.  `header` is used for reading the first piece.
 */
export function merge(
  region: Region,
  frames: Frames,
  table: FragmentTable,
  sizes: FragmentSizes,
  header: FragmentHeader,
  first: number,
  total: number,
): number {
  header.read(region.view, frames, first);
  const from = frames.offset[first]!;
  const front = (header.fragmentAt < 0 ? header.dataAt : header.fragmentAt) - from;
  const f = frames.allocate(front + total);
  if (f === NO_FRAME) return NO_FRAME;
  const to = frames.offset[f]!;
  region.u8.copyWithin(to, from, from + front);
  copyPayloads(region, frames, table, sizes, first, f, to + front, header.fragmentAt < 0 ? 0 : region.view.getInt32(header.fragmentAt + 4));
  setColumns(frames, first, f, front + total);
  if (frames.kind[f] === KIND_IPV6) finish6(region, frames, f, to - from + header.link, region.u8[header.fragmentAt]!);
  else finish4(region, frames, f);
  return f;
}

function copyPayloads(
  region: Region,
  frames: Frames,
  table: FragmentTable,
  sizes: FragmentSizes,
  first: number,
  f: number,
  at: number,
  identification: number,
): void {
  sizes.begin(f, identification);
  for (let g = first; g !== NO_FRAME; g = table.next[g]!) {
    const end = frames.end[g]!;
    const octets = table.to[g]! - table.from[g]!;
    region.u8.copyWithin(at + table.from[g]!, end - octets, end);
    sizes.push(f, octets);
  }
}

function setColumns(frames: Frames, first: number, f: number, length: number): void {
  const by = frames.offset[f]! - frames.offset[first]!;
  frames.length[f] = length;
  frames.wireLength[f] = length;
  frames.flags[f] = GENERATED | MERGED | (frames.flags[first]! & GROUP);
  frames.ingress[f] = frames.ingress[first]!;
  frames.kind[f] = frames.kind[first]!;
  frames.vlan[f] = frames.vlan[first]!;
  frames.protocol[f] = frames.protocol[first]!;
  frames.session[f] = NO_SESSION;
  frames.direction[f] = 0;
  frames.l3[f] = frames.l3[first]! + by;
  frames.end[f] = frames.offset[f]! + length;
}

function finish4(region: Region, frames: Frames, f: number): void {
  const { view } = region;
  const l3 = frames.l3[f]!;
  ipv4.setTotalLength(view, l3, frames.end[f]! - l3);
  ipv4.setFlagsOffset(view, l3, ipv4.flagsOffset(view, l3) & ipv4.DF);
  ipv4.fillChecksum(view, l3);
  frames.l4[f] = l3 + ipv4.headerLength(view, l3);
  frames.payload[f] = frames.l4[f]!;
}

function finish6(region: Region, frames: Frames, f: number, link: number, nextHeader: number): void {
  const { view } = region;
  const l3 = frames.l3[f]!;
  region.u8[link] = nextHeader;
  ipv6.setPayloadLength(view, l3, frames.end[f]! - l3 - ipv6.HEADER_LENGTH);
  ipv6.walk(view, l3, frames.end[f]!);
  frames.protocol[f] = ipv6.chain.protocol;
  frames.l4[f] = ipv6.chain.at;
  frames.payload[f] = ipv6.chain.at;
}

/** Checks the transport header of a whole datagram and sets the payload column, as decode does for a received one. */
export function decodeTransport(view: DataView, frames: Frames, f: number): Reason {
  const l4 = frames.l4[f]!;
  const end = frames.end[f]!;
  frames.payload[f] = l4;
  switch (frames.protocol[f]) {
    case ipv4.PROTOCOL_TCP: {
      const reason = tcp.check(view, l4, end);
      if (reason === OK) frames.payload[f] = l4 + tcp.headerLength(view, l4);
      return reason;
    }
    case ipv4.PROTOCOL_UDP:
      frames.payload[f] = l4 + udp.HEADER_LENGTH;
      return udp.check(view, l4, end);
    case ipv4.PROTOCOL_ICMP:
      if (frames.kind[f] === KIND_IPV6) return OK;
      frames.payload[f] = l4 + icmp.HEADER_LENGTH;
      return icmp.check(view, l4, end);
    case ipv6.PROTOCOL_ICMP6:
      return frames.kind[f] !== KIND_IPV6 || end - l4 >= 4 ? OK : ICMP_MALFORMED;
    default:
      return OK;
  }
}
