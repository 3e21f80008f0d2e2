// A data plane with any number of live UDP sessions, opened inside and translated, and frames of them at random.
//
// One session is opened by frames; the others are copies of its record under other keys, because a million of them would take
// longer to open than to measure.

import type { DataPlane } from '../src/path/data-plane.ts';
import { seededRandom } from '../src/port/fault.ts';
import { DST, PORTS, RECORD_SHIFT, RECORD_WORDS, REPLY_PORTS, REPLY_SRC } from '../src/session/record.ts';
import { Rig } from './rig.ts';
import { FrameBuilder } from './workload-frames.ts';
import type { StoredWorkload } from './workloads.ts';

const SERVICE = 5000;
const FRAME_OCTETS = 60;
/** 198.18.0.0/15, RFC 2544. */
const FIRST_HOST = 0xc612_0000 | 0;
const HOSTS = 1 << 17;
const PORT_COUNT = 60_000;
/** Records of the smallest session table. */
const LEAST_TABLE = 1_000;
const PAYLOAD = new Uint8Array(18);
/** Frames in front of the image that open the session which the others are made of. */
export const OPENING = 2;

/** Address of the outside host of session `k`; with portOf() different for every k below a million. */
export function hostOf(k: number): number {
  return FIRST_HOST + (Math.imul(k, 0x9e3779b1) & (HOSTS - 1));
}

export function portOf(k: number): number {
  return 1024 + ((k * 7919) % PORT_COUNT);
}

/** Ports word of a datagram from inside. */
export function portsOf(k: number): number {
  return (portOf(k) << 16) | SERVICE;
}

/** `size` sessions, numbered from 0; the image has `count` frames of them behind the OPENING, `replies` of them from outside. */
export function manySessions(size: number, count: number, replies: number, seed: number): Rig {
  const random = seededRandom(seed);
  const workload = frames(count + OPENING, (i) => {
    if (i < OPENING) return { k: 0, isReply: i === 1 };
    return { k: Math.floor(random() * size), isReply: random() < replies };
  });
  const rig = new Rig(workload, { sessions: Math.max(LEAST_TABLE, size) });
  rig.pass(0, OPENING);
  for (let k = 1; k < size; k++) copySession(rig.plane, k);
  return rig;
}

function frames(packets: number, choose: (i: number) => { k: number; isReply: boolean }): StoredWorkload {
  const builder = new FrameBuilder();
  const octets = packets * FRAME_OCTETS;
  const stored: StoredWorkload = {
    packets,
    octets,
    sessions: 0,
    frames: new Uint8Array(octets),
    offset: Float64Array.from({ length: packets }, (_, i) => i * FRAME_OCTETS),
    length: new Int32Array(packets).fill(FRAME_OCTETS),
    inbound: new Uint8Array(packets),
    time: new Int32Array(packets),
  };
  for (let i = 0; i < packets; i++) {
    const { k, isReply } = choose(i);
    const [src, dst] = isReply ? [SERVICE, portOf(k)] : [portOf(k), SERVICE];
    builder.udp(isReply ? 'outside' : 'inside', isReply, hostOf(k), src, dst, PAYLOAD);
    stored.frames.set(builder.octets.subarray(0, FRAME_OCTETS), i * FRAME_OCTETS);
    stored.inbound[i] = isReply ? 1 : 0;
  }
  return stored;
}

/** Session 0 under the key of session `k`. */
function copySession(plane: DataPlane, k: number): void {
  const { sessions } = plane;
  const session = sessions.allocate();
  if (session < 0) throw new Error('the session table is full');
  sessions.hot.copyWithin(session << RECORD_SHIFT, 0, RECORD_WORDS);
  const ports = portsOf(k);
  sessions.set(session, DST, hostOf(k));
  sessions.set(session, PORTS, ports);
  sessions.set(session, REPLY_SRC, hostOf(k));
  sessions.set(session, REPLY_PORTS, (ports << 16) | (ports >>> 16));
  sessions.epoch[session] = sessions.epoch[0]!;
  sessions.rule[session] = sessions.rule[0]!;
  sessions.idleTimeout[session] = sessions.idleTimeout[0]!;
  sessions.insert(session);
}
