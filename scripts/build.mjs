// The build: `tsc` to dist/ (types checked; tests and benches run from there), then rolldown to dist/postern/.
//
// The bundle exists for speed: V8 folds a constant, and inlines a small function, only within one module scope (a loop
// over imported constants ran at 4.6 ns a turn, 1.9 bundled).  All modules of the data plane, and no others, therefore share
// one chunk, which the program's entry and the worker's entry both import.

import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { specialise } from './specialise.mjs';
import { filesBelow, main, newest, read, ROOT, run, StepError, step, write } from './steps.mjs';

const SOURCES = ['src', 'test', 'bench', 'native-bindings'];
const STAMP = 'dist/.built';
const DATA_PLANE =
  /[\\/]src[\\/]((path|wire|frame|session|policy|stream|inspect)[\\/]|port[\\/](?!libpcap)|telemetry[\\/](reasons|counters|event-ring)\.ts$)/;

const sources = () => [
  ...SOURCES.flatMap((folder) => filesBelow(folder, (path) => path.endsWith('.ts'))),
  'tsconfig.json',
  'scripts/build.mjs',
  'scripts/specialise.mjs',
];

/** True when dist/ is newer than every source and was made from the same list of files. */
export function isBuilt() {
  const paths = sources();
  const [time, list] = read(STAMP).split('\n', 2);
  return existsSync(join(ROOT, 'dist/postern/cli.js')) && list === paths.join(' ') && newest(paths) < Number(time);
}

/** Type check and emit.  Throws a StepError with the compiler's messages; what could be emitted was. */
export function compile() {
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.', '--pretty', 'false']);
}

/** Tests and benches whose source is gone would still be found in dist/ and run. */
function removeOrphans() {
  for (const folder of SOURCES) {
    for (const path of filesBelow(`dist/${folder}`, (p) => p.endsWith('.js'))) {
      if (existsSync(join(ROOT, path.replace(/^dist\//, '').replace(/\.js$/, '.ts')))) continue;
      rmSync(join(ROOT, path));
      rmSync(join(ROOT, `${path}.map`), { force: true });
    }
  }
}

/**
 * Bundles the program and, where it exists, the worker; node builtins and npm packages stay outside.  The bundle before is
 * replaced only by a whole one.  Throws a StepError that names what cannot be bundled.
 */
export async function bundle() {
  const { rolldown } = await import('rolldown');
  const input = { cli: 'src/cli.ts' };
  if (existsSync(join(ROOT, 'src/engine/worker.ts'))) input.worker = 'src/engine/worker.ts';
  const external = (id) => !id.startsWith('.') && !id.startsWith('/');
  try {
    const bundled = await rolldown({ cwd: ROOT, input, platform: 'node', external, logLevel: 'warn' });
    await bundled.write({
      dir: join(ROOT, 'dist/.bundle'),
      format: 'esm',
      sourcemap: true,
      // Flat, so that new URL('./worker.js', import.meta.url) means the same file from every chunk.
      entryFileNames: '[name].js',
      chunkFileNames: '[name].js',
      codeSplitting: { groups: [{ name: 'data-plane', test: DATA_PLANE }] },
    });
    await bundled.close();
  } catch (error) {
    throw new StepError(`rolldown: ${error.message.trimEnd()}`);
  }
  const { parseAst } = await import('rolldown/parseAst');
  write('dist/.bundle/data-plane.js', specialise(read('dist/.bundle/data-plane.js'), parseAst));
  rmSync(join(ROOT, 'dist/postern'), { recursive: true, force: true });
  renameSync(join(ROOT, 'dist/.bundle'), join(ROOT, 'dist/postern'));
}

/** All of it.  Wrong types are thrown, but only when all that could be emitted and bundled was. */
export async function build() {
  const started = Date.now();
  const paths = sources();
  rmSync(join(ROOT, STAMP), { force: true });
  removeOrphans();
  let wrong = null;
  try {
    compile();
  } catch (error) {
    wrong = error;
  }
  await bundle();
  if (wrong) throw wrong;
  write(STAMP, `${started}\n${paths.join(' ')}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(() => step('program', 'TypeScript to dist/, bundle to dist/postern/', build));
}
