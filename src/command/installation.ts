// Files that belong to the installation (rules/, the sample capture), found from wherever the program was built to.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the package.json named postern, upwards from this file.  Throws when there is none. */
export function installationFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'postern') return folder;
  }
  throw new Error('the program is not inside its installation');
}

/** The version of the program, from its package.json. */
export function version(): string {
  return (JSON.parse(readFileSync(join(installationFolder(), 'package.json'), 'utf8')) as { version: string }).version;
}
