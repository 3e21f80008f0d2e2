// What the tests of captures share: files of every form made by hand, read back record by record, and a region for the ports.

import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Frames } from '../../src/frame/frames.ts';
import { Region, regionOctets } from '../../src/frame/region.ts';
import { CAPTURE_AREA, openReader } from '../../src/port/capture-file.ts';
import { FileWindow, READ_AREA, RECORD } from '../../src/port/capture-format.ts';
import { privateMemory } from '../../src/port/capture-writer.ts';

export const folder = mkdtempSync(join(tmpdir(), 'postern-capture-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

export function save(octets: Uint8Array): string {
  const path = join(folder, `${files++}.pcap`);
  writeFileSync(path, octets);
  return path;
}

export interface Rec {
  sec: number;
  fraction: number;
  data: Uint8Array;
  wire?: number;
}

export function pcap(records: readonly Rec[], { linkType = 1, littleEndian = true, magic = 0xa1b2c3d4, minor = 4 } = {}): Uint8Array {
  const out = Buffer.alloc(24 + records.reduce((sum, r) => sum + 16 + r.data.length, 0));
  const v = new DataView(out.buffer, out.byteOffset, out.length);
  v.setUint32(0, magic, littleEndian);
  v.setUint16(4, 2, littleEndian);
  v.setUint16(6, minor, littleEndian);
  v.setUint32(16, 262_144, littleEndian);
  v.setUint32(20, linkType, littleEndian);
  let at = 24;
  for (const r of records) {
    v.setUint32(at, r.sec, littleEndian);
    v.setUint32(at + 4, r.fraction, littleEndian);
    v.setUint32(at + 8, r.data.length, littleEndian);
    v.setUint32(at + 12, r.wire ?? r.data.length, littleEndian);
    out.set(r.data, at + 16);
    at += 16 + r.data.length;
  }
  return out;
}

export function block(type: number, body: Uint8Array, littleEndian: boolean): Uint8Array {
  const padded = (body.length + 3) & ~3;
  const out = Buffer.alloc(12 + padded);
  const v = new DataView(out.buffer, out.byteOffset, out.length);
  v.setUint32(0, type, littleEndian);
  v.setUint32(4, out.length, littleEndian);
  out.set(body, 8);
  v.setUint32(8 + padded, out.length, littleEndian);
  return out;
}

/** A block body of 16- and 32-bit fields, then octets. */
export function body(
  littleEndian: boolean,
  fields: readonly (readonly [16 | 32, number])[],
  octets: Uint8Array = new Uint8Array(),
): Uint8Array {
  const length = fields.reduce((sum, [bits]) => sum + bits / 8, 0);
  const out = Buffer.alloc(length + octets.length);
  const v = new DataView(out.buffer, out.byteOffset, out.length);
  let at = 0;
  for (const [bits, value] of fields) {
    if (bits === 16) v.setUint16(at, value, littleEndian);
    else v.setUint32(at, value >>> 0, littleEndian);
    at += bits / 8;
  }
  out.set(octets, length);
  return out;
}

export const section = (le: boolean): Uint8Array =>
  block(
    0x0a0d0d0a,
    body(le, [
      [32, 0x1a2b3c4d],
      [16, 1],
      [16, 0],
      [32, -1],
      [32, -1],
    ]),
    le,
  );

export function description(le: boolean, linkType: number, snap = 0, options: readonly (readonly [number, Uint8Array])[] = []): Uint8Array {
  const encoded = options.map(([code, value]) =>
    Buffer.concat([
      body(le, [
        [16, code],
        [16, value.length],
      ]),
      value,
      Buffer.alloc((4 - (value.length & 3)) & 3),
    ]),
  );
  return block(
    1,
    body(
      le,
      [
        [16, linkType],
        [16, 0],
        [32, snap],
      ],
      Buffer.concat(encoded),
    ),
    le,
  );
}

export function enhanced(le: boolean, index: number, time: bigint, data: Uint8Array, wire = data.length): Uint8Array {
  return block(
    6,
    body(
      le,
      [
        [32, index],
        [32, Number(time >> 32n)],
        [32, Number(time & 0xffffffffn)],
        [32, data.length],
        [32, wire],
      ],
      data,
    ),
    le,
  );
}

export interface Got {
  sec: number;
  nsec: number;
  linkType: number;
  wire: number;
  data: string;
}

export function read(path: string): { records: Got[]; answer: number; damage: string } {
  const file = openSync(path, 'r');
  try {
    const window = new FileWindow(privateMemory(READ_AREA), 0, READ_AREA, file);
    const reader = openReader(window);
    const records: Got[] = [];
    let answer = reader.next();
    for (; answer === RECORD; answer = reader.next()) {
      const data = Buffer.from(window.u8.slice(reader.at, reader.at + reader.length)).toString('latin1');
      records.push({ sec: reader.sec, nsec: reader.nsec, linkType: reader.linkType, wire: reader.wireLength, data });
    }
    return { records, answer, damage: reader.damage };
  } finally {
    closeSync(file);
  }
}

export const octets = (text: string): Uint8Array => Buffer.from(text, 'latin1');
export const frame = (length: number, fill = 0x61): Uint8Array => new Uint8Array(length).fill(fill);

/** An engine's worth of region for capture ports. */
export function makeFrames(ports: number): Frames {
  const shape = { portOctets: Array<number>(ports).fill(CAPTURE_AREA), smallSlots: 4, largeSlots: 1, storePages: 1 };
  return new Frames(new Region(new ArrayBuffer(regionOctets(shape)), shape));
}

export const hexOf = (frames: Frames, f: number): string =>
  Buffer.from(frames.region.u8.slice(frames.offset[f]!, frames.offset[f]! + frames.length[f]!)).toString('hex');

/** An Ethernet, IPv4 and TCP frame by addresses, ports and control bits. */
export function segment(
  src: number,
  dst: number,
  srcPort: number,
  dstPort: number,
  flags: number,
  macs = '020000000002020000000001',
): Uint8Array {
  const hex = `${macs}08004500002800000000400600000a0000${src.toString(16).padStart(2, '0')}0a0000${dst.toString(16).padStart(2, '0')}`;
  const out = Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(20)]);
  out.writeUInt16BE(srcPort, 34);
  out.writeUInt16BE(dstPort, 36);
  out[46] = 0x50;
  out[47] = flags;
  return out;
}
