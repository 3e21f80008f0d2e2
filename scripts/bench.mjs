// npm run bench -- [NAME...] [OPTION...]: builds what is not built and runs `postern bench`.
// npm run bench:save: also writes the results over those of this machine in bench/baseline.json.
// npm run bench:check: compares with them, and fails for what became slower than both runs are good for; a bench that fails runs twice
// more, because a machine that others use disturbs one run, not three.

import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { build, isBuilt } from './build.mjs';
import { main, read, ROOT, step, StepError, write } from './steps.mjs';

const BASELINE = 'bench/baseline.json';
const RETRIES = 2;
const MACHINE = `${cpus()[0]?.model.trim() ?? 'unknown'}, Node ${process.versions.node}`;
const [mode, ...rest] = process.argv.slice(2);
const words = mode === '--save' || mode === '--check' ? rest : process.argv.slice(2);

const baseline = () => JSON.parse(read(BASELINE) || '{"runs":[]}');

/** Runs `postern bench`; its lines go to the terminal.  Returns the status, and the run where --json is among the options. */
function bench(options) {
  const json = options.includes('--json');
  const child = spawnSync(process.execPath, [join(ROOT, 'dist/postern/cli.js'), 'bench', ...options], {
    stdio: ['ignore', json ? 'pipe' : 'inherit', 'inherit'],
    cwd: process.env.INIT_CWD ?? process.cwd(),
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  return { status: child.status ?? 1, run: json && child.stdout !== '' ? JSON.parse(child.stdout) : null };
}

/** The run's results over the former ones of the same machine; benches that did not run keep theirs. */
function save(run) {
  const { runs } = baseline();
  const former = runs.find(({ machine }) => machine === run.machine);
  const kept = (former?.results ?? []).filter(({ name }) => !run.results.some((result) => result.name === name));
  const merged = { ...run, results: [...kept, ...run.results] };
  write(BASELINE, `${JSON.stringify({ runs: [...runs.filter((one) => one !== former), merged] }, null, 1)}\n`);
}

function check() {
  const isKnown = baseline().runs.some(({ machine }) => machine === MACHINE);
  if (!isKnown)
    process.stderr.write(`${BASELINE} has no figures of ${MACHINE} (npm run bench:save makes them): only heap and deoptimisations count\n`);
  const compare = isKnown ? ['--compare', join(ROOT, BASELINE)] : [];
  let names = words;
  for (let attempt = 0; attempt <= RETRIES; attempt++) {
    const { status, run } = bench([...names, '--json', ...compare]);
    if (status === 0) return;
    if (run === null) break;
    names = run.failed;
  }
  throw new StepError(`Slower than ${BASELINE}, or with faults, in every attempt: ${names.join(', ')}`);
}

await main(async () => {
  if (!isBuilt()) await step('program', 'TypeScript to dist/, bundle to dist/postern/', build);
  if (mode === '--check') return check();
  if (mode !== '--save') {
    process.exitCode = bench(words).status;
    return;
  }
  const { status, run } = bench([...words, '--json']);
  if (run !== null) save(run);
  process.exitCode = status;
});
