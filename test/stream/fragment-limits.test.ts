// Virtual reassembly at its edges: timers, bounds, the longest datagram, IPv6, and the fragments of the case collection.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { FRAGMENT, NO_FRAME } from '../../src/frame/frames.ts';
import { E_ADDRS6, E_REASON } from '../../src/telemetry/event-ring.ts';
import * as R from '../../src/telemetry/reasons.ts';
import {
  DST4,
  LIMITS,
  SRC4,
  WHOLE,
  drain,
  expireAll,
  fragment6,
  frame4,
  frame6,
  give,
  isConserved,
  isEmpty,
  makeFixture,
  moved,
  octetsOfFrame,
  pieceFrame,
  piecesOf,
  receive,
  tcpPayload,
  udpPayload,
} from './fragment-fixture.ts';
import { HELD, type Piece } from './fragment-model.ts';

t.test('timers', async (t) => {
  const x = makeFixture(512, 8, 64, 40);
  const [first, last] = piecesOf(2) as [Piece, Piece];
  const fire = (timer: number, deadline: number): void => x.fragments.expire(timer, deadline);
  give(x, pieceFrame(first, WHOLE), 10);
  x.wheel.advance(3009, fire);
  t.equal(x.counters[4], 1, 'held to the last millisecond');
  const before = x.counters.slice();
  x.wheel.advance(3010, fire);
  t.same(moved(x, before), {
    held: -1,
    dropped: 1,
    'fragment-datagrams': -1,
    'fragment-octets': -2048,
    'ip.frag-timeout': 1,
    'event ip.frag-timeout': 1,
  });
  t.equal(x.fragments.statistics.totalTimeouts[0], 1);
  t.ok(isEmpty(x) && isConserved(x));
  t.equal(give(x, pieceFrame(last, WHOLE), 3011).fate, HELD, 'the other half begins a datagram of its own');
  // A refused key is forgotten at the deadline of its first fragment, not later.
  give(x, pieceFrame({ ...last, from: last.from + 8 }, WHOLE), 5000);
  t.equal(give(x, pieceFrame(first, WHOLE), 6010).fate, 'ip.frag-overlap');
  x.wheel.advance(6011, fire);
  t.equal(x.fragments.statistics.totalTimeouts[0], 1, 'which is no timeout of a datagram');
  t.equal(give(x, pieceFrame(first, WHOLE), 6012).fate, HELD);
});

t.test('bounds: octets, slots and places of the table', async (t) => {
  // 4 MiB are 2,048 small slots.
  const x = makeFixture(2100, 4, 64);
  const limits = { ...LIMITS, maxFragments: 256, maxReassemblies: 64 };
  const payload = new Uint8Array(8);
  let held = 0;
  for (let id = 0; id < 9; id++) {
    for (let i = 0; i < 255; i++) {
      x.fragments.accept(receive(x, 0, frame4({ id, protocol: 99, offset: 8 + i * 16, more: true, payload })), limits, 0);
      if (x.frames.reason[0] === R.OK) held++;
    }
  }
  t.equal(held, 2048);
  t.equal(x.fragments.heldOctets, 0x40_0000 - 2048 * 8, 'a datagram that met the bound was dropped whole');
  t.ok(isConserved(x));
  expireAll(x);
  t.ok(isEmpty(x));

  const few = makeFixture(2, 1, 64);
  for (let i = 0; i < 3; i++) few.fragments.accept(receive(few, 0, frame4({ offset: 8 + i * 16, more: true, payload })), LIMITS, 0);
  t.equal(few.frames.reason[0], R.FRAME_NO_SLOT);
  t.ok(isEmpty(few) && isConserved(few), 'without a slot the datagram is given up');

  const table = makeFixture(64, 1, 4);
  for (let id = 0; id < 6; id++) table.fragments.accept(receive(table, 0, frame4({ id, offset: 8, more: true, payload })), LIMITS, 0);
  t.equal(table.frames.reason[0], R.IP_FRAG_LIMIT);
  t.equal(table.fragments.statistics.currentReassemblies[0], 4);
  expireAll(table);
  t.ok(isEmpty(table) && isConserved(table));
});

t.test('a datagram of 65,535 octets in 44 fragments, in order and in reverse', async (t) => {
  const limits = { ...LIMITS, maxFragments: 64 };
  const whole = udpPayload(65_515);
  const cuts = Array.from({ length: 45 }, (_, i) => Math.min(i * 1496, 65_515));
  const frames = cuts.slice(0, 44).map((from, i) => frame4({ offset: from, more: i < 43, payload: whole.slice(from, cuts[i + 1]) }));
  for (const order of [frames, [...frames].reverse()]) {
    const x = makeFixture();
    let merged = NO_FRAME;
    for (const octets of order) merged = x.fragments.accept(receive(x, 0, octets), limits, 0);
    t.same(octetsOfFrame(x, merged), frame4({ payload: whole }));
    x.ledger.transmit(merged);
    x.fragments.consumeFragments(merged);
    drain(x);
    t.ok(isEmpty(x) && isConserved(x));
  }
});

t.test('IPv6', async (t) => {
  const x = makeFixture();
  const whole = udpPayload(100);
  // Destination options that may be read by the receiver alone stand behind the fragment header.
  const options = new Uint8Array([17, 0, 1, 4, 0, 0, 0, 0]);
  const body = new Uint8Array([...options, ...whole]);
  const first = frame6(44, fragment6(60, 0xdead_beef, 0, true, body.slice(0, 48)));
  // The next header of a later fragment means nothing.
  const last = frame6(44, fragment6(6, 0xdead_beef, 48, false, body.slice(48)));
  for (const order of [
    [first, last],
    [last, first],
  ]) {
    const before = x.counters.slice();
    t.equal(x.fragments.accept(receive(x, 0, order[0]!), LIMITS, 0), NO_FRAME);
    const merged = x.fragments.accept(receive(x, 1, order[1]!), LIMITS, 0);
    const wanted = receive(x, 5, frame6(60, body));
    t.same(octetsOfFrame(x, merged), octetsOfFrame(x, wanted), 'the fragment header is gone');
    t.equal(x.frames.protocol[merged], 17);
    for (const column of ['l3', 'l4', 'payload', 'end'] as const) {
      t.equal(x.frames[column][merged]! - x.frames.offset[merged]!, x.frames[column][wanted]! - x.frames.offset[wanted]!, column);
    }
    t.equal(x.fragments.sizes.identification[merged], 0xdead_beef | 0);
    x.ledger.consume(5);
    x.ledger.transmit(merged);
    x.fragments.consumeFragments(merged);
    drain(x);
    t.same(moved(x, before), { received: 3, generated: 1, transmitted: 1, consumed: 3 });
  }

  const atomic = frame6(44, fragment6(17, 1, 0, false, udpPayload(30)));
  t.equal(x.fragments.accept(receive(x, 0, frame6(44, fragment6(17, 1, 24, false, udpPayload(8)))), LIMITS, 0), NO_FRAME);
  const f = receive(x, 3, atomic);
  t.equal(x.fragments.accept(f, LIMITS, 0), f, 'an atomic fragment is processed alone');
  t.same(octetsOfFrame(x, f), frame6(17, udpPayload(30)));
  t.equal(x.frames.flags[f]! & FRAGMENT, 0);
  t.equal(x.frames.payload[f]! - x.frames.l4[f]!, 8);
  const g = receive(x, 4, frame6(44, fragment6(17, 1, 0, false, new Uint8Array(4))));
  t.equal(x.fragments.accept(g, LIMITS, 0), NO_FRAME);
  t.equal(x.frames.reason[g], R.UDP_BAD_LENGTH, 'and checked alone');

  const tiny = receive(x, 4, frame6(44, fragment6(6, 2, 0, true, tcpPayload(20).slice(0, 16))));
  t.equal(x.fragments.accept(tiny, LIMITS, 0), NO_FRAME);
  t.equal(x.frames.reason[tiny], R.IP_FRAG_TINY);
  while (x.events.peek() >= 0 && x.events.words[x.events.peek() + E_REASON] !== R.IP_FRAG_TINY) x.events.advance();
  const addrs = x.events.words.subarray(x.events.peek() + E_ADDRS6, x.events.peek() + E_ADDRS6 + 8);
  t.ok(addrs[0] !== 0 && addrs[4] !== 0, 'both addresses');
});

interface CasePacket {
  readonly dir: string;
  readonly frag?: {
    readonly id: number;
    readonly off: number;
    readonly len: number;
    readonly mf: number;
    readonly override?: { at: number; data: string };
  };
  readonly full?: { readonly seq: number; readonly ack: number; readonly data: string };
}

interface Case {
  readonly id: string;
  readonly title: string;
  readonly config?: { readonly fragMax?: number };
  readonly packets?: readonly CasePacket[];
  readonly expect: { readonly perPacket?: readonly string[]; readonly log: readonly string[] };
}

/** `../shared` beside the root of the repository. */
function sharedFile(name: string): string {
  let root = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(root, 'package.json'))) root = dirname(root);
  return join(root, '..', 'shared', name);
}

const CASES = sharedFile('spec/smtp-cases.jsonl');

t.test('fragments of the case collection', { skip: existsSync(CASES) ? false : 'no case collection beside the repository' }, async (t) => {
  const cases = readFileSync(CASES, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Case);
  const limits = { ...LIMITS, maxReassemblies: 200, timeout: 5000 };
  for (const { id, title, config, packets, expect } of cases.filter((entry) =>
    entry.packets?.some((packet) => packet.frag !== undefined),
  )) {
    const x = makeFixture();
    const fates: string[] = [];
    const wanted: string[] = [];
    packets!.forEach(({ dir, frag, full }, i) => {
      if (frag === undefined || full === undefined) return;
      const forward = dir === 'c2s';
      const addrs = forward ? { src: SRC4, dst: DST4 } : { src: DST4, dst: SRC4 };
      const segment = new Uint8Array([...tcpPayload(0), ...Buffer.from(full.data, 'latin1')]);
      if (frag.override !== undefined) segment.set(Buffer.from(frag.override.data, 'latin1'), frag.override.at);
      const payload = new Uint8Array(frag.len);
      payload.set(segment.slice(frag.off, frag.off + frag.len));
      const octets = frame4({ ...addrs, id: frag.id, protocol: 6, offset: frag.off, more: frag.mf === 1, payload });
      wanted.push(expect.perPacket![i]!);
      const f = receive(x, 0, octets);
      // Offset 0 without more fragments is no fragment.
      const isFragment = (x.frames.flags[f]! & FRAGMENT) !== 0;
      const merged = isFragment ? x.fragments.accept(f, { ...limits, maxFragments: config?.fragMax ?? 24 }, 0) : f;
      fates.push(merged !== NO_FRAME ? 'fix' : x.frames.reason[f] === R.OK ? 'hold' : 'drop');
      if (merged === NO_FRAME) return;
      x.ledger.transmit(merged);
      x.fragments.consumeFragments(merged);
      drain(x);
    });
    t.same(fates, wanted, `${id} ${title}`);
    const reasons: string[] = [];
    for (; x.events.peek() >= 0; x.events.advance()) reasons.push(R.REASONS[x.events.words[x.events.peek() + E_REASON]!]!.name);
    t.same(
      reasons,
      expect.log.filter((name) => name.startsWith('ip.frag')),
      `${id} events`,
    );
    expireAll(x);
    t.ok(isEmpty(x) && isConserved(x));
  }
});
