// Reads what V8 wrote under --trace-deopt --redirect-code-traces-to=FILE.  V8 closes the file after each entry, so its length at a
// moment tells what came before.

import { readFileSync, statSync } from 'node:fs';

/** Octets that V8 has written so far. */
export function traceLength(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Deoptimisations behind octet `from` of the file, `function: reason`, in order. */
export function readTrace(path: string, from: number): string[] {
  if (traceLength(path) <= from) return [];
  const text = readFileSync(path).subarray(from).toString('latin1');
  return [...text.matchAll(/^\[bailout \(kind: ([^,]+), reason: ([^)]*)\).*?<JSFunction ?([^ (]*)/gm)].map(
    ([, kind, reason, name]) => `${name || '(anonymous)'}: ${reason}${kind === 'deopt-eager' ? '' : ` (${kind})`}`,
  );
}
