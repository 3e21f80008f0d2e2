// Real mail through `postern run`: Postfix on the inside host, swaks, smtp-source and probes on the outside host.
//
// Three namespaces joined by two veth pairs; routed under the reference configuration and transparent, with the hosts'
// offloads on (partial checksums and super-frames arrive) and off (every checksum on the wire can be verified).
// Needs root and the packages that .ci/run installs; switched on by POSTERN_LAB=1.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { readDatagrams, streamOctets, wrongChecksum } from './captured.ts';
import { checkTotals, type MailLab, ROUTED, type Topology, TRANSPARENT, withLab } from './mail-lab.ts';
import { labSkipReason, type Namespace } from './namespaces.ts';
import { deliveredBodies, emptyMailbox } from './postfix.ts';
import { probe, start, startPeer } from './programs.ts';

const skip = labSkipReason();
/** All of it takes about a minute on two idle cores. */
t.setTimeout(540_000);

/** Load of the second part: mails, parallel sessions, octets a mail. */
const MAILS = 400;
const PARALLEL = 20;
const MAIL_OCTETS = 20_000;

/** Text of printable characters and line starts that a mail path gets wrong first: a dot alone, From, long lines. */
function makeBody(octets: number, seed: number): string {
  const lines: string[] = [];
  let state = seed;
  for (let length = 0; length < octets; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const width = state % 900;
    let line = ['', '.', '..', 'EXPN root ', 'QUIT', 'RSET '][(state >>> 24) % 6]!;
    while (line.length < width) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const octet = 33 + ((state >>> 16) % 94);
      // swaks reads a backslash and a per cent sign in its own way.
      line += octet === 0x5c || octet === 0x25 ? '-' : String.fromCharCode(octet);
    }
    lines.push(line);
    length += line.length + 2;
  }
  return `${lines.join('\n')}\n`;
}

async function sendOne(t: Test, lab: MailLab, body: string): Promise<void> {
  const file = join(lab.folder, 'body');
  writeFileSync(file, `From: a@client.example\nTo: b@mail.example\nSubject: body\n\n${body}`, 'latin1');
  const args = [
    '--server',
    lab.topology.server,
    '--helo',
    'client.example',
    '--from',
    'a@client.example',
    '--to',
    'b@mail.example',
    '--data',
    `@${file}`,
  ];
  const swaks = lab.outside.run('swaks', ['--hide-all', ...args], 60_000);
  t.equal(swaks.status, 0, `swaks ${swaks.stdout}${swaks.stderr}`);
  const bodies = await deliveredBodies(lab.folder, 1, 30);
  t.equal(bodies.length, 1, 'delivered');
  t.ok(bodies[0]?.trimEnd() === body.trimEnd(), `${body.length} octets of body arrive as they were sent`);
  emptyMailbox(lab.folder);
}

/** What `smtp-source -l` sends: lines of 80 octets with their line ends, numbered modulo 10, and one of 80 X. */
function smtpSourceBody(): string {
  const lines = Array.from({ length: MAIL_OCTETS / 80 - 1 }, (_, i) => `${(i + 1) % 10}${'X'.repeat(77)}`);
  return [...lines, 'X'.repeat(80)].join('\n');
}

async function sendMany(t: Test, lab: MailLab): Promise<void> {
  const args = [
    '-s',
    `${PARALLEL}`,
    '-m',
    `${MAILS}`,
    '-l',
    `${MAIL_OCTETS}`,
    '-f',
    'a@client.example',
    '-t',
    'b@mail.example',
    `${lab.topology.server}:25`,
  ];
  const source = lab.outside.run('smtp-source', args, 120_000);
  t.equal(source.status, 0, `smtp-source ${source.stderr}`);
  const bodies = await deliveredBodies(lab.folder, MAILS, 60);
  t.equal(bodies.length, MAILS, 'all mails delivered');
  t.equal(new Set(bodies).size, 1, 'with one and the same body');
  t.equal(bodies[0]?.trimEnd(), smtpSourceBody(), 'which is that of smtp-source');
  emptyMailbox(lab.folder);
}

/** An illegal command between legal ones; what the server's host captured says what arrived. */
async function sendIllegal(t: Test, lab: MailLab, insideCapture: string): Promise<void> {
  const result = probe(lab.outside, 'smtp', lab.topology.server, 'HELO client.example', 'EXPN root', 'NOOP', 'QUIT');
  const replies = (result['replies'] ?? []) as string[];
  t.same(
    replies.map((reply) => reply.slice(0, 3)),
    ['220', '250', '500', '250', '221'],
    `replies ${JSON.stringify(result)}`,
  );
  await delay(300);
  const arrived = streamOctets(readDatagrams(insideCapture), lab.topology.outside, Number(result['localPort'])).toString('latin1');
  t.equal(arrived, 'HELO client.example\r\nxxxxxxxxx\r\nNOOP\r\nQUIT\r\n', 'what reached the server');
}

async function checkMail(t: Test, topology: Topology, offloads: 'on' | 'off'): Promise<void> {
  await withLab(topology, offloads, async (lab) => {
    await lab.startPostfix();
    const postern = await lab.startPostern();
    const captures = [await lab.startCapture('outside'), await lab.startCapture('inside')];
    await sendOne(t, lab, makeBody(3_000, 1));
    await sendOne(t, lab, makeBody(2_000_000, 2));
    await sendIllegal(t, lab, captures[1]!);
    await sendMany(t, lab);
    if (offloads === 'off') {
      await delay(300);
      for (const file of captures) {
        const datagrams = readDatagrams(file);
        t.ok(datagrams.length > MAILS * 10, `${datagrams.length} datagrams captured`);
        t.same(datagrams.map(wrongChecksum).filter(Boolean).slice(0, 5), [], 'every checksum is right');
      }
    }
    // Under `smtp` swaks' EHLO is masked as well, once a mail.
    await checkTotals(t, postern, 4, topology === ROUTED ? 3 : 1);
  });
}

for (const topology of [ROUTED, TRANSPARENT]) {
  for (const offloads of ['on', 'off'] as const) {
    t.test(`mail to Postfix, ${topology.name}, offloads ${offloads}`, { skip }, (t) => checkMail(t, topology, offloads));
  }
}

const exim = process.env['POSTERN_EXIM'] ?? '';
t.test('mail to Exim', { skip: skip || (exim === '' && 'POSTERN_EXIM names no Exim') }, async (t) => {
  await withLab(ROUTED, 'on', async (lab) => {
    await lab.startExim(exim);
    const postern = await lab.startPostern();
    const capture = await lab.startCapture('inside');
    await sendOne(t, lab, makeBody(200_000, 3));
    await sendIllegal(t, lab, capture);
    await checkTotals(t, postern, 2, 2);
  });
});

/** Sends one datagram of another IP protocol and says whether the other host saw it within a second. */
async function passesProtocol(from: Namespace, to: Namespace, address: string, protocol: number): Promise<boolean> {
  const tcpdump = start('tcpdump', to, 'tcpdump', ['-i', 'eth0', '-n', '-l', '--immediate-mode', '-Q', 'in', `ip proto ${protocol}`]);
  await tcpdump.until(() => tcpdump.stderr.includes('listening on'), 'listening', 10);
  const script = `import socket; s = socket.socket(socket.AF_INET, socket.SOCK_RAW, ${protocol}); s.sendto(b"postern lab", ("${address}", 0))`;
  from.run('python3', ['-c', script]);
  await delay(1000);
  await tcpdump.stop();
  return tcpdump.stdout.includes('IP ');
}

t.test('verdict by flow under the reference configuration', { skip }, async (t) => {
  await withLab(ROUTED, 'off', async (lab) => {
    await startPeer(lab.inside);
    await startPeer(lab.outside);
    await lab.startPostern();
    const outsideCapture = await lab.startCapture('outside');

    t.match(probe(lab.outside, 'smtp', '172.22.1.110', 'NOOP'), { replies: ['220 peer', '250 got NOOP'] }, 'outside to .110:25');
    const denied = [
      ['tcp', '172.22.1.110', '7'],
      ['tcp', '172.22.1.111', '25'],
      ['tcp', '172.22.1.16', '23'],
      ['tcp', '10.10.10.2', '25'],
      ['udp', '172.22.1.110', '7'],
    ] as const;
    for (const [protocol, host, port] of denied) {
      t.match(
        probe(lab.outside, protocol, host, port),
        { error: /EHOSTUNREACH|EACCES|timeout/ },
        `outside to ${protocol} ${host}:${port} is denied`,
      );
    }
    t.not(lab.outside.run('ping', ['-c', '1', '-W', '1', '172.22.1.16']).status, 0, 'the list stands before the router too');

    t.same(probe(lab.inside, 'tcp', '172.22.1.1', '7', '10.10.10.2'), { answer: '172.22.1.110' }, 'TCP from .2 leaves as .110');
    t.same(probe(lab.inside, 'udp', '172.22.1.1', '7', '10.10.10.5'), { answer: '172.22.1.111' }, 'UDP from .5 leaves as .111');
    t.same(probe(lab.inside, 'tcp', '172.22.1.1', '7', '10.10.10.7'), { answer: '10.10.10.7' }, 'others keep their private address');
    t.equal(lab.inside.run('ping', ['-c', '1', '-W', '2', '172.22.1.1']).status, 0, 'ICMP echo is inspected: the reply comes back');
    t.match(
      probe(lab.inside, 'smtp', '172.22.1.1', 'EXPN root'),
      { replies: ['220 peer', '250 got EXPN root'] },
      'mail from inside is inspected as TCP only',
    );
    t.match(
      probe(lab.inside, 'tcp', '172.22.1.110', '7', '10.10.10.2'),
      { error: /./ },
      'no translation without crossing to the outside interface',
    );

    t.ok(await passesProtocol(lab.inside, lab.outside, '172.22.1.1', 47), 'GRE leaves');
    t.notOk(await passesProtocol(lab.outside, lab.inside, '172.22.1.110', 47), 'GRE does not come back');

    const prohibited = readDatagrams(outsideCapture).filter(({ octets, headerLength, source, protocol }) => {
      return protocol === 1 && source === '172.22.1.16' && octets[headerLength] === 3 && octets[headerLength + 1] === 13;
    });
    t.ok(prohibited.length > 0, 'denials are answered with ICMP unreachable, administratively prohibited');
  });
});
