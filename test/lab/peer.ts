// A host of the lab: small servers and probes that run inside a namespace, one call a process, with one line of JSON as result.
//
//   peer.js serve                         TCP and UDP echo on port 7, an SMTP-like server on port 25; prints `ready`, answers
//                                         each TCP connection and datagram with the address that it came from
//   peer.js tcp ADDRESS PORT [SOURCE]     {"answer": text} or {"error": code}
//   peer.js udp ADDRESS PORT [SOURCE]     the same over UDP
//   peer.js smtp ADDRESS LINE...          an SMTP dialogue, a line at a time: {"replies": [...], "localPort": n}

import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const ECHO_PORT = 7;
const SMTP_PORT = 25;
const WAIT_MS = 2500;

function finish(result: object): never {
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exit(0);
}

function serve(): void {
  const greet = (socket: Socket) => {
    socket.on('error', () => socket.destroy());
    socket.write(`${socket.remoteAddress}\n`);
    socket.on('data', () => socket.end());
  };
  const answerLines = (socket: Socket) => {
    socket.on('error', () => socket.destroy());
    socket.write('220 peer\r\n');
    createInterface({ input: socket }).on('line', (line) => socket.write(`250 got ${line}\r\n`));
  };
  const datagrams = createSocket('udp4');
  datagrams.on('message', (_data, from) => datagrams.send(`${from.address}\n`, from.port, from.address));
  datagrams.bind(ECHO_PORT);
  createServer(greet).listen(ECHO_PORT, '0.0.0.0');
  createServer(answerLines).listen(SMTP_PORT, '0.0.0.0', () => process.stdout.write('ready\n'));
}

function probeTcp(host: string, port: number, localAddress: string | undefined): void {
  const socket = connect({ host, port, ...(localAddress ? { localAddress } : {}) });
  socket.setTimeout(WAIT_MS, () => finish({ error: 'timeout' }));
  socket.on('error', (error: NodeJS.ErrnoException) => finish({ error: error.code }));
  socket.once('data', (data) => finish({ answer: data.toString().trim() }));
}

function probeUdp(host: string, port: number, localAddress: string | undefined): void {
  const socket = createSocket('udp4');
  setTimeout(() => finish({ error: 'timeout' }), WAIT_MS);
  socket.on('error', (error: NodeJS.ErrnoException) => finish({ error: error.code }));
  socket.once('message', (data) => finish({ answer: data.toString().trim() }));
  socket.bind({ port: 0, address: localAddress ?? '0.0.0.0' }, () => {
    socket.connect(port, host, () => socket.send('probe\n'));
  });
}

async function talkSmtp(host: string, lines: readonly string[]): Promise<void> {
  const socket = connect({ host, port: SMTP_PORT });
  socket.setTimeout(WAIT_MS * 4, () => finish({ error: 'timeout' }));
  socket.on('error', (error: NodeJS.ErrnoException) => finish({ error: error.code }));
  const input = createInterface({ input: socket })[Symbol.asyncIterator]();
  const replies: string[] = [];
  const readReply = async () => {
    for (;;) {
      const { value, done } = await input.next();
      if (done) finish({ error: 'closed', replies });
      replies.push(value);
      if (value[3] !== '-') return;
    }
  };
  await readReply();
  for (const line of lines) {
    socket.write(`${line}\r\n`);
    await readReply();
  }
  finish({ replies, localPort: socket.localPort });
}

const [mode, host = '', ...rest] = process.argv.slice(2);
if (mode === 'serve') serve();
else if (mode === 'tcp') probeTcp(host, Number(rest[0]), rest[1]);
else if (mode === 'udp') probeUdp(host, Number(rest[0]), rest[1]);
else if (mode === 'smtp') await talkSmtp(host, rest);
else process.exitCode = 2;
