// What touches every octet: checksum, store of emitted octets, inspector.

import { Region, regionOctets } from '../src/frame/region.ts';
import { type Inspector, Outcome } from '../src/inspect/inspector.ts';
import { createInspectors } from '../src/inspect/registry.ts';
import { seededRandom } from '../src/port/fault.ts';
import { Store } from '../src/stream/store.ts';
import { FIRST_PAGE, RECENT_PAGE, STREAM_WORDS } from '../src/stream/stream-record.ts';
import { createCounters } from '../src/telemetry/counters.ts';
import { sumOctets } from '../src/wire/checksum.ts';
import type { Bench, BenchOptions, Running } from './bench.ts';
import { dialogue } from './dialogue.ts';
import { benchPolicy } from './policy.ts';
import { MSS } from './workload-frames.ts';

const TURNS = 16;
const SEGMENTS = 256;
/** One segment in 2 KiB, its payload on an even offset that is no multiple of four, as behind Ethernet, IP and TCP. */
const SLOT = 2048;
const PAYLOAD = 66;

function openChecksum(): Running {
  const octets = new ArrayBuffer(SLOT * SEGMENTS);
  const u8 = new Uint8Array(octets).fill(0x5a);
  const u16 = new Uint16Array(octets);
  let sink = 0;
  return {
    turns: TURNS,
    octets: TURNS * SEGMENTS * MSS,
    prepare: () => {},
    run: () => {
      for (let i = 0; i < SEGMENTS; i++) sink = (sink + sumOctets(u16, u8, i * SLOT + PAYLOAD, i * SLOT + PAYLOAD + MSS)) | 0;
      return SEGMENTS;
    },
    verify: () => (sink === 0 ? 'nothing was summed' : null),
  };
}

/** Segments are appended; every second one is acknowledged with the one before, as receivers do. */
function openStore(): Running {
  const shape = { portOctets: [SLOT * SEGMENTS], smallSlots: 1, largeSlots: 0, storePages: 64 };
  const region = new Region(new ArrayBuffer(regionOctets(shape)), shape);
  const words = new Int32Array(STREAM_WORDS);
  words[FIRST_PAGE] = words[RECENT_PAGE] = -1;
  const store = new Store(region, words, createCounters());
  const from = region.portStart[0]!;
  let seq = 0;
  let failed = 0;
  return {
    turns: TURNS,
    octets: TURNS * SEGMENTS * MSS,
    prepare: () => {},
    run: () => {
      for (let i = 0; i < SEGMENTS; i++) {
        const next = (seq + MSS) | 0;
        if (!store.reserve(0, seq, next, 0, 0)) failed++;
        store.write(0, seq, from + i * SLOT + PAYLOAD, MSS);
        seq = next;
        if ((i & 1) === 1) store.release(0, seq);
      }
      return SEGMENTS;
    },
    verify: () => (failed === 0 ? null : 'the store was full'),
  };
}

/** Dialogues shown to the inspector in segments, the answer taken and forgotten. */
class ScanRun implements Running {
  readonly turns = TURNS;
  readonly octets: number;
  private readonly inspector: Inspector;
  private readonly policy;
  private readonly out = new Outcome();
  private readonly u8: Uint8Array;
  /** By segment: offset, length, direction. */
  private readonly segments: Int32Array;
  private readonly positions = new Int32Array(2);
  private unjudged = 0;

  constructor(size: number, recipients: number, seed: number) {
    const { rules } = benchPolicy({ mail: true, sessions: 16 });
    const entry = rules.flatMap((rule) => rule.entries).find(({ keyword }) => keyword === 'esmtp')!;
    this.inspector = createInspectors(16, createCounters())[entry.inspector]!;
    this.policy = entry.inspectorPolicy!;
    const turns = [...dialogue(1, size, recipients, false, seededRandom(seed))];
    this.u8 = Uint8Array.from(turns.flatMap(({ data }) => [...data]));
    const segments: number[] = [];
    let at = 0;
    for (const { data, fromOpener } of turns) {
      for (let i = 0; i < data.length; i += MSS) segments.push(at + i, Math.min(MSS, data.length - i), fromOpener ? 0 : 1);
      at += data.length;
    }
    this.segments = Int32Array.from(segments);
    this.octets = this.u8.length * TURNS;
  }

  prepare(): void {
    this.positions.fill(0);
    this.inspector.open(0, this.policy, 0);
  }

  run(): number {
    const { segments, positions, out, inspector, u8 } = this;
    for (let i = 0; i < segments.length; i += 3) {
      const from = segments[i]!;
      const to = from + segments[i + 1]!;
      const direction = segments[i + 2]!;
      const position = positions[direction]!;
      out.begin(position);
      inspector.scan(0, direction, u8, from, to, position, 0, out);
      if (out.consumed !== to - from) this.unjudged++;
      positions[direction] = (position + to - from) | 0;
    }
    inspector.close(0);
    return segments.length / 3;
  }

  verify(): string | null {
    return this.unjudged === 0 ? null : `${this.unjudged} segments were not judged whole`;
  }
}

export const benches: readonly Bench[] = [
  { name: 'checksum/1460', about: 'Internet checksum of 1,460 octets', unit: 'segment', open: openChecksum },
  { name: 'store/1460', about: 'append 1,460 octets, every second time an acknowledgement', unit: 'segment', open: openStore },
  {
    name: 'smtp/message',
    about: 'inspector alone, a message of 30,000 octets',
    unit: 'segment',
    open: ({ seed }: BenchOptions) => new ScanRun(30_000, 1, seed),
  },
  {
    name: 'smtp/dialogue',
    about: 'inspector alone, a short dialogue',
    unit: 'segment',
    open: ({ seed }: BenchOptions) => new ScanRun(500, 3, seed),
  },
];
