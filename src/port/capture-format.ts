// What the readers of capture files share: the errors, the window over the file, and what a reader answers.
//
// A file is read front to back in large blocks, straight into the receive area of a port, and never seeked, so that a
// pipe does as well.  Frames are handed out where they lie; while any is in use the window must not move (`pinned`), and a
// reader that has no room for more says so and is asked again after the release.

import { readSync } from 'node:fs';

/** Octets asked of the system at a time: beyond 1 MiB a read costs no less an octet. */
export const READ_BLOCK = 1 << 20;
/** The longest record that a capture may hold, as in libpcap (MAXIMUM_SNAPLEN); a longer one means a damaged file. */
export const MAX_RECORD = 262_144;
/** Behind frames in use so much is read at least: the release makes room for a whole block. */
const SMALL_READ = 65_536;
/** Kept free in front of what is read first: room for an Ethernet header that has to be made up. */
const ROOM = 32;
/** Receive area that a reader needs: a whole record beside a block. */
export const READ_AREA = READ_BLOCK + 2 * MAX_RECORD;

/** Not a capture, or one of a kind that is not supported: nothing of it can be used. */
export class CaptureFormatError extends Error {}

// Answers of RecordReader.next().
/** The fields of the reader describe the next record. */
export const RECORD = 0;
/** The file ended where a record ends. */
export const END = 1;
/** More of the file is needed, but frames in use pin the window. */
export const PINNED = 2;
/** The file is damaged from here; `damage` says how. */
export const DAMAGED = 3;

export interface RecordReader {
  /** Place of the record's octets in the region, and how many there are. */
  readonly at: number;
  readonly length: number;
  /** Octets on the wire; above `length` when the capture cut the record. */
  readonly wireLength: number;
  /** Seconds since 1970, a whole number that may exceed 32 bits, and nanoseconds. */
  readonly sec: number;
  readonly nsec: number;
  /** LINKTYPE_ number. */
  readonly linkType: number;
  /** What is wrong, after DAMAGED. */
  readonly damage: string;
  /** RECORD, END, PINNED or DAMAGED.  Never throws. */
  next(): number;
}

/** Octets [at, end) of the region are the next ones of the file. */
export class FileWindow {
  readonly view: DataView;
  readonly u8: Uint8Array;
  at: number;
  end: number;
  /** Frames inside the window are in use: it must stay where it is. */
  pinned = false;
  /** Octets taken from the file so far, for progress. */
  octetsRead = 0;
  /** What the system said when the file could not be read on; null while all is well. */
  failure: string | null = null;
  /** Nothing is left to read. */
  atEnd = false;
  private readonly start: number;
  private readonly limit: number;
  private readonly file: number;

  /** `file` is an open descriptor; the window may use [start, start + octets) of the memory, READ_AREA at least. */
  constructor(memory: { readonly u8: Uint8Array; readonly view: DataView }, start: number, octets: number, file: number) {
    if (octets < READ_AREA) throw new RangeError('receive area smaller than READ_AREA');
    this.u8 = memory.u8;
    this.view = memory.view;
    this.start = start;
    this.limit = start + octets;
    this.file = file;
    this.at = start + ROOM;
    this.end = this.at;
  }

  /** Most octets that need() can be asked for. */
  get capacity(): number {
    return this.limit - this.start - ROOM;
  }

  /** Octets present. */
  get available(): number {
    return this.end - this.at;
  }

  /**
   * True when `octets` octets stand at `at`, after reading on where that is needed.  False: the file ends before them or
   * cannot be read on (`atEnd`, `failure`), or frames in use leave no room for them (`pinned`).
   */
  need(octets: number): boolean {
    if (this.end - this.at >= octets) return true;
    if (!this.pinned) this.moveToFront();
    const least = this.pinned ? SMALL_READ : 1;
    while (this.end - this.at < octets && !this.atEnd && this.limit - this.end >= least) this.read();
    return this.end - this.at >= octets;
  }

  /** Passes over up to `octets` octets, which need not fit; false when the file ends before.  Not while pinned. */
  skip(octets: number): boolean {
    let rest = octets;
    while (rest > this.available) {
      rest -= this.available;
      this.at = this.end;
      if (!this.need(1)) return false;
    }
    this.at += rest;
    return true;
  }

  private moveToFront(): void {
    const to = this.start + ROOM;
    this.u8.copyWithin(to, this.at, this.end);
    this.end -= this.at - to;
    this.at = to;
  }

  private read(): void {
    try {
      const got = readSync(this.file, this.u8, this.end, Math.min(READ_BLOCK, this.limit - this.end), null);
      this.end += got;
      this.octetsRead += got;
      this.atEnd = got === 0;
    } catch (error) {
      this.failure = (error as Error).message;
      this.atEnd = true;
    }
  }
}
