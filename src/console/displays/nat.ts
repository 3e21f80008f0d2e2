// show ip nat {translations [verbose] | statistics}.

import { formatAddress } from '../../config/language/address.ts';
import type { Configuration, DynamicNat, PoolConfig, StaticNat } from '../../config/model.ts';
import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from '../../wire/ipv4.ts';
import type { FirewallState, TranslationRow } from '../state.ts';
import { ageText, lines } from './text.ts';

const HEADING = row('Pro', 'Inside global', 'Inside local', 'Outside local', 'Outside global');
const PROTOCOL_NAMES: Readonly<Record<number, string>> = { [PROTOCOL_ICMP]: 'icmp', [PROTOCOL_TCP]: 'tcp', [PROTOCOL_UDP]: 'udp' };

/** `icmp` is one character longer than its column, so that the next one gives way. */
function row(protocol: string, insideGlobal: string, insideLocal: string, outsideLocal: string, outsideGlobal: string): string {
  const first = protocol.padEnd(3);
  return `${first} ${insideGlobal.padEnd(21 - first.length)} ${insideLocal.padEnd(18)} ${outsideLocal.padEnd(18)} ${outsideGlobal}`;
}

/** Flows and dynamic entries first, then the static ones of the configuration; nothing when there are none. */
export function showNatTranslations(configuration: Configuration, state: FirewallState, verbose: boolean): string {
  const shown = [
    ...state.translations.flatMap((entry) => translationLines(entry, verbose)),
    ...configuration.statics.flatMap((entry, index) => staticLines(configuration, state, entry, index, verbose)),
  ];
  return shown.length === 0 ? '' : lines([HEADING, ...shown]);
}

function place(protocol: number, addr: number, port: number): string {
  return protocol === 0 ? formatAddress(addr) : `${formatAddress(addr)}:${port}`;
}

/** Of a simple entry, and of one that no session uses, the outside is not known. */
function outside(protocol: number, addr: number, port: number): string {
  return protocol === 0 || addr === 0 ? '---' : place(protocol, addr, port);
}

function translationLines(entry: TranslationRow, verbose: boolean): string[] {
  const simple = entry.protocol === 0;
  const first = row(
    simple ? '---' : (PROTOCOL_NAMES[entry.protocol] ?? String(entry.protocol)),
    place(entry.protocol, entry.insideGlobal, entry.insideGlobalPort),
    place(entry.protocol, entry.insideLocal, entry.insideLocalPort),
    outside(entry.protocol, entry.outsideLocal, entry.outsideLocalPort),
    outside(entry.protocol, entry.outsideGlobal, entry.outsideGlobalPort),
  );
  if (!verbose) return [first];
  const left = entry.timeout === 0 ? '' : ` left ${ageText(Math.floor(entry.left / 1000))},`;
  return [
    first,
    `    create ${ageText(entry.created)}, use ${ageText(entry.used)} timeout:${entry.timeout},${left}`,
    '    flags:',
    `${simple ? 'none' : 'extended'}, use_count: ${entry.useCount}, entry-id: ${entry.entryId}, lc_entries: 0`,
  ];
}

function globalAddress(configuration: Configuration, global: number | string): string {
  if (typeof global === 'number') return formatAddress(global);
  const port = configuration.interfaces.find((candidate) => candidate.name === global);
  return typeof port?.ipAddress === 'object' ? formatAddress(port.ipAddress.addr) : '0.0.0.0';
}

function isFlowOf(flow: TranslationRow, entry: StaticNat): boolean {
  if (((flow.insideLocal ^ entry.local) & (entry.mask ?? -1)) !== 0) return false;
  return entry.protocol === 0 || (entry.protocol === flow.protocol && entry.localPort === flow.insideLocalPort);
}

/** A static entry is as old as the firewall; it was used when its flows were. */
function staticLines(configuration: Configuration, state: FirewallState, entry: StaticNat, index: number, verbose: boolean): string[] {
  const port = (number: number): string => (entry.protocol === 0 ? '' : `:${number}`);
  const global = globalAddress(configuration, entry.global) + port(entry.globalPort);
  const protocol = entry.mask === undefined ? (PROTOCOL_NAMES[entry.protocol] ?? '---') : '---';
  const first = row(protocol, global, formatAddress(entry.local) + port(entry.localPort), '---', '---');
  if (!verbose) return [first];
  const flows = state.translations.filter((flow) => isFlowOf(flow, entry));
  return [
    first,
    `    create ${ageText(state.uptime)}, use ${ageText(Math.min(state.uptime, ...flows.map((flow) => flow.used)))} timeout:0,`,
    '    flags:',
    `static, use_count: ${flows.length}, entry-id: ${index + 1}, lc_entries: 0`,
  ];
}

export function showNatStatistics(configuration: Configuration, state: FirewallState): string {
  const statics = configuration.statics.length;
  const extended = state.translations.filter((entry) => entry.protocol !== 0).length;
  const dynamics = state.translations.length;
  const on = (side: 'inside' | 'outside'): string[] =>
    configuration.interfaces.filter((port) => port.nat === side).map((port) => `  ${port.name}`);
  return lines([
    `Total active translations: ${statics + dynamics} (${statics} static, ${dynamics} dynamic; ${extended} extended)`,
    `Peak translations: ${state.nat.peak}, occurred ${ageText(state.nat.peakAge)} ago`,
    'Outside interfaces:',
    ...on('outside'),
    'Inside interfaces:',
    ...on('inside'),
    `Hits: ${state.nat.hits}  Misses: ${state.nat.misses}`,
    `Expired translations: ${state.nat.expired}`,
    'Dynamic mappings:',
    ...(configuration.dynamics.length === 0 ? [] : ['-- Inside Source']),
    ...configuration.dynamics.flatMap((entry, index) => mappingLines(configuration, entry, index, state)),
  ]);
}

function mappingLines(configuration: Configuration, entry: DynamicNat, index: number, state: FirewallState): string[] {
  const references = state.nat.mappingReferences[index] ?? 0;
  const target = entry.pool === undefined ? `interface ${entry.interface}` : `pool ${entry.pool}`;
  const pool = configuration.pools.find((candidate) => candidate.name === entry.pool);
  return [
    `[Id: ${index + 1}] access-list ${entry.list} ${target} refcount ${references}`,
    ...(pool === undefined ? [] : poolLines(pool, references, state)),
  ];
}

function poolLines(pool: PoolConfig, references: number, state: FirewallState): string[] {
  const total = (pool.end >>> 0) - (pool.start >>> 0) + 1;
  const used = new Set(
    state.translations.map((entry) => entry.insideGlobal).filter((addr) => addr >>> 0 >= pool.start >>> 0 && addr >>> 0 <= pool.end >>> 0),
  ).size;
  const allocated = Math.min(used, references === 0 ? 0 : total);
  return [
    ` pool ${pool.name}: netmask ${formatAddress(pool.mask)}`,
    `        start ${formatAddress(pool.start)} end ${formatAddress(pool.end)}`,
    `        type generic, total addresses ${total}, allocated ${allocated} (${Math.floor((allocated * 100) / total)}%), misses 0`,
  ];
}
