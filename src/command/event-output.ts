// `--events FILE` of run and replay: the event log, and what is said of it.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { EventLog, type EventNames } from '../telemetry/event-log.ts';
import { CommandError } from './errors.ts';

/** Old files kept: FILE.1 to FILE.4. */
const KEEP = 4;
const MEBIBYTE = 1 << 20;

export interface EventOptions {
  readonly events?: string;
  readonly eventsSize: number;
}

/** Adds the options to a command. */
export function addEventOptions(command: Command): Command {
  return command
    .option('--events <file>', 'write an event log (`postern events` prints it); a file that is there becomes FILE.1')
    .addOption(new Option('--events-size <mebibytes>', 'size at which the event log begins a new file').argParser(parseSize).default(64));
}

function parseSize(text: string): number {
  const size = Number(text);
  if (!Number.isInteger(size) || size < 1 || size > 65_536) throw new InvalidArgumentError('1 to 65536 is wanted.');
  return size;
}

/**
 * Opens the event log, null where none is wanted.  `blocking`: the program has time to wait for the disk.  Throws a
 * CommandError with what the system says.
 */
export async function openEventLog({ events, eventsSize }: EventOptions, names: EventNames, blocking: boolean): Promise<EventLog | null> {
  if (events === undefined) return null;
  const onTrouble = (message: string): void => void process.stderr.write(`postern: ${message}\n`);
  try {
    return await EventLog.open(events, names, { limit: eventsSize * MEBIBYTE, keep: KEEP, blocking, onTrouble });
  } catch (error) {
    throw new CommandError(`--events: ${(error as Error).message}`);
  }
}

/** Writes out what is left and says what was lost; false when something was. */
export async function closeEventLog(log: EventLog | null): Promise<boolean> {
  if (log === null) return true;
  await log.close();
  if (log.lostOfFile > 0) process.stderr.write(`postern: the event log is not complete: ${log.lostOfFile} events were lost\n`);
  return log.lostOfFile === 0;
}
