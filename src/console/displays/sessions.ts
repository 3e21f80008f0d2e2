// show ip inspect {sessions [detail] | statistics}.

import { expandReassembly } from '../../config/inspect-defaults.ts';
import type { Configuration } from '../../config/model.ts';
import * as counters from '../../telemetry/counters.ts';
import { TCP_OOO_LIMIT, TCP_OOO_TIMEOUT } from '../../telemetry/reasons.ts';
import { SESSION_CLOSED, SESSION_CLOSING, SESSION_OPEN, SESSION_OPENING, type FirewallState, type SessionRow } from '../state.ts';
import { ageText, lines } from './text.ts';

const GROUPS: readonly (readonly [heading: string, states: readonly string[]])[] = [
  ['Established Sessions', [SESSION_OPEN]],
  ['Half-open Sessions', [SESSION_OPENING]],
  ['Terminating Sessions', [SESSION_CLOSING, SESSION_CLOSED]],
];

/** Nothing at all when there are no sessions. */
export function showInspectSessions(state: FirewallState, detail: boolean): string {
  const shown = GROUPS.flatMap(([heading, states]) => {
    const rows = state.sessions.filter((row) => states.includes(row.state));
    return rows.length === 0 ? [] : [heading, ...rows.flatMap((row) => sessionLines(row, detail))];
  });
  const leftOut = state.sessionsLeftOut > 0 ? [` ${state.sessionsLeftOut} more sessions are not shown`] : [];
  return lines([...shown, ...leftOut]);
}

function sessionLines(row: SessionRow, detail: boolean): string[] {
  const id = (row.id >>> 0).toString(16).toUpperCase();
  const initiator = `(${row.initiatorAddr}:${row.initiatorPort})`;
  const responder = `(${row.responderAddr}:${row.responderPort})`;
  const first = ` Session ${id} ${initiator}=>${responder} ${row.protocol} ${row.state}`;
  return detail ? [first, ...detailLines(row)] : [first];
}

function detailLines(row: SessionRow): string[] {
  const returning = `${row.responderAddr}[${row.responderPort}:${row.responderPort}]=>${row.initiatorAddr}[${row.initiatorPort}:${row.initiatorPort}]`;
  return [
    `  Created ${ageText(row.created)}, Last heard ${ageText(row.lastHeard)}`,
    `  Bytes sent (initiator:responder) [${row.initiatorOctets}:${row.responderOctets}]`,
    ...(row.accessList === '' ? [] : [`  In  SID ${returning} on ACL ${row.accessList}  (${row.accessListMatches} matches)`]),
  ];
}

export function showInspectStatistics(configuration: Configuration, state: FirewallState): string {
  const value = (index: number): number => state.counters[index]!;
  const inspected = configuration.interfaces.filter((port) => port.inspectIn !== undefined || port.inspectOut !== undefined);
  const halfOpen = value(counters.SESSIONS_HALF_OPEN);
  const terminating = value(counters.SESSIONS_TERMINATING);
  const established = value(counters.SESSIONS_CURRENT) - halfOpen - terminating;
  const kinds: [string, number][] = [
    ['tcp', value(counters.TCP_PACKETS)],
    ['udp', value(counters.UDP_PACKETS)],
    ['icmp', value(counters.ICMP_PACKETS)],
    ['smtp', value(counters.INSPECTED_PACKETS)],
  ];
  return lines([
    'Packet inspection statistics [process switch:fast switch]',
    ...kinds.filter(([, count]) => count > 0).map(([kind, count]) => `  ${kind} packets: [0:${count}]`),
    `Interfaces configured for inspection ${inspected.length}`,
    `Session creations since subsystem startup or last reset ${value(counters.SESSIONS_OPENED)}`,
    `Current session counts (estab/half-open/terminating) [${established}:${halfOpen}:${terminating}]`,
    `Maxever session counts (estab/half-open/terminating) [${state.sessionPeaks.join(':')}]`,
    `Last session created ${ageText(state.lastSessionCreated)}`,
    'Last statistic reset never',
    `Last session creation rate ${state.creationRate}`,
    `Maxever session creation rate ${state.maxCreationRate}`,
    `Last half-open session total ${halfOpen}`,
    ...reassemblyLines(configuration, state),
  ]);
}

/** Lines of 12.4(11)T, shown where its command is configured. */
function reassemblyLines(configuration: Configuration, state: FirewallState): string[] {
  if (expandReassembly(configuration) === undefined) return [];
  const kilobytes = Math.ceil(state.counters[counters.OUT_OF_ORDER_OCTETS]! / 1024);
  const dropped = state.counters[counters.DROPS + TCP_OOO_LIMIT]! + state.counters[counters.DROPS + TCP_OOO_TIMEOUT]!;
  return [
    'TCP reassembly statistics',
    `  received ${state.counters[counters.OUT_OF_ORDER_SEGMENTS]} packets out-of-order; dropped ${dropped}`,
    `  current usage: ${kilobytes} KB`,
  ];
}
