// Carries out the displays of exec mode on a configuration and the state of a firewall.

import type { Args } from '../config/language/args.ts';
import type { Failure } from '../config/language/match.ts';
import type { Configuration } from '../config/model.ts';
import { printRunningConfig } from '../config/running-config.ts';
import { showAccessLists } from './displays/access-lists.ts';
import { showInspectAll, showInspectConfig, showInspectInterfaces, showInspectName } from './displays/inspect.ts';
import { showInterfaces } from './displays/interfaces.ts';
import { showNatStatistics, showNatTranslations } from './displays/nat.ts';
import { showArp, showRoute } from './displays/routing.ts';
import { showInspectSessions, showInspectStatistics } from './displays/sessions.ts';
import { showCounters, showDebugging, showLogging, showPortMap, showVersion } from './displays/system.ts';
import { showVirtualReassembly } from './displays/virtual-reassembly.ts';
import { parseExec, type ExecCommandName, type ShowCommand } from './exec-commands.ts';
import { filterOutput } from './output-filter.ts';
import type { FirewallState } from './state.ts';

type Display = (configuration: Configuration, state: FirewallState, args: Args) => string;

const DISPLAYS: Readonly<Record<Exclude<ShowCommand, 'show history'>, Display>> = {
  'show ip inspect all': (configuration, state) => showInspectAll(configuration, state),
  'show ip inspect config': (configuration) => showInspectConfig(configuration),
  'show ip inspect interfaces': (configuration) => showInspectInterfaces(configuration),
  'show ip inspect name': (configuration, _state, args) => showInspectName(configuration, args.text('NAME')),
  'show ip inspect sessions': (_configuration, state, args) => showInspectSessions(state, args.has('detail')),
  'show ip inspect statistics': (configuration, state) => showInspectStatistics(configuration, state),
  'show ip access-lists': (configuration, state, args) => showAccessLists(configuration, state, args.maybeText('LIST')),
  'show ip nat translations': (configuration, state, args) => showNatTranslations(configuration, state, args.has('verbose')),
  'show ip nat statistics': (configuration, state) => showNatStatistics(configuration, state),
  'show ip virtual-reassembly': (configuration, state, args) => showVirtualReassembly(configuration, state, args.maybeText('INTERFACE')),
  'show ip route': (configuration) => showRoute(configuration),
  'show ip port-map': (configuration, _state, args) => showPortMap(configuration, args.maybeText('APPLICATION')),
  'show interfaces': (configuration, state, args) => showInterfaces(configuration, state, args.maybeText('INTERFACE')),
  'show arp': (configuration, state) => showArp(configuration, state),
  'show logging': (configuration, state) => showLogging(configuration, state),
  'show running-config': (configuration) => printRunningConfig(configuration),
  'show version': (configuration, state) => showVersion(configuration, state),
  'show debugging': (_configuration, state) => showDebugging(state),
  'show postern counters': (_configuration, state) => showCounters(state),
};

/** A line that no display is: it did not parse, or it is another command. */
export type ShowFailure = Failure | { readonly kind: 'other'; readonly command: ExecCommandName };

/** The text of a display, filtered; ends in a line feed unless it is empty. */
export function executeShow(
  line: string,
  configuration: Configuration,
  state: FirewallState,
): { readonly kind: 'shown'; readonly text: string } | ShowFailure {
  const parsed = parseExec(line);
  if ('kind' in parsed) return parsed;
  const display = (DISPLAYS as Partial<Record<ExecCommandName, Display>>)[parsed.command];
  if (display === undefined) return { kind: 'other', command: parsed.command };
  return { kind: 'shown', text: filterOutput(display(configuration, state, parsed.arguments), parsed.filter) };
}
