// Transmission Control Protocol header.  RFC 9293 section 3.1, options RFC 9293 3.2, RFC 7323, RFC 2018.
//
// Options are walked by checkOptions() and found by findOption(); SACK blocks are located, not interpreted.
// Not handled: urgent data beyond carrying the pointer.

import { OK, type Reason, TCP_BAD_OFFSET, TCP_BAD_OPTION, TCP_TRUNCATED } from '../telemetry/reasons.ts';

export const MIN_HEADER_LENGTH = 20;

const SRC_PORT = 0;
const DST_PORT = 2;
const SEQ_NUM = 4;
const ACK_NUM = 8;
const DATA_OFFSET = 12;
const FLAGS = 13;
const WINDOW = 14;
export const CHECKSUM = 16;
const URGENT_POINTER = 18;

// Control bits, RFC 9293 section 3.1 order; CWR and ECE RFC 3168.
export const CWR = 0x80;
export const ECE = 0x40;
export const URG = 0x20;
export const ACK = 0x10;
export const PSH = 0x08;
export const RST = 0x04;
export const SYN = 0x02;
export const FIN = 0x01;

export const OPTION_END = 0;
export const OPTION_NOP = 1;
export const OPTION_MSS = 2;
export const OPTION_WINDOW_SCALE = 3;
export const OPTION_SACK_PERMITTED = 4;
export const OPTION_SACK = 5;
export const OPTION_TIMESTAMPS = 8;

/** After OK the header with its options lies within [at, end). */
export function check(v: DataView, at: number, end: number): Reason {
  if (end - at < MIN_HEADER_LENGTH) return TCP_TRUNCATED;
  const header = headerLength(v, at);
  return header >= MIN_HEADER_LENGTH && at + header <= end ? OK : TCP_BAD_OFFSET;
}

export function srcPort(v: DataView, at: number): number {
  return v.getUint16(at + SRC_PORT);
}

export function dstPort(v: DataView, at: number): number {
  return v.getUint16(at + DST_PORT);
}

/** int32, see seq.ts */
export function seqNum(v: DataView, at: number): number {
  return v.getInt32(at + SEQ_NUM);
}

/** int32, see seq.ts */
export function ackNum(v: DataView, at: number): number {
  return v.getInt32(at + ACK_NUM);
}

/** Octets, options included. */
export function headerLength(v: DataView, at: number): number {
  return (v.getUint8(at + DATA_OFFSET) >> 4) << 2;
}

/** Low four bits behind the data offset: reserved (the last was NS). */
export function reserved(v: DataView, at: number): number {
  return v.getUint8(at + DATA_OFFSET) & 15;
}

export function flags(v: DataView, at: number): number {
  return v.getUint8(at + FLAGS);
}

/** As it stands, not scaled. */
export function window(v: DataView, at: number): number {
  return v.getUint16(at + WINDOW);
}

export function checksum(v: DataView, at: number): number {
  return v.getUint16(at + CHECKSUM);
}

export function urgentPointer(v: DataView, at: number): number {
  return v.getUint16(at + URGENT_POINTER);
}

export function setPorts(v: DataView, at: number, src: number, dst: number): void {
  v.setUint16(at + SRC_PORT, src);
  v.setUint16(at + DST_PORT, dst);
}

export function setSeqNum(v: DataView, at: number, seq: number): void {
  v.setInt32(at + SEQ_NUM, seq);
}

export function setAckNum(v: DataView, at: number, ack: number): void {
  v.setInt32(at + ACK_NUM, ack);
}

/** Reserved bits are cleared. */
export function setHeaderLength(v: DataView, at: number, octets: number): void {
  v.setUint8(at + DATA_OFFSET, (octets >> 2) << 4);
}

export function setFlags(v: DataView, at: number, bits: number): void {
  v.setUint8(at + FLAGS, bits);
}

export function setWindow(v: DataView, at: number, value: number): void {
  v.setUint16(at + WINDOW, value);
}

export function setChecksum(v: DataView, at: number, value: number): void {
  v.setUint16(at + CHECKSUM, value);
}

export function setUrgentPointer(v: DataView, at: number, value: number): void {
  v.setUint16(at + URGENT_POINTER, value);
}

/** OK when every option has a length of at least 2 and ends within the header (of a checked segment). */
export function checkOptions(v: DataView, at: number): Reason {
  const end = at + headerLength(v, at);
  for (let o = at + MIN_HEADER_LENGTH; o < end; ) {
    const kind = v.getUint8(o);
    if (kind === OPTION_END) return OK;
    if (kind === OPTION_NOP) {
      o++;
      continue;
    }
    if (o + 1 >= end) return TCP_BAD_OPTION;
    const length = v.getUint8(o + 1);
    if (length < 2 || o + length > end) return TCP_BAD_OPTION;
    o += length;
  }
  return OK;
}

/** Offset of the first option of that kind (at its kind octet), or -1.  Options must have passed checkOptions. */
export function findOption(v: DataView, at: number, kind: number): number {
  const end = at + headerLength(v, at);
  for (let o = at + MIN_HEADER_LENGTH; o < end; ) {
    const k = v.getUint8(o);
    if (k === kind) return o;
    if (k === OPTION_END) return -1;
    o += k === OPTION_NOP ? 1 : v.getUint8(o + 1);
  }
  return -1;
}

/** Writes a 20-octet header, checksum and urgent pointer 0. */
export function write(v: DataView, at: number, src: number, dst: number, seq: number, ack: number, bits: number, win: number): void {
  v.setUint16(at + SRC_PORT, src);
  v.setUint16(at + DST_PORT, dst);
  v.setInt32(at + SEQ_NUM, seq);
  v.setInt32(at + ACK_NUM, ack);
  v.setUint16(at + DATA_OFFSET, 0x5000 | bits);
  v.setUint16(at + WINDOW, win);
  v.setInt32(at + CHECKSUM, 0);
}
