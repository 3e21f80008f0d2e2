// A conversation for tests of streams: a session past its handshake, with relative numbers, and tests for several initial ones.

import t, { type Test } from 'tap';
import { ACK, type Emitted, PSH, type Rig, type Sent, SYN } from './harness.ts';

/** Initial sequence numbers of client and server: at zero, and so that the numbers of either side become negative or zero soon. */
export const ISNS: readonly (readonly [number, number])[] = [
  [0, 0],
  [0x7fff_ff00, 0xffff_ff00],
  [0xffff_ff00, 0x7fff_ff00],
  [0xffff_fff0, 0xffff_fffe],
];
let usualIsn = ISNS[0]!;

/** A test once for each pair of initial sequence numbers, which are those of a Dialogue that says nothing else. */
export function everyIsn(name: string, body: (t: Test) => Promise<void>): void {
  for (const isn of ISNS) {
    t.test(`${name} (${isn.map((n) => (n >>> 0).toString(16)).join(' ')})`, async (t) => {
      usualIsn = isn;
      await body(t);
    });
  }
}

/** Octets of the pages that a direction takes for octets [from, to), relative numbers. */
export function pageOctets(d: Dialogue, direction: number, from: number, to: number): number {
  const page = (seq: number): number => (d.isn[direction]! + seq) >> 12;
  return (page(to - 1) - page(from) + 1) * 4096;
}

/** A session past its handshake.  Numbers of segments are relative: 0 is the SYN, 1 the first octet. */
export class Dialogue {
  readonly rig: Rig;
  readonly isn: readonly [number, number];
  /** Sent in every segment of it, when set. */
  options: ((direction: number) => readonly number[]) | null = null;

  constructor(
    rig: Rig,
    isn: readonly [number, number] = usualIsn,
    synOptions: readonly [readonly number[], readonly number[]] = [[], []],
    window = 65_535,
  ) {
    this.rig = rig;
    this.isn = isn;
    this.send(0, { flags: SYN, seq: 0, options: synOptions[0], window });
    this.send(1, { flags: SYN | ACK, seq: 0, ack: 1, options: synOptions[1], window });
    this.send(0, {
      flags: ACK,
      seq: 1,
      ack: 1,
      window,
      options: synOptions[0].length > 0 && hasTimestamps(synOptions[0]) ? timestamps(1, 1) : [],
    });
  }

  send(direction: number, segment: Sent): Emitted[] {
    const own = this.isn[direction]!;
    const other = this.isn[1 - direction]!;
    const bits = segment.flags ?? ACK | PSH;
    const ack = (bits & ACK) === 0 ? 0 : (other + (segment.ack ?? 1)) | 0;
    return this.rig.send(direction, { ...segment, seq: (own + segment.seq) | 0, ack }).map((e) => this.relative(e));
  }

  wait(ms: number): Emitted[] {
    return this.rig.wait(ms).map((e) => this.relative(e));
  }

  private relative(e: Emitted): Emitted {
    return { ...e, seq: (e.seq - this.isn[e.direction]!) | 0, ack: (e.flags & ACK) === 0 ? 0 : (e.ack - this.isn[1 - e.direction]!) | 0 };
  }
}

export function timestamps(value: number, echo: number): number[] {
  const word = (v: number): number[] => [(v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];
  return [1, 1, 8, 10, ...word(value), ...word(echo)];
}

function hasTimestamps(options: readonly number[]): boolean {
  return options.includes(8);
}

/** One line a segment: direction, flags, relative numbers, octets; what tests compare. */
export function show(emitted: readonly Emitted[]): string[] {
  return emitted.map((e) => {
    const letters = ['F', 'S', 'R', 'P', 'A', 'U', 'E', 'C'].filter((_, i) => (e.flags & (1 << i)) !== 0).join('');
    return `${e.direction === 0 ? '>' : '<'} ${letters} ${e.seq} ${e.ack} ${JSON.stringify(e.data)}${e.isGenerated ? ' made' : ''}`;
  });
}
