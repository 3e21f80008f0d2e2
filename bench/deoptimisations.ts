// Reads what V8 wrote under --trace-deopt --redirect-code-traces-to=FILE.  V8 closes the file after each entry, so its length at a
// moment tells what came before.

import { readFileSync, statSync } from 'node:fs';

/** Octets that V8 has written so far. */
export function traceLength(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Deoptimisations behind octet `from` of the file, `function: reason`, in order: code was left in the middle. */
export function readBailouts(path: string, from: number): string[] {
  const found = textFrom(path, from).matchAll(/\[bailout \(kind: ([^,]+), reason: (.*?)\): begin.*?<JSFunction ?([^ (]*)/g);
  return [...found].map(([, kind, reason, name]) => `${nameOf(name)}: ${reason}${kind === 'deopt-eager' ? '' : ` (${kind})`}`);
}

/**
 * Functions whose code was discarded behind octet `from` because something that it relied on changed; it was not running.  After a
 * collection these may be functions that nobody needs any more.
 */
export function readDiscarded(path: string, from: number): string[] {
  const found = textFrom(path, from).matchAll(/\[marking dependent code [^(]*\(\S+ <SharedFunctionInfo ?([^>]*)>/g);
  return [...found].map(([, name]) => `${nameOf(name)}: discarded`);
}

function textFrom(path: string, from: number): string {
  return traceLength(path) <= from ? '' : readFileSync(path).subarray(from).toString('latin1');
}

function nameOf(name: string | undefined): string {
  return name === undefined || name === '' ? '(anonymous)' : name;
}
