// Commands of exec mode that do something to the firewall: clear, debug, reload, write.

import { dirname, isAbsolute, join } from 'node:path';
import type { Args } from '../config/language/args.ts';
import { configurationText } from '../config/running-config.ts';
import type { ExecCommand, ExecCommandName } from '../console/exec-commands.ts';
import type { Outcome } from '../console/shell-session.ts';
import { SESSION_ID_BASE, SESSION_ID_STEP } from '../console/state.ts';
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';
import type { SessionRow } from './control.ts';
import type { ControlPlane } from './control-plane.ts';
import { debugInspection, debugPackets, undebugAll, undebugPackets } from './debug-acts.ts';
import { saveText } from './save.ts';

const DONE: Outcome = { output: '', rejected: false };
const SAVED: Outcome = { output: 'Building configuration...\n[OK]\n', rejected: false };

type Act = (plane: ControlPlane, args: Args) => Promise<Outcome>;

const ACTS: Partial<Record<ExecCommandName, Act>> = {
  'clear ip inspect session': clearSessions,
  'clear ip nat translation': clearTranslations,
  'clear ip nat statistics': (plane) => done(plane.engine.ask({ kind: 'clear-nat-statistics' })),
  'clear access-list counters': clearHits,
  'clear counters': clearCounters,
  'clear arp-cache': (plane) => done(clearAll(plane, 'clear-arp')),
  'clear logging': clearLogging,
  'debug ip inspect': (plane, args) => debugInspection(plane, args, true),
  'undebug ip inspect': (plane, args) => debugInspection(plane, args, false),
  'debug postern packet': debugPackets,
  'undebug postern packet': undebugPackets,
  'undebug all': undebugAll,
  reload,
  'write memory': (plane) => (plane.file === null ? refused('no configuration file to write to') : save(plane, plane.file)),
  'copy running-config': (plane, args) => save(plane, beside(plane, args.text('FILE'))),
};

/** Carries a command out. */
export async function actOn(plane: ControlPlane, command: ExecCommand): Promise<Outcome> {
  const act = ACTS[command.command];
  return act === undefined ? refused(`${command.command} is not available`) : act(plane, command.arguments);
}

async function done(work: Promise<unknown>): Promise<Outcome> {
  await work;
  return DONE;
}

async function refused(message: string): Promise<Outcome> {
  return { output: `% ${message}\n`, rejected: true };
}

/** A page a turn of the data plane. */
async function clearAll(plane: ControlPlane, kind: 'clear-sessions' | 'clear-arp' | 'end-stale'): Promise<void> {
  for (let from = 0; from >= 0; ) from = (await plane.engine.ask({ kind, from })).next ?? -1;
}

async function clearSessions(plane: ControlPlane, args: Args): Promise<Outcome> {
  if (args.has('all')) return done(clearAll(plane, 'clear-sessions'));
  const session = (Number.parseInt(args.text('SESSION'), 16) - SESSION_ID_BASE) / SESSION_ID_STEP;
  const { count = 0 } = Number.isInteger(session) ? await plane.engine.ask({ kind: 'clear-session', session }) : {};
  return count === 0 ? refused(`Session ${args.text('SESSION').toUpperCase()} not found`) : DONE;
}

async function clearTranslations(plane: ControlPlane, args: Args): Promise<Outcome> {
  if (args.has('*')) {
    await plane.engine.ask({ kind: 'clear-translations' });
    return done(clearAll(plane, 'end-stale'));
  }
  if (args.has('outside')) return clearFlow(plane, args);
  const { count } = await plane.engine.ask({
    kind: 'clear-translation',
    protocol: protocolOf(args),
    global: args.number('GLOBAL'),
    globalPort: args.maybeNumber('GLOBAL_PORT') ?? 0,
    local: args.number('LOCAL'),
    localPort: args.maybeNumber('LOCAL_PORT') ?? 0,
  });
  return count === 0 ? refused('Translation not found') : done(clearAll(plane, 'end-stale'));
}

/** 0: addresses only. */
function protocolOf(args: Args): number {
  const protocol = args.maybeText('PROTOCOL');
  if (protocol === undefined) return 0;
  return protocol === 'udp' ? PROTOCOL_UDP : PROTOCOL_TCP;
}

/** With its outside addresses a translation is that of sessions: they end. */
async function clearFlow(plane: ControlPlane, args: Args): Promise<Outcome> {
  let count = 0;
  for (let from = 0; from >= 0; ) {
    const page = await plane.engine.ask({ kind: 'sessions', from });
    for (const row of page.rows as readonly SessionRow[]) {
      if (isFlow(row, args)) count += (await plane.engine.ask({ kind: 'clear-session', session: row.session })).count ?? 0;
    }
    from = page.next ?? -1;
  }
  return count === 0 ? refused('Translation not found') : DONE;
}

function isFlow(row: SessionRow, args: Args): boolean {
  if (!row.translated || (args.has('PROTOCOL') && row.protocol !== protocolOf(args))) return false;
  const outward = row.initiator !== row.initiatorGlobal || row.initiatorPort !== row.initiatorGlobalPort;
  const inside = outward
    ? [row.initiatorGlobal, row.initiatorGlobalPort, row.initiator, row.initiatorPort]
    : [row.responder, row.responderPort, row.responderLocal, row.responderLocalPort];
  const outside = outward ? [row.responder, row.responderPort] : [row.initiator, row.initiatorPort];
  const is = (name: string, value: number | undefined): boolean => !args.has(name) || args.number(name) === value;
  return (
    is('GLOBAL', inside[0]) &&
    is('GLOBAL_PORT', inside[1]) &&
    is('LOCAL', inside[2]) &&
    is('LOCAL_PORT', inside[3]) &&
    is('OUTSIDE_GLOBAL', outside[0]) &&
    is('OUTSIDE_GLOBAL_PORT', outside[1])
  );
}

async function clearHits(plane: ControlPlane, args: Args): Promise<Outcome> {
  const name = args.maybeText('LIST');
  const list = name === undefined ? -1 : plane.policy.accessLists.findIndex((entry) => entry.name === name);
  if (name !== undefined && list < 0) return refused(`Access list ${name} not found`);
  return done(plane.engine.ask({ kind: 'clear-hits', list }));
}

async function clearCounters(plane: ControlPlane, args: Args): Promise<Outcome> {
  const name = args.maybeText('INTERFACE');
  const index = plane.policy.interfaces.findIndex((entry) => entry.name === name);
  if (name !== undefined && index < 0) return refused(`Interface ${name} not found`);
  const cleared = name === undefined ? plane.policy.interfaces.keys() : [index];
  for (const i of cleared) plane.rates.clearPort(i);
  return DONE;
}

async function clearLogging(plane: ControlPlane): Promise<Outcome> {
  plane.log.clear();
  return DONE;
}

async function reload(plane: ControlPlane): Promise<Outcome> {
  const { complaints, accepted } = await plane.reloadFile(false);
  return { output: complaints, rejected: !accepted };
}

async function save(plane: ControlPlane, file: string): Promise<Outcome> {
  try {
    saveText(file, configurationText(plane.configuration));
    return SAVED;
  } catch (error) {
    return refused(`cannot write ${file}: ${(error as Error).message}`);
  }
}

/** A file named without its folder stands beside the one that the firewall was started with. */
function beside(plane: ControlPlane, file: string): string {
  return isAbsolute(file) || plane.file === null ? file : join(dirname(plane.file), file);
}
