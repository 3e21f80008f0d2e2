// The five workloads of the benches, made from a seed: frames that arrive at the outside and at the inside port, in order.
//
//   smtp-mail   ESMTP sessions with a 30,000-octet message, 64 at a time
//   smtp-chat   short dialogues: three recipients, a 500-octet message; every tenth session tries EXPN, BDAT or XEXCH50
//   tcp-bulk    200 downloads started inside, full segments from outside, an acknowledgement for every second
//   udp64       60-octet frames over 10,000 flows, started inside, with replies
//   syn-flood   SYNs from random outside sources to port 25
//
// All under rules/3640.cfg; smtp-mail and smtp-chat want `ip inspect name OUT-IN esmtp` and half-open thresholds above 64.
// Expected: nothing dropped, nothing masked but one command line in every tenth session of smtp-chat.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CaptureWriter, privateMemory } from '../src/port/capture-writer.ts';
import { seededRandom } from '../src/port/fault.ts';
import { ACK, FIN, PSH, SYN } from '../src/wire/tcp.ts';
import { dialogue } from './dialogue.ts';
import { FrameBuilder, MSS, type Place } from './workload-frames.ts';

export const WORKLOADS = ['smtp-mail', 'smtp-chat', 'tcp-bulk', 'udp64', 'syn-flood'] as const;
export type WorkloadName = (typeof WORKLOADS)[number];

/** Packets at scale 1. */
const PACKETS: Readonly<Record<WorkloadName, number>> = {
  'smtp-mail': 300_000,
  'smtp-chat': 300_000,
  'tcp-bulk': 300_000,
  udp64: 1_000_000,
  'syn-flood': 500_000,
};
/** Time between two packets, µs, and the time of the first. */
const PACKET_TIME = 10;
const FIRST_SECOND = 1_700_000_000;
const MILLION = 1_000_000;

/** Takes each frame: where it arrives, its time, and its octets, which are valid during the call. */
export interface FrameSink {
  frame(inbound: boolean, sec: number, nsec: number, octets: Uint8Array): void;
}

export interface WorkloadTotals {
  readonly packets: number;
  readonly octets: number;
  readonly sessions: number;
}

export interface WorkloadOptions {
  /** 1: the sizes above. */
  readonly scale?: number;
  readonly seed?: number;
  /** Both directions as a tap outside of the firewall would see them. */
  readonly onWire?: boolean;
}

/** Makes the workload, frame by frame. */
export function makeWorkload(
  name: WorkloadName,
  sink: FrameSink,
  { scale = 1, seed = 1, onWire = false }: WorkloadOptions = {},
): WorkloadTotals {
  const line = new Line(sink, onWire);
  const random = seededRandom(seed * 31 + WORKLOADS.indexOf(name));
  const packets = Math.round(PACKETS[name] * scale);
  if (name === 'smtp-mail') mail(line, random, packets, { size: 30_000, recipients: 1, illegalEvery: 0 });
  else if (name === 'smtp-chat') mail(line, random, packets, { size: 500, recipients: 3, illegalEvery: 10 });
  else if (name === 'tcp-bulk') bulk(line, random, packets);
  else if (name === 'udp64') smallDatagrams(line, random, packets);
  else synFlood(line, random, packets);
  return { packets: line.packets, octets: line.octets, sessions: line.sessions };
}

/** Writes outside.pcap and inside.pcap, and combined.pcap as seen on the outside wire, to the folder. */
export function writeWorkload(name: WorkloadName, folder: string, options: WorkloadOptions = {}): WorkloadTotals {
  mkdirSync(folder, { recursive: true });
  const open = (file: string): CaptureWriter => new CaptureWriter(join(folder, file), privateMemory(), 0);
  const writers = [open('outside.pcap'), open('inside.pcap'), open('combined.pcap')] as const;
  const [outside, inside, combined] = writers;
  const totals = makeWorkload(
    name,
    { frame: (inbound, sec, nsec, octets) => (inbound ? outside : inside).addFrom(sec, nsec, octets, octets.length) },
    options,
  );
  makeWorkload(name, { frame: (_, sec, nsec, octets) => combined.addFrom(sec, nsec, octets, octets.length) }, { ...options, onWire: true });
  for (const writer of writers) {
    writer.close();
    if (writer.failure !== null) throw new Error(writer.failure);
  }
  return totals;
}

/** A workload in memory: frame i is octets [offset[i], offset[i] + length[i]). */
export interface StoredWorkload extends WorkloadTotals {
  readonly frames: Uint8Array;
  readonly offset: Float64Array;
  readonly length: Int32Array;
  /** 1: arrives at the outside port. */
  readonly inbound: Uint8Array;
  /** Milliseconds since the first frame. */
  readonly time: Int32Array;
}

/** Makes the workload twice: once to know its size, once to keep it. */
export function storeWorkload(name: WorkloadName, options: WorkloadOptions = {}): StoredWorkload {
  const totals = makeWorkload(name, { frame: () => {} }, options);
  const stored: StoredWorkload = {
    ...totals,
    frames: new Uint8Array(totals.octets),
    offset: new Float64Array(totals.packets),
    length: new Int32Array(totals.packets),
    inbound: new Uint8Array(totals.packets),
    time: new Int32Array(totals.packets),
  };
  let i = 0;
  let at = 0;
  const keep = (inbound: boolean, sec: number, nsec: number, octets: Uint8Array): void => {
    stored.frames.set(octets, at);
    stored.offset[i] = at;
    stored.length[i] = octets.length;
    stored.inbound[i] = inbound ? 1 : 0;
    stored.time[i] = (sec - FIRST_SECOND) * 1000 + Math.floor(nsec / MILLION);
    at += octets.length;
    i++;
  };
  makeWorkload(name, { frame: keep }, options);
  return stored;
}

/** The line between hosts outside and the server: gives each packet its time and counts. */
class Line {
  packets = 0;
  octets = 0;
  sessions = 0;
  private readonly sink: FrameSink;
  private readonly onWire: boolean;
  private readonly builder = new FrameBuilder();

  constructor(sink: FrameSink, onWire: boolean) {
    this.sink = sink;
    this.onWire = onWire;
  }

  tcp(inbound: boolean, host: number, srcPort: number, dstPort: number, seq: number, ack: number, bits: number, payload: Uint8Array): void {
    this.builder.nextPacket();
    this.send(inbound, this.builder.tcp(this.placeOf(inbound), inbound, host, srcPort, dstPort, seq, ack, bits, payload));
  }

  udp(inbound: boolean, host: number, srcPort: number, dstPort: number, payload: Uint8Array): void {
    this.builder.nextPacket();
    this.send(inbound, this.builder.udp(this.placeOf(inbound), inbound, host, srcPort, dstPort, payload));
  }

  private placeOf(inbound: boolean): Place {
    return this.onWire ? 'wire' : inbound ? 'outside' : 'inside';
  }

  private send(inbound: boolean, length: number): void {
    const time = this.packets * PACKET_TIME;
    this.packets++;
    this.octets += length;
    this.sink.frame(inbound, FIRST_SECOND + Math.floor(time / MILLION), (time % MILLION) * 1000, this.builder.octets.subarray(0, length));
  }
}

const NOTHING = new Uint8Array(0);

/** One TCP conversation; each `yield` is a packet sent. `script` says who sends what. */
class Conversation {
  private readonly line: Line;
  private readonly host: number;
  private readonly hostPort: number;
  private readonly serverPort: number;
  private readonly openedInside: boolean;
  /** Next numbers of opener and responder, int32. */
  private readonly next: [number, number];

  constructor(line: Line, host: number, hostPort: number, serverPort: number, openedInside: boolean, random: () => number) {
    this.line = line;
    this.host = host;
    this.hostPort = hostPort;
    this.serverPort = serverPort;
    this.openedInside = openedInside;
    this.next = [(random() * 2 ** 32) | 0, (random() * 2 ** 32) | 0];
    line.sessions++;
  }

  *run(script: Iterable<{ fromOpener: boolean; data: Uint8Array }>): Generator<void> {
    yield this.send(true, SYN, NOTHING);
    yield this.send(false, SYN | ACK, NOTHING);
    yield this.send(true, ACK, NOTHING);
    for (const { fromOpener, data } of script) yield* this.deliver(fromOpener, data);
    yield this.send(true, FIN | ACK, NOTHING);
    yield this.send(false, FIN | ACK, NOTHING);
    yield this.send(true, ACK, NOTHING);
  }

  /** In full segments; the other side acknowledges every second one and the last. */
  private *deliver(fromOpener: boolean, data: Uint8Array): Generator<void> {
    for (let at = 0, count = 1; at < data.length; at += MSS, count++) {
      const isLast = at + MSS >= data.length;
      yield this.send(fromOpener, isLast ? ACK | PSH : ACK, data.subarray(at, at + MSS));
      if (isLast || count % 2 === 0) yield this.send(!fromOpener, ACK, NOTHING);
    }
  }

  private send(fromOpener: boolean, bits: number, data: Uint8Array): void {
    const [own, other] = fromOpener ? ([0, 1] as const) : ([1, 0] as const);
    const fromHost = fromOpener !== this.openedInside;
    const [srcPort, dstPort] = fromHost ? [this.hostPort, this.serverPort] : [this.serverPort, this.hostPort];
    const ack = (bits & ACK) !== 0 ? this.next[other] : 0;
    this.line.tcp(fromHost, this.host, srcPort, dstPort, this.next[own], ack, bits, data);
    this.next[own] = (this.next[own] + data.length + ((bits & (SYN | FIN)) !== 0 ? 1 : 0)) | 0;
  }
}

/** 198.18.0.0/16, RFC 2544: as many hosts as there are numbers, 1 to 250 in the last octet. */
function outsideHost(n: number): number {
  return (198 << 24) | (18 << 16) | ((Math.floor(n / 250) % 250) << 8) | (1 + (n % 250));
}

/** Runs conversations side by side, a packet of each in turn; a new one begins where one has ended. */
function interleave(next: () => Generator<void> | null, width: number): void {
  const running: Generator<void>[] = [];
  for (;;) {
    while (running.length < width) {
      const begun = next();
      if (begun === null) break;
      running.push(begun);
    }
    if (running.length === 0) return;
    for (let i = running.length - 1; i >= 0; i--) if (running[i]!.next().done === true) running.splice(i, 1);
  }
}

const SIDE_BY_SIDE = 64;
const SMTP = 25;

function mail(line: Line, random: () => number, packets: number, kind: { size: number; recipients: number; illegalEvery: number }): void {
  let n = 0;
  interleave(() => {
    if (line.packets >= packets) return null;
    const session = new Conversation(line, outsideHost(n), 1024 + (n % 60_000), SMTP, false, random);
    const isIllegal = kind.illegalEvery > 0 && n % kind.illegalEvery === 0;
    return session.run(dialogue(n++, kind.size, kind.recipients, isIllegal, random));
  }, SIDE_BY_SIDE);
}

const DOWNLOADS = 200;

function bulk(line: Line, random: () => number, packets: number): void {
  // Two segments and their acknowledgement are three packets.
  const segments = Math.max(1, Math.round((packets / DOWNLOADS) * (2 / 3)));
  const file = Uint8Array.from({ length: MSS * segments }, () => random() * 256);
  const request = Buffer.from('GET /file HTTP/1.1\r\nHost: www.example.org\r\n\r\n', 'latin1');
  let n = 0;
  interleave(() => {
    if (n === DOWNLOADS) return null;
    const session = new Conversation(line, outsideHost(n), n % 2 === 0 ? 80 : 443, 20_000 + n, true, random);
    n++;
    return session.run([
      { fromOpener: true, data: request },
      { fromOpener: false, data: file },
    ]);
  }, DOWNLOADS);
}

const FLOWS = 10_000;
const UDP_SERVICE = 5000;

function smallDatagrams(line: Line, random: () => number, packets: number): void {
  const payload = Buffer.from('eighteen octets...', 'latin1');
  line.sessions = Math.min(FLOWS, Math.ceil(packets / 2));
  for (let i = 0; i < packets; i++) {
    // Each flow is opened by a datagram and its reply; then whoever comes.
    const isOpening = i < 2 * FLOWS;
    const flow = isOpening ? i >> 1 : Math.floor(random() * FLOWS);
    const isReply = isOpening ? (i & 1) === 1 : random() < 0.5;
    const ports = [1024 + flow, UDP_SERVICE] as const;
    line.udp(isReply, outsideHost(flow), isReply ? ports[1] : ports[0], isReply ? ports[0] : ports[1], payload);
  }
}

function synFlood(line: Line, random: () => number, packets: number): void {
  line.sessions = packets;
  for (let i = 0; i < packets; i++) {
    // 198.18.0.0/15
    const host = (0xc6120000 | 0) + Math.floor(random() * 0x20000);
    line.tcp(true, host, 1024 + Math.floor(random() * 0x8000), SMTP, (random() * 2 ** 32) | 0, 0, SYN, NOTHING);
  }
}
