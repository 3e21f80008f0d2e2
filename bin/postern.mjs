#!/usr/bin/env node
// The program's entry: runs the bundle, or says how to make it.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const cli = new URL('../dist/postern/cli.js', import.meta.url);

if (existsSync(cli)) {
  await import(cli.href);
} else {
  process.stderr.write(`postern: ${fileURLToPath(cli)} is missing; run \`npm run setup\`\n`);
  process.exitCode = 1;
}
