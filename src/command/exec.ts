// `postern exec COMMAND...`: commands on the running firewall, for scripts.
//
// The commands are lines of one privileged session, so that `configure terminal` and what follows it can be given.  Output
// goes to stdout; a rejected line is shown on stderr with the marker of IOS, and those after it are still entered.

import type { Command } from 'commander';
import type { Ask, ConsoleClient } from '../console/client.ts';
import { type ConnectionOptions, connectConsole, fromTerminal, orCommandError, SOCKET_OPTION, toTerminal } from './console-connection.ts';
import { EXIT_OK, EXIT_USAGE } from './errors.ts';

const EXAMPLES = `
Examples:
  $ postern exec 'show ip inspect sessions'
  $ postern exec 'show interfaces | include packets input'
  $ postern exec 'configure terminal' 'access-list 101 permit tcp any host 172.22.1.110 eq 587' 'end' 'write memory'

Exit status: 0 done, 1 no firewall is running, 2 a command was rejected.`;

/** Adds the subcommand. */
export function register(program: Command): void {
  program
    .command('exec')
    .description('run commands on the running firewall')
    .argument('<command...>', "a line as at the console's prompt, for instance 'show ip inspect sessions'")
    .addOption(SOCKET_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (commands: readonly string[], options: ConnectionOptions) => {
      process.exitCode = await exec(commands, options);
    });
}

async function exec(commands: readonly string[], options: ConnectionOptions): Promise<number> {
  const client = await connectConsole(options, true);
  try {
    return await orCommandError(enterAll(client, commands));
  } finally {
    client.close();
  }
}

const CTRL_Z = '\x1a';

function asked(line: string): Ask {
  if (line === CTRL_Z) return { end: {} };
  return line.endsWith('?') ? { help: line.slice(0, -1) } : { enter: line };
}

/** Enters the lines until one leaves the session.  Returns the exit status. */
export async function enterAll(client: ConsoleClient, lines: Iterable<string> | AsyncIterable<string>): Promise<number> {
  let status = EXIT_OK;
  for await (const typed of lines) {
    const line = fromTerminal(typed);
    const { prompt } = client;
    const reply = await client.ask(asked(line));
    if (reply.rejected) {
      status = EXIT_USAGE;
      process.stderr.write(toTerminal(`${prompt}${line}\n${reply.output}`));
    } else process.stdout.write(toTerminal(reply.output));
    if (reply.left) break;
  }
  return status;
}
