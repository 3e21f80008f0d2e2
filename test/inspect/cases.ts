// The corpus: reading it, what its `expect` demands (verdict, octets, events), and what two cuts of a transcript must have in common.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { REASONS } from '../../src/telemetry/reasons.ts';
import type { Result, Segment } from './driver.ts';

export interface Case {
  id: string;
  title: string;
  mode: 'smtp' | 'esmtp' | 'both';
  kind: string;
  config?: Record<string, unknown>;
  server: Segment[];
  events?: { t: number; from: 'c' | 's'; data: string }[];
  recipe?: { events: Record<string, unknown>[] };
  expect: {
    toServer: string;
    toClient: string;
    verdict: string;
    log: string[];
    emits?: { t: number; to: string; data: string }[];
    resetAt?: number;
  };
}

/** The repository's root, wherever this file was compiled to. */
export function root(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isRoot(folder)) folder = dirname(folder);
  return folder;
}

function isRoot(folder: string): boolean {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string }).name === 'postern';
  } catch {
    return false;
  }
}

/** The corpus, or the cases of our own beside it (`more-cases.jsonl`). */
export function readCases(file = 'smtp-cases.jsonl'): Case[] {
  const text = readFileSync(join(root(), 'test/inspect/fixtures', file), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Case);
}

export function modesOf({ mode }: Case): boolean[] {
  return mode === 'both' ? [false, true] : [mode === 'esmtp'];
}

const INFO = new Set(REASONS.filter(({ level }) => level === 'info').map(({ name }) => name));

/** What differs from the expectation, '' when nothing does. */
export function mismatch(expected: Case['expect'], got: Result): string {
  if (got.verdict !== expected.verdict) return `verdict ${got.verdict}, expected ${expected.verdict}; log ${got.log.join(' ')}`;
  const reset = expected.verdict === 'reset';
  for (const side of ['toServer', 'toClient'] as const) {
    const same = reset ? expected[side].startsWith(got[side]) : expected[side] === got[side];
    if (!same) return `${side} ${JSON.stringify(got[side])}, expected ${JSON.stringify(expected[side])}`;
  }
  const rest = [...got.log];
  for (const name of expected.log) {
    const at = rest.indexOf(name);
    if (at < 0) return `log lacks ${name}: ${got.log.join(' ')}`;
    rest.splice(at, 1);
  }
  const surplus = rest.filter((name) => !INFO.has(name));
  return surplus.length === 0 ? '' : `log has also ${surplus.join(' ')}`;
}

const MASK_NAMES = new Set([
  'cmd.bare-newline',
  'cmd.control-char',
  'cmd.8bit',
  'cmd.syntax',
  'cmd.illegal',
  'cmd.not-offered',
  'bdat.syntax',
  'addr.expansion',
  'addr.syntax',
  'param.syntax',
  'param.not-negotiated',
  'auth.syntax',
]);
const RESET_NAMES = new Set(['cmd.too-long', 'addr.too-long', 'rcpt.limit', 'sig.3101', 'sig.3102', 'sig.3104']);

/** Events as compared between two cuts: without the late masks, causes of a mask and of a line's reset as one name each. */
function comparable(log: readonly string[]): string[] {
  return log
    .filter((name) => name !== 'cmd.late-mask')
    .map((name) => (MASK_NAMES.has(name) ? 'MASK' : RESET_NAMES.has(name) ? 'RESET' : name))
    .sort();
}

/**
 * Compares a cut transcript with the uncut one.  `client` is what the client sent.  Returns '' or the difference.  Not compared
 * where a line that was masked late and that the server may obey was not answered by a refusal: `obeyed`.
 */
export function cutMismatch(client: string, uncut: Result, cut: Result): string {
  if (uncut.verdict !== cut.verdict) return `verdict ${cut.verdict}, uncut ${uncut.verdict} (${cut.log.join(' ')})`;
  if (uncut.toClient !== cut.toClient) return `toClient ${JSON.stringify(cut.toClient)}, uncut ${JSON.stringify(uncut.toClient)}`;
  const reset = uncut.verdict === 'reset';
  if (!reset && uncut.toServer.length !== cut.toServer.length)
    return `toServer ${cut.toServer.length} octets, uncut ${uncut.toServer.length}`;
  if (cut.toServer.length < uncut.toServer.length) return 'toServer shorter than uncut';
  let late = 0;
  let prefix = true;
  let shown = false;
  for (let i = 0; i < uncut.toServer.length; i++) {
    const a = uncut.toServer[i]!;
    const b = cut.toServer[i]!;
    if (client[i] === '\n' && i > 0 && client[i - 1] === '\r') {
      if (shown) late++;
      prefix = true;
      shown = false;
    }
    if (a === b) {
      if (a === 'x' && client[i] !== 'x') prefix = false;
      continue;
    }
    const sent = client[i] === '|' || client[i] === '`' ? ' ' : client[i]!;
    if (a !== 'x' || (b !== sent && b !== client[i]))
      return `octet ${i}: ${JSON.stringify(b)}, uncut ${JSON.stringify(a)}, sent ${JSON.stringify(client[i])}`;
    if (!prefix) return `octet ${i}: ${JSON.stringify(b)} behind a mask octet`;
    shown = true;
  }
  const lateLogged = cut.log.filter((name) => name === 'cmd.late-mask').length;
  if (!reset && lateLogged < late) return `${late} lines masked late, ${lateLogged} logged`;
  const wanted = comparable(uncut.log);
  const have = comparable(cut.log);
  if (reset) {
    const extra = [...have];
    for (const name of wanted) {
      const at = extra.indexOf(name);
      if (at < 0) return `log lacks ${name}: ${cut.log.join(' ')}, uncut ${uncut.log.join(' ')}`;
      extra.splice(at, 1);
    }
    if (extra.length > 1 || (extra.length === 1 && extra[0] !== 'MASK')) return `log has also ${extra.join(' ')}`;
    return '';
  }
  if (wanted.join() !== have.join()) return `log ${have.join(' ')}, uncut ${wanted.join(' ')}`;
  return uncut.held.join() === cut.held.join() ? '' : `held ${cut.held.join()}, uncut ${uncut.held.join()}`;
}

/**
 * True when the cut shows a line as masked late that begins with a verb which steers what follows, so that the server may
 * obey it.  The statement about cuts holds for it only once the server has refused it.
 */
export function steeredLate(uncut: Result, cut: Result): boolean {
  let start = 0;
  for (const line of cut.toServer.split('\r\n')) {
    const other = uncut.toServer.slice(start, start + line.length);
    if (line !== other && /(?:HELO|EHLO|DATA|AUTH|STARTTLS)(?:[ \t]|$)/i.test(line)) return true;
    start += line.length + 2;
  }
  return false;
}
