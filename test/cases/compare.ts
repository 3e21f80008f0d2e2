// Holds what was observed against what a case expects.

import { REASONS } from '../../src/telemetry/reasons.ts';
import type { Case, Emit, Expectation, Fate, Strongest } from './format.ts';

export interface Observed {
  readonly toServer: string;
  readonly toClient: string;
  readonly verdict: Strongest;
  readonly log: readonly string[];
  readonly perPacket: readonly Fate[];
  readonly emits: readonly Emit[];
  readonly resetTimes: readonly number[];
  readonly dropped: number;
  readonly halfOpen: number;
  /** What must never happen: receivers that disagree, wrong checksums, frames that are not accounted for. */
  readonly problems: readonly string[];
  /** The frame that left, hex, of a frame case. */
  readonly frame?: string;
}

/** Names that a case's log may hold; others (frames of a session that was reset, say) are no part of it. */
const LOG_PREFIXES =
  /^(cmd|addr|param|rcpt|sync|pipeline|data|sig|header|mime|bdat|auth|starttls|tls|ehlo|banner|reply|tcp|ip|ip6|vlan|flood|time)\./;
const INFORMATION = new Set(REASONS.filter(({ level }) => level === 'info').map(({ name }) => name));

/** What the firewall tells apart and the collection of cases does not. */
const BROADER: Readonly<Record<string, string>> = {
  'ip.bad-version': 'ip.bad-length',
  'ip.bad-header-length': 'ip.bad-length',
  'ip6.bad-length': 'ip.bad-length',
  'tcp.truncated': 'tcp.bad-offset',
  'tcp.window-scale': 'tcp.bad-option',
};

/** One line for each difference; none: the case has passed. */
export function differences({ expect, recipe }: Case, seen: Observed): string[] {
  return [
    ...seen.problems,
    ...compareStream('toServer', expect, expect.toServer, seen.toServer),
    ...compareStream('toClient', expect, expect.toClient, seen.toClient),
    ...compareValue('verdict', expect.verdict, seen.verdict),
    ...compareLog(expect.log, seen.log, recipe?.repeat !== undefined),
    ...compareFates(expect, seen.perPacket),
    ...compareEmits(expect.emits, seen.emits),
    ...(expect.dropped === undefined ? [] : compareValue('dropped', expect.dropped, seen.dropped)),
    ...(expect.halfOpenAfter === undefined ? [] : compareValue('half-open sessions', expect.halfOpenAfter, seen.halfOpen)),
    ...(expect.resetAt === undefined ? [] : compareReset(expect.resetAt, seen.resetTimes)),
  ];
}

export function compareValue(what: string, expected: unknown, seen: unknown): string[] {
  return expected === seen ? [] : [`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(seen)}`];
}

/** After a reset less may have been released than could have been. */
function compareStream(what: string, { verdict }: Expectation, expected: string, seen: string): string[] {
  if (verdict === 'reset' && expected.startsWith(seen)) return [];
  return compareValue(what, expected, seen);
}

function compareLog(expected: readonly string[], seen: readonly string[], isFlood: boolean): string[] {
  // A flood repeats its event for every victim; the case names it once.
  const relevant = (isFlood ? [...new Set(seen)] : seen).filter((name) => LOG_PREFIXES.test(name));
  const missing = [...expected];
  const extra: string[] = [];
  for (const name of relevant) {
    const at = missing.includes(name) ? missing.indexOf(name) : missing.indexOf(BROADER[name] ?? name);
    if (at >= 0) missing.splice(at, 1);
    else if (!INFORMATION.has(name)) extra.push(name);
  }
  return [
    ...(missing.length === 0 ? [] : [`log: missing ${missing.join(', ')}`]),
    ...(extra.length === 0 ? [] : [`log: not expected ${extra.join(', ')}`]),
  ];
}

function compareFates({ perPacket, perPacketLast }: Expectation, seen: readonly Fate[]): string[] {
  if (perPacketLast !== undefined) return compareValue('fate of the last packet', perPacketLast, seen.at(-1));
  if (perPacket === undefined) return [];
  const lines = perPacket.flatMap((fate, i) => compareValue(`fate of packet ${i + 1}`, fate, seen[i]));
  return seen.length === perPacket.length ? lines : [...lines, `${perPacket.length} packets expected, ${seen.length} were fed`];
}

/** What left later than at 0, joined where it left at the same time to the same side. */
function compareEmits(expected: readonly Emit[] | undefined, seen: readonly Emit[]): string[] {
  if (expected === undefined) return [];
  const joined = (emits: readonly Emit[]): string => {
    const lines = new Map<string, string>();
    for (const { t, to, data } of emits) if (t > 0) lines.set(`${t} ${to}`, (lines.get(`${t} ${to}`) ?? '') + data);
    const texts = [...lines].map(([at, data]) => `${at} ${JSON.stringify(data)}`);
    return texts.sort((a, b) => parseFloat(a) - parseFloat(b) || (a < b ? -1 : 1)).join('; ');
  };
  return compareValue('emits', joined(expected), joined(seen));
}

function compareReset(expected: number, seen: readonly number[]): string[] {
  return seen.length > 0 && seen.every((time) => time === expected)
    ? []
    : [`reset: expected at ${expected} ms, got ${seen.join(', ') || 'none'}`];
}
