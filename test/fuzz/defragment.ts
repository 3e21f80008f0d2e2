// Fuzz target: virtual reassembly against a model.  An input is a list of steps of six octets: a fragment of one of four datagrams, or time
// that passes.  Fates, the octets of merged datagrams, conservation and, in the end, all slots must agree.

import { NO_FRAME } from '../../src/frame/frames.ts';
import * as R from '../../src/telemetry/reasons.ts';
import { fuzz, must } from '../fuzzing.ts';
import {
  LIMITS,
  drain,
  fragment6,
  frame4,
  frame6,
  isConserved,
  isEmpty,
  makeFixture,
  octetsOfFrame,
  receive,
  transmitAll,
} from '../stream/fragment-fixture.ts';
import { FragmentModel, HELD, MERGES, type Piece, payloadOf } from '../stream/fragment-model.ts';

const STEP = 6;
const KEYS = 4;
/** No transport header: nothing but the fragments can be wrong. */
const PROTOCOL = 99;
const limits = { ...LIMITS, maxFragments: 256, maxReassemblies: 64 };
const whole = Uint8Array.from({ length: 4096 }, (_, i) => (i * 7 + (i >> 8)) & 255);

interface Entry {
  model: FragmentModel;
  deadline: number;
}

function step(kind: number, key: number, from: number, length: number, flags: number): number[] {
  return [kind, key, from, length, flags, 0];
}

const corpus = [
  new Uint8Array([...step(0, 0, 0, 24, 1), ...step(0, 0, 3, 16, 1), ...step(0, 0, 5, 7, 0)]),
  new Uint8Array([...step(0, 1, 2, 7, 0), ...step(1, 1, 0, 16, 1), ...step(7, 0, 0, 31, 0), ...step(0, 1, 0, 16, 1)]),
  new Uint8Array([...step(0, 2, 0, 16, 1), ...step(0, 2, 0, 16, 1), ...step(0, 2, 1, 16, 1), ...step(2, 2, 2, 9, 0)]),
  new Uint8Array([...step(0, 3, 4, 8, 0), ...step(0, 3, 2, 16, 1), ...step(3, 3, 0, 16, 1), ...step(0, 3, 0, 16, 5)]),
];

const x = makeFixture(128, 4, 16);

fuzz('defragment', corpus, (input) => {
  const entries = new Map<number, Entry>();
  let now = x.wheel.now;
  for (let at = 0; at + STEP <= input.length; at += STEP) {
    if (input[at]! % 8 === 7) now = pass(entries, (now + input[at + 3]! * 100) | 0);
    else give(entries, input.subarray(at, at + STEP), now);
    must(isConserved(x), 'not conserved');
  }
  pass(entries, (now + limits.timeout) | 0);
  must(isEmpty(x), 'something is left behind the last timer');
  must(x.wheel.count === 0, 'a timer is left');
});

function pass(entries: Map<number, Entry>, to: number): number {
  x.wheel.advance(to, (timer, deadline) => x.fragments.expire(timer, deadline));
  for (const [key, entry] of entries) if (((entry.deadline - to) | 0) <= 0) entries.delete(key);
  return to;
}

function give(entries: Map<number, Entry>, octets: Uint8Array, now: number): void {
  const key = octets[1]! % KEYS;
  const from = (octets[2]! % 128) * 8;
  const piece: Piece = { from, to: from + octets[3]!, more: (octets[4]! & 1) !== 0, forged: (octets[4]! & 4) !== 0 && octets[3]! > 0 };
  // A whole datagram is no fragment.
  if (from === 0 && !piece.more) return;
  const entry = entries.get(key) ?? { model: new FragmentModel(), deadline: (now + limits.timeout) | 0 };
  const expected = entry.model.give(piece);
  entries.set(key, entry);
  const f = receive(x, 0, frameOf(key, piece));
  const merged = x.fragments.accept(f, limits, now);
  const reason = x.frames.reason[f]!;
  const fate = merged !== NO_FRAME ? MERGES : reason === R.OK ? HELD : R.REASONS[reason]!.name;
  must(fate === expected, `${fate} instead of ${expected}`);
  if (merged === NO_FRAME) return;
  entries.delete(key);
  settle(merged, key, entry.model.merged, octets[0]!);
}

/** Two keys are IPv4, two IPv6. */
function frameOf(key: number, piece: Piece): Uint8Array {
  const payload = payloadOf(piece, whole);
  if (key < 2) return frame4({ id: key, protocol: PROTOCOL, offset: piece.from, more: piece.more, payload });
  return frame6(44, fragment6(PROTOCOL, key, piece.from, piece.more, payload));
}

function settle(merged: number, key: number, pieces: readonly Piece[], way: number): void {
  const payload = new Uint8Array(pieces.flatMap((piece) => [...payloadOf(piece, whole)]));
  const wanted = key < 2 ? frame4({ id: key, protocol: PROTOCOL, payload }) : frame6(PROTOCOL, payload);
  must(Buffer.compare(octetsOfFrame(x, merged), wanted) === 0, 'the merged datagram has other octets');
  if (way % 4 === 0) {
    x.fragments.takeFragments(merged, x.out);
  } else if (way % 4 === 1) {
    x.ledger.drop(merged, R.ACL_DENIED);
    x.fragments.consumeFragments(merged);
    return;
  } else {
    x.fragments.consumeFragments(merged);
    must(x.cutter.cutDatagram(merged, way % 4 === 2 ? 1500 : 120, x.out), 'no slot for the pieces');
  }
  transmitAll(x);
  const sent = drain(x);
  if (way % 4 === 3) {
    checkCut(sent, key, payload);
    return;
  }
  must(
    sent.length === pieces.length && sent.every((octets, i) => Buffer.compare(octets, frameOf(key, pieces[i]!)) === 0),
    'the fragments that left are others',
  );
}

/** Pieces at a smaller MTU: they fit, they are fragments of the right octets in order, and they add up. */
function checkCut(sent: readonly Uint8Array[], key: number, payload: Uint8Array): void {
  let done = 0;
  sent.forEach((octets, i) => {
    const more = i + 1 < sent.length;
    const part = octets.slice(key < 2 ? 34 : 66);
    const wanted = { id: key, protocol: PROTOCOL, offset: done, more, payload: payload.slice(done, done + part.length) };
    const frame = key < 2 ? frame4(wanted) : frame6(44, fragment6(PROTOCOL, key, done, more, wanted.payload));
    must(Buffer.compare(octets, frame) === 0, `fragment ${i} is another one`);
    must(octets.length <= 120 + (key < 2 ? 14 : 18) && (!more || part.length % 8 === 0), `fragment ${i} is too long or of a wrong length`);
    done += part.length;
  });
  must(done === payload.length, 'fragments do not add up');
}
