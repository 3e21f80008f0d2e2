// A mail client of the lab that says exactly what it is told to, octet by octet where that is wanted.
//
//   dialogue.js ADDRESS SESSIONS     SESSIONS: JSON of Session[]; at most eight are open at a time; prints a line, JSON of Told[]
//
// Octets are written as ISO-8859-1.  A session without an answer for 15 seconds ends with the error `timeout`.

import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const SMTP_PORT = 25;
const AT_A_TIME = 8;
const PATIENCE = 15_000;
/** Between two segments of a step, so that each is sent by itself, milliseconds. */
const PAUSE = 3;

/** What is sent, in one piece, and how many replies are then awaited. */
export type Step = readonly [send: string, replies: number];

export interface Session {
  /** The first reply to come is the greeting; it belongs to a step as well. */
  readonly steps: readonly Step[];
  /** Each octet in a write of its own, that many milliseconds after the one before, and TCP_NODELAY off. */
  readonly octetEvery?: number;
}

export interface Told {
  /** Whole replies, the lines joined by LF. */
  readonly replies: readonly string[];
  readonly localPort: number;
  readonly seconds: number;
  readonly error?: string;
}

/** Replies as they become complete. */
class Replies {
  readonly told: string[] = [];
  private rest = '';
  private lines: string[] = [];
  private wake: () => void = () => {};
  private ended: Error | null = null;

  constructor(socket: Socket) {
    socket.on('data', (data) => this.take(data.toString('latin1')));
    socket.on('error', (error) => this.end(error));
    socket.on('close', () => this.end(new Error('closed')));
  }

  /** Resolves when there are `count`; throws when the connection ends before. */
  async until(count: number): Promise<void> {
    while (this.told.length < count) {
      if (this.ended !== null) throw this.ended;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  private end(error: Error): void {
    this.ended ??= error;
    this.wake();
  }

  private take(text: string): void {
    const lines = (this.rest + text).split('\r\n');
    this.rest = lines.pop()!;
    for (const line of lines) {
      this.lines.push(line);
      if (line[3] !== '-') this.told.push(this.lines.splice(0).join('\n'));
    }
    this.wake();
  }
}

async function send(socket: Socket, octets: string, octetEvery: number | undefined): Promise<void> {
  if (octetEvery === undefined) {
    socket.write(octets, 'latin1');
    return;
  }
  for (const octet of octets) {
    socket.write(octet, 'latin1');
    if (octetEvery > 0) await delay(octetEvery);
  }
}

async function converse(address: string, { steps, octetEvery }: Session): Promise<Told> {
  const started = performance.now();
  const socket = connect(SMTP_PORT, address);
  socket.setNoDelay(octetEvery === undefined);
  socket.setTimeout(PATIENCE, () => socket.destroy(new Error('timeout')));
  const replies = new Replies(socket);
  let wanted = 0;
  let failed: Error | null = null;
  let localPort = 0;
  socket.once('connect', () => {
    localPort = socket.localPort ?? 0;
  });
  try {
    for (const [octets, count] of steps) {
      await send(socket, octets, octetEvery);
      if (count === 0) await delay(PAUSE);
      await replies.until((wanted += count));
    }
  } catch (error) {
    failed = error as Error;
  }
  socket.destroy();
  const seconds = (performance.now() - started) / 1000;
  return { replies: replies.told, localPort, seconds, ...(failed && { error: failed.message }) };
}

const [address = '', sessions = '[]'] = process.argv.slice(2);
const wanted = JSON.parse(sessions) as Session[];
const told: Told[] = [];
let next = 0;

async function work(): Promise<void> {
  while (next < wanted.length) {
    const i = next++;
    told[i] = await converse(address, wanted[i]!);
  }
}

await Promise.all(Array.from({ length: AT_A_TIME }, work));
process.stdout.write(`${JSON.stringify(told)}\n`);
