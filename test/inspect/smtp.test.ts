// The inspector beside the corpus: debug messages, texts of events, counters, the policy map, hold timer, end of stream,
// wrap of stream positions, many lines in one segment.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DebugSink, DEBUG_A, DEBUG_SHAPE, DEBUG_WORDS, FORWARD, Outcome, RESET } from '../../src/inspect/inspector.ts';
import { createInspectors } from '../../src/inspect/registry.ts';
import { compilePolicy, type PolicyMapLike, type SmtpPolicy } from '../../src/inspect/smtp/declare.ts';
import { debugText } from '../../src/inspect/smtp/debug-text.ts';
import { compileRegex } from '../../src/inspect/smtp/regex.ts';
import { createSmtp } from '../../src/inspect/smtp/smtp.ts';
import { utf8Next } from '../../src/inspect/smtp/utf8.ts';
import { verbTrie } from '../../src/inspect/smtp/verbs.ts';
import { COLUMNS, FOLD, ROOT } from '../../src/inspect/smtp/trie.ts';
import { createCounters, SMTP_COMMANDS, SMTP_MASKED_COMMANDS, SMTP_MASKED_REPLIES } from '../../src/telemetry/counters.ts';
import { root } from './cases.ts';
import { corpusPolicy, counters, Dialogue, runTranscript, setDebug, type Segment } from './driver.ts';
import { random } from './random.ts';
import { referenceSession } from './reference-session.ts';

t.test('debug ip inspect smtp: the trace of the reference document, 117 messages of 117', (t) => {
  const wanted = readFileSync(join(root(), 'test/inspect/fixtures/debug-ip-inspect-smtp.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  t.equal(wanted.length, 117);
  const sink = new DebugSink();
  setDebug(sink);
  const dialogue = new Dialogue(corpusPolicy(false));
  const got: string[] = [];
  let late = 0;
  for (const { t: time, from, data } of referenceSession) {
    dialogue.advance(time);
    dialogue.feed(from, data);
    for (let i = 0; i < sink.count; i++) {
      const at = i * DEBUG_WORDS;
      const text = debugText(
        sink.records[at + DEBUG_SHAPE]!,
        sink.records[at + DEBUG_A]!,
        sink.records[at + DEBUG_A + 1]!,
        sink.records[at + DEBUG_A + 2]!,
      );
      const line = wanted[got.length] ?? '';
      t.equal(text, line.slice(line.indexOf('CBAC')), `message ${got.length + 1}`);
      // IOS stamps a message when it prints it, up to two ticks of 4 ms behind its segment
      const [, h, m, s, ms] = /(\d\d):(\d\d):(\d\d)\.(\d{3})/.exec(line)!.map(Number) as [number, number, number, number, number];
      const printed = ((h * 60 + m) * 60 + s) * 1000 + ms;
      t.ok(printed >= time && printed - time <= 8, `message ${got.length + 1} belongs to the segment`);
      if (printed > time) late++;
      got.push(text);
    }
    sink.count = 0;
  }
  setDebug(null);
  t.equal(got.length, 117);
  t.ok(late < 40);
  const octets = (side: string): number => referenceSession.reduce((sum, { from, data }) => (from === side ? sum + data.length : sum), 0);
  t.equal(octets('c'), 47);
  t.equal(octets('s'), 281);
  t.equal(dialogue.result().verdict, 'pass');
  t.end();
});

t.test('verb trie: the state numbers of IOS', (t) => {
  const trie = verbTrie([]);
  const state = (text: string): number => [...text].reduce((node, c) => trie.next[node * COLUMNS + FOLD[c.charCodeAt(0)]!]!, ROOT);
  const levels: Record<string, number> = {
    V: 3,
    S: 4,
    R: 5,
    Q: 6,
    N: 7,
    M: 8,
    H: 9,
    E: 10,
    D: 11,
    A: 12,
    '.': 13,
    '\r': 14,
    VR: 15,
    SO: 16,
    SE: 17,
    SA: 18,
    RS: 19,
    RC: 20,
    QU: 21,
    NO: 22,
    MA: 23,
    HE: 24,
    ET: 25,
    EH: 26,
    DA: 27,
    AU: 28,
    '.\r': 29,
    '\r\n': 30,
    VRF: 31,
    SOM: 32,
    SEN: 33,
    SAM: 34,
    RSE: 35,
    RCP: 36,
    QUI: 37,
    NOO: 38,
    MAI: 39,
    HEL: 40,
    ETR: 41,
    EHL: 42,
    DAT: 43,
    AUT: 44,
    '.\r\n': 45,
    VRFY: 46,
    SOML: 47,
    SEND: 48,
    SAML: 49,
    RSET: 50,
    RCPT: 51,
    QUIT: 52,
    NOOP: 53,
    MAIL: 54,
    HELP: 55,
    HELO: 56,
    ETRN: 57,
    EHLO: 58,
    DATA: 59,
    AUTH: 60,
  };
  for (const [text, number] of Object.entries(levels)) t.equal(state(text), number, JSON.stringify(text));
  t.ok(state('BDAT') > 60);
  t.equal(state('wIz'), state('WIZ'));
  t.end();
});

t.test('UTF-8 automaton agrees with TextDecoder on all sequences of two octets and random ones of four', (t) => {
  const valid = (octets: readonly number[]): boolean => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(octets));
      return true;
    } catch {
      return false;
    }
  };
  const accepts = (octets: readonly number[]): boolean =>
    octets.reduce((state, octet) => (state < 0 ? -1 : utf8Next(state, octet)), 0) === 0;
  const wrong: number[][] = [];
  const check = (octets: number[]): void => {
    if (valid(octets) !== accepts(octets)) wrong.push(octets);
  };
  for (let a = 0; a < 256; a++) for (let b = 0; b < 256; b++) check([a, b]);
  const next = random(7);
  for (let i = 0; i < 50_000; i++) {
    check([0xe0 + Math.floor(next() * 24), 0x80 + Math.floor(next() * 70), 0x80 + Math.floor(next() * 66), Math.floor(next() * 256)]);
    check([0xe0 + Math.floor(next() * 16), 0x78 + Math.floor(next() * 80), 0x78 + Math.floor(next() * 80)]);
  }
  t.same(wrong, []);
  t.end();
});

t.test('regular expressions of the policy agree with those of JavaScript', (t) => {
  const patterns = [
    'a',
    '^a',
    'a$',
    '^a+b*$',
    '(ab|c)+',
    '[a-c]x',
    '[^a]$',
    'a.c',
    '^(a|b)?c{2,3}$',
    '\\.',
    'a|^b|c$',
    '^$',
    'x{0}',
    '(a*)*b',
    '[]a]',
    '^.*@evil\\.example$',
  ];
  const next = random(11);
  for (const pattern of patterns) {
    const automaton = compileRegex([{ pattern, not: false, action: 1 }]);
    const expression = new RegExp(pattern.replace('[]a]', '[\\]a]'), 's');
    for (let i = 0; i < 200; i++) {
      const text =
        Array.from({ length: Math.floor(next() * 7) }, () => 'abcx.@]'[Math.floor(next() * 7)]).join('') +
        (next() < 0.1 ? '@evil.example' : '');
      const state = [...text].reduce((at, c) => automaton.next[at * 256 + c.charCodeAt(0)]!, 0);
      if ((automaton.action[state] === 1) !== expression.test(text)) t.fail(`${pattern} on ${JSON.stringify(text)}`);
    }
  }
  for (const bad of ['(', ')', '[a', '*', 'a{', '\\', 'a{999}'])
    t.throws(() => compileRegex([{ pattern: bad, not: false, action: 1 }]), bad);
  const two = compileRegex([
    { pattern: 'a', not: false, action: 1 },
    { pattern: '^b', not: true, action: 2 },
  ]);
  t.equal(two.action[0], 2, 'an empty text does not begin with b');
  t.end();
});

const HELO: Segment[] = [
  { from: 's', data: '220 mx\r\n' },
  { from: 'c', data: 'HELO h\r\n' },
  { from: 's', data: '250 mx\r\n' },
];
const DATA: Segment[] = [...HELO, { from: 'c', data: 'DATA\r\n' }, { from: 's', data: '354 go\r\n' }];

function run(policy: SmtpPolicy, segments: readonly Segment[]): Dialogue {
  const dialogue = new Dialogue(policy);
  for (const { from, data } of segments) dialogue.feed(from, data);
  return dialogue;
}

t.test('events carry the text of the line as the client sent it', (t) => {
  const dialogue = run(corpusPolicy(true), [...HELO, { from: 'c', data: 'EXPN r\x00\x1boot\r\n' }]);
  t.same(dialogue.log, ['cmd.control-char']);
  t.same(dialogue.texts, ['EXPN r\x00\x1boot']);
  const typed = run(corpusPolicy(true), [...HELO, ...[...'EXPN root\r\n'].map((data): Segment => ({ from: 'c', data }))]);
  t.same(typed.texts, ['EX', ''], 'what was known when the line turned illegal');
  const held = corpusPolicy(true, { holdMs: 500 });
  t.same(run(held, [...HELO, ...[...'EXPN root\r\n'].map((data): Segment => ({ from: 'c', data }))]).texts, ['EXPN root']);
  t.end();
});

t.test('counters: command lines, masked ones, masked reply lines', (t) => {
  const before = counters.slice();
  run(corpusPolicy(true, { maskBanner: true }), [
    { from: 's', data: '220 banner text\r\n' },
    { from: 'c', data: 'EHLO h\r\n' },
    { from: 's', data: '250-mx\r\n250-STARTTLS\r\n250 XCLIENT\r\n' },
    { from: 'c', data: 'EXPN a\r\nNOOP\r\nMAIL FROM:<a|b@c>\r\n\r\n' },
  ]);
  const moved: Record<number, number> = {};
  counters.forEach((value, i) => {
    if (value !== before[i]) moved[i] = value - before[i]!;
  });
  t.same(moved, { [SMTP_COMMANDS]: 5, [SMTP_MASKED_COMMANDS]: 2, [SMTP_MASKED_REPLIES]: 3 });
  t.end();
});

function compiled(map: Partial<PolicyMapLike>, keyword = 'esmtp', regexes: [string, string][] = []): SmtpPolicy {
  return compilePolicy({ keyword }, { parameters: [], matches: [], ...map }, new Map(regexes));
}

function matched(criterion: string, action: string): Partial<PolicyMapLike> {
  return { matches: [{ criterion: criterion.split(' '), action: action.split(' ') }] };
}

t.test('policy map: each parameter and match does what it says', (t) => {
  const log = (policy: SmtpPolicy, segments: readonly Segment[]): string => {
    const { verdict, log: names } = runTranscript(policy, segments);
    return `${verdict} ${names.join(' ')}`.trim();
  };
  const command = (data: string): Segment[] => [...HELO, { from: 'c', data: `${data}\r\n` }];
  const ehlo = (reply: string, data = ''): Segment[] => [
    { from: 's', data: '220 mx\r\n' },
    { from: 'c', data: 'EHLO h\r\n' },
    { from: 's', data: reply },
    ...(data === '' ? [] : [{ from: 'c', data } as Segment]),
  ];
  const parameters = (...lines: string[]): SmtpPolicy => compiled({ parameters: lines.map((line) => line.split(' ')) });

  t.equal(
    log(compilePolicy({ keyword: 'smtp' }, undefined, new Map()), command('WIZ')),
    'reset sig.3104',
    'signatures are on under ip inspect',
  );
  t.equal(log(parameters('signatures off'), command('WIZ')), 'mask cmd.illegal');
  t.equal(log(parameters('no signatures'), command('WIZ')), 'mask cmd.illegal');
  t.equal(log(parameters('mask-banner'), command('NOOP')), 'mask banner.masked');
  t.equal(runTranscript(parameters('mask-banner'), [{ from: 's', data: '220 mx\r\n' }]).toClient, '220 **\r\n');
  t.equal(runTranscript(parameters('mask-banner', 'no mask-banner'), [{ from: 's', data: '220 mx\r\n' }]).toClient, '220 mx\r\n');
  t.equal(log(parameters('allow-tls'), ehlo('250-mx\r\n250 STARTTLS\r\n', 'STARTTLS\r\n')), 'pass');
  t.equal(log(parameters(), ehlo('250-mx\r\n250 STARTTLS\r\n', 'STARTTLS\r\n')), 'mask ehlo.masked cmd.illegal');
  t.equal(
    log(parameters('allow-tls action log'), [
      ...ehlo('250-mx\r\n250 STARTTLS\r\n', 'STARTTLS\r\n'),
      { from: 's', data: '220 go\r\n' },
      { from: 'c', data: '\x16' },
    ]),
    'pass esmtp.policy-log',
  );
  t.equal(log(parameters('special-character action drop-connection log'), command('RCPT TO:<a`b@c>')), 'reset esmtp.policy-reset');
  t.equal(log(parameters('special-character action log', 'signatures off'), command('RCPT TO:<a|b@c>')), 'mask addr.pipe');
  t.equal(log(parameters('mail-relay example.net action drop-connection log'), command('RCPT TO:<a@example.net>')), 'pass');
  t.equal(log(parameters('mail-relay example.net action drop-connection log'), command('RCPT TO:<a@EXAMPLE.net>')), 'pass');
  t.equal(
    log(parameters('mail-relay example.net action drop-connection log'), command('RCPT TO:<a@example.net.evil>')),
    'reset esmtp.policy-reset',
  );
  t.equal(log(parameters('mail-relay example.net action log'), command('RCPT TO:<a@other.example>')), 'pass esmtp.policy-log');
  t.equal(log(parameters('profile mailguard'), command('VRFY a')), 'mask cmd.illegal');
  t.equal(log(parameters('extension chunking'), ehlo('250-mx\r\n250 CHUNKING\r\n', 'BDAT 4 LAST\r\nEXPN')), 'pass');
  t.equal(log(parameters('extension X-OWN'), ehlo('250-mx\r\n250 X-OWN\r\n', 'X-OWN some text\r\n')), 'pass');
  t.equal(log(parameters('extension X-OWN'), ehlo('250 mx\r\n', 'X-OWN some text\r\n')), 'mask cmd.not-offered');
  t.equal(log(parameters('extension HELP'), ehlo('250-mx\r\n250 HELP\r\n', 'HELP\r\n')), 'pass', 'a keyword that is a verb already');
  t.equal(log(parameters('max-chunk 10', 'extension CHUNKING'), ehlo('250-mx\r\n250 CHUNKING\r\n', 'BDAT 11\r\n')), 'mask bdat.syntax');
  t.equal(parameters('hold-time 500', 'line-timeout 30', 'data-timeout 40', 'max-received 7').options.holdMs, 500);
  t.equal(parameters('line-timeout 30').lineTimeoutMs, 30_000);
  t.equal(parameters('data-timeout 40').dataIdleMs, 40_000);
  t.equal(parameters('max-received 7').maxReceived, 7);

  t.equal(log(compiled(matched('cmd verb VRFY', 'mask log')), command('VRFY a')), 'mask cmd.illegal');
  t.equal(log(compiled(matched('cmd verb VRFY', 'reset log')), command('VRFY a')), 'reset esmtp.policy-reset');
  t.equal(log(compiled(matched('cmd verb HELP', 'log')), command('HELP')), 'pass esmtp.policy-log');
  t.equal(log(compiled(matched('not cmd verb HELO NOOP', 'mask')), command('NOOP')), 'pass');
  t.equal(log(compiled(matched('not cmd verb HELO NOOP', 'mask')), command('RSET')), 'mask cmd.illegal');
  t.equal(log(compiled(matched('cmd line length gt 20', 'drop-connection log')), command('NOOP 1234567890123456')), 'reset cmd.too-long');
  t.equal(log(compiled(matched('cmd line length gt 20', 'log')), command('NOOP 1234567890123456')), 'pass esmtp.policy-log');
  t.equal(
    log(compiled(matched('cmd RCPT count gt 1', 'log')), command('RCPT TO:<a@b>\r\nRCPT TO:<c@d>')),
    'pass pipeline.not-offered esmtp.policy-log',
  );
  t.equal(
    log(compiled(matched('sender-address length gt 5', 'drop-connection log')), command('MAIL FROM:<ab@cde>')),
    'reset addr.too-long',
  );
  t.equal(log(compiled(matched('sender-address length gt 5', 'log')), command('MAIL FROM:<ab@cde>')), 'pass esmtp.policy-log');
  t.equal(
    log(compiled(matched('body line length gt 5', 'drop-connection log')), [...DATA, { from: 'c', data: '\r\n12345\r\n123456\r\n' }]),
    'reset data.line-too-long',
  );
  t.equal(
    log(compiled(matched('header line length gt 5', 'log')), [...DATA, { from: 'c', data: 'X: 12345\r\n' }]),
    'pass header.line-too-long',
  );
  t.equal(
    log(compiled(matched('MIME filename length gt 3', 'log')), [...DATA, { from: 'c', data: 'Content-Type: a; name=abcd\r\n' }]),
    'pass mime.filename-too-long',
  );
  t.equal(
    log(compiled(matched('invalid-recipients count gt 0', 'log')), [...command('RCPT TO:<a@b>'), { from: 's', data: '550 no\r\n' }]),
    'pass esmtp.policy-log',
  );
  t.equal(
    log(compiled(matched('invalid-recipients count gt 0', 'reset')), [...command('RCPT TO:<a@b>'), { from: 's', data: '550 no\r\n' }]),
    'reset rcpt.invalid-limit',
  );
  t.equal(
    log(compiled(matched('ehlo-reply-parameter size ecode', 'mask')), ehlo('250-mx\r\n250-SIZE\r\n250 ENHANCEDSTATUSCODES\r\n')),
    'mask ehlo.masked ehlo.masked',
  );
  t.equal(
    log(compiled(matched('ehlo-reply-parameter others', 'log')), ehlo('250-mx\r\n250-X-FOO\r\n250 SIZE\r\n')),
    'pass esmtp.policy-log',
  );
  t.equal(
    log(compiled(matched('ehlo-reply-parameter others', 'reset')), ehlo('250-mx\r\n250-X-FOO\r\n250 SIZE\r\n')),
    'reset esmtp.policy-reset',
  );
  t.equal(
    log(compiled(matched('ehlo-reply-parameter auth', 'reset log')), ehlo('250-mx\r\n250 AUTH PLAIN\r\n')),
    'reset esmtp.policy-reset',
  );
  const regexes: [string, string][] = [['bad', 'spam.*@evil\\.example']];
  t.equal(
    log(
      compiled(matched('sender-address regex bad', 'drop-connection log'), 'esmtp', regexes),
      command('MAIL FROM:<a.spammer@evil.example>'),
    ),
    'reset esmtp.policy-reset',
  );
  t.equal(
    log(compiled(matched('sender-address regex bad', 'log'), 'esmtp', regexes), command('MAIL FROM:spam@evil.example')),
    'pass esmtp.policy-log addr.no-brackets',
  );
  t.equal(log(compiled(matched('sender-address regex bad', 'reset'), 'esmtp', regexes), command('MAIL FROM:<ham@evil.example>')), 'pass');

  for (const bad of [
    matched('cmd verb FOO', 'mask'),
    matched('cmd line length gt', 'log'),
    matched('sender-address regex none', 'log'),
    matched('weather gt 3', 'log'),
    { parameters: [['frob']] },
    { parameters: [['hold-time', 'x']] },
  ])
    t.throws(() => compiled(bad));
  t.same(
    structuredClone(compiled(matched('sender-address regex bad', 'log'), 'esmtp', regexes)),
    compiled(matched('sender-address regex bad', 'log'), 'esmtp', regexes),
    'a policy can be cloned',
  );
  t.end();
});

t.test('the default map of the ASA compiles and changes nothing but the banner', (t) => {
  const map: PolicyMapLike = {
    parameters: [['mask-banner'], ['no', 'mail-relay'], ['no', 'special-character'], ['no', 'allow-tls']],
    matches: [
      { criterion: 'cmd line length gt 512'.split(' '), action: ['drop-connection', 'log'] },
      { criterion: 'cmd RCPT count gt 100'.split(' '), action: ['drop-connection', 'log'] },
      { criterion: 'body line length gt 998'.split(' '), action: ['log'] },
      { criterion: 'header line length gt 998'.split(' '), action: ['drop-connection', 'log'] },
      { criterion: 'sender-address length gt 320'.split(' '), action: ['drop-connection', 'log'] },
      { criterion: 'MIME filename length gt 255'.split(' '), action: ['drop-connection', 'log'] },
      { criterion: 'ehlo-reply-parameter others'.split(' '), action: ['mask'] },
    ],
  };
  const { options } = compilePolicy({ keyword: 'esmtp' }, map, new Map());
  t.same(options, { ...compilePolicy({ keyword: 'esmtp' }, undefined, new Map()).options, maskBanner: true });
  t.end();
});

t.test('end of the client stream: what is held leaves or is masked, a CR and half a BDAT line do not', (t) => {
  const ended = (policy: SmtpPolicy, segments: readonly Segment[]): string => {
    const dialogue = run(policy, segments);
    dialogue.end('c');
    return dialogue.result().toServer;
  };
  const hold = corpusPolicy(true, { holdMs: 500 });
  t.equal(ended(hold, [...HELO, { from: 'c', data: 'QUI' }]), 'HELO h\r\nQUI');
  t.equal(ended(hold, [...HELO, { from: 'c', data: 'QUX' }]), 'HELO h\r\nxxx');
  t.equal(ended(hold, [...HELO, { from: 'c', data: 'QUIT\r' }]), 'HELO h\r\nQUIT');
  t.equal(ended(corpusPolicy(true), [...DATA, { from: 'c', data: 'a\r\n.' }]), 'HELO h\r\nDATA\r\na\r\n.');
  t.equal(ended(corpusPolicy(true), [...DATA, { from: 'c', data: 'a\r\n.\r' }]), 'HELO h\r\nDATA\r\na\r\nx\r');
  const chunking = corpusPolicy(true, { extensions: ['CHUNKING'] });
  const offered: Segment[] = [
    { from: 's', data: '220 mx\r\n' },
    { from: 'c', data: 'EHLO h\r\n' },
    { from: 's', data: '250-mx\r\n250 CHUNKING\r\n' },
  ];
  t.equal(ended(chunking, [...offered, { from: 'c', data: 'BDAT 5' }]), 'EHLO h\r\n');
  t.equal(ended(corpusPolicy(true), [{ from: 'c', data: 'HELO h\r\n' }]), '', 'octets before the greeting stay');
  t.end();
});

t.test('a hundred lines with events, and more edits than the table holds, in one segment', (t) => {
  const lines = Array.from({ length: 300 }, (_, i) => `EXPN ${i}\r\n`).join('');
  const result = runTranscript(corpusPolicy(true), [...HELO, { from: 'c', data: lines }]);
  t.equal(result.log.filter((name) => name === 'cmd.illegal').length, 300);
  t.equal(result.toServer, `HELO h\r\n${lines.replace(/[^\r\n]/g, 'x')}`);
  const dots = 'a\n.\n'.repeat(1000);
  const data = runTranscript(corpusPolicy(true), [...DATA, { from: 'c', data: `\r\n${dots}` }]);
  t.equal(data.toServer, `HELO h\r\nDATA\r\n\r\n${'a\nx\n'.repeat(1000)}`);
  const pipes = `RCPT TO:<${'a|'.repeat(240)}@b>\r\n`;
  t.equal(runTranscript(corpusPolicy(true), [...HELO, { from: 'c', data: pipes }]).toServer, `HELO h\r\n${pipes.replaceAll('|', ' ')}`);
  const many = Array.from({ length: 40 }, () => `RCPT TO:<${'a|'.repeat(20)}@b>\r\n`).join('');
  t.equal(runTranscript(corpusPolicy(true), [...HELO, { from: 'c', data: many }]).toServer, `HELO h\r\n${many.replaceAll('|', ' ')}`);
  t.end();
});

t.test('the kinds of outstanding replies are bounded where they are kept, and nothing is lost at the bound', (t) => {
  const policy = corpusPolicy(true, { maxInvalidRcpt: 1000, maxRcpt: 2000 });
  const lines = Array.from({ length: 600 }, (_, i) => (i % 3 === 0 ? 'NOOP\r\n' : 'RCPT TO:<a@b>\r\n')).join('');
  const dialogue = run(policy, [...HELO, { from: 'c', data: lines }]);
  t.equal(dialogue.result().toServer.split('\r\n').length - 2, 256);
  for (let i = 0; i < 600; i++) dialogue.feed('s', '550 x\r\n');
  t.equal(dialogue.result().toServer, `HELO h\r\n${lines}`);
  t.equal(dialogue.result().verdict, 'pass');
  const strict = run(corpusPolicy(true, { maxInvalidRcpt: 3, maxRcpt: 2000 }), [...HELO, { from: 'c', data: lines }]);
  for (let i = 0; i < 20; i++) strict.feed('s', '550 x\r\n');
  t.equal(strict.result().verdict, 'reset');
  t.equal(strict.result().toClient.split('550').length - 1, 6, 'the fourth refused RCPT is the sixth command');
  t.end();
});

t.test('stream positions wrap at 2^32', (t) => {
  const inspector = createSmtp(1, createCounters());
  const out = new Outcome();
  const encode = (text: string): Uint8Array => Buffer.from(text, 'latin1');
  const chunking = corpusPolicy(true, { extensions: ['CHUNKING'] });
  inspector.open(0, chunking, 0);
  let client = 0;
  let server = 0;
  const feed = (direction: number, text: string): number => {
    const position = direction === 0 ? client : server;
    out.begin(position);
    const verdict = inspector.scan(0, direction, encode(text), 0, text.length, position, 0, out);
    t.equal(out.consumed, text.length);
    if (direction === 0) client = (client + text.length) | 0;
    else server = (server + text.length) | 0;
    t.equal(out.releaseTo, direction === 0 ? client : server, text.slice(0, 20));
    return verdict;
  };
  feed(1, '220 mx\r\n');
  feed(0, 'EHLO h\r\n');
  feed(1, '250-mx\r\n250 CHUNKING\r\n');
  feed(0, 'BDAT 2147483640\r\n');
  const filler = new Uint8Array(1 << 20).fill(0x61);
  for (let left = 2_147_483_640; left > 0; ) {
    const length = Math.min(left, filler.length);
    out.begin(client);
    t.equal(inspector.scan(0, 0, filler, 0, length, client, 0, out), FORWARD);
    client = (client + length) | 0;
    left -= length;
  }
  t.ok(client < 0);
  feed(1, '250 ok\r\n');
  feed(0, 'MAIL FROM:<a@b>\r\n');
  feed(1, '250 ok\r\n');
  out.begin(client);
  inspector.scan(0, 0, encode('EXPN\r\n'), 0, 6, client, 0, out);
  t.equal(out.editFrom[0], client);
  t.equal(out.editTo[0], (client + 4) | 0);
  t.end();
});

t.test('registry, close and reuse of a session', (t) => {
  const [inspector] = createInspectors(2, createCounters());
  t.same(inspector!.declare.keywords, ['smtp', 'esmtp']);
  const out = new Outcome();
  inspector!.open(1, corpusPolicy(true), 0);
  const banner = Buffer.from('220 mx\r\n250 x\r\n');
  out.begin(0);
  t.equal(inspector!.scan(1, 1, banner, 0, banner.length, 0, 0, out), RESET);
  t.equal(out.releaseTo, 8);
  inspector!.close(1);
  inspector!.open(1, corpusPolicy(true), 0);
  out.begin(0);
  t.equal(inspector!.scan(1, 1, banner, 0, 8, 0, 0, out), FORWARD);
  t.end();
});
