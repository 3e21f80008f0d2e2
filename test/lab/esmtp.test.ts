// ESMTP through `postern run`, against Postfix and Exim as Debian ships them: every extension that is let through, commands that
// arrive as x's, ends of mail data that only a careless server believes, and a client that writes octet by octet.
//
// Needs root and the packages that .ci/run installs; switched on by POSTERN_LAB=1; without POSTERN_EXIM, Postfix only.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { readDatagrams, streamOctets } from './captured.ts';
import type { Session, Step, Told } from './dialogue.ts';
import { checkTotals, EHLO, GREETING, type MailLab, QUIT, RECIPIENT, TRANSPARENT, withLab } from './mail-lab.ts';
import { labSkipReason } from './namespaces.ts';
import { deliveredMails, emptyMailbox, PASSWORD, readLog, USER } from './postfix.ts';
import { ATTEMPTS, LOOKALIKES, mailsOf } from './smuggling.ts';

const skip = labSkipReason();
const exim = process.env['POSTERN_EXIM'] ?? '';
t.setTimeout(240_000);

interface Server {
  readonly name: string;
  readonly skip: string | false;
  start(lab: MailLab): Promise<void>;
  /** Its log of mails and authentications. */
  log(lab: MailLab): string;
  /** EHLO keywords that the client must see, and those that it must not. */
  readonly visible: readonly string[];
  readonly masked: readonly string[];
  /** How its log names a session that authenticated. */
  authenticated(mechanism: string): string;
}

const POSTFIX: Server = {
  name: 'Postfix',
  skip,
  start: (lab) => lab.startPostfix(true),
  log: (lab) => readLog(lab.folder),
  visible: ['PIPELINING', 'SIZE', 'VRFY', 'ETRN', 'AUTH', 'ENHANCEDSTATUSCODES', '8BITMIME', 'DSN'],
  masked: ['STARTTLS', 'XCLIENT', 'SMTPUTF8', 'CHUNKING'],
  authenticated: (mechanism) => `sasl_method=${mechanism}, sasl_username=${USER}`,
};

const EXIM: Server = {
  name: 'Exim',
  skip: skip || (exim === '' && 'POSTERN_EXIM names no Exim'),
  start: (lab) => lab.startExim(exim),
  log: (lab) => readFileSync(join(lab.folder, 'log/mainlog'), 'utf8'),
  visible: ['SIZE', '8BITMIME', 'DSN', 'PIPELINING', 'ETRN', 'AUTH', 'VRFY'],
  masked: ['EXPN', 'PIPECONNECT', 'CHUNKING', 'STARTTLS', 'SMTPUTF8', 'HELP'],
  authenticated: (mechanism) => `A=${mechanism.toLowerCase()}:${USER}`,
};

const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
const codes = ({ replies, error }: Told): string[] => [...replies.map((reply) => reply.slice(0, 3)), ...(error ? [error] : [])];
const sent = ({ steps }: Session): string => steps.map(([octets]) => octets).join('');

/** What the server's host captured of a session's client. */
function arrived(lab: MailLab, capture: string, { localPort }: Told): string {
  return streamOctets(readDatagrams(capture), lab.topology.outside, localPort).toString('latin1');
}

/** What the server's host captured of its replies to that client. */
function answered(lab: MailLab, capture: string, { localPort }: Told): string {
  const towards = readDatagrams(capture).filter(({ octets, headerLength }) => octets.readUInt16BE(headerLength + 2) === localPort);
  return streamOctets(towards, lab.topology.server, 25).toString('latin1');
}

/** All that is let through, once a command at a time and once in groups. */
const LEGAL: readonly Session[] = [
  {
    steps: [
      GREETING,
      EHLO,
      [`AUTH PLAIN ${base64(`\0${USER}\0${PASSWORD}`)}\r\n`, 1],
      ['VRFY b@mail.example\r\n', 1],
      ['ETRN relayed.example\r\n', 1],
      ['MAIL FROM:<a@mail.example> SIZE=300 BODY=8BITMIME RET=HDRS ENVID=QQ314159 AUTH=<>\r\n', 1],
      [`${RECIPIENT} NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@mail.example\r\n`, 1],
      ['DATA\r\n', 1],
      ['Subject: one at a time\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n.\r\n', 1],
      QUIT,
    ],
  },
  {
    steps: [
      GREETING,
      EHLO,
      ['AUTH LOGIN\r\n', 1],
      [`${base64(USER)}\r\n`, 1],
      [`${base64(PASSWORD)}\r\n`, 1],
      [`RSET\r\nMAIL FROM:<a@mail.example> SIZE=300 BODY=8BITMIME\r\n${RECIPIENT} NOTIFY=NEVER\r\nDATA\r\n`, 4],
      ['Subject: in groups\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n.\r\nMAIL FROM:<a@mail.example>\r\nRSET\r\nQUIT\r\n', 4],
    ],
  },
];

const isReport = (mail: string): boolean => /^Original-Envelope-Id: QQ314159$/im.test(mail);

/** Each line of the EHLO reply as the client saw it, beside the line that the server sent. */
function checkKeywords(t: Test, server: Server, reply: string, sentByServer: string): void {
  const lines = reply.split('\n').slice(1);
  const originals = sentByServer.split('\r\n').slice(2);
  const keywordOf = (line: string): string => line.slice(4).split(/[ =]/)[0]!;
  const seen = lines.filter((line, i) => line === originals[i]).map(keywordOf);
  const hidden = originals.slice(0, lines.length).filter((line, i) => lines[i] === line.slice(0, 4) + 'x'.repeat(line.length - 4));
  t.same(seen.sort(), [...server.visible].sort(), 'EHLO keywords that the client sees');
  t.same(hidden.map(keywordOf).sort(), [...server.masked].sort(), 'and those that it does not');
  t.equal(seen.length + hidden.length, lines.length, 'no line is anything else');
}

async function checkExtensions(t: Test, server: Server, lab: MailLab, capture: string): Promise<void> {
  const told = await lab.converse(LEGAL);
  t.match(codes(told[0]!), ['220', '250', '235', /^25[02]$/, '250', '250', '250', '354', '250', '221'], `one at a time`);
  t.same(codes(told[1]!), ['220', '250', '334', '334', '235', '250', '250', '250', '354', '250', '250', '250', '221'], `in groups`);
  checkKeywords(t, server, told[0]!.replies[1]!, answered(lab, capture, told[0]!));

  const mails = await deliveredMails(lab.folder, 3, 20);
  for (const subject of ['one at a time', 'in groups']) {
    const mail = mails.find((text) => !isReport(text) && text.includes(`\nSubject: ${subject}\n`)) ?? '';
    t.match(mail, /\n\nGr\xc3\xbc\xc3\x9fe\n/, `${subject}: delivered, its eight-bit text whole`);
    t.match(mail, /with esmtps?a/i, `${subject}: from a client that authenticated`);
  }
  t.equal(mails.filter(isReport).length, 1, 'the report of delivery that DSN asked for');
  t.equal(mails.length, 3, 'and nothing else');
  for (const mechanism of ['PLAIN', 'LOGIN']) t.match(server.log(lab), server.authenticated(mechanism), `AUTH ${mechanism} in the log`);
  LEGAL.forEach((session, i) => t.equal(arrived(lab, capture, told[i]!), sent(session), 'every octet arrives as it was sent'));
  emptyMailbox(lab.folder);
}

/** A client that was not written for this test. */
function checkSwaks(t: Test, lab: MailLab, mechanism: string): void {
  const login = ['--auth', mechanism, '--auth-user', USER, '--auth-password', PASSWORD];
  const mail = ['--helo', 'client.example', '--from', 'a@client.example', '--to', 'b@mail.example', '--pipeline'];
  const swaks = lab.outside.run('swaks', ['--server', lab.topology.server, ...mail, ...login], 30_000);
  t.equal(swaks.status, 0, `swaks, pipelining, AUTH ${mechanism}`);
}

/** Commands that each server would obey if it saw them, and what the client sends behind them at once. */
const ILLEGAL = [
  ['EXPN root', ''],
  ['BDAT 6 LAST', 'NOOP\r\n'],
  ['STARTTLS', ''],
  ['XCLIENT ADDR=203.0.113.9 NAME=evil.example', ''],
] as const;

async function checkIllegal(t: Test, lab: MailLab, capture: string): Promise<void> {
  const transaction = `MAIL FROM:<a@client.example>\r\n${RECIPIENT}\r\n`;
  const sessions = ILLEGAL.map(([line, behind]): Session => {
    const before: Step[] = line.startsWith('BDAT') ? [[transaction, 2]] : [];
    return { steps: [GREETING, EHLO, ...before, [`${line}\r\n${behind}`, behind === '' ? 1 : 2], ['NOOP\r\n', 1], QUIT] };
  });
  const told = await lab.converse(sessions);
  ILLEGAL.forEach(([line, behind], i) => {
    const answers = codes(told[i]!).slice(line.startsWith('BDAT') ? 4 : 2);
    t.match(answers, [/^50\d$/, ...(behind === '' ? [] : ['250']), '250', '221'], `${line}: refused, and the session goes on`);
    t.equal(arrived(lab, capture, told[i]!), sent(sessions[i]!).replace(line, 'x'.repeat(line.length)), `${line}: what reached the server`);
  });
}

/** Past the firewall: Postfix 3.7 believes some of the forms, unless told otherwise. */
async function checkUnguarded(t: Test, lab: MailLab): Promise<void> {
  const attempts = ATTEMPTS.slice(0, LOOKALIKES.length);
  await lab.converse(
    attempts.map(({ session }) => session),
    lab.inside,
  );
  await deliveredMails(lab.folder, attempts.length + 1, 10);
  await delay(500);
  const mails = await deliveredMails(lab.folder, attempts.length, 0);
  const believed = attempts.filter((attempt) => mailsOf(mails, attempt).length > 1);
  t.ok(believed.length > 0, `the server takes for the end: ${believed.map(({ name }) => name).join(', ')}`);
  emptyMailbox(lab.folder);
}

async function checkSmuggling(t: Test, lab: MailLab): Promise<void> {
  const told = await lab.converse(ATTEMPTS.map(({ session }) => session));
  await deliveredMails(lab.folder, ATTEMPTS.length, 20);
  // A second mail would have been accepted before QUIT was answered; it needs no longer than the others to be delivered.
  await delay(500);
  const mails = await deliveredMails(lab.folder, ATTEMPTS.length, 0);
  ATTEMPTS.forEach((attempt, i) => {
    const found = mailsOf(mails, attempt);
    t.equal(found.length, 1, `${attempt.name}: one mail`);
    const nul = attempt.isTrueEnd && attempt.name.startsWith('"\\r\\n.\\r\\n\\u0000');
    t.match(
      codes(told[i]!),
      ['220', '250', '250', '250', '354', '250', ...(attempt.isTrueEnd ? [nul ? /^50\d$/ : '250'] : []), '221'],
      `${attempt.name}: replies`,
    );
    if (!attempt.isTrueEnd) t.match(found[0], /before[^]*MAIL FROM:<evil[^]*smuggled/, `${attempt.name}: with all of its text`);
  });
  t.equal(mails.length, ATTEMPTS.length, 'no other mail');
  emptyMailbox(lab.folder);
}

/** Small writes under Nagle's algorithm: the next octet leaves when the one before is acknowledged, also when it is held. */
async function checkOctets(t: Test, lab: MailLab, capture: string): Promise<void> {
  const steps: Step[] = [
    GREETING,
    ['EHLO a\r\n', 1],
    ['MAIL FROM:<>\r\n', 1],
    [`${RECIPIENT}\r\n`, 1],
    ['DATA\r\n', 1],
    ['Subject: octets\r\n\r\n..\r\n.\r\n', 1],
    QUIT,
  ];
  // Linux's tail loss probe sends the octet after the held one by itself (RFC 8985 7.3), and would hide that nothing is acknowledged.
  const noProbe = lab.outside.run('sh', ['-c', 'echo 0 > /proc/sys/net/ipv4/tcp_early_retrans']);
  t.equal(noProbe.status, 0, `no tail loss probes ${noProbe.stderr}`);
  // 60 ms is more than a receiver delays an acknowledgement: every octet is a segment, each CR too.
  const sessions: Session[] = [
    { steps, octetEvery: 0 },
    { steps, octetEvery: 60 },
  ];
  const told = await lab.converse(sessions);
  for (const [i, one] of told.entries()) {
    const name = `an octet every ${sessions[i]!.octetEvery} ms`;
    t.same(codes(one), ['220', '250', '250', '250', '354', '250', '221'], `${name}: replies`);
    t.equal(arrived(lab, capture, one), sent(sessions[i]!), `${name}: what reached the server`);
    t.comment(`${name}: ${one.seconds.toFixed(1)} s`);
  }
  t.equal((await deliveredMails(lab.folder, 2, 10)).length, 2, 'both delivered');
  emptyMailbox(lab.folder);
}

for (const server of [POSTFIX, EXIM]) {
  t.test(`ESMTP with ${server.name}`, { skip: server.skip }, async (t) => {
    await withLab(TRANSPARENT, 'on', async (lab) => {
      await server.start(lab);
      const postern = await lab.startPostern();
      const capture = await lab.startCapture('inside');
      await t.test('extensions', (t) => checkExtensions(t, server, lab, capture));
      await t.test('swaks', async (t) => {
        for (const mechanism of ['PLAIN', 'LOGIN']) checkSwaks(t, lab, mechanism);
        t.equal((await deliveredMails(lab.folder, 2, 10)).length, 2, 'delivered');
        emptyMailbox(lab.folder);
      });
      await t.test('illegal commands', (t) => checkIllegal(t, lab, capture));
      if (server === POSTFIX) await t.test('smuggling past the firewall', (t) => checkUnguarded(t, lab));
      await t.test('smuggling', (t) => checkSmuggling(t, lab));
      await t.test('octet by octet', (t) => checkOctets(t, lab, capture));
      await checkTotals(t, postern, 4, ILLEGAL.length + 2);
    });
  });
}

/** What the policy of rules/esmtp.cfg resets, what the server must not have seen of it, and the replies before. */
const RESET: readonly {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly unseen: RegExp;
  readonly before: readonly string[];
}[] = [
  { name: 'blocked sender', steps: [['MAIL FROM:<bounce@spam.example>\r\n', 1]], unseen: /bounce/, before: ['220', '250'] },
  {
    name: 'pipe in an address',
    steps: [
      ['MAIL FROM:<a@client.example>\r\n', 1],
      ['RCPT TO:<|/bin/sh@mail.example>\r\n', 1],
    ],
    unseen: /bin.sh/,
    before: ['220', '250', '250'],
  },
  {
    name: 'recipient 51',
    steps: [
      ['MAIL FROM:<a@client.example>\r\n', 1],
      [`${RECIPIENT}\r\n`.repeat(50), 50],
      ['RCPT TO:<last@mail.example>\r\n', 1],
    ],
    unseen: /last/,
    before: ['220', '250', '250', ...Array.from({ length: 50 }, () => '250')],
  },
  {
    name: 'invalid recipient 11',
    steps: [
      ['MAIL FROM:<a@client.example>\r\n', 1],
      ...Array.from({ length: 10 }, (): Step => ['RCPT TO:<x@elsewhere.example>\r\n', 1]),
      ['RCPT TO:<x@elsewhere.example>\r\n', 2],
    ],
    unseen: /DATA/,
    before: ['220', '250', '250', ...Array.from({ length: 11 }, () => '554')],
  },
];

const GUARDED: Session = {
  steps: [
    GREETING,
    EHLO,
    ['VRFY b@mail.example\r\n', 1],
    ['ETRN relayed.example\r\n', 1],
    [`MAIL FROM:<a@client.example> SIZE=200 SMTPUTF8\r\n${RECIPIENT}\r\nDATA\r\n`, 3],
    ['Subject: guarded\r\n\r\ntext\r\n.\r\n', 1],
    QUIT,
  ],
};

t.test('the shipped ESMTP policy', { skip }, async (t) => {
  await withLab({ ...TRANSPARENT, config: 'rules/esmtp.cfg' }, 'on', async (lab) => {
    await lab.startPostfix(true);
    const postern = await lab.startPostern();
    const capture = await lab.startCapture('inside');
    const [mail, ...others] = await lab.converse([GUARDED, ...RESET.map(({ steps }) => ({ steps: [GREETING, EHLO, ...steps] }))]);
    t.match(codes(mail!), ['220', '250', /^50\d$/, /^50\d$/, '250', '250', '354', '250', '221'], 'a mail, VRFY and ETRN refused');
    t.match(mail!.replies[0], /^220 \*+$/, 'the banner is masked');
    t.match(mail!.replies[1], /^250-SMTPUTF8$/m, 'the extension that the policy adds');
    t.equal(
      arrived(lab, capture, mail!),
      sent(GUARDED).replace(/(VRFY|ETRN) .*/g, (line) => 'x'.repeat(line.length)),
      'what reached the server',
    );
    t.equal((await deliveredMails(lab.folder, 1, 10)).length, 1, 'delivered');
    RESET.forEach(({ name, unseen, before }, i) => {
      t.match(codes(others[i]!), [...before, /^(ECONNRESET|closed|read ECONNRESET)$/], `${name}: the connection is reset`);
      t.notMatch(arrived(lab, capture, others[i]!), unseen, `${name}: and the server did not see it`);
    });
    await checkTotals(t, postern, 1 + RESET.length, 2);
  });
});
