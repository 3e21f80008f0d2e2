// A live interface through libpcap and the npm package `cap`: the portable port, for machines without our rings.
//
// Frames are pushed by events of the event loop, one at a time, into one Buffer; they are copied to the receive area and wait there
// for receive(), a batch at most.  What leaves goes through the same session, whose socket does not see what it sent itself; the
// filter `inbound` keeps out what anybody else sends on the interface.  It costs the first frame after opening: libpcap runs a new
// filter over the oldest place of its ring itself, where the direction is not known.
// Lower than the rings (native-bindings/README.md has the figures): partial checksums and super-frames of the other end
// arrive unmarked and count as wrong checksums and too long frames; stamps are of the batch; lost frames are not counted; no
// frame is longer than 65,535 octets; an interface that is set down or deleted ends the process by an assertion of the package.
// Left out: super-frames on transmit (the path segments for us), link events (the link is looked at when refresh() is called).

import { readFileSync } from 'node:fs';
import { type CapModule, type CapSession } from '../../native-bindings/cap.ts';
import { BATCH, GSO, PARTIAL_CHECKSUM } from '../frame/frames.ts';
import type { Region } from '../frame/region.ts';
import { HEADER_LENGTH } from '../wire/ethernet.ts';
import { type Port, type PortDescription, type ReceiveColumns, TX_ERROR, TX_LINK_DOWN, TX_NO_BUFFER, TX_OK, TX_TOO_BIG } from './port.ts';
import { completeChecksum } from './vnet-header.ts';

/** Octets in front of each frame; a multiple of 16, so that the IP header has an even offset. */
const ROOM = 64;
const LONGEST_FRAME = 65_536;
/** Octets of the kernel's buffer: about a thousand frames, because each takes the room of the longest. */
const RING_OCTETS = 64 * 1024 * 1024;

/** Octets of a port's receive area in the region: a batch of the longest frames. */
export const LIBPCAP_AREA = BATCH * (LONGEST_FRAME + 1024);

/**
 * Every session for as long as the process lives: after close() its poll handle stays on the list of the event loop, and freeing the
 * object would leave a dangling pointer there.
 */
const opened: CapSession[] = [];

export interface LibpcapOptions {
  /** Name in the configuration. */
  readonly name: string;
  /** Interface of this network namespace. */
  readonly device: string;
  /** Called within the event when frames begin to wait (false), and when a batch is full (true): no more is taken until release(). */
  readonly onFrames: (isFull: boolean) => void;
}

/** What an errno says, of which `cap` has kept the text only. */
function fromText(text: string): number {
  if (/too long/i.test(text)) return TX_TOO_BIG;
  if (/buffer space|temporarily/i.test(text)) return TX_NO_BUFFER;
  return /is down|no such device/i.test(text) ? TX_LINK_DOWN : TX_ERROR;
}

/** A file of the interface in sysfs, '' where there is none. */
function readAttribute(device: string, name: string): string {
  try {
    return readFileSync(`/sys/class/net/${device}/${name}`, 'utf8').trim();
  } catch {
    return '';
  }
}

function parseMac(text: string): readonly [number, number] | null {
  const digits = text.replaceAll(':', '');
  return digits.length === 12 ? [Number.parseInt(digits.slice(0, 4), 16), Number.parseInt(digits.slice(4), 16) | 0] : null;
}

export class LibpcapPort implements Port {
  readonly description: PortDescription;
  private readonly region: Region;
  private readonly start: number;
  private readonly session: CapSession;
  /** `cap` writes each frame here and holds the address only: it must live as long as the session. */
  private readonly buffer = Buffer.alloc(LONGEST_FRAME);
  private readonly onFrames: (isFull: boolean) => void;
  // Frames that wait, by order of arrival.
  private readonly offsets = new Int32Array(BATCH);
  private readonly lengths = new Int32Array(BATCH);
  private waiting = 0;
  /** Of those, handed out and not yet released. */
  private taken = 0;
  private at: number;
  private up = true;
  private lost = 0;

  /** Throws with libpcap's message when the interface cannot be opened. */
  constructor(cap: CapModule, region: Region, start: number, options: LibpcapOptions) {
    const { name, device } = options;
    const mtu = Number(readAttribute(device, 'mtu')) || 1500;
    this.description = { name, device, mtu, offload: false, mac: parseMac(readAttribute(device, 'address')) };
    this.region = region;
    this.start = start;
    this.at = start;
    this.onFrames = options.onFrames;
    this.session = new cap.Cap();
    opened.push(this.session);
    this.session.on('packet', (length) => this.push(length));
    const linkType = this.session.open(device, 'inbound', RING_OCTETS, this.buffer);
    if (linkType !== 'ETHERNET') {
      this.session.close();
      throw new Error(`${device}: libpcap calls its link type ${linkType}, ETHERNET is wanted`);
    }
    this.refresh();
  }

  receive(columns: ReceiveColumns, first: number, max: number): number {
    const count = Math.min(max, this.waiting - this.taken);
    if (count === 0) return 0;
    const wall = Date.now();
    for (let i = 0; i < count; i++) {
      const row = this.taken + i;
      const f = first + i;
      columns.offset[f] = this.offsets[row]!;
      columns.length[f] = this.lengths[row]!;
      columns.wireLength[f] = this.lengths[row]!;
      columns.sec[f] = Math.floor(wall / 1000);
      columns.nsec[f] = (wall % 1000) * 1_000_000;
    }
    this.taken += count;
    return count;
  }

  transmit(columns: ReceiveColumns, frames: Int32Array, count: number, result: Int32Array): void {
    for (let i = 0; i < count; i++) result[i] = this.send(columns, frames[i]!);
  }

  release(): void {
    if (this.taken < this.waiting) return;
    this.waiting = 0;
    this.taken = 0;
    this.at = this.start;
  }

  isUp(): boolean {
    return this.up;
  }

  /** Frames that found a full batch which nobody took; libpcap's own losses are unknown. */
  get overrun(): number {
    return this.lost;
  }

  /** Looks at the link; once a second is enough.  Where the system does not say, it is up. */
  refresh(): void {
    const state = readAttribute(this.description.device, 'operstate');
    this.up = state === '' || state === 'up' || state === 'unknown';
  }

  close(): void {
    this.session.close();
  }

  /** A frame of `length` octets is in the Buffer. */
  private push(length: number): void {
    if (this.waiting === BATCH) {
      this.lost++;
      return;
    }
    const offset = this.at + ROOM;
    this.region.u8.set(this.buffer.subarray(0, length), offset);
    this.offsets[this.waiting] = offset;
    this.lengths[this.waiting] = length;
    this.waiting++;
    this.at = (offset + length + 15) & ~15;
    if (this.waiting === BATCH) this.onFrames(true);
    else if (this.waiting === 1) this.onFrames(false);
  }

  private send(columns: ReceiveColumns, f: number): number {
    const offset = columns.offset[f]!;
    const length = columns.length[f]!;
    const flags = columns.flags[f]!;
    if (offset < 0 || length < HEADER_LENGTH || offset > this.region.u8.length - length) return TX_ERROR;
    if ((flags & GSO) !== 0) return TX_TOO_BIG;
    if ((flags & PARTIAL_CHECKSUM) !== 0 && !completeChecksum(this.region, offset, length)) return TX_ERROR;
    try {
      this.session.send(Buffer.from(this.region.u8.buffer as ArrayBuffer, offset, length), length);
      return TX_OK;
    } catch (error) {
      return fromText((error as Error).message);
    }
  }
}
