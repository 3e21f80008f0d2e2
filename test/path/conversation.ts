// A TCP conversation through a box: both hosts as plain segments with relative numbers, and two kinds of receivers that see what
// left.  Number 0 is the SYN, 1 the first octet.

import { Receiver } from '../stream/models.ts';
import type { Box } from './box.ts';
import { segment } from './datagrams.ts';

export interface Part {
  readonly seq: number;
  /** Default 1: the SYN of the other side alone. */
  readonly ack?: number;
  readonly data?: string;
  /** Letters; default PA. */
  readonly flags?: string;
  readonly win?: number;
  readonly id?: number;
  readonly df?: boolean;
}

export interface Ends {
  readonly interfaces: readonly [client: string, server: string];
  readonly client: string;
  readonly server: string;
  /** The server by its own address, where it is translated. */
  readonly serverLocal?: string;
  readonly port?: number;
  readonly serverPort?: number;
  readonly isn?: readonly [number, number];
}

/** A transparent pair that inspects `esmtp`, with further lines of global mode; and who stands at its ends. */
export function mailPair(...lines: readonly string[]): string {
  return [
    ...lines,
    'ip inspect name MAIL esmtp',
    'bridge irb',
    'interface Ethernet0',
    ' ip inspect MAIL in',
    ' bridge-group 1',
    'interface Ethernet1',
    ' bridge-group 1',
    'bridge 1 protocol ieee',
  ].join('\n');
}

export const PAIR_ENDS: Ends = { interfaces: ['Ethernet0', 'Ethernet1'], client: '192.0.2.1', server: '192.0.2.2' };

export class Conversation {
  readonly ends: Ends;
  readonly isn: readonly [number, number];
  readonly receivers = [new Receiver(), new Receiver()] as const;
  private readonly box: Box;

  constructor(box: Box, ends: Ends) {
    this.box = box;
    this.ends = ends;
    this.isn = ends.isn ?? [1000, 5000];
  }

  /** The frame of one segment of `direction`: 0 client to server, 1 back. */
  frame(direction: number, part: Part): Uint8Array {
    const { client, server, serverLocal, port = 4000, serverPort = 25 } = this.ends;
    const own = this.isn[direction]!;
    const other = this.isn[1 - direction]!;
    const flags = part.flags ?? 'PA';
    const where =
      direction === 0
        ? { from: client, to: server, sport: port, dport: serverPort }
        : { from: serverLocal ?? server, to: client, sport: serverPort, dport: port };
    return segment({
      ...where,
      dst: direction === 0 ? [0x0200, 0x0110] : [0x0200, 0x0101],
      src: direction === 0 ? [0x0200, 0x0101] : [0x0200, 0x0110],
      seq: own + part.seq,
      ack: flags.includes('A') ? other + (part.ack ?? 1) : 0,
      flags,
      ...(part.data !== undefined && { data: part.data }),
      ...(part.win !== undefined && { win: part.win }),
      ...(part.id !== undefined && { id: part.id }),
      ...(part.df !== undefined && { df: part.df }),
    });
  }

  /** Sends segments of one direction as one batch. */
  send(direction: number, ...parts: Part[]): string[] {
    return this.box.send(this.ends.interfaces[direction]!, ...parts.map((part) => this.frame(direction, part)));
  }

  /** The handshake. */
  open(win = 65_535): void {
    this.send(0, { seq: 0, flags: 'S', win });
    this.send(1, { seq: 0, flags: 'SA', win });
    this.send(0, { seq: 1, flags: 'A', win });
  }

  /** Shows frames that left to the receiver of their direction; those of other conversations are not looked at. */
  deliver(frames: readonly Uint8Array[]): void {
    const { port = 4000 } = this.ends;
    for (const octets of frames) {
      const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
      if (view.getUint16(12) !== 0x0800 || octets[23] !== 6 || (view.getUint16(20) & 0x1fff) !== 0) continue;
      const l4 = 14 + ((octets[14]! & 15) << 2);
      const direction = view.getUint16(l4) === port ? 0 : 1;
      const flags = octets[l4 + 13]!;
      if (view.getUint16(l4 + direction * 2) !== port || (flags & 4) !== 0) continue;
      const data = Buffer.from(octets.subarray(l4 + ((octets[l4 + 12]! >> 4) << 2), 14 + view.getUint16(16)));
      this.receivers[direction]!.accept({ seq: view.getInt32(l4 + 4), syn: (flags & 2) !== 0, fin: (flags & 1) !== 0, data });
    }
  }

  /** What both kinds of receivers of a direction have in order; throws when they differ. */
  received(direction: number): string {
    const receiver = this.receivers[direction]!;
    const text = receiver.firstWins();
    if (receiver.conflicts > 0 || text !== receiver.lastWins()) throw new Error(`two values for one octet, direction ${direction}`);
    return text;
  }
}
