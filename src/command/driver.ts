// `run --driver`: the two ways in and out of the machine, and what is said at the start of the lesser one.

import { loadCap } from '../../native-bindings/cap.ts';
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
  'libpcap is for machines without packet rings: a frame costs 1.4 times as much, what is lost under load is not counted, and a port that is set down ends the program',
  'libpcap takes no partial checksums and no super-frames: the other end of a veth, tap or virtio needs its offloads off (ethtool -K DEVICE tx off tso off gso off)',
];

function warn(text: string): void {
  process.stderr.write(`postern: warning: ${text}\n`);
}

/** Checks package and interfaces, and makes these ready for the driver.  Throws a CommandError. */
export function prepareFor(driver: Driver, devices: readonly string[], vnet: VnetMode): PreparedInterfaces {
  try {
    if (driver === 'libpcap') loadCap();
    const addon = driver === 'rings' ? loadPacketIo() : tryPacketIo();
    if (addon === null) return { vnet: false, bypassQdisc: false, warnings: [], restore: () => {} };
    const prepared = prepareInterfaces(addon, devices, driver === 'rings' ? vnet : 'off');
    prepared.warnings.forEach(warn);
    return prepared;
  } catch (error) {
    if (error instanceof MissingPackageError) throw new CommandError(`--driver libpcap ${error.message}`);
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

/** Starts the engine of the driver, and says what the lesser one cannot do. */
export async function startEngine(driver: Driver, options: LiveOptions): Promise<RunEngine> {
  if (driver === 'rings') return LiveEngine.start(options);
  LIBPCAP_LIMITS.forEach(warn);
  return EventedEngine.start(options);
}
