// Builds the packet I/O addon into build/Release/packet_io.node: with the node-gyp that npm brings along, or, where that
// fails, with the C compiler alone.
//
// Without Linux, a compiler or Node's headers it says so in one line and ends with status 0: everything but live
// interfaces works without the addon.  It builds again only when the sources, this file or the platform changed.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const addon = join(here, 'build', 'Release', 'packet_io.node');
const stampFile = join(here, 'build', 'stamp');

/** Digest of all that the build depends on. */
function stamp() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${process.versions.modules}`);
  const sources = readdirSync(join(here, 'src'))
    .sort()
    .map((name) => join('src', name));
  for (const name of ['binding.gyp', 'install.mjs', ...sources]) hash.update(name).update(readFileSync(join(here, name)));
  return hash.digest('hex');
}

function isCurrent() {
  return existsSync(addon) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp();
}

/** The folder above include/node that belongs to this Node, or undefined. */
function nodeFolder() {
  const prefix = dirname(dirname(process.execPath));
  return [prefix, '/usr', '/usr/local'].find((folder) => existsSync(join(folder, 'include', 'node', 'node_api.h')));
}

/** node-gyp.js of the npm that runs this, else of the npm that was installed with this Node. */
function nodeGyp() {
  const inside = ['node_modules', 'node-gyp', 'bin', 'node-gyp.js'];
  const prefix = dirname(dirname(process.execPath));
  const candidates = [
    process.env.npm_config_node_gyp,
    process.env.npm_execpath && join(dirname(dirname(process.env.npm_execpath)), ...inside),
    join(prefix, 'lib', 'node_modules', 'npm', ...inside),
    join(prefix, 'share', 'nodejs', 'npm', ...inside),
    join(prefix, 'share', 'nodejs', 'node-gyp', 'bin', 'node-gyp.js'),
  ];
  return candidates.find((path) => path && existsSync(path));
}

function works(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** The first C compiler that answers. */
function compiler() {
  return [process.env.CC, 'cc', 'gcc', 'clang'].find((name) => name && works(name, ['--version']));
}

/** Runs a build step; its output, for the case that all steps fail. */
function attempt(command, args, env = process.env) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: here, encoding: 'utf8', env });
  return { done: status === 0 && existsSync(addon), output: error ? String(error) : `${stdout}${stderr}` };
}

function buildWithNodeGyp(headers) {
  const gyp = nodeGyp();
  if (!gyp) return { done: false, output: 'no node-gyp found' };
  const args = [gyp, 'rebuild', ...(headers ? [`--nodedir=${headers}`] : [])];
  // node-gyp keeps its files under the home folder; an account without one gets the build folder.
  return attempt(process.execPath, args, { ...process.env, HOME: process.env.HOME || join(here, 'build') });
}

function buildWithCompiler(headers, cc) {
  const sources = readdirSync(join(here, 'src'))
    .filter((name) => name.endsWith('.c'))
    .map((name) => join('src', name));
  mkdirSync(dirname(addon), { recursive: true });
  const flags = ['-std=c11', '-O2', '-Wall', '-fPIC', '-shared', '-fvisibility=hidden', '-DNAPI_VERSION=8'];
  return attempt(cc, [...flags, `-I${join(headers, 'include', 'node')}`, '-o', addon, ...sources]);
}

function skip(why) {
  console.error(`postern: the packet I/O addon was not built: ${why}. Replay and check work without it; run needs it.`);
}

function build() {
  if (process.platform !== 'linux') return skip('it needs Linux (AF_PACKET)');
  const cc = compiler();
  if (!cc) return skip('no C compiler; on Debian: apt-get install build-essential, then npm run setup');
  rmSync(join(here, 'build'), { recursive: true, force: true });
  mkdirSync(join(here, 'build'));
  const headers = nodeFolder();
  const first = buildWithNodeGyp(headers);
  const result = first.done || !headers ? first : buildWithCompiler(headers, cc);
  if (result.done) return writeFileSync(stampFile, stamp());
  console.error(first.output.trimEnd());
  console.error(result.output.trimEnd());
  skip(headers ? 'see the messages above' : `no Node headers (include/node/node_api.h) beside ${process.execPath}`);
}

if (!isCurrent()) build();
