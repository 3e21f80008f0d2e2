// Random dialogues: commands and messages from the grammar, some of them damaged, glued into segments, and a server that
// mostly answers what is outstanding.  The model of the dialogue is the reference itself.

import { ACTION_NONE, ACTION_RESET, defaultOptions, type SmtpOptions } from '../../src/inspect/smtp/declare.ts';
import type { Segment } from './driver.ts';
import { Reference } from './reference.ts';

type Next = () => number;

const DAMAGE = [
  '\0',
  '\r',
  '\n',
  '\t',
  ' ',
  '  ',
  '\x0b',
  '\x7f',
  '\xff',
  '\xc3\xa9',
  '\xe2\x80\xae',
  '\xc3',
  '|',
  '`',
  '${',
  '$',
  '{',
  '<',
  '>',
  '"',
  '\\',
  '@',
  '.',
  '..',
  ',',
  ':',
  '[',
  ']',
  '=',
  '+',
  '-',
  '_',
  '%',
  '!',
  ';',
  'x',
  'X',
  '0',
  '\r\r',
  '\n.\n',
  '\r.\r',
  '\r\n',
  'decode@',
];
const NAMES = ['a', 'a', 'b', 'b.c', 'postmaster', 'Postmaster', 'x..y', 'user%host', 'h!u', '"q s"', '"a\\"b"', 'a_b', 'r0', '\xc3\xa9'];
const HOSTS = [
  'mx.example',
  'mx.example',
  'h.example',
  'd.example',
  'a-b.example.org',
  'h',
  'x_y.example',
  '[192.0.2.1]',
  '[IPv6:2001:db8::1]',
  '[300.1.1.1]',
  'ex-.org',
  '-a.org',
  'a..b',
  'example.org.',
];
const ALL_KEYWORDS = [
  'PIPELINING',
  'SIZE 1000',
  'SIZE',
  'ETRN',
  'AUTH PLAIN LOGIN',
  'AUTH=LOGIN',
  '8BITMIME',
  'DSN',
  'ENHANCEDSTATUSCODES',
  'STARTTLS',
  'CHUNKING',
  'BINARYMIME',
  'SMTPUTF8',
  'DELIVERBY 60',
  'MT-PRIORITY',
  'FUTURERELEASE 1 2',
  'REQUIRETLS',
  'HELP',
  'XCLIENT NAME',
  'X-EXPS GSSAPI',
  'VRFY',
  'dsn',
  'LIMITS RCPTMAX=3',
  'SIZ',
  '',
];
const PARAMETERS = [
  'SIZE=100',
  'SIZE=',
  'SIZE=-1',
  'SIZE=123456789012345678901',
  'BODY=8BITMIME',
  'body=7bit',
  'BODY=BINARYMIME',
  'BODY=FOO',
  'RET=FULL',
  'RET=ALL',
  'ENVID=a+2Bb',
  'ENVID=a+b',
  'AUTH=<>',
  'AUTH=a',
  'SMTPUTF8',
  'SMTPUTF8=1',
  'BY=120;R',
  'MT-PRIORITY=3',
  'HOLDFOR=10',
  'HOLDUNTIL=x',
  'REQUIRETLS',
  'XFOO=1',
  'NOTIFY=NEVER',
  'NOTIFY=SUCCESS,DELAY',
  'NOTIFY=NEVER,DELAY',
  'ORCPT=rfc822;a@b',
  'ORCPT=a',
  '=x',
  'A B',
  'SIZE',
];

function pick<T>(next: Next, list: readonly T[]): T {
  return list[Math.floor(next() * list.length)]!;
}

function address(next: Next): string {
  const kind = next();
  const mailbox =
    kind < 0.75
      ? `${pick(next, NAMES)}@${pick(next, HOSTS)}`
      : kind < 0.85
        ? pick(next, NAMES)
        : kind < 0.95
          ? `@${pick(next, HOSTS)},@h:${pick(next, NAMES)}@h`
          : '';
  const long = next() < 0.01 ? 'l'.repeat(300 + Math.floor(next() * 40)) : '';
  if (next() < 0.06) return damage(next, `<${mailbox}>`, ['|', '`', '$', '${', '"', '>', '\t', '\\']);
  return next() < 0.9 ? `<${long}${mailbox}>` : `${long}${mailbox}`;
}

function envelope(next: Next, verb: string): string {
  let line = `${verb}:${next() < 0.1 ? ' ' : ''}${address(next)}`;
  while (next() < 0.25) line += ` ${pick(next, PARAMETERS)}`;
  return line;
}

function command(next: Next): string {
  const kind = Math.floor(next() * 26);
  switch (kind) {
    case 0:
      return `HELO ${pick(next, HOSTS)}`;
    case 1:
    case 2:
      return `EHLO ${pick(next, HOSTS)}`;
    case 3:
    case 4:
    case 5:
      return envelope(next, 'MAIL FROM');
    case 6:
    case 7:
    case 8:
      return envelope(next, 'RCPT TO');
    case 9:
      return envelope(next, pick(next, ['SEND FROM', 'SOML FROM', 'SAML FROM', 'mail from', 'rcpt to']));
    case 10:
    case 11:
    case 12:
      return 'DATA';
    case 13:
      return pick(next, ['RSET', 'QUIT', 'NOOP', 'HELP', 'noop text', 'NOOP  x', 'RSET x', 'RSET \t ']);
    case 14:
      return pick(next, [
        'VRFY root',
        'VRFY',
        'VRFY |x',
        'HELP mail',
        'EXPN all',
        'TURN',
        'WIZ',
        'DEBUG',
        'wiz x',
        'STARTTLS',
        'STARTTLS now',
      ]);
    case 15:
      return pick(next, [
        'ETRN a.example',
        'ETRN a b',
        'ETRN',
        'AUTH',
        'XEXCH50 1 2',
        'X',
        'HELOX y',
        'DATA.',
        'GET / HTTP/1.1',
        'MAIL\tFROM:<a>',
        'NOOP\t',
        'NOOP\ta',
      ]);
    case 16:
    case 17:
      return pick(next, [
        'AUTH PLAIN AGEAYg==',
        'AUTH LOGIN',
        'AUTH LOGIN =',
        'AUTH X!',
        'AUTH PLAIN a=b',
        'AUTH PLAIN ==',
        'auth cram-md5',
      ]);
    case 18:
      return `BDAT ${pick(next, ['0', '5', '7 LAST', '3 last', '-1', '2147483648', '5 LASTX', '00004', '4 '])}`;
    case 19:
      return pick(next, ['', ' ', '\t', ' NOOP', '*', 'dXNlcg==', 'QUIT', 'ab==cd']);
    case 20:
      return next() < 0.7 ? 'EHLO h.example' : `NOOP ${'n'.repeat(490 + Math.floor(next() * 24))}`;
    default:
      return envelope(next, next() < 0.3 ? 'MAIL FROM' : 'RCPT TO');
  }
}

function damage(next: Next, text: string, wounds: readonly string[] = DAMAGE): string {
  let result = text;
  do {
    const at = Math.floor(next() * (result.length + 1));
    const kind = next();
    if (kind < 0.6) result = result.slice(0, at) + pick(next, wounds) + result.slice(at);
    else if (kind < 0.8) result = result.slice(0, at) + result.slice(at + 1 + Math.floor(next() * 3));
    else result = result.slice(0, at) + result.slice(Math.max(0, at - Math.floor(next() * 6)));
  } while (next() < 0.3);
  return result;
}

function message(next: Next): string {
  let text = '';
  const header = [
    'Subject: x',
    'Received: by h',
    'Reply-To: a@b',
    'Reply-To: `id`',
    'To: decode@x',
    'To: a,\r\n b',
    'Content-Type: text/plain; name="a b.txt"',
    `Content-Type: x/y;\r\n name="${'n'.repeat(Math.floor(next() * 300))}"`,
    `Content-Disposition: attachment; filename*0=${'f'.repeat(Math.floor(next() * 200))};\r\n\tfilename*1="${'g'.repeat(Math.floor(next() * 130))}"`,
    `X-Long: ${'l'.repeat(960 + Math.floor(next() * 40))}`,
    'no header',
  ];
  while (next() < 0.7) text += `${pick(next, header)}\r\n`;
  text += '\r\n';
  const body = [
    'text',
    '..',
    '.x',
    '. ',
    '.\t\x0b',
    `.${' '.repeat(62 + Math.floor(next() * 4))}z`,
    '--b',
    `Content-Type: a/b; name=${'p'.repeat(Math.floor(next() * 300))}`,
    'b'.repeat(990 + Math.floor(next() * 20)),
    'EXPN root',
    '',
    'a\nb',
    'a\n.\nb',
    '\r.\r',
    '\n.\r',
    '.\0x',
    '\0.',
    'c\r\r',
    '.\r\0',
    'content-disposition: x; filename="q',
  ];
  while (next() < 0.7) text += `${pick(next, body)}\r\n`;
  if (next() < 0.3) text = damage(next, text);
  return `${text}.\r\n`;
}

function replyText(next: Next, kind: string): string {
  const odd = next();
  if (odd < 0.02)
    return pick(next, [
      'hello there\r\n',
      '1\r\n',
      '150 wait\r\n',
      '2500 x\r\n',
      '\r\n',
      '250 ok\n',
      '250\r\n',
      '421 bye\r\n',
      '250-a\r\n550 b\r\n',
      '354 x\r\n',
      '334 x\r\n',
    ]);
  const refuse = next() < 0.15;
  switch (kind) {
    case 'greeting':
      return pick(next, ['220 mx\r\n', '220-mx\r\n220 x\r\n', '554 no\r\n']);
    case 'helo':
      return refuse ? '501 x\r\n' : '250 mx\r\n';
    case 'ehlo': {
      if (refuse) return '502 x\r\n';
      const keywords = ALL_KEYWORDS.filter(() => next() < 0.55);
      return ['mx', ...keywords]
        .map((keyword, i) => `250${i === keywords.length ? ' ' : '-'}${next() < 0.02 ? damage(next, keyword) : keyword}\r\n`)
        .join('')
        .replace(/\r\n(?!2|$)/g, 'y\r\n');
    }
    case 'data':
      return refuse ? '503 x\r\n' : '354 go\r\n';
    case 'auth':
    case 'sasl':
      return next() < 0.5 ? '334 abc=\r\n' : refuse ? '535 x\r\n' : '235 ok\r\n';
    case 'starttls':
      return refuse ? '454 x\r\n' : '220 go\r\n';
    default:
      return refuse ? '550 x\r\n' : '250 ok\r\n';
  }
}

function orderlyReply(next: Next, kind: string): string {
  if (kind === 'masked') return pick(next, ['500 what\r\n', '502 x\r\n', '500-a\r\n500 b\r\n', '421 x\r\n']);
  let text = replyText(next, kind);
  while (
    !/^(?:[2-5]\d\d[ -][^\r\n]*\r\n)+$/.test(text) ||
    (kind !== 'data' && text.startsWith('354')) ||
    text === '250-a\r\n550 b\r\n' ||
    (text.startsWith('334') && kind !== 'auth' && kind !== 'sasl')
  )
    text = replyText(next, kind);
  return text;
}

function options(next: Next): SmtpOptions {
  const some = (keywords: readonly string[]): string[] => keywords.filter(() => next() < 0.4);
  return {
    ...defaultOptions(next() < 0.75),
    profile: next() < 0.05 ? 'mailguard' : 'cbac',
    allowTls: next() < 0.3,
    signatures: next() < 0.2,
    maskBanner: next() < 0.2,
    extensions: some(['CHUNKING', 'BINARYMIME', 'SMTPUTF8', 'DELIVERBY', 'MT-PRIORITY', 'FUTURERELEASE', 'REQUIRETLS']),
    maxReceived: next() < 0.2 ? 2 : 100,
    recipients: { above: next() < 0.2 ? 3 : 100, action: ACTION_RESET },
    invalidRecipients: next() < 0.2 ? { above: 1, action: ACTION_RESET } : { above: 0, action: ACTION_NONE },
  };
}

/** A dialogue and what the reference made of it while it was invented.  With `refuse` the server refuses every masked line. */
export function inventDialogue(next: Next, refuse = false): { options: SmtpOptions; segments: Segment[]; reference: Reference } {
  const chosen = options(next);
  const reference = new Reference(chosen);
  const segments: Segment[] = [];
  const feed = (from: 'c' | 's', data: string): void => {
    if (data === '') return;
    segments.push({ from, data });
    reference.feed(from, data);
    const more = reference.completion();
    if (more === '') return;
    segments.push({ from: 'c', data: more });
    reference.feed('c', more);
  };
  const turns = 4 + Math.floor(next() * 20);
  for (let turn = 0; turn < turns && reference.mode !== 'closed' && reference.mode !== 'opaque'; turn++) {
    if (reference.queue.length > 0 && next() < (reference.waits() ? 0.93 : 0.7)) {
      let replies = '';
      const queue = [...reference.queue];
      const orderly = refuse && queue.includes('masked');
      do replies += orderly ? orderlyReply(next, queue.shift()!) : replyText(next, queue.shift()!);
      while (queue.length > 0 && next() < 0.8);
      feed('s', replies);
    } else if (!refuse && next() < 0.01) feed('s', replyText(next, 'other'));
    else feed('c', clientSegment(next, reference));
  }
  return { options: chosen, segments, reference };
}

/** Now and then a command that needs what the server offered. */
function likely(next: Next, { visible }: Reference): string | undefined {
  if (visible.has('CHUNKING') && next() < 0.15) return `BDAT ${pick(next, ['0', '5', '7 LAST', '3 last', '00004', '4 ', '9 LAST', '2x'])}`;
  if (visible.has('STARTTLS') && next() < 0.08) return 'STARTTLS';
  if (visible.has('AUTH') && next() < 0.1) return pick(next, ['AUTH PLAIN AGEAYg==', 'AUTH LOGIN', 'AUTH LOGIN =']);
  return undefined;
}

function clientSegment(next: Next, reference: Reference): string {
  if (reference.mode === 'data' && next() < 0.9) return message(next) + (next() < 0.1 ? `${command(next)}\r\n` : '');
  if (reference.mode === 'tls') return next() < 0.5 ? '\x16\x03\x01x' : 'NOOP\r\n';
  if (reference.mode === 'sasl') return `${pick(next, ['dXNlcg==', '*', '', 'a', 'EXPN root', 'DATA', '====', 'a=b', 'AA= '])}\r\n`;
  let segment = '';
  do {
    let line = likely(next, reference) ?? command(next);
    if (next() < 0.12) line = damage(next, line);
    if (/^\r?$/.test(line) && next() < 0.5) line = 'NOOP';
    if (line.endsWith('\r')) line += 'x';
    segment += `${line}\r\n`;
    const chunk = /^BDAT (\d+)/.exec(line);
    if (chunk !== null && Number(chunk[1]) < 10) segment += 'b'.repeat(Number(chunk[1]));
  } while (next() < 0.25);
  return segment;
}

/** One of `lines`, most of the time damaged. */
export function damagedLine(next: Next, lines: readonly string[]): string {
  const line = pick(next, lines);
  return next() < 0.15 ? line : damage(next, line);
}
