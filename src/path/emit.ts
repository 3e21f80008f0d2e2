// Step emit: the transmit queue to the ports, in order for each port; each queued frame ends as transmitted or as dropped
// with the reason that the port gave.

import { QUEUED } from '../frame/frames.ts';
import { PORTS, PORT_SIZE, PORT_TX_ERRORS, PORT_TX_FRAMES, PORT_TX_OCTETS } from '../telemetry/counters.ts';
import { ROUTE_INTERFACE_DOWN, TX_ERROR, TX_LINK_DOWN, TX_NO_BUFFER, TX_TOO_BIG } from '../telemetry/reasons.ts';
import * as port from '../port/port.ts';
import type { DataPlane } from './data-plane.ts';

/** Hands everything queued to the ports and empties the queue. */
export function emit(p: DataPlane): void {
  const { transmitQueue } = p.ledger;
  if (transmitQueue.count === 0) return;
  for (let i = 0; i < p.ports.length; i++) emitPort(p, i);
  dropRest(p);
  transmitQueue.clear();
}

function emitPort(p: DataPlane, egress: number): void {
  const { transmitQueue } = p.ledger;
  const { staged, results } = p.emission;
  let count = 0;
  for (let i = 0; i < transmitQueue.count; i++) {
    const f = transmitQueue.frames[i]!;
    staged[count] = f;
    // Without a branch: 1 for this port's, 0 for others'.
    count += ((p.frames.egress[f]! ^ egress) - 1) >>> 31;
  }
  if (count === 0) return;
  const to = p.ports[egress] ?? null;
  if (to === null) {
    for (let i = 0; i < count; i++) p.ledger.drop(staged[i]!, ROUTE_INTERFACE_DOWN);
    return;
  }
  to.transmit(p.frames, staged, count, results);
  settle(p, egress, count);
}

function settle(p: DataPlane, egress: number, count: number): void {
  const { counters, frames, ledger } = p;
  const { staged, results } = p.emission;
  const at = PORTS + egress * PORT_SIZE;
  for (let i = 0; i < count; i++) {
    const f = staged[i]!;
    if (results[i] === port.TX_OK) {
      counters[at + PORT_TX_FRAMES]!++;
      counters[at + PORT_TX_OCTETS]! += frames.length[f]!;
      ledger.transmitted(f);
      continue;
    }
    counters[at + PORT_TX_ERRORS]!++;
    ledger.drop(f, reasonOf(results[i]!));
  }
}

function reasonOf(result: number): number {
  if (result === port.TX_TOO_BIG) return TX_TOO_BIG;
  if (result === port.TX_NO_BUFFER) return TX_NO_BUFFER;
  return result === port.TX_LINK_DOWN ? TX_LINK_DOWN : TX_ERROR;
}

/** Frames whose egress is no port at all; none is expected. */
function dropRest(p: DataPlane): void {
  const { transmitQueue } = p.ledger;
  for (let i = 0; i < transmitQueue.count; i++) {
    const f = transmitQueue.frames[i]!;
    if (p.frames.fate[f] === QUEUED) p.ledger.drop(f, ROUTE_INTERFACE_DOWN);
  }
}
