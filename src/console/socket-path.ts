// Where a running firewall listens for its console.

import { readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of everything that a running firewall keeps outside its configuration. */
export const RUN_FOLDER = '/run/postern';

/**
 * The default socket: one for each network namespace, because each may have a firewall of its own.  In the namespace of
 * process 1 it is console.sock; where that cannot be seen, it counts as another one.
 */
export function defaultSocketPath(): string {
  return join(RUN_FOLDER, isInitNamespace() ? 'console.sock' : `console-${statSync('/proc/self/ns/net').ino}.sock`);
}

function isInitNamespace(): boolean {
  try {
    return readlinkSync('/proc/self/ns/net') === readlinkSync('/proc/1/ns/net');
  } catch {
    return false;
  }
}
