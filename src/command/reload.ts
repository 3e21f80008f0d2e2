// `postern reload [FILE]`: a new configuration for the running firewall, read and compiled whole before it takes force.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type ConnectionOptions, connectConsole, orCommandError, SOCKET_OPTION, toTerminal } from './console-connection.ts';
import { CommandError, EXIT_OK, EXIT_USAGE } from './errors.ts';

const HELP = `
Without FILE the firewall reads the file again that it was started with.  Sessions that the new configuration still allows
live on; one with a rejected line changes nothing.

Examples:
  $ postern reload
  $ postern reload rules/3640.cfg

Exit status: 0 in force, 1 no firewall is running, 2 the configuration was not accepted.`;

interface ReloadOptions extends ConnectionOptions {
  readonly lenient: boolean;
}

/** Adds the subcommand. */
export function register(program: Command): void {
  program
    .command('reload')
    .description('put a new configuration in force on the running firewall')
    .argument('[file]', 'configuration')
    .option('--lenient', 'although lines of it are rejected', false)
    .addOption(SOCKET_OPTION)
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, options: ReloadOptions) => {
      process.exitCode = await reload(file, options);
    });
}

async function reload(file: string | undefined, options: ReloadOptions): Promise<number> {
  const text = file === undefined ? {} : { text: read(file) };
  const client = await connectConsole(options, true);
  try {
    const reply = await orCommandError(client.ask({ reload: { ...text, lenient: options.lenient } }));
    process.stderr.write(toTerminal(reply.output));
    if (!reply.rejected) return EXIT_OK;
    process.stderr.write('postern: the configuration was not accepted; nothing has changed\n');
    return EXIT_USAGE;
  } finally {
    client.close();
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    throw new CommandError(`cannot read the configuration: ${(error as Error).message}`);
  }
}
