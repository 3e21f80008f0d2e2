// The contract of a port: an attachment that frames enter and leave by.  Implementations: af-packet, libpcap, capture-file,
// loopback, and fault around any of them.
//
// The engine calls, in this order and from one thread: receive() on each port, the path, transmit() on each port, then
// release() on each port.  None of them throws or allocates after opening.  What a port cannot do it counts.

/** Why a frame was not taken, for transmit's result column; 0 is taken. */
export const TX_OK = 0;
export const TX_TOO_BIG = 1;
export const TX_NO_BUFFER = 2;
export const TX_LINK_DOWN = 3;
export const TX_ERROR = 4;

export interface PortDescription {
  /** Interface name as in the configuration, `Ethernet2/0`. */
  readonly name: string;
  /** What it is attached to: an interface of the machine, a file. */
  readonly device: string;
  /** Largest IP datagram that it carries, octets. */
  readonly mtu: number;
  /** Accepts super-frames and partial checksums. */
  readonly offload: boolean;
  /** Its own MAC address (high 16, low 32), or null where it has none (a capture). */
  readonly mac: readonly [number, number] | null;
}

/** Columns of the batch that receive() fills, the same objects as in Frames; index is the frame number. */
export interface ReceiveColumns {
  readonly offset: Int32Array;
  readonly length: Int32Array;
  readonly wireLength: Int32Array;
  readonly sec: Int32Array;
  readonly nsec: Int32Array;
  readonly flags: Int32Array;
  readonly gsoSize: Int32Array;
}

export interface Port {
  readonly description: PortDescription;
  /**
   * Fills at most `max` rows from row `first` and returns how many: frames wholly in the region, in order of arrival.
   * The flags column was cleared; the port sets PARTIAL_CHECKSUM, GSO, TRUNCATED.  Octets stay valid and writable, with 12 octets
   * of room in front of each frame, until release().
   */
  receive(columns: ReceiveColumns, first: number, max: number): number;
  /**
   * Sends the frames numbered frames[0..count) in order; result[i] is TX_... of frames[i].  Frames are at
   * columns.offset/length; the octets are the caller's again when it returns.
   */
  transmit(columns: ReceiveColumns, frames: Int32Array, count: number, result: Int32Array): void;
  /** All octets handed out by receive() may be reused. */
  release(): void;
  /** Link up and carrier present. */
  isUp(): boolean;
  close(): void;
}
