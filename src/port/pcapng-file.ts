// Reader of the pcapng format (draft-ietf-opsawg-pcapng): sections in either byte order, several interfaces of different
// link types, enhanced, simple and obsolete packet blocks, the options if_tsresol and if_tsoffset.
//
// Passed over: name resolution, statistics, decryption secrets, custom blocks and all other options.
// A simple packet block has no time stamp: its frame has the time 0, as in libpcap.

import { CaptureFormatError, DAMAGED, END, type FileWindow, MAX_RECORD, PINNED, RECORD, type RecordReader } from './capture-format.ts';

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const OBSOLETE_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Type, total length, and the total length again at the end. */
const BLOCK_OVERHEAD = 12;

const OPTION_END = 0;
const OPTION_TIME_RESOLUTION = 9;
const OPTION_TIME_OFFSET = 14;

/** One that the section described. */
interface CaptureInterface {
  readonly linkType: number;
  readonly snapLength: number;
  /** Units of the time stamp in a second, at most 10^9 or 2^30; above (0 here) `exponent` and `base` say. */
  unitsPerSecond: number;
  base: number;
  exponent: number;
  offsetSeconds: number;
}

/** True when the four octets at `at` begin a section. */
export function isPcapng(view: DataView, at: number): boolean {
  return view.getUint32(at) === SECTION_HEADER;
}

export class PcapngFile implements RecordReader {
  at = 0;
  length = 0;
  wireLength = 0;
  sec = 0;
  nsec = 0;
  linkType = 0;
  damage = '';
  private readonly window: FileWindow;
  private littleEndian = true;
  private interfaces: CaptureInterface[] = [];

  /** The window stands at the first octet of the file; throws a CaptureFormatError. */
  constructor(window: FileWindow) {
    this.window = window;
    if (!window.need(28)) throw new CaptureFormatError(window.failure ?? 'the file ends within its section header');
    if (!this.startSection(window.at)) throw new CaptureFormatError(this.damage);
  }

  next(): number {
    const { window } = this;
    for (;;) {
      if (!window.need(BLOCK_OVERHEAD)) return this.missing();
      if (!this.readByteOrder(window.at)) return DAMAGED;
      const type = window.view.getUint32(window.at, this.littleEndian);
      const total = window.view.getUint32(window.at + 4, this.littleEndian);
      if (total < BLOCK_OVERHEAD || (total & 3) !== 0) return this.damaged(`a block of ${total} octets`);
      const answer = isKnown(type) ? this.takeBlock(type, total) : this.passOver(total);
      if (answer !== -1) return answer;
    }
  }

  /** A block that is looked at, and so has to be in the window; -1: go on with the next. */
  private takeBlock(type: number, total: number): number {
    const { window } = this;
    if (total > window.capacity) return this.damaged(`a block of ${total} octets`);
    if (!window.need(total)) return this.missing();
    const { at } = window;
    const end = at + total - 4;
    if (window.view.getUint32(end, this.littleEndian) !== total) return this.damaged('a block whose two lengths differ');
    window.at += total;
    if (type === SECTION_HEADER) return this.startSection(at) ? -1 : DAMAGED;
    if (type === INTERFACE_DESCRIPTION) return this.describeInterface(at, end) ? -1 : DAMAGED;
    return this.takePacket(type, at, end);
  }

  private passOver(total: number): number {
    const { window } = this;
    if (window.available < total && window.pinned) return PINNED;
    return window.skip(total) ? -1 : this.damaged(window.failure ?? 'the file ends within a block');
  }

  /** The byte order of a section stands in its header and holds up to the next. */
  private readByteOrder(at: number): boolean {
    const { view } = this.window;
    if (view.getUint32(at) !== SECTION_HEADER) return true;
    this.littleEndian = view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC;
    if (this.littleEndian || view.getUint32(at + 8, false) === BYTE_ORDER_MAGIC) return true;
    this.damage = 'a section header without its byte order';
    return false;
  }

  private startSection(at: number): boolean {
    if (!this.readByteOrder(at)) return false;
    const { view } = this.window;
    if (view.getUint32(at + 4, this.littleEndian) < 28) {
      this.damage = 'a section header that is too short';
      return false;
    }
    const major = view.getUint16(at + 12, this.littleEndian);
    if (major !== 1) {
      this.damage = `pcapng version ${major}.${view.getUint16(at + 14, this.littleEndian)} is not supported`;
      return false;
    }
    this.interfaces = [];
    return true;
  }

  private describeInterface(at: number, end: number): boolean {
    const { view } = this.window;
    if (end < at + 16) {
      this.damage = 'an interface description that is too short';
      return false;
    }
    const described: CaptureInterface = {
      linkType: view.getUint16(at + 8, this.littleEndian),
      snapLength: view.getUint32(at + 12, this.littleEndian),
      unitsPerSecond: 1e6,
      base: 10,
      exponent: 6,
      offsetSeconds: 0,
    };
    this.readOptions(at + 16, end, described);
    this.interfaces.push(described);
    return true;
  }

  private readOptions(from: number, end: number, into: CaptureInterface): void {
    const { view } = this.window;
    for (let at = from; at + 4 <= end; ) {
      const code = view.getUint16(at, this.littleEndian);
      const length = view.getUint16(at + 2, this.littleEndian);
      if (code === OPTION_END || at + 4 + length > end) return;
      if (code === OPTION_TIME_RESOLUTION && length >= 1) setResolution(into, view.getUint8(at + 4));
      if (code === OPTION_TIME_OFFSET && length >= 8) into.offsetSeconds = Number(view.getBigInt64(at + 4, this.littleEndian));
      at += 4 + ((length + 3) & ~3);
    }
  }

  private takePacket(type: number, at: number, end: number): number {
    const { view } = this.window;
    const header = type === SIMPLE_PACKET ? 12 : 28;
    if (end < at + header) return this.damaged('a packet block that is too short');
    const index =
      type === SIMPLE_PACKET
        ? 0
        : type === ENHANCED_PACKET
          ? view.getUint32(at + 8, this.littleEndian)
          : view.getUint16(at + 8, this.littleEndian);
    const from = this.interfaces[index];
    if (from === undefined) return this.damaged(`a packet of interface ${index}, which is not described`);
    this.linkType = from.linkType;
    this.at = at + header;
    if (type === SIMPLE_PACKET) this.takeSimple(at, from);
    else this.takeFull(at, from);
    if (this.length > MAX_RECORD || this.at + this.length > end) return this.damaged(`a record of ${this.length} octets`);
    return RECORD;
  }

  private takeSimple(at: number, from: CaptureInterface): void {
    const wire = this.window.view.getUint32(at + 8, this.littleEndian);
    this.wireLength = wire;
    this.length = from.snapLength === 0 ? wire : Math.min(wire, from.snapLength);
    this.sec = 0;
    this.nsec = 0;
  }

  /** Enhanced and obsolete packet blocks agree from the time stamp on. */
  private takeFull(at: number, from: CaptureInterface): void {
    const { view } = this.window;
    this.length = view.getUint32(at + 20, this.littleEndian);
    this.wireLength = Math.max(this.length, view.getUint32(at + 24, this.littleEndian));
    this.setTime(view.getUint32(at + 12, this.littleEndian), view.getUint32(at + 16, this.littleEndian), from);
  }

  /** The 64-bit count of units, divided in halves of 16 bits: a double holds 53. */
  private setTime(high: number, low: number, from: CaptureInterface): void {
    const units = from.unitsPerSecond;
    if (units === 0) {
      this.setRareTime(high, low, from);
      return;
    }
    const first = (high % units) * 0x10000 + (low >>> 16);
    const second = (first % units) * 0x10000 + (low & 0xffff);
    const sec = Math.floor(high / units) * 0x1_0000_0000 + Math.floor(first / units) * 0x10000 + Math.floor(second / units);
    this.sec = sec + from.offsetSeconds;
    this.nsec = Math.floor(((second % units) * 1e9) / units);
  }

  /** Finer than a nanosecond: no capture tool writes it, so it may cost a few objects. */
  private setRareTime(high: number, low: number, from: CaptureInterface): void {
    const units = BigInt(from.base) ** BigInt(from.exponent);
    const time = (BigInt(high) << 32n) | BigInt(low);
    this.sec = Number(time / units) + from.offsetSeconds;
    this.nsec = Number(((time % units) * 1_000_000_000n) / units);
  }

  private missing(): number {
    const { window } = this;
    if (!window.atEnd) return PINNED;
    if (window.available === 0 && window.failure === null) return END;
    return this.damaged(window.failure ?? 'the file ends within a block');
  }

  private damaged(text: string): number {
    this.damage = text;
    return DAMAGED;
  }
}

function isKnown(type: number): boolean {
  return (
    type === ENHANCED_PACKET ||
    type === SIMPLE_PACKET ||
    type === OBSOLETE_PACKET ||
    type === INTERFACE_DESCRIPTION ||
    type === SECTION_HEADER
  );
}

/** if_tsresol: the high bit chooses powers of two over powers of ten. */
function setResolution(into: CaptureInterface, value: number): void {
  into.base = (value & 0x80) === 0 ? 10 : 2;
  into.exponent = value & 0x7f;
  const coarse = into.base === 10 ? into.exponent <= 9 : into.exponent <= 30;
  into.unitsPerSecond = coarse ? into.base ** into.exponent : 0;
}
