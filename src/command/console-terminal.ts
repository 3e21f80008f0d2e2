// The terminal of `postern console`: line editing, history and completion by readline, and what readline does not have: `?`
// that answers without Enter, Ctrl-Z, pauses at the end of a screen, log lines above the line that is being typed.
//
// Keys go to readline piece by piece, each after what the one before asked of the firewall is done, so that pasted lines
// and type-ahead are entered in order, each at its own prompt.

import { createInterface, cursorTo, clearLine, type Interface } from 'node:readline';
import { Readable, type Writable } from 'node:stream';
import type { ConsoleClient } from '../console/client.ts';
import type { Reply } from '../console/wire-protocol.ts';
import { fromTerminal, toTerminal } from './console-connection.ts';

const CTRL_C = '\x03';
const CTRL_Z = '\x1a';
const ESCAPE = '\x1b';
/** Keys that ask the firewall something end a piece. */
const PIECES = /[^\r\n\t?\x03\x1a]*[\r\n\t?\x03\x1a]|[^\r\n\t?\x03\x1a]+/g;
const MORE = ' --More-- ';

/** A terminal, or a stream that stands for one. */
export interface KeySource extends NodeJS.ReadableStream {
  setRawMode?(on: boolean): unknown;
}

export class ConsoleTerminal {
  private readonly client: ConsoleClient;
  private readonly input: KeySource;
  private readonly output: Writable;
  private readonly keys = new Readable({ read: () => {} });
  private readonly lines: Interface;
  private readonly queue: string[] = [];
  private feeding = false;
  /** What the last key asked of the firewall. */
  private work: Promise<void> = Promise.resolve();
  private isBusy = false;
  private wantsKey: ((key: string) => void) | null = null;
  private finish: () => void = () => {};
  private readonly take = (chunk: Buffer): void => this.takeKeys(chunk.toString('latin1'));

  constructor(client: ConsoleClient, input: KeySource, output: Writable) {
    this.client = client;
    this.input = input;
    this.output = output;
    this.lines = createInterface({
      input: this.keys,
      output,
      terminal: true,
      historySize: 100,
      crlfDelay: Number.POSITIVE_INFINITY,
      completer: (line: string, done: (error: null, result: [string[], string]) => void) => this.complete(line, done),
    });
  }

  /** Until `exit`, Ctrl-D or the end of the firewall. */
  async run(): Promise<void> {
    const finished = new Promise<void>((resolve) => {
      this.finish = resolve;
    });
    this.lines.on('line', (line) => this.do(() => this.enter(line)));
    this.lines.on('SIGINT', () => this.do(() => this.leaveConfiguration('^C')));
    this.lines.on('close', () => this.finish());
    this.client.onLine = (line) => this.showLine(line);
    this.client.onEnd = () => this.finish();
    this.input.setRawMode?.(true);
    this.input.on('data', this.take);
    this.input.on('end', () => this.finish());
    this.prompt();
    await finished;
    this.input.off('data', this.take);
    this.input.setRawMode?.(false);
    this.input.pause();
    this.lines.close();
  }

  private do(what: () => Promise<void>): void {
    this.isBusy = true;
    this.work = what()
      .catch(() => this.finish())
      .finally(() => {
        this.isBusy = false;
      });
  }

  private prompt(keepCursor = false): void {
    this.lines.setPrompt(toTerminal(this.client.prompt).toString());
    this.lines.prompt(keepCursor);
  }

  private write(text: string): void {
    this.output.write(toTerminal(text));
  }

  private takeKeys(text: string): void {
    if (this.wantsKey !== null) {
      const give = this.wantsKey;
      this.wantsKey = null;
      give(text);
      return;
    }
    // A key that sends several octets stays whole.
    if (text.startsWith(ESCAPE)) this.queue.push(text);
    else this.queue.push(...(text.match(PIECES) ?? []));
    if (!this.feeding) void this.feed();
  }

  private async feed(): Promise<void> {
    this.feeding = true;
    for (let piece = this.queue.shift(); piece !== undefined; piece = this.queue.shift()) {
      const last = piece.at(-1);
      if (last === '?' || last === CTRL_Z) {
        await this.type(piece.slice(0, -1));
        this.do(() => (last === '?' ? this.help() : this.leaveConfiguration('^Z')));
      } else await this.type(piece);
      await this.work;
    }
    this.feeding = false;
  }

  /** Resolves when readline has seen the keys. */
  private async type(keys: string): Promise<void> {
    if (keys === '') return;
    this.keys.push(Buffer.from(keys, 'latin1'));
    await new Promise((resolve) => setImmediate(resolve));
  }

  private async enter(line: string): Promise<void> {
    const reply = await this.client.ask({ enter: fromTerminal(line) });
    await this.show(reply);
    if (reply.left) return this.finish();
    this.prompt();
  }

  private async leaveConfiguration(shown: string): Promise<void> {
    this.write(`${shown}\n`);
    this.lines.write(null, { ctrl: true, name: 'e' });
    this.lines.write(null, { ctrl: true, name: 'u' });
    cursorTo(this.output, 0);
    clearLine(this.output, 0);
    await this.client.ask({ end: {} });
    this.prompt();
  }

  private async help(): Promise<void> {
    const typed = this.lines.line.slice(0, this.lines.cursor);
    const reply = await this.client.ask({ help: fromTerminal(typed) });
    this.write('?\n');
    await this.show(reply);
    this.prompt(true);
  }

  private complete(line: string, done: (error: null, result: [string[], string]) => void): void {
    this.do(async () => {
      const { output } = await this.client.ask({ complete: fromTerminal(line) });
      const completed = toTerminal(output).toString();
      done(null, [completed === line ? [] : [completed], line]);
    });
  }

  private showLine(line: string): void {
    if (!this.isBusy) {
      cursorTo(this.output, 0);
      clearLine(this.output, 0);
    }
    this.write(line);
    if (!this.isBusy) this.prompt(true);
  }

  /** With a pause at the end of each screen: a blank goes on by a screen, Enter by a line, any other key ends it. */
  private async show({ output, terminalLength }: Reply): Promise<void> {
    let room = terminalLength - 1;
    for (const line of output === '' ? [] : output.replace(/\n$/, '').split('\n')) {
      if (terminalLength > 0 && room <= 0) {
        const key = await this.pause();
        if (key !== ' ' && key !== '\r' && key !== '\n') return;
        room = key === ' ' ? terminalLength - 1 : 1;
      }
      this.write(`${line}\n`);
      room--;
    }
  }

  private async pause(): Promise<string> {
    this.write(MORE);
    const typed =
      this.queue.shift() ??
      (await new Promise<string>((resolve) => {
        this.wantsKey = resolve;
      }));
    if (typed.length > 1 && typed[0] !== ESCAPE) this.queue.unshift(typed.slice(1));
    cursorTo(this.output, 0);
    clearLine(this.output, 0);
    return typed[0] === CTRL_C ? 'q' : typed[0]!;
  }
}
