// Streams without the path: frames are built into a region, accepted one at a time, and what comes out is checked (lengths,
// checksums, addresses of the sender's side) and handed to receiver models.  Conservation holds after every frame.

import {
  BATCH,
  type Frames as FramesType,
  Frames,
  GENERATED,
  GSO,
  KIND_IPV4,
  KIND_IPV6,
  MERGED,
  PARTIAL_CHECKSUM,
} from '../../src/frame/frames.ts';
import { Ledger } from '../../src/frame/ledger.ts';
import { Region, type RegionShape, regionOctets } from '../../src/frame/region.ts';
import { DEFAULT_STREAM_LIMITS, type StreamLimits } from '../../src/policy/snapshot.ts';
import { ClosedList } from '../../src/session/close.ts';
import {
  BRIDGED,
  DST,
  FAMILY_IPV6,
  FREE,
  INSPECTED,
  KIND,
  OPENING,
  PORTS,
  REPLY_DST,
  REPLY_PORTS,
  REPLY_SRC,
  SRC,
  STATE,
} from '../../src/session/record.ts';
import { SessionTable } from '../../src/session/table.ts';
import { segmentSum, writeChecksum } from '../../src/session/tcp-checks.ts';
import { TimerWheel } from '../../src/session/timer-wheel.ts';
import { Streams } from '../../src/stream/streams.ts';
import {
  CONSUMED_FRAMES,
  createCounters,
  DROPPED_FRAMES,
  DROPS,
  EVENTS,
  GENERATED_FRAMES,
  HELD_FRAMES,
  LEDGER_NAMES,
  OUT_OF_ORDER_OCTETS,
  RECEIVED,
  TRANSMITTED_FRAMES,
  WAITING_OCTETS,
} from '../../src/telemetry/counters.ts';
import { E_REASON, EventRing } from '../../src/telemetry/event-ring.ts';
import { REASON_COUNT, REASONS, SESSION_ENDED } from '../../src/telemetry/reasons.ts';
import { fold } from '../../src/wire/checksum.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import * as tcp from '../../src/wire/tcp.ts';
import { LineInspector } from './line-inspector.ts';
import { Receiver } from './models.ts';

export const SYN = tcp.SYN;
export const ACK = tcp.ACK;
export const PSH = tcp.PSH;
export const FIN = tcp.FIN;
export const RST = tcp.RST;

const SLOT = 2048;
const BIG_SLOT = 69_632;
const SHAPE: RegionShape = { portOctets: [BATCH * SLOT + BIG_SLOT], smallSlots: 512, largeSlots: 4, storePages: 512 };
const SESSIONS = 8;
const CLIENT = 0x0a01_0105;
const SERVER = 0x0a02_0219;
/** The server's address as clients see it, and the client's as the server does. */
const SERVER_GLOBAL = 0x0a01_0119;
const CLIENT_GLOBAL = 0x0a02_02c8;
const CLIENT_PORT = 40_000;
const CLIENT_PORT_GLOBAL = 51_000;

/** A segment to be sent; numbers as on the wire. */
export interface Sent {
  readonly flags?: number;
  readonly seq: number;
  readonly ack?: number;
  readonly data?: string;
  readonly window?: number;
  readonly options?: readonly number[];
  readonly urgent?: number;
  readonly reserved?: number;
  readonly badChecksum?: boolean;
  /** Partial checksum, as of a host with offload; with gso a super-frame. */
  readonly partial?: boolean;
  readonly gso?: number;
  /** As from fragments: in a slot of its own, never counted as received. */
  readonly merged?: boolean;
}

/** A segment that came out. */
export interface Emitted {
  readonly direction: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly data: string;
  readonly options: Buffer;
  readonly isGenerated: boolean;
  readonly gso: number;
}

export class Rig {
  readonly region: Region;
  readonly frames: FramesType;
  readonly counters = createCounters();
  readonly events: EventRing;
  readonly sessions: SessionTable;
  readonly wheel: TimerWheel;
  readonly ledger: Ledger;
  readonly closed = new ClosedList(SESSIONS);
  readonly streams: Streams;
  readonly inspector = new LineInspector();
  readonly receivers: [Receiver, Receiver] = [new Receiver(), new Receiver()];
  /** Names of events since the last open, in order. */
  log: string[] = [];
  session = -1;
  now = 1000;
  isIpv6 = false;
  private nextFrame = 0;
  /** What the receiver of a direction offered in segments that left: right edge, and shift of its windows. */
  private readonly edges = [0, 0];
  private readonly hasEdge = [false, false];
  private readonly shifts = [-1, -1];
  private synWindow = 0;

  constructor(limits: Partial<StreamLimits> = {}) {
    this.region = new Region(new ArrayBuffer(regionOctets(SHAPE)), SHAPE);
    this.frames = new Frames(this.region);
    this.events = new EventRing(256, this.counters);
    this.sessions = new SessionTable(SESSIONS, 1);
    this.wheel = new TimerWheel(SESSIONS, this.now);
    this.ledger = new Ledger(this.frames, this.counters);
    this.streams = new Streams(
      this.region,
      this.frames,
      this.ledger,
      this.sessions,
      this.wheel,
      0,
      this.closed,
      this.counters,
      this.events,
      [this.inspector],
      { ...DEFAULT_STREAM_LIMITS, ...limits },
    );
  }

  /** A fresh session; an open one is closed first. */
  open(maxData = 0, isIpv6 = false): void {
    if (this.session >= 0) this.close();
    const { sessions } = this;
    this.isIpv6 = isIpv6;
    this.session = sessions.allocate();
    this.log = [];
    this.receivers[0] = new Receiver();
    this.receivers[1] = new Receiver();
    for (let direction = 0; direction < 2; direction++) {
      this.hasEdge[direction] = false;
      this.shifts[direction] = -1;
    }
    const set = (field: number, value: number): void => sessions.set(this.session, field, value | 0);
    set(SRC, CLIENT);
    set(DST, SERVER_GLOBAL);
    set(PORTS, (CLIENT_PORT << 16) | 25);
    set(REPLY_SRC, SERVER);
    set(REPLY_DST, CLIENT_GLOBAL);
    set(REPLY_PORTS, (25 << 16) | CLIENT_PORT_GLOBAL);
    set(KIND, ipv4.PROTOCOL_TCP | (isIpv6 ? FAMILY_IPV6 : 0));
    set(STATE, OPENING | INSPECTED | BRIDGED);
    for (let i = 0; i < 8; i++) sessions.addrs6[this.session * 8 + i] = 0x2001_0db8 + i;
    this.streams.open(this.session, 0, {}, maxData, this.now);
  }

  close(): void {
    this.streams.close(this.session, 0);
    this.sessions.remove(this.session, false);
    this.session = -1;
    this.check();
  }

  /** Sends one segment and returns what left because of it. */
  send(direction: number, segment: Sent): Emitted[] {
    let f = this.build(direction, segment);
    if (segment.merged === true) {
      f = this.frames.copy(f);
      this.frames.flags[f]! |= GENERATED | MERGED;
    } else {
      this.counters[RECEIVED]!++;
    }
    this.streams.accept(f, this.now);
    return this.drain();
  }

  /** Lets `ms` pass; returns what left. */
  wait(ms: number): Emitted[] {
    const out: Emitted[] = [];
    this.now += ms;
    this.wheel.advance(this.now, (timer, deadline) => {
      this.streams.expire(timer, deadline);
      out.push(...this.drain());
    });
    return out;
  }

  /** Resets the session from outside; returns what left. */
  reset(): Emitted[] {
    this.streams.reset(this.session, SESSION_ENDED, this.now);
    return this.drain();
  }

  /** Moved counters between two calls of it, by name; those of the ports apart. */
  deltas(run: () => void): Record<string, number> {
    const before = Float64Array.from(this.counters);
    run();
    const moved: Record<string, number> = {};
    for (let i = 0; i < EVENTS + REASON_COUNT; i++) {
      const by = this.counters[i]! - before[i]!;
      if (by !== 0) moved[counterName(i)] = by;
    }
    return moved;
  }

  /** What both kinds of receivers have of a direction; throws when they differ. */
  received(direction: number): string {
    const receiver = this.receivers[direction]!;
    const text = receiver.firstWins();
    if (receiver.conflicts > 0 || text !== receiver.lastWins()) throw new Error(`two values for one octet, direction ${direction}`);
    return text;
  }

  private drain(): Emitted[] {
    const { out } = this.streams;
    const emitted: Emitted[] = [];
    for (let i = 0; i < out.count; i++) emitted.push(this.take(out.frames[i]!));
    out.clear();
    for (let i = 0; i < this.ledger.transmitQueue.count; i++) this.ledger.transmitted(this.ledger.transmitQueue.frames[i]!);
    this.ledger.transmitQueue.clear();
    this.readEvents();
    this.check();
    return emitted;
  }

  private readEvents(): void {
    for (let at = this.events.peek(); at >= 0; at = this.events.peek()) {
      this.log.push(REASONS[this.events.words[at + E_REASON]!]!.name);
      this.events.advance();
    }
  }

  private check(): void {
    const c = this.counters;
    const ends = c[TRANSMITTED_FRAMES]! + c[DROPPED_FRAMES]! + c[HELD_FRAMES]! + c[CONSUMED_FRAMES]!;
    if (c[RECEIVED]! + c[GENERATED_FRAMES]! !== ends) throw new Error(`frames are lost: ${c.slice(0, 6).join(' ')}`);
    if (c[HELD_FRAMES]! < 0) throw new Error('held frames below zero');
    let drops = 0;
    for (let i = 0; i < REASON_COUNT; i++) drops += c[DROPS + i]!;
    if (drops !== c[DROPPED_FRAMES] || c[DROPS] !== 0) throw new Error('drops without a reason');
    if (this.frames.slotsInUse !== 0) throw new Error('a slot was not given back');
    if (this.session < 0 && this.streams.pagesInUse !== 0) throw new Error('pages in use without a session');
    if (this.session < 0 && (c[OUT_OF_ORDER_OCTETS] !== 0 || c[WAITING_OCTETS] !== 0)) throw new Error('a gauge without a session');
    if (this.session < 0 && c[HELD_FRAMES] !== 0) throw new Error('frames held without a session');
  }

  /** Builds a frame in the batch; returns its number. */
  build(direction: number, segment: Sent): number {
    const { frames, region } = this;
    const { view, u8 } = region;
    const data = Buffer.from(segment.data ?? '', 'latin1');
    const f = this.nextFrame;
    this.nextFrame = (f + 1) % BATCH;
    const at = region.portStart[0]! + (data.length > 1800 ? BATCH * SLOT : f * SLOT) + 32;
    frames.begin(f, direction);
    const options = segment.options ?? [];
    const l3 = at + ethernet.HEADER_LENGTH;
    const l4 = l3 + (this.isIpv6 ? ipv6.HEADER_LENGTH : ipv4.MIN_HEADER_LENGTH);
    const payload = l4 + tcp.MIN_HEADER_LENGTH + options.length;
    const end = payload + data.length;
    ethernet.setHeader(view, at, 0x0200, 100 + direction, 0x0200, 101 - direction, this.isIpv6 ? ethernet.TYPE_IPV6 : ethernet.TYPE_IPV4);
    this.writeNetwork(direction, l3, end, data.length);
    const ports = direction === 0 ? [CLIENT_PORT, 25] : [25, CLIENT_PORT_GLOBAL];
    const bits = segment.flags ?? ACK | PSH;
    tcp.write(view, l4, ports[0]!, ports[1]!, segment.seq | 0, (segment.ack ?? 0) | 0, bits, segment.window ?? 65_535);
    tcp.setHeaderLength(view, l4, tcp.MIN_HEADER_LENGTH + options.length);
    if (segment.reserved !== undefined) view.setUint8(l4 + 12, view.getUint8(l4 + 12) | segment.reserved);
    tcp.setUrgentPointer(view, l4, segment.urgent ?? 0);
    for (let i = 0; i < options.length; i++) u8[l4 + 20 + i] = options[i]!;
    u8.set(data, payload);
    frames.offset[f] = at;
    frames.length[f] = end - at;
    frames.wireLength[f] = end - at;
    frames.kind[f] = this.isIpv6 ? KIND_IPV6 : KIND_IPV4;
    frames.vlan[f] = 0;
    frames.l3[f] = l3;
    frames.l4[f] = l4;
    frames.payload[f] = payload;
    frames.end[f] = end;
    frames.protocol[f] = ipv4.PROTOCOL_TCP;
    frames.session[f] = this.session;
    frames.direction[f] = direction;
    if (segment.partial === true) {
      frames.flags[f]! |= PARTIAL_CHECKSUM | (segment.gso === undefined ? 0 : GSO);
      frames.gsoSize[f] = segment.gso ?? 0;
      tcp.setChecksum(view, l4, this.pseudoSum(f));
    } else {
      writeChecksum(frames, f);
      if (segment.badChecksum === true) tcp.setChecksum(view, l4, tcp.checksum(view, l4) ^ 0x5555);
    }
    return f;
  }

  private writeNetwork(direction: number, l3: number, end: number, id: number): void {
    const { view } = this.region;
    if (!this.isIpv6) {
      const src = direction === 0 ? CLIENT : SERVER;
      const dst = direction === 0 ? SERVER_GLOBAL : CLIENT_GLOBAL;
      ipv4.write(view, l3, 0, end - l3, id, ipv4.DF, 60 + direction, ipv4.PROTOCOL_TCP, src, dst);
      return;
    }
    view.setUint32(l3, 0x6000_0000);
    ipv6.setPayloadLength(view, l3, end - l3 - ipv6.HEADER_LENGTH);
    view.setUint16(l3 + 6, (ipv4.PROTOCOL_TCP << 8) | (60 + direction));
    for (let i = 0; i < 8; i++) view.setInt32(l3 + 8 + i * 4, this.sessions.addrs6[this.session * 8 + (i ^ (direction * 4))]!);
  }

  private pseudoSum(f: number): number {
    const { frames } = this;
    const { view } = this.region;
    const l3 = frames.l3[f]!;
    const length = frames.end[f]! - frames.l4[f]!;
    if (this.isIpv6) return ipv6.pseudoSum(view, l3, 6, length);
    return fold(ipv4.pseudoSum(ipv4.srcAddr(view, l3), ipv4.dstAddr(view, l3), 6, length));
  }

  /** Checks an emitted frame, sends it, and shows it to its receiver. */
  private take(f: number): Emitted {
    const { frames, region } = this;
    const { view } = region;
    const l4 = frames.l4[f]!;
    const end = frames.end[f]!;
    const direction = frames.direction[f]!;
    const fail = (what: string): never => {
      throw new Error(`emitted frame: ${what}`);
    };
    if (this.sessions.state(frames.session[f]!) === FREE) fail('session');
    if (frames.offset[f]! + frames.length[f]! !== end) fail('length');
    if (view.getUint16(frames.offset[f]! + 12) !== (this.isIpv6 ? ethernet.TYPE_IPV6 : ethernet.TYPE_IPV4)) fail('EtherType');
    if (ethernet.macLow(view, frames.offset[f]!) !== 100 + direction) fail('destination MAC');
    if (ethernet.macLow(view, frames.offset[f]! + 6) !== 101 - direction) fail('source MAC');
    this.checkNetwork(f, direction, fail);
    if (view.getUint16(l4) !== (direction === 0 ? CLIENT_PORT : 25)) fail('source port');
    if (view.getUint16(l4 + 2) !== (direction === 0 ? 25 : CLIENT_PORT_GLOBAL)) fail('destination port');
    if (frames.payload[f] !== l4 + tcp.headerLength(view, l4)) fail('payload');
    if ((frames.flags[f]! & PARTIAL_CHECKSUM) !== 0) {
      if (tcp.checksum(view, l4) !== this.pseudoSum(f)) fail('partial checksum');
    } else if (segmentSum(frames, f) !== 0xffff) fail('TCP checksum');
    if (tcp.checkOptions(view, l4) !== 0) fail('options');
    const gso = frames.gsoSize[f]!;
    if (((frames.flags[f]! & GSO) !== 0) !== gso > 0 || (gso > 0 && end - frames.payload[f]! <= gso)) fail('super-frame');
    const flags = tcp.flags(view, l4);
    const data = Buffer.from(region.u8.subarray(frames.payload[f], end));
    const emitted: Emitted = {
      direction,
      seq: tcp.seqNum(view, l4),
      ack: tcp.ackNum(view, l4),
      flags,
      window: tcp.window(view, l4),
      data: data.toString('latin1'),
      options: Buffer.from(region.u8.subarray(l4 + 20, frames.payload[f])),
      isGenerated: (frames.flags[f]! & GENERATED) !== 0,
      gso,
    };
    this.checkWindow(emitted, fail);
    if ((flags & RST) === 0)
      this.receivers[direction]!.accept({ seq: emitted.seq, syn: (flags & SYN) !== 0, fin: (flags & FIN) !== 0, data });
    this.ledger.transmit(f);
    return emitted;
  }

  /** Nothing leaves beyond the edge that the other side has offered in what left. */
  private checkWindow(e: Emitted, fail: (what: string) => never): void {
    const isSyn = (e.flags & SYN) !== 0;
    if (isSyn) this.shifts[e.direction] = scaleOf(e.options);
    if (e.data.length > 0 && (!this.hasEdge[e.direction] || ((e.seq + e.data.length - this.edges[e.direction]!) | 0) > 0))
      fail('beyond the window');
    if (isSyn && (e.flags & ACK) === 0) this.synWindow = e.window;
    // A segment that acknowledges the SYN/ACK may have been dropped: the window of the SYN holds (RFC 9293 section 3.10.7.4).
    if (isSyn && (e.flags & ACK) !== 0 && !this.hasEdge[e.direction]) {
      this.edges[e.direction] = (e.seq + 1 + this.synWindow) | 0;
      this.hasEdge[e.direction] = true;
    }
    if ((e.flags & (ACK | RST)) !== ACK) return;
    const shift = isSyn || Math.min(...this.shifts) < 0 ? 0 : this.shifts[e.direction]!;
    const edge = (e.ack + (e.window << shift)) | 0;
    const other = 1 - e.direction;
    if (!this.hasEdge[other] || ((edge - this.edges[other]!) | 0) > 0) this.edges[other] = edge;
    this.hasEdge[other] = true;
  }

  private checkNetwork(f: number, direction: number, fail: (what: string) => never): void {
    const { frames } = this;
    const { view } = this.region;
    const l3 = frames.l3[f]!;
    if (this.isIpv6) {
      if (l3 + 40 + ipv6.payloadLength(view, l3) !== frames.end[f]) fail('payload length');
      if (view.getInt32(l3 + 20) !== this.sessions.addrs6[this.session * 8 + 3 + direction * 4]) fail('source address');
      if (ipv6.hopLimit(view, l3) !== 60 + direction) fail('hop limit');
      return;
    }
    if (ipv4.check(view, l3, frames.end[f]!) !== 0) fail('IPv4 header');
    if (l3 + ipv4.totalLength(view, l3) !== frames.end[f]) fail('total length');
    if (ipv4.srcAddr(view, l3) !== (direction === 0 ? CLIENT : SERVER)) fail('source address');
    if (ipv4.dstAddr(view, l3) !== (direction === 0 ? SERVER_GLOBAL : CLIENT_GLOBAL)) fail('destination address');
    if (ipv4.ttl(view, l3) !== 60 + direction) fail('TTL');
  }
}

/** Shift of a window scale option, -1: none. */
function scaleOf(options: Buffer): number {
  for (let i = 0; i < options.length; i += options[i] === 1 ? 1 : options[i + 1]!) {
    if (options[i] === 0) return -1;
    if (options[i] === 3) return options[i + 2]!;
  }
  return -1;
}

function counterName(i: number): string {
  if (i < DROPS) return LEDGER_NAMES[i]!;
  if (i < EVENTS) return `drop ${REASONS[i - DROPS]!.name}`;
  return `event ${REASONS[i - EVENTS]!.name}`;
}
