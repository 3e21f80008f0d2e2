// `postern events`: an event log as text or JSON lines, once or as it grows.

import { once } from 'node:events';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { EventReader } from '../telemetry/event-reader.ts';
import { type EventSchema, type LoggedEvent, loadEventSchema } from '../telemetry/event-schema.ts';
import { formatEventJson, formatEventText } from '../telemetry/event-text.ts';
import { CommandError, EXIT_OK, EXIT_RUNTIME } from './errors.ts';
import { untilSignal } from './stop-signal.ts';

const EXAMPLES = `
Examples:
  $ postern events events.bin
  $ postern events events.bin --follow
  $ postern events events.bin --json | jq 'select(.event == "mask") | .text'

Exit status: 0 read to its end, 1 the log is cut off or damaged (where, is said on stderr), 2 no such file, or no event log.`;

const BLOCK = 65_536;
/** ms between two looks at a file that is followed. */
const POLL = 200;

/** Adds the subcommand. */
export function register(program: Command): void {
  program
    .command('events')
    .description('print an event log that run or replay wrote')
    .argument('<file>', 'what --events named')
    .option('-f, --follow', 'go on as the log grows, also into the next file', false)
    .option('--json', 'one JSON object a line', false)
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, options: { readonly follow: boolean; readonly json: boolean }) => {
      process.exitCode = await printEvents(path, options.follow, options.json ? formatEventJson : formatEventText);
    });
}

type Format = (event: LoggedEvent) => string;

async function printEvents(path: string, follow: boolean, format: Format): Promise<number> {
  const schema = await loadEventSchema();
  if (!follow) return printFile(path, schema, format, null);
  const stopping = new AbortController();
  void untilSignal().then(() => stopping.abort());
  let status = EXIT_OK;
  while (!stopping.signal.aborted) status = Math.max(status, await printFile(path, schema, format, stopping.signal));
  return status;
}

/** Prints one file to its end; with `stopping` until it was replaced by another or is to stop.  Returns the exit status. */
async function printFile(path: string, schema: EventSchema, format: Format, stopping: AbortSignal | null): Promise<number> {
  const file = await open(path).catch((error: Error) => {
    throw new CommandError(`${path}: ${error.message}`);
  });
  const reader = new EventReader(schema);
  try {
    await printRest(file, reader, format);
    refuseOther(path, reader);
    while (stopping !== null && reader.damage === null && (await isCurrent(file, path, reader)) && (await pause(stopping))) {
      await printRest(file, reader, format);
    }
    // What was written between the last look and the replacement.
    if (stopping !== null) await printRest(file, reader, format);
    if (stopping?.aborted !== true && reader.damage === null && reader.pending === 0) return EXIT_OK;
    return reportTail(path, reader);
  } finally {
    await file.close();
  }
}

/** Prints all whole records that are there. */
async function printRest(file: FileHandle, reader: EventReader, format: Format): Promise<void> {
  const block = Buffer.alloc(BLOCK);
  for (;;) {
    const { bytesRead } = await file.read(block, 0, BLOCK);
    if (bytesRead === 0) return;
    let text = '';
    reader.push(block.subarray(0, bytesRead), (event) => {
      text += `${format(event)}\n`;
    });
    if (text !== '' && !process.stdout.write(text)) await once(process.stdout, 'drain');
  }
}

/** A file whose first record is no event is no event log. */
function refuseOther(path: string, reader: EventReader): void {
  if (reader.damage !== null && reader.position === 0) throw new CommandError(`${path}: not an event log: ${reader.damage}`);
}

/** False when the log goes on in another file of the name, or a damaged one was emptied. */
async function isCurrent(file: FileHandle, path: string, reader: EventReader): Promise<boolean> {
  const [here, named] = await Promise.all([file.stat(), stat(path).catch(() => null)]);
  return (named === null || named.ino === here.ino) && here.size >= reader.position;
}

/** False when it is time to stop. */
async function pause(stopping: AbortSignal): Promise<boolean> {
  await delay(POLL, undefined, { signal: stopping }).catch(() => {});
  return !stopping.aborted;
}

function reportTail(path: string, { damage, pending, position }: EventReader): number {
  if (damage === null && pending === 0) return EXIT_OK;
  const what =
    damage === null
      ? `cut off: the record at octet ${position} has only ${pending} octets`
      : `damaged from octet ${position} on: ${damage}`;
  process.stderr.write(`postern: ${path}: ${what}\n`);
  return EXIT_RUNTIME;
}
