// What `run` asks of a network interface, what it changes there, and how that is undone.
//
// The kernel must not answer beside us: an interface with an IP address, under a bridge or with an XDP program is refused.
// IPv6 autoconfiguration is switched off.  A hardware interface's offloads are switched off too, so that frames come as they were
// on the wire; where the other end makes partial checksums and super-frames out of our reach (veth, virtio, tap) the sockets
// carry the virtio-net header instead.
// Every change is written to /run/postern/DEVICE.json before it is made and undone from there: on exit, by the next run, or by
// `postern doctor --restore` after a kill.
// Left out: addresses, link state and MTU are the administrator's; nothing here sets them.

import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FEATURE_ACTIVE, FEATURE_CHANGEABLE, type InterfaceFacts, type PacketIoModule } from '../../native-bindings/packet-io.ts';

const DIRECTORY = '/run/postern';
const ETHERNET = 1;
const CAP_NET_ADMIN = 12;
const CAP_NET_RAW = 13;

/** Names of features that make super-frames of received frames, leave transport checksums undone, or ask us for either. */
const OFFLOAD = /^(rx-gro|rx-lro|rx-udp-gro-forwarding|tx-generic-segmentation|tx-udp-segmentation|tx-tcp.*-segmentation|tx-checksum-ip)/;

/** Interfaces whose other end is a network stack that hands over its own offloads. */
const SOFT_KINDS = ['veth', 'netkit', 'tun', 'macvtap', 'ipvtap'];
const SOFT_DRIVERS = ['virtio_net', 'veth', 'tun', 'vif', 'xen_netfront'];

export type VnetMode = 'auto' | 'on' | 'off';

/** Something that keeps `run` from using the machine or an interface, and what mends it. */
export interface Problem {
  readonly what: string;
  /** A command line. */
  readonly mend: string;
}

/** Refusal in one line; the program ends with exitStatus. */
export class PortRefused extends Error {
  readonly exitStatus = 2;

  constructor(problem: Problem) {
    super(`${problem.what}; mend it with: ${problem.mend}`);
    this.name = 'PortRefused';
  }
}

/** Interfaces ready for use.  restore() undoes all changes and may be called again. */
export interface PreparedInterfaces {
  /** For AfPacketOptions of all ports. */
  readonly vnet: boolean;
  readonly bypassQdisc: boolean;
  /** What could not be done and does not matter enough to stop: one line each. */
  readonly warnings: readonly string[];
  restore(): void;
}

/** State of an interface before we changed it. */
interface Original {
  readonly device: string;
  readonly namespace: string;
  readonly pid: number;
  /** Start time of that process, so that a later process of the same number is not taken for it. */
  readonly started: string;
  readonly disableIpv6: string | null;
  /** Changeable features. */
  readonly features: Readonly<Record<string, boolean>>;
}

// ---- what is refused -------------------------------------------------------------------------------------------------

/** The privileges that are missing for live interfaces, or null. */
export function privilegeProblem(): Problem | null {
  const line = readFileSync('/proc/self/status', 'utf8').match(/^CapEff:\s*([0-9a-f]+)/m);
  const held = BigInt(`0x${line?.[1] ?? '0'}`);
  const missing = [];
  if ((held & (1n << BigInt(CAP_NET_RAW))) === 0n) missing.push('CAP_NET_RAW');
  if ((held & (1n << BigInt(CAP_NET_ADMIN))) === 0n) missing.push('CAP_NET_ADMIN');
  if (missing.length === 0) return null;
  return { what: `missing privilege ${missing.join(' and ')}`, mend: 'sudo postern ...' };
}

/** All that keeps `run` from using the interface, most basic first. */
export function interfaceProblems(device: string, facts: InterfaceFacts | null): Problem[] {
  if (facts === null) return [{ what: `no interface ${device} in this network namespace`, mend: 'ip link show (lists those there are)' }];
  if (facts.linkType !== ETHERNET)
    return [{ what: `${device} is not an Ethernet interface`, mend: 'ip -details link show (choose another)' }];
  const problems: Problem[] = [];
  // Link-local IPv6 addresses go by themselves when IPv6 is switched off.
  const addresses = facts.addresses.filter((address) => !address.startsWith('fe80:'));
  if (addresses.length > 0) {
    problems.push({
      what: `${device} has the address ${addresses.join(', ')}, so the kernel would answer beside us`,
      mend: `ip address flush dev ${device}`,
    });
  }
  if (facts.master !== '') problems.push({ what: `${device} belongs to ${facts.master}`, mend: `ip link set dev ${device} nomaster` });
  if (facts.xdp !== 0)
    problems.push({ what: `${device} carries an XDP program, which takes frames before us`, mend: `ip link set dev ${device} xdp off` });
  return problems;
}

// ---- offload policy --------------------------------------------------------------------------------------------------

/** Whether the other end may hand over partial checksums and super-frames that cannot be switched off from here. */
export function isSoft(facts: InterfaceFacts): boolean {
  return SOFT_KINDS.includes(facts.kind) || SOFT_DRIVERS.includes(facts.driver);
}

/** Names of the offloads that are on. */
export function activeOffloads(features: Record<string, number>): string[] {
  return Object.keys(features).filter((name) => OFFLOAD.test(name) && (features[name]! & FEATURE_ACTIVE) !== 0);
}

function switchOffloadsOff(addon: PacketIoModule, device: string): boolean {
  const active = activeOffloads(addon.readFeatures(device));
  addon.writeFeatures(device, Object.fromEntries(active.map((name) => [name, false])));
  return activeOffloads(addon.readFeatures(device)).length === 0;
}

// ---- records under /run/postern ------------------------------------------------------------------------------------------

function namespaceOf(pid: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return null;
  }
}

/** Interface names are unique within a namespace only; those beside the machine's own carry the namespace's number. */
function recordPath(device: string): string {
  const own = namespaceOf('self') ?? '';
  const first = namespaceOf('1');
  const suffix = first === null || first === own ? '' : `@${own.replace(/\D/g, '')}`;
  return join(DIRECTORY, `${device}${suffix}.json`);
}

/** Field 22 of proc(5) stat, empty when there is no such process. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function readRecord(path: string): Original | null {
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as Original;
    return typeof record.device === 'string' && typeof record.features === 'object' ? record : null;
  } catch {
    return null;
  }
}

function isInUse(record: Original): boolean {
  return record.started !== '' && startTime(record.pid) === record.started;
}

// ---- change and restore ----------------------------------------------------------------------------------------------

function ipv6Switch(device: string): string {
  return `/proc/sys/net/ipv6/conf/${device}/disable_ipv6`;
}

/** null where the kernel has no IPv6. */
function readIpv6Switch(device: string): string | null {
  return existsSync(ipv6Switch(device)) ? readFileSync(ipv6Switch(device), 'utf8').trim() : null;
}

function readOriginal(addon: PacketIoModule, device: string): Original {
  const features: Record<string, boolean> = {};
  for (const [name, bits] of Object.entries(addon.readFeatures(device))) {
    if ((bits & FEATURE_CHANGEABLE) !== 0) features[name] = (bits & FEATURE_ACTIVE) !== 0;
  }
  return {
    device,
    namespace: namespaceOf('self') ?? '',
    pid: process.pid,
    started: startTime(process.pid),
    disableIpv6: readIpv6Switch(device),
    features,
  };
}

function writeRecord(original: Original): void {
  mkdirSync(DIRECTORY, { recursive: true });
  writeFileSync(recordPath(original.device), `${JSON.stringify(original, null, 2)}\n`, { mode: 0o600 });
}

/** Puts an interface back; an interface that is gone has nothing to put back.  Returns what was changed, for people. */
function restoreOriginal(addon: PacketIoModule, original: Original): string[] {
  const { device, disableIpv6 } = original;
  if (addon.readInterface(device) === null) return [];
  const changed: string[] = [];
  if (disableIpv6 !== null && readIpv6Switch(device) !== disableIpv6) {
    writeFileSync(ipv6Switch(device), disableIpv6);
    changed.push(`disable_ipv6 ${disableIpv6}`);
  }
  const now = addon.readFeatures(device);
  const differing = Object.entries(original.features).filter(([name, on]) => on !== (((now[name] ?? 0) & FEATURE_ACTIVE) !== 0));
  if (differing.length > 0) {
    addon.writeFeatures(device, Object.fromEntries(differing));
    for (const [name, on] of differing) changed.push(`${name} ${on ? 'on' : 'off'}`);
  }
  return changed;
}

/** An interface that an ended run left changed. */
export interface LeftOver {
  readonly device: string;
  readonly path: string;
  /** The process that changed it is still running: not to be touched. */
  readonly inUse: boolean;
}

/** Records of this network namespace. */
export function leftOvers(): LeftOver[] {
  const own = namespaceOf('self');
  const names = existsSync(DIRECTORY) ? readdirSync(DIRECTORY).filter((name) => name.endsWith('.json')) : [];
  const list: LeftOver[] = [];
  for (const name of names) {
    const path = join(DIRECTORY, name);
    const record = readRecord(path);
    if (record !== null && record.namespace === own) list.push({ device: record.device, path, inUse: isInUse(record) });
  }
  return list;
}

/** Undoes what ended runs left behind; a line for each interface.  Throws when the kernel refuses. */
export function restoreAll(addon: PacketIoModule): string[] {
  const lines: string[] = [];
  for (const { device, path, inUse } of leftOvers()) {
    if (inUse) continue;
    const record = readRecord(path);
    const changed = record === null ? [] : restoreOriginal(addon, record);
    rmSync(path, { force: true });
    lines.push(`${device} restored: ${changed.length > 0 ? changed.join(', ') : 'nothing to change'}`);
  }
  return lines;
}

function refuseFirst(problems: readonly Problem[]): void {
  if (problems[0] !== undefined) throw new PortRefused(problems[0]);
}

function checkAll(addon: PacketIoModule, devices: readonly string[]): InterfaceFacts[] {
  const privilege = privilegeProblem();
  if (privilege !== null) throw new PortRefused(privilege);
  const twice = devices.find((device, i) => devices.indexOf(device) !== i);
  if (twice !== undefined) throw new PortRefused({ what: `${twice} is named twice`, mend: '--port with two different interfaces' });
  const inUse = leftOvers().find((record) => record.inUse && devices.includes(record.device));
  if (inUse !== undefined)
    throw new PortRefused({ what: `${inUse.device} is in use by another postern`, mend: `stop it, or remove ${inUse.path}` });
  return devices.map((device) => {
    const facts = addon.readInterface(device);
    refuseFirst(interfaceProblems(device, facts));
    return facts!;
  });
}

function disableIpv6(device: string, warnings: string[]): void {
  if (readIpv6Switch(device) === null) return;
  try {
    writeFileSync(ipv6Switch(device), '1');
  } catch (error) {
    warnings.push(`${device}: IPv6 stays on (${(error as Error).message})`);
  }
}

/** Whether the sockets need the virtio-net header; switches offloads off where they do not. */
function settleOffloads(
  addon: PacketIoModule,
  devices: readonly string[],
  facts: readonly InterfaceFacts[],
  mode: VnetMode,
  warnings: string[],
): boolean {
  if (mode === 'on' || (mode === 'auto' && facts.some(isSoft))) return true;
  const stubborn = devices.filter((device) => !switchOffloadsOff(addon, device));
  if (mode === 'auto') return stubborn.length > 0;
  for (const device of stubborn) warnings.push(`${device}: some offloads cannot be switched off; super-frames will be dropped`);
  return false;
}

/**
 * Checks the interfaces and makes them ready, or throws PortRefused and leaves everything as it was.  `mode` is --vnet.
 */
export function prepareInterfaces(addon: PacketIoModule, devices: readonly string[], mode: VnetMode): PreparedInterfaces {
  const facts = checkAll(addon, devices);
  restoreAll(addon);
  const warnings: string[] = [];
  const originals: Original[] = [];
  const restore = (): void => {
    for (const original of originals.splice(0)) {
      restoreOriginal(addon, original);
      rmSync(recordPath(original.device), { force: true });
    }
  };
  try {
    for (const device of devices) {
      const original = readOriginal(addon, device);
      writeRecord(original);
      originals.push(original);
      disableIpv6(device, warnings);
    }
    const vnet = settleOffloads(addon, devices, facts, mode, warnings);
    // Past the queueing discipline a super-frame on an interface without TSO gets ENOBUFS for ever: nobody segments it.
    return { vnet, bypassQdisc: !vnet, warnings, restore };
  } catch (error) {
    restore();
    throw error;
  }
}
