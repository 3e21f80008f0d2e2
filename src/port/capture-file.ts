// The capture port: frames come out of a capture and go into another, or are only counted.
//
// The receive area holds the window over the file that is read, and behind it the memory of the writer.  Ethernet frames
// are handed out where the file put them: a record header of 16 octets (pcap) or 28 (pcapng) is the room in front of them.
// Not here: the order among several captures (capture-merge.ts).

import { closeSync, openSync } from 'node:fs';
import type { Region } from '../frame/region.ts';
import { TRUNCATED } from '../frame/frames.ts';
import { HEADER_LENGTH } from '../wire/ethernet.ts';
import {
  CaptureFormatError,
  DAMAGED,
  END,
  FileWindow,
  MAX_RECORD,
  PINNED,
  READ_AREA,
  RECORD,
  type RecordReader,
} from './capture-format.ts';
import { CaptureWriter, WRITE_AREA } from './capture-writer.ts';
import { ETHERNET, isSupported, linkHeaderLength, makeEthernet, unsupported } from './link-types.ts';
import { isPcap, PcapFile } from './pcap-file.ts';
import { isPcapng, PcapngFile } from './pcapng-file.ts';
import { type Port, type PortDescription, type ReceiveColumns, TX_OK, TX_TOO_BIG } from './port.ts';

/** Receive area of a capture port, a multiple of the page. */
export const CAPTURE_AREA = (READ_AREA + WRITE_AREA + 4095) & ~4095;
/** A file carries whatever it is given: the largest IP datagram. */
export const CAPTURE_MTU = 65_535;

// Answers of CaptureSource.look().
export const READY = 0;
/** Nothing more will come: the end, or `failure` says why not. */
export const FINISHED = 1;
/** The next frame can be looked at only after release(). */
export const BUSY = 2;

/** What merging needs of a capture: the time of its next frame, and the frame. */
export interface CaptureSource {
  /** Valid after READY. */
  readonly nextSec: number;
  readonly nextNsec: number;
  look(): number;
  /** Fills the row with the next frame; after READY only.  Returns the interface index that it came in by. */
  take(columns: ReceiveColumns, row: number): number;
}

/** Why reading stopped before the end of the file. */
export interface CaptureFailure {
  readonly message: string;
  /** The capture is of a kind that is not supported, rather than damaged. */
  readonly isFormat: boolean;
}

/** Opens the reader that fits the first octets of a file; throws a CaptureFormatError. */
export function openReader(window: FileWindow): RecordReader {
  if (!window.need(4)) throw new CaptureFormatError(window.failure ?? 'not a capture (shorter than any header)');
  if (isPcap(window.view, window.at)) {
    const reader = new PcapFile(window);
    if (!isSupported(reader.linkType)) throw new CaptureFormatError(unsupported(reader.linkType));
    return reader;
  }
  if (isPcapng(window.view, window.at)) return new PcapngFile(window);
  throw new CaptureFormatError('not a capture (neither pcap nor pcapng)');
}

export class CaptureFilePort implements Port, CaptureSource {
  readonly description: PortDescription;
  nextSec = 0;
  nextNsec = 0;
  /** Frames read so far; the one that `failure` speaks of is the next. */
  framesRead = 0;
  failure: CaptureFailure | null = null;
  private readonly window: FileWindow;
  private readonly reader: RecordReader;
  private readonly writer: CaptureWriter | null;
  private readonly index: number;
  private file: number;
  private state = BUSY;

  /**
   * Opens `input`, and creates `output` unless it is null.  `index` is the interface; the port uses CAPTURE_AREA octets from
   * `start`.  Throws a CaptureFormatError, or what the system says of a file.
   */
  constructor(name: string, index: number, input: string, output: string | null, region: Region, start: number) {
    this.description = { name, device: input, mtu: CAPTURE_MTU, offload: true, mac: null };
    this.index = index;
    this.file = openSync(input, 'r');
    this.window = new FileWindow(region, start, READ_AREA, this.file);
    try {
      this.reader = openReader(this.window);
      this.look();
      if (this.failure?.isFormat === true) throw new CaptureFormatError(this.failure.message);
      this.writer = output === null ? null : new CaptureWriter(output, region, start + READ_AREA);
    } catch (error) {
      closeSync(this.file);
      throw error;
    }
  }

  /** Octets of the file read so far. */
  get octetsRead(): number {
    return this.window.octetsRead;
  }

  /** Why the output could not be written, or null. */
  get writeFailure(): string | null {
    return this.writer?.failure ?? null;
  }

  look(): number {
    if (this.state !== BUSY) return this.state;
    const { reader } = this;
    const answer = reader.next();
    if (answer === PINNED) return BUSY;
    this.state = FINISHED;
    if (answer === DAMAGED) this.fail(reader.damage, false);
    if (answer === RECORD && !isSupported(reader.linkType)) this.fail(unsupported(reader.linkType), true);
    if (answer === END || this.failure !== null) return FINISHED;
    this.nextSec = reader.sec;
    this.nextNsec = reader.nsec;
    this.state = READY;
    return READY;
  }

  take(columns: ReceiveColumns, row: number): number {
    const { reader } = this;
    const header = linkHeaderLength(reader.linkType);
    if (reader.linkType === ETHERNET) place(columns, row, reader.at, reader.length, reader.wireLength);
    else if (reader.length < header) place(columns, row, reader.at, reader.length, reader.length + 1);
    else {
      const grown = HEADER_LENGTH - header;
      const at = makeEthernet(this.window.view, reader.linkType, reader.at, reader.length);
      place(columns, row, at, reader.length + grown, reader.wireLength + grown);
    }
    columns.sec[row] = reader.sec;
    columns.nsec[row] = reader.nsec;
    this.framesRead++;
    this.window.pinned = true;
    this.state = BUSY;
    return this.index;
  }

  receive(columns: ReceiveColumns, first: number, max: number): number {
    let count = 0;
    while (count < max && this.look() === READY) this.take(columns, first + count++);
    return count;
  }

  transmit(columns: ReceiveColumns, frames: Int32Array, count: number, result: Int32Array): void {
    for (let i = 0; i < count; i++) {
      const f = frames[i]!;
      const length = columns.length[f]!;
      result[i] = length > MAX_RECORD ? TX_TOO_BIG : TX_OK;
      if (this.writer === null || length > MAX_RECORD) continue;
      this.writer.add(columns.sec[f]!, columns.nsec[f]!, columns.offset[f]!, length, length);
    }
  }

  release(): void {
    this.window.pinned = false;
  }

  isUp(): boolean {
    return true;
  }

  /** Writes out what is left; `writeFailure` tells whether that succeeded. */
  close(): void {
    if (this.file < 0) return;
    closeSync(this.file);
    this.file = -1;
    this.writer?.close();
  }

  private fail(text: string, isFormat: boolean): void {
    this.failure = { message: isFormat ? text : `frame ${this.framesRead + 1}: ${text}`, isFormat };
  }
}

function place(columns: ReceiveColumns, row: number, at: number, length: number, wireLength: number): void {
  columns.offset[row] = at;
  columns.length[row] = length;
  columns.wireLength[row] = wireLength;
  if (length < wireLength) columns.flags[row]! |= TRUNCATED;
}
