// Which plots are made of a run, and their file names; those whose benches did not run are left out.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Result } from './bench.ts';
import type { Run } from './report.ts';
import { barChart, lineChart, type Series } from './svg.ts';

const STEPS = /^(decode|lookup\/10000$|admit|track|stream|smtp\/|translate|forward|emit|checksum|store|access-list\/100$)/;

/** Writes the plots to `folder` and returns their paths. */
export function writePlots({ results }: Run, folder: string): string[] {
  mkdirSync(folder, { recursive: true });
  const written: string[] = [];
  const write = (name: string, picture: string | null): void => {
    if (picture === null) return;
    written.push(join(folder, name));
    writeFileSync(join(folder, name), picture);
  };
  write(
    'steps.svg',
    bars(
      'ns a frame by step',
      results.filter(({ name }) => STEPS.test(name)),
    ),
  );
  write(
    'path.svg',
    bars(
      'ns a frame, whole path in memory',
      results.filter(({ name }) => name.startsWith('path/')),
    ),
  );
  write(
    'sessions.svg',
    lines(
      'Cost against live sessions',
      'live sessions',
      [
        ['lookup alone', 'lookup/'],
        ['whole path', 'sessions/'],
      ],
      results,
    ),
  );
  write('access-list.svg', lines('Cost against the length of an access list', 'entries', [['first match', 'access-list/']], results));
  write(
    'memory.svg',
    bars(
      'octets a session, 100,000 idle',
      results.filter(({ name }) => name.startsWith('memory/')),
    ),
  );
  return written;
}

function bars(title: string, results: readonly Result[]): string | null {
  return results.length === 0
    ? null
    : barChart(
        title,
        results.map(({ name, min }) => ({ label: name, value: min })),
      );
}

function lines(
  title: string,
  xLabel: string,
  wanted: readonly (readonly [label: string, prefix: string])[],
  results: readonly Result[],
): string | null {
  const series = wanted.map(([label, prefix]) =>
    seriesOf(
      label,
      results.filter(({ name }) => name.startsWith(prefix)),
    ),
  );
  const present = series.filter(({ points }) => points.length > 1);
  return present.length === 0 ? null : lineChart(title, xLabel, 'ns', present);
}

function seriesOf(label: string, results: readonly Result[]): Series {
  return { label, points: results.map(({ size, min }) => [size ?? 1, min] as const).sort(([a], [b]) => a - b) };
}
