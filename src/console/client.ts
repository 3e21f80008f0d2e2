// A client's end of the console socket: questions in order, and log lines that come unasked.

import { connect, type Socket } from 'node:net';
import { checkSocketPath } from './socket-path.ts';
import { encodeRequest, loadProtocol, PROTOCOL_VERSION, readReplies, type Reply, type Request } from './wire-protocol.ts';

/** What a request asks, without its number. */
export type Ask = Omit<Request, 'id'>;

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  output: string;
}

/** Nobody listens, or nobody may talk to who does. */
export class NoFirewall extends Error {}

export class ConsoleClient {
  /** Called for each log line after `terminal monitor`. */
  onLine: (line: string) => void = () => {};
  /** Called when the firewall ends the connection. */
  onEnd: () => void = () => {};
  prompt = '';
  private readonly socket: Socket;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;
  private ended: Error | null = null;
  private left = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    void this.read();
  }

  /** Connects and opens a session.  Throws NoFirewall, with a message of one line. */
  static async connect(path: string, privileged: boolean): Promise<ConsoleClient> {
    await loadProtocol();
    const client = new ConsoleClient(await reach(path));
    const reply = await client.ask({ open: { version: PROTOCOL_VERSION, privileged } });
    if (reply.rejected) throw new NoFirewall(reply.output.trimEnd());
    return client;
  }

  /** Resolves with the whole answer; rejects with NoFirewall when the firewall ends before. */
  ask(question: Ask): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.ended !== null) return reject(this.ended);
      const id = ++this.lastId;
      this.waiting.set(id, { resolve, reject, output: '' });
      this.socket.write(encodeRequest({ id, ...question }));
    });
  }

  /** Throws NoFirewall when the connection broke or the firewall ended it without being asked to. */
  assertAlive(): void {
    if (this.ended !== null && !this.left) throw this.ended;
  }

  close(): void {
    this.socket.end();
    this.socket.destroySoon();
  }

  private async read(): Promise<void> {
    try {
      for await (const reply of readReplies(this.socket)) this.take(reply);
      this.end(new NoFirewall('the firewall ended the connection'));
    } catch (error) {
      this.end(new NoFirewall(`the connection to the firewall broke: ${(error as Error).message}`));
    }
  }

  private take(reply: Reply): void {
    if (reply.id === 0) return this.onLine(reply.output);
    const waiting = this.waiting.get(reply.id);
    if (waiting === undefined) return;
    waiting.output += reply.output;
    if (reply.more) return;
    this.waiting.delete(reply.id);
    this.prompt = reply.prompt;
    this.left ||= reply.left;
    waiting.resolve({ ...reply, output: waiting.output });
  }

  private end(why: Error): void {
    this.ended = why;
    for (const waiting of this.waiting.values()) waiting.reject(why);
    this.waiting.clear();
    this.onEnd();
  }
}

function reach(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    checkPath(path);
    const socket = connect(path);
    socket.once('connect', () => resolve(socket.off('error', reject)));
    socket.once('error', (error: NodeJS.ErrnoException) => reject(new NoFirewall(whyNot(path, error))));
  });
}

function checkPath(path: string): void {
  try {
    checkSocketPath(path);
  } catch (error) {
    throw new NoFirewall(`${path}: ${(error as Error).message}`);
  }
}

function whyNot(path: string, error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return `no firewall is running here (nobody listens at ${path})`;
  if (error.code === 'EACCES') return `no permission for ${path}: who may use the socket may use the firewall`;
  return `${path}: ${error.message}`;
}
