// A file of records that never makes its writer wait: two buffers, one being filled while the other is written.
//
// A record that finds both taken is lost and counted.  Whole records only: what a full disk left of a block is cut off again, so
// that the file stays readable.  Beyond `limit` octets the file becomes FILE.1, FILE.1 becomes FILE.2, `keep` of them, and a new one
// begins with a whole record; a file that is there at the start is put aside like that too, because its tail may be cut.  `blocking` is for replay, which has all the time and must not lose anything.
// Left out: fsync; what the machine had not written at a power failure is lost.

import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, renameSync, rmSync, write, writeSync } from 'node:fs';

/** Octets of each buffer: some two thousand records. */
const BLOCK = 256 * 1024;
/** A block goes out when it has this much, or when it is this old in ms. */
const ENOUGH = 64 * 1024;
const OLDEST = 500;

export interface EventFileOptions {
  /** Octets at which a new file begins. */
  readonly limit: number;
  /** Old files kept beside the current one. */
  readonly keep: number;
  readonly blocking: boolean;
  /** Called once when writing fails and once when it works again, with one line for the user. */
  readonly onTrouble: (message: string) => void;
  /** For tests: the system calls. */
  readonly calls?: Pick<typeof systemCalls, 'write' | 'writeSync'>;
}

const systemCalls = { write, writeSync };

class Block {
  readonly octets = Buffer.alloc(BLOCK);
  length = 0;
  records = 0;

  /** False when there is no room. */
  add(record: Uint8Array): boolean {
    if (this.length + record.length > BLOCK) return false;
    this.octets.set(record, this.length);
    this.length += record.length;
    this.records++;
    return true;
  }

  clear(): void {
    this.length = 0;
    this.records = 0;
  }
}

export class EventFile {
  /** Records that were not written. */
  lost = 0;
  private readonly path: string;
  private readonly options: EventFileOptions;
  private readonly calls: Pick<typeof systemCalls, 'write' | 'writeSync'>;
  private file: number;
  /** Octets in the file, all of whole records. */
  private size: number;
  private filling = new Block();
  private other = new Block();
  private writing = false;
  private inTrouble = false;
  private readonly timer: NodeJS.Timeout;
  private onIdle: () => void = () => {};

  private constructor(path: string, options: EventFileOptions) {
    this.path = path;
    this.options = options;
    this.calls = options.calls ?? systemCalls;
    this.file = openSync(path, 'a');
    this.size = fstatSync(this.file).size;
    if (this.size > 0) this.beginNew();
    this.timer = setInterval(() => this.flush(), OLDEST);
    this.timer.unref();
  }

  /** Begins a file.  Throws what the system says. */
  static open(path: string, options: EventFileOptions): EventFile {
    return new EventFile(path, options);
  }

  /** Adds a record, at most BLOCK octets, which may be reused at once. */
  append(record: Uint8Array): void {
    if (!this.filling.add(record)) {
      this.flush();
      if (!this.filling.add(record)) this.lost++;
    } else if (this.filling.length >= ENOUGH) {
      this.flush();
    }
  }

  /** A record of any length would be taken, and the last block was written. */
  get isWell(): boolean {
    return !this.inTrouble && this.filling.length < ENOUGH;
  }

  /** Writes out what is there and closes; resolves when that is done or has failed. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    while (this.writing || this.filling.length > 0) {
      this.flush();
      if (this.writing) await new Promise<void>((resolve) => (this.onIdle = resolve));
    }
    closeSync(this.file);
  }

  /** Begins to write the filled buffer, unless the other one is still being written. */
  private flush(): void {
    if (this.writing || this.filling.length === 0) return;
    const block = this.filling;
    this.filling = this.other;
    this.other = block;
    try {
      this.rotate(block.length);
    } catch (error) {
      this.finish(block, error as Error);
      return;
    }
    if (this.options.blocking) this.writeNow(block);
    else this.writeOn(block, 0);
  }

  private writeNow(block: Block): void {
    try {
      for (let at = 0; at < block.length; ) at += this.calls.writeSync(this.file, block.octets, at, block.length - at);
      this.finish(block, null);
    } catch (error) {
      this.finish(block, error as Error);
    }
  }

  private writeOn(block: Block, from: number): void {
    this.writing = true;
    this.calls.write(this.file, block.octets, from, block.length - from, null, (error, written) => {
      const to = from + written;
      if (error === null && to < block.length) {
        this.writeOn(block, to);
        return;
      }
      this.writing = false;
      this.finish(block, error);
      if (this.filling.length >= ENOUGH) this.flush();
      this.onIdle();
    });
  }

  /** The block is written, or is lost with all its records. */
  private finish(block: Block, error: Error | null): void {
    if (error === null) this.size += block.length;
    else this.lose(block);
    block.clear();
    if ((error !== null) === this.inTrouble) return;
    this.inTrouble = error !== null;
    this.options.onTrouble(
      error === null ? `${this.path}: written again, ${this.lost} events were lost` : `${this.path}: events are lost: ${error.message}`,
    );
  }

  private lose(block: Block): void {
    this.lost += block.records;
    try {
      ftruncateSync(this.file, this.size);
    } catch {
      // No regular file: there is nothing to cut off.
    }
  }

  /** A new file when this one has no room for `octets` more. */
  private rotate(octets: number): void {
    if (this.size > 0 && this.size + octets > this.options.limit) this.beginNew();
  }

  private beginNew(): void {
    const { keep } = this.options;
    rmSync(`${this.path}.${keep}`, { force: true });
    for (let i = keep; i > 1; i--) if (existsSync(`${this.path}.${i - 1}`)) renameSync(`${this.path}.${i - 1}`, `${this.path}.${i}`);
    if (keep > 0) renameSync(this.path, `${this.path}.1`);
    else rmSync(this.path);
    const file = openSync(this.path, 'a');
    closeSync(this.file);
    this.file = file;
    this.size = 0;
  }
}
