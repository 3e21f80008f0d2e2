// Events as lines of text: a sink of the event pump that writes in blocks.
//
// A file that cannot be written on is remembered in `failure`; what follows is lost, the replay goes on.

import { closeSync, openSync, writeSync } from 'node:fs';
import type { EventRecord } from '../telemetry/event-record.ts';
import { EVENT_DEBUG } from '../telemetry/event-ring.ts';
import { OK, REASONS } from '../telemetry/reasons.ts';

/** Text of an event, without a line end; '' for one that is not written. */
export type EventText = (event: EventRecord) => string;

const BLOCK = 65_536;
const STDERR = 2;

export class TextLog {
  failure: string | null = null;
  private readonly file: number;
  private readonly textOf: EventText;
  private waiting: string[] = [];
  private length = 0;

  /** Null writes to stderr.  Throws what the system says of the file. */
  constructor(path: string | null, textOf: EventText) {
    this.file = path === null ? STDERR : openSync(path, 'w');
    this.textOf = textOf;
  }

  take(event: EventRecord): void {
    const text = this.textOf(event);
    if (text === '') return;
    this.waiting.push(text);
    this.length += text.length + 1;
    if (this.length >= BLOCK) this.flush();
  }

  close(): void {
    this.flush();
    if (this.file !== STDERR) closeSync(this.file);
  }

  private flush(): void {
    try {
      if (this.failure === null && this.waiting.length > 0) writeSync(this.file, `${this.waiting.join('\n')}\n`, null, 'latin1');
    } catch (error) {
      this.failure = (error as Error).message;
    }
    this.waiting = [];
    this.length = 0;
  }
}

function address(addr: number, port: number): string {
  return `${addr >>> 24}.${(addr >>> 16) & 255}.${(addr >>> 8) & 255}.${addr & 255}:${port}`;
}

/** Time, name, conversation and text of events that have a name. */
export function describeEvent({ kind, reason, sec, nsec, src, srcPort, dst, dstPort, text }: EventRecord): string {
  if (reason === OK || kind === EVENT_DEBUG) return '';
  const time = new Date((sec >>> 0) * 1000 + nsec / 1e6).toISOString();
  return `${time} ${REASONS[reason]!.name} ${address(src, srcPort)} -> ${address(dst, dstPort)}${text === '' ? '' : ` ${JSON.stringify(text)}`}`;
}
