// A trivial forwarder between two interfaces, built on two AfPacketPorts: what comes in by one leaves by the other.
// A child process of the tests, inside a namespace; told by messages what to do.
//
//   node forwarder.js DEVICE DEVICE auto|on|off

import { loadPacketIo } from '../../native-bindings/packet-io.ts';
import { Waiting } from '../../src/engine/waiting.ts';
import { BATCH, Frames, GSO, PARTIAL_CHECKSUM } from '../../src/frame/frames.ts';
import { Region, regionOctets } from '../../src/frame/region.ts';
import { AF_PACKET_AREA, type AfPacketPort, PacketSockets } from '../../src/port/af-packet.ts';
import { prepareInterfaces, type VnetMode } from '../../src/port/interface-settings.ts';
import { COUNTER_COUNT, PORT_CARRIER_LOST, PORT_KERNEL_DROPS, PORT_RESETS, PORTS } from '../../src/telemetry/counters.ts';

/** Event loop's turn, milliseconds. */
const SLICE = 20;

export interface ForwarderStats {
  readonly received: readonly number[];
  readonly transmitted: readonly number[];
  /** By TX_... */
  readonly refused: readonly number[];
  readonly superFrames: number;
  readonly partial: number;
  readonly copied: readonly number[];
  readonly up: readonly boolean[];
  readonly carrierLost: readonly number[];
  readonly resets: readonly number[];
  readonly kernelDrops: readonly number[];
  readonly garbled: readonly number[];
  readonly vnet: boolean;
}

const devices = [process.argv[2] ?? '', process.argv[3] ?? ''];
const addon = loadPacketIo();
const prepared = prepareInterfaces(addon, devices, process.argv[4] as VnetMode);
const shape = { portOctets: [AF_PACKET_AREA, AF_PACKET_AREA], smallSlots: 64, largeSlots: 4, storePages: 1 };
const sockets = new PacketSockets(addon, regionOctets(shape));
const region = new Region(sockets.memory, shape);
const frames = new Frames(region);
const ports = devices.map((device, i) => {
  const options = { name: `Ethernet${i}`, device, vnet: prepared.vnet, bypassQdisc: prepared.bypassQdisc };
  return sockets.open(region, region.portStart[i]!, AF_PACKET_AREA, options);
});
const waiting = new Waiting('auto', 1, addon.clock);

const batch = new Int32Array(BATCH);
const result = new Int32Array(BATCH);
const received = [0, 0];
const transmitted = [0, 0];
const refused = [0, 0, 0, 0, 0];
let superFrames = 0;
let partial = 0;
/** Copy each frame to a slot of its own first, as the path does with what it holds. */
let copying = false;
let paused = false;

function pass(from: number, to: number): number {
  for (let f = 0; f < BATCH; f++) frames.begin(f, from);
  const count = ports[from]!.receive(frames, 0, BATCH);
  if (count === 0) return 0;
  for (let f = 0; f < count; f++) {
    if ((frames.flags[f]! & GSO) !== 0) superFrames++;
    if ((frames.flags[f]! & PARTIAL_CHECKSUM) !== 0) partial++;
    frames.egress[f] = to;
    const copy = copying ? frames.copy(f) : -1;
    batch[f] = copy < 0 ? f : copy;
  }
  ports[to]!.transmit(frames, batch, count, result);
  for (let i = 0; i < count; i++) {
    refused[result[i]!]!++;
    if (result[i] === 0) transmitted[to]!++;
    frames.free(batch[i]!);
  }
  ports[from]!.release();
  received[from]! += count;
  return count;
}

function slice(): void {
  const end = performance.now() + SLICE;
  do {
    if (paused) break;
    const count = pass(0, 1) + pass(1, 0);
    if (count > 0) {
      waiting.busy();
      continue;
    }
    const sleep = waiting.idle();
    if (sleep >= 0) waiting.woke(sockets.wait(Math.min(sleep, SLICE)));
  } while (performance.now() < end);
  if (paused) setTimeout(slice, 1);
  else setImmediate(slice);
}

function stats(): ForwarderStats {
  const counters = new Float64Array(COUNTER_COUNT);
  const read = (port: AfPacketPort, counter: number): number => {
    port.writeCounters(counters, PORTS);
    return counters[PORTS + counter]!;
  };
  return {
    received,
    transmitted,
    refused,
    superFrames,
    partial,
    copied: ports.map((port) => port.copied),
    up: ports.map((port) => port.isUp()),
    carrierLost: ports.map((port) => read(port, PORT_CARRIER_LOST)),
    resets: ports.map((port) => read(port, PORT_RESETS)),
    kernelDrops: ports.map((port) => read(port, PORT_KERNEL_DROPS)),
    garbled: ports.map((port) => port.garbled),
    vnet: prepared.vnet,
  };
}

/** Descriptors that a fault in the path could make, among them one good frame; the port's and the addon's answers. */
function garbage(): { port: number[]; addon: number[] } {
  const end = region.u8.length;
  const rows = [
    [-1, 60],
    [0, 60],
    [end - 8, 60],
    [200, -1],
    [200, 0x7fffffff],
    [0x7fffffff, 0x7fffffff],
    [-0x80000000, 60],
    [200, 0],
  ];
  const good = frames.allocate(60);
  frames.length[good] = 60;
  region.view.setUint16(frames.offset[good]! + 12, 0x88b5);
  const list = new Int32Array(rows.length + 1);
  const answers = new Int32Array(list.length);
  rows.forEach(([offset, length], i) => {
    frames.offset[i] = offset!;
    frames.length[i] = length!;
    frames.flags[i] = 0;
    list[i] = i;
    sockets.sent.offset[i] = offset!;
    sockets.sent.length[i] = length!;
  });
  list[rows.length] = good;
  ports[0]!.transmit(frames, list, list.length, answers);
  rows.forEach(([offset, length], i) => {
    sockets.sent.offset[i] = offset!;
    sockets.sent.length[i] = length!;
  });
  sockets.io.transmit(0, 0, rows.length);
  frames.free(good);
  return { port: [...answers], addon: [...sockets.sent.result.subarray(0, rows.length)] };
}

function transmitHex(list: string[]): number[] {
  return list.map((hex) => {
    const f = frames.allocate(hex.length / 2);
    frames.length[f] = hex.length / 2;
    region.u8.set(Buffer.from(hex, 'hex'), frames.offset[f]!);
    batch[0] = f;
    ports[0]!.transmit(frames, batch, 1, result);
    frames.free(f);
    return result[0]!;
  });
}

function end(): void {
  sockets.close();
  prepared.restore();
  process.exit(0);
}

process.on('message', (message: { what: string; value?: unknown }) => {
  if (message.what === 'stats') process.send!(stats());
  if (message.what === 'garbage') process.send!(garbage());
  if (message.what === 'transmit') process.send!(transmitHex(message.value as string[]));
  if (message.what === 'copy') process.send!({ copying: (copying = message.value === true) });
  if (message.what === 'pause') process.send!({ paused: (paused = message.value === true) });
  // Over the status words of the ring that port 0 receives by.
  if (message.what === 'fill') process.send!({ filled: region.u8.fill(message.value as number, 0, 4096 * 2048).length });
  if (message.what === 'end') end();
});
process.on('SIGTERM', end);
process.on('disconnect', end);
slice();
process.send!({ ready: true, warnings: prepared.warnings });
