// A TCP conversation through the firewall of a case: the honest one, in which each end acknowledges what reaches it, and
// the record of what every packet came to.

import type { CollectedFrame } from '../../src/port/loopback.ts';
import { type CaseEngine, INSIDE, OUTSIDE, type Step } from './case-engine.ts';
import type { Emit } from './format.ts';
import {
  ACK,
  ethernetFrame,
  hex,
  ipv4Datagram,
  ipv6Datagram,
  latin1,
  PSH,
  RST,
  type Segment,
  SYN,
  tcpSegment,
  type TcpFields,
  textOf,
} from './frames.ts';
import { Reassembly, Receiver } from './receiver.ts';

/** Where the conversation takes place: addresses as each side sends them, and what stands in front of the EtherType. */
export interface Scene {
  /** From client to server, as the client sends it. */
  readonly clientLink: Uint8Array;
  readonly clientAddr: Uint8Array;
  /** The server as the client knows it. */
  readonly serverAddr: Uint8Array;
  readonly clientPort: number;
  readonly serverPort: number;
  /** As the server sends it: differs from the above where addresses are translated. */
  readonly serverLink: Uint8Array;
  readonly serverOwnAddr: Uint8Array;
  readonly window: number;
}

export const PLAIN_SCENE: Scene = {
  clientLink: hex('020000000002020000000001'),
  clientAddr: Uint8Array.of(198, 51, 100, 7),
  serverAddr: Uint8Array.of(192, 0, 2, 25),
  clientPort: 40_000,
  serverPort: 25,
  serverLink: hex('020000000001020000000002'),
  serverOwnAddr: Uint8Array.of(192, 0, 2, 25),
  window: 65_535,
};

/** One direction: who sends it, how far it has come, and what its receiver has. */
export interface Flow {
  readonly from: 'c' | 's';
  readonly port: number;
  readonly isn: number;
  /** Next position to be sent; -1 before the SYN. */
  next: number;
  /** What the other end has received of it. */
  readonly receiver: Receiver;
  /** What its sender first put at each position that the firewall took. */
  readonly original: number[];
}

function flow(from: 'c' | 's', port: number, isn: number): Flow {
  return { from, port, isn, next: -1, receiver: new Receiver(isn), original: [] };
}

export class Conversation {
  readonly firewall: CaseEngine;
  readonly scene: Scene;
  readonly client: Flow;
  readonly server: Flow;
  /** Payload that left, with the time of leaving. */
  readonly emits: Emit[] = [];
  /** Times at which a reset of ours left, by port. */
  readonly resets: [number[], number[]] = [[], []];
  readonly problems: string[] = [];
  /** Timestamps option of both ends, when it was negotiated. */
  timestamps: { client: number; server: number } | null = null;
  private readonly reassembly = [new Reassembly(), new Reassembly()] as const;

  constructor(firewall: CaseEngine, scene: Scene = PLAIN_SCENE, clientIsn = 100_000, serverIsn = 500_000) {
    this.firewall = firewall;
    this.scene = scene;
    this.client = flow('c', OUTSIDE, clientIsn);
    this.server = flow('s', INSIDE, serverIsn);
  }

  get wasReset(): boolean {
    return this.client.receiver.wasReset || this.server.receiver.wasReset;
  }

  handshake(): void {
    this.sendControl('c', SYN);
    this.sendControl('s', SYN | ACK);
    this.sendControl('c', ACK);
  }

  /** One end sends a segment; whoever gets something new acknowledges it. */
  say(from: 'c' | 's', data: string, time: number = this.firewall.now): Step {
    const own = this.flowOf(from);
    const octets = latin1(data);
    const position = own.next;
    own.next += octets.length;
    const before = this.received();
    octets.forEach((octet, i) => {
      own.original[position + i] ??= octet;
    });
    const step = this.feed(from, this.segmentFrame(from, ACK | PSH, position, octets), time);
    this.acknowledge(before);
    return step;
  }

  /** Lets time pass; what leaves then is acknowledged. */
  advance(time: number): Step {
    const before = this.received();
    const step = this.firewall.advance(time);
    this.note(step);
    this.acknowledge(before);
    return step;
  }

  /** Feeds a frame of one end. */
  feed(from: 'c' | 's', frame: Uint8Array, time: number = this.firewall.now): Step {
    const step = this.firewall.feed(this.flowOf(from).port, frame, time);
    this.note(step);
    return step;
  }

  flowOf(from: 'c' | 's'): Flow {
    return from === 'c' ? this.client : this.server;
  }

  otherOf(from: 'c' | 's'): Flow {
    return from === 'c' ? this.server : this.client;
  }

  /** A segment of one end at a position of its stream (-1: the SYN), acknowledging what it has received. */
  segmentFrame(from: 'c' | 's', flags: number, position: number, payload: Uint8Array): Uint8Array {
    const other = this.otherOf(from);
    const ack = (flags & ACK) !== 0 ? (other.isn + 1 + other.receiver.stream.length) | 0 : 0;
    const seq = (this.flowOf(from).isn + 1 + position) | 0;
    return this.frameOf(from, {
      ...this.portsOf(from),
      seq,
      ack,
      flags,
      window: this.scene.window,
      urgent: 0,
      options: this.timestampOption(from, flags),
      payload,
    });
  }

  portsOf(from: 'c' | 's'): { srcPort: number; dstPort: number } {
    const { clientPort, serverPort } = this.scene;
    return from === 'c' ? { srcPort: clientPort, dstPort: serverPort } : { srcPort: serverPort, dstPort: clientPort };
  }

  /** Source and destination as the given end puts them on its wire. */
  addressesOf(from: 'c' | 's'): { src: Uint8Array; dst: Uint8Array; link: Uint8Array } {
    const { clientAddr, serverAddr, serverOwnAddr, clientLink, serverLink } = this.scene;
    return from === 'c'
      ? { src: clientAddr, dst: serverAddr, link: clientLink }
      : { src: serverOwnAddr, dst: clientAddr, link: serverLink };
  }

  frameOf(from: 'c' | 's', fields: TcpFields): Uint8Array {
    const { src, dst, link } = this.addressesOf(from);
    const payload = tcpSegment(src, dst, fields);
    if (src.length === 16) return ethernetFrame(link, 0x86dd, ipv6Datagram(src, dst, 6, payload));
    return ethernetFrame(link, 0x0800, ipv4Datagram({ src, dst, protocol: 6, payload }));
  }

  /** Segments that left by a port in a step, in order. */
  private note(step: Step): void {
    for (const port of [OUTSIDE, INSIDE] as const) for (const frame of step.sent[port]) this.noteFrame(port, frame);
  }

  private noteFrame(port: typeof OUTSIDE | typeof INSIDE, frame: CollectedFrame): void {
    const segment = this.reassembly[port].take(frame.octets);
    if (segment === null) return;
    const from = port === INSIDE ? 'c' : 's';
    const time = frame.sec * 1000 + frame.nsec / 1e6;
    if (!segment.isChecksumGood) this.problems.push(`a segment with a wrong checksum left at ${time} ms`);
    const { receiver } = this.flowOf(from);
    receiver.accept(segment);
    if ((segment.flags & RST) !== 0) this.resets[port].push(time);
    if (segment.payload.length > 0) this.emits.push({ t: time, to: port === INSIDE ? 's' : 'c', data: textOf(segment.payload) });
    if (receiver.contradictions.size > 0) this.problems.push('receivers that prefer first and last copies differ');
  }

  private received(): [number, number] {
    return [this.client.receiver.stream.length, this.server.receiver.stream.length];
  }

  private acknowledge([clients, servers]: readonly [number, number]): void {
    if (!this.wasReset && this.client.receiver.stream.length > clients) this.sendControl('s', ACK);
    if (!this.wasReset && this.server.receiver.stream.length > servers) this.sendControl('c', ACK);
  }

  private sendControl(from: 'c' | 's', flags: number): void {
    const own = this.flowOf(from);
    const position = (flags & SYN) !== 0 ? -1 : own.next;
    if ((flags & SYN) !== 0) own.next = 0;
    this.feed(from, this.segmentFrame(from, flags, position, new Uint8Array()));
  }

  private timestampOption(from: 'c' | 's', flags: number): Uint8Array {
    if (this.timestamps === null) return new Uint8Array();
    const out = new Uint8Array(12);
    const v = new DataView(out.buffer);
    const { client, server } = this.timestamps;
    v.setUint32(0, 0x0101080a);
    v.setUint32(4, from === 'c' ? client : server);
    v.setUint32(8, (flags & ACK) === 0 ? 0 : from === 'c' ? server : client);
    return out;
  }
}

/** True when two segments carry the same control bits (PSH apart: cutting moves it), options and pointers. */
export function sameHeader(
  a: Pick<Segment, 'flags' | 'reserved' | 'urgent' | 'options'>,
  b: Pick<Segment, 'flags' | 'reserved' | 'urgent' | 'options'>,
): boolean {
  return (
    (a.flags & ~PSH) === (b.flags & ~PSH) && a.reserved === b.reserved && a.urgent === b.urgent && textOf(a.options) === textOf(b.options)
  );
}
