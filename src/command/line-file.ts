// Lines of text to a file, or to stderr, in blocks.
//
// A file that cannot be written on is remembered in `failure`; what follows is lost, the program goes on.

import { closeSync, openSync, writeSync } from 'node:fs';

const BLOCK = 65_536;

export class LineFile {
  failure: string | null = null;
  private readonly file: number | null;
  private waiting: string[] = [];
  private length = 0;

  /** Null writes to stderr.  Throws what the system says of the file. */
  constructor(path: string | null) {
    this.file = path === null ? null : openSync(path, 'w');
  }

  /** `line` is without a line feed, one character an octet. */
  add(line: string): void {
    this.waiting.push(line);
    this.length += line.length + 1;
    if (this.length >= BLOCK) this.flush();
  }

  close(): void {
    this.flush();
    if (this.file !== null) closeSync(this.file);
  }

  private flush(): void {
    const text = this.waiting.map((line) => `${line}\n`).join('');
    this.waiting = [];
    this.length = 0;
    if (text === '' || this.failure !== null) return;
    if (this.file === null) {
      process.stderr.write(text, 'latin1');
      return;
    }
    try {
      writeSync(this.file, text, null, 'latin1');
    } catch (error) {
      this.failure = (error as Error).message;
    }
  }
}
