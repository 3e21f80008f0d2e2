// `postern replay`: the command line and its exit statuses, the report, both forms, the workloads.

import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import t from 'tap';
import { writeSample } from '../../bench/sample-dialogue.ts';
import { makeWorkload, storeWorkload, WORKLOADS, writeWorkload } from '../../bench/workloads.ts';
import { CommandError } from '../../src/command/errors.ts';
import { installationFolder } from '../../src/command/installation.ts';
import { register } from '../../src/command/replay.ts';
import type { Report } from '../../src/console/report.ts';
import { CaptureWriter, privateMemory } from '../../src/port/capture-writer.ts';

// Awaited before the first test: tap ends a file whose tests stop coming.
// By a variable: the compiler must not look for types of a package that may be absent.
const PCAP: string = 'pcap';
const LIBPCAP_MISSING = await import(PCAP).then(
  () => false as const,
  () => 'the optional package pcap is not installed',
);
const folder = mkdtempSync(join(tmpdir(), 'postern-replay-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const root = installationFolder();
const rules = (name: string): string => join(root, 'rules', name);
const sample = join(folder, 'sample');
const inFolder = (name: string): string => join(folder, name);

interface Run {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs one command line in this process; what it prints is taken between two turns of the event loop. */
async function postern(...args: string[]): Promise<Run> {
  const program = new Command('postern').exitOverride().configureOutput({ writeErr: () => {} });
  register(program);
  const written = { stdout: '', stderr: '' };
  const original = { stdout: process.stdout.write, stderr: process.stderr.write };
  const take =
    (stream: 'stdout' | 'stderr') =>
    (text: string | Uint8Array): boolean => {
      written[stream] += String(text);
      return true;
    };
  process.stdout.write = take('stdout');
  process.stderr.write = take('stderr');
  let status: number;
  try {
    await program.parseAsync(['replay', ...args], { from: 'user' });
    status = Number(process.exitCode);
  } catch (error) {
    if (error instanceof CommandError) written.stderr += `postern: ${error.message}\n`;
    status = error instanceof CommandError ? error.status : 2;
  } finally {
    process.stdout.write = original.stdout;
    process.stderr.write = original.stderr;
    process.exitCode = 0;
  }
  return { status, ...written };
}

const reportOf = (run: Run): Report => JSON.parse(run.stdout) as Report;

/** All octets of a capture that we wrote, as text. */
const contents = (path: string): string => readFileSync(path).toString('latin1');

function isConserved({ frames, drops }: Report): boolean {
  const { received, generated, transmitted, dropped, held, consumed } = frames;
  return (
    received + generated === transmitted + dropped + held + consumed && Object.values(drops).reduce((sum, n) => sum + n, 0) === dropped
  );
}

t.before(async () => {
  const { mkdirSync } = await import('node:fs');
  mkdirSync(sample);
  writeSample(sample);
});

t.test('the sample dialogue under the reference configuration', async (t) => {
  const ports = [
    '--port',
    `e2/0=${sample}/outside.pcap:${inFolder('outside-out.pcap')}`,
    '--port',
    `ethernet2/1=${sample}/inside.pcap:${inFolder('inside-out.pcap')}`,
  ];
  const run = await postern('--config', rules('3640.cfg'), ...ports, '--json');
  t.equal(run.status, 0, run.stderr);
  t.equal(run.stdout.at(-1), '\n');
  const report = reportOf(run);
  t.same(Object.keys(report), ['frames', 'drops', 'sessions', 'inspect', 'captureSeconds', 'seconds', 'framesPerSecond']);
  t.same(report.frames, { received: 36, transmitted: 36, dropped: 0, held: 0, consumed: 0, generated: 0 });
  t.same(report.inspect, { commands: 6, maskedCommands: 1, maskedReplies: 0, resets: 0, alerts: { 'cmd.illegal': 1 } });
  t.equal(report.captureSeconds, 0.07);
  t.ok(contents(inFolder('inside-out.pcap')).includes('xxxxxxxxx\r\n'));
  t.notOk(contents(inFolder('inside-out.pcap')).includes('EXPN'));
  t.ok(contents(inFolder('outside-out.pcap')).includes('500 Error: command not recognized\r\n'));
  const table = await postern('--config', rules('3640.cfg'), ...ports.map((port) => port.replace(/-out\.pcap$/, '-out2.pcap')));
  t.match(
    table.stdout,
    /Frames\n {2}received +36\n[\s\S]*SMTP commands +6\n {2}commands masked +1\n[\s\S]*0\.070 s of traffic in .* frames\/s\n$/,
  );
});

t.test('an interface without a capture counts as down, with a warning', async (t) => {
  const run = await postern('--config', rules('3640.cfg'), '--port', `e2/0=${sample}/outside.pcap`, '--json');
  t.equal(run.status, 0);
  t.match(run.stderr, /warning: Ethernet2\/1 has no capture and counts as down\n/);
  t.notMatch(run.stderr, /Serial2\/0/, 'one that is shut is no surprise');
  t.ok(isConserved(reportOf(run)));
});

t.test('what is wrong with the command line is said in one line, exit status 2', async (t) => {
  const outside = join(sample, 'outside.pcap');
  const text = inFolder('text.txt');
  writeFileSync(text, 'no capture, whatever it says');
  const config = inFolder('bad.cfg');
  writeFileSync(config, `${contents(rules('transparent.cfg'))}nonsense here\n`);
  const wrong: [string[], RegExp][] = [
    [[], /a capture is wanted, or --config and --port/],
    [[outside, '--config', rules('3640.cfg'), '--port', `e2/0=${outside}`], /either one capture or --port/],
    [['--port', `e2/0=${outside}`], /--port needs --config/],
    [['--config', rules('3640.cfg'), '--port', `e2/0=${outside}`, '--output', 'x'], /--output and --outside go with one capture/],
    [
      ['--config', rules('3640.cfg'), '--port', `e9/9=${outside}`],
      /has no interface e9\/9 \(it has Ethernet2\/0, Serial2\/0, Ethernet2\/1\)/,
    ],
    [['--config', rules('3640.cfg'), '--port', outside], /NAME=IN\[:OUT\] is wanted/],
    [['--config', rules('3640.cfg'), '--port', `e2/0=${outside}:`], /a file name is missing/],
    [
      ['--config', rules('3640.cfg'), '--port', `e2/0=${outside}`, '--port', `Ethernet2/0=${outside}`],
      /two --port options for Ethernet2\/0/,
    ],
    [
      ['--config', rules('3640.cfg'), '--port', `e2/0=${outside}:${inFolder('same')}`, '--port', `e2/1=${outside}:${inFolder('same')}`],
      /two interfaces would write to/,
    ],
    [[outside, '--config', rules('3640.cfg')], /two interfaces in one bridge group.*--port NAME=IN/],
    [[outside, '--output', outside], /is to be read and cannot be written as well/],
    [[outside, '--output', join(folder, 'none', 'x')], /ENOENT/],
    [[outside, '--outside', 'here'], /a MAC address or a prefix is wanted/],
    [[inFolder('none.pcap')], /none\.pcap: ENOENT/],
    [[text], /text\.txt: not a capture \(neither pcap nor pcapng\)/],
    [[outside, '--config', inFolder('none.cfg')], /none\.cfg/],
    [[outside, '--config', config], /1 rejected line; --lenient runs without them/],
    [[outside, '--checksum', 'maybe'], /^$/],
    [[outside, '--batch', '65'], /^$/],
  ];
  for (const [args, message] of wrong) {
    const run = await postern(...args);
    t.equal(run.status, 2, args.join(' '));
    t.equal(run.stdout, '');
    t.match(run.stderr.split('\n').at(-2) ?? '', message);
  }
  const lenient = await postern(outside, '--config', config, '--lenient', '--json');
  t.equal(lenient.status, 0);
  t.match(lenient.stderr, /nonsense here\n\^\n% Invalid input detected at '\^' marker\./);
});

/** A capture of one link type with one frame. */
function capture(name: string, linkType: number, data: Uint8Array, wireLength = data.length): string {
  const path = inFolder(name);
  const writer = new CaptureWriter(path, privateMemory(), 0, linkType);
  writer.addFrom(1, 0, data, wireLength);
  writer.close();
  return path;
}

t.test('a kind of capture that is not supported: exit status 2; a damaged one: the report so far, exit status 1', async (t) => {
  const other = await postern(capture('ppp.pcap', 9, new Uint8Array(40)), '--json');
  t.equal(other.status, 2);
  t.match(other.stderr, /ppp\.pcap: link type 9 \(PPP\) is not supported\n$/);
  const path = inFolder('damaged.pcap');
  writeFileSync(path, readFileSync(join(sample, 'outside.pcap')));
  truncateSync(path, 24 + 2 * 76 + 30);
  const damaged = await postern(path, '--json');
  t.equal(damaged.status, 1);
  t.match(damaged.stderr, /damaged\.pcap: frame 3: the file ends within the data of a record\n$/);
  t.equal(reportOf(damaged).frames.received, 2);
  const disk = existsSync('/dev/full')
    ? await postern(join(sample, 'outside.pcap'), '--output', '/dev/full')
    : { status: 1, stderr: 'ENOSPC' };
  t.equal(disk.status, 1);
  t.match(disk.stderr, /ENOSPC/);
});

t.test('records cut by the snap length are dropped', async (t) => {
  const frame = readFileSync(join(sample, 'outside.pcap')).subarray(40, 100);
  const report = reportOf(await postern(capture('cut.pcap', 1, frame, 1500), '--json'));
  t.same(report.drops, { 'frame.truncated': 1 });
});

t.test('a filter', { skip: LIBPCAP_MISSING }, async (t) => {
  const path = join(sample, 'outside.pcap');
  const some = await postern(path, '--filter', 'tcp[tcpflags] & tcp-syn != 0', '--json');
  t.equal(some.status, 0, some.stderr);
  t.equal(reportOf(some).frames.received, 1);
  const bad = await postern(path, '--filter', 'tcp prt 25');
  t.equal(bad.status, 2);
  t.match(bad.stderr, /^postern: --filter: can't parse filter expression: syntax error\n$/);
});

t.test('workloads: nothing dropped, masks as expected, the same from the same seed', async (t) => {
  const config = inFolder('workload.cfg');
  writeFileSync(
    config,
    contents(rules('3640.cfg')).replace(
      /^ip inspect name OUT-IN smtp$/m,
      [
        'ip inspect max-incomplete high 1000000',
        'ip inspect max-incomplete low 900000',
        'ip inspect one-minute high 1000000',
        'ip inspect one-minute low 900000',
        'ip inspect tcp max-incomplete host 250',
        'ip inspect name OUT-IN esmtp',
      ].join('\n'),
    ),
  );
  for (const name of WORKLOADS) {
    const at = inFolder(name);
    const totals = writeWorkload(name, at, { scale: 0.01 });
    t.same(makeWorkload(name, { frame: () => {} }, { scale: 0.01 }), totals);
    t.equal(storeWorkload(name, { scale: 0.01 }).frames.length, totals.octets);
    if (name === 'syn-flood') continue;
    const run = await postern('--config', config, '--port', `e2/0=${at}/outside.pcap`, '--port', `e2/1=${at}/inside.pcap`, '--json');
    const { frames, drops, inspect } = reportOf(run);
    t.same(drops, {}, name);
    t.same([frames.received, frames.transmitted, frames.generated], [totals.packets, totals.packets, 0], name);
    t.equal(inspect.maskedCommands, name === 'smtp-chat' ? Math.ceil(totals.sessions / 10) : 0, name);
  }
});

t.test('one wire: the same frames in the same order for every batch size', async (t) => {
  const combined = join(inFolder('smtp-chat'), 'combined.pcap');
  const run = async (batch: number): Promise<string> => {
    const output = inFolder(`batch-${batch}.pcap`);
    const { stdout } = await postern(combined, '--output', output, '--batch', String(batch), '--json');
    const { seconds: _, framesPerSecond: __, ...rest } = JSON.parse(stdout) as Report;
    return `${JSON.stringify(rest)} ${contents(output)}`;
  };
  const whole = await run(64);
  t.match(whole, /"maskedCommands":[1-9]/);
  for (const batch of [1, 2, 7]) t.ok((await run(batch)) === whole, `batches of ${batch}`);
});
