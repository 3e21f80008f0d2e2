// Link types of captures, and how a record of each becomes an Ethernet frame where it lies.
//
// Carried: Ethernet; BSD null and loop, raw IP, Linux cooked v1 and v2, whose link header is overwritten with an
// Ethernet header.  That header needs 14 octets in front of the datagram; the record header before it has at least 12, and
// the octets before that belong to a record header that was read.
// Not carried: everything else, known here by name only.

import * as ethernet from '../wire/ethernet.ts';

export const ETHERNET = 1;
export const NULL = 0;
export const LOOP = 108;
/** Raw IP: 101 in files; 12 and 14 are what some systems wrote for it. */
const RAW_IP = [101, 12, 14];
export const RAW_IP4 = 228;
export const RAW_IP6 = 229;
export const LINUX_SLL = 113;
export const LINUX_SLL2 = 276;

/** Locally administered addresses of a made-up header; the source is the same for both directions of a conversation. */
export const MADE_UP_HIGH = 0x0200;
export const MADE_UP_SRC_LOW = 1;
export const MADE_UP_DST_LOW = 2;
/** IEEE Std 802 local experimental type: what follows is neither IPv4 nor IPv6. */
const TYPE_UNKNOWN = 0x88b5;

/** Registry names (https://www.tcpdump.org/linktypes.html) without the prefix LINKTYPE_. */
const NAMES: Readonly<Record<number, string>> = {
  0: 'NULL',
  1: 'ETHERNET',
  3: 'AX25',
  6: 'IEEE802_5',
  7: 'ARCNET_BSD',
  8: 'SLIP',
  9: 'PPP',
  10: 'FDDI',
  12: 'RAW',
  14: 'RAW',
  50: 'PPP_HDLC',
  51: 'PPP_ETHER',
  99: 'SYMANTEC_FIREWALL',
  100: 'ATM_RFC1483',
  101: 'RAW',
  104: 'C_HDLC',
  105: 'IEEE802_11',
  107: 'FRELAY',
  108: 'LOOP',
  109: 'ENC',
  113: 'LINUX_SLL',
  114: 'LTALK',
  117: 'PFLOG',
  119: 'IEEE802_11_PRISM',
  122: 'IP_OVER_FC',
  123: 'SUNATM',
  127: 'IEEE802_11_RADIOTAP',
  129: 'ARCNET_LINUX',
  138: 'APPLE_IP_OVER_IEEE1394',
  139: 'MTP2_WITH_PHDR',
  140: 'MTP2',
  141: 'MTP3',
  142: 'SCCP',
  143: 'DOCSIS',
  144: 'LINUX_IRDA',
  147: 'USER0',
  148: 'USER1',
  149: 'USER2',
  150: 'USER3',
  158: 'USER11',
  162: 'USER15',
  163: 'IEEE802_11_AVS',
  165: 'BACNET_MS_TP',
  166: 'PPP_PPPD',
  169: 'GPRS_LLC',
  170: 'GPF_T',
  177: 'LINUX_LAPD',
  182: 'MFR',
  187: 'BLUETOOTH_HCI_H4',
  189: 'USB_LINUX',
  192: 'PPI',
  195: 'IEEE802_15_4_WITHFCS',
  196: 'SITA',
  197: 'ERF',
  201: 'BLUETOOTH_HCI_H4_WITH_PHDR',
  202: 'AX25_KISS',
  203: 'LAPD',
  204: 'PPP_WITH_DIR',
  205: 'C_HDLC_WITH_DIR',
  206: 'FRELAY_WITH_DIR',
  209: 'IPMB_LINUX',
  215: 'IEEE802_15_4_NONASK_PHY',
  220: 'USB_LINUX_MMAPPED',
  224: 'FC_2',
  227: 'CAN_SOCKETCAN',
  228: 'IPV4',
  229: 'IPV6',
  230: 'IEEE802_15_4_NOFCS',
  231: 'DBUS',
  235: 'DVB_CI',
  239: 'NFLOG',
  240: 'NETANALYZER',
  241: 'NETANALYZER_TRANSPARENT',
  242: 'IPOIB',
  243: 'MPEG_2_TS',
  245: 'NFC_LLCP',
  247: 'INFINIBAND',
  248: 'SCTP',
  249: 'USBPCAP',
  251: 'BLUETOOTH_LE_LL',
  253: 'NETLINK',
  254: 'BLUETOOTH_LINUX_MONITOR',
  255: 'BLUETOOTH_BREDR_BB',
  256: 'BLUETOOTH_LE_LL_WITH_PHDR',
  257: 'PROFIBUS_DL',
  258: 'PKTAP',
  259: 'EPON',
  264: 'ISO_14443',
  266: 'USB_DARWIN',
  271: 'VSOCK',
  272: 'NORDIC_BLE',
  276: 'LINUX_SLL2',
  280: 'IEEE802_15_4_TAP',
  288: 'USB_2_0',
};

/** `link type 9 (PPP) is not supported`. */
export function unsupported(linkType: number): string {
  return `link type ${linkType} (${NAMES[linkType] ?? 'unknown'}) is not supported`;
}

export function isSupported(linkType: number): boolean {
  return linkHeaderLength(linkType) >= 0;
}

/** Octets in front of the datagram (Ethernet: 0, the frame is the record), or -1 for a link type that is not carried. */
export function linkHeaderLength(linkType: number): number {
  if (linkType === ETHERNET || linkType === RAW_IP4 || linkType === RAW_IP6 || RAW_IP.includes(linkType)) return 0;
  if (linkType === NULL || linkType === LOOP) return 4;
  return linkType === LINUX_SLL ? 16 : linkType === LINUX_SLL2 ? 20 : -1;
}

/**
 * Lays an Ethernet header over the link header of a record of `length` octets at `at`, which holds at least the link
 * header.  Returns the offset of the frame; it ends where the record ends.
 */
export function makeEthernet(v: DataView, linkType: number, at: number, length: number): number {
  if (linkType === ETHERNET) return at;
  const datagram = at + linkHeaderLength(linkType);
  const type = etherTypeOf(v, linkType, at, datagram, at + length);
  let high = MADE_UP_HIGH;
  let low = MADE_UP_SRC_LOW;
  const src = sourceAt(v, linkType, at);
  if (src >= 0) {
    high = ethernet.macHigh(v, src);
    low = ethernet.macLow(v, src);
  }
  ethernet.setHeader(v, datagram - ethernet.HEADER_LENGTH, MADE_UP_HIGH, MADE_UP_DST_LOW, high, low, type);
  return datagram - ethernet.HEADER_LENGTH;
}

function etherTypeOf(v: DataView, linkType: number, at: number, datagram: number, end: number): number {
  if (linkType === RAW_IP4) return ethernet.TYPE_IPV4;
  if (linkType === RAW_IP6) return ethernet.TYPE_IPV6;
  if (linkType === LINUX_SLL) return cookedType(v.getUint16(at + 14), end - datagram);
  if (linkType === LINUX_SLL2) return cookedType(v.getUint16(at), end - datagram);
  if (linkType === NULL || linkType === LOOP) return typeOfFamily(v, at);
  if (datagram === end) return TYPE_UNKNOWN;
  const version = v.getUint8(datagram) >> 4;
  return version === 4 ? ethernet.TYPE_IPV4 : version === 6 ? ethernet.TYPE_IPV6 : TYPE_UNKNOWN;
}

/** Below 1536 the protocol of a cooked header is a Linux number: 1 and 4 are 802.3 frames, whose field is a length. */
function cookedType(protocol: number, octets: number): number {
  if (protocol >= ethernet.TYPE_MIN) return protocol;
  return (protocol === 1 || protocol === 4) && octets < ethernet.TYPE_MIN ? octets : TYPE_UNKNOWN;
}

/** Address family of BSD: AF_INET is 2 everywhere, AF_INET6 10, 23, 24, 28 or 30; in the byte order of whoever captured. */
function typeOfFamily(v: DataView, at: number): number {
  const little = v.getUint32(at, true);
  const family = little > 0xffff ? v.getUint32(at) : little;
  if (family === 2) return ethernet.TYPE_IPV4;
  return family === 10 || family === 23 || family === 24 || family === 28 || family === 30 ? ethernet.TYPE_IPV6 : TYPE_UNKNOWN;
}

/** Where a cooked header has the sender's MAC address, or -1. */
function sourceAt(v: DataView, linkType: number, at: number): number {
  if (linkType === LINUX_SLL) return v.getUint16(at + 4) === 6 ? at + 6 : -1;
  if (linkType === LINUX_SLL2) return v.getUint8(at + 11) === 6 ? at + 12 : -1;
  return -1;
}
