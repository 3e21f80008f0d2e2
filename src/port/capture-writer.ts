// Writer of captures: classic pcap, nanoseconds, little-endian, Ethernet.  Records are gathered and written 1 MiB at a time.
//
// A file that cannot be written on (a full disk) is remembered in `failure`; what follows is not written, and nothing throws.

import { closeSync, openSync, writeSync } from 'node:fs';
import { MAX_RECORD } from './capture-format.ts';
import { ETHERNET } from './link-types.ts';
import { FILE_HEADER, MAGIC_NANOSECONDS, RECORD_HEADER } from './pcap-file.ts';

const WRITE_BLOCK = 1 << 20;
/** Memory that a writer needs. */
export const WRITE_AREA = WRITE_BLOCK + MAX_RECORD + RECORD_HEADER;

export interface Octets {
  readonly u8: Uint8Array;
  readonly view: DataView;
}

/** Memory of its own for a writer (or a window) that has no region. */
export function privateMemory(octets: number = WRITE_AREA): Octets {
  const buffer = new ArrayBuffer(octets);
  return { u8: new Uint8Array(buffer), view: new DataView(buffer) };
}

export class CaptureWriter {
  failure: string | null = null;
  private readonly memory: Octets;
  private readonly start: number;
  private at: number;
  private file: number;

  /**
   * Creates or overwrites the file; throws what the system says when that fails.  Records are gathered in
   * [start, start + WRITE_AREA) of the memory.
   */
  constructor(path: string, memory: Octets, start: number, linkType: number = ETHERNET) {
    this.memory = memory;
    this.start = start;
    this.at = start;
    this.file = openSync(path, 'w');
    this.header(linkType);
  }

  /** Adds the `length` octets at `from` of the same memory (at most MAX_RECORD), stamped with seconds and nanoseconds. */
  add(sec: number, nsec: number, from: number, length: number, wireLength: number): void {
    this.record(sec, nsec, length, wireLength);
    this.memory.u8.copyWithin(this.at, from, from + length);
    this.advance(length);
  }

  /** The same for octets that stand elsewhere. */
  addFrom(sec: number, nsec: number, octets: Uint8Array, wireLength: number): void {
    this.record(sec, nsec, octets.length, wireLength);
    this.memory.u8.set(octets, this.at);
    this.advance(octets.length);
  }

  /** Writes what was gathered. */
  flush(): void {
    try {
      while (this.failure === null && this.start < this.at) this.writeOnce();
    } catch (error) {
      this.failure = (error as Error).message;
    }
    this.at = this.start;
  }

  close(): void {
    if (this.file < 0) return;
    this.flush();
    closeSync(this.file);
    this.file = -1;
  }

  private header(linkType: number): void {
    const { view } = this.memory;
    view.setUint32(this.at, MAGIC_NANOSECONDS, true);
    view.setUint16(this.at + 4, 2, true);
    view.setUint16(this.at + 6, 4, true);
    view.setUint32(this.at + 8, 0, true);
    view.setUint32(this.at + 12, 0, true);
    view.setUint32(this.at + 16, MAX_RECORD, true);
    view.setUint32(this.at + 20, linkType, true);
    this.at += FILE_HEADER;
  }

  private record(sec: number, nsec: number, length: number, wireLength: number): void {
    const { view } = this.memory;
    const { at } = this;
    view.setUint32(at, sec, true);
    view.setUint32(at + 4, nsec, true);
    view.setUint32(at + 8, length, true);
    view.setUint32(at + 12, wireLength, true);
    this.at = at + RECORD_HEADER;
  }

  private advance(octets: number): void {
    this.at += octets;
    if (this.at - this.start >= WRITE_BLOCK) this.flush();
  }

  /** A pipe may take less than it is given. */
  private writeOnce(): void {
    const { u8 } = this.memory;
    const wrote = writeSync(this.file, u8, this.start, this.at - this.start);
    u8.copyWithin(this.start, this.start + wrote, this.at);
    this.at -= wrote;
  }
}
