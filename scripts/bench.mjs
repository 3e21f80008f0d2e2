// `npm run bench -- ...`: the set-up, then `postern bench`, each bench in a fresh process as the command does it.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { main, ROOT } from './steps.mjs';

await main(async () => {
  await setup();
  const { status } = spawnSync(process.execPath, [join(ROOT, 'bin/postern.mjs'), 'bench', ...process.argv.slice(2)], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
});
