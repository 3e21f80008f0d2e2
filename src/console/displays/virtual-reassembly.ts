// show ip virtual-reassembly [INTERFACE].

import type { Configuration, InterfaceConfig } from '../../config/model.ts';
import { NO_PORT, type FirewallState, type PortRow } from '../state.ts';
import { lines } from './text.ts';

const MAX_REASSEMBLIES = 16;
const MAX_FRAGMENTS = 32;
const TIMEOUT = 3;

/** Interfaces on which it is configured. */
export function showVirtualReassembly(configuration: Configuration, state: FirewallState, name?: string): string {
  const blocks = configuration.interfaces
    .map((port, index) => blockOf(port, state.ports[index] ?? NO_PORT, name))
    .filter((block) => block.length > 0);
  return lines(blocks.flatMap((block, index) => (index === 0 ? block : ['', ...block])));
}

function blockOf(port: InterfaceConfig, row: PortRow, name: string | undefined): string[] {
  const limits = port.virtualReassembly;
  if (limits === undefined || (name !== undefined && port.name !== name)) return [];
  return [
    `${port.name}:`,
    '   Virtual Fragment Reassembly (VFR) is ENABLED...',
    `   Concurrent reassemblies (max-reassemblies): ${limits.maxReassemblies ?? MAX_REASSEMBLIES}`,
    `   Fragments per reassembly (max-fragments): ${limits.maxFragments ?? MAX_FRAGMENTS}`,
    `   Reassembly timeout (timeout): ${limits.timeout ?? TIMEOUT} seconds`,
    `   Drop fragments: ${limits.dropFragments ? 'ON' : 'OFF'}`,
    '',
    `   Current reassembly count:${row.reassemblies}`,
    `   Current fragment count:${row.fragments}`,
    `   Total reassembly count:${row.totalReassemblies}`,
    `   Total reassembly timeout count:${row.reassemblyTimeouts}`,
  ];
}
