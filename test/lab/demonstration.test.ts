// The demonstration of `npm start`: from captures anywhere, on live namespaces in the lab, and what is left of it when it is
// interrupted.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { labSkipReason } from './namespaces.ts';
import { ROOT } from './programs.ts';

const skip = labSkipReason();
const script = (name: string) => pathToFileURL(join(ROOT, 'scripts/demo', name)).href;
const demonstrate = ['-e', `import(${JSON.stringify(script('demo.mjs'))}).then((demo) => demo.demonstrate())`];

interface Exchange {
  readonly sent: string;
  readonly received: string;
  readonly reply: readonly string[];
}

interface Shown {
  readonly exchanges: readonly Exchange[];
  readonly displays: readonly (readonly [string, string])[];
}

function environment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1' };
  delete env['NODE_OPTIONS'];
  return env;
}

/** Namespaces of a process that ended or was ended. */
function namespacesOf(pid: number): string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns').filter((name) => name.includes(`-${pid}-`)) : [];
}

t.test('from captures: the illegal command is masked, all else arrives as it was sent', async (t) => {
  const { holdReplay } = (await import(script('replay.mjs'))) as { holdReplay: (why: string, shows: string[]) => Promise<Shown> };
  const shown = await holdReplay('a test', ['show ip inspect sessions', 'show ip access-lists']);
  const changed = shown.exchanges.filter(({ sent, received }) => sent !== received);
  t.same(
    changed.map(({ sent, received, reply }) => [sent, received, reply[0]!.slice(0, 3)]),
    [['EXPN root\r\n', 'xxxxxxxxx\r\n', '500']],
  );
  t.ok(shown.exchanges.length > 5 && shown.exchanges.every(({ reply }) => reply.length > 0), 'each line is answered');
  t.match(
    shown.displays[0]![1],
    /^Established Sessions\n Session [0-9A-F]+ \(172\.22\.1\.50:40025\)=>\(10\.10\.10\.2:25\) smtp SIS_OPEN\n$/,
  );
  t.match(shown.displays[1]![1], /permit tcp any host 172\.22\.1\.110 eq smtp \(1 match\)/);
});

t.test('live', { skip, timeout: 60_000 }, (t) => {
  const { status, stdout, stderr, pid } = spawnSync(process.execPath, demonstrate, {
    env: environment(),
    encoding: 'utf8',
    timeout: 55_000,
  });
  t.equal(status, 0, stderr);
  t.match(stdout, /^ {2}EXPN root {24}xxxxxxxxx {24}500 /m);
  t.match(stdout, /\(172\.22\.1\.1:\d+\)=>\(10\.10\.10\.2:25\) smtp SIS_OPEN/);
  t.match(stdout, /^tcp 172\.22\.1\.110:25 +10\.10\.10\.2:25 +172\.22\.1\.1:\d+ /m);
  t.match(stdout, /eq smtp \(1 match\)/);
  t.same(namespacesOf(pid), [], 'nothing is left');
  t.end();
});

t.test('interrupted, it removes what it made', { skip, timeout: 60_000 }, async (t) => {
  const child = spawn(process.execPath, demonstrate, { env: environment(), stdio: 'ignore' });
  while (namespacesOf(child.pid!).length < 3 && child.exitCode === null) await delay(10);
  await delay(200);
  // Several signals for one Ctrl-C, as with a terminal and npm.
  const again = setInterval(() => child.kill('SIGINT'), 1);
  const [status, signal] = (await once(child, 'exit')) as [number | null, string | null];
  clearInterval(again);
  t.same([status, signal], [null, 'SIGINT']);
  t.same(namespacesOf(child.pid!), []);
});
