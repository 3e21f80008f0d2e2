// The program where pcap, cap and raw-socket are not installed, or were not built: everything works but what needs them, and that
// says in one line what mends it.
//
// The build that this test belongs to is copied beside a node_modules of links that leaves them out.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { writeSample } from '../../bench/sample-dialogue.ts';
import { ROOT } from '../lab/programs.ts';

const OPTIONAL = ['cap', 'pcap', 'raw-socket'];
const build = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'postern-optional-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
/** Copies of the program, and runs of it. */
t.setTimeout(120_000);

/** A folder `node_modules` like ours, without the packages in `without`. */
function linkModules(target: string, without: readonly string[]): void {
  mkdirSync(target);
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (!without.includes(name)) symlinkSync(join(ROOT, 'node_modules', name), join(target, name));
  }
}

/** An installation without the packages; returns its folder. */
function install(name: string): string {
  const root = join(folder, name);
  cpSync(join(build, 'src'), join(root, 'dist/src'), { recursive: true });
  cpSync(join(build, 'native-bindings'), join(root, 'dist/native-bindings'), { recursive: true });
  if (existsSync(join(build, 'postern/cli.js'))) cpSync(join(build, 'postern'), join(root, 'dist/postern'), { recursive: true });
  for (const path of ['package.json', 'rules', 'src/telemetry/events.proto', 'src/console/console.proto', 'native-bindings']) {
    if (existsSync(join(ROOT, path))) cpSync(join(ROOT, path), join(root, path), { recursive: true });
  }
  linkModules(join(root, 'node_modules'), OPTIONAL);
  return root;
}

interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program as it is bundled, where this build has a bundle, else as modules. */
function postern(root: string, ...args: string[]): Finished {
  const bundle = join(root, 'dist/postern/cli.js');
  const program = existsSync(bundle) ? bundle : join(root, 'dist/src/cli.js');
  const env = { ...process.env };
  delete env['NODE_OPTIONS'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    env,
    cwd: folder,
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

const REMEDY = 'apt-get install libpcap-dev, then npm run setup -- --again';
const root = install('without');
writeSample(folder);
const replayed = [
  'replay',
  '--config',
  join(ROOT, 'rules/3640.cfg'),
  '--port',
  `e2/0=${folder}/outside.pcap`,
  '--port',
  `e2/1=${folder}/inside.pcap`,
];

t.test('the packages are gone', async (t) => {
  for (const name of OPTIONAL) {
    const found = spawnSync(process.execPath, ['-e', `require('${name}')`], { cwd: root, encoding: 'utf8' });
    t.match(found.stderr, /Cannot find module/, name);
  }
});

t.test('check, replay and the event log work', async (t) => {
  t.match(postern(root, 'check', join(ROOT, 'rules/3640.cfg')), { status: 0, stderr: '' });
  const { status, stdout, stderr } = postern(root, ...replayed, '--json', '--events', 'sample.events');
  t.equal(stderr, '');
  t.equal(status, 0);
  t.match(JSON.parse(stdout), { inspect: { maskedCommands: 1 } });
  t.match(postern(root, 'events', 'sample.events'), { status: 0, stdout: /^\S+ mask cmd\.illegal tcp .* "EXPN root"$/m });
});

t.test('what needs them says so in one line', async (t) => {
  const filtered = postern(root, ...replayed, '--filter', 'tcp port 25');
  t.same(filtered, {
    status: 2,
    stdout: '',
    stderr: `postern: --filter needs the optional package pcap, which is not installed: ${REMEDY}\n`,
  });
  const lo = ['run', '--config', join(ROOT, 'rules/transparent.cfg'), '--socket', 'none', '--driver', 'libpcap'];
  const { status, stderr } = postern(root, ...lo);
  t.equal(status, 2);
  const lines = stderr
    .trimEnd()
    .split('\n')
    .filter((line) => !/warning: .* has no --port/.test(line));
  t.same(lines, [`postern: --driver libpcap needs the optional package cap, which is not installed: ${REMEDY}`]);
});

const hasPcap = existsSync(join(ROOT, 'node_modules/pcap'));

t.test('a package that is there and was not built', { skip: hasPcap ? false : 'pcap is not installed' }, async (t) => {
  const unbuilt = join(root, 'node_modules/pcap');
  cpSync(join(ROOT, 'node_modules/pcap'), unbuilt, { recursive: true, filter: (path) => !path.includes('/pcap/build') });
  const { status, stderr } = postern(root, ...replayed, '--filter', 'tcp port 25');
  t.equal(status, 2);
  t.equal(stderr, `postern: --filter needs the optional package pcap, which was not built: ${REMEDY}\n`);
});

t.test(
  'the rings need none of them',
  { skip: process.env['POSTERN_LAB'] === '1' ? false : 'the lab runs with POSTERN_LAB=1' },
  async (t) => {
    const namespace = `postern-optional-${process.pid}-1`;
    execFileSync('ip', ['netns', 'add', namespace]);
    t.teardown(() => execFileSync('ip', ['netns', 'delete', namespace]));
    for (const name of ['x0', 'x1']) {
      execFileSync('ip', ['-n', namespace, 'link', 'add', 'dev', name, 'type', 'veth', 'peer', 'name', `${name}p`]);
      for (const end of [name, `${name}p`]) execFileSync('ip', ['-n', namespace, 'link', 'set', 'dev', end, 'up']);
    }
    const program = existsSync(join(root, 'dist/postern/cli.js')) ? 'dist/postern/cli.js' : 'dist/src/cli.js';
    const args = [
      'run',
      '--config',
      join(ROOT, 'rules/transparent.cfg'),
      '--port',
      'e0=x0',
      '--port',
      'e1=x1',
      '--socket',
      'none',
      '--json',
    ];
    const command = ['netns', 'exec', namespace, 'timeout', '--signal=INT', '4', process.execPath, join(root, program), ...args];
    // `timeout` signals its child, and then the group that the child is in: two signals.
    const { status, stdout, stderr } = spawnSync('ip', command, { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } });
    t.match(stderr, /^postern: ready$/m);
    t.equal(status, 124, 'ended by timeout');
    t.match(JSON.parse(stdout || '{}'), { frames: { transmitted: Number } });
  },
);
