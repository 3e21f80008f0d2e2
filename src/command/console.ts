// `postern console`: the interactive shell of the running firewall; with its input from a file or a pipe, a script of it.

import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { ConsoleClient } from '../console/client.ts';
import { type ConnectionOptions, connectConsole, orCommandError, SOCKET_OPTION } from './console-connection.ts';
import { ConsoleTerminal } from './console-terminal.ts';
import { EXIT_OK } from './errors.ts';
import { enterAll } from './exec.ts';

const HELP = `
On a terminal: ? helps at any point, the tab key completes, Ctrl-Z leaves configuration mode, Ctrl-D ends.
From a file or a pipe each line is entered in turn; output goes to stdout, rejected lines to stderr.

Examples:
  $ postern console
  $ postern console < changes.txt

Exit status: 0 done, 1 no firewall is running, 2 a line of a script was rejected.`;

/** Adds the subcommand. */
export function register(program: Command): void {
  program
    .command('console')
    .description('open a shell on the running firewall')
    .addOption(SOCKET_OPTION)
    .addHelpText('after', HELP)
    .action(async (options: ConnectionOptions) => {
      process.exitCode = await openConsole(options);
    });
}

async function openConsole(options: ConnectionOptions): Promise<number> {
  const client = await connectConsole(options, false);
  try {
    return await orCommandError(process.stdin.isTTY && process.stdout.isTTY ? onTerminal(client) : fromScript(client));
  } finally {
    client.close();
  }
}

async function onTerminal(client: ConsoleClient): Promise<number> {
  await new ConsoleTerminal(client, process.stdin, process.stdout).run();
  process.stdout.write('\n');
  client.assertAlive();
  return EXIT_OK;
}

function fromScript(client: ConsoleClient): Promise<number> {
  client.onLine = (line) => process.stdout.write(line);
  return enterAll(client, createInterface({ input: process.stdin }));
}
