// A hostile client and a hostile server against the firewall: random segments of one conversation with overlaps, lies, flags, options,
// fragments and false acknowledgements, in two kinds of runs.
//
//   honest   every copy of an octet is the true one and nobody resets: afterwards the conversation can still be finished
//   lying    octets differ from copy to copy, ends and resets come anywhere
//
// Of everything that leaves it is asked what a receiver could make of it, whichever copy it prefers, and of the octets that were
// judged what the rules on whole strings (test/inspect/reference.ts) make of them.

import fc from 'fast-check';
import t from 'tap';
import { Reference } from '../inspect/reference.ts';
import type { SmtpPolicy } from '../../src/inspect/smtp/declare.ts';
import { Exchange, type Step } from './exchange.ts';

const RUNS = Number(process.env['POSTERN_HOSTILE'] ?? 150);
const SEED = Number(process.env['POSTERN_SEED'] ?? 20_260_105);
/** The first two wrap inside the first line, the third crosses a page of the store there. */
const ISNS: readonly (readonly [number, number])[] = [
  [0xffff_fffa | 0, 0x7fff_fffa],
  [0x7fff_fff8, 0xffff_fff0 | 0],
  [4090, 8180],
  [1000, 5000],
];

const small = fc.integer({ min: 0, max: 255 });
const step: fc.Arbitrary<Step> = fc.record({
  act: fc.integer({ min: 0, max: 19 }),
  from: small,
  length: small,
  ack: small,
  flags: small,
  window: small,
  extra: small,
  value: small,
});
const script = fc.record({
  isn: fc.constantFrom(...ISNS),
  timestamps: fc.boolean(),
  narrow: fc.boolean(),
  text: fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 3, maxLength: 12 }),
  steps: fc.array(step, { minLength: 20, maxLength: 70 }),
});

/** What the judged octets should have become: a masked line may begin with octets that had left before it was illegal. */
function differsFrom(reference: string, got: string): boolean {
  for (let i = 0; i < reference.length; i++) if (reference[i] !== got[i] && reference[i] !== 'x' && reference[i] !== ' ') return true;
  return false;
}

/** The reference takes whole lines and whole messages: octets wait until they are. */
function judge({ judged, box }: Exchange): Reference {
  const reference = new Reference((box.policy.rules[0]!.entries[0]!.inspectorPolicy as SmtpPolicy).options);
  let waiting = '';
  for (const { direction, text } of judged) {
    if (direction === 1) reference.feed('s', text);
    else waiting += text;
    for (let end = wholeTo(reference, waiting); end > 0; end = wholeTo(reference, waiting)) {
      reference.feed('c', waiting.slice(0, end));
      waiting = waiting.slice(end);
    }
  }
  return reference;
}

function wholeTo({ mode }: Reference, waiting: string): number {
  if (mode !== 'data') return waiting.indexOf('\n') + 1;
  if (waiting.startsWith('.\r\n')) return 3;
  const end = waiting.indexOf('\r\n.\r\n');
  return end < 0 ? 0 : end + 5;
}

function checkStreams(x: Exchange): void {
  const reference = judge(x);
  for (const direction of [0, 1] as const) {
    const got = x.received(direction);
    const wanted = direction === 0 ? reference.toServer : reference.toClient;
    const common = Math.min(got.length, wanted.length);
    const says = `direction ${direction}: ${JSON.stringify(got)}, reference ${JSON.stringify(wanted)}`;
    if (differsFrom(wanted.slice(0, common), got.slice(0, common))) throw new Error(says);
    if (!x.wasReset && got.length < wanted.length) throw new Error(`less than was released: ${says}`);
  }
}

t.test('honest octets in any order, copies, lies about everything else: the conversation can be finished', (t) => {
  fc.assert(
    fc.property(script, ({ isn, timestamps, narrow, text, steps }) => {
      const x = new Exchange(isn, timestamps, text, false, narrow);
      for (const one of steps) x.play(one);
      x.finish();
      checkStreams(x);
      if (x.received(0).length !== x.clientText.length)
        throw new Error(`the client is stuck at ${x.received(0).length} of ${x.clientText.length}`);
      x.end();
    }),
    { seed: SEED, numRuns: RUNS },
  );
  t.pass(`${RUNS} conversations`);
  t.end();
});

t.test('lying octets, ends and resets: one value for each octet, and what was judged is what came first', (t) => {
  let resets = 0;
  fc.assert(
    fc.property(script, ({ isn, timestamps, narrow, text, steps }) => {
      const x = new Exchange(isn, timestamps, text, true, narrow);
      for (const one of steps) x.play(one);
      checkStreams(x);
      if (x.wasReset) resets++;
      x.end();
    }),
    { seed: SEED + 1, numRuns: RUNS },
  );
  t.ok(resets < RUNS, `${resets} of ${RUNS} were reset`);
  t.end();
});
