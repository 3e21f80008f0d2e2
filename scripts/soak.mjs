// npm run soak -- [--megabytes N] [--minutes N]: much traffic through `postern run`, in network namespaces, as root.
//
// A file of N megabytes (default 1000) each way at the same time, not inspected, byte for byte the same behind the firewall;
// then N minutes (default 2) of mail sessions through the SMTP inspector, of which every octet is compared as well.  Printed: what passed
// and how fast, frames dropped and why, the memory of the firewall after the transfers and at the end, and the pauses of its
// garbage collector by thread, as V8 reports them.  Exit status 1 when anything arrived otherwise than it was sent.
// Not part of npm test.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { main, StepError } from './steps.mjs';
import { configure, connect, INSIDE, openLab, OUTSIDE, startPostern } from './transparent.mjs';

/** Mail sessions at a time, and octets of a message and of its replies. */
const PARALLEL = 4;
const MAIL_OCTETS = '200000';
/** ms that the firewall gets to compile its path. */
const SETTLED = 5000;

const { values } = parseArgs({ options: { megabytes: { type: 'string', default: '1000' }, minutes: { type: 'string', default: '2' } } });

/** A program of the lab, one JSON line as its result. */
async function result(program, seconds) {
  await program.until(() => program.stdout.includes('\n') || program.ended !== null, 'a result', seconds);
  if (!program.stdout.startsWith('{')) throw new StepError(`${program.name}: ${program.stderr || program.stdout}`);
  return JSON.parse(program.stdout);
}

/** Resident memory of a process, MiB. */
function residentOf(pid) {
  return Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+)/m)[1]) >> 10;
}

/**
 * Collections between `from` and `to` (ms since the start of the thread) in the lines of --trace-gc, by thread and kind: a histogram of
 * their pauses, us.  V8 names a thread by an address; the main thread is the first that collects.  A PerformanceObserver would not
 * see the data plane's, whose loop never returns to its event loop.
 */
function pausesIn(text, from, to) {
  const threads = [];
  const pauses = new Map([
    ['main thread, Scavenge', createHistogram()],
    ['main thread, Mark-Compact', createHistogram()],
    ['data plane, Scavenge', createHistogram()],
    ['data plane, Mark-Compact', createHistogram()],
  ]);
  const line = /^\[\d+:(0x[0-9a-f]+)\] +(\d+) ms: ([A-Z][A-Za-z-]*).*? (\d+(?:\.\d+)?) \/ \d+(?:\.\d+)? ms/gm;
  for (const [, thread, time, kind, pause] of text.matchAll(line)) {
    if (!threads.includes(thread)) threads.push(thread);
    if (Number(time) < from || Number(time) > to) continue;
    pauses.get(`${thread === threads[0] ? 'main thread' : 'data plane'}, ${kind}`)?.record(Math.max(1, Math.round(Number(pause) * 1000)));
  }
  return pauses;
}

class Bench {
  constructor(lab, programs, folder) {
    Object.assign(this, connect(lab));
    this.programs = programs;
    this.folder = folder;
  }

  node(namespace, script, ...args) {
    return new this.programs.Program(
      `${script} ${args[0]}`,
      namespace.node(join(this.folder, script), args, { stdio: ['ignore', 'pipe', 'pipe'] }),
    );
  }

  async serve(namespace, script, port) {
    const server = this.node(namespace, script, 'serve', port);
    await server.until(() => server.stdout.includes('ready'), 'ready', 10);
  }
}

async function transfers(bench, megabytes) {
  const octets = String(megabytes * 1_000_000);
  for (const namespace of [bench.outside, bench.inside]) await bench.serve(namespace, 'traffic.js', '7000');
  const both = [
    bench.node(bench.outside, 'traffic.js', 'send', INSIDE, '7000', octets),
    bench.node(bench.inside, 'traffic.js', 'send', OUTSIDE, '7000', octets),
  ];
  for (const [i, program] of both.entries()) {
    const { equal, seconds } = await result(program, 60 + megabytes);
    if (!equal) throw new StepError(`${megabytes} MB ${i === 0 ? 'to' : 'from'} the inside: other octets arrived`);
    process.stdout.write(`${megabytes} MB ${i === 0 ? 'to  ' : 'from'} the inside: equal, ${(megabytes / seconds).toFixed(0)} MB/s\n`);
  }
}

async function mails(bench, minutes) {
  await bench.serve(bench.inside, 'exchange.js', '25');
  const end = performance.now() + minutes * 60_000;
  let sessions = 0;
  const keepSending = async () => {
    while (performance.now() < end) {
      const { toServer, toClient, error } = await result(bench.node(bench.outside, 'exchange.js', 'mail', INSIDE, '25', MAIL_OCTETS), 120);
      if (!toServer || !toClient)
        throw new StepError(`mail session ${sessions}: ${error ?? `to the server ${toServer}, to the client ${toClient}`}`);
      sessions++;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, keepSending));
  process.stdout.write(`${sessions} mail sessions in ${minutes} min: equal in both directions, but for the masked lines\n`);
}

/** `busy`: ms from the start of the firewall until the load ended. */
function report(postern, resident, busy) {
  const { frames, drops } = JSON.parse(postern.stdout.split('\n').findLast((line) => line.startsWith('{"frames"')));
  process.stdout.write(`frames: ${frames.received} received, ${frames.dropped} dropped ${JSON.stringify(drops)}\n`);
  process.stdout.write(`memory: ${resident[0]} MiB behind the transfers, ${resident[1]} MiB at the end\n`);
  process.stdout.write(
    `garbage collector from ${SETTLED / 1000} s after the start to the end of the mail (${(busy / 1000).toFixed(0)} s), ms:\n`,
  );
  const ms = (microseconds) => (microseconds / 1000).toFixed(1).padStart(6);
  for (const [kind, h] of pausesIn(postern.stdout, SETTLED, busy)) {
    const figures = h.count === 0 ? '' : `  p50 ${ms(h.percentile(50))}  p99 ${ms(h.percentile(99))}  max ${ms(h.max)}`;
    process.stdout.write(`  ${kind.padEnd(26)} ${String(h.count).padStart(5)}${figures}\n`);
  }
}

await main(async () => {
  const { folder, Lab, programs } = await openLab();
  const lab = new Lab();
  const scratch = mkdtempSync(join(tmpdir(), 'postern-soak-'));
  try {
    const bench = new Bench(lab, programs, folder);
    const started = performance.now();
    const postern = await startPostern(bench.firewall, programs, configure(scratch), ['--trace-gc']);
    await transfers(bench, Number(values.megabytes));
    const resident = [residentOf(postern.pid)];
    const busy = performance.now() - started + Number(values.minutes) * 60_000;
    await mails(bench, Number(values.minutes));
    resident.push(residentOf(postern.pid));
    await postern.stop();
    report(postern, resident, busy);
  } finally {
    lab.destroy();
    rmSync(scratch, { recursive: true, force: true });
  }
});
