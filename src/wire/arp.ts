// Address Resolution Protocol for IPv4 over Ethernet.  RFC 826, RFC 5227 (probes and announcements).
//
// Not handled: other hardware or protocol types (refused as malformed), RARP.

import { ARP_MALFORMED, OK, type Reason } from '../telemetry/reasons.ts';

export const LENGTH = 28;
export const REQUEST = 1;
export const REPLY = 2;

const HARDWARE = 0;
const PROTOCOL = 2;
const SIZES = 4;
const OPERATION = 6;
export const SENDER_MAC = 8;
const SENDER_ADDR = 14;
export const TARGET_MAC = 18;
const TARGET_ADDR = 24;

/** After OK all getters are in bounds and the message is Ethernet and IPv4. */
export function check(v: DataView, at: number, end: number): Reason {
  if (end - at < LENGTH) return ARP_MALFORMED;
  if (v.getUint16(at + HARDWARE) !== 1 || v.getUint16(at + PROTOCOL) !== 0x0800) return ARP_MALFORMED;
  if (v.getUint16(at + SIZES) !== 0x0604) return ARP_MALFORMED;
  const op = operation(v, at);
  return op === REQUEST || op === REPLY ? OK : ARP_MALFORMED;
}

export function operation(v: DataView, at: number): number {
  return v.getUint16(at + OPERATION);
}

export function senderAddr(v: DataView, at: number): number {
  return v.getInt32(at + SENDER_ADDR);
}

export function targetAddr(v: DataView, at: number): number {
  return v.getInt32(at + TARGET_ADDR);
}

/** Writes a whole message; MAC addresses as high 16 and low 32 bits. */
export function write(
  v: DataView,
  at: number,
  op: number,
  senderHigh: number,
  senderLow: number,
  sender: number,
  targetHigh: number,
  targetLow: number,
  target: number,
): void {
  v.setUint16(at + HARDWARE, 1);
  v.setUint16(at + PROTOCOL, 0x0800);
  v.setUint16(at + SIZES, 0x0604);
  v.setUint16(at + OPERATION, op);
  v.setUint16(at + SENDER_MAC, senderHigh);
  v.setInt32(at + SENDER_MAC + 2, senderLow);
  v.setInt32(at + SENDER_ADDR, sender);
  v.setUint16(at + TARGET_MAC, targetHigh);
  v.setInt32(at + TARGET_MAC + 2, targetLow);
  v.setInt32(at + TARGET_ADDR, target);
}
