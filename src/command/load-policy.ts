// Reads and compiles a configuration for a command that is going to run it: rejected lines are shown, and end the command
// unless it is lenient, because a missing deny is worse than no start.

import { readFileSync } from 'node:fs';
import { compilePolicy } from '../config/compile.ts';
import type { Configuration } from '../config/model.ts';
import { parseConfiguration } from '../config/parse.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { CommandError } from './errors.ts';

export interface LoadedPolicy {
  readonly configuration: Configuration;
  readonly policy: PolicySnapshot;
}

/** Writes what was rejected and what is doubtful to stderr.  Throws a CommandError. */
export function loadPolicy(path: string, options: { readonly lenient: boolean; readonly verifyChecksums: boolean }): LoadedPolicy {
  const { configuration, rejected, warnings } = parseConfiguration(readConfiguration(path));
  for (const line of rejected) process.stderr.write(`${path}:${line.lineNumber}:\n${line.formatted}`);
  for (const warning of warnings) process.stderr.write(`${warning}\n`);
  if (rejected.length > 0 && !options.lenient) {
    throw new CommandError(`${path}: ${rejected.length} rejected ${rejected.length === 1 ? 'line' : 'lines'}; --lenient runs without them`);
  }
  return { configuration, policy: compilePolicy(configuration, { epoch: 1, verifyChecksums: options.verifyChecksums }) };
}

function readConfiguration(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    throw new CommandError(`cannot read the configuration: ${(error as Error).message}`);
  }
}
