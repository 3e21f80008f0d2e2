// What `postern replay` reads and writes: from the command line to the sources of the merge and the ports of the engine,
// in both forms (a capture for each interface; one capture taken on one wire).

import { statSync } from 'node:fs';
import { MissingPackageError } from '../../native-bindings/optional-package.ts';
import { matchInterfaceName } from '../config/language/interface-name.ts';
import type { MakePort } from '../engine/replay-engine.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { type CaptureFailure, CaptureFilePort, type CaptureSource } from '../port/capture-file.ts';
import { CaptureFormatError } from '../port/capture-format.ts';
import { type FilteredCapture, FilterError, filterCapture } from '../port/libpcap-file.ts';
import { OneWire, surveyWire } from '../port/one-wire.ts';
import { type OutsideRule, parseOutside } from '../port/outside-rule.ts';
import { CommandError } from './errors.ts';

/** A source as the loop and the report see it. */
export interface ReplaySource extends CaptureSource {
  readonly octetsRead: number;
  readonly failure: CaptureFailure | null;
  readonly writeFailure: string | null;
}

export interface ReplayPorts {
  readonly make: MakePort;
  /** In the order of the command line; filled when the engine has made its ports. */
  readonly sources: readonly ReplaySource[];
  /** All captures taken on one wire: MAC addresses may be seen on either side. */
  readonly isOneWire: boolean;
  /** What the user calls the capture of a source. */
  nameOf(source: ReplaySource): string;
}

/** A capture to read; `input` differs from `name` when it was filtered. */
export interface Capture {
  readonly name: string;
  readonly input: string;
  readonly output: string | null;
}

export interface PortCapture extends Capture {
  readonly interface: string;
}

/** `NAME=IN[:OUT]`, split at the first `=` and the last `:`; throws a CommandError. */
export function parsePortOption(text: string, policy: PolicySnapshot): PortCapture {
  const [, written = '', rest = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (rest === '') throw new CommandError(`--port ${text}: NAME=IN[:OUT] is wanted, for instance e2/0=outside.pcap:outside-out.pcap`);
  const name = matchInterfaceName(written);
  const names = policy.interfaces.map((entry) => entry.name);
  if (name === undefined || !names.includes(name)) {
    throw new CommandError(`--port ${text}: the configuration has no interface ${written} (it has ${names.join(', ') || 'none'})`);
  }
  const colon = rest.lastIndexOf(':');
  const input = colon < 0 ? rest : rest.slice(0, colon);
  const output = colon < 0 ? null : rest.slice(colon + 1);
  if (input === '' || output === '') throw new CommandError(`--port ${text}: a file name is missing`);
  return { interface: name, name: input, input, output };
}

/** The form with --port; an interface without a capture counts as down. */
export function portsByInterface(captures: readonly PortCapture[]): ReplayPorts {
  captures.forEach(({ interface: name }, i) => {
    if (captures.findIndex((other) => other.interface === name) < i) throw new CommandError(`two --port options for ${name}`);
  });
  refuseOverwriting(captures);
  const sources: (CaptureFilePort & ReplaySource)[] = [];
  const make: MakePort = (name, index, region, start) => {
    const place = captures.findIndex((capture) => capture.interface === name);
    if (place < 0) return null;
    const { name: given, input, output } = captures[place]!;
    const port = opening(given, () => new CaptureFilePort(name, index, input, output, region, start));
    sources[place] = port;
    return port;
  };
  return { make, sources, isOneWire: false, nameOf: (source) => captures[sources.indexOf(source as CaptureFilePort)]!.name };
}

/** The form with one capture: the first interface of the bridge group is outside. */
export function portsOnOneWire(capture: Capture, policy: PolicySnapshot, outside: OutsideRule | null): ReplayPorts {
  const pair = transparentPair(policy);
  refuseOverwriting([capture]);
  const wire = new OneWire(capture.input, capture.output, outside ?? opening(capture.name, () => surveyWire(capture.input)));
  const make: MakePort = (name, index, region, start) =>
    pair.includes(index) ? opening(capture.name, () => wire.open(name, index, region, start)) : null;
  return { make, sources: [wire], isOneWire: true, nameOf: () => capture.name };
}

/** The indexes of the two interfaces of one bridge group, or a CommandError that names the other form. */
function transparentPair(policy: PolicySnapshot): number[] {
  const enabled = policy.interfaces.map((_, i) => i).filter((i) => policy.interfaces[i]!.enabled);
  const groups = new Set(enabled.map((i) => policy.interfaces[i]!.bridgeGroup));
  const [group] = groups;
  if (enabled.length === 2 && groups.size === 1 && group !== 0) return enabled;
  throw new CommandError(
    'one capture alone needs a configuration of two interfaces in one bridge group; give a routed one a capture for each interface with --port NAME=IN[:OUT]',
  );
}

export function outsideOption(text: string | undefined): OutsideRule | null {
  if (text === undefined) return null;
  const rule = parseOutside(text);
  if (rule === null)
    throw new CommandError(`--outside ${text}: a MAC address or a prefix is wanted, for instance 02:00:00:00:01:01 or 10.0.0.0/8`);
  return rule;
}

/** Replaces each capture by what of it passes the filter; `remove` deletes the spooled files. */
export async function filtered<T extends Capture>(
  captures: readonly T[],
  expression: string,
): Promise<{ captures: T[]; damaged: string[]; remove: () => void }> {
  const done: FilteredCapture[] = [];
  const remove = (): void => done.forEach((one) => one.remove());
  try {
    for (const { input } of captures) done.push(await filterCapture(input, expression));
  } catch (error) {
    remove();
    const { message } = error as Error;
    if (error instanceof FilterError) throw new CommandError(`--filter: ${message}`);
    if (error instanceof MissingPackageError) throw new CommandError(`--filter ${message}`);
    throw new CommandError(`${captures[done.length]!.name}: ${message}`);
  }
  const damaged = captures.flatMap(({ name }, i) =>
    done[i]!.damaged ? [`${name}: libpcap could not read on after frame ${done[i]!.frames} of those that pass the filter`] : [],
  );
  return { captures: captures.map((capture, i) => ({ ...capture, input: done[i]!.path })), damaged, remove };
}

function opening<T>(name: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    const isKnown = error instanceof CaptureFormatError || (error as NodeJS.ErrnoException).code !== undefined;
    throw isKnown ? new CommandError(`${name}: ${(error as Error).message}`) : error;
  }
}

/** An output that is one of the captures to be read, or another output, would destroy it. */
function refuseOverwriting(captures: readonly Capture[]): void {
  const outputs = captures.flatMap(({ output }) => (output === null ? [] : [output]));
  for (const output of outputs) {
    const { dev, ino } = statSync(output, { throwIfNoEntry: false }) ?? {};
    const isInput = captures.some(({ name }) => {
      const input = statSync(name, { throwIfNoEntry: false });
      return ino !== undefined && input?.isFile() === true && input.dev === dev && input.ino === ino;
    });
    if (isInput) throw new CommandError(`${output} is to be read and cannot be written as well`);
  }
  const twice = outputs.find((output, i) => outputs.indexOf(output) < i && output !== '/dev/null');
  if (twice !== undefined) throw new CommandError(`two interfaces would write to ${twice}`);
}
