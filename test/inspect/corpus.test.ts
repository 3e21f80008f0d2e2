// The corpus, each case whole, at every cut and at random ones.

import t from 'tap';
import { cutMismatch, mismatch, modesOf, readCases, steeredLate, type Case } from './cases.ts';
import { corpusPolicy, Dialogue, runTranscript, type Result, type Segment } from './driver.ts';
import { random } from './random.ts';
import type { SmtpPolicy } from '../../src/inspect/smtp/declare.ts';

const cases = readCases();
const streams = cases.filter(({ kind }) => kind === 'stream');
const MULTI_SPLITS = Number(process.env['POSTERN_SPLITS'] ?? 200);

t.test('stream cases give the octets, the verdict and the events of the corpus', (t) => {
  for (const one of streams) {
    for (const esmtp of modesOf(one)) {
      t.equal(
        mismatch(one.expect, runTranscript(corpusPolicy(esmtp, one.config), one.server)),
        '',
        `${one.id} ${esmtp ? 'esmtp' : 'smtp'} ${one.title}`,
      );
    }
  }
  t.end();
});

t.test('timed cases: what leaves when, and when a session is reset', (t) => {
  for (const one of cases.filter(({ kind, events }) => kind === 'timing' && events !== undefined)) {
    for (const esmtp of modesOf(one)) {
      const dialogue = new Dialogue(corpusPolicy(esmtp, one.config));
      for (const { t: at, from, data } of one.events!) {
        dialogue.advance(at);
        dialogue.feed(from, data);
      }
      dialogue.advance(100_000_000);
      const result = dialogue.result();
      // the line timeout comes long after the last event of the case
      if (result.log.at(-1) === 'time.line') {
        result.log.pop();
        result.verdict = result.log.length > 0 ? 'mask' : 'pass';
      }
      t.equal(mismatch(one.expect, result), '', one.id);
      const emitted = dialogue.emissions.filter(({ t: at, data }) => at > 0 && data !== '');
      t.same(emitted, one.expect.emits, `${one.id}: emissions`);
    }
  }
  const drip = cases.find(({ id }) => id === 'TIME-013')!;
  const dialogue = new Dialogue(corpusPolicy(true, drip.config));
  for (const event of drip.recipe!.events) {
    dialogue.advance(event['t'] as number);
    if (event['greeting'] === true) dialogue.feed('s', '220 mx\r\n');
    else dialogue.feed('c', event['data'] as string);
  }
  t.equal(dialogue.result().verdict, 'reset');
  t.equal(dialogue.resetAt, drip.expect.resetAt);
  t.same(dialogue.log, drip.expect.log);
  t.ok(drip.expect.toServer.startsWith(dialogue.result().toServer));

  const idle = cases.find(({ id }) => id === 'TIME-016')!;
  const data = new Dialogue(corpusPolicy(true, idle.config));
  data.feed('s', '220 mx\r\n');
  data.feed('c', 'DATA\r\n');
  data.feed('s', '354 go\r\n');
  data.advance(180_001);
  t.equal(data.resetAt, idle.expect.resetAt);
  t.same(data.log, idle.expect.log);
  t.end();
});

/** What a cut of the case changes, '' for nothing. */
function cuts(one: Case, policy: SmtpPolicy, uncut: Result, make: () => Segment[]): string {
  const segments = make();
  const client = one.server
    .filter(({ from }) => from === 'c')
    .map(({ data }) => data)
    .join('');
  return cutMismatch(client, uncut, runTranscript(policy, segments));
}

t.test('no cut of a transcript changes what it comes to', (t) => {
  const next = random(0x5eed);
  for (const one of streams) {
    for (const esmtp of modesOf(one)) {
      const policy = corpusPolicy(esmtp, one.config);
      if (policy.holdMs > 0) continue;
      const uncut = runTranscript(policy, one.server);
      const failures: string[] = [];
      const check = (name: string, segments: () => Segment[]): void => {
        const difference = cuts(one, policy, uncut, segments);
        if (difference !== '' && failures.length < 3) failures.push(`${name}: ${difference}`);
      };
      one.server.forEach(({ data }, place) => {
        for (let at = 1; at < data.length; at++) check(`segment ${place} cut at ${at}`, () => cutOnce(one.server, place, at));
      });
      check('client octet by octet', () => one.server.flatMap((segment) => (segment.from === 'c' ? octets(segment) : [segment])));
      check('octet by octet', () => one.server.flatMap(octets));
      for (let i = 0; i < MULTI_SPLITS; i++) check(`random ${i}`, () => one.server.flatMap((segment) => pieces(segment, next)));
      t.same(failures, [], `${one.id} ${esmtp ? 'esmtp' : 'smtp'}`);
    }
  }
  t.end();
});

t.test('cases of our own: every row and limit of the rules, whole and octet by octet', (t) => {
  for (const one of readCases('more-cases.jsonl').filter(({ kind }) => kind === 'stream')) {
    for (const esmtp of modesOf(one)) {
      const policy = corpusPolicy(esmtp, one.config);
      const name = `${one.id} ${esmtp ? 'esmtp' : 'smtp'} ${one.title}`;
      const uncut = runTranscript(policy, one.server);
      t.equal(mismatch(one.expect, uncut), '', name);
      if (policy.holdMs > 0) continue;
      const byClient = one.server.flatMap((segment) => (segment.from === 'c' ? octets(segment) : [segment]));
      for (const segments of [byClient, one.server.flatMap(octets)]) {
        if (!steeredLate(uncut, runTranscript(policy, segments)))
          t.equal(
            cuts(one, policy, uncut, () => segments),
            '',
            `${name}, cut`,
          );
      }
    }
  }
  t.end();
});

function cutOnce(segments: readonly Segment[], place: number, at: number): Segment[] {
  const { from, data } = segments[place]!;
  const halves: Segment[] = [
    { from, data: data.slice(0, at) },
    { from, data: data.slice(at) },
  ];
  return [...segments.slice(0, place), ...halves, ...segments.slice(place + 1)];
}

function octets({ from, data }: Segment): Segment[] {
  return [...data].map((c): Segment => ({ from, data: c }));
}

function pieces({ from, data }: Segment, next: () => number): Segment[] {
  const result: Segment[] = [];
  const longest = 1 + Math.floor(next() * Math.min(data.length, 40));
  for (let at = 0; at < data.length; ) {
    const length = 1 + Math.floor(next() * longest);
    result.push({ from, data: data.slice(at, at + length) });
    at += length;
  }
  return result;
}
