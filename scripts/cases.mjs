// npm run cases -- FILE.jsonl...: builds what is not built and runs the cases (test/cases/run.ts says how).

import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { build, isBuilt } from './build.mjs';
import { main, ROOT, step } from './steps.mjs';

await main(async () => {
  if (!isBuilt()) await step('program', 'TypeScript to dist/, bundle to dist/postern/', build);
  // The files are named from where the user is, not from the repository.
  const { status } = spawnSync(process.execPath, [join(ROOT, 'dist/test/cases/run.js'), ...process.argv.slice(2)], {
    stdio: 'inherit',
    cwd: process.env.INIT_CWD ?? process.cwd(),
  });
  process.exitCode = status ?? 1;
});
