// What loss costs: throughput of a transfer between two model hosts by loss rate, alone and with an inspector between them.
//
// Time is simulated and chance is seeded, so the numbers are the same everywhere; they are kept here and must not become worse
// unnoticed.  The hosts: 16 segments of 1,000 octets in flight, an acknowledgement for each segment, the oldest segment again at
// the third duplicate acknowledgement and after 200 ms (doubled each time).  A round trip takes 20 ms, half of it on each side
// of the firewall, and each side loses at the rate given, in both directions.
// An inspector costs the fast retransmission when the loss is in front of it: what comes out of order is held, so that its
// receiver does not acknowledge it in duplicate, and only the time-out repeats the octets that are missing.

import t from 'tap';
import { seededRandom } from '../../src/port/fault.ts';
import { Dialogue } from './dialogue.ts';
import { ACK, Rig } from './harness.ts';

const SEGMENT = 1000;
const SEGMENTS = 200;
const FLIGHT = 16;
const HOP = 5;
const TIMEOUT = 200;
const SEEDS = 8;
const LINE = `${'o'.repeat(98)}\r\n`;
const TEXT = LINE.repeat((SEGMENT * SEGMENTS) / LINE.length);

interface Packet {
  readonly at: number;
  readonly place: 'firewall' | 'receiver' | 'sender';
  readonly direction: number;
  readonly seq: number;
  readonly ack: number;
  readonly data: string;
}

/** Simulated ms until the sender knows that all octets have arrived; checks that they are the right ones. */
function transfer(loss: number, seed: number, inspected: boolean): number {
  const random = seededRandom(seed);
  const rig = new Rig();
  rig.open();
  const dialogue = new Dialogue(rig, [0xffff_0000, 0x7fff_ff00]);
  let queue: Packet[] = [];
  let una = 0;
  let nxt = 0;
  let duplicates = 0;
  let timeout = TIMEOUT;
  let due = 0;
  const got = new Uint8Array(TEXT.length);
  let received = 0;
  let now = 0;

  const send = (packet: Omit<Packet, 'at'>): void => {
    if (random() >= loss) queue.push({ ...packet, at: now + HOP });
  };
  const emit = (from: number): void => send({ place: 'firewall', direction: 0, seq: from, ack: 0, data: TEXT.slice(from, from + SEGMENT) });
  const fill = (): void => {
    for (; nxt < TEXT.length && nxt - una < FLIGHT * SEGMENT; nxt += SEGMENT) emit(nxt);
  };
  const cross = ({ direction, seq, ack, data }: Packet): void => {
    const place = direction === 0 ? 'receiver' : 'sender';
    if (!inspected) {
      send({ place, direction, seq, ack, data });
      return;
    }
    const segment = direction === 0 ? { seq: seq + 1, data } : { flags: ACK, seq: 1, ack: ack + 1 };
    for (const e of dialogue.send(direction, segment)) {
      send({ place: e.direction === 0 ? 'receiver' : 'sender', direction: e.direction, seq: e.seq - 1, ack: e.ack - 1, data: e.data });
    }
  };
  const receive = ({ seq, data }: Packet): void => {
    if (data !== TEXT.slice(seq, seq + data.length)) throw new Error(`other octets at ${seq}`);
    got.fill(1, seq, seq + data.length);
    while (got[received] === 1) received++;
    send({ place: 'firewall', direction: 1, seq: 0, ack: received, data: '' });
  };
  const acknowledge = ({ ack }: Packet): void => {
    if (ack > una) {
      una = ack;
      duplicates = 0;
      timeout = TIMEOUT;
      due = now + timeout;
    } else if (ack === una && ++duplicates === 3) {
      emit(una);
    }
    fill();
  };

  fill();
  due = now + timeout;
  while (una < TEXT.length && now < 600_000) {
    queue.sort((a, b) => a.at - b.at);
    const next = queue[0];
    if (next === undefined || next.at > due) {
      now = due;
      emit(una);
      timeout *= 2;
      due = now + timeout;
      continue;
    }
    queue = queue.slice(1);
    if (next.at > now) rig.wait(next.at - now);
    now = next.at;
    if (next.place === 'firewall') cross(next);
    else if (next.place === 'receiver') receive(next);
    else acknowledge(next);
  }
  rig.close();
  if (received !== TEXT.length) throw new Error(`${received} octets arrived`);
  return now;
}

/** Kilobytes a second, two digits: the mean over the seeds. */
function rate(loss: number, inspected: boolean): number {
  let time = 0;
  for (let seed = 1; seed <= SEEDS; seed++) time += transfer(loss, seed, inspected);
  return Number(((TEXT.length * SEEDS) / time).toPrecision(2));
}

t.test('throughput by loss rate', async (t) => {
  const rows = [0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1].map((loss) => [loss, rate(loss, false), rate(loss, true)]);
  t.strictSame(rows, [
    // loss of each link, kilobytes a second alone, and inspected
    [0, 770, 770],
    [0.002, 740, 590],
    [0.005, 600, 320],
    [0.01, 380, 180],
    [0.02, 270, 130],
    [0.05, 77, 40],
    [0.1, 10, 9.9],
  ]);
});
