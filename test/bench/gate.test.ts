// The gate of the hot path: no octet on the heap and no deoptimisation after the warm-up, on the five workloads at a small scale.
//
// Nothing is timed.  V8 compiles in the main thread (--predictable), at points that the executed code alone decides, so that a run is
// like the one before, however busy the machine is.

import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Result } from '../../bench/bench.ts';
import { readBailouts, readDiscarded } from '../../bench/deoptimisations.ts';
import { changeOf, faultsOf } from '../../bench/report.ts';
import { runBench } from '../../bench/run.ts';
import { barChart, lineChart } from '../../bench/svg.ts';
import { WORKLOADS } from '../../bench/workloads.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CHILD = fileURLToPath(new URL('../../bench/child.js', import.meta.url));
/** 3,000 frames of mail, 5,000 SYNs. */
const SCALE = 0.1;
const WARM_PASSES = 40;

function measure(name: string): Promise<Result> {
  return runBench(name, {
    samples: 15,
    seed: 1,
    scale: SCALE,
    warmPasses: WARM_PASSES,
    warmSeconds: 0,
    flags: ['--predictable'],
    entry: [CHILD],
  });
}

for (const name of WORKLOADS) {
  t.test(`${name}: nothing on the heap, no deoptimisation`, async (t) => {
    const result = await measure(`path/${name}`);
    t.ok(result.frames > 1_000, `${result.frames} frames`);
    t.same(faultsOf(result), []);
  });
}

t.test('100,000 idle inspected sessions take at most 64 MiB', async (t) => {
  const { min: value } = await measure('memory/idle');
  t.ok(value > 400 && value * 100_000 <= 64 << 20, `${value} octets a session`);
});

t.test('the gate fails for what leaves an object a frame', async (t) => {
  const result = await measure('control/allocating');
  t.ok(result.heap! >= 12, `${result.heap} octets`);
  t.match(faultsOf(result).join(), /octets a frame on the heap/);
});

for (const [name, cause] of [
  ['deoptimising', /deoptimised run: /],
  ['discarding', /deoptimised run: discarded/],
] as const) {
  t.test(`the gate fails for code that is thrown away: ${name}`, async (t) => {
    t.match(faultsOf(await measure(`control/${name}`)).join(), cause);
  });
}

t.test('a trace of V8, from a place on', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-gate-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'trace');
  t.same(readBailouts(path, 0), [], 'no file yet');
  const entry = (kind: string, reason: string, name: string): string =>
    `[bailout (kind: ${kind}, reason: ${reason}): begin. deoptimizing 0x1 <JSFunction${name} (sfi = 0x2)>, 0x3 <Code TURBOFAN>, opt id 1]\n`;
  const first = entry('deopt-eager', 'wrong map', ' decode');
  // What V8 discards has no end of line in the file.
  const discarded = '[marking dependent code 0x5 <Code TURBOFAN> (0x6 <SharedFunctionInfo emit>';
  writeFileSync(
    path,
    `${first}${discarded}[completed optimizing 0x1 <JSFunction emit (sfi = 0x2)>]\n${entry('deopt-lazy', '(unknown)', '')}`,
  );
  t.same(readBailouts(path, 0), ['decode: wrong map', '(anonymous): (unknown) (deopt-lazy)']);
  t.same(readBailouts(path, first.length), ['(anonymous): (unknown) (deopt-lazy)']);
  t.same(readDiscarded(path, 0), ['emit: discarded']);
  t.same(readDiscarded(path, first.length + 1), []);
  t.end();
});

const FIGURE: Result = {
  name: 'a',
  about: '',
  unit: 'frame',
  size: null,
  samples: 15,
  frames: 1,
  min: 100,
  median: 120,
  spread: 0.01,
  gigabytes: null,
  heap: 0,
  deoptimisations: [],
  problem: null,
};

t.test('a change is a regression beyond five percent and beyond the spread of either run', (t) => {
  const against = (min: number, spread: number, earlierSpread: number): boolean | undefined =>
    changeOf({ ...FIGURE, min, spread }, [{ ...FIGURE, spread: earlierSpread }])?.isRegression;
  t.equal(against(104, 0, 0), false);
  t.equal(against(106, 0, 0), true);
  t.equal(against(106, 0.08, 0), false, 'this run is good for 8 %');
  t.equal(against(106, 0, 0.08), false, 'the earlier one');
  t.equal(against(80, 0, 0), false, 'faster');
  t.equal(changeOf(FIGURE, []), null);
  t.same(faultsOf(FIGURE), []);
  t.same(faultsOf({ ...FIGURE, problem: 'dropped' }), ['dropped']);
  t.end();
});

t.test('plots', (t) => {
  const bars = barChart('steps', [
    { label: 'a<b', value: 2 },
    { label: 'c', value: 100 },
  ]);
  t.match(bars, /^<svg [^>]*>[\s\S]*a&lt;b[\s\S]*<\/svg>\n$/);
  const widths = [...bars.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
  t.equal(Math.round(widths[1]! / widths[0]!), 50);
  const lines = lineChart('cost', 'sessions', 'ns', [
    {
      label: 'lookup',
      points: [
        [100, 20],
        [1_000, 20],
        [10_000, 200],
      ],
    },
  ]);
  const [, points = ''] = /polyline points="([^"]+)"/.exec(lines) ?? [];
  const [a, b, c] = points.split(' ').map((point) => point.split(',').map(Number));
  t.equal(a![1], b![1], 'the same cost at the same height');
  t.ok(c![1]! < b![1]!, 'more is higher');
  t.ok(Math.abs(b![0]! - a![0]! - (c![0]! - b![0]!)) < 0.2, 'decades are equally wide');
  t.end();
});
