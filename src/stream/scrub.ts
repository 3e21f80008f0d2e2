// Bits of the header that could carry something past the inspector or that nobody negotiated: urgent data, whose octets some
// receivers take out of the stream (RFC 6093), reserved bits, ECN without negotiation (RFC 3168 section 6.1).

import { TCP_RESERVED_BITS, TCP_URGENT } from '../telemetry/reasons.ts';
import * as tcp from '../wire/tcp.ts';
import { alert } from './alerts.ts';
import { ECN, FLAGS, OFFERS_ECN, PEER, sessionRecord } from './stream-record.ts';
import type { StreamState } from './stream-state.ts';

/** Clears them in the segment at hand, of the direction at `at`. */
export function scrub(s: StreamState, at: number): void {
  const { segment } = s;
  const { view } = s.region;
  if (segment.has(tcp.URG)) {
    segment.clearBits(tcp.URG);
    alert(s, TCP_URGENT, segment.seq);
  }
  if (tcp.urgentPointer(view, segment.l4) !== 0) {
    tcp.setUrgentPointer(view, segment.l4, 0);
    segment.isChanged = true;
  }
  if (tcp.reserved(view, segment.l4) !== 0) {
    tcp.setHeaderLength(view, segment.l4, tcp.headerLength(view, segment.l4));
    segment.isChanged = true;
    alert(s, TCP_RESERVED_BITS, segment.seq);
  }
  const congestion = segment.bits & (tcp.ECE | tcp.CWR);
  if (congestion === 0) return;
  const foreign = congestion & ~allowed(s, at, congestion);
  if (foreign === 0) return;
  segment.clearBits(foreign);
  alert(s, TCP_RESERVED_BITS, segment.seq);
}

/** ECE and CWR together on a SYN, ECE alone on its answer when it was asked, both on other segments when both sides agreed. */
function allowed(s: StreamState, at: number, congestion: number): number {
  const both = tcp.ECE | tcp.CWR;
  if (!s.segment.has(tcp.SYN)) return (s.words[sessionRecord(at) + FLAGS]! & ECN) !== 0 ? both : 0;
  if (!s.segment.has(tcp.ACK)) return congestion === both ? both : 0;
  return congestion === tcp.ECE && (s.words[(at ^ PEER) + FLAGS]! & OFFERS_ECN) !== 0 ? tcp.ECE : 0;
}
