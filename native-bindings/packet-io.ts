// The typed face of the packet I/O addon (src/*.c).  Loading it is left to the caller: replay and check run without it.
//
// Calls made once a batch (receive, transmit, release, wait) neither throw nor allocate.  Calls made at start throw errors
// whose `code` is the name of an errno.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Frames of one transmit call. */
export const TX_BATCH = 256;
/** struct virtio_net_hdr, in front of the MAC header on ports opened with `vnet`. */
export const VNET_HEADER = 10;
/** Octets of the buffer that a frame longer than its slot is copied to; its headroom is 128. */
export const LARGE_BUFFER = 69_632;
/** Offset of the MAC header in a slot: what a slot holds of a frame is its size less this. */
export const SLOT_HEADROOM = 114;

// wait()
export const WAIT_READABLE = 1;
export const WAIT_ERROR = 2;
export const WAIT_WOKEN = 4;

// PortOptions.state, kept current by the addon once a second; all but the first three only grow
/** 1: up and carrier present. */
export const STATE_UP = 0;
export const STATE_MTU = 1;
export const STATE_IFINDEX = 2;
export const STATE_RECEIVED = 3;
/** Frames that the kernel dropped because the ring was full. */
export const STATE_KERNEL_DROPS = 4;
export const STATE_CARRIER_LOST = 5;
/** Times that an interface came back and was opened again. */
export const STATE_REOPENED = 6;
/** Times that ring and walker were out of step and the port was opened anew. */
export const STATE_RESYNCED = 7;
/** Frames longer than a slot. */
export const STATE_COPIED = 8;
/** Slots whose header was not the kernel's. */
export const STATE_GARBLED = 9;
/** The last error of transmit. */
export const STATE_TX_ERRNO = 10;
export const STATES = 11;

// TP_STATUS_... of linux/if_packet.h, as in ReceivedColumns.status
/** Partial checksum: the transport field holds the uncomplemented pseudo-header sum. */
export const STATUS_CHECKSUM_NOT_READY = 8;
export const STATUS_VLAN_VALID = 16;

/** Filled by receive(); a row is a frame.  Offsets count from the start of the region and name the MAC header. */
export interface ReceivedColumns {
  readonly offset: Int32Array;
  readonly length: Int32Array;
  readonly wireLength: Int32Array;
  readonly sec: Int32Array;
  readonly nsec: Int32Array;
  /** TP_STATUS_... */
  readonly status: Int32Array;
  /** Tag that the kernel took off, TPID << 16 | TCI; meaningful with STATUS_VLAN_VALID. */
  readonly vlan: Int32Array;
}

/** Read by transmit().  On ports with `vnet` offset and length include the virtio-net header. */
export interface SentColumns {
  readonly offset: Int32Array;
  readonly length: Int32Array;
  /** 0, or the errno for which the frame was not taken. */
  readonly result: Int32Array;
}

export interface PortOptions {
  /** Interface of this network namespace. */
  readonly device: string;
  /** Place in the region, a multiple of 4096; slots * slotSize + largeBuffers * LARGE_BUFFER octets. */
  readonly start: number;
  /** Powers of two. */
  readonly slotSize: number;
  readonly slots: number;
  readonly largeBuffers: number;
  readonly vnet: boolean;
  readonly bypassQdisc: boolean;
  /** STATES numbers. */
  readonly state: Float64Array;
}

export interface PacketIo {
  /** The region: external, non-shared; posting it to another thread copies it. */
  readonly memory: ArrayBuffer;
  bind(received: ReceivedColumns, sent: SentColumns): void;
  /** @returns the port's number */
  openPort(options: PortOptions): number;
  closePort(port: number): void;
  /** Fills rows from `first`, at most `max`; returns how many.  Slots stay ours until release(). */
  receive(port: number, first: number, max: number): number;
  /** Sends rows [first, first + count), at most TX_BATCH, in order. */
  transmit(port: number, first: number, count: number): void;
  /** Hands the oldest `count` slots back. */
  release(port: number, count: number): void;
  /** Sleeps until a port has frames or errors or wake() was called, at most 100 ms; bits WAIT_..., 0 for none. */
  wait(timeoutMs: number): number;
  wakeHandle(): number;
  /** Closes all ports; the region stays. */
  close(): void;
}

export interface InterfaceFacts {
  readonly index: number;
  /** IFF_... */
  readonly flags: number;
  /** ARPHRD_..., 1 is Ethernet. */
  readonly linkType: number;
  readonly mtu: number;
  /** 0: no XDP program. */
  readonly xdp: number;
  /** veth, tun, bridge ..., empty for hardware. */
  readonly kind: string;
  readonly driver: string;
  /** Bridge, bond or VRF that it belongs to, or empty. */
  readonly master: string;
  readonly mac: string;
  /** With prefix length: 192.0.2.1/24. */
  readonly addresses: readonly string[];
}

export const FEATURE_ACTIVE = 1;
export const FEATURE_CHANGEABLE = 2;

export interface PacketIoModule {
  /** `octets`: size of the region, below 2 GiB; memory is used when it is touched. */
  readonly PacketIo: new (
    octets: number,
  ) => PacketIo;
  /** Ends a wait() in another thread; `handle` is wakeHandle() of a PacketIo that is not closed. */
  wake(handle: number): number;
  /** Monotonic time in microseconds, low 32 bits as int32; compare by (a - b) | 0. */
  clock(): number;
  /** null: no such interface in this namespace. */
  readInterface(device: string): InterfaceFacts | null;
  /** By the kernel's names: FEATURE_ACTIVE | FEATURE_CHANGEABLE. */
  readFeatures(device: string): Record<string, number>;
  /** Asks for the features named; what the kernel made of it says readFeatures(). */
  writeFeatures(device: string, wanted: Record<string, boolean>): void;
}

/** The folder of the package: the nearest one above this file whose package.json is named postern. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'postern') return folder;
    if (dirname(folder) === folder) throw new Error('not inside the postern package');
    folder = dirname(folder);
  }
}

/** Throws with one line that names the mending command when the addon was not built or does not load. */
export function loadPacketIo(): PacketIoModule {
  const path = join(packageRoot(), 'native-bindings', 'build', 'Release', 'packet_io.node');
  if (!existsSync(path)) throw new Error('the packet I/O addon is not built; build it with: npm run setup');
  try {
    return createRequire(import.meta.url)(path) as PacketIoModule;
  } catch (error) {
    throw new Error(`the packet I/O addon does not load (${(error as Error).message}); build it anew with: npm run setup`);
  }
}
