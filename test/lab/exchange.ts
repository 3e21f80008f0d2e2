// A mail server and its client for the lab, which tell each other what they read: whether the kernels at both ends hand over exactly
// what the firewall released.
//
//   exchange.js serve PORT                    prints `ready`; any number of sessions, one at a time or several
//   exchange.js mail ADDRESS PORT OCTETS      a session: 40 illegal commands, OCTETS of replies, a message of OCTETS; prints
//                                             {"toServer":bool,"toClient":bool,"seconds":s} or {"error":text}
//
// The last reply names the SHA-256 of all octets that the server read in front of QUIT; the client knows what that must be, with x
// for every octet of an illegal line.  Towards the client each reply is known beforehand.

import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

const ILLEGAL = 40;
const REPLY_TEXT = 400;

const [mode, ...args] = process.argv.slice(2);

/** Lines of a message that a mail path gets wrong first; the same for the same number. */
function bodyLine(i: number): string {
  const start = ['', '..', '.. ', 'EXPN root ', 'QUIT', 'RSET '][i % 6]!;
  return `${start}${String.fromCharCode(97 + (i % 26)).repeat((i * 37) % 900)}\r\n`;
}

function replyTo(line: string, count: number): string {
  if (line.startsWith('NOOP')) return `250 ${count} ${'r'.repeat(REPLY_TEXT)}\r\n`;
  if (line.startsWith('EHLO')) return '250-server\r\n250 PIPELINING\r\n';
  if (line.startsWith('DATA')) return '354 go on\r\n';
  if (/^x+$/.test(line)) return `500 ${count}\r\n`;
  return `250 ${count}\r\n`;
}

/** Complete lines of what came, without their ends; the rest waits. */
class Lines {
  private rest = '';

  take(data: Buffer): string[] {
    const lines = (this.rest + data.toString('latin1')).split('\r\n');
    this.rest = lines.pop()!;
    return lines;
  }
}

function attend(socket: Socket): void {
  const hash = createHash('sha256');
  const lines = new Lines();
  let inData = false;
  let count = 0;
  socket.on('error', () => socket.destroy());
  socket.write('220 server\r\n');
  socket.on('data', (data) => {
    for (const line of lines.take(data)) {
      if (!inData && line === 'QUIT') {
        socket.end(`221 ${hash.digest('hex')}\r\n`);
        return;
      }
      hash.update(`${line}\r\n`, 'latin1');
      if (inData && line !== '.') continue;
      inData = !inData && line === 'DATA';
      socket.write(replyTo(line, ++count));
    }
  });
}

class Client {
  readonly socket: Socket;
  /** What the server must read. */
  readonly sent: Hash = createHash('sha256');
  count = 0;
  asExpected = true;
  private readonly lines = new Lines();
  private readonly waiting: string[] = [];

  constructor(address: string, port: number) {
    this.socket = connect(port, address);
    this.socket.on('data', (data) => this.waiting.push(...this.lines.take(data)));
  }

  /** The next lines of replies, compared with what they must be. */
  async expect(replies: string): Promise<void> {
    for (const wanted of replies.split('\r\n').slice(0, -1)) if ((await this.line()) !== wanted) this.asExpected = false;
  }

  async line(): Promise<string> {
    while (this.waiting.length === 0) await once(this.socket, 'data');
    return this.waiting.shift()!;
  }

  /** Sends lines; `read` is what the server must read instead. */
  async send(text: string, read = text): Promise<void> {
    this.sent.update(read, 'latin1');
    if (!this.socket.write(text, 'latin1')) await once(this.socket, 'drain');
  }

  async command(line: string): Promise<void> {
    await this.send(`${line}\r\n`);
    await this.expect(replyTo(line, ++this.count));
  }
}

async function mail(address: string, port: number, octets: number): Promise<object> {
  const started = performance.now();
  const client = new Client(address, port);
  client.socket.setTimeout(60_000, () => client.socket.destroy(new Error('timeout')));
  await client.expect('220 server\r\n');
  await client.command('EHLO client.example');
  for (let i = 0; i < ILLEGAL; i++) {
    const line = `EXPN root ${'z'.repeat(i)}`;
    const masked = 'x'.repeat(line.length);
    await client.send(`${line}\r\n`, `${masked}\r\n`);
    await client.expect(replyTo(masked, ++client.count));
  }
  const replies = Math.ceil(octets / (REPLY_TEXT + 10));
  for (let done = 0; done < replies; done += 50) {
    const group = Math.min(50, replies - done);
    await client.send('NOOP\r\n'.repeat(group));
    for (let i = 0; i < group; i++) await client.expect(replyTo('NOOP', ++client.count));
  }
  for (const line of ['MAIL FROM:<a@client.example>', 'RCPT TO:<b@server.example>', 'DATA']) await client.command(line);
  for (let i = 0, done = 0; done < octets; i++) {
    const line = bodyLine(i);
    await client.send(line);
    done += line.length;
  }
  await client.send('.\r\n');
  await client.expect(replyTo('.', ++client.count));
  client.socket.write('QUIT\r\n');
  const toServer = (await client.line()) === `221 ${client.sent.digest('hex')}`;
  client.socket.destroy();
  return { toServer, toClient: client.asExpected, seconds: (performance.now() - started) / 1000 };
}

if (mode === 'serve') createServer(attend).listen(Number(args[0]), () => process.stdout.write('ready\n'));
if (mode === 'mail') {
  const result = await mail(args[0]!, Number(args[1]), Number(args[2])).catch((error: Error) => ({ error: error.message }));
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}
