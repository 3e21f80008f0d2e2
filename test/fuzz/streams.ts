// Fuzz target: hostile TCP through the whole path, an input a conversation.  Each step of eight octets is a segment of either side
// (true or forged octets, any numbers, flags and windows), the same in fragments, or time that passes.
//
// Whatever comes: frames are accounted for (the box checks it), a receiver that keeps the first copy of an octet and one that
// keeps the last have the same stream, no command that is masked reaches the server, nothing leaves beyond a window that was offered,
// and what is kept of the session goes with it.

import { CLOSED } from '../../src/session/record.ts';
import {
  FRAGMENT_OCTETS,
  HELD_FRAMES,
  OUT_OF_ORDER_OCTETS,
  SESSIONS_CURRENT,
  STORE_OCTETS,
  WAITING_OCTETS,
} from '../../src/telemetry/counters.ts';
import { fuzz, must } from '../fuzzing.ts';
import { Box } from '../path/box.ts';
import { Conversation, mailPair, PAIR_ENDS, type Part } from '../path/conversation.ts';
import { fragmentsOf } from '../path/offload.ts';
import { ISNS } from '../stream/dialogue.ts';

const STEP = 8;
const CONFIG = mailPair(
  'ip inspect tcp store out-of-order 600',
  'ip inspect tcp reassembly queue length 5',
  'ip inspect tcp store synchronising 300',
  'ip inspect tcp idle-time 20',
  'ip inspect max-sessions 4',
);
/** What honest hosts would say, and what a forger says at the same numbers.  Nothing here opens mail data, where anything passes. */
const TEXTS = [
  'HELO a\r\nNOOP\r\nVRFY b\r\nEXPN root\r\nRSET\r\nHELP\r\n'.repeat(20),
  '220 mx\r\n250 mx\r\n250 ok\r\n500 no\r\n'.repeat(30),
] as const;
const FORGED = ['EXPN root\r\nEXPN\r\n'.repeat(60), '250-x\r\n250 EXPN\r\n'.repeat(60)] as const;
const FLAGS = ['A', 'PA', 'PA', 'PA', 'PA', 'FA', 'RA', 'S', 'SA', 'UPA', 'R', 'FSRPAU'] as const;

/** Segment of client and server, same in fragments, time; flags, number, length, forged, acknowledgement, window. */
const step = (kind: number, flags: number, seq: number, length: number, more = 0, ack = 0, window = 255): number[] => [
  kind,
  flags,
  seq >> 8,
  seq & 255,
  length,
  more,
  ack,
  window,
];
const opening = [...step(1, 1, 0, 8), ...step(0, 1, 0, 8), ...step(1, 1, 8, 8), ...step(0, 0, 8, 0)];
const corpus = [
  [...opening, ...step(0, 1, 8, 14), ...step(0, 1, 8, 14, 1), ...step(1, 1, 16, 16), ...step(0, 5, 22, 20)],
  [...opening, ...step(0, 1, 30, 20), ...step(0, 1, 20, 20, 1), ...step(0, 1, 8, 60), ...step(1, 0, 16, 0)],
  [...opening, ...step(2, 1, 8, 90), ...step(2, 1, 8, 90, 3), ...step(3, 0, 0, 200), ...step(0, 1, 8, 90)],
  [...opening, ...step(0, 1, 8, 9, 0, 3), ...step(0, 9, 12, 9, 0, 0, 0), ...step(1, 6, 16, 0), ...step(0, 1, 8, 9)],
  [...step(0, 1, 0, 200), ...step(1, 1, 0, 8), ...step(0, 5, 200, 10), ...step(1, 5, 8, 10), ...step(3, 0, 0, 255)],
].map((octets) => new Uint8Array(octets));

const box = new Box(CONFIG);
let port = 2000;

function act(c: Conversation, octets: Uint8Array): void {
  const [kind = 0, flags = 0, high = 0, low = 0, length = 0, more = 0, ack = 0, window = 0] = octets;
  if (kind % 4 === 3) {
    box.wait(length * 20);
    return;
  }
  const direction = kind % 4 === 1 ? 1 : 0;
  const texts = (more & 1) === 0 ? TEXTS : FORGED;
  const from = ((high << 8) | low) % texts[direction]!.length;
  const bits = FLAGS[flags % FLAGS.length]!;
  const isSyn = bits.includes('S');
  const part: Part = {
    seq: isSyn ? 0 : from + 1,
    ack: 1 + c.received(1 - direction).length + (ack < 128 ? 0 : ack - 192),
    flags: bits,
    win: window << 3,
    ...(bits !== 'A' && { data: texts[direction]!.slice(from, from + length) }),
  };
  if (kind % 4 !== 2) c.send(direction, part);
  else sendFragments(c, part, more);
}

/** In three pieces, in an order and with a copy or an overlap that `more` says. */
function sendFragments(c: Conversation, part: Part, more: number): void {
  const whole = c.frame(0, { ...part, id: port });
  if (whole.length < 34 + 72) return;
  const pieces = fragmentsOf(whole, [24, 48]);
  const turned = [...pieces.slice(more % 3), ...pieces.slice(0, more % 3)];
  if ((more & 16) !== 0) turned.push(turned[0]!);
  if ((more & 32) !== 0) turned.splice(1, 0, fragmentsOf(whole, [32])[1]!);
  box.send('Ethernet0', ...turned);
}

/** The right edges that each side has offered in what left. */
class Edges {
  isReset = false;
  private readonly c: Conversation;
  private readonly edge: [number, number] = [-0x7fff_ffff, -0x7fff_ffff];

  constructor(c: Conversation) {
    this.c = c;
  }

  look(from: Box): void {
    this.c.deliver(from.left);
    for (const octets of from.left) this.lookAt(octets);
    from.left = [];
    from.handed = [];
  }

  private lookAt(octets: Uint8Array): void {
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    const { port: client = 0 } = this.c.ends;
    if ((view.getUint16(20) & 0x1fff) !== 0 || (view.getUint16(34) !== client && view.getUint16(36) !== client)) return;
    const direction = view.getUint16(34) === client ? 0 : 1;
    const flags = octets[47]!;
    if ((flags & 4) !== 0) {
      this.isReset = true;
      return;
    }
    const end = (view.getInt32(38) - this.c.isn[direction]! - 1 + view.getUint16(16) - 20 - ((octets[46]! >> 4) << 2)) | 0;
    if (view.getUint16(16) - 20 > (octets[46]! >> 4) << 2) must(end <= this.edge[direction]!, 'octets beyond the window');
    if ((flags & 16) === 0) return;
    const offered = ((view.getInt32(42) - this.c.isn[1 - direction]! - 1) | 0) + view.getUint16(48);
    this.edge[1 - direction] = Math.max(this.edge[1 - direction]!, offered);
  }
}

/** The session ends by a reset or by its time; then nothing is kept. */
function end(c: Conversation): void {
  const { plane } = box.engine;
  c.send(0, { seq: 1 + c.received(0).length, ack: 1 + c.received(1).length, flags: 'RA' });
  box.wait(25_000);
  box.wait(3_700_000);
  const { counters, sessions } = plane;
  for (let s = 0; s < sessions.highest; s++) must(sessions.state(s) === 0 || sessions.state(s) >= CLOSED, 'a session that does not end');
  for (const gauge of [HELD_FRAMES, STORE_OCTETS, OUT_OF_ORDER_OCTETS, WAITING_OCTETS, FRAGMENT_OCTETS])
    must(counters[gauge] === 0, `gauge ${gauge} is ${counters[gauge]}`);
  must(plane.frames.slotsInUse === 0, 'a slot was not given back');
  while (plane.events.peek() >= 0) plane.events.advance();
  box.left = [];
  box.handed = [];
}

fuzz('streams', corpus, (input) => {
  port = port === 60_000 ? 2000 : port + 1;
  const c = new Conversation(box, { ...PAIR_ENDS, port, isn: ISNS[input.length % ISNS.length]! });
  c.open();
  const edges = new Edges(c);
  edges.look(box);
  // What comes behind the end of the session belongs to another one, with other octets.
  for (let at = 0; at + STEP <= input.length && !edges.isReset && box.engine.plane.counters[SESSIONS_CURRENT] === 1; at += STEP) {
    act(c, input.subarray(at, at + STEP));
    edges.look(box);
    must(!/(?:^|\n)EXPN/.test(c.received(0)), 'a command that is masked came through');
    c.received(1);
  }
  end(c);
});
