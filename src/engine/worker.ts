// The data plane of `run`: one thread with its own region, sockets and session table, in a loop that does not return to the
// event loop until it is told to stop.
//
// A turn: each port in its turn gives up to a batch, the batch goes through the path, its slots go back.  Then, if a
// question waits, one is answered.  When all ports are empty the loop spins or sleeps as Waiting says.
// The clock is read once a turn (milliseconds since start, monotonic).

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Region, regionOctets } from '../frame/region.ts';
import { DataPlane } from '../path/data-plane.ts';
import { attach, type Path } from '../path/path.ts';
import { AF_PACKET_AREA, AfPacketPort, PacketSockets } from '../port/af-packet.ts';
import { FaultPort } from '../port/fault.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import type { Port } from '../port/port.ts';
import { createCounters, PORTS, PORT_SIZE } from '../telemetry/counters.ts';
import { EventRing } from '../telemetry/event-ring.ts';
import { loadPacketIo } from '../../native-bindings/packet-io.ts';
import { Clock } from './clock.ts';
import { type Request, WAITING, type WorkerNotice, type WorkerStart } from './control.ts';
import { answer } from './inquiry.ts';
import { rehearse } from './rehearsal.ts';
import type { RehearsalPolicy } from './rehearsal-policy.ts';
import { takeTurn } from './turn.ts';
import { LOOK_AGAIN, Waiting } from './waiting.ts';

/** How often the counters of the sockets are copied, ms. */
const COUNTERS_EVERY = 1000;
const RING_EVENTS = 4096;
/** Octets of a port's area for frames that its bad line holds back. */
const FAULT_AREA = 8 << 20;
/** ms: how long a frame may wait in a bad line when nothing comes. */
const FAULT_SLEEP = 1;

class LiveLoop {
  private readonly plane: DataPlane;
  private readonly path: Path;
  private readonly sockets: PacketSockets;
  private readonly rings: (AfPacketPort | null)[] = [];
  private readonly ports: (Port | null)[] = [];
  private readonly faults: FaultPort[] = [];
  private readonly waiting: Waiting;
  private readonly control: Int32Array;
  private readonly clock: Clock;
  /** Millisecond of the plane at which the clock began. */
  private readonly base: number;
  private countersDue = 0;
  private stopped = false;

  constructor(start: WorkerStart) {
    const shape = {
      portOctets: start.devices.map((device) => (device === null ? 0 : AF_PACKET_AREA + (start.fault === null ? 0 : FAULT_AREA))),
      smallSlots: start.smallSlots,
      largeSlots: start.largeSlots,
      storePages: start.storePages,
    };
    const addon = loadPacketIo();
    this.sockets = new PacketSockets(addon, regionOctets(shape));
    const region = new Region(this.sockets.memory, shape);
    start.devices.forEach((device, i) => this.rings.push(device === null ? null : this.open(region, i, device, start)));
    for (const ring of this.rings) this.ports.push(ring === null ? null : this.portOf(ring, region, start));
    const counters = createCounters(start.counters);
    this.plane = new DataPlane({
      region,
      policy: start.policy,
      ports: this.ports,
      seed: start.seed,
      now: 0,
      syntheticArp: false,
      counters,
      events: new EventRing(RING_EVENTS, counters, start.events),
      hits: new Float64Array(start.hits),
    });
    this.path = attach(this.plane);
    this.base = start.rehearsal === null ? 0 : this.rehearse(start.rehearsal, start.policy);
    this.clock = new Clock(addon.clock);
    const wall = Date.now() - this.base;
    this.plane.setClock(Math.floor(wall / 1000), (wall % 1000) * 1_000_000);
    this.control = new Int32Array(start.control);
    this.waiting = new Waiting(start.spin, 1, addon.clock);
  }

  /** Runs until a `stop` question. */
  run(): void {
    this.tell({
      kind: 'ready',
      wakeHandle: this.sockets.wakeHandle,
      macs: this.ports.map((_, i) => [this.plane.macHigh[i]!, this.plane.macLow[i]!] as const),
      mtus: this.ports.map((_, i) => this.plane.mtu[i]!),
    });
    while (!this.stopped) {
      const now = (this.base + this.clock.read()) | 0;
      const frames = this.turn(now);
      if (Atomics.load(this.control, WAITING) !== 0) this.serve();
      if (((now - this.countersDue) | 0) >= 0) this.copyCounters(now);
      if (frames === 0) this.idle(now);
      else this.waiting.busy();
    }
    this.sockets.close();
  }

  /** Returns the millisecond that the plane goes on from. */
  private rehearse(stage: RehearsalPolicy, policy: PolicySnapshot): number {
    for (const ring of this.rings) ring?.mute(true);
    const now = rehearse(this.plane, this.path, stage, policy);
    for (const ring of this.rings) ring?.mute(false);
    return now;
  }

  /** Returns how many frames came. */
  private turn(now: number): number {
    const count = takeTurn(this.plane, this.path, this.ports, now);
    // What waits in a bad line goes on although nothing comes.
    for (const fault of this.faults) fault.release();
    return count;
  }

  private idle(now: number): void {
    this.path.advance(now);
    const sleep = this.waiting.idle();
    if (sleep !== LOOK_AGAIN) this.waiting.woke(this.sockets.wait(this.sleepUntilTimer(sleep)));
  }

  /** A timer due in the meantime ends the sleep; one a tick away is not slept over. */
  private sleepUntilTimer(sleep: number): number {
    const most = this.faults.length > 0 ? FAULT_SLEEP : this.plane.wheel.count === 0 ? sleep : 20;
    return Math.min(sleep, most);
  }

  private serve(): void {
    const message = receiveMessageOnPort(parentPort as never) as { message: Request } | undefined;
    if (message === undefined) return;
    Atomics.sub(this.control, WAITING, 1);
    const { id, question } = message.message;
    if (question.kind === 'stop') this.stopped = true;
    this.tell({ kind: 'answer', id, answer: answer(this.plane, question) });
  }

  private copyCounters(now: number): void {
    this.countersDue = (now + COUNTERS_EVERY) | 0;
    // A carrier that is lost while nothing arrives.
    this.plane.refreshPorts();
    for (let i = 0; i < this.ports.length; i++) this.rings[i]?.writeCounters(this.plane.counters, PORTS + i * PORT_SIZE);
  }

  private open(region: Region, index: number, device: string, start: WorkerStart): AfPacketPort {
    return this.sockets.open(region, region.portStart[index]!, AF_PACKET_AREA, {
      name: start.policy.interfaces[index]!.name,
      device,
      vnet: start.vnet,
      bypassQdisc: start.bypassQdisc,
    });
  }

  /** The ring itself, or with a bad line in front of it. */
  private portOf(ring: AfPacketPort, region: Region, { fault }: WorkerStart): Port {
    if (fault === null) return ring;
    const index = this.ports.length;
    const now = (): number => this.clock.read();
    const port = new FaultPort(ring, region, region.portStart[index]! + AF_PACKET_AREA, FAULT_AREA, {
      ...fault,
      seed: fault.seed + index,
      now,
    });
    this.faults.push(port);
    return port;
  }

  private tell(notice: WorkerNotice): void {
    parentPort!.postMessage(notice);
  }
}

try {
  new LiveLoop(workerData as WorkerStart).run();
} catch (error) {
  const notice: WorkerNotice = { kind: 'failed', message: error instanceof Error ? error.message : String(error), status: 1 };
  parentPort!.postMessage(notice);
}
