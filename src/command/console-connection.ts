// How the commands that talk to a running firewall find it.

import { Option } from 'commander';
import { ConsoleClient, NoFirewall } from '../console/client.ts';
import { defaultSocketPath } from '../console/socket-path.ts';
import { CommandError, EXIT_RUNTIME } from './errors.ts';

export const SOCKET_OPTION = new Option('-s, --socket <path>', 'console socket of the firewall (default: that of this network namespace)');

export interface ConnectionOptions {
  readonly socket?: string;
}

/** Opens a session.  Throws a CommandError, status 1, when no firewall answers. */
export function connectConsole({ socket }: ConnectionOptions, privileged: boolean): Promise<ConsoleClient> {
  return orCommandError(ConsoleClient.connect(socket ?? defaultSocketPath(), privileged));
}

/** A connection that cannot be had, or breaks, becomes the command's error. */
export async function orCommandError<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof NoFirewall) throw new CommandError(error.message, EXIT_RUNTIME);
    throw error;
  }
}

/** What the terminal or the command line gave, as one character an octet. */
export function fromTerminal(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** The other way. */
export function toTerminal(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
