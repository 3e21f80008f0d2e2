// The npm package `cap` (0.2.1): frames of a live interface by events, and frames sent; libpcap underneath.
//
// Facts that its users have to live with
//   - open() stores the address of the Buffer and keeps no reference to it: drop the Buffer and the process crashes at the next
//     frame.  Keep it in a field for as long as the session is open.
//   - The Buffer holds one frame, the next one overwrites it: copy it within the event.
//   - All frames that wait are pushed in one go, without a turn of the event loop in between; under overload the
//     loop never gets its turn.
//   - The snap length is fixed at 65,535, and the ring holds one frame for each 65,600 octets of it, whatever its length.
//   - No stamps, no wire length, no direction, no offload state, no count of lost frames; errors are texts.
//   - pcap_set_immediate_mode is looked up in `libpcap.so`, which belongs to libpcap-dev, at run time too; without it each
//     frame waits for a block to fill or for a second.
//   - An interface without an IPv4 address gets a warning of libpcap on stderr; it means nothing here.

import { loadOptional } from './optional-package.ts';

export interface CapSession {
  /**
   * Starts capturing, promiscuously.  `filter`: pcap-filter(7), '' for all.  `ringOctets`: of the kernel's buffer.
   * Returns the link type, 'ETHERNET' for what we use.  Throws with libpcap's message.
   */
  open(device: string, filter: string, ringOctets: number, buffer: Buffer): string;
  /** `length` octets of `buffer` are in the Buffer given to open(); `truncated`: the frame was longer than it. */
  on(event: 'packet', listener: (length: number, truncated: boolean) => void): this;
  /** Sends the first `length` octets of `frame`.  Throws with the text of the errno. */
  send(frame: Buffer, length: number): void;
  /** False when it was not open. */
  close(): boolean;
}

export interface CapModule {
  readonly Cap: new () => CapSession;
}

/** Throws a MissingPackageError. */
export function loadCap(): CapModule {
  return loadOptional('cap') as CapModule;
}
