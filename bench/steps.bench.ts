// The steps of the path that work on decoded frames of known sessions, each alone, 64 frames a batch.
//
// Repeating a step on the same frames is the same work: decode writes the same columns, an established segment that comes
// again passes as a retransmission, a translated address is translated to itself.

import { BATCH } from '../src/frame/frames.ts';
import { decode } from '../src/path/decode.ts';
import { emit } from '../src/path/emit.ts';
import { forward } from '../src/path/forward.ts';
import { lookup } from '../src/path/lookup.ts';
import { track } from '../src/path/track.ts';
import { decrementTtl, translateSession } from '../src/path/translate.ts';
import { RECORD_SHIFT, STATE, TRANSLATED } from '../src/session/record.ts';
import type { Bench, BenchOptions, Running } from './bench.ts';
import { INSIDE, OUTSIDE } from './policy.ts';
import { Rig } from './rig.ts';
import { storeWorkload, type WorkloadName } from './workloads.ts';

/** Batches in a turn: at 64 a turn takes 0.1 ms, and a TTL of 64 lasts for 32. */
const BATCHES = 32;
const TURNS = 20;

/** One batch of a workload in the middle of its sessions, decoded and looked up. */
class BatchRig {
  readonly rig: Rig;
  readonly first: number;
  octets = 0;

  constructor(name: WorkloadName, { seed }: BenchOptions, packets: number, scale: number) {
    this.rig = new Rig(storeWorkload(name, { scale, seed }), { mail: name.startsWith('smtp') });
    this.first = packets;
    this.rig.pass(0, packets);
    for (let i = 0; i < BATCH; i++) this.octets += this.rig.image.length[packets + i]!;
    this.renew();
    this.decode();
    lookup(this.rig.plane, BATCH);
  }

  /** Octets and columns as they arrive. */
  renew(): void {
    this.rig.image.restore(this.first, BATCH);
    this.rig.image.fill(this.rig.frames, this.first, BATCH);
  }

  decode(): void {
    decode(this.rig.plane, BATCH);
  }
}

interface StepCost {
  readonly octets: number;
  prepare(): void;
  batch(): void;
}

/** Turns of BATCHES times the same batch. */
function repeated(step: StepCost): Running {
  return {
    turns: TURNS,
    octets: step.octets * BATCHES * TURNS,
    prepare: () => step.prepare(),
    run: () => {
      for (let i = 0; i < BATCHES; i++) step.batch();
      return BATCHES * BATCH;
    },
  };
}

const UDP_SCALE = 0.03;
const BULK_SCALE = 0.02;
/** Frames after which all sessions of the workload are established. */
const UDP_KNOWN = 20_000;
const BULK_KNOWN = 2_000;

function openDecode(name: WorkloadName, options: BenchOptions): Running {
  const isUdp = name === 'udp64';
  const known = new BatchRig(name, options, isUdp ? UDP_KNOWN : BULK_KNOWN, isUdp ? UDP_SCALE : BULK_SCALE);
  return repeated({ octets: 0, prepare: () => known.renew(), batch: () => known.decode() });
}

function openTrack(name: WorkloadName, options: BenchOptions): Running {
  const isUdp = name === 'udp64';
  const { rig } = new BatchRig(name, options, isUdp ? UDP_KNOWN : BULK_KNOWN, isUdp ? UDP_SCALE : BULK_SCALE);
  const { plane, frames } = rig;
  return repeated({
    octets: 0,
    prepare: () => {},
    batch: () => {
      for (let f = 0; f < BATCH; f++) track(plane, f, frames.session[f]!, false);
    },
  });
}

function openTranslate(name: WorkloadName, options: BenchOptions): Running {
  const isUdp = name === 'udp64';
  const known = new BatchRig(name, options, isUdp ? UDP_KNOWN : BULK_KNOWN, isUdp ? UDP_SCALE : BULK_SCALE);
  const { plane, frames } = known.rig;
  for (let f = 0; f < BATCH; f++) {
    if ((plane.sessions.hot[(frames.session[f]! << RECORD_SHIFT) + STATE]! & TRANSLATED) === 0)
      throw new Error('a session is not translated');
  }
  return repeated({
    octets: 0,
    prepare: () => known.rig.image.restore(known.first, BATCH),
    batch: () => {
      for (let f = 0; f < BATCH; f++) {
        translateSession(plane, f, frames.session[f]!, frames.direction[f]!);
        decrementTtl(plane, f);
      }
    },
  });
}

function openForward(options: BenchOptions): Running {
  const { rig } = new BatchRig('udp64', options, UDP_KNOWN, UDP_SCALE);
  const { plane, frames } = rig;
  return repeated({
    octets: 0,
    prepare: () => {},
    batch: () => {
      for (let f = 0; f < BATCH; f++) {
        const session = frames.session[f]!;
        const direction = frames.direction[f]!;
        const egress = plane.sessions.ingress(session, 1 - direction);
        forward(plane, f, egress, plane.sessions.nextHop(session, direction), false, rig.now);
      }
      plane.ledger.transmitQueue.clear();
    },
  });
}

function openEmit(options: BenchOptions): Running {
  const { rig } = new BatchRig('udp64', options, UDP_KNOWN, UDP_SCALE);
  const { plane, frames } = rig;
  for (let f = 0; f < BATCH; f++) frames.egress[f] = frames.ingress[f] === INSIDE ? OUTSIDE : INSIDE;
  return repeated({
    octets: 0,
    prepare: () => {},
    batch: () => {
      for (let f = 0; f < BATCH; f++) plane.ledger.transmit(f);
      emit(plane);
    },
  });
}

export const benches: readonly Bench[] = [
  { name: 'decode/udp', about: 'headers to columns, 60-octet UDP', open: (options) => openDecode('udp64', options) },
  {
    name: 'decode/tcp',
    about: 'headers to columns, TCP segments and acknowledgements',
    open: (options) => openDecode('tcp-bulk', options),
  },
  { name: 'track/udp', about: 'UDP of known sessions', open: (options) => openTrack('udp64', options) },
  { name: 'track/tcp', about: 'TCP windows and state, without an inspector', open: (options) => openTrack('tcp-bulk', options) },
  { name: 'translate/udp', about: 'addresses, ports, checksums, TTL', open: (options) => openTranslate('udp64', options) },
  { name: 'translate/tcp', about: 'addresses, ports, checksums, TTL', open: (options) => openTranslate('tcp-bulk', options) },
  { name: 'forward', about: 'MTU, link header, transmit queue', open: openForward },
  { name: 'emit', about: 'transmit queue to the port', open: openEmit },
];
