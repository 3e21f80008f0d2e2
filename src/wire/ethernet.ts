// Ethernet II header and VLAN tags.  IEEE 802.3, 802.1Q, 802.1ad.
//
// MAC addresses are read as a high 16-bit and a low 32-bit part, so that comparing one costs two integers.
// Not interpreted: LLC/SNAP (a length below 1536 in the type field), MPLS, PPPoE, MACsec.

export const HEADER_LENGTH = 14;
export const TAG_LENGTH = 4;
export const MIN_FRAME_LENGTH = 60;

export const DST_MAC = 0;
export const SRC_MAC = 6;
export const ETHER_TYPE = 12;

export const TYPE_IPV4 = 0x0800;
export const TYPE_ARP = 0x0806;
export const TYPE_VLAN = 0x8100;
export const TYPE_QINQ = 0x88a8;
export const TYPE_IPV6 = 0x86dd;
/** Values below are LLC lengths, not types. */
export const TYPE_MIN = 0x0600;

/** EtherType, or tag protocol identifier, at `at` (the offset of the two octets). */
export function etherType(v: DataView, at: number): number {
  return v.getUint16(at);
}

export function macHigh(v: DataView, at: number): number {
  return v.getUint16(at);
}

/** Low 32 bits of a MAC address, int32. */
export function macLow(v: DataView, at: number): number {
  return v.getInt32(at + 2);
}

export function setMac(v: DataView, at: number, high: number, low: number): void {
  v.setUint16(at, high);
  v.setInt32(at + 2, low);
}

/** Group bit of a destination: broadcast and multicast. */
export function isGroup(v: DataView, at: number): boolean {
  return (v.getUint8(at) & 1) !== 0;
}

/** 802.1Q and 802.1ad tag protocol identifiers. */
export function isTag(type: number): boolean {
  return type === TYPE_VLAN || type === TYPE_QINQ;
}

/** VLAN identifier of the tag whose identifier stands at `at`. */
export function vlanId(v: DataView, at: number): number {
  return v.getUint16(at + 2) & 0x0fff;
}

export function setHeader(v: DataView, at: number, dstHigh: number, dstLow: number, srcHigh: number, srcLow: number, type: number): void {
  setMac(v, at + DST_MAC, dstHigh, dstLow);
  setMac(v, at + SRC_MAC, srcHigh, srcLow);
  v.setUint16(at + ETHER_TYPE, type);
}
