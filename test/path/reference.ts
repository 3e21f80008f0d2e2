// The reference configuration.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'rules'))) folder = dirname(folder);
  return folder;
}

export const REFERENCE = readFileSync(join(findRoot(), 'rules', '3640.cfg'), 'latin1');
