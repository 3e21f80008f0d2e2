// node dist/test/cases/run.js FILE.jsonl... [--only ID]...: runs cases through the real path and prints each failure with
// what was expected and what came.  The last line is `N passed, N failed`; exit status 1 when one failed, 2 for a bad file.

import { parseArgs } from 'node:util';
import { type Case, modesOf, readCases } from './format.ts';
import { runCase } from './run-case.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', multiple: true, default: [] }, kind: { type: 'string' } },
});

/** A case counts once: it passes when it passes in each of its modes. */
function failuresOf(one: Case): string[] {
  return modesOf(one).flatMap((mode) => runCase(one, mode).map((line) => `${one.mode === 'both' ? `${mode}: ` : ''}${line}`));
}

function main(): number {
  if (positionals.length === 0) {
    process.stderr.write('usage: npm run cases -- FILE.jsonl... [--only ID]... [--kind frame|stream|packets|timing]\n');
    return 2;
  }
  let cases: Case[];
  try {
    cases = positionals.flatMap(readCases);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 2;
  }
  const wanted = cases.filter(({ id, kind }) => (values.only.length === 0 || values.only.includes(id)) && (values.kind ?? kind) === kind);
  let failed = 0;
  for (const one of wanted) {
    const lines = failuresOf(one);
    if (lines.length === 0) continue;
    failed++;
    process.stdout.write(`not ok ${one.id} ${one.title}\n${lines.map((line) => `  ${line}\n`).join('')}`);
  }
  process.stdout.write(`${wanted.length - failed} passed, ${failed} failed\n`);
  return failed > 0 ? 1 : 0;
}

process.exitCode = main();
