// `| include`, `exclude`, `begin` and `section` behind a display.

import type { OutputFilter } from './exec-commands.ts';

/** `text` with the filter applied; ends in a line feed unless nothing is left. */
export function filterOutput(text: string, filter: OutputFilter | undefined): string {
  if (filter === undefined) return text;
  const lines = text.replace(/\n$/, '').split('\n');
  const kept = select(lines, filter.kind, matcher(filter.pattern));
  return kept.map((line) => `${line}\n`).join('');
}

type Matches = (line: string) => boolean;

function select(lines: readonly string[], kind: OutputFilter['kind'], matches: Matches): string[] {
  switch (kind) {
    case 'include':
      return lines.filter(matches);
    case 'exclude':
      return lines.filter((line) => !matches(line));
    case 'begin': {
      const first = lines.findIndex(matches);
      return first < 0 ? [] : lines.slice(first);
    }
    case 'section':
      return sections(lines, matches);
  }
}

function matcher(pattern: string): Matches {
  try {
    const expression = new RegExp(pattern);
    return (line) => expression.test(line);
  } catch {
    return (line) => line.includes(pattern);
  }
}

/** Lines that match, each with the lines behind it that are indented deeper. */
function sections(lines: readonly string[], matches: Matches): string[] {
  const kept: string[] = [];
  let inside = -1;
  for (const line of lines) {
    const indent = line.length - line.trimStart().length;
    const belongs = inside >= 0 && indent > inside;
    if (!belongs) inside = matches(line) ? indent : -1;
    if (belongs || inside >= 0) kept.push(line);
  }
  return kept;
}
