// Lint: oxlint (correctness, import cycles, the boundaries that an editor should show) and biome's formatter.
// The full import table is checked by test/boundaries.test.ts, which reads it from CONTRIBUTING.md.

import { pathToFileURL } from 'node:url';
import { filesBelow, main, run, step } from './steps.mjs';

const FOLDERS = ['src', 'test', 'bench', 'scripts', 'native-bindings', 'bin'];

/** Throws a StepError with the findings. */
export async function lint() {
  const present = FOLDERS.filter((folder) => filesBelow(folder, (path) => /\.(ts|mjs)$/.test(path)).length > 0);
  const oxlint = ['--config', '.oxlintrc.json', '--deny-warnings', '--format=unix', ...present];
  await step('lint', 'oxlint', () => run('node_modules/.bin/oxlint', oxlint));
  await step('format', 'biome format', () => run('node_modules/.bin/biome', ['format', '--colors=off', ...present]));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(lint);
