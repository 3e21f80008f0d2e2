// `postern check CONFIG [--exec 'show ...']...`: parses a configuration without running it.
//
// Rejected lines go to stderr with the marker of IOS, displays to stdout.  Exit status 0: every line was accepted,
// 2: a line was rejected, the file cannot be read, or a display does not exist.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { formatRejection, parseConfiguration, type ParsedConfiguration } from '../config/parse.ts';
import { executeShow } from '../console/exec.ts';
import { emptyState } from '../console/state.ts';
import { CommandError, EXIT_OK, EXIT_USAGE } from './errors.ts';

/** Reads and parses a configuration file; throws CommandError when it cannot be read. */
export function readConfiguration(file: string): ParsedConfiguration {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(`${file}: ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : (error as Error).message}`);
  }
  return parseConfiguration(text);
}

/** What stderr says about a parsed file: each rejected line with its number, marker and message, then the warnings. */
export function complaints(file: string, { rejected, warnings }: ParsedConfiguration): string {
  const lines = rejected.map((entry) => `${file}:${entry.lineNumber}: not accepted\n${entry.formatted}`);
  return [...lines, ...warnings.map((warning) => `${warning}\n`)].join('');
}

function check(file: string, displays: readonly string[], version: string): number {
  const parsed = readConfiguration(file);
  process.stderr.write(complaints(file, parsed));
  let status = parsed.rejected.length > 0 ? EXIT_USAGE : EXIT_OK;
  const state = emptyState(version);
  for (const line of displays) {
    const result = executeShow(line, parsed.configuration, state);
    if (result.kind === 'shown') {
      process.stdout.write(result.text);
      continue;
    }
    process.stderr.write(result.kind === 'other' ? `postern: ${result.command} needs a running firewall\n` : formatRejection(line, result));
    status = EXIT_USAGE;
  }
  return status;
}

/** Adds the sub-command to the program. */
export function register(program: Command): void {
  program
    .command('check')
    .description('parse a configuration without running it')
    .argument('<config>', 'configuration file')
    .option(
      '--exec <show>',
      "a display to print, for instance 'show running-config'; may be repeated",
      (line: string, lines: string[]) => [...lines, line],
      [],
    )
    .action((file: string, options: { exec: string[] }) => {
      process.exitCode = check(file, options.exec, program.version() ?? 'unknown');
    });
}
