// The npm package `raw-socket` (1.8.1): IPv4 datagrams with headers of our own (IP_HDRINCL), for the lab's forger.
//
// The kernel chooses route and link header and fills in the header checksum, the total length, and identification and source where they
// are 0.  Receiving is not used: a raw socket sees only what the local stack accepts, and so is no port.
// Not beside an open cap or pcap session in one process: two thousand queued sends never completed there.

import { loadOptional } from './optional-package.ts';

export interface RawSocket {
  /** Sends octets [offset, offset + length); `before` runs just before the system call, `after` with what it said. */
  send(
    buffer: Buffer,
    offset: number,
    length: number,
    address: string,
    before: () => void,
    after: (error: Error | null, octets: number) => void,
  ): void;
  setOption(level: number, option: number, value: number): void;
  on(event: 'error', listener: (error: Error) => void): void;
  close(): void;
}

export interface RawSocketModule {
  createSocket(options: { readonly protocol: number; readonly addressFamily?: number }): RawSocket;
  /** The Internet checksum (RFC 1071) of all parts. */
  createChecksum(...parts: readonly Buffer[]): number;
  readonly SocketLevel: { readonly IPPROTO_IP: number };
  readonly SocketOption: { readonly IP_HDRINCL: number };
}

/** Throws a MissingPackageError. */
export function loadRawSocket(): RawSocketModule {
  return loadOptional('raw-socket') as RawSocketModule;
}
