// Reads and compiles a configuration for a command that is going to run it: rejected lines are shown, and end the command
// unless it is lenient, because a missing deny is worse than no start.

import { compilePolicy } from '../config/compile.ts';
import type { Configuration } from '../config/model.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { complaints, readConfiguration } from './check.ts';
import { CommandError } from './errors.ts';

export interface LoadedPolicy {
  readonly configuration: Configuration;
  readonly policy: PolicySnapshot;
}

/** Writes what was rejected and what is doubtful to stderr.  Throws a CommandError. */
export function loadPolicy(path: string, options: { readonly lenient: boolean; readonly verifyChecksums: boolean }): LoadedPolicy {
  const parsed = readConfiguration(path);
  const { configuration, rejected } = parsed;
  process.stderr.write(complaints(path, parsed));
  if (rejected.length > 0 && !options.lenient) {
    throw new CommandError(`${path}: ${rejected.length} rejected ${rejected.length === 1 ? 'line' : 'lines'}; --lenient runs without them`);
  }
  try {
    return { configuration, policy: compilePolicy(configuration, { epoch: 1, verifyChecksums: options.verifyChecksums }) };
  } catch (error) {
    throw new CommandError(`${path}: ${(error as Error).message}`);
  }
}
