// Writes a configuration to a file so that, whatever happens, either the old text or the new one stands there.

import { closeSync, existsSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';

/** Octets beyond latin1 do not occur: files are read so.  Throws what the file system says. */
export function saveText(path: string, text: string): void {
  const file = existsSync(path) ? realpathSync(path) : path;
  const beside = `${file}.${process.pid}.new`;
  const mode = existsSync(file) ? statSync(file).mode & 0o777 : 0o640;
  try {
    const descriptor = openSync(beside, 'wx', mode);
    try {
      writeSync(descriptor, text, null, 'latin1');
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(beside, file);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}
