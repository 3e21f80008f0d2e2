// debug and undebug: what the data plane is told to report, and the lines of `show debugging`.

import type { Args } from '../config/language/args.ts';
import type { Outcome } from '../console/shell-session.ts';
import type { ControlPlane } from './control-plane.ts';

const TRACE = 'postern packet';

/** `debug ip inspect SUBJECT` and its undoing.  Only the SMTP engine has messages: esmtp is the same engine. */
export async function debugInspection(plane: ControlPlane, args: Args, on: boolean): Promise<Outcome> {
  const subject = args.text('SUBJECT');
  if (subject !== 'smtp' && subject !== 'esmtp') return { output: `% debug ip inspect ${subject} has no messages here\n`, rejected: true };
  const { debugging } = plane;
  const line = `INSPECT ${subject.toUpperCase()} Inspection debugging is`;
  if (on) debugging.set(subject, `${line} on`);
  else debugging.delete(subject);
  await plane.engine.ask({ kind: 'debug', smtp: debugging.has('smtp') || debugging.has('esmtp') });
  return said(`${line} ${on ? 'on' : 'off'}`);
}

/** `debug postern packet [access-list LIST] [count COUNT]`; `show debugging` names it until it is undone, also behind the last frame. */
export async function debugPackets(plane: ControlPlane, args: Args): Promise<Outcome> {
  const name = args.maybeText('LIST');
  const count = args.maybeNumber('COUNT') ?? 0;
  const list = plane.policy.accessLists.findIndex((entry) => entry.name === name);
  if (name !== undefined && list < 0) return { output: `% Access list ${name} not found\n`, rejected: true };
  const only = [name === undefined ? '' : ` for access list ${name}`, count === 0 ? '' : `, ${count} frame${count === 1 ? '' : 's'}`].join(
    '',
  );
  plane.debugging.set(TRACE, `POSTERN Packet trace debugging is on${only}`);
  await plane.engine.ask({ kind: 'trace', on: true, list, count });
  return said(plane.debugging.get(TRACE)!);
}

export async function undebugPackets(plane: ControlPlane): Promise<Outcome> {
  plane.debugging.delete(TRACE);
  await plane.engine.ask({ kind: 'trace', on: false, list: -1, count: 0 });
  return said('POSTERN Packet trace debugging is off');
}

export async function undebugAll(plane: ControlPlane): Promise<Outcome> {
  await undebugPackets(plane);
  plane.debugging.clear();
  await plane.engine.ask({ kind: 'debug', smtp: false });
  return said('All possible debugging has been turned off');
}

function said(line: string): Outcome {
  return { output: `${line}\n`, rejected: false };
}
