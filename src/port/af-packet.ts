// A live interface: AF_PACKET sockets of the addon behind the port contract.
//
// PacketSockets is what one thread has of them: the region, the poll set.  AfPacketPort is one interface.  Frames are handed out
// where the kernel wrote them; what the kernel took off or left undone is put right here: the outer VLAN tag goes back into the
// frame, checksum and segmentation state of the virtio-net header become flags and gsoSize, and back again on transmit.
// Left out: segmentation of super-frames for a port that cannot carry them (refused as TX_TOO_BIG), fanout.

import { constants } from 'node:os';
import {
  LARGE_BUFFER,
  type PacketIo,
  type PacketIoModule,
  type ReceivedColumns,
  type SentColumns,
  SLOT_HEADROOM,
  STATE_CARRIER_LOST,
  STATE_COPIED,
  STATE_GARBLED,
  STATE_KERNEL_DROPS,
  STATE_REOPENED,
  STATE_RESYNCED,
  STATE_UP,
  STATES,
  STATUS_CHECKSUM_NOT_READY,
  STATUS_VLAN_VALID,
  TX_BATCH,
  VNET_HEADER,
  WAIT_READABLE,
} from '../../native-bindings/packet-io.ts';
import { BATCH, GSO, PARTIAL_CHECKSUM, TRUNCATED } from '../frame/frames.ts';
import type { Region } from '../frame/region.ts';
import { PORT_CARRIER_LOST, PORT_KERNEL_DROPS, PORT_RESETS } from '../telemetry/counters.ts';
import { HEADER_LENGTH, TAG_LENGTH } from '../wire/ethernet.ts';
import { type Port, type PortDescription, type ReceiveColumns, TX_ERROR, TX_LINK_DOWN, TX_NO_BUFFER, TX_OK, TX_TOO_BIG } from './port.ts';
import { putTagBack } from './vlan.ts';
import * as vnetHeader from './vnet-header.ts';

const SLOT = 2048;
const RING_OCTETS = 4096 * SLOT;
/** Super-frames of one batch; receive() ends early when all buffers are taken. */
const LARGE_BUFFERS = BATCH;
/** A larger slot leaves too few of them in the ring for a burst: longer frames are copied instead. */
const LARGEST_SLOT = 16_384;

/** Octets of a port's receive area in the region: 4,096 ring slots of 2 KiB and a batch of super-frames. */
export const AF_PACKET_AREA = RING_OCTETS + LARGE_BUFFERS * LARGE_BUFFER;

const { EAGAIN, EMSGSIZE, ENETDOWN, ENOBUFS, ENODEV, ENXIO } = constants.errno;

export interface AfPacketOptions {
  /** Name in the configuration. */
  readonly name: string;
  /** Interface of this network namespace. */
  readonly device: string;
  /** With virtio-net header: partial checksums and super-frames pass.  The same on all ports of a firewall. */
  readonly vnet: boolean;
  readonly bypassQdisc: boolean;
}

/** Smallest power of two that holds a frame of that MTU with a tag, or SLOT where that would be too much. */
function slotSize(mtu: number): number {
  for (let size = SLOT; size <= LARGEST_SLOT; size *= 2) if (mtu + HEADER_LENGTH + TAG_LENGTH + SLOT_HEADROOM <= size) return size;
  return SLOT;
}

function fromErrno(errno: number): number {
  if (errno === EMSGSIZE) return TX_TOO_BIG;
  if (errno === ENOBUFS || errno === EAGAIN) return TX_NO_BUFFER;
  return errno === ENETDOWN || errno === ENXIO || errno === ENODEV ? TX_LINK_DOWN : TX_ERROR;
}

function parseMac(text: string): readonly [number, number] | null {
  const digits = text.replaceAll(':', '');
  return digits.length === 12 ? [Number.parseInt(digits.slice(0, 4), 16), Number.parseInt(digits.slice(4), 16) | 0] : null;
}

/** All AF_PACKET ports of one thread.  Made, used and closed by that thread; only wakeHandle may go to others. */
export class PacketSockets {
  /** What the Region is made over. */
  readonly memory: ArrayBuffer;
  /** For wake() of the addon, from any thread. */
  readonly wakeHandle: number;
  readonly addon: PacketIoModule;
  readonly io: PacketIo;
  readonly sent: SentColumns;
  /** TP_STATUS_... and stripped tag of each received frame. */
  status: Int32Array;
  vlan: Int32Array;
  private columns: ReceiveColumns | null = null;

  /** `octets`: size of the region, regionOctets(shape).  Throws when memory cannot be reserved. */
  constructor(addon: PacketIoModule, octets: number) {
    this.addon = addon;
    this.io = new addon.PacketIo(octets);
    this.memory = this.io.memory;
    this.wakeHandle = this.io.wakeHandle();
    this.sent = { offset: new Int32Array(TX_BATCH), length: new Int32Array(TX_BATCH), result: new Int32Array(TX_BATCH) };
    this.status = new Int32Array(0);
    this.vlan = new Int32Array(0);
  }

  /**
   * A port over [start, start + octets) of the region; octets as AF_PACKET_AREA or a power of two of ring slots more.
   * Throws an error with an errno name as `code` (ENODEV, EPERM).
   */
  open(region: Region, start: number, octets: number, options: AfPacketOptions): AfPacketPort {
    return new AfPacketPort(this, region, start, octets, options);
  }

  /** Sleeps until frames wait (true), or until wake(), a link event, a signal, or `milliseconds`, at most 100 (false). */
  wait(milliseconds: number): boolean {
    return (this.io.wait(milliseconds) & WAIT_READABLE) !== 0;
  }

  close(): void {
    this.io.close();
  }

  /** The columns are the same object for life; the first call tells the addon. */
  use(columns: ReceiveColumns): void {
    if (columns === this.columns) return;
    this.columns = columns;
    this.status = new Int32Array(columns.offset.length);
    this.vlan = new Int32Array(columns.offset.length);
    const { offset, length, wireLength, sec, nsec } = columns;
    const received: ReceivedColumns = { offset, length, wireLength, sec, nsec, status: this.status, vlan: this.vlan };
    this.io.bind(received, this.sent);
  }
}

export class AfPacketPort implements Port {
  readonly description: PortDescription;
  private readonly sockets: PacketSockets;
  private readonly region: Region;
  private readonly number: number;
  private readonly vnet: boolean;
  /** Octets in front of the MAC header that go to the kernel with the frame. */
  private readonly before: number;
  /** STATE_... of the addon. */
  private readonly state = new Float64Array(STATES);
  /** Place in transmit's arguments of each row handed to the addon. */
  private readonly places = new Int32Array(TX_BATCH);
  private unreleased = 0;
  private muted = false;

  constructor(sockets: PacketSockets, region: Region, start: number, octets: number, options: AfPacketOptions) {
    const facts = sockets.addon.readInterface(options.device);
    const mtu = facts?.mtu ?? 0;
    const size = slotSize(mtu);
    const ring = 2 ** Math.floor(Math.log2(Math.max(octets - LARGE_BUFFERS * LARGE_BUFFER, 1)));
    this.sockets = sockets;
    this.region = region;
    this.vnet = options.vnet;
    this.before = options.vnet ? VNET_HEADER : 0;
    this.number = sockets.io.openPort({
      device: options.device,
      start,
      slotSize: size,
      slots: ring / size,
      largeBuffers: LARGE_BUFFERS,
      vnet: options.vnet,
      bypassQdisc: options.bypassQdisc,
      state: this.state,
    });
    this.description = { name: options.name, device: options.device, mtu, offload: options.vnet, mac: parseMac(facts?.mac ?? '') };
  }

  receive(columns: ReceiveColumns, first: number, max: number): number {
    const { sockets } = this;
    sockets.use(columns);
    const count = sockets.io.receive(this.number, first, max);
    this.unreleased += count;
    for (let f = first; f < first + count; f++) this.complete(columns, f);
    return count;
  }

  transmit(columns: ReceiveColumns, frames: Int32Array, count: number, result: Int32Array): void {
    for (let first = 0; first < count; first += TX_BATCH) {
      this.transmitSome(columns, frames, first, Math.min(count, first + TX_BATCH), result);
    }
  }

  release(): void {
    if (this.unreleased === 0) return;
    this.sockets.io.release(this.number, this.unreleased);
    this.unreleased = 0;
  }

  /** Muted, nothing is sent and all of it counts as sent: for a rehearsal, before anything was sent in earnest. */
  mute(on: boolean): void {
    this.muted = on;
  }

  isUp(): boolean {
    return this.state[STATE_UP] === 1;
  }

  close(): void {
    this.sockets.io.closePort(this.number);
  }

  /** Writes what the addon counted into the port's block of the counters, which starts at `block`. */
  writeCounters(counters: Float64Array, block: number): void {
    const { state } = this;
    counters[block + PORT_KERNEL_DROPS] = state[STATE_KERNEL_DROPS]!;
    counters[block + PORT_CARRIER_LOST] = state[STATE_CARRIER_LOST]!;
    counters[block + PORT_RESETS] = state[STATE_REOPENED]! + state[STATE_RESYNCED]!;
  }

  /** Frames longer than a slot, which were copied once; slots whose header was overwritten. */
  get copied(): number {
    return this.state[STATE_COPIED]!;
  }

  get garbled(): number {
    return this.state[STATE_GARBLED]!;
  }

  /** Turns what the kernel says beside frame `f` into flags and octets. */
  private complete(columns: ReceiveColumns, f: number): void {
    const { view } = this.region;
    const status = this.sockets.status[f]!;
    if (columns.length[f]! < columns.wireLength[f]!) columns.flags[f]! |= TRUNCATED;
    if (this.vnet) {
      const header = columns.offset[f]! - VNET_HEADER;
      const flags = vnetHeader.readFlags(view, header);
      columns.flags[f]! |= flags;
      if ((flags & GSO) !== 0) columns.gsoSize[f] = vnetHeader.readGsoSize(view, header);
    } else if ((status & STATUS_CHECKSUM_NOT_READY) !== 0) {
      columns.flags[f]! |= PARTIAL_CHECKSUM;
    }
    if ((status & STATUS_VLAN_VALID) !== 0) this.putTagBack(columns, f);
  }

  private putTagBack(columns: ReceiveColumns, f: number): void {
    const { u8, view } = this.region;
    const offset = putTagBack(u8, view, columns.offset[f]!, this.before, this.sockets.vlan[f]!);
    if (this.vnet) vnetHeader.shiftByTag(view, offset - VNET_HEADER);
    columns.offset[f] = offset;
    columns.length[f]! += TAG_LENGTH;
    columns.wireLength[f]! += TAG_LENGTH;
  }

  /** frames[first, to), at most TX_BATCH. */
  private transmitSome(columns: ReceiveColumns, frames: Int32Array, first: number, to: number, result: Int32Array): void {
    const { before, places } = this;
    const { io, sent } = this.sockets;
    let n = 0;
    for (let i = first; i < to; i++) {
      const f = frames[i]!;
      const verdict = !this.inRegion(columns, f) ? TX_ERROR : this.vnet ? this.writeHeader(columns, f) : this.finish(columns, f);
      result[i] = verdict;
      if (verdict !== TX_OK) continue;
      sent.offset[n] = columns.offset[f]! - before;
      sent.length[n] = columns.length[f]! + before;
      places[n++] = i;
    }
    if (n === 0) return;
    io.transmit(this.number, 0, this.muted ? 0 : n);
    for (let k = 0; k < n; k++) {
      const errno = sent.result[k]!;
      if (errno !== 0) result[places[k]!] = fromErrno(errno);
    }
  }

  /** The addon checks the same; here it keeps the DataView from throwing on a wrong offset. */
  private inRegion(columns: ReceiveColumns, f: number): boolean {
    const offset = columns.offset[f]!;
    const length = columns.length[f]!;
    return offset >= VNET_HEADER && length >= HEADER_LENGTH && offset <= this.region.u8.length - length;
  }

  /** With virtio-net header: TX_OK when the header in front of frame `f` says what is left to be done. */
  private writeHeader(columns: ReceiveColumns, f: number): number {
    const { view } = this.region;
    const offset = columns.offset[f]!;
    const header = offset - VNET_HEADER;
    const length = columns.length[f]!;
    const flags = columns.flags[f]! & (PARTIAL_CHECKSUM | GSO);
    if (flags === 0) {
      vnetHeader.clear(view, header);
      return TX_OK;
    }
    const gsoSize = columns.gsoSize[f]!;
    // The kernel would send segments longer than the MTU as they are, to be lost further on.
    if ((flags & GSO) !== 0 && vnetHeader.segmentLength(view, offset, length, gsoSize) > this.description.mtu) return TX_TOO_BIG;
    if (f < BATCH) vnetHeader.correct(view, header, flags, gsoSize, length);
    else if (!vnetHeader.build(view, header, offset, length, flags, gsoSize)) return TX_ERROR;
    return TX_OK;
  }

  /** Without virtio-net header: the frame must leave complete. */
  private finish(columns: ReceiveColumns, f: number): number {
    const flags = columns.flags[f]!;
    if ((flags & GSO) !== 0) return TX_TOO_BIG;
    if ((flags & PARTIAL_CHECKSUM) === 0) return TX_OK;
    return vnetHeader.completeChecksum(this.region, columns.offset[f]!, columns.length[f]!) ? TX_OK : TX_ERROR;
  }
}
