// Frames for the workloads: Ethernet, IPv4, TCP and UDP with right checksums, in a scratch of their own.
//
// Addresses fit rules/3640.cfg: the server is 10.10.10.2 inside and 172.22.1.110 outside; everybody else is outside.

import * as ethernet from '../src/wire/ethernet.ts';
import * as ipv4 from '../src/wire/ipv4.ts';
import { fillChecksum } from '../src/wire/segment.ts';
import * as tcp from '../src/wire/tcp.ts';
import * as udp from '../src/wire/udp.ts';

/** 172.22.1.110 and 10.10.10.2: the server as seen outside and inside. */
export const SERVER_GLOBAL = 0xac16016e | 0;
export const SERVER_LOCAL = 0x0a0a0a02;
const MAC_HIGH = 0x0200;
/** Low words of locally administered addresses: next hop outside, our two ports, server. */
const PEER_MAC = 0x0101;
const OUTSIDE_MAC = 0x0110;
const INSIDE_MAC = 0x0210;
const SERVER_MAC = 0x0202;
const TTL = 64;
const WINDOW = 65_535;
/** Octets of payload in a full segment, and the option that says so on every SYN. */
export const MSS = 1460;
const MSS_OPTION = (tcp.OPTION_MSS << 24) | (4 << 16) | MSS;

/** Where a frame is seen. */
export type Place = 'outside' | 'inside' | 'wire';

export class FrameBuilder {
  readonly octets = new Uint8Array(2048);
  private readonly view = new DataView(this.octets.buffer);
  private readonly u16 = new Uint16Array(this.octets.buffer);
  private identification = 0;

  /** Every packet has an identification of its own, whichever place it is built for. */
  nextPacket(): void {
    this.identification = (this.identification + 1) & 0xffff;
  }

  /**
   * A TCP segment between `host` outside and the server, from the host when `inbound`.  Returns the length of the frame, which
   * stands at 0 of `octets`.
   */
  tcp(
    place: Place,
    inbound: boolean,
    host: number,
    srcPort: number,
    dstPort: number,
    seq: number,
    ack: number,
    bits: number,
    payload: Uint8Array,
  ): number {
    const options = (bits & tcp.SYN) !== 0 ? 4 : 0;
    const l4 = ethernet.HEADER_LENGTH + ipv4.MIN_HEADER_LENGTH;
    const data = l4 + tcp.MIN_HEADER_LENGTH + options;
    tcp.write(this.view, l4, srcPort, dstPort, seq, ack, bits, WINDOW);
    if (options > 0) {
      tcp.setHeaderLength(this.view, l4, tcp.MIN_HEADER_LENGTH + options);
      this.view.setInt32(l4 + tcp.MIN_HEADER_LENGTH, MSS_OPTION);
    }
    this.octets.set(payload, data);
    return this.finish(place, inbound, host, ipv4.PROTOCOL_TCP, data + payload.length);
  }

  /** A UDP datagram, as above. */
  udp(place: Place, inbound: boolean, host: number, srcPort: number, dstPort: number, payload: Uint8Array): number {
    const l4 = ethernet.HEADER_LENGTH + ipv4.MIN_HEADER_LENGTH;
    this.view.setUint16(l4, srcPort);
    this.view.setUint16(l4 + 2, dstPort);
    this.view.setUint16(l4 + 4, udp.HEADER_LENGTH + payload.length);
    this.octets.set(payload, l4 + udp.HEADER_LENGTH);
    return this.finish(place, inbound, host, ipv4.PROTOCOL_UDP, l4 + udp.HEADER_LENGTH + payload.length);
  }

  private finish(place: Place, inbound: boolean, host: number, protocol: number, end: number): number {
    const l3 = ethernet.HEADER_LENGTH;
    const server = place === 'inside' ? SERVER_LOCAL : SERVER_GLOBAL;
    this.link(place, inbound);
    ipv4.write(this.view, l3, 0, end - l3, this.identification, ipv4.DF, TTL, protocol, inbound ? host : server, inbound ? server : host);
    fillChecksum(this.view, this.octets, this.u16, l3, l3 + ipv4.MIN_HEADER_LENGTH, end, protocol);
    if (end >= ethernet.MIN_FRAME_LENGTH) return end;
    this.octets.fill(0, end, ethernet.MIN_FRAME_LENGTH);
    return ethernet.MIN_FRAME_LENGTH;
  }

  private link(place: Place, inbound: boolean): void {
    const far = place === 'inside' ? SERVER_MAC : PEER_MAC;
    const near = place === 'inside' ? INSIDE_MAC : OUTSIDE_MAC;
    // Outside the host sends to us; inside the server does.
    const toUs = inbound === (place !== 'inside');
    ethernet.setHeader(this.view, 0, MAC_HIGH, toUs ? near : far, MAC_HIGH, toUs ? far : near, ethernet.TYPE_IPV4);
  }
}
