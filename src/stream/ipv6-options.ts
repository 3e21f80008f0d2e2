// Options of IPv6 hop-by-hop and destination headers: what stays, what becomes padding, what drops the datagram.  RFC 8200
// section 4.2, RFC 2711 (router alert), RFC 3810 section 5 (MLD).
//
// Stays: router alert in front of an MLD message.  Becomes PadN: every other option that an unaware node must skip, and
// padding that is not zero.  Drops: an option whose type tells an unaware node to discard the datagram, and options that do not
// fill their header.
// Lengths never change, so a frame is edited in place.  Not here: the order of headers (wire/ipv6.ts).  An AH over a changed
// destination option no longer verifies, which is meant.

import { type Frames, KIND_IPV6 } from '../frame/frames.ts';
import type { Region } from '../frame/region.ts';
import { IP6_EXT_ILLEGAL, OK, type Reason } from '../telemetry/reasons.ts';
import * as ipv6 from '../wire/ipv6.ts';

const PAD1 = 0;
const PADN = 1;
const ROUTER_ALERT = 5;
/** The two high bits of a type: 00 skip, anything else discard. */
const ACTION = 0xc0;

const MLD_QUERY = 130;
const MLD_DONE = 132;
const MLD2_REPORT = 143;

/** Normalises the options of frame `f`, an IPv6 datagram that decode accepted.  IP6_EXT_ILLEGAL: it must be dropped. */
export function normaliseOptions(region: Region, frames: Frames, f: number): Reason {
  if (frames.kind[f] !== KIND_IPV6) return OK;
  const { view } = region;
  const l3 = frames.l3[f]!;
  const transport = frames.l4[f]!;
  let proto = ipv6.nextHeader(view, l3);
  let at = l3 + ipv6.HEADER_LENGTH;
  while (at < transport) {
    const length = ipv6.extensionLength(view, at, proto);
    if (proto === ipv6.HOP_BY_HOP || proto === ipv6.DESTINATION) {
      const reason = normaliseHeader(region, at + 2, at + length, proto === ipv6.HOP_BY_HOP && isMld(view, frames, f));
      if (reason !== OK) return reason;
    }
    proto = view.getUint8(at);
    at += length;
  }
  return OK;
}

function normaliseHeader(region: Region, from: number, to: number, keepsAlert: boolean): Reason {
  const { u8 } = region;
  for (let at = from; at < to; ) {
    const type = u8[at]!;
    if (type === PAD1) {
      at++;
      continue;
    }
    // A type in the last octet takes the next header's first one for its length and overruns all the same.
    const end = at + 2 + u8[at + 1]!;
    if (end > to || (type & ACTION) !== 0) return IP6_EXT_ILLEGAL;
    if (!(keepsAlert && type === ROUTER_ALERT)) pad(u8, at, end);
    at = end;
  }
  return OK;
}

/** The option keeps its length and carries nothing. */
function pad(u8: Uint8Array, at: number, end: number): void {
  u8[at] = PADN;
  u8.fill(0, at + 2, end);
}

function isMld(view: DataView, frames: Frames, f: number): boolean {
  const l4 = frames.l4[f]!;
  if (frames.protocol[f] !== ipv6.PROTOCOL_ICMP6 || l4 >= frames.end[f]!) return false;
  const type = view.getUint8(l4);
  return (type >= MLD_QUERY && type <= MLD_DONE) || type === MLD2_REPORT;
}
