// One capture taken on one wire behind two ports: the outside one and the inside one, and one file for what both transmit.
//
// The engine transmits port by port; the file keeps the order in which the frames were queued (Frames.order), so what
// both ports are given in a batch is staged and merged at the release.

import { closeSync, openSync, statSync } from 'node:fs';
import type { Frames } from '../frame/frames.ts';
import type { Region } from '../frame/region.ts';
import { CAPTURE_MTU, type CaptureFailure, CaptureFilePort, type CaptureSource, openReader } from './capture-file.ts';
import { FileWindow, MAX_RECORD, READ_AREA, RECORD } from './capture-format.ts';
import { CaptureWriter, privateMemory } from './capture-writer.ts';
import { ETHERNET, isSupported } from './link-types.ts';
import type { OutsideRule } from './outside-rule.ts';
import { type Port, type PortDescription, type ReceiveColumns, TX_OK, TX_TOO_BIG } from './port.ts';
import { MacSurvey, OUTSIDE, WireSides } from './wire-sides.ts';

/**
 * Reads a capture once to see whether exactly two MAC addresses talk, and which of them is outside.  Null: no, or the file
 * is none that can be read twice.
 */
export function surveyWire(path: string): OutsideRule | null {
  if (!statSync(path).isFile()) return null;
  const file = openSync(path, 'r');
  try {
    const memory = privateMemory(READ_AREA);
    const window = new FileWindow(memory, 0, READ_AREA, file);
    const reader = openReader(window);
    const survey = new MacSurvey();
    while (reader.next() === RECORD && isSupported(reader.linkType)) {
      if (!survey.add(window.view, reader.at, reader.length, reader.linkType !== ETHERNET)) break;
    }
    return survey.outside();
  } finally {
    closeSync(file);
  }
}

/** Frames of one batch that wait for their place in the file: octets in the region, the rest by row. */
class Staging {
  readonly order: number[] = [];
  readonly sec: number[] = [];
  readonly nsec: number[] = [];
  readonly offset: number[] = [];
  readonly length: number[] = [];
  count = 0;

  add(order: number, sec: number, nsec: number, offset: number, length: number): void {
    const i = this.count++;
    this.order[i] = order;
    this.sec[i] = sec;
    this.nsec[i] = nsec;
    this.offset[i] = offset;
    this.length[i] = length;
  }
}

export class OneWire implements CaptureSource {
  private readonly input: string;
  private readonly output: string | null;
  private readonly sides: WireSides;
  private source: CaptureFilePort | null = null;
  private writer: CaptureWriter | null = null;
  private region: Region | null = null;
  private readonly staged = [new Staging(), new Staging()];
  private stagedAt = 0;
  private stagedStart = 0;
  private readonly indexes: number[] = [];

  constructor(input: string, output: string | null, outside: OutsideRule | null) {
    this.input = input;
    this.output = output;
    this.sides = new WireSides(outside);
  }

  /**
   * Opens the port of interface `index`: the outside one at the first call, the inside one at the second.  Each uses
   * CAPTURE_AREA octets from `start`.  Throws a CaptureFormatError, or what the system says of a file.
   */
  open(name: string, index: number, region: Region, start: number): Port {
    const side = this.indexes.push(index) - 1;
    if (side === OUTSIDE) this.source = new CaptureFilePort(name, index, this.input, null, region, start);
    else {
      this.region = region;
      this.stagedStart = start;
      this.stagedAt = start;
      if (this.output !== null) this.writer = new CaptureWriter(this.output, region, start + READ_AREA);
    }
    return new WirePort(this, side, { name, device: this.input, mtu: CAPTURE_MTU, offload: true, mac: null });
  }

  get nextSec(): number {
    return this.source!.nextSec;
  }

  get nextNsec(): number {
    return this.source!.nextNsec;
  }

  get failure(): CaptureFailure | null {
    return this.source!.failure;
  }

  get writeFailure(): string | null {
    return this.writer?.failure ?? null;
  }

  get octetsRead(): number {
    return this.source!.octetsRead;
  }

  look(): number {
    return this.source!.look();
  }

  take(columns: ReceiveColumns, row: number): number {
    this.source!.take(columns, row);
    const side = this.sides.sideOf(this.region!.view, columns.offset[row]!, columns.length[row]!);
    return this.indexes[side]!;
  }

  /** Takes the frames of one port; they reach the file at the release. */
  stage(side: number, columns: ReceiveColumns, frames: Int32Array, count: number, result: Int32Array): void {
    // The engine's columns are Frames: only there is a rank.
    const { order } = columns as Frames;
    for (let i = 0; i < count; i++) {
      const f = frames[i]!;
      const length = columns.length[f]!;
      result[i] = length > MAX_RECORD ? TX_TOO_BIG : TX_OK;
      if (this.writer === null || length > MAX_RECORD) continue;
      if (this.stagedAt + length > this.stagedStart + READ_AREA) this.writeStaged();
      this.staged[side]!.add(order[f]!, columns.sec[f]!, columns.nsec[f]!, this.stagedAt, length);
      this.region!.u8.copyWithin(this.stagedAt, columns.offset[f]!, columns.offset[f]! + length);
      this.stagedAt += length;
    }
  }

  release(): void {
    this.source!.release();
    this.writeStaged();
  }

  close(): void {
    this.source?.close();
    this.writer?.close();
  }

  /** Merges the two ports' frames by rank. */
  private writeStaged(): void {
    const [a, b] = this.staged as [Staging, Staging];
    let i = 0;
    let j = 0;
    while (i < a.count || j < b.count) {
      const takeA = j === b.count || (i < a.count && ((a.order[i]! - b.order[j]!) | 0) < 0);
      if (takeA) this.write(a, i++);
      else this.write(b, j++);
    }
    a.count = 0;
    b.count = 0;
    this.stagedAt = this.stagedStart;
  }

  private write(from: Staging, i: number): void {
    this.writer!.add(from.sec[i]!, from.nsec[i]!, from.offset[i]!, from.length[i]!, from.length[i]!);
  }
}

/** One side of the wire; frames are received through the merge (OneWire.take), not here. */
class WirePort implements Port {
  readonly description: PortDescription;
  private readonly wire: OneWire;
  private readonly side: number;

  constructor(wire: OneWire, side: number, description: PortDescription) {
    this.wire = wire;
    this.side = side;
    this.description = description;
  }

  receive(): number {
    return 0;
  }

  transmit(columns: ReceiveColumns, frames: Int32Array, count: number, result: Int32Array): void {
    this.wire.stage(this.side, columns, frames, count, result);
  }

  release(): void {
    this.wire.release();
  }

  isUp(): boolean {
    return true;
  }

  close(): void {
    this.wire.close();
  }
}
