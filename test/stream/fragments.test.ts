// Virtual reassembly: every order of the fragments against a model, every rule with exact counters, both ways out.

import fc from 'fast-check';
import t from 'tap';
import { FRAGMENT, GENERATED, MERGED, NO_FRAME } from '../../src/frame/frames.ts';
import {
  EVENT_REASSEMBLY,
  E_DST,
  E_KIND,
  E_PROTOCOL,
  E_REASON,
  E_SRC,
  E_VALUE,
  E_VALUE2,
  TABLE_OVERFLOW,
} from '../../src/telemetry/event-ring.ts';
import * as R from '../../src/telemetry/reasons.ts';
import {
  DST4,
  LIMITS,
  SRC4,
  type Fixture,
  WHOLE,
  drain,
  expireAll,
  frame4,
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
  transmitAll,
  udpPayload,
} from './fragment-fixture.ts';
import { FragmentModel, HELD, MERGES, type Piece, payloadOf } from './fragment-model.ts';

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length <= 1) yield [...items];
  for (let i = 0; i < items.length; i++) {
    for (const rest of permutations([...items.slice(0, i), ...items.slice(i + 1)])) yield [items[i]!, ...rest];
  }
}

/** Runs one sequence of pieces against the model and says what is different, '' when nothing is. */
function run(x: Fixture, sequence: readonly Piece[], whole: Uint8Array, id: number, protocol = 17): string {
  const model = new FragmentModel();
  for (const piece of sequence) {
    const expected = model.give(piece);
    const { fate, f } = give(x, pieceFrame(piece, whole, id, protocol));
    if (fate !== expected) return `${JSON.stringify(sequence)}: ${fate} instead of ${expected}`;
    if (fate === MERGES) {
      const payload = new Uint8Array(model.merged.flatMap((part) => [...payloadOf(part, whole)]));
      if (Buffer.compare(octetsOfFrame(x, f), frame4({ id, protocol, payload })) !== 0) return `${JSON.stringify(sequence)}: other octets`;
      x.ledger.transmit(f);
      x.fragments.consumeFragments(f);
      drain(x);
    }
    if (!isConserved(x)) return `${JSON.stringify(sequence)}: not conserved`;
  }
  return '';
}

t.test('all orders of up to six fragments', async (t) => {
  const x = makeFixture();
  for (let count = 2; count <= 6; count++) {
    let wrong = '';
    let orders = 0;
    for (const order of permutations(piecesOf(count))) {
      wrong ||= run(x, order, WHOLE, count);
      orders++;
    }
    t.equal(wrong, '', `${orders} orders of ${count}`);
    t.ok(isEmpty(x), 'nothing is left');
    t.equal(x.wheel.count, 0, 'no timer is left');
  }
});

t.test('all orders with one piece more: a copy, a forged copy, an overlap, another end', async (t) => {
  const base = piecesOf(4);
  const extra: Record<string, Piece> = {
    copy: base[1]!,
    'copy of the last': base[3]!,
    'forged copy': { ...base[1]!, forged: true },
    'overlap left': { from: 16, to: 48, more: true },
    'overlap right': { from: 24, to: 56, more: true },
    covering: { from: 0, to: 64, more: true },
    inside: { from: 72, to: 80, more: true },
    'inside as the last': { from: 72, to: 80, more: false },
    'an earlier end': { from: 48, to: 64, more: false },
    'a later end': { from: 248, to: 256, more: false },
    'behind the end': { from: 248, to: 256, more: true },
    'the last one with more to come': { from: 64, to: 240, more: true },
  };
  const whole = udpPayload(256);
  for (const [name, piece] of Object.entries(extra)) {
    const x = makeFixture();
    let wrong = '';
    for (const order of permutations([...base, piece])) {
      // Of a protocol without a header, so that nothing but the fragments themselves can be wrong.
      wrong ||= run(x, order, whole, 9, 99);
      // An identification that is refused, or begun again behind a whole datagram, stays so until its timer ends.
      expireAll(x);
      if (!isEmpty(x) || !isConserved(x)) wrong ||= `${name}: something is left`;
    }
    t.equal(wrong, '', name);
  }
});

t.test('random sequences over random cuts', async (t) => {
  const x = makeFixture();
  const piece = fc.record({
    from: fc.integer({ min: 0, max: 30 }).map((n) => n * 8),
    length: fc.integer({ min: 1, max: 8 }).map((n) => n * 8),
    more: fc.boolean(),
    forged: fc.boolean(),
  });
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.integer({ min: 0, max: 0xffff }), (pieces, id) => {
        const whole = udpPayload(400);
        const sequence = pieces.map((p) => ({ from: p.from, to: p.from + p.length, more: p.more, forged: p.forged }));
        // A whole datagram is no fragment.
        const usable = sequence.filter((p) => p.more || p.from > 0);
        const wrong = run(x, usable, whole, id, 99);
        expireAll(x);
        return wrong === '' && isEmpty(x) && isConserved(x);
      }),
      { seed: 42, numRuns: 1500 },
    ),
  );
});

t.test('the merged frame has the columns that decode would give it', async (t) => {
  const x = makeFixture();
  const segment = tcpPayload(100);
  const [first, last] = [
    frame4({ protocol: 6, more: true, ttl: 9, df: true, payload: segment.slice(0, 40) }),
    frame4({ protocol: 6, offset: 40, ttl: 77, payload: segment.slice(40) }),
  ];
  t.equal(give(x, last).fate, HELD);
  const { f } = give(x, first);
  const wanted = receive(x, 5, frame4({ protocol: 6, ttl: 9, df: true, payload: segment }));
  t.same(octetsOfFrame(x, f), octetsOfFrame(x, wanted), 'header of the first fragment');
  const { frames } = x;
  for (const column of [
    'length',
    'wireLength',
    'kind',
    'vlan',
    'protocol',
    'ingress',
    'egress',
    'session',
    'fate',
    'reason',
    'gsoSize',
  ] as const) {
    t.equal(frames[column][f], frames[column][wanted], column);
  }
  for (const column of ['l3', 'l4', 'payload', 'end'] as const) {
    t.equal(frames[column][f]! - frames.offset[f]!, frames[column][wanted]! - frames.offset[wanted]!, column);
  }
  t.equal(frames.flags[f], MERGED | GENERATED);
  t.same(
    [x.fragments.sizes.count[f], x.fragments.sizes.size(f, 0), x.fragments.sizes.size(f, 1), x.fragments.sizes.size(f, 2)],
    [2, 40, 80, 0],
  );
});

t.test('counters of a datagram that is merged, and of one that goes on in fragments', async (t) => {
  const x = makeFixture();
  const [a, b, c] = piecesOf(3) as [Piece, Piece, Piece];
  let before = x.counters.slice();
  give(x, pieceFrame(b, WHOLE));
  t.same(moved(x, before), { received: 1, held: 1, 'fragment-datagrams': 1, 'fragment-octets': 2048 });
  give(x, pieceFrame(c, WHOLE));
  t.same([x.fragments.statistics.currentReassemblies[0], x.fragments.statistics.currentFragments[0]], [1, 2]);
  const { f } = give(x, pieceFrame(a, WHOLE));
  x.ledger.transmit(f);
  x.fragments.consumeFragments(f);
  drain(x);
  t.same(moved(x, before), { received: 3, generated: 1, transmitted: 1, consumed: 3 });
  t.equal(x.fragments.statistics.totalReassemblies[0], 1);
  t.ok(isEmpty(x));

  before = x.counters.slice();
  const sent = [pieceFrame(c, WHOLE), pieceFrame(a, WHOLE), pieceFrame(b, WHOLE)];
  give(x, sent[0]!);
  // Each in a place of the batch of its own: the last one is not copied.
  x.fragments.accept(receive(x, 1, sent[1]!), LIMITS, 0);
  const merged = x.fragments.accept(receive(x, 2, sent[2]!), LIMITS, 0);
  t.not(merged, NO_FRAME);
  x.fragments.takeFragments(merged, x.out);
  t.equal(x.out.count, 3);
  for (let i = 0; i < 3; i++) t.ok((x.frames.flags[x.out.frames[i]!]! & (FRAGMENT | GENERATED | MERGED)) === FRAGMENT);
  transmitAll(x);
  t.same(drain(x), [sent[1], sent[2], sent[0]], 'the same octets in order of offset');
  t.same(moved(x, before), { received: 3, transmitted: 3 });
  t.ok(isEmpty(x) && isConserved(x));

  before = x.counters.slice();
  give(x, sent[0]!);
  give(x, sent[1]!);
  const dropped = give(x, sent[2]!).f;
  x.ledger.drop(dropped, R.ACL_DENIED);
  x.fragments.consumeFragments(dropped);
  t.same(moved(x, before), { received: 3, generated: 1, dropped: 1, consumed: 3, 'acl.denied': 1 });
  x.fragments.consumeFragments(dropped);
  t.ok(isEmpty(x) && isConserved(x), 'a second call changes nothing');

  before = x.counters.slice();
  for (const octets of sent.slice(0, 2)) give(x, octets);
  const kept = give(x, sent[2]!).f;
  x.fragments.consumeFragments(kept);
  x.fragments.takeFragments(kept, x.out);
  t.equal(x.out.frames[0], kept, 'consumed before: it goes on itself');
  transmitAll(x);
  drain(x);
  t.same(moved(x, before), { received: 3, generated: 1, transmitted: 1, consumed: 3 });
});

t.test('an answer that never came counts as consumed at the next fragment', async (t) => {
  const x = makeFixture();
  for (const piece of piecesOf(2)) give(x, pieceFrame(piece, WHOLE));
  const merged = give(x, pieceFrame(piecesOf(2)[0]!, WHOLE, 99)).f;
  t.equal(merged, 0);
  t.equal(x.counters[5], 2);
});

/** One rule: the frames in turn, their fates, the counters that moved in the end, and what an event says. */
function rule(
  t: Pick<typeof import('tap').default, 'same' | 'ok' | 'equal'>,
  frames: Uint8Array[],
  fates: string[],
  deltas: Record<string, number>,
  limits = LIMITS,
  ingress = 0,
): Fixture {
  const x = makeFixture();
  const before = x.counters.slice();
  const seen = frames.map((octets) => {
    const f = receive(x, 0, octets, ingress);
    const merged = x.fragments.accept(f, limits, 100);
    if (merged !== NO_FRAME) {
      x.ledger.transmit(merged);
      x.fragments.consumeFragments(merged);
      drain(x);
    }
    t.ok(isConserved(x), 'conserved');
    return merged !== NO_FRAME ? MERGES : x.frames.reason[f] === R.OK ? HELD : R.REASONS[x.frames.reason[f]!]!.name;
  });
  t.same(seen, fates);
  t.same(moved(x, before), { received: frames.length, ...deltas });
  expireAll(x);
  t.ok(isEmpty(x) && isConserved(x), 'nothing is left behind the timers');
  t.equal(x.wheel.count, 0);
  return x;
}

t.test('rules', async (t) => {
  const segment = tcpPayload(60);
  const piece = (from: number, to: number, more = true, over = {}): Uint8Array =>
    frame4({ id: 7, protocol: 6, offset: from, more, payload: segment.slice(from, to), ...over });
  const DUP = 'ip.frag-dup';
  const [TINY, BADLEN, OVERSIZE, LIMIT, OVERLAP] = [
    'ip.frag-tiny',
    'ip.frag-badlen',
    'ip.frag-oversize',
    'ip.frag-limit',
    'ip.frag-overlap',
  ];

  t.test('tiny first fragment', async (t) => {
    const x = rule(t, [piece(0, 8), piece(8, 80, false)], [TINY, TINY], { dropped: 2, [TINY]: 2, [`event ${TINY}`]: 1 });
    const at = x.events.peek();
    const { words } = x.events;
    t.same(
      [words[at + E_KIND], words[at + E_REASON], words[at + E_SRC], words[at + E_DST]],
      [EVENT_REASSEMBLY, R.IP_FRAG_TINY, SRC4, DST4 | 0],
    );
    t.equal(words[at + E_PROTOCOL], 6);
  });
  t.test('first fragment without all options', async (t) => {
    const octets = piece(0, 24);
    octets[34 + 12] = 0x70;
    rule(t, [octets], [TINY], { dropped: 1, [TINY]: 1, [`event ${TINY}`]: 1 });
  });
  t.test('a fragment inside the TCP header drops what is held', async (t) => {
    rule(t, [piece(0, 24), piece(16, 80, false)], [HELD, TINY], { dropped: 2, [TINY]: 2, [`event ${TINY}`]: 1 });
  });
  t.test('a fragment of no octets', async (t) => {
    rule(t, [piece(24, 24)], [BADLEN], { dropped: 1, [BADLEN]: 1, [`event ${BADLEN}`]: 1 });
  });
  t.test('a length that is no multiple of eight', async (t) => {
    rule(t, [piece(0, 24), piece(24, 31)], [HELD, BADLEN], { dropped: 2, [BADLEN]: 2, [`event ${BADLEN}`]: 1 });
  });
  t.test('more than 65,535 octets', async (t) => {
    const far = frame4({ id: 7, protocol: 6, offset: 65_504, payload: new Uint8Array(24) });
    rule(t, [piece(0, 24), far], [HELD, OVERSIZE], { dropped: 2, [OVERSIZE]: 2, [`event ${OVERSIZE}`]: 1 });
    const just = frame4({ id: 7, protocol: 6, offset: 65_504, payload: new Uint8Array(11) });
    rule(t, [just], [HELD], { held: 1, 'fragment-datagrams': 1, 'fragment-octets': 2048 });
    const over = frame4({ id: 7, protocol: 6, offset: 65_504, payload: new Uint8Array(12) });
    rule(t, [over], [OVERSIZE], { dropped: 1, [OVERSIZE]: 1, [`event ${OVERSIZE}`]: 1 });
  });
  t.test('overlap poisons the key', async (t) => {
    const again = [piece(0, 24), piece(24, 80, false)];
    rule(t, [piece(0, 32), ...again.reverse(), piece(0, 24)], [HELD, OVERLAP, OVERLAP, OVERLAP], {
      dropped: 4,
      [OVERLAP]: 4,
      [`event ${OVERLAP}`]: 1,
    });
  });
  t.test('an exact copy is dropped alone', async (t) => {
    rule(t, [piece(0, 24), piece(0, 24), piece(24, 80, false)], [HELD, DUP, MERGES], {
      generated: 1,
      transmitted: 1,
      consumed: 2,
      dropped: 1,
      [DUP]: 1,
    });
  });
  t.test('too many fragments', async (t) => {
    const frames = [24, 32, 40, 48].map((from) => piece(from, from + 8));
    const x = rule(t, frames, [HELD, HELD, HELD, LIMIT], { dropped: 4, [LIMIT]: 4, [`event ${LIMIT}`]: 1 }, { ...LIMITS, maxFragments: 3 });
    const at = x.events.peek();
    t.same([x.events.words[at + E_VALUE], x.events.words[at + E_VALUE2]], [3, 0]);
  });
  t.test('too many datagrams: the new one is dropped, the table overflow reported once', async (t) => {
    const frames = [1, 2, 3, 4].map((id) => piece(24, 32, true, { id }));
    const deltas = { held: 2, 'fragment-datagrams': 2, 'fragment-octets': 4096, dropped: 2, [LIMIT]: 2, [`event ${LIMIT}`]: 1 };
    const x = rule(t, frames, [HELD, HELD, LIMIT, LIMIT], deltas, { ...LIMITS, maxReassemblies: 2 });
    const at = x.events.peek();
    t.same([x.events.words[at + E_VALUE], x.events.words[at + E_VALUE2]], [2, TABLE_OVERFLOW]);
  });
  t.test('drop-fragments', async (t) => {
    const denied = { dropped: 2, 'ip.frag-denied': 2 };
    rule(t, [piece(0, 24), piece(24, 80, false)], ['ip.frag-denied', 'ip.frag-denied'], denied, { ...LIMITS, dropFragments: true });
  });
  t.test('a whole datagram whose transport is wrong', async (t) => {
    const octets = piece(0, 24);
    octets[34 + 12] = 0x40;
    const reason = 'tcp.bad-offset';
    rule(t, [octets, piece(24, 80, false)], [HELD, reason], { dropped: 2, [reason]: 2, [`event ${reason}`]: 1 });
  });
  t.test('datagrams do not mix: direction, protocol, interface', async (t) => {
    const back = piece(24, 80, false, { src: DST4, dst: SRC4 });
    const other = frame4({ id: 7, protocol: 17, offset: 24, payload: segment.slice(24) });
    rule(t, [piece(0, 24), back, other, piece(24, 80, false)], [HELD, HELD, HELD, MERGES], {
      generated: 1,
      transmitted: 1,
      consumed: 2,
      held: 2,
      'fragment-datagrams': 2,
      'fragment-octets': 2 * 2048,
    });
    const x = makeFixture();
    x.fragments.accept(receive(x, 0, piece(0, 24), 0), LIMITS, 0);
    t.equal(x.fragments.accept(receive(x, 1, piece(24, 80, false), 2), LIMITS, 0), NO_FRAME, 'another interface');
    t.equal(x.fragments.accept(receive(x, 1, piece(24, 80, false), 0), LIMITS, 0) === NO_FRAME, false);
  });
});
