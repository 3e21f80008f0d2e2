// The engine against the reference on whole strings: all cases, random dialogues, and the cuts of random dialogues.

import t from 'tap';
import { cutMismatch, mismatch, modesOf, readCases, steeredLate } from './cases.ts';
import { damagedLine, inventDialogue } from './dialogues.ts';
import { corpusPolicy, runTranscript, type Result, type Segment } from './driver.ts';
import { random } from './random.ts';
import { Reference } from './reference.ts';
import { createPolicy, defaultOptions } from '../../src/inspect/smtp/declare.ts';

const DIALOGUES = Number(process.env['POSTERN_DIALOGUES'] ?? 5_000);
const SEED = Number(process.env['POSTERN_SEED'] ?? 1);

function same(engine: Result, model: Reference): string {
  const reference = model.result();
  if (engine.verdict === 'reset' && reference.verdict === 'reset' && model.unfinished()) {
    if (!engine.toServer.startsWith(reference.toServer))
      return `toServer ${JSON.stringify(engine.toServer)}, reference ${JSON.stringify(reference.toServer)}`;
    return engine.toClient === reference.toClient
      ? ''
      : `toClient ${JSON.stringify(engine.toClient)}, reference ${JSON.stringify(reference.toClient)}`;
  }
  if (engine.verdict !== reference.verdict)
    return `verdict ${engine.verdict}, reference ${reference.verdict}; ${engine.log.join(' ')}; ${reference.log.join(' ')}`;
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
      const message = one.server.some(
        ({ from, data }, i) => from === 'c' && i > 0 && /^354/m.test(one.server[i - 1]!.data) && !/(?:^|\r\n)\.\r\n/.test(data),
      );
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

/** Lines from which a prefix may become legal: the rest of one of them is put behind it. */
const LEGAL = [
  'HELO a',
  'EHLO a.b-c.d',
  'HELO [1.1.1.1]',
  'EHLO [a:b]',
  'EHLO [a-b:c]',
  'QUIT',
  'RSET \t ',
  'NOOP',
  'NOOP a',
  'HELP a',
  'VRFY a',
  'DATA',
  'ETRN a',
  'AUTH a',
  'AUTH a a==',
  'AUTH a =',
  'BDAT 1',
  'BDAT 1 LAST',
  'STARTTLS',
  ' \t',
  ...['MAIL FROM:', 'RCPT TO:', 'SEND FROM:', 'SOML FROM:', 'SAML FROM:'].flatMap((verb) => [
    `${verb}<a@b>`,
    `${verb} <a..b@c.d>`,
    `${verb}<"a\\"b"@c>`,
    `${verb}<@a,@b:c@d>`,
    `${verb}a@b`,
    `${verb}<a>`,
    `${verb}<a@[1.1.1.1]>`,
    `${verb}<a@[a:b]>`,
    `${verb}<a@[a-b:c]>`,
    `${verb}"a" `,
    `${verb}<a@b-c.d> `,
    `${verb}@a,@b:c@d`,
  ]),
  'MAIL FROM:<>',
  'MAIL FROM:<> SIZE=11 RET=FULL ENVID=a+2B',
  'MAIL FROM:<> BODY=8BITMIME',
  'MAIL FROM:<> BODY=7BIT RET=HDRS',
  'MAIL FROM:<> AUTH=<>',
  'MAIL FROM:<> BODY=BINARYMIME',
  'RCPT TO:<a> NOTIFY=NEVER',
  'RCPT TO:<a> NOTIFY=SUCCESS,FAILURE,DELAY',
  'RCPT TO:<a> ORCPT=a-b;c+2B',
];
const TAILS = [...new Set(LEGAL.flatMap((line) => Array.from({ length: line.length + 1 }, (_, i) => line.slice(i))))];
const KEYWORDS = 'PIPELINING,SIZE,ETRN,AUTH,8BITMIME,DSN,CHUNKING,BINARYMIME,STARTTLS';

t.test('typed octet by octet, a line is masked from the first octet that no legal line can have there', (t) => {
  const next = random(SEED + 2);
  const all = createPolicy({ ...defaultOptions(true), allowTls: true, extensions: ['CHUNKING', 'BINARYMIME'] });
  let dead = 0;
  for (let i = 0; i < 150; i++) {
    const keywords = KEYWORDS.split(',').filter(() => next() < 0.7);
    const opening: Segment[] = [
      { from: 's', data: '220 mx\r\n' },
      { from: 'c', data: 'EHLO h\r\n' },
      { from: 's', data: ['mx', ...keywords].map((keyword, j) => `250${j === keywords.length ? ' ' : '-'}${keyword}\r\n`).join('') },
    ];
    const alive = (line: string): boolean => {
      const reference = new Reference(all.options);
      for (const { from, data } of opening) reference.feed(from, data);
      return reference.accepts(line);
    };
    const text = damagedLine(next, LEGAL);
    if (/[|`$\r]/.test(text) || text.length > 70) continue;
    let viable = 0;
    while (viable <= text.length && TAILS.some((tail) => alive(text.slice(0, viable) + tail))) viable++;
    const whole = alive(text);
    const typed = runTranscript(all, [...opening, ...[...text, '\r\n'].map((data): Segment => ({ from: 'c', data }))]);
    const shown = typed.toServer.slice('EHLO h\r\n'.length);
    // a BDAT line leaves whole or not at all
    const left = Math.max(0, Math.min(viable - 1, text.length));
    const held = /^B/i.test(text) && keywords.includes('CHUNKING');
    const wanted = whole ? text : (held ? '' : text.slice(0, left)).padEnd(text.length, 'x');
    if (!whole) dead++;
    t.equal(shown, `${wanted}\r\n`, JSON.stringify(text));
  }
  t.ok(dead > 30, `${dead} illegal lines`);
  t.end();
});

t.test('cuts of random dialogues', (t) => {
  const next = random(SEED + 1);
  const failures: string[] = [];
  let compared = 0;
  for (let i = 0; i < DIALOGUES && failures.length < 5; i++) {
    const { options, segments, reference } = inventDialogue(next, true);
    const policy = createPolicy(options);
    const uncut = runTranscript(policy, segments);
    const longest = next() < 0.3 ? 1 : 1 + Math.floor(next() * 30);
    const cut = runTranscript(
      policy,
      segments.flatMap((segment) => pieces(segment, next, longest)),
    );
    // every masked line is refused in these dialogues, if it is answered
    if (reference.queue.includes('masked') && steeredLate(uncut, cut)) continue;
    compared++;
    const client = segments
      .filter(({ from }) => from === 'c')
      .map(({ data }) => data)
      .join('');
    const difference = cutMismatch(client, uncut, cut);
    if (difference !== '') failures.push(`${i}: ${difference}\n${JSON.stringify({ options, segments })}`);
  }
  t.same(failures, []);
  t.ok(compared > DIALOGUES * 0.9, `${compared} compared`);
  t.end();
});

function pieces({ from, data }: Segment, next: () => number, longest: number): Segment[] {
  const result: Segment[] = [];
  for (let at = 0; at < data.length; ) {
    const length = 1 + Math.floor(next() * longest);
    result.push({ from, data: data.slice(at, at + length) });
    at += length;
  }
  return result;
}
