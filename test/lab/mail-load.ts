// A host of the lab with many SMTP sessions open at once: each sends a command, waits for its reply and compares it, again and again.
//
//   mail-load.js ADDRESS SESSIONS INTERVAL    INTERVAL: ms between two commands of a session
//
// Prints `open` when all sessions are, and at SIGTERM one line of JSON: {"sessions", "lost", "wrong", "exchanges", "slowest"}; slowest
// is the longest wait for a reply in ms.  What was asked when the signal came is still answered, within five seconds.

import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const SMTP_PORT = 25;
/** Sessions that are being opened at a time. */
const OPENING = 20;
const PATIENCE = 5000;

const [address = '', sessions = '0', interval = '1000'] = process.argv.slice(2);
const result = { sessions: Number(sessions), lost: 0, wrong: 0, exchanges: 0, slowest: 0 };
let isStopping = false;

class MailSession {
  private readonly socket: Socket;
  private readonly replies: AsyncIterator<string>;
  private readonly name: string;

  private constructor(socket: Socket, name: string) {
    this.socket = socket;
    this.name = name;
    this.replies = createInterface({ input: socket })[Symbol.asyncIterator]();
  }

  static async open(name: string): Promise<MailSession> {
    const socket = connect({ host: address, port: SMTP_PORT });
    const session = new MailSession(socket, name);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    await session.replies.next();
    await session.ask('HELO load.example');
    return session;
  }

  /** Until the end is wished for, or the connection is. */
  async run(): Promise<void> {
    try {
      await delay(Math.random() * Number(interval));
      for (let i = 0; !isStopping; i++) {
        await this.ask(`VRFY ${this.name}.${i}`);
        await delay(Number(interval));
      }
    } catch {
      result.lost++;
    }
    this.socket.destroy();
  }

  private async ask(command: string): Promise<void> {
    const asked = performance.now();
    this.socket.write(`${command}\r\n`);
    const { value, done } = await this.replies.next();
    if (done) throw new Error('closed');
    result.slowest = Math.max(result.slowest, performance.now() - asked);
    result.exchanges++;
    if (value !== `250 got ${command}`) result.wrong++;
  }
}

const running: Promise<void>[] = [];
while (running.length < result.sessions) {
  // The first one alone: until the next hop has answered ARP a firewall between keeps only a few datagrams.
  const opening = running.length === 0 ? 1 : Math.min(OPENING, result.sessions - running.length);
  const names = Array.from({ length: opening }, (_, i) => `u${running.length + i}`);
  for (const session of await Promise.all(names.map((name) => MailSession.open(name)))) running.push(session.run());
}
process.stdout.write('open\n');
process.once('SIGTERM', () => {
  isStopping = true;
  void Promise.race([Promise.all(running), delay(Number(interval) + PATIENCE)]).then(() => {
    process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
  });
});
