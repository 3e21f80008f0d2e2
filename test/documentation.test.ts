// The README against the program: every command has its section, and the blocks marked `console` show what really comes out.
//
// In such a block a line that begins with `$ ` is run by sh in a folder with rules/, broken.cfg and the captures of the sample
// dialogue; what follows is its output, stderr included.  Times and rates differ from run to run and are not compared.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { writeSample } from '../bench/sample-dialogue.ts';

let root = dirname(fileURLToPath(import.meta.url));
while (!existsSync(join(root, 'bin/postern.mjs'))) root = dirname(root);

const program = join(root, 'bin/postern.mjs');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

const BROKEN = `hostname edge
ip inspect name MAIL smpt
access-list 101 permit
`;

interface Example {
  readonly command: string;
  readonly output: string;
}

/** Commands and outputs of the blocks marked `console`. */
function examples(text: string): Example[] {
  const blocks = [...text.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map((match) => match[1]!);
  return blocks.flatMap((block) => {
    const parts = block.split(/^\$ /m).slice(1);
    return parts.map((part) => {
      const end = part.indexOf('\n');
      return { command: part.slice(0, end), output: part.slice(end + 1) };
    });
  });
}

function withoutTimes(text: string): string {
  return text.replace(/^.* s of traffic in .*$/gm, 'TIMES').replace(/"(seconds|framesPerSecond)":[\d.]+/g, '"$1":0');
}

function environment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1' };
  delete env['NODE_OPTIONS'];
  return env;
}

function run(command: string, folder: string): string {
  const shell = `postern() { "${process.execPath}" "${program}" "$@"; }\n${command}`;
  const { stdout, stderr } = spawnSync('sh', ['-c', `exec 2>&1\n${shell}`], { cwd: folder, env: environment(), encoding: 'utf8' });
  return stdout + stderr;
}

t.test('the examples of the README show what really comes out', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-readme-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(root, 'rules'), join(folder, 'rules'));
  writeFileSync(join(folder, 'broken.cfg'), BROKEN);
  writeSample(folder);
  const found = examples(readme);
  t.ok(found.length >= 3, `${found.length} examples`);
  for (const { command, output } of found) t.equal(withoutTimes(run(command, folder)), withoutTimes(output), command);
  t.end();
});

t.test('every command has its section', (t) => {
  const help = run('postern --help', root);
  const commands = [...help.slice(help.indexOf('Commands:')).matchAll(/^ {2}(\w+) .*\S/gm)]
    .map((match) => match[1]!)
    .filter((name) => name !== 'help');
  t.ok(commands.length >= 4, commands.join(' '));
  for (const name of commands) t.match(readme, new RegExp(`^### postern ${name}$`, 'm'), name);
  t.end();
});
