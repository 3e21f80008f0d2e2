// show logging, show version, show debugging, show ip port-map, show postern counters.

import { SEVERITIES } from '../../config/commands/system.ts';
import { formatAddress } from '../../config/language/address.ts';
import type { Configuration } from '../../config/model.ts';
import { PORT_MAP } from '../../policy/port-map.ts';
import { DROPS, EVENTS, LEDGER_NAMES } from '../../telemetry/counters.ts';
import { REASONS } from '../../telemetry/reasons.ts';
import type { FirewallState } from '../state.ts';
import { counted, lines } from './text.ts';

const DEBUGGING = 7;
const INFORMATIONAL = 6;

export function showLogging({ logging }: Configuration, { log }: FirewallState): string {
  const level = (severity: number | false | undefined, messages: number, implied: number): string =>
    severity === false ? 'disabled' : `level ${SEVERITIES[severity ?? implied]}, ${messages} messages logged`;
  const buffered = logging.buffered === undefined ? false : logging.bufferedLevel;
  return lines([
    `Syslog logging: ${logging.on ? 'enabled' : 'disabled'} (${log.dropped} messages dropped, ${log.rateLimited} messages rate-limited, 0 flushes, 0 overruns, xml disabled)`,
    `    Console logging: ${level(logging.console, log.console, DEBUGGING)}, xml disabled`,
    `    Monitor logging: ${level(undefined, log.monitor, DEBUGGING)}, xml disabled`,
    `    Buffer logging: ${level(buffered, log.buffer, DEBUGGING)}, xml disabled`,
    `    Trap logging: ${trapText(logging.trap, log.trap)}`,
    ...logging.hosts.map((host) => `        Logging to ${formatAddress(host)}, ${log.trap} message lines logged, xml disabled`),
    ...(logging.buffered === undefined ? [] : ['', `Log Buffer (${logging.buffered} bytes):`, '', ...log.lines]),
  ]);
}

function trapText(severity: number | undefined, messages: number): string {
  return `level ${SEVERITIES[severity ?? INFORMATIONAL]}, ${counted(messages, 'message line', 'message lines')} logged`;
}

export function showVersion({ hostname, interfaces }: Configuration, state: FirewallState): string {
  return lines([
    `Postern, version ${state.version}`,
    `Node.js ${process.versions.node}, ${process.platform} ${process.arch}`,
    '',
    `${hostname} uptime is ${uptimeText(state.uptime)}`,
    '',
    counted(interfaces.length, 'interface', 'interfaces'),
  ]);
}

function uptimeText(seconds: number): string {
  const units: [number, string][] = [
    [Math.floor(seconds / 604_800), 'week'],
    [Math.floor(seconds / 86_400) % 7, 'day'],
    [Math.floor(seconds / 3600) % 24, 'hour'],
    [Math.floor(seconds / 60) % 60, 'minute'],
  ];
  const parts = units.filter(([count]) => count > 0).map(([count, unit]) => counted(count, unit, `${unit}s`));
  return parts.length === 0 ? '0 minutes' : parts.join(', ');
}

/** Nothing when nothing is on. */
export function showDebugging(state: FirewallState): string {
  return lines(state.debugging);
}

/** System-defined and configured ports, all or those of one application. */
export function showPortMap(configuration: Configuration, application?: string): string {
  const systems = Object.entries(PORT_MAP)
    .filter(
      ([keyword, mapping]) =>
        mapping.ports.length > 0 && mapping.application === undefined && (application === undefined || keyword === application),
    )
    .map(([keyword, mapping]) => mappingLine('Default mapping:', keyword, mapping.ports.join(' '), 'system defined'));
  const users = configuration.portMaps
    .filter((entry) => application === undefined || entry.application === application)
    .map((entry) => {
      const where = entry.list === undefined ? 'Default mapping:' : 'Host specific:';
      const list = entry.list === undefined ? '' : `  in list ${entry.list}`;
      return mappingLine(where, entry.application, String(entry.port), 'user defined') + list;
    });
  return lines([...systems, ...users]);
}

function mappingLine(where: string, application: string, ports: string, defined: string): string {
  return `${where}  ${application} port ${ports}  ${defined}`;
}

/** Every counter of the ledger, every reason for which frames are dropped, and every event. */
export function showCounters({ counters }: FirewallState): string {
  const row = (name: string, count: number, meaning = ''): string =>
    `  ${name.padEnd(28)} ${String(count).padStart(14)}  ${meaning}`.trimEnd();
  const reasons = REASONS.map((reason, index) => ({ ...reason, drops: counters[DROPS + index]!, events: counters[EVENTS + index]! }));
  return lines([
    'Frames and sessions',
    ...LEDGER_NAMES.map((name, index) => row(name, counters[index]!)),
    'Drops by reason',
    ...reasons
      .filter((reason) => reason.level === 'drop' || reason.drops > 0)
      .map((reason) => row(reason.name, reason.drops, reason.meaning)),
    'Events',
    ...reasons
      .filter((reason) => ['warning', 'info'].includes(reason.level) || reason.events > 0)
      .map((reason) => row(reason.name, reason.events, reason.meaning)),
  ]);
}
