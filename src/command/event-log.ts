// The events of a data plane in this thread, as lines of text: taken off the ring after each batch, written in blocks.
//
// A file that cannot be written on is remembered in `failure`; what follows is lost, the replay goes on.

import { closeSync, openSync, writeSync } from 'node:fs';
import { type EventRing, E_DST, E_KIND, E_NSEC, E_PORTS, E_REASON, E_SEC, E_SRC, EVENT_DEBUG } from '../telemetry/event-ring.ts';
import { OK, REASONS } from '../telemetry/reasons.ts';

/** Text of the record at word offset `at`, without a line end; '' for one that is not written. */
export type EventText = (events: EventRing, at: number) => string;

const BLOCK = 65_536;
const STDERR = 2;

export class EventLog {
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

  /** Takes everything off the ring. */
  take(events: EventRing): void {
    for (let at = events.peek(); at >= 0; at = events.peek()) {
      const text = this.textOf(events, at);
      events.advance();
      if (text === '') continue;
      this.waiting.push(text);
      this.length += text.length + 1;
    }
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
export function describeEvent(events: EventRing, at: number): string {
  const { words } = events;
  const reason = words[at + E_REASON]!;
  if (reason === OK || words[at + E_KIND] === EVENT_DEBUG) return '';
  const ports = words[at + E_PORTS]!;
  const time = new Date((words[at + E_SEC]! >>> 0) * 1000 + words[at + E_NSEC]! / 1e6).toISOString();
  const text = events.textOf(at);
  const ends = `${address(words[at + E_SRC]!, ports >>> 16)} -> ${address(words[at + E_DST]!, ports & 0xffff)}`;
  return `${time} ${REASONS[reason]!.name} ${ends}${text === '' ? '' : ` ${JSON.stringify(text)}`}`;
}
