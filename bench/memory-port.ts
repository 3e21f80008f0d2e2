// Ports and frames in memory: what benches read from and write to instead of a network.
//
// An image holds frames once, one after another in the receive area.  The path changes frames in place, so each turn works on a
// fresh copy of a stretch of the image, made outside of the timed part by one copyWithin; the copy is as warm in the cache as a
// frame is that the kernel has just put into a ring.  What is transmitted is counted and forgotten.

import type { Frames } from '../src/frame/frames.ts';
import type { Region } from '../src/frame/region.ts';
import { type Port, type PortDescription, type ReceiveColumns, TX_OK } from '../src/port/port.ts';
import { INSIDE, OUTSIDE } from './policy.ts';
import type { StoredWorkload } from './workloads.ts';

/** Frames of a stretch: 1 MiB of full segments stays in a second-level cache. */
export const STRETCH = 1024;
/** The IP header on a multiple of 16, as in a ring of TPACKET_V2, and room in front. */
const ALIGNMENT = 16;
const ROOM = 50;
const STAMP_SECOND = 1_700_000_000;

export class MemoryPort implements Port {
  readonly description: PortDescription;
  frames = 0;
  octets = 0;

  constructor(name: string) {
    this.description = { name, device: 'memory', mtu: 1500, offload: false, mac: null };
  }

  /** The image fills batches (fill). */
  receive(): number {
    return 0;
  }

  transmit(columns: ReceiveColumns, frames: Int32Array, count: number, result: Int32Array): void {
    let octets = 0;
    for (let i = 0; i < count; i++) {
      octets = (octets + columns.length[frames[i]!]!) | 0;
      result[i] = TX_OK;
    }
    this.octets = (this.octets + octets) | 0;
    this.frames = (this.frames + count) | 0;
  }

  release(): void {}

  isUp(): boolean {
    return true;
  }

  close(): void {}
}

/** Octets of receive area that an image of `workload` takes. */
export function imageOctets(workload: StoredWorkload): number {
  let octets = 0;
  for (let i = 0; i < workload.packets; i++) octets += span(workload.length[i]!);
  const largest = workload.length.reduce((a, b) => Math.max(a, b), 0);
  return Math.ceil((octets + STRETCH * span(largest)) / 4096) * 4096;
}

function span(length: number): number {
  return Math.ceil((ROOM + length) / ALIGNMENT) * ALIGNMENT;
}

export class FrameImage {
  readonly count: number;
  /** ms since the first frame. */
  readonly time: Int32Array;
  readonly length: Int32Array;
  readonly ingress: Uint8Array;
  private readonly u8: Uint8Array;
  /** Offset of a frame in the region. */
  private readonly place: Int32Array;
  /** Where fresh copies are made. */
  private readonly work: number;
  /** From a frame of the image to its fresh copy. */
  private shift = 0;

  /** Lays `workload` out from `start` of the region on. */
  constructor(region: Region, start: number, workload: StoredWorkload) {
    this.count = workload.packets;
    this.time = workload.time;
    this.length = workload.length;
    this.ingress = workload.inbound.map((inbound) => (inbound === 1 ? OUTSIDE : INSIDE));
    this.place = new Int32Array(this.count);
    this.u8 = region.u8;
    let at = start;
    for (let i = 0; i < this.count; i++) {
      const from = workload.offset[i]!;
      this.place[i] = at + ROOM;
      this.u8.set(workload.frames.subarray(from, from + this.length[i]!), at + ROOM);
      at += span(this.length[i]!);
    }
    this.work = at;
  }

  /** Makes fresh copies of frames [first, first + count), at most STRETCH. */
  restore(first: number, count: number): void {
    const last = first + count - 1;
    const from = this.place[first]! - ROOM;
    this.shift = this.work - from;
    this.u8.copyWithin(this.work, from, this.place[last]! + this.length[last]!);
  }

  /** Fills rows [0, count) with the fresh copies of frames [first, first + count), as a port and its engine do. */
  fill(frames: Frames, first: number, count: number): void {
    const { shift, place, length, ingress } = this;
    for (let row = 0; row < count; row++) {
      const i = first + row;
      frames.begin(row, ingress[i]!);
      frames.offset[row] = place[i]! + shift;
      frames.length[row] = length[i]!;
      frames.wireLength[row] = length[i]!;
      frames.sec[row] = STAMP_SECOND;
      frames.nsec[row] = i;
    }
  }
}

/** The frames of a workload that `wanted` accepts, in order. */
export function select(workload: StoredWorkload, wanted: (frame: number) => boolean): StoredWorkload {
  const chosen = Array.from({ length: workload.packets }, (_, i) => i).filter(wanted);
  return {
    ...workload,
    packets: chosen.length,
    offset: Float64Array.from(chosen, (i) => workload.offset[i]!),
    length: Int32Array.from(chosen, (i) => workload.length[i]!),
    inbound: Uint8Array.from(chosen, (i) => workload.inbound[i]!),
    time: Int32Array.from(chosen, (i) => workload.time[i]!),
  };
}
