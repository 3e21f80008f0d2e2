// Putting a VLAN tag back where the kernel took it off.  IEEE 802.1Q, 802.1ad.
//
// The kernel strips exactly the outer tag of every received frame, also where it knows nothing of VLANs, and hands it over
// beside the frame.  Inner tags stay in the frame.

import { ETHER_TYPE, TAG_LENGTH } from '../wire/ethernet.ts';

/**
 * `offset` is the MAC header; it and the `before` octets in front of it move TAG_LENGTH octets down, where there must be
 * room.  `tag` is TPID << 16 | TCI.  Returns the new offset of the MAC header.
 */
export function putTagBack(u8: Uint8Array, view: DataView, offset: number, before: number, tag: number): number {
  const tagged = offset - TAG_LENGTH;
  u8.copyWithin(tagged - before, offset - before, offset + ETHER_TYPE);
  view.setInt32(tagged + ETHER_TYPE, tag);
  return tagged;
}
