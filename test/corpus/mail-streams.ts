// What receivers assemble from a capture: the octets of each mail conversation, per direction, first copy wins.  A slow and
// obvious reference: whole files, maps and strings.

import { readFileSync } from 'node:fs';
import { CaptureFilePort, CAPTURE_AREA } from '../../src/port/capture-file.ts';
import { CaptureMerge } from '../../src/port/capture-merge.ts';
import { Frames } from '../../src/frame/frames.ts';
import { Region, regionOctets, type RegionShape } from '../../src/frame/region.ts';

const MAIL_PORTS = new Set([25]);

/** All Ethernet frames of a capture, in order. */
export function framesOf(path: string): Uint8Array[] {
  const shape: RegionShape = { portOctets: [CAPTURE_AREA], smallSlots: 1, largeSlots: 1, storePages: 1 };
  const region = new Region(new ArrayBuffer(regionOctets(shape)), shape);
  const frames = new Frames(region);
  const port = new CaptureFilePort('x', 0, path, null, region, 0);
  const merge = new CaptureMerge([port]);
  const list: Uint8Array[] = [];
  for (let n = merge.fill(frames); n > 0; n = merge.fill(frames)) {
    for (let f = 0; f < n; f++) list.push(region.u8.slice(frames.offset[f]!, frames.offset[f]! + frames.length[f]!));
    port.release();
    frames.clear(n);
  }
  port.close();
  return list;
}

interface Piece {
  readonly seq: number;
  readonly octets: Uint8Array;
}

/** `src:port>dst:port` to its stream, for TCP over unfragmented IPv4 or IPv6 on a mail port. */
export function mailStreams(frames: readonly Uint8Array[]): Map<string, Uint8Array> {
  const starts = new Map<string, number>();
  const pieces = new Map<string, Piece[]>();
  for (const frame of frames) collect(frame, starts, pieces);
  const streams = new Map<string, Uint8Array>();
  for (const [key, list] of pieces) {
    const start = starts.get(key);
    if (start !== undefined) streams.set(key, assemble(start, list));
  }
  return streams;
}

function collect(frame: Uint8Array, starts: Map<string, number>, pieces: Map<string, Piece[]>): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  let at = 12;
  while (at + 2 <= frame.length && (view.getUint16(at) === 0x8100 || view.getUint16(at) === 0x88a8)) at += 4;
  if (at + 22 > frame.length) return;
  const type = view.getUint16(at);
  const l3 = at + 2;
  let l4 = 0;
  let end = 0;
  let src = '';
  let dst = '';
  if (type === 0x0800 && frame[l3 + 9] === 6 && (view.getUint16(l3 + 6) & 0x3fff) === 0) {
    l4 = l3 + ((frame[l3]! & 15) << 2);
    end = l3 + view.getUint16(l3 + 2);
    src = String(view.getUint32(l3 + 12));
    dst = String(view.getUint32(l3 + 16));
  } else if (type === 0x86dd && frame[l3 + 6] === 6) {
    l4 = l3 + 40;
    end = l4 + view.getUint16(l3 + 4);
    src = Buffer.from(frame.subarray(l3 + 8, l3 + 24)).toString('hex');
    dst = Buffer.from(frame.subarray(l3 + 24, l3 + 40)).toString('hex');
  }
  if (l4 === 0 || end > frame.length || l4 + 20 > end) return;
  const sport = view.getUint16(l4);
  const dport = view.getUint16(l4 + 2);
  if (!MAIL_PORTS.has(sport) && !MAIL_PORTS.has(dport)) return;
  const key = `${src}:${sport}>${dst}:${dport}`;
  const seq = view.getUint32(l4 + 4);
  const isSyn = (frame[l4 + 13]! & 2) !== 0;
  if (isSyn && !starts.has(key)) starts.set(key, (seq + 1) >>> 0);
  const octets = frame.slice(l4 + ((frame[l4 + 12]! >> 4) << 2), end);
  if (octets.length === 0 || isSyn) return;
  if (!pieces.has(key)) pieces.set(key, []);
  pieces.get(key)!.push({ seq, octets });
}

/** The contiguous beginning of the stream. */
function assemble(start: number, list: readonly Piece[]): Uint8Array {
  const values = new Map<number, number>();
  for (const { seq, octets } of list) {
    const from = (seq - start) | 0;
    octets.forEach((octet, i) => {
      if (from + i >= 0 && !values.has(from + i)) values.set(from + i, octet);
    });
  }
  const out: number[] = [];
  for (let i = 0; values.has(i); i++) out.push(values.get(i)!);
  return Uint8Array.from(out);
}

/** Rows of INDEX.tsv by column name. */
export function indexRows(path: string): Record<string, string>[] {
  const [head, ...rows] = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
  return rows.map((row) => Object.fromEntries(head!.map((name, i) => [name, row[i] ?? ''])));
}
