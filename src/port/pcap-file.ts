// Reader of the classic pcap format (draft-ietf-opsawg-pcap): both byte orders, micro- and nanoseconds.
//
// Refused: the "modified" formats of Kuznetzov and Navtel and their likes, whose record headers are longer, and versions
// other than 2 (a minor version above 4 is read as 4).  Octets beyond the file's own snap length are kept, where libpcap cuts them off.

import { CaptureFormatError, DAMAGED, END, type FileWindow, MAX_RECORD, PINNED, RECORD, type RecordReader } from './capture-format.ts';

export const FILE_HEADER = 24;
export const RECORD_HEADER = 16;
export const MAGIC_MICROSECONDS = 0xa1b2c3d4;
export const MAGIC_NANOSECONDS = 0xa1b23c4d;
const MAGIC_MODIFIED = [0xa1b2cd34, 0xa12b3c4d, 0xa1b234cd, 0xa1e2cb12];
/** The upper bits of the link type field say whether a frame check sequence follows each frame. */
const LINK_TYPE_MASK = 0x03ffffff;

/** The magic number as it reads in the file's own byte order, and that order; null when it is none of this format. */
function byteOrder(view: DataView, at: number): { magic: number; littleEndian: boolean } | null {
  for (const littleEndian of [true, false]) {
    const magic = view.getUint32(at, littleEndian);
    if (magic === MAGIC_MICROSECONDS || magic === MAGIC_NANOSECONDS || MAGIC_MODIFIED.includes(magic)) return { magic, littleEndian };
  }
  return null;
}

/** True when the four octets at `at` begin a classic pcap file, also one of a kind that is refused. */
export function isPcap(view: DataView, at: number): boolean {
  return byteOrder(view, at) !== null;
}

export class PcapFile implements RecordReader {
  at = 0;
  length = 0;
  wireLength = 0;
  sec = 0;
  nsec = 0;
  readonly linkType: number;
  damage = '';
  private readonly window: FileWindow;
  private readonly littleEndian: boolean;
  /** Nanoseconds of one unit of the second time field. */
  private readonly unit: number;
  private readonly minor: number;

  /** The window stands at the first octet of the file; throws a CaptureFormatError. */
  constructor(window: FileWindow) {
    if (!window.need(FILE_HEADER)) throw new CaptureFormatError(window.failure ?? 'the file ends within its header');
    const { view, at } = window;
    const order = byteOrder(view, at);
    if (order === null) throw new CaptureFormatError('not a pcap file');
    const { magic, littleEndian } = order;
    if (MAGIC_MODIFIED.includes(magic)) throw new CaptureFormatError('modified pcap formats are not supported');
    const major = view.getUint16(at + 4, littleEndian);
    this.minor = view.getUint16(at + 6, littleEndian);
    if (major !== 2) throw new CaptureFormatError(`pcap version ${major}.${this.minor} is not supported`);
    this.window = window;
    this.littleEndian = littleEndian;
    this.unit = magic === MAGIC_NANOSECONDS ? 1 : 1000;
    this.linkType = view.getUint32(at + 20, littleEndian) & LINK_TYPE_MASK;
    window.at += FILE_HEADER;
  }

  next(): number {
    const { window } = this;
    if (!window.need(RECORD_HEADER)) return this.missing('header');
    const { view, at } = window;
    const length = view.getUint32(at + 8, this.littleEndian);
    if (length > MAX_RECORD) {
      this.damage = `a record of ${length} octets`;
      return DAMAGED;
    }
    if (!window.need(RECORD_HEADER + length)) return this.missing('data');
    this.take(view, window.at, length);
    window.at += RECORD_HEADER + length;
    return RECORD;
  }

  private take(view: DataView, at: number, length: number): void {
    const wire = view.getUint32(at + 12, this.littleEndian);
    // Version 2.0 to 2.2 wrote the two lengths the other way round, and 2.3 sometimes.
    const swapped = this.minor < 3 || (this.minor === 3 && length > wire);
    this.sec = view.getUint32(at, this.littleEndian);
    this.nsec = view.getUint32(at + 4, this.littleEndian) * this.unit;
    if (this.nsec >= 1e9) this.carry();
    this.at = at + RECORD_HEADER;
    this.length = swapped ? Math.min(wire, length) : length;
    this.wireLength = Math.max(wire, length);
  }

  /** A broken writer's fraction of more than a second. */
  private carry(): void {
    this.sec += Math.floor(this.nsec / 1e9);
    this.nsec %= 1e9;
  }

  /** More than the window holds was needed. */
  private missing(what: string): number {
    const { window } = this;
    if (!window.atEnd) return PINNED;
    if (window.available === 0 && window.failure === null) return END;
    this.damage = window.failure ?? `the file ends within the ${what} of a record`;
    return DAMAGED;
  }
}
