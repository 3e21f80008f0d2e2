// `logging host`: each line as one UDP datagram in the form of RFC 3164 as IOS sends it, `<190>29: *Oct 18 21:51:35.886: %FW-6-...`:
// facility local7, no host name, a running number in front.
//
// Never waits: a datagram that would make more than QUEUE wait for the kernel is dropped and counted.  An error of the network
// (no route, port unreachable) is counted and forgotten; syslog has no acknowledgement.

import { createSocket, type Socket } from 'node:dgram';
import { formatAddress } from '../config/language/address.ts';

const PORT = 514;
const LOCAL7 = 23;
/** Datagrams that may wait for the kernel. */
const QUEUE = 256;
/** RFC 3164 section 4.1. */
const MAX_OCTETS = 1024;

export class SyslogSender {
  /** Datagrams that were not sent. */
  dropped = 0;
  private readonly socket: Socket;
  private readonly port: number;
  private addresses: readonly string[];
  private waiting = 0;

  /** `hosts` are int32 addresses. */
  constructor(hosts: readonly number[], port = PORT) {
    this.port = port;
    this.addresses = hosts.map(formatAddress);
    this.socket = createSocket('udp4');
    this.socket.on('error', () => this.dropped++);
    this.socket.unref();
  }

  /** Sends to these hosts from now on. */
  configure(hosts: readonly number[]): void {
    this.addresses = hosts.map(formatAddress);
  }

  /** One datagram a host. */
  send(severity: number, line: string): void {
    const datagram = Buffer.from(`<${LOCAL7 * 8 + severity}>${line}`, 'latin1').subarray(0, MAX_OCTETS);
    for (const address of this.addresses) this.sendTo(address, datagram);
  }

  /** Sends nothing more; what waits is lost. */
  close(): void {
    this.addresses = [];
    this.socket.close();
  }

  private sendTo(address: string, datagram: Uint8Array): void {
    if (this.waiting >= QUEUE) {
      this.dropped++;
      return;
    }
    this.waiting++;
    this.socket.send(datagram, this.port, address, (error) => {
      this.waiting--;
      if (error !== null) this.dropped++;
    });
  }
}
