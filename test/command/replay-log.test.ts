// `postern replay` as a console: debug messages word for word as in the reference document, log lines with the time of the
// capture, displays behind the last frame.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import t from 'tap';
import { CommandError } from '../../src/command/errors.ts';
import { installationFolder } from '../../src/command/installation.ts';
import { register } from '../../src/command/replay.ts';
import { milliseconds, writeReferenceSession } from './reference-session.ts';

const folder = mkdtempSync(join(tmpdir(), 'postern-replay-log-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const root = installationFolder();
const inFolder = (name: string): string => join(folder, name);
const REFERENCE = readFileSync(join(root, 'test/console/fixtures/debug-ip-inspect-smtp.txt'), 'latin1').trimEnd().split(/\r?\n/);
const LOG = inFolder('log');

interface Run {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command line in this process. */
async function replay(...args: string[]): Promise<Run> {
  const program = new Command('postern').exitOverride().configureOutput({ writeErr: () => {} });
  register(program);
  const written = { stdout: '', stderr: '' };
  const original = { stdout: process.stdout.write, stderr: process.stderr.write };
  for (const stream of ['stdout', 'stderr'] as const) {
    process[stream].write = (text: string | Uint8Array): boolean => {
      written[stream] += String(text);
      return true;
    };
  }
  let status: number;
  try {
    await program.parseAsync(['replay', ...args], { from: 'user' });
    status = Number(process.exitCode);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    written.stderr += `postern: ${error.message}\n`;
    status = error.status;
  } finally {
    process.stdout.write = original.stdout;
    process.stderr.write = original.stderr;
    process.exitCode = 0;
  }
  return { status, ...written };
}

const logged = (): string[] => readFileSync(LOG, 'latin1').trimEnd().split('\n');

/** Stamp and text of a line `*Oct 18 21:51:35.886: CBAC ...`. */
function split(line: string): { stamp: string; text: string } {
  return { stamp: line.slice(0, 20), text: line.slice(22) };
}

const routed = [
  '--config',
  join(root, 'rules/3640.cfg'),
  '--port',
  `e2/0=${inFolder('outside.pcap')}`,
  '--port',
  `e2/1=${inFolder('inside.pcap')}`,
];
writeReferenceSession(inFolder('outside.pcap'), inFolder('inside.pcap'), '172.22.1.50', '172.22.1.110', '10.10.10.2');
writeReferenceSession(inFolder('wire.pcap'), inFolder('wire.pcap'), '192.0.2.9', '192.0.2.25', '192.0.2.25');

for (const [name, args] of [
  ['routed, smtp', routed],
  ['transparent, esmtp', [inFolder('wire.pcap')]],
] as const) {
  t.test(`the reference trace: 117 of 117, ${name}`, async (t) => {
    const { status } = await replay(...args, '--debug', 'ip inspect smtp', '--log', LOG);
    t.equal(status, 0);
    const lines = logged()
      .filter((line) => line.includes('CBAC'))
      .map(split);
    t.equal(REFERENCE.length, 117);
    t.strictSame(
      lines.map(({ text }) => text),
      REFERENCE.map((line) => split(line).text),
    );
    for (const [i, line] of REFERENCE.entries()) {
      const { stamp } = split(line);
      const ours = lines[i]?.stamp ?? '';
      // There a stamp is taken when the message is printed, up to 4 ms behind the segment; here it is the segment's.
      const late = milliseconds(stamp.slice(8)) - milliseconds(ours.slice(8));
      t.ok(ours.startsWith('*Oct 18 ') && late >= 0 && late <= 4, `${i + 1}: ${ours} ${stamp}`);
    }
  });
}

t.test('the log of the reference session: what IOS has no text for is said under its own name', async (t) => {
  await replay(...routed, '--log', LOG);
  t.strictSame(
    logged().filter((line) => line.includes('%FW')),
    [],
  );
  t.ok(
    logged().every((line) => /^\*Oct 18 21:5[12]:\d\d\.\d{3}: %POSTERN-[46]-EVENT: /.test(line)),
    'stamped with the time of the segment',
  );
});

t.test('debug without a file goes to stderr; both kinds together', async (t) => {
  const { stderr, stdout } = await replay(
    ...routed,
    '--debug',
    'ip inspect smtp',
    '--debug',
    'postern packet access-list 101 count 1',
    '--json',
  );
  const lines = stderr.trimEnd().split('\n');
  t.equal(lines.filter((line) => line.includes('CBAC SMTP')).length, 117);
  t.strictSame(
    lines.filter((line) => line.includes('POSTERN: ')).map((line) => split(line).text),
    [
      'POSTERN: frame 1 decode: Ethernet2/0, tcp 172.22.1.50:1025 -> 172.22.1.110:25 S, seq 1000, 54 octets',
      'POSTERN: frame 1 lookup: no session',
      'POSTERN: frame 1 admit: access list 101 permits by entry 10 (Ethernet2/0 in)',
      'POSTERN: frame 1 admit: translated to tcp 172.22.1.50:1025 -> 10.10.10.2:25',
      'POSTERN: frame 1 admit: leaves by Ethernet2/1, next hop 10.10.10.2',
      'POSTERN: frame 1 admit: inspection rule OUT-IN, smtp',
      'POSTERN: frame 1 admit: session 65000000 opened',
      'POSTERN: frame 1 track: none -> SIS_OPENING',
      'POSTERN: frame 1 release: 0 octets arrived, 0 leave',
      'POSTERN: frame 1 emit: Ethernet2/1, tcp 172.22.1.50:1025 -> 10.10.10.2:25 S, 54 octets',
      'POSTERN: frame 1 transmitted',
    ],
  );
  t.equal((JSON.parse(stdout) as { inspect: { commands: number } }).inspect.commands, 5);
});

t.test('displays behind the last frame', async (t) => {
  const config = inFolder('audited.cfg');
  const text = readFileSync(join(root, 'rules/3640.cfg'), 'latin1');
  writeFileSync(
    config,
    `logging buffered 8192\n${text.replace('ip inspect name OUT-IN smtp', 'ip inspect name OUT-IN smtp audit-trail on')}`,
  );
  const ports = routed.slice(2);
  const { status, stdout } = await replay(
    '--config',
    config,
    ...ports,
    '--exec',
    'show ip inspect sessions',
    '--exec',
    'show ip nat translations',
    '--exec',
    'show logging | include AUDIT',
  );
  t.equal(status, 0);
  t.equal(
    stdout.slice(0, stdout.indexOf('Frames\n')),
    'Established Sessions\n' +
      ' Session 65000000 (172.22.1.50:1025)=>(10.10.10.2:25) smtp SIS_OPEN\n' +
      'Pro Inside global      Inside local       Outside local      Outside global\n' +
      'tcp 172.22.1.110:25    10.10.10.2:25      172.22.1.50:1025   172.22.1.50:1025\n' +
      '--- 172.22.1.110       10.10.10.2         ---                ---\n' +
      '--- 172.22.1.111       10.10.10.5         ---                ---\n' +
      '*Oct 18 21:51:35.800: %FW-6-SESS_AUDIT_TRAIL_START: Start smtp session: initiator (172.22.1.50:1025) -- responder (10.10.10.2:25)\n',
  );
});

t.test('what is wrong with a command is said before anything runs, exit status 2', async (t) => {
  const refused = async (args: readonly string[], stderr: string): Promise<void> => {
    t.same(await replay(...routed, ...args), { status: 2, stdout: '', stderr }, args.join(' '));
  };
  await refused(
    ['--debug', 'ip inspect frogs'],
    `debug ip inspect frogs\n                 ^\n% Invalid input detected at '^' marker.\n\npostern: --debug: 'debug ip inspect frogs' was not understood\n`,
  );
  await refused(['--debug', 'ip inspect tcp'], 'postern: --debug: debug ip inspect tcp has no messages here\n');
  await refused(['--debug', 'postern packet access-list 9'], 'postern: --debug: Access list 9 not found\n');
  await refused(['--exec', 'clear counters'], "postern: --exec 'clear counters': only displays can be asked for\n");
  await refused(['--exec', 'show ip'], "show ip\n% Incomplete command.\npostern: --exec: 'show ip' was not understood\n");
  await refused(['--log', '/nowhere/log'], "postern: --log: ENOENT: no such file or directory, open '/nowhere/log'\n");
});
