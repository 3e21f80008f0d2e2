// What a case may say.  A key or a value that the runner would not honour fails the case, so that none passes for the wrong reason.

import type { Case, CaseConfig, Expectation, Packet, Recipe, TimedEvent } from './format.ts';

type Test = (value: unknown) => boolean;
type Keys<T> = Readonly<Record<keyof T, Test>>;

const any: Test = () => true;
const flag: Test = (value) => typeof value === 'boolean';
const count: Test = (value) => Number.isInteger(value) && (value as number) >= 0;
const text: Test = (value) => typeof value === 'string';
/** One octet a character: ISO-8859-1. */
const octets: Test = (value) => typeof value === 'string' && /^[\0-\xff]*$/.test(value);
const hex: Test = (value) => typeof value === 'string' && /^(?:[0-9a-f]{2})*$/i.test(value);
const oneOf =
  (...values: readonly unknown[]): Test =>
  (value) =>
    values.includes(value);
const list =
  (test: Test, length?: number): Test =>
  (value) =>
    Array.isArray(value) && value.every(test) && (length === undefined || value.length === length);
const object =
  <T>(keys: Keys<T>): Test =>
  (value) =>
    unknownKeys('', value, keys).length === 0;
const countOrOff: Test = (value) => count(value) || value === 'off';

const CONFIG: Keys<Required<CaseConfig>> = {
  profile: oneOf('cbac', 'mailguard'),
  allowTls: flag,
  extensions: list(text),
  maskBanner: flag,
  maxRcpt: count,
  maxInvalidRcpt: countOrOff,
  maxChunk: count,
  maxReceived: count,
  signatures: flag,
  holdMs: count,
  oooBytes: count,
  oooSegments: count,
  oooTimeoutMs: count,
  fragMax: count,
  fragTimeoutMs: count,
  mssClamp: countOrOff,
  synTimeoutMs: count,
  idleTimeoutMs: count,
  lineTimeoutMs: count,
  dataIdleMs: count,
  maxHalfOpenHigh: count,
  maxHalfOpenLow: count,
  maxConnPerSource: count,
  maxRatePerSource: count,
  rateWindowMs: count,
};

const SEGMENT = {
  flags: (value: unknown) => typeof value === 'string' && /^[FSRPAUEC]*$/.test(value),
  seq: Number.isInteger,
  ack: Number.isInteger,
  data: octets,
  win: count,
  ttl: count,
  urg: count,
  ts: list(count, 2),
  wscale: count,
  mss: count,
  isn: count,
  isnAbs: count,
  badCsum: flag,
  doff: count,
  opts: hex,
  badOptLen: flag,
  stripOpts: flag,
  md5: flag,
  tfo: flag,
  rsv: count,
  sack: list(list(count, 2)),
};

const FRAGMENT = { id: count, off: count, len: count, mf: oneOf(0, 1), override: object({ at: count, data: octets }) };

const PACKET: Keys<Required<Packet>> = {
  ...SEGMENT,
  dir: oneOf('c2s', 's2c'),
  frag: object(FRAGMENT),
  full: object(SEGMENT),
  recipe: text,
  l2drop: text,
};

const EVENT: Keys<Required<TimedEvent>> = {
  ...PACKET,
  t: count,
  from: oneOf('c', 's'),
  handshake: flag,
  greeting: flag,
  state: oneOf('DATA'),
  tick: flag,
};

const RECIPE: Keys<Required<Recipe>> = {
  events: list(object(EVENT)),
  repeat: count,
  packet: object(PACKET),
  conversation: oneOf('SYN..FIN complete'),
  t: list(count, 2),
  src: text,
  srcFrom: text,
};

const FATE = oneOf('fwd', 'fix', 'hold', 'drop', 'reset');

const EXPECTATION: Keys<Required<Expectation>> = {
  toServer: octets,
  toClient: octets,
  verdict: oneOf('pass', 'drop', 'mask', 'reset'),
  log: list(text),
  perPacket: list(FATE),
  perPacketLast: FATE,
  emits: list(object({ t: count, to: oneOf('c', 's'), data: octets })),
  halfOpenAfter: count,
  dropped: count,
  resetAt: count,
  tcpChecksumIn: hex,
  tcpChecksumOut: hex,
};

const CASE: Keys<Required<Case>> & Readonly<Record<string, Test>> = {
  id: text,
  title: text,
  mode: oneOf('smtp', 'esmtp', 'both'),
  kind: oneOf('stream', 'packets', 'frame', 'timing'),
  config: any,
  server: list(object({ from: oneOf('c', 's'), data: octets })),
  packets: any,
  frameIn: hex,
  frameOut: hex,
  events: any,
  recipe: any,
  expect: any,
  // Said for the reader; `pre` is the state that every case of its kind begins in.
  client: any,
  pre: (value) => typeof value === 'string' && /greeting and HELO reply already passed/.test(value),
  refs: any,
  decision: any,
  note: any,
  scapy: any,
};

function unknownKeys<T>(where: string, value: unknown, keys: Keys<T>): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${where} is no object`];
  return Object.entries(value).flatMap(([key, given]) => {
    const test = (keys as Readonly<Record<string, Test>>)[key];
    if (test !== undefined && test(given)) return [];
    const problem = test === undefined ? 'not understood' : `${JSON.stringify(given)} not understood`;
    return [`${where === '' ? '' : `${where}.`}${key}: ${problem}`];
  });
}

/** What the runner does not understand of a case; none: it is honoured whole. */
export function notUnderstood(one: Case): string[] {
  return [
    ...unknownKeys('', one, CASE),
    ...unknownKeys('config', one.config ?? {}, CONFIG),
    ...unknownKeys('expect', one.expect, EXPECTATION),
    ...(one.packets ?? []).flatMap((packet, i) => unknownKeys(`packets[${i}]`, packet, PACKET)),
    ...(one.events ?? []).flatMap((event, i) => unknownKeys(`events[${i}]`, event, EVENT)),
    ...(one.recipe === undefined ? [] : unknownKeys('recipe', one.recipe, RECIPE)),
    ...missing(one),
  ];
}

/** Parts that a kind cannot do without. */
function missing({ kind, server, packets, frameIn, frameOut, events, recipe }: Case): string[] {
  if (kind === 'stream') return server === undefined ? ['server is missing'] : [];
  if (kind === 'packets') return packets === undefined ? ['packets is missing'] : [];
  if (kind === 'frame') return frameIn === undefined || frameOut === undefined ? ['frameIn or frameOut is missing'] : [];
  return events === undefined && recipe === undefined ? ['events or recipe is missing'] : [];
}
