// Runs one case in one mode through the firewall, frames in, frames out, and says how it differs from what it expects.

import * as counters from '../../src/telemetry/counters.ts';
import { SESSION_ENDED } from '../../src/telemetry/reasons.ts';
import { CaseEngine, casePolicy, INSIDE, OUTSIDE, type Step, type Topology } from './case-engine.ts';
import { notUnderstood } from './check.ts';
import { compareValue, differences, type Observed } from './compare.ts';
import { Conversation, type Flow, PLAIN_SCENE, type Scene } from './conversation.ts';
import type { Case, Fate, Mode, Packet, Recipe, Strongest, TimedEvent } from './format.ts';
import { datagramOf, hex, hexOf, segmentOf, textOf } from './frames.ts';
import { fateOf, frameOfPacket, noteOriginal, octetsLeft, segmentOfPacket, senderOf } from './packets.ts';

/** One line for each difference; none: passed. */
export function runCase(one: Case, mode: Mode): string[] {
  const strange = notUnderstood(one);
  if (strange.length > 0) return strange;
  const firewall = new CaseEngine(casePolicy(mode, topologyOf(one), one.config ?? {}));
  try {
    if (one.kind === 'stream') return runStream(one, firewall);
    if (one.kind === 'packets') return runPackets(one, firewall);
    if (one.kind === 'frame') return runFrame(one, firewall);
    if (one.recipe?.repeat !== undefined) return runFlood(one, one.recipe, one.recipe.repeat, firewall);
    return runEvents(one, one.recipe?.events ?? one.events ?? [], firewall);
  } catch (error) {
    return [(error as Error).stack ?? String(error)];
  } finally {
    firewall.close();
  }
}

/** Land and martian checks, and translation, need a routed firewall; everything else is bridged. */
function topologyOf(one: Case): Topology {
  if (one.kind === 'frame' && one.frameOut!.slice(0, 24) !== one.frameIn!.slice(0, 24)) return 'nat';
  return one.packets?.some(({ l2drop }) => l2drop === 'ip.land' || l2drop === 'ip.martian') === true ? 'routed' : 'bridge';
}

const ROUTED_SCENE: Scene = { ...PLAIN_SCENE, serverLink: hex('020000000003020000000004') };

interface Extra {
  readonly perPacket?: readonly Fate[];
  readonly frame?: string;
  /** Octets of each direction that belong to the state before the case. */
  readonly before?: readonly [number, number];
}

function observe(talk: Conversation, { perPacket = [], frame, before = [0, 0] }: Extra = {}): Observed {
  const { firewall } = talk;
  return {
    toServer: textOf(talk.client.receiver.stream.subarray(before[0])),
    toClient: textOf(talk.server.receiver.stream.subarray(before[1])),
    verdict: verdictOf(talk),
    log: firewall.log,
    perPacket,
    emits: talk.emits,
    resetTimes: [...talk.resets[OUTSIDE], ...talk.resets[INSIDE]],
    dropped: firewall.counter(counters.DROPPED_FRAMES),
    halfOpen: firewall.counter(counters.SESSIONS_HALF_OPEN),
    problems: [...new Set(talk.problems)],
    ...(frame === undefined ? {} : { frame }),
  };
}

function verdictOf(talk: Conversation): Strongest {
  const { firewall } = talk;
  if (talk.resets[OUTSIDE].length > 0 && talk.resets[INSIDE].length > 0) return 'reset';
  const masked = firewall.counter(counters.SMTP_MASKED_COMMANDS) + firewall.counter(counters.SMTP_MASKED_REPLIES);
  if (masked > 0 || wasEdited(talk.client) || wasEdited(talk.server)) return 'mask';
  const isFlood = firewall.log.some((name) => name.startsWith('flood.'));
  // Frames that were held when their sender gave up were not discarded by the firewall.
  const dropped = firewall.counter(counters.DROPPED_FRAMES) - firewall.counter(counters.DROPS + SESSION_ENDED);
  return isFlood || dropped > 0 ? 'drop' : 'pass';
}

function wasEdited({ receiver, original }: Flow): boolean {
  return receiver.stream.some((octet, i) => original[i] !== undefined && original[i] !== octet);
}

function runStream(one: Case, firewall: CaseEngine): string[] {
  const talk = new Conversation(firewall);
  talk.handshake();
  for (const { from, data } of one.server) if (!talk.wasReset) talk.say(from, data);
  return differences(one, observe(talk));
}

function runPackets(one: Case, firewall: CaseEngine): string[] {
  const packets = one.packets ?? [];
  const isnOf = (dir: Packet['dir'], fallback: number): number => {
    const own = packets.filter((packet) => packet.dir === dir);
    return own.find(({ isnAbs }) => isnAbs !== undefined)?.isnAbs ?? own.find(({ isn }) => isn !== undefined)?.isn ?? fallback;
  };
  const scene = topologyOf(one) === 'routed' ? ROUTED_SCENE : PLAIN_SCENE;
  const talk = new Conversation(firewall, scene, isnOf('c2s', 100_000), isnOf('s2c', 500_000));
  const perPacket = packets.map((packet) => feedPacket(talk, packet, firewall.now).fate);
  return differences(one, observe(talk, { perPacket }));
}

/** One packet and what became of it. */
function feedPacket(talk: Conversation, packet: Packet, time: number): { fate: Fate; step: Step } {
  const from = senderOf(packet);
  const own = talk.flowOf(from);
  const segment = segmentOfPacket(talk, packet);
  const step = talk.feed(from, frameOfPacket(talk, packet), time);
  const fate = fateOf(own, segment, step);
  noteOriginal(own, segment, fate, octetsLeft(own, segment, step));
  return { fate, step };
}

/** The conversation that a frame stands in, read from the frame: the next numbers of both sides are its own. */
function sceneOf(frameIn: Uint8Array, frameOut: Uint8Array): { scene: Scene; seq: number; ack: number; hasTimestamps: boolean } {
  const before = datagramOf(frameIn)!;
  const after = datagramOf(frameOut)!;
  const segment = segmentOf(before);
  const headerLength = hexOf(frameIn).indexOf(hexOf(before.src)) / 2 - (before.src.length === 4 ? 12 : 8) - 2;
  const link = frameIn.slice(0, headerLength);
  const outLink = frameOut.slice(0, headerLength);
  const back = Uint8Array.from([...outLink.slice(6, 12), ...outLink.slice(0, 6), ...link.slice(12)]);
  const scene: Scene = {
    clientLink: link,
    clientAddr: before.src,
    serverAddr: before.dst,
    clientPort: segment.srcPort,
    serverPort: segment.dstPort,
    serverLink: back,
    serverOwnAddr: after.dst,
    window: segment.window,
  };
  return { scene, seq: segment.seq, ack: segment.ack, hasTimestamps: segment.options.length === 12 };
}

const GREETING = '220 mx.example.net ESMTP\r\n';
const HELLO = 'HELO client.example.org\r\n';
const HELLO_REPLY = '250 mx.example.net\r\n';

function runFrame(one: Case, firewall: CaseEngine): string[] {
  const frameIn = hex(one.frameIn!);
  const { scene, seq, ack, hasTimestamps } = sceneOf(frameIn, hex(one.frameOut!));
  const isn = [(seq - 1 - HELLO.length) | 0, (ack - 1 - GREETING.length - HELLO_REPLY.length) | 0] as const;
  const talk = new Conversation(firewall, scene, isn[0], isn[1]);
  if (hasTimestamps) talk.timestamps = { client: 0x0f00, server: 0x2000 };
  bringTo(talk, 'greeted');
  const before = [HELLO.length, GREETING.length + HELLO_REPLY.length] as const;
  firewall.mark();
  one.server.forEach(({ data }) =>
    [...data].forEach((c, i) => {
      talk.client.original[before[0] + i] = c.charCodeAt(0);
    }),
  );
  const { sent } = talk.feed('c', frameIn);
  const frames = sent[INSIDE].map(({ octets }) => hexOf(octets));
  const { tcpChecksumIn, tcpChecksumOut } = one.expect;
  return [
    ...differences(one, observe(talk, { before })),
    ...compareValue('frame', one.frameOut, frames.join(' ')),
    ...(tcpChecksumIn === undefined ? [] : compareValue('checksum of the frame that goes in', tcpChecksumIn, checksumOf(one.frameIn!))),
    ...(tcpChecksumOut === undefined || frames.length !== 1 ? [] : compareValue('checksum', tcpChecksumOut, checksumOf(frames[0]!))),
  ];
}

function checksumOf(frame: string): string {
  return hexOf(datagramOf(hex(frame))!.payload.slice(16, 18));
}

/** Talks until the conversation is where a case begins. */
function bringTo(talk: Conversation, state: 'open' | 'banner' | 'greeted' | 'data'): void {
  talk.handshake();
  if (state === 'open') return;
  talk.say('s', GREETING);
  if (state === 'banner') return;
  talk.say('c', HELLO);
  talk.say('s', HELLO_REPLY);
  if (state === 'greeted') return;
  for (const [client, server] of [
    ['MAIL FROM:<a@example.org>\r\n', '250 ok\r\n'],
    ['RCPT TO:<b@example.net>\r\n', '250 ok\r\n'],
    ['DATA\r\n', '354 go\r\n'],
  ] as const) {
    talk.say('c', client);
    talk.say('s', server);
  }
}

/** The time after which nothing is expected any more. */
function lastTime(one: Case, events: readonly TimedEvent[]): number {
  return Math.max(0, one.expect.resetAt ?? 0, ...events.map(({ t }) => t), ...(one.expect.emits ?? []).map(({ t }) => t));
}

/** Turns of a conversation that is open from the start, or packets and states of one that begins with them. */
function runEvents(one: Case, events: readonly TimedEvent[], firewall: CaseEngine): string[] {
  const talk = new Conversation(firewall);
  const perPacket: Fate[] = [];
  let before: [number, number] = [0, 0];
  if (events[0]?.from !== undefined) talk.handshake();
  for (const event of events) {
    // What a timer lets go is acknowledged before the next event.
    talk.advance(event.t);
    if (event.handshake === true || event.state !== undefined) {
      bringTo(talk, event.state === 'DATA' ? 'data' : event.greeting === true ? 'banner' : 'open');
      before = [talk.client.receiver.stream.length, talk.server.receiver.stream.length];
      // Relative numbers of the events count from here.
      firewall.mark();
    } else if (talk.wasReset) continue;
    else if (event.from !== undefined) talk.say(event.from, event.data ?? '', event.t);
    else if (event.dir !== undefined) perPacket.push(feedTimed(talk, event));
    else if (event.tick !== true) throw new Error(`event at ${event.t} ms: nothing happens`);
  }
  talk.advance(lastTime(one, events));
  return differences(one, observe(talk, { perPacket, before }));
}

/** Without a number of its own a packet goes on where its sender is. */
function feedTimed(talk: Conversation, event: TimedEvent): Fate {
  const packet = event as Packet;
  const own = talk.flowOf(senderOf(packet));
  const isControl = packet.flags?.includes('S') === true;
  const placed: Packet =
    packet.seq !== undefined || packet.frag !== undefined ? packet : { ...packet, seq: isControl ? 0 : 1 + Math.max(0, own.next) };
  const { fate } = feedPacket(talk, placed, event.t);
  if (packet.seq === undefined && packet.frag === undefined) own.next = Math.max(0, own.next) + (packet.data ?? '').length;
  return fate;
}

/** Address `n` of a prefix, or the one address. */
function sourceOf({ src, srcFrom }: Recipe, n: number): Uint8Array {
  const octets = (src ?? srcFrom ?? '198.51.100.7').split('/')[0]!.split('.').map(Number);
  const base = octets.reduce((value, octet) => value * 256 + octet, 0) + (src === undefined ? n : 0);
  return Uint8Array.of(base >>> 24, (base >>> 16) & 255, (base >>> 8) & 255, base & 255);
}

function runFlood(one: Case, recipe: Recipe, repeat: number, firewall: CaseEngine): string[] {
  const [first, last] = recipe.t ?? [0, 0];
  const perPacket: Fate[] = [];
  let talk = new Conversation(firewall);
  for (let n = 0; n < repeat; n++) {
    const time = Math.floor(first + ((last - first) * n) / Math.max(1, repeat - 1));
    talk = new Conversation(firewall, { ...PLAIN_SCENE, clientAddr: sourceOf(recipe, n), clientPort: 20_000 + n }, 1000 + n, 900_000 + n);
    talk.advance(time);
    const { fate } = feedPacket(talk, { dir: 'c2s', flags: 'S', seq: 0, ...recipe.packet }, time);
    perPacket.push(fate);
    if (recipe.conversation !== undefined && fate === 'fwd') converse(talk);
  }
  const flooded = observe(talk, { perPacket });
  if (one.expect.halfOpenAfter === undefined) return differences(one, flooded);
  calmDown(talk, one.config?.maxHalfOpenLow ?? 400);
  return differences(one, { ...flooded, halfOpen: firewall.counter(counters.SESSIONS_HALF_OPEN) });
}

const MINUTE = 60_000;

/** Time passes until fewer than `low` sessions are half-open; then a request that makes nothing go any more. */
function calmDown({ firewall }: Conversation, low: number): void {
  const end = firewall.now + MINUTE;
  while (firewall.counter(counters.SESSIONS_HALF_OPEN) >= low && firewall.now < end) firewall.advance(firewall.now + 1);
  const late = new Conversation(firewall, { ...PLAIN_SCENE, clientPort: 10_000 });
  feedPacket(late, { dir: 'c2s', flags: 'S', seq: 0 }, firewall.now);
}

/** The rest of a conversation whose SYN has passed: open, closed by both ends. */
function converse(talk: Conversation): void {
  const packets: Packet[] = [
    { dir: 's2c', flags: 'SA', seq: 0, ack: 1 },
    { dir: 'c2s', flags: 'A', seq: 1, ack: 1 },
    { dir: 'c2s', flags: 'FA', seq: 1, ack: 1 },
    { dir: 's2c', flags: 'FA', seq: 1, ack: 2 },
    { dir: 'c2s', flags: 'A', seq: 2, ack: 2 },
  ];
  for (const packet of packets) feedPacket(talk, packet, talk.firewall.now);
}
