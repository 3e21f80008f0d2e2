// Captures read through libpcap with a filter expression: the second reader beside our own, for `replay --filter`.
//
// The npm package `pcap` pushes every frame of a file in one go, so what passes the filter is spooled to a temporary capture
// in its own link type, which the capture port then reads like any other.
// Limits of the package: time stamps in microseconds, and of a damaged file only that it could not be read on.

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPcap, type PcapSession } from '../../native-bindings/pcap.ts';
import { CaptureFormatError, MAX_RECORD } from './capture-format.ts';
import { CaptureWriter, privateMemory } from './capture-writer.ts';

/** What libpcap says of the filter expression. */
export class FilterError extends Error {}

/** Link types (DLT_ numbers) by the package's names; others it calls `Unknown linktype N`. */
const LINK_TYPES: Readonly<Record<string, number>> = {
  LINKTYPE_NULL: 0,
  LINKTYPE_ETHERNET: 1,
  LINKTYPE_IEEE802_11_RADIO: 127,
  LINKTYPE_RAW: 101,
  LINKTYPE_LINUX_SLL: 113,
};

export interface FilteredCapture {
  /** The spooled capture. */
  readonly path: string;
  readonly frames: number;
  /** libpcap could not read to the end of the file. */
  readonly damaged: boolean;
  /** Deletes the spooled capture; an open one stays readable. */
  remove(): void;
}

/**
 * Spools the frames of a capture that pass a filter (pcap-filter(7); '' passes all).  Throws MissingPackageError, FilterError
 * with libpcap's message, or CaptureFormatError when libpcap cannot read the file.
 */
export async function filterCapture(path: string, expression: string): Promise<FilteredCapture> {
  const { PcapSession: Session } = loadPcap();
  statSync(path);
  const open = (filter: string): PcapSession => new Session(false, path, filter, 0, MAX_RECORD, null);
  // Without the filter first: what libpcap says then is about the file.
  attempt(() => open(''), CaptureFormatError).close();
  const session = attempt(() => open(expression), FilterError);
  const folder = mkdtempSync(join(tmpdir(), 'postern-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const spool = join(folder, 'filtered.pcap');
    return { path: spool, remove, ...(await spoolTo(spool, session)) };
  } catch (error) {
    remove();
    throw error;
  }
}

function attempt<T>(open: () => T, Wrapped: new (message: string) => Error): T {
  try {
    return open();
  } catch (error) {
    throw new Wrapped((error as Error).message);
  }
}

function linkTypeOf(session: PcapSession): number {
  return LINK_TYPES[session.link_type] ?? Number(/\d+$/.exec(session.link_type)?.[0] ?? -1);
}

async function spoolTo(path: string, session: PcapSession): Promise<{ frames: number; damaged: boolean }> {
  const writer = new CaptureWriter(path, privateMemory(), 0, linkTypeOf(session));
  let frames = 0;
  const damaged = await drain(session, () => {
    const { buf, header } = session;
    const length = Math.min(header.readUInt32LE(8), buf.length);
    const fraction = header.readUInt32LE(4) * 1000;
    writer.addFrom(header.readUInt32LE(0) + Math.floor(fraction / 1e9), fraction % 1e9, buf.subarray(0, length), header.readUInt32LE(12));
    frames++;
  });
  writer.close();
  if (writer.failure !== null) throw new Error(writer.failure);
  return { frames, damaged };
}

/**
 * Reads a session to its end, calling `onPacket` for each frame in its buffers, and closes it.  True when libpcap met an
 * error: the package keeps the answer of its last read to itself, so the read is listened to.
 */
function drain(session: PcapSession, onPacket: () => void): Promise<boolean> {
  const { session: native } = session;
  const dispatch = native.dispatch.bind(native);
  let answer = 0;
  native.dispatch = (buffer, header) => (answer = dispatch(buffer, header));
  session.on('packet', onPacket);
  return new Promise((resolve) => {
    session.on('complete', () => {
      const damaged = answer < 0;
      // Closing only breaks the loop; the file is closed by the read that follows.
      session.close();
      dispatch(session.buf, session.header);
      resolve(damaged);
    });
  });
}
