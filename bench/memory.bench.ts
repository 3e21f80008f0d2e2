// Memory of idle inspected sessions: resident octets of the process that 100,000 of them add.

import { ACK, SYN } from '../src/wire/tcp.ts';
import type { BenchOptions, Gauge } from './bench.ts';
import { OUTSIDE, INSIDE } from './policy.ts';
import { Rig } from './rig.ts';
import { FrameBuilder } from './workload-frames.ts';
import type { StoredWorkload } from './workloads.ts';

const IDLE = 100_000;
const SMTP = 25;
const CLIENT_PORT = 40_000;
const CLIENT_ISS = 1_000;
const SERVER_ISS = 2_000;
/** 198.18.0.0/15, RFC 2544. */
const FIRST_CLIENT = 0xc612_0001 | 0;
/** SYN, SYN/ACK, ACK. */
const HANDSHAKE = 3;
const STRIDE = 64;

/** The handshakes of clients [first, first + count), one after another. */
function handshakes(first: number, count: number): StoredWorkload {
  const builder = new FrameBuilder();
  const packets = count * HANDSHAKE;
  const stored: StoredWorkload = {
    packets,
    octets: packets * STRIDE,
    sessions: count,
    frames: new Uint8Array(packets * STRIDE),
    offset: Float64Array.from({ length: packets }, (_, i) => i * STRIDE),
    length: new Int32Array(packets),
    inbound: new Uint8Array(packets),
    time: new Int32Array(packets),
  };
  const nothing = new Uint8Array(0);
  for (let i = 0; i < packets; i++) {
    const client = FIRST_CLIENT + first + Math.floor(i / HANDSHAKE);
    const step = i % HANDSHAKE;
    const length =
      step === 1
        ? builder.tcp('inside', false, client, SMTP, CLIENT_PORT, SERVER_ISS, CLIENT_ISS + 1, SYN | ACK, nothing)
        : builder.tcp(
            'outside',
            true,
            client,
            CLIENT_PORT,
            SMTP,
            CLIENT_ISS + (step === 0 ? 0 : 1),
            step === 0 ? 0 : SERVER_ISS + 1,
            step === 0 ? SYN : ACK,
            nothing,
          );
    stored.frames.set(builder.octets.subarray(0, length), i * STRIDE);
    stored.length[i] = length;
    stored.inbound[i] = step === 1 ? (INSIDE === 1 ? 0 : 1) : OUTSIDE === 0 ? 1 : 0;
  }
  return stored;
}

function measureIdle(_: BenchOptions): number {
  const workload = handshakes(0, IDLE);
  const rig = new Rig(workload, { mail: true, sessions: IDLE });
  // The code is compiled, and the session arrays that are filled at the start are there.
  rig.pass(0, HANDSHAKE * 1_000);
  rig.endSessions();
  collect();
  const before = process.memoryUsage().rss;
  // No collection behind it: it would give back what has nothing to do with sessions.
  rig.pass(0, HANDSHAKE * IDLE);
  const octets = process.memoryUsage().rss - before;
  if (rig.sessions !== IDLE) throw new Error(`${rig.sessions} sessions instead of ${IDLE}; ${rig.drops() ?? ''}`);
  return octets / IDLE;
}

/** Until nothing more is given back. */
function collect(): void {
  const { gc } = globalThis as { gc?: () => void };
  for (let i = 0; i < 3; i++) gc?.();
}

export const benches: readonly Gauge[] = [
  { name: 'memory/idle', about: 'resident memory of 100,000 idle inspected sessions', unit: 'octets a session', measure: measureIdle },
];
