// Lint: oxlint (correctness, import cycles, the boundaries that an editor should show) and biome's formatter.
// The full import table is checked by test/boundaries.test.ts, which reads it from CONTRIBUTING.md.

import { pathToFileURL } from 'node:url';
import { filesBelow, main, run, StepError, step } from './steps.mjs';

const FOLDERS = ['src', 'test', 'bench', 'scripts', 'native-bindings', 'bin'];

/** Throws a StepError with the findings of oxlint; a layout that differs from biome's is only reported. */
export async function lint() {
  const present = FOLDERS.filter((folder) => filesBelow(folder, (path) => /\.(ts|mjs)$/.test(path)).length > 0);
  const oxlint = ['--config', '.oxlintrc.json', '--deny-warnings', '--format=unix', ...present];
  await step('lint', 'oxlint', () => run('node_modules/.bin/oxlint', oxlint));
  await step('format', 'biome format', () => reportLayout(present));
}

function reportLayout(folders) {
  try {
    run('node_modules/.bin/biome', ['format', '--colors=off', '--max-diagnostics=none', ...folders]);
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    const files = error.message.match(/^\S+ format ━/gm) ?? [];
    process.stderr.write(`  format     ${files.length} files are not laid out as \`npm run format\` does it\n`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(lint);
