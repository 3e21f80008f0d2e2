// Set-up: whatever a fresh clone lacks, step by step, and nothing when nothing is missing.
//
//   libpcap    Debian's libpcap-dev, for the optional packages pcap and cap (only as root)
//   packages   npm ci
//   optional   install scripts of the three optional native packages
//   addon      the packet I/O addon in native-bindings/
//   tap        the test runner's own build, after a change of .taprc
//   program    TypeScript to dist/, bundle to dist/postern/
//
// Plain JavaScript without packages, because it runs before there are any.  Called by start and test as well: npm skips
// prestart and pretest when ignore-scripts is set.  Install scripts of packages are never run, but those named here.

import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, isBuilt } from './build.mjs';
import { digest, filesBelow, main, newest, read, ROOT, run, StepError, step, write } from './steps.mjs';

const OPTIONAL_NATIVE = ['cap', 'pcap', 'raw-socket'];
const STAMPS = 'node_modules/.setup';
const ADDON = 'native-bindings/build/Release/packet_io.node';
const isAddonSource = (path) => /\.(c|h|gyp|mjs)$/.test(path) && !path.startsWith('native-bindings/build/');
const LEAST_NODE = 20;

/** node-gyp would fetch the Node headers from the network; most installations have them beside the program. */
function headersEnv() {
  if (process.env.npm_config_nodedir) return {};
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/node.h')) ? { npm_config_nodedir: prefix } : {};
}

const hasPcapHeader = () => existsSync('/usr/include/pcap/pcap.h') || existsSync('/usr/local/include/pcap/pcap.h');

async function installLibpcap() {
  if (hasPcapHeader() || process.platform !== 'linux' || !existsSync('/usr/bin/apt-get')) return false;
  if (process.getuid() !== 0) {
    process.stderr.write('  libpcap    not installed and we are not root; the libpcap port is left out (apt-get install libpcap-dev)\n');
    return false;
  }
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=300'];
  try {
    await step('libpcap', 'apt-get install libpcap-dev', () => {
      run('apt-get', ['update', ...wait], { env });
      run('apt-get', ['install', '-y', '--no-install-recommends', ...wait, 'libpcap-dev'], { env });
    });
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    process.stderr.write(`  libpcap    left out, apt-get failed: ${error.message.split('\n').at(-1)}\n`);
  }
  return true;
}

/** What `npm ci` depends on: the lock file, the dependencies (not the scripts) of the manifests, and the ABI. */
function packagesStamp() {
  const manifests = ['package.json', 'native-bindings/package.json'].map((path) => {
    const m = JSON.parse(read(path));
    return JSON.stringify([m.dependencies, m.devDependencies, m.optionalDependencies, m.workspaces, m.overrides]);
  });
  return digest(read('package-lock.json'), process.versions.modules, ...manifests);
}

async function installPackages() {
  const stamp = packagesStamp();
  if (read(`${STAMPS}/packages`) === stamp) return false;
  const args = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  const advice = 'npm must reach its registry; after that: npm run setup';
  await step('packages', 'npm ci', () => run('npm', args, { advice }));
  write(`${STAMPS}/packages`, stamp);
  return true;
}

/** Builds pcap, cap and raw-socket.  Each may fail: the ports that want it say so, everything else works. */
async function buildOptional() {
  const stamp = digest(read(`${STAMPS}/packages`), String(hasPcapHeader()));
  if (read(`${STAMPS}/optional`) === stamp) return false;
  for (const name of OPTIONAL_NATIVE.filter((n) => existsSync(join(ROOT, 'node_modules', n)))) {
    try {
      await step('optional', `npm rebuild ${name}`, () => run('npm', ['rebuild', '--ignore-scripts=false', name], { env: headersEnv() }));
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      const cause = /fatal error: .*|gyp ERR! stack Error: .*/.exec(error.message)?.[0] ?? error.message.split('\n').at(-1);
      process.stderr.write(`  optional   ${name} left out: ${cause}\n`);
    }
  }
  write(`${STAMPS}/optional`, stamp);
  return true;
}

/**
 * The installer keeps a stamp of its own, and says in a line what keeps it from building; only live interfaces need the addon,
 * so that is no failure.  Builds when a source changed since.
 */
async function buildAddon() {
  const isThere = existsSync(join(ROOT, ADDON));
  const build = () =>
    spawnSync(process.execPath, [join(ROOT, 'native-bindings/install.mjs')], {
      env: { ...process.env, ...headersEnv() },
      encoding: 'utf8',
    });
  if (isThere && newest(filesBelow('native-bindings', isAddonSource)) < statSync(join(ROOT, ADDON)).mtimeMs) return false;
  const { stderr } = await step('addon', 'native-bindings/install.mjs', build);
  if (stderr) process.stderr.write(stderr);
  return true;
}

/** tap generates its test class from the plugin list; without this the first run after a change fails in every file. */
async function buildTap() {
  const stamp = digest(read('.taprc'), read(`${STAMPS}/packages`));
  if (read(`${STAMPS}/tap`) === stamp) return false;
  await step('tap', 'tap build (plugins of .taprc)', () => run(process.execPath, ['node_modules/tap/dist/esm/run.mjs', 'build']));
  write(`${STAMPS}/tap`, stamp);
  return true;
}

async function buildProgram() {
  if (isBuilt()) return false;
  await step('program', 'TypeScript to dist/, bundle to dist/postern/', build);
  return true;
}

/** Does what is missing.  `program: false` leaves the TypeScript build to the caller. */
export async function setup({ program = true } = {}) {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < LEAST_NODE) throw new StepError(`Postern needs Node ${LEAST_NODE} or later; this is ${process.version}.`);
  const start = performance.now();
  let worked = false;
  for (const part of [installLibpcap, installPackages, buildOptional, buildAddon, buildTap, ...(program ? [buildProgram] : [])]) {
    worked = (await part()) || worked;
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  process.stderr.write(worked ? `set-up: done in ${seconds} s\n` : `set-up: nothing missing (${seconds} s)\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(async () => {
    if (process.argv.includes('--again')) rmSync(join(ROOT, STAMPS), { recursive: true, force: true });
    await setup();
  });
}
