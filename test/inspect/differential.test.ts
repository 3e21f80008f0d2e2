// The engine against the reference on whole strings: all cases, random dialogues, and the cuts of random dialogues.

import t from 'tap';
import { cutMismatch, mismatch, modesOf, readCases } from './cases.ts';
import { inventDialogue } from './dialogues.ts';
import { corpusPolicy, runTranscript, type Result, type Segment } from './driver.ts';
import { random } from './random.ts';
import { Reference } from './reference.ts';
import { createPolicy } from '../../src/inspect/smtp/declare.ts';

const DIALOGUES = Number(process.env['POSTERN_DIALOGUES'] ?? 5_000);
const SEED = Number(process.env['POSTERN_SEED'] ?? 1);

function same(engine: Result, model: Reference): string {
  const reference = model.result();
  if (engine.verdict === 'reset' && reference.verdict === 'reset' && model.unfinished()) {
    if (!engine.toServer.startsWith(reference.toServer)) return `toServer ${JSON.stringify(engine.toServer)}, reference ${JSON.stringify(reference.toServer)}`;
    return engine.toClient === reference.toClient ? '' : `toClient ${JSON.stringify(engine.toClient)}, reference ${JSON.stringify(reference.toClient)}`;
  }
  if (engine.verdict !== reference.verdict) return `verdict ${engine.verdict}, reference ${reference.verdict}; ${engine.log.join(' ')}; ${reference.log.join(' ')}`;
  for (const side of ['toServer', 'toClient'] as const) {
    if (engine[side] !== reference[side]) return `${side} ${JSON.stringify(engine[side])}, reference ${JSON.stringify(reference[side])}`;
  }
  const [a, b] = [[...engine.log].sort().join(' '), [...reference.log].sort().join(' ')];
  return a === b ? '' : `log ${a}, reference ${b}`;
}

t.test('the reference gives what the corpus demands, where segments end with whole lines and messages', (t) => {
  for (const one of readCases().filter(({ kind }) => kind === 'stream')) {
    if (!one.server.every(({ from, data }) => data.endsWith('\r\n') || (from === 's' && data.endsWith('\n')))) continue;
    for (const esmtp of modesOf(one)) {
      const policy = corpusPolicy(esmtp, one.config);
      const reference = new Reference(policy.options);
      const message = one.server.some(({ from, data }, i) => from === 'c' && i > 0 && /^354/m.test(one.server[i - 1]!.data) && !/(?:^|\r\n)\.\r\n/.test(data));
      if (message) continue;
      for (const { from, data } of one.server) reference.feed(from, data);
      t.equal(mismatch(one.expect, reference.result()), '', `${one.id} ${esmtp ? 'esmtp' : 'smtp'}`);
    }
  }
  t.end();
});

t.test(`${DIALOGUES} random dialogues`, (t) => {
  const next = random(SEED);
  const failures: string[] = [];
  for (let i = 0; i < DIALOGUES && failures.length < 5; i++) {
    const { options, segments, reference } = inventDialogue(next);
    const difference = same(runTranscript(createPolicy(options), segments), reference);
    if (difference !== '') failures.push(`${i}: ${difference}\n${JSON.stringify({ options, segments })}`);
  }
  t.same(failures, []);
  t.end();
});

/**
 * A line that was masked late and that the server may obey, without a refusal in the transcript: outside of the statement
 * about cuts.  The dialogues are such that every masked line is refused, if it is answered.
 */
function unanswered(uncut: Result, cut: Result, model: Reference): boolean {
  if (!model.queue.includes('masked')) return false;
  const shown = cut.toServer.split('\r\n');
  return uncut.toServer.split('\r\n').some((line, i) => line !== shown[i] && /^b*(?:HELO|EHLO|DATA|AUTH|STARTTLS)(?:[ \t]|$)/i.test(shown[i] ?? ''));
}

t.test('cuts of random dialogues', (t) => {
  const next = random(SEED + 1);
  const failures: string[] = [];
  let compared = 0;
  for (let i = 0; i < DIALOGUES && failures.length < 5; i++) {
    const { options, segments, reference } = inventDialogue(next, true);
    const policy = createPolicy(options);
    const uncut = runTranscript(policy, segments);
    const longest = next() < 0.3 ? 1 : 1 + Math.floor(next() * 30);
    const cut = runTranscript(policy, segments.flatMap((segment) => pieces(segment, next, longest)));
    if (unanswered(uncut, cut, reference)) continue;
    compared++;
    const client = segments.filter(({ from }) => from === 'c').map(({ data }) => data).join('');
    const difference = cutMismatch(client, uncut, cut);
    if (difference !== '') failures.push(`${i}: ${difference}\n${JSON.stringify({ options, segments })}`);
  }
  t.same(failures, []);
  t.ok(compared > DIALOGUES * 0.9, `${compared} compared`);
  t.end();
});

function pieces({ from, data }: Segment, next: () => number, longest: number): Segment[] {
  const result: Segment[] = [];
  for (let at = 0; at < data.length;) {
    const length = 1 + Math.floor(next() * longest);
    result.push({ from, data: data.slice(at, at + length) });
    at += length;
  }
  return result;
}
