// The fault port: any port with a bad line in front of it.  Loss, duplication, reordering, corruption, delay, and repetition of TCP
// segments with other octets, drawn from a seed, for what is received and for what is transmitted apart.
//
// A frame that is overtaken waits for a number of later frames, but at most for two turns in which none comes, so that a
// lone frame is not lost.  Delay needs a clock, which the caller supplies.  Frames whose checksum the kernel has yet to
// complete are not corrupted: it would make the damage right.
// It is for tests and the lab: what waits is copied to memory of its own.

import { PARTIAL_CHECKSUM } from '../frame/frames.ts';
import type { Region } from '../frame/region.ts';
import { HEADER_LENGTH, TYPE_IPV4 } from '../wire/ethernet.ts';
import { PROTOCOL_TCP } from '../wire/ipv4.ts';
import { type Port, type PortDescription, type ReceiveColumns, TX_OK } from './port.ts';

/** Probabilities from 0 to 1, of each frame alone; left out: never. */
export interface FaultRates {
  readonly loss?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
  readonly corrupt?: number;
  readonly delay?: number;
  /** A TCP segment over IPv4 that passes is followed by a copy with other octets and a right checksum. */
  readonly overlap?: number;
  /** How many later frames may overtake one, at most; 3 where not given. */
  readonly distance?: number;
  /** How long a delayed frame waits, ms; 10 where not given. */
  readonly delayTime?: number;
}

export interface FaultSpec {
  readonly seed: number;
  readonly receive?: FaultRates;
  readonly transmit?: FaultRates;
}

export interface FaultOptions extends FaultSpec {
  /** Milliseconds, for `delay`. */
  readonly now?: () => number;
}

export interface FaultCounts {
  lost: number;
  duplicated: number;
  reordered: number;
  corrupted: number;
  delayed: number;
  overlapped: number;
}

const RATES = ['loss', 'duplicate', 'reorder', 'corrupt', 'delay', 'overlap'] as const;

/** `seed=7,loss=0.02,receive.overlap=0.1,transmit.corrupt=0.01`; a rate without a direction holds for both.  Throws an Error. */
export function parseFaultSpec(text: string): FaultSpec {
  const receive: Record<string, number> = {};
  const transmit: Record<string, number> = {};
  let seed = 1;
  for (const part of text.split(',')) {
    const [, direction, name = '', number = ''] = /^(?:(receive|transmit)\.)?([a-z]+)=([0-9.]+)$/.exec(part) ?? [];
    const value = Number(number);
    const isSeed = name === 'seed' && direction === undefined && Number.isInteger(value);
    if (!isSeed && !(RATES.includes(name as never) && value >= 0 && value <= 1))
      throw new Error(`${part}: seed=N or [receive.|transmit.]{${RATES.join('|')}}=0..1 is wanted`);
    if (isSeed) seed = value;
    else if (direction !== 'transmit') receive[name] = value;
    if (!isSeed && direction !== 'receive') transmit[name] = value;
  }
  return { seed, receive, transmit };
}

/** What stands in front of a frame goes with it: the header of virtio-net. */
const ROOM = 32;
const MAX_ROWS = 256;
/** Turns without a frame after which one that waits to be overtaken goes on. */
const PATIENCE = 2;

interface WaitingFrame {
  readonly octets: Uint8Array;
  readonly room: number;
  readonly wireLength: number;
  readonly sec: number;
  readonly nsec: number;
  readonly flags: number;
  readonly gsoSize: number;
  /** Frames that may still pass it. */
  overtake: number;
  idleTurns: number;
  readonly due: number;
}

/** A uniform 32-bit generator (mulberry32): the same draws from the same seed everywhere. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function rows(): ReceiveColumns {
  const column = (): Int32Array => new Int32Array(MAX_ROWS);
  return { offset: column(), length: column(), wireLength: column(), sec: column(), nsec: column(), flags: column(), gsoSize: column() };
}

function copyRow(from: ReceiveColumns, f: number, to: ReceiveColumns, g: number): void {
  to.offset[g] = from.offset[f]!;
  to.length[g] = from.length[f]!;
  to.wireLength[g] = from.wireLength[f]!;
  to.sec[g] = from.sec[f]!;
  to.nsec[g] = from.nsec[f]!;
  to.flags[g] = from.flags[f]!;
  to.gsoSize[g] = from.gsoSize[f]!;
}

/** One direction of the line. */
class Lane {
  readonly counts: FaultCounts = { lost: 0, duplicated: 0, reordered: 0, corrupted: 0, delayed: 0, overlapped: 0 };
  private readonly rates: FaultRates;
  private readonly random: () => number;
  private readonly now: () => number;
  private readonly region: Region;
  private readonly start: number;
  private readonly end: number;
  private at: number;
  private waiting: WaitingFrame[] = [];

  constructor(rates: FaultRates, seed: number, now: () => number, region: Region, start: number, octets: number) {
    this.rates = rates;
    this.random = seededRandom(seed);
    this.now = now;
    this.region = region;
    this.start = start;
    this.end = start + octets;
    this.at = start;
  }

  /** What happens to the frame in `row`; false: it does not go on now. */
  pass(columns: ReceiveColumns, row: number): boolean {
    const { rates, counts } = this;
    if (this.draw(rates.loss)) {
      counts.lost++;
      return false;
    }
    if (this.draw(rates.corrupt)) this.corrupt(columns, row);
    if (this.draw(rates.duplicate)) {
      counts.duplicated++;
      this.keep(columns, row, 0, 0);
    }
    if (this.draw(rates.delay)) {
      counts.delayed++;
      this.keep(columns, row, 0, this.now() + (rates.delayTime ?? 10));
      return false;
    }
    if (this.draw(rates.reorder)) {
      counts.reordered++;
      this.keep(columns, row, 1 + Math.floor(this.random() * (rates.distance ?? 3)), 0);
      return false;
    }
    if (this.draw(rates.overlap)) this.overlap(columns, row);
    for (const frame of this.waiting) frame.overtake--;
    return true;
  }

  /** Lays frames whose wait is over into rows from `first` and returns how many. */
  takeDue(columns: ReceiveColumns, first: number, max: number, idle: boolean): number {
    let count = 0;
    const now = this.now();
    this.waiting = this.waiting.filter((frame) => {
      if (idle) frame.idleTurns++;
      const over = frame.due <= now && (frame.overtake <= 0 || frame.idleTurns >= PATIENCE);
      if (!over || count === max || this.at + frame.octets.length > this.end) return true;
      this.lay(columns, first + count++, frame);
      return false;
    });
    return count;
  }

  /** The frames laid out are done with. */
  release(): void {
    this.at = this.start;
  }

  private draw(probability: number | undefined): boolean {
    return probability !== undefined && probability > 0 && this.random() < probability;
  }

  private corrupt(columns: ReceiveColumns, row: number): void {
    const length = columns.length[row]!;
    if ((columns.flags[row]! & PARTIAL_CHECKSUM) !== 0 || length <= HEADER_LENGTH) return;
    this.counts.corrupted++;
    const at = columns.offset[row]! + HEADER_LENGTH + Math.floor(this.random() * (length - HEADER_LENGTH));
    this.region.u8[at]! ^= 1 << Math.floor(this.random() * 8);
  }

  /** Two words of the payload change places in the copy: the sum stays the same, partial or whole. */
  private overlap(columns: ReceiveColumns, row: number): void {
    const { u8, view } = this.region;
    const l3 = columns.offset[row]! + HEADER_LENGTH;
    if (columns.length[row]! < HEADER_LENGTH + 40 || view.getUint16(l3 - 2) !== TYPE_IPV4 || view.getUint8(l3 + 9) !== PROTOCOL_TCP) return;
    const l4 = l3 + ((view.getUint8(l3) & 15) << 2);
    const payload = l4 + ((view.getUint8(l4 + 12) >> 4) << 2);
    const words = (l3 + view.getUint16(l3 + 2) - payload) >> 1;
    if (words < 2) return;
    this.counts.overlapped++;
    this.keep(columns, row, 0, 0);
    const copy = this.waiting.at(-1)!;
    const at = copy.room + payload - columns.offset[row]!;
    const first = at + 2 * Math.floor(this.random() * words);
    const second = at + 2 * Math.floor(this.random() * words);
    const base = columns.offset[row]! - copy.room;
    for (let i = 0; i < 2; i++) {
      copy.octets[first + i] = u8[base + second + i]!;
      copy.octets[second + i] = u8[base + first + i]!;
    }
  }

  private keep(columns: ReceiveColumns, row: number, overtake: number, due: number): void {
    const offset = columns.offset[row]!;
    const room = Math.min(ROOM, offset);
    this.waiting.push({
      octets: this.region.u8.slice(offset - room, offset + columns.length[row]!),
      room,
      wireLength: columns.wireLength[row]!,
      sec: columns.sec[row]!,
      nsec: columns.nsec[row]!,
      flags: columns.flags[row]!,
      gsoSize: columns.gsoSize[row]!,
      overtake,
      idleTurns: 0,
      due,
    });
  }

  private lay(columns: ReceiveColumns, row: number, frame: WaitingFrame): void {
    this.region.u8.set(frame.octets, this.at);
    columns.offset[row] = this.at + frame.room;
    columns.length[row] = frame.octets.length - frame.room;
    columns.wireLength[row] = frame.wireLength;
    columns.sec[row] = frame.sec;
    columns.nsec[row] = frame.nsec;
    columns.flags[row] = frame.flags;
    columns.gsoSize[row] = frame.gsoSize;
    this.at += frame.octets.length;
  }
}

export class FaultPort implements Port {
  private readonly inner: Port;
  private readonly incoming: Lane;
  private readonly outgoing: Lane;
  private readonly staged = rows();
  private readonly stagedFrames = Int32Array.from({ length: MAX_ROWS }, (_, i) => i);
  private readonly stagedResult = new Int32Array(MAX_ROWS);

  /** Frames that wait come back in [start, start + octets) of the region, which the inner port does not use. */
  constructor(inner: Port, region: Region, start: number, octets: number, options: FaultOptions) {
    const now = options.now ?? (() => 0);
    const half = octets >> 1;
    this.inner = inner;
    this.incoming = new Lane(options.receive ?? {}, options.seed, now, region, start, half);
    this.outgoing = new Lane(options.transmit ?? {}, ~options.seed, now, region, start + half, half);
  }

  get description(): PortDescription {
    return this.inner.description;
  }

  /** What was done to the frames received so far. */
  get receiveCounts(): Readonly<FaultCounts> {
    return this.incoming.counts;
  }

  get transmitCounts(): Readonly<FaultCounts> {
    return this.outgoing.counts;
  }

  receive(columns: ReceiveColumns, first: number, max: number): number {
    const came = this.inner.receive(columns, first, Math.max(1, max >> 1));
    let row = first;
    for (let i = first; i < first + came; i++) {
      if (!this.incoming.pass(columns, i)) continue;
      if (row !== i) copyRow(columns, i, columns, row);
      row++;
    }
    return row - first + this.incoming.takeDue(columns, row, first + max - row, came === 0);
  }

  transmit(columns: ReceiveColumns, frames: Int32Array, count: number, result: Int32Array): void {
    for (let done = 0; done < count; done += MAX_ROWS / 2)
      this.transmitSome(columns, frames, done, Math.min(count, done + MAX_ROWS / 2), result);
  }

  release(): void {
    this.sendDue();
    this.incoming.release();
    this.inner.release();
  }

  isUp(): boolean {
    return this.inner.isUp();
  }

  close(): void {
    this.inner.close();
  }

  private transmitSome(columns: ReceiveColumns, frames: Int32Array, from: number, to: number, result: Int32Array): void {
    let staged = 0;
    for (let i = from; i < to; i++) {
      copyRow(columns, frames[i]!, this.staged, staged);
      // A frame that the line loses was sent all the same.
      result[i] = TX_OK;
      if (this.outgoing.pass(this.staged, staged)) staged++;
    }
    staged += this.outgoing.takeDue(this.staged, staged, MAX_ROWS - staged, false);
    this.sendStaged(staged);
  }

  /** Called once a turn, after transmit: a frame that nothing overtakes any more leaves. */
  private sendDue(): void {
    this.sendStaged(this.outgoing.takeDue(this.staged, 0, MAX_ROWS, true));
  }

  private sendStaged(count: number): void {
    if (count > 0) this.inner.transmit(this.staged, this.stagedFrames, count, this.stagedResult);
    this.outgoing.release();
  }
}
