// The bundle and the modules it was made of give the same frames; what scripts/specialise.mjs does to the path, and what it refuses.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import t from 'tap';
import { WORKLOADS, writeWorkload } from '../../bench/workloads.ts';
import { ROOT } from '../lab/programs.ts';

// Awaited before the first test: tap ends a file whose tests stop coming.
const PARSER: string = 'rolldown/parseAst';
const { parseAst } = (await import(PARSER)) as { parseAst: unknown };
const { specialise } = (await import(pathToFileURL(join(ROOT, 'scripts/specialise.mjs')).href)) as {
  specialise: (code: string, parse: unknown, entries?: readonly (readonly [string, string])[]) => string;
};
const folder = mkdtempSync(join(tmpdir(), 'postern-bundle-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const modules = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
const bundle = fileURLToPath(new URL('../../postern/cli.js', import.meta.url));
const skip = existsSync(bundle) ? false : 'this build has no bundle';

/** Report (without its times) and the octets of both output captures. */
function replay(program: string, from: string): { report: object; frames: Buffer[] } {
  const outputs = ['outside', 'inside'].map((side) => join(folder, `${side}-out.pcap`));
  const ports = ['2/0', '2/1'].flatMap((port, i) => [
    '--port',
    `e${port}=${join(from, i === 0 ? 'outside' : 'inside')}.pcap:${outputs[i]!}`,
  ]);
  const env = { ...process.env };
  delete env['NODE_OPTIONS'];
  const args = [program, 'replay', '--config', join(ROOT, 'rules/3640.cfg'), ...ports, '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env, maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
  const { frames, inspect, drops } = JSON.parse(stdout) as Record<string, object>;
  return { report: { frames, inspect, drops }, frames: outputs.map((path) => readFileSync(path)) };
}

for (const name of WORKLOADS) {
  t.test(`${name}: the bundle forwards what the modules forward`, { skip }, (t) => {
    const from = join(folder, name);
    writeWorkload(name, from, { scale: 0.03 });
    const [made, wanted] = [replay(bundle, from), replay(modules, from)];
    t.match(made.report, { frames: { received: Number } });
    t.same(made.report, wanted.report);
    made.frames.forEach((octets, i) => t.ok(octets.equals(wanted.frames[i]!), `${octets.length} octets`));
    t.end();
  });
}

const PLANE = [['attach', 'p']] as const;
const STEPS = `
function count(p, n) { p.total += n; return p.total; }
function unused(p) { return p; }
function step(p, n) { const count$1 = { count: 1 }; return count(p, n + count$1.count); }
function attach(p) { return { step: (n) => step(p, n) }; }
`;

t.test('the path becomes a closure over its plane', async (t) => {
  const text = specialise(`${STEPS}export { attach, unused };\n`, parseAst, PLANE);
  const { attach } = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as {
    attach: (plane: { total: number }) => { step: (n: number) => number };
  };
  const planes = [{ total: 0 }, { total: 100 }];
  const [first, second] = planes.map((plane) => attach(plane));
  t.same([first!.step(1), first!.step(1), second!.step(4)], [2, 4, 105]);
  t.same(planes, [{ total: 4 }, { total: 105 }], 'each its own');
  const dropped = text.slice(text.indexOf('function attach(one)'));
  t.match(dropped, /function step\(n\).*return count\(n \+ count\$1\.count\)/);
  t.notMatch(dropped, /unused\(/, 'only what attach reaches');
  t.equal(text.split('\n').indexOf('function count(p, n) { p.total += n; return p.total; }'), 1, 'lines in front keep their numbers');
});

t.test('the bundle is so made', { skip }, (t) => {
  const text = readFileSync(fileURLToPath(new URL('../../postern/data-plane.js', import.meta.url)), 'utf8');
  const made: readonly (readonly [string, string, readonly string[]])[] = [
    ['attach', 'p', ['decode', 'lookup', 'passSession', 'translateSession', 'emit']],
    ['attachStreams', 's', ['accept', 'receive', 'releaseSegment']],
    ['attachScanner', 'turn', ['scanClient', 'scanLine', 'mailData']],
  ];
  for (const [entry, parameter, names] of made) {
    const at = text.search(new RegExp(`^function ${entry}(\\$\\d+)?\\(one\\) \\{\nconst ${parameter} = one;$`, 'm'));
    t.ok(at > 0, entry);
    const inside = text.slice(at, text.indexOf('\n}\n', text.indexOf('return {', at)));
    for (const name of names) t.match(inside, new RegExp(`^function ${name}(\\$\\d+)?\\((?!${parameter}\\b)`, 'm'), name);
  }
  t.end();
});

t.test('what it cannot specialise it refuses', async (t) => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['function go() {}', /has no attach\(p\)/],
    ['function go(p) {} function attach(p) { return [1].map(go); }', /attach refers to go otherwise than by go\(p, \.\.\.\)/],
    ['function go(p) {} function attach(p) { const q = p; go(q); }', /attach refers to go otherwise/],
    ['function go(p) {} function attach(p) { if (p) { const go = 1; } go(p); }', /attach calls go and has a variable of that name/],
    ['function attach(p) { return (p) => p; }', /attach has another p/],
    ['function go(p) { for (const p of []) p(); } function attach(p) { go(p); }', /go has another p/],
  ];
  for (const [code, message] of refused) t.throws(() => specialise(`${code}\nexport { attach };\n`, parseAst, PLANE), { message });
});
