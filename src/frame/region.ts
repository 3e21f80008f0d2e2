// The region: all octets that the data plane touches, one ArrayBuffer, three views over it made once.
//
//   0            receive areas, one a port (rings mapped by the addon, or blocks of a capture file)
//   smallStart   small slots, SMALL_SLOT octets each: frames that we make, hold or rebuild
//   largeStart   large slots, LARGE_SLOT octets each: super-frames and merged datagrams
//   storeStart   pages of the stream store (stream/store.ts)
//
// Never a Buffer, never a SharedArrayBuffer, never a subarray on the path: a second kind of view makes every accessor
// polymorphic (4 ns a header against 16).  The operating system gives pages on first touch, so size costs nothing
// until it is used.

export const SMALL_SLOT = 2048;
/** 64 KiB of datagram, Ethernet and tags, headroom. */
export const LARGE_SLOT = 69_632;
/**
 * Octets kept free in front of a frame in a slot: virtio-net header (10), two tags (8) and room to grow.
 * A multiple of 16, so that a 14-octet Ethernet header leaves the IP header on an even offset.
 */
export const HEADROOM = 128;
export const STORE_PAGE = 4096;

export interface RegionShape {
  /** Octets of each port's receive area; multiples of 4096. */
  readonly portOctets: readonly number[];
  readonly smallSlots: number;
  readonly largeSlots: number;
  /** Pages of STORE_PAGE octets. */
  readonly storePages: number;
}

/** What `run` and `replay` use: 4,096 frames held or made at a time; the store is as large as the configuration says at the start. */
export const DEFAULT_SHAPE = { smallSlots: 4096, largeSlots: 64 } as const;
/** Offsets in the region are int32: a store of 1 GiB leaves as much for the ports. */
const MOST_STORE_PAGES = 262_144;

/** Pages of a store of `octets` octets, at most 1 GiB. */
export function storePagesFor(octets: number): number {
  return Math.min(Math.ceil(octets / STORE_PAGE), MOST_STORE_PAGES);
}

export class Region {
  readonly u8: Uint8Array;
  readonly view: DataView;
  /** Native-endian words, for long sums only. */
  readonly u16: Uint16Array;
  readonly portStart: readonly number[];
  readonly smallStart: number;
  readonly largeStart: number;
  readonly storeStart: number;
  readonly shape: RegionShape;

  /** `buffer` has at least regionOctets(shape) octets and belongs to this region alone. */
  constructor(buffer: ArrayBuffer, shape: RegionShape) {
    if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) throw new Error('Postern needs a little-endian machine');
    const starts: number[] = [];
    let at = 0;
    for (const octets of shape.portOctets) {
      starts.push(at);
      at += octets;
    }
    this.shape = shape;
    this.portStart = starts;
    this.smallStart = at;
    this.largeStart = at + shape.smallSlots * SMALL_SLOT;
    this.storeStart = this.largeStart + shape.largeSlots * LARGE_SLOT;
    if (buffer.byteLength < regionOctets(shape)) throw new RangeError('region smaller than its shape');
    this.u8 = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.u16 = new Uint16Array(buffer, 0, buffer.byteLength >> 1);
  }
}

export function regionOctets(shape: RegionShape): number {
  const ports = shape.portOctets.reduce((sum, n) => sum + n, 0);
  return ports + shape.smallSlots * SMALL_SLOT + shape.largeSlots * LARGE_SLOT + shape.storePages * STORE_PAGE;
}
