// A region, frames, ledger and the stream parts that need no session, with the real decode step in front; datagrams as plain octets.

import { FrameQueue } from '../../src/frame/frame-queue.ts';
import { BATCH, Frames, NO_FRAME, PENDING } from '../../src/frame/frames.ts';
import { Ledger } from '../../src/frame/ledger.ts';
import { Region, regionOctets } from '../../src/frame/region.ts';
import type { DataPlane } from '../../src/path/data-plane.ts';
import { decodeFrame } from '../../src/path/decode.ts';
import type { VirtualReassembly } from '../../src/policy/snapshot.ts';
import { TimerWheel } from '../../src/session/timer-wheel.ts';
import { Fragments } from '../../src/stream/fragments.ts';
import { Cutter } from '../../src/stream/mtu.ts';
import {
  CONSUMED_FRAMES,
  DROPPED_FRAMES,
  DROPS,
  EVENTS,
  FRAGMENT_DATAGRAMS,
  GENERATED_FRAMES,
  HELD_FRAMES,
  LEDGER_COUNT,
  LEDGER_NAMES,
  MAX_PORTS,
  RECEIVED,
  TRANSMITTED_FRAMES,
  createCounters,
} from '../../src/telemetry/counters.ts';
import { EventRing } from '../../src/telemetry/event-ring.ts';
import { OK, REASONS, REASON_COUNT } from '../../src/telemetry/reasons.ts';
import { HELD, MERGES, type Piece, payloadOf } from './fragment-model.ts';

const RECEIVE_SLOT = 70_000;

export const LIMITS: VirtualReassembly = { enabled: true, maxReassemblies: 16, maxFragments: 32, timeout: 3000, dropFragments: false };

export interface Fixture {
  readonly region: Region;
  readonly frames: Frames;
  readonly ledger: Ledger;
  readonly counters: Float64Array;
  readonly events: EventRing;
  readonly wheel: TimerWheel;
  readonly fragments: Fragments;
  readonly cutter: Cutter;
  readonly out: FrameQueue;
  /** Interface 0 is bridged (both families), interface 1 routed, interface 2 bridged. */
  readonly plane: DataPlane;
}

export function makeFixture(smallSlots = 512, largeSlots = 8, datagrams = 64, timers = 0): Fixture {
  const shape = { portOctets: [RECEIVE_SLOT * BATCH], smallSlots, largeSlots, storePages: 0 };
  const region = new Region(new ArrayBuffer(regionOctets(shape)), shape);
  const frames = new Frames(region);
  const counters = createCounters();
  const ledger = new Ledger(frames, counters);
  const events = new EventRing(1024, counters);
  const wheel = new TimerWheel(timers + datagrams, 0);
  const fragments = new Fragments(region, frames, ledger, wheel, timers, datagrams, counters, events, 12_345);
  const plane = {
    frames,
    region,
    view: region.view,
    counters,
    bridgeGroup: new Int32Array(MAX_PORTS).fill(1).fill(0, 1, 2),
    acceptAll: new Uint8Array(MAX_PORTS).fill(1),
    policy: { bridgeStrict: false, interfaces: Array.from({ length: 3 }, () => ({ inputTypes: null })) },
  } as unknown as DataPlane;
  const out = new FrameQueue(frames.capacity);
  return { region, frames, ledger, counters, events, wheel, fragments, cutter: new Cutter(region, frames, fragments.sizes), out, plane };
}

/** Receives `octets` as frame `f` of the batch and decodes it; what decode refuses is an error of the test. */
export function receive(x: Fixture, f: number, octets: Uint8Array, ingress = 0): number {
  const reason = receiveAny(x, f, octets, ingress);
  if (reason !== OK) throw new Error(`decode: ${REASONS[reason]!.name}`);
  return f;
}

export function receiveAny(x: Fixture, f: number, octets: Uint8Array, ingress = 0): number {
  const at = f * RECEIVE_SLOT + 2048;
  x.region.u8.set(octets, at);
  x.frames.begin(f, ingress);
  x.frames.offset[f] = at;
  x.frames.length[f] = octets.length;
  x.frames.wireLength[f] = octets.length;
  x.counters[RECEIVED]!++;
  return decodeFrame(x.plane, f);
}

/** The octets of frame `f`. */
export function octetsOfFrame(x: Fixture, f: number): Uint8Array {
  return x.region.u8.slice(x.frames.offset[f]!, x.frames.offset[f]! + x.frames.length[f]!);
}

/** Empties the transmit queue as a port that takes everything. */
export function drain(x: Fixture): Uint8Array[] {
  const sent: Uint8Array[] = [];
  const { transmitQueue } = x.ledger;
  for (let i = 0; i < transmitQueue.count; i++) {
    sent.push(octetsOfFrame(x, transmitQueue.frames[i]!));
    x.ledger.transmitted(transmitQueue.frames[i]!);
  }
  transmitQueue.clear();
  return sent;
}

/** received + generated = transmitted + dropped + held + consumed, drops add up, nobody is pending in the ledger of slots. */
export function isConserved(x: Fixture): boolean {
  const { counters } = x;
  let drops = 0;
  for (let i = 0; i < REASON_COUNT; i++) drops += counters[DROPS + i]!;
  return (
    drops === counters[DROPPED_FRAMES] &&
    counters[RECEIVED]! + counters[GENERATED_FRAMES]! ===
      counters[TRANSMITTED_FRAMES]! + counters[DROPPED_FRAMES]! + counters[HELD_FRAMES]! + counters[CONSUMED_FRAMES]!
  );
}

/** All slots are free, no datagram is in reassembly, nothing is charged. */
export function isEmpty(x: Fixture): boolean {
  const { currentFragments, currentReassemblies } = x.fragments.statistics;
  return (
    x.frames.slotsInUse === 0 &&
    x.counters[HELD_FRAMES] === 0 &&
    x.counters[FRAGMENT_DATAGRAMS] === 0 &&
    x.fragments.heldOctets === 0 &&
    currentFragments.every((n) => n === 0) &&
    currentReassemblies.every((n) => n === 0)
  );
}

/** Names of the counters that moved since `before`, with the difference; those of ports are left out. */
export function moved(x: Fixture, before: Float64Array): Record<string, number> {
  const deltas: Record<string, number> = {};
  for (let i = 0; i < EVENTS + REASON_COUNT; i++) {
    const delta = x.counters[i]! - before[i]!;
    if (delta === 0) continue;
    const name = i < LEDGER_COUNT ? LEDGER_NAMES[i]! : i < EVENTS ? REASONS[i - DROPS]!.name : `event ${REASONS[i - EVENTS]!.name}`;
    deltas[name] = delta;
  }
  return deltas;
}

/** Everything that is still pending has a fate of its own afterwards: transmitted. */
export function transmitAll(x: Fixture): void {
  for (let i = 0; i < x.out.count; i++) {
    const f = x.out.frames[i]!;
    if (x.frames.fate[f] !== PENDING) throw new Error('a frame with a fate was handed on');
    x.frames.egress[f] = 0;
    x.ledger.transmit(f);
  }
  x.out.clear();
}

function put(octets: Uint8Array, at: number, ...words: number[]): void {
  words.forEach((word, i) => {
    octets[at + i * 2] = word >> 8;
    octets[at + i * 2 + 1] = word & 255;
  });
}

/** RFC 1071, as slowly as it can be said. */
export function checksumOf(octets: Uint8Array, from: number, to: number, start = 0): number {
  let sum = start;
  for (let i = from; i < to; i += 2) sum += (octets[i]! << 8) | (i + 1 < to ? octets[i + 1]! : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface Datagram4 {
  readonly id?: number;
  readonly protocol?: number;
  /** Octets. */
  readonly offset?: number;
  readonly more?: boolean;
  readonly df?: boolean;
  readonly ttl?: number;
  readonly src?: number;
  readonly dst?: number;
  readonly payload: Uint8Array;
}

export const SRC4 = 0x0a00_0005;
export const DST4 = 0xc000_0219;

/** Ethernet and IPv4 around a payload, right header checksum. */
export function frame4(d: Datagram4): Uint8Array {
  const octets = new Uint8Array(34 + d.payload.length);
  const src = d.src ?? SRC4;
  const dst = d.dst ?? DST4;
  octets.set([2, 0, 0, 0, 0, 10, 2, 0, 0, 0, 0, 11, 8, 0, 0x45, 0]);
  const flags = (d.df === true ? 0x4000 : 0) | (d.more === true ? 0x2000 : 0) | ((d.offset ?? 0) >> 3);
  put(
    octets,
    16,
    20 + d.payload.length,
    d.id ?? 7,
    flags,
    ((d.ttl ?? 64) << 8) | (d.protocol ?? 17),
    0,
    src >>> 16,
    src & 0xffff,
    dst >>> 16,
    dst & 0xffff,
  );
  put(octets, 24, checksumOf(octets, 14, 34));
  octets.set(d.payload, 34);
  return octets;
}

export const ADDR6 = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 5, 0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x25];

/** Ethernet, one tag and IPv6; `payload` begins with whatever `next` names. */
export function frame6(next: number, payload: Uint8Array): Uint8Array {
  const octets = new Uint8Array(58 + payload.length);
  octets.set([2, 0, 0, 0, 0, 10, 2, 0, 0, 0, 0, 11, 0x81, 0, 0, 100, 0x86, 0xdd, 0x60, 0, 0, 0]);
  put(octets, 22, payload.length, (next << 8) | 64, ...ADDR6);
  octets.set(payload, 58);
  return octets;
}

/** A fragment header in front of a payload. */
export function fragment6(next: number, id: number, offset: number, more: boolean, payload: Uint8Array): Uint8Array {
  const octets = new Uint8Array(8 + payload.length);
  put(octets, 0, next << 8, offset | (more ? 1 : 0), id >>> 16, id & 0xffff);
  octets.set(payload, 8);
  return octets;
}

/** UDP datagram of `octets` octets in all, content from `seed`, length right, no checksum over IPv4. */
export function udpPayload(octets: number, seed = 1): Uint8Array {
  const payload = new Uint8Array(octets);
  for (let i = 8; i < octets; i++) payload[i] = (i * 7 + seed * 31) & 255;
  put(payload, 0, 5353, 53, octets, 0);
  return payload;
}

/** TCP segment with right checksum over IPv4; `flags` as in the header. */
export function tcpPayload(octets: number, flags = 0x18, seq = 1000, src = SRC4, dst = DST4): Uint8Array {
  const payload = new Uint8Array(20 + octets);
  for (let i = 20; i < payload.length; i++) payload[i] = (i * 13) & 255;
  put(payload, 0, 40_000, 25, seq >>> 16, seq & 0xffff, 0, 77, 0x5000 | flags, 500, 0, 0);
  const pseudo = (src >>> 16) + (src & 0xffff) + (dst >>> 16) + (dst & 0xffff) + 6 + payload.length;
  put(payload, 16, checksumOf(payload, 0, payload.length, pseudo));
  return payload;
}

/** Gives one piece to the fixture and says what became of it. */
export function give(x: Fixture, octets: Uint8Array, now = 0): { fate: string; f: number } {
  const f = receive(x, 0, octets);
  const merged = x.fragments.accept(f, LIMITS, now);
  if (merged !== NO_FRAME) return { fate: MERGES, f: merged };
  const reason = x.frames.reason[f]!;
  return { fate: reason === OK ? HELD : REASONS[reason]!.name, f };
}

/** Lets every timer end. */
export function expireAll(x: Fixture): void {
  x.wheel.advance((x.wheel.now + 10_000) | 0, (timer, deadline) => x.fragments.expire(timer, deadline));
}

const CUTS = [0, 24, 48, 64, 136, 200, 245];

/** The datagram that piecesOf() cuts. */
export const WHOLE = udpPayload(245);

/** The frame that carries a piece of `whole`. */
export function pieceFrame(piece: Piece, whole: Uint8Array, id = 7, protocol = 17): Uint8Array {
  return frame4({ id, protocol, offset: piece.from, more: piece.more, payload: payloadOf(piece, whole) });
}

/** WHOLE in `count` pieces, two to six, in order. */
export function piecesOf(count: number): Piece[] {
  const cuts = [...CUTS.slice(0, count), WHOLE.length];
  return Array.from({ length: count }, (_, i) => ({ from: cuts[i]!, to: cuts[i + 1]!, more: i + 1 < count }));
}
