// The npm package `pcap` (3.1.0), of which only the reading of capture files is used here; libpcap underneath.
//
// Its own types are `any` where they are not wrong.  Facts that its users have to live with: every frame of a file is pushed in one
// go, into one Buffer and one header that the next frame overwrites; stamps are in microseconds; that a file could not be
// read to its end is known only to dispatch(), whose answer the package keeps to itself.

import { loadOptional } from './optional-package.ts';

export interface PcapSession {
  /** LINKTYPE_..., or `Unknown linktype N`. */
  readonly link_type: string;
  /** The frame at hand. */
  readonly buf: Buffer;
  /** Its struct pcap_pkthdr with 32-bit fields: seconds, microseconds, octets present, octets on the wire. */
  readonly header: Buffer;
  /** dispatch: frames delivered, 0 at the end of the file, below 0 for an error. */
  readonly session: { dispatch(buffer: Buffer, header: Buffer): number };
  on(event: 'packet' | 'complete', listener: () => void): void;
  close(): void;
}

export interface PcapModule {
  /** Throws with libpcap's message about the file or the filter expression. */
  readonly PcapSession: new (
    isLive: boolean,
    path: string,
    filter: string,
    bufferSize: number,
    snapLength: number,
    outFile: null,
  ) => PcapSession;
}

/** Throws a MissingPackageError. */
export function loadPcap(): PcapModule {
  return loadOptional('pcap') as PcapModule;
}
