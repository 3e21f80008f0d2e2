// The outside host: an SMTP client that holds one dialogue, line by line, and reports it as JSON lines on stdout.
//
//   client.mjs ADDRESS PORT
//
// Before QUIT it waits for a line on stdin, so that displays can be taken while the session is open.

import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const MAIL = [
  'From: ann@client.example',
  'To: root@mail.example',
  'Subject: through the firewall',
  '',
  'EXPN root stays: it is text.',
  '.',
  '',
].join('\r\n');

/** Each entry is sent when the reply to the one before is complete. */
const DIALOGUE = [
  'HELO client.example\r\n',
  'EXPN root\r\n',
  'MAIL FROM:<ann@client.example>\r\n',
  'RCPT TO:<root@mail.example>\r\n',
  'DATA\r\n',
  MAIL,
  'QUIT\r\n',
];

const report = (event, value) => process.stdout.write(`${JSON.stringify({ event, value })}\n`);

/** Reads one reply, of one or more lines, from the line iterator. */
async function readReply(lines) {
  const reply = [];
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error('the connection was closed');
    reply.push(value);
    if (value[3] !== '-') return reply;
  }
}

async function hold(address, port) {
  const socket = connect({ host: address, port });
  socket.setTimeout(15_000, () => socket.destroy(new Error(`no answer from ${address}:${port} in 15 s`)));
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  const stdin = process.stdin.setEncoding('utf8');
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.on('error', (error) => report('error', error.message));
  report('reply', await readReply(lines));
  for (const text of DIALOGUE) {
    if (text.startsWith('QUIT')) {
      report('open', true);
      await new Promise((resolve) => stdin.once('data', resolve));
    }
    report('sent', text);
    socket.write(text, 'latin1');
    report('reply', await readReply(lines));
  }
  socket.end();
  report('done', true);
}

hold(process.argv[2], Number(process.argv[3])).then(
  () => process.exit(0),
  (error) => {
    report('error', error.message);
    process.exit(1);
  },
);
