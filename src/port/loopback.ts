// The loopback port of the tests: frames are pushed in by the test, and what is transmitted is collected.
//
// It allocates for every frame that leaves, on purpose: it is for looking at results, not for speed.

import type { Region } from '../frame/region.ts';
import { type Port, type PortDescription, type ReceiveColumns, TX_LINK_DOWN, TX_OK, TX_TOO_BIG } from './port.ts';
import { HEADER_LENGTH, TAG_LENGTH } from '../wire/ethernet.ts';

const ROOM = 64;

/** One frame that left. */
export interface CollectedFrame {
  readonly octets: Uint8Array;
  readonly sec: number;
  readonly nsec: number;
  readonly flags: number;
  readonly gsoSize: number;
}

interface PushedFrame {
  readonly octets: Uint8Array;
  readonly sec: number;
  readonly nsec: number;
  readonly flags: number;
  readonly gsoSize: number;
}

export class LoopbackPort implements Port {
  readonly description: PortDescription;
  /** What was transmitted, in order; the test empties it. */
  sent: CollectedFrame[] = [];
  up = true;
  private readonly region: Region;
  private readonly start: number;
  private readonly end: number;
  private at: number;
  private waiting: PushedFrame[] = [];

  constructor(
    name: string,
    region: Region,
    start: number,
    octets: number,
    { mtu = 1500, offload = false, mac = null }: Partial<Pick<PortDescription, 'mtu' | 'offload' | 'mac'>> = {},
  ) {
    this.description = { name, device: 'loopback', mtu, offload, mac };
    this.region = region;
    this.start = start;
    this.end = start + octets;
    this.at = start;
  }

  /** The frame arrives at the next receive(). */
  push(octets: Uint8Array, sec = 0, nsec = 0, flags = 0, gsoSize = 0): void {
    this.waiting.push({ octets, sec, nsec, flags, gsoSize });
  }

  /** Frames that were pushed and not received. */
  get pending(): number {
    return this.waiting.length;
  }

  receive(columns: ReceiveColumns, first: number, max: number): number {
    let count = 0;
    while (count < max && this.waiting.length > 0 && this.fits(this.waiting[0]!)) this.put(columns, first + count++, this.waiting.shift()!);
    return count;
  }

  transmit(columns: ReceiveColumns, frames: Int32Array, count: number, result: Int32Array): void {
    const longest = this.description.mtu + HEADER_LENGTH + 2 * TAG_LENGTH;
    for (let i = 0; i < count; i++) {
      const f = frames[i]!;
      const gsoSize = columns.gsoSize[f]!;
      result[i] = !this.up ? TX_LINK_DOWN : columns.length[f]! > longest && gsoSize === 0 ? TX_TOO_BIG : TX_OK;
      if (result[i] !== TX_OK) continue;
      const from = columns.offset[f]!;
      const octets = this.region.u8.slice(from, from + columns.length[f]!);
      this.sent.push({ octets, sec: columns.sec[f]!, nsec: columns.nsec[f]!, flags: columns.flags[f]!, gsoSize });
    }
  }

  release(): void {
    this.at = this.start;
  }

  isUp(): boolean {
    return this.up;
  }

  close(): void {
    this.waiting = [];
  }

  private fits(frame: PushedFrame): boolean {
    return this.at + ROOM + frame.octets.length <= this.end;
  }

  private put(columns: ReceiveColumns, row: number, frame: PushedFrame): void {
    const offset = this.at + ROOM;
    this.region.u8.set(frame.octets, offset);
    columns.offset[row] = offset;
    columns.length[row] = frame.octets.length;
    columns.wireLength[row] = frame.octets.length;
    columns.sec[row] = frame.sec;
    columns.nsec[row] = frame.nsec;
    columns.flags[row] = frame.flags;
    columns.gsoSize[row] = frame.gsoSize;
    this.at = offset + frame.octets.length;
  }
}
