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

/** Octets of a path that the kernel takes (sun_path); a longer one would be cut in silence. */
const MAX_PATH = 107;

/** Throws an Error when the path is too long for a socket. */
export function checkSocketPath(path: string): void {
  if (Buffer.byteLength(path) > MAX_PATH) throw new Error(`the path of a socket has at most ${MAX_PATH} octets`);
}
