// What the scripts share: the repository's folder, child processes, stamps, and one measured line a step.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** A step failed in a way that the user can mend; the message says how. */
export class StepError extends Error {}

/**
 * Runs a program with the repository as its folder and waits for it.  Its output is shown only when it fails, unless `show`.
 * Throws a StepError that carries the output and `advice` when the program is missing or its status is not 0.
 */
export function run(program, args, { advice = '', env = {}, show = false } = {}) {
  const stdio = show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'];
  const child = spawnSync(program, args, { cwd: ROOT, stdio, env: { ...process.env, ...env }, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (child.status === 0) return child.stdout ?? '';
  const how = child.error ? child.error.message : child.signal ? `ended by ${child.signal}` : `exit status ${child.status}`;
  const output = `${child.stdout ?? ''}${child.stderr ?? ''}`.trimEnd();
  throw new StepError([output, `${program} ${args.join(' ')}: ${how}`, advice].filter(Boolean).join('\n'));
}

/** Runs `work` and prints one line with its name, what it did and its wall time in seconds. */
export async function step(name, what, work) {
  const start = performance.now();
  const result = await work();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  process.stderr.write(`  ${name.padEnd(10)} ${what.padEnd(58)} ${seconds.padStart(6)} s\n`);
  return result;
}

/** A digest of texts, for stamps. */
export function digest(...texts) {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest('hex');
}

/** The text of a file below the repository, or '' where there is none. */
export function read(path) {
  const file = join(ROOT, path);
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** Writes a file below the repository, making its folders. */
export function write(path, text) {
  const file = join(ROOT, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** Paths, relative to the repository, of all files below `folder` that `wanted` accepts, in order. */
export function filesBelow(folder, wanted) {
  const start = join(ROOT, folder);
  if (!existsSync(start)) return [];
  const found = [];
  for (const entry of readdirSync(start, { withFileTypes: true })) {
    if (entry.name === 'node_modules') continue;
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) found.push(...filesBelow(path, wanted));
    else if (wanted(path)) found.push(path);
  }
  return found.sort();
}

/** Newest modification time, in ms, among files below the repository; 0 for none. */
export function newest(paths) {
  let latest = 0;
  for (const path of paths) latest = Math.max(latest, statSync(join(ROOT, path)).mtimeMs);
  return latest;
}

/** Runs a script's main function; a StepError becomes its message and exit status 1, without a stack. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    process.stderr.write(`\n${error.message}\n`);
    process.exitCode = 1;
  }
}
