// The import table of CONTRIBUTING.md, held against every file of src/.
//
// A pattern of the table names a file without its ending, or a folder with all that is in it; `*` stands for one part of a
// path.  The longest pattern that matches a file decides.  `./` is the folder that the pattern of the row names, `node:` any
// module of Node, `npm:` any package, `bindings:` the faces in native-bindings/, `native:` the native packages, `outside:` a folder beside src/.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

interface Row {
  readonly pattern: string;
  readonly allowed: readonly string[];
}

const NATIVE = ['cap', 'pcap', 'raw-socket'];

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'CONTRIBUTING.md'))) folder = dirname(folder);
  return folder;
}

const root = findRoot();

/** The words in back quotes of one table cell. */
function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
}

/** Rows of the table whose heading begins with `| part | may import |`. */
function readTable(text: string): Row[] {
  const lines = text.split('\n');
  const rows: Row[] = [];
  for (let i = lines.findIndex((line) => /^\| part +\| may import/.test(line)) + 2; lines[i]?.startsWith('|'); i++) {
    const [, parts, allowed] = lines[i]!.split('|');
    for (const pattern of quoted(parts!)) rows.push({ pattern, allowed: quoted(allowed!) });
  }
  return rows;
}

function covers(pattern: string, path: string): boolean {
  const wanted = pattern.split('/');
  const parts = path.split('/');
  return wanted.length <= parts.length && wanted.every((word, i) => word === '*' || word === parts[i]);
}

/** The row that decides for a file: most parts, and of those with equally many the one with fewer asterisks. */
function rowFor(rows: readonly Row[], path: string): Row | undefined {
  const weight = (row: Row) => row.pattern.split('/').length * 10 - (row.pattern.match(/\*/g)?.length ?? 0);
  return rows.filter((row) => covers(row.pattern, path)).sort((a, b) => weight(b) - weight(a))[0];
}

function isAllowed(row: Row, file: string, target: string): boolean {
  const own = file.split('/').slice(0, row.pattern.split('/').length).join('/');
  return row.allowed.some((pattern) => {
    if (pattern === './') return covers(own, target);
    return pattern.endsWith(':') ? target.startsWith(pattern) : covers(pattern, target);
  });
}

/** What an import names, in the words of the table. */
function targetOf(file: string, specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  if (!specifier.startsWith('.')) return `${NATIVE.includes(specifier) ? 'native' : 'npm'}:${specifier}`;
  const path = posix.normalize(posix.join('src', posix.dirname(file), specifier)).replace(/\.(ts|js)$/, '');
  if (path.startsWith('src/')) return path.slice('src/'.length);
  return path.startsWith('native-bindings/') ? path.replace('native-bindings/', 'bindings:') : `outside:${path}`;
}

/** Specifiers of all static and dynamic imports, re-exports, and files named by URL. */
function importsOf(source: string): string[] {
  const code = source.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  const found = [
    ...code.matchAll(/\b(?:import|export)\b[^;'"`]*?\bfrom\s*['"]([^'"]+)['"]/g),
    ...code.matchAll(/\bimport\s*\(?\s*['"]([^'"]+)['"]/g),
    ...code.matchAll(/\brequire\w*\(\s*['"]([^'"]+)['"]/g),
    ...code.matchAll(/\bnew URL\(\s*['"](\.[^'"]+\.[jt]s)['"]/g),
  ];
  return found.map((match) => match[1]!);
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, 'src', folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return sourceFiles(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

const rows = readTable(readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8'));
const files = sourceFiles('');

t.test('the table is read and decides as it says', (t) => {
  t.ok(rows.length > 10, 'rows');
  t.ok(files.length > 10, 'files');
  const table: Row[] = [
    { pattern: 'path', allowed: ['path/data-plane', 'wire'] },
    { pattern: 'path/path', allowed: ['path'] },
    { pattern: 'inspect/*', allowed: ['./'] },
    { pattern: 'config', allowed: ['inspect/*/declare'] },
  ];
  const verdict = (file: string, specifier: string) => isAllowed(rowFor(table, file)!, file, targetOf(`${file}.ts`, specifier));
  t.notOk(verdict('path/admit', './track.ts'), 'a step and another step');
  t.ok(verdict('path/admit', '../wire/tcp.ts'));
  t.notOk(verdict('path/admit', 'node:fs'));
  t.ok(verdict('path/path', './track.ts'), 'the longer pattern decides');
  t.ok(verdict('inspect/smtp/verbs', './reply.ts'), 'own folder');
  t.notOk(verdict('inspect/smtp/verbs', '../http/method.ts'), 'another inspector');
  t.ok(verdict('config/inspect', '../inspect/smtp/declare.ts'));
  t.notOk(verdict('config/inspect', '../inspect/smtp/verbs.ts'));
  t.same(importsOf("import type { A } from './a.ts';\nimport './b.ts';\nexport * from './c.ts';\nawait import('./d.ts');"), [
    './a.ts',
    './c.ts',
    './b.ts',
    './d.ts',
  ]);
  t.end();
});

t.test('every file has a row, and imports only what its row allows', (t) => {
  for (const file of files) {
    const path = file.replace(/\.ts$/, '');
    const row = rowFor(rows, path);
    if (!row) {
      t.fail(`${file} has no row in the import table`);
      continue;
    }
    const wrong = importsOf(readFileSync(join(root, 'src', file), 'utf8')).filter((name) => !isAllowed(row, path, targetOf(file, name)));
    t.same(wrong, [], `src/${file} (row ${row.pattern})`);
  }
  t.end();
});

t.test('every row stands for something', (t) => {
  for (const row of rows)
    t.ok(
      files.some((file) => rowFor(rows, file.replace(/\.ts$/, '')) === row),
      row.pattern,
    );
  t.end();
});

t.test('native code is loaded in port/ and native-bindings/ only', (t) => {
  for (const file of files.filter((path) => !path.startsWith('port/'))) {
    const source = readFileSync(join(root, 'src', file), 'utf8');
    t.notMatch(source, /\bcreateRequire\b|\bdlopen\b|\.node['"]/, `src/${file}`);
  }
  t.end();
});
