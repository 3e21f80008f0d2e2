// The program `postern`: one subcommand a file in command/, each with `register(program)`.
//
// Data goes to stdout, everything else to stderr.  Exit status 0, 1 (runtime) or 2 (usage or configuration).

import { Command, CommanderError } from 'commander';
import { register as registerBench } from './command/bench.ts';
import { register as registerCheck } from './command/check.ts';
import { register as registerConsole } from './command/console.ts';
import { register as registerDoctor } from './command/doctor.ts';
import { CommandError, EXIT_OK, EXIT_USAGE } from './command/errors.ts';
import { register as registerEvents } from './command/events.ts';
import { register as registerExec } from './command/exec.ts';
import { version } from './command/installation.ts';
import { register as registerReload } from './command/reload.ts';
import { register as registerReplay } from './command/replay.ts';
import { register as registerRun } from './command/run.ts';

/** In the order of the help. */
const REGISTER = [
  registerRun,
  registerReplay,
  registerCheck,
  registerConsole,
  registerExec,
  registerReload,
  registerEvents,
  registerBench,
  registerDoctor,
];

const EXAMPLES = `
Examples:
  $ postern check rules/3640.cfg --exec 'show ip inspect all'
  $ postern replay mail.pcap --output inspected.pcap
  $ postern replay --config rules/3640.cfg --port e2/0=outside.pcap:outside-out.pcap --port e2/1=inside.pcap:inside-out.pcap
  $ postern run --config rules/3640.cfg --port e2/0=eth1 --port e2/1=eth2
  $ postern exec 'show ip inspect sessions'
  $ postern console
  $ postern reload rules/3640.cfg
  $ postern events events.bin --json
  $ postern bench path
  $ postern doctor eth1 eth2

Exit status: 0 done, 1 failed while running, 2 wrong command line or configuration.`;

/** The whole command line; subcommands inherit how errors and exits are reported. */
export function createProgram(): Command {
  const program = new Command('postern')
    .description('Userspace inline firewall for mail servers: IOS style configuration, SMTP and ESMTP inspection.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(postern --help lists the commands)')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'postern: ')) });
  for (const register of REGISTER) register(program);
  return program;
}

/** Parses and runs one command line.  Returns the exit status; an unforeseen error is thrown. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(argv, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT_OK;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    if (!(error instanceof CommandError)) throw error;
    process.stderr.write(`postern: ${error.message}\n`);
    return error.status;
  }
}

/** A reader that has seen enough (`postern ... | head`) closes the pipe: that is the end, not an error. */
function endQuietlyOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT_OK);
}

process.stdout.on('error', endQuietlyOnClosedPipe);
process.stderr.on('error', endQuietlyOnClosedPipe);
process.exitCode = await main(process.argv.slice(2));
