// The tests: set-up, type check, lint, tap on the compiled tests, and (in CI or with --fuzz) one minute of fuzzing.
//
//   npm test                    everything
//   npm test -- smtp wire/      only test files whose path contains one of the words; no lint, no fuzzing
//   npm test -- --fuzz          the fuzz targets as well
//   npm test -- --verbose       every test's name
//
// What is counted: each test at the top level of a test file (a `t.test`, or an assertion outside of any), each fuzz
// target, the type check and the lint.  A skipped test is named with its reason.  The last line is
// `N passed, N failed` and, when any was skipped, `, N skipped`.

import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { build } from './build.mjs';
import { lint } from './lint.mjs';
import { setup } from './setup.mjs';
import { filesBelow, main, ROOT, StepError, step } from './steps.mjs';

const FUZZ_SECONDS = 60;
/** A fuzz target that runs this much longer than its share is ended. */
const FUZZ_GRACE_SECONDS = 60;

const options = new Set(process.argv.slice(2).filter((word) => word.startsWith('--')));
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const verbose = options.has('--verbose');
const count = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
const skips = [];

function fail(name, text) {
  count.failed++;
  failures.push({ name, text });
}

/** Runs a check of the whole tree as one test. */
async function check(name, work) {
  try {
    await work();
    count.passed++;
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    process.stdout.write(`not ok  ${name}\n`);
    fail(name, error.message);
  }
}

/** A failed assertion's diagnostics without the fields that only tools read. */
function diagnostics(diag) {
  if (!diag) return '';
  const { diff, at, source, stack, ...rest } = diag;
  const lines = [];
  if (at?.fileName) lines.push(`at ${at.fileName}:${at.lineNumber}:${at.columnNumber}`);
  if (source) lines.push(source.trimEnd());
  if (diff) lines.push(diff.trimEnd());
  for (const [key, value] of Object.entries(rest)) lines.push(`${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  if (stack) lines.push(stack.trimEnd());
  return lines.join('\n');
}

/** Collects the failed leaves below one test, with the names that lead to them. */
function collectLeaves(parser, path, leaves) {
  let child = '';
  let before = 0;
  parser.on('child', (sub) => {
    child = sub.name;
    before = leaves.length;
    collectLeaves(sub, [...path, sub.name], leaves);
  });
  parser.on('assert', (result) => {
    const sumsUpLeaves = result.name === child && leaves.length > before;
    child = '';
    if (result.ok || result.skip || result.todo || sumsUpLeaves) return;
    leaves.push({ path: [...path, result.name], text: diagnostics(result.diag) });
  });
  parser.on('extra', (text) => process.stderr.write(text));
  parser.on('bailout', (reason) => leaves.push({ path: [...path, 'bail out'], text: reason }));
}

/** Counts the tests of one file and says in one line how it went. */
function followFile(parser, name) {
  const file = { passed: 0, failed: 0, skipped: 0 };
  const leaves = [];
  collectLeaves(parser, [name], leaves);
  parser.on('assert', (result) => {
    if (result.skip || result.todo) {
      file.skipped++;
      skips.push(`${name} > ${result.name}: ${result.skip || result.todo}`);
    } else if (result.ok) file.passed++;
    else file.failed++;
    if (verbose) process.stdout.write(`        ${result.ok ? 'ok    ' : 'not ok'}  ${result.name}\n`);
  });
  return { file, leaves };
}

function sourceName(path) {
  return path.replace(/^.*?(?:dist\/)?test\//, 'test/').replace(/\.js$/, '.ts');
}

/** Runs tap on the files; resolves when all are counted. */
async function runTap(files) {
  const { Parser } = await import('tap-parser');
  const env = { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' };
  delete env.NODE_OPTIONS;
  const args = ['node_modules/tap/dist/esm/run.mjs', '-R', 'tap', `--jobs=${Math.max(2, availableParallelism())}`, ...files];
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const forward = (signal) => child.kill(signal);
  process.once('SIGINT', forward).once('SIGTERM', forward);
  const parser = new Parser();
  const open = new Map();
  let seen = 0;
  parser.on('child', (sub) => open.set(sub.name, followFile(sub, sourceName(sub.name))));
  parser.on('assert', (result) => {
    const name = sourceName(result.name);
    const { file, leaves } = open.get(result.name) ?? followFile(parser, name);
    seen++;
    if (!result.ok && file.failed === 0) {
      file.failed = 1;
      leaves.push({ path: [name, 'ended early'], text: diagnostics(result.diag) });
    }
    if (result.skip && file.passed + file.failed + file.skipped === 0) {
      file.skipped = 1;
      skips.push(`${name}: ${result.skip}`);
    }
    count.passed += file.passed;
    count.failed += file.failed;
    count.skipped += file.skipped;
    for (const leaf of leaves) failures.push({ name: leaf.path.join(' > '), text: leaf.text });
    const numbers = [`${file.passed} passed`, file.failed && `${file.failed} failed`, file.skipped && `${file.skipped} skipped`];
    const seconds = ((result.time ?? 0) / 1000).toFixed(1);
    process.stdout.write(
      `${file.failed ? 'not ok' : 'ok    '}  ${name.padEnd(46)} ${numbers.filter(Boolean).join(', ').padEnd(30)} ${seconds.padStart(6)} s\n`,
    );
  });
  child.stdout.pipe(parser);
  const status = await new Promise((resolve) => {
    let code = 0;
    child.on('exit', (exit, signal) => (code = exit ?? signal));
    child.on('error', (error) => (code = error.message));
    parser.on('complete', () =>
      child.exitCode === null && child.signalCode === null ? child.on('exit', () => resolve(code)) : resolve(code),
    );
  });
  if (seen < files.length) fail('tap', `${seen} of ${files.length} test files reported; tap ended with ${status}`);
  else if (status !== 0 && count.failed === 0) fail('tap', `tap ended with ${status} although no test failed`);
}

/** Runs one fuzz target for its share of the minute. */
function runFuzz(path, seconds) {
  return new Promise((resolve) => {
    const env = { ...process.env, POSTERN_FUZZ_SECONDS: String(seconds) };
    delete env.NODE_OPTIONS;
    const start = performance.now();
    const child = spawn(process.execPath, [path], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), (seconds + FUZZ_GRACE_SECONDS) * 1000);
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      const name = sourceName(path);
      const took = ((performance.now() - start) / 1000).toFixed(1);
      const last = output.trimEnd().split('\n').at(-1) ?? '';
      process.stdout.write(
        `${status === 0 ? 'ok    ' : 'not ok'}  ${name.padEnd(46)} ${last.slice(0, 30).padEnd(30)} ${took.padStart(6)} s\n`,
      );
      if (status === 0) count.passed++;
      else fail(name, `${output.trimEnd()}\nended with ${status ?? signal}`);
      resolve();
    });
  });
}

function report() {
  if (failures.length > 0) process.stdout.write('\nFailures\n');
  for (const { name, text } of failures) process.stdout.write(`\n  ${name}\n${text.replace(/^/gm, '    ')}\n`);
  if (skips.length > 0) process.stdout.write(`\nSkipped\n${skips.map((line) => `  ${line}\n`).join('')}`);
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
  process.stdout.write(`\n${count.passed} passed, ${count.failed} failed${skipped}\n`);
  process.exitCode = count.failed > 0 ? 1 : 0;
}

await main(async () => {
  await setup({ program: false });
  await check('types', () => step('program', 'TypeScript to dist/, bundle to dist/postern/', build));
  if (words.length === 0) await check('lint', lint);
  const wanted = (path) => words.length === 0 || words.some((word) => sourceName(path).includes(word));
  const files = filesBelow('dist/test', (path) => path.endsWith('.test.js')).filter(wanted);
  if (files.length > 0) await runTap(files);
  else if (words.length > 0) throw new StepError(`No test file's path contains ${words.join(' or ')}.`);
  const targets = filesBelow('dist/test/fuzz', (path) => path.endsWith('.js') && !path.endsWith('.test.js')).filter(wanted);
  if (process.env.CI || options.has('--fuzz')) {
    for (const path of targets) await runFuzz(join(ROOT, path), Math.max(1, Math.floor(FUZZ_SECONDS / targets.length)));
  }
  report();
});
