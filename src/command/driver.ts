// `run --driver`: the two ways in and out of the machine, and what is said at the start of the lesser one.

import { MissingPackageError } from '../../native-bindings/optional-package.ts';
import { type PacketIoModule, loadPacketIo } from '../../native-bindings/packet-io.ts';
import { EventedEngine, type RunEngine } from '../engine/evented-engine.ts';
import { LiveEngine, type LiveOptions } from '../engine/live-engine.ts';
import { PortRefused, prepareInterfaces, type PreparedInterfaces, type VnetMode } from '../port/interface-settings.ts';
import { CommandError } from './errors.ts';

export const DRIVERS = ['rings', 'libpcap'] as const;
export type Driver = (typeof DRIVERS)[number];

/** Measured on two veth pairs of one machine; native-bindings/README.md has the whole table. */
const LIBPCAP_LIMITS = [
  '--driver libpcap is for machines without packet rings: a frame costs twice as much, and what is lost under load is not counted',
  '--driver libpcap takes no partial checksums and no super-frames: switch the offloads of the other end of a veth, tap or virtio off (ethtool -K DEVICE tx off tso off gso off)',
];

function warn(text: string): void {
  process.stderr.write(`postern: warning: ${text}\n`);
}

/** Checks the interfaces and makes them ready for the driver.  Throws a CommandError. */
export function prepareFor(driver: Driver, devices: readonly string[], vnet: VnetMode): PreparedInterfaces {
  if (driver === 'libpcap') LIBPCAP_LIMITS.forEach(warn);
  try {
    const addon = driver === 'rings' ? loadPacketIo() : tryPacketIo();
    if (addon === null) return { vnet: false, bypassQdisc: false, warnings: [], restore: () => {} };
    const prepared = prepareInterfaces(addon, devices, driver === 'rings' ? vnet : 'off');
    prepared.warnings.forEach(warn);
    return prepared;
  } catch (error) {
    if (error instanceof PortRefused) throw new CommandError(error.message, error.exitStatus);
    throw new CommandError((error as Error).message);
  }
}

/** Without the addon nobody looks at the interfaces. */
function tryPacketIo(): PacketIoModule | null {
  try {
    return loadPacketIo();
  } catch (error) {
    warn(`the interfaces are used as they are, unchecked: ${(error as Error).message}`);
    return null;
  }
}

/** Starts the engine of the driver.  Throws a CommandError where the driver's package is missing. */
export async function startEngine(driver: Driver, options: LiveOptions): Promise<RunEngine> {
  if (driver === 'rings') return LiveEngine.start(options);
  try {
    return await EventedEngine.start(options);
  } catch (error) {
    if (error instanceof MissingPackageError) throw new CommandError(`--driver libpcap ${error.message}`);
    throw error;
  }
}
