// `postern doctor`: what is wrong with this machine and its interfaces for `run`, and the command that mends it.
//
// Looks only; with --restore it undoes what a killed run left changed.  Exit status 0: nothing wrong, 1: something is.

import type { Command } from 'commander';
import { type InterfaceFacts, loadPacketIo, type PacketIoModule } from '../../native-bindings/packet-io.ts';
import {
  activeOffloads,
  interfaceProblems,
  isSoft,
  leftOvers,
  type Problem,
  privilegeProblem,
  restoreAll,
} from '../port/interface-settings.ts';

const IFF_UP = 1;
const IFF_RUNNING = 64;

/** Lines for people and whether one of them is a fault. */
class Findings {
  readonly lines: string[] = [];
  faults = 0;

  ok(text: string): void {
    this.lines.push(`ok     ${text}`);
  }

  note(text: string): void {
    this.lines.push(`note   ${text}`);
  }

  wrong(problem: Problem): void {
    this.faults++;
    this.lines.push(`wrong  ${problem.what}`, `       mend it with: ${problem.mend}`);
  }
}

function checkPrivileges(findings: Findings): void {
  const problem = privilegeProblem();
  if (problem === null) findings.ok('privileges: CAP_NET_RAW and CAP_NET_ADMIN');
  else findings.wrong(problem);
}

function loadAddon(findings: Findings): PacketIoModule | null {
  try {
    const addon = loadPacketIo();
    findings.ok('packet I/O addon: loads');
    return addon;
  } catch (error) {
    findings.wrong({ what: (error as Error).message.split(';')[0]!, mend: 'npm run setup' });
    return null;
  }
}

function linkState(flags: number): string {
  if ((flags & IFF_UP) === 0) return 'down';
  return (flags & IFF_RUNNING) === 0 ? 'up, no carrier' : 'up';
}

function describe(device: string, facts: InterfaceFacts): string {
  const driver = facts.kind || facts.driver || 'unknown driver';
  return `${device}: ${driver}, ${facts.mac}, MTU ${facts.mtu}, ${linkState(facts.flags)}`;
}

function describeOffloads(addon: PacketIoModule, device: string, facts: InterfaceFacts): string {
  const active = activeOffloads(addon.readFeatures(device));
  if (isSoft(facts)) return `${device}: its other end may send super-frames and partial checksums; run uses the virtio-net header`;
  if (active.length === 0) return `${device}: no offloads are on`;
  return `${device}: run switches off, and on again at its end: ${active.join(', ')}`;
}

function checkInterface(findings: Findings, addon: PacketIoModule, device: string): void {
  const facts = addon.readInterface(device);
  const problems = interfaceProblems(device, facts);
  if (facts !== null) {
    findings.note(describe(device, facts));
    findings.note(describeOffloads(addon, device, facts));
    if ((facts.flags & IFF_UP) === 0) problems.push({ what: `${device} is down`, mend: `ip link set dev ${device} up` });
  }
  for (const problem of problems) findings.wrong(problem);
  if (problems.length === 0) findings.ok(`${device}: can be used`);
}

function checkLeftOvers(findings: Findings): void {
  for (const { device, path, inUse } of leftOvers()) {
    if (inUse) findings.note(`${device}: in use by a running postern (${path})`);
    else findings.wrong({ what: `${device} was left changed by a postern that was killed (${path})`, mend: 'postern doctor --restore' });
  }
}

/** All lines, and the exit status. */
export function diagnose(devices: readonly string[]): { lines: readonly string[]; status: number } {
  const findings = new Findings();
  checkPrivileges(findings);
  const addon = loadAddon(findings);
  if (addon !== null) for (const device of devices) guarded(findings, device, () => checkInterface(findings, addon, device));
  checkLeftOvers(findings);
  return { lines: findings.lines, status: findings.faults > 0 ? 1 : 0 };
}

/** A question that the kernel refuses is a finding, not the end of the others. */
function guarded(findings: Findings, device: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    findings.wrong({ what: `${device}: ${(error as Error).message}`, mend: `ip -details link show dev ${device} (to look closer)` });
  }
}

function restore(): { lines: readonly string[]; status: number } {
  try {
    const lines = restoreAll(loadPacketIo());
    return { lines: lines.length > 0 ? lines : ['nothing to restore'], status: 0 };
  } catch (error) {
    return { lines: [`wrong  ${(error as Error).message}`], status: 1 };
  }
}

/** Adds the sub-command to the program. */
export function register(program: Command): void {
  program
    .command('doctor')
    .description("what is wrong with this machine's interfaces for run, and how to mend it")
    .argument('[interface...]', 'interfaces to look at, as ip link names them')
    .option('--restore', 'undo what a run that was killed left changed')
    .action((devices: string[], options: { restore?: boolean }) => {
      const { lines, status } = options.restore === true ? restore() : diagnose(devices);
      process.stdout.write(`${lines.join('\n')}\n`);
      process.exitCode = status;
    });
}
