// The console of `postern run`: its socket, the log, and SIGHUP, which reads the configuration again.
//
// stderr is the console of the machine: what `logging console` lets through appears there.

import { defaultSocketPath } from '../console/socket-path.ts';
import { ConsoleServer, SocketRefused } from '../engine/console-server.ts';
import { ControlPlane, type ControlPlaneOptions } from '../engine/control-plane.ts';
import type { EventPump } from '../engine/event-pump.ts';
import { FirewallLog } from '../engine/firewall-log.ts';
import { CommandError } from './errors.ts';
import { version } from './installation.ts';

/** Takes the socket; null for the path `none`.  Throws a CommandError when another firewall has it. */
export async function takeSocket(path: string = defaultSocketPath()): Promise<ConsoleServer | null> {
  try {
    return path === 'none' ? null : await ConsoleServer.listen(path);
  } catch (error) {
    if (error instanceof SocketRefused) throw new CommandError(error.message);
    throw error;
  }
}

/** Logs, and answers the console, from now on; returns how to stop. */
export function serveConsole(
  server: ConsoleServer | null,
  pump: EventPump,
  options: Omit<ControlPlaneOptions, 'version' | 'log'>,
  lenient: boolean,
): () => void {
  const log = new FirewallLog(options.configuration, options.policy, (line) => process.stderr.write(`${line}\n`));
  pump.add(log.sink);
  const plane = new ControlPlane({ ...options, version: version(), log });
  plane.start();
  log.noteStarted();
  const onHangUp = (): void => void reload(plane, lenient);
  process.on('SIGHUP', onHangUp);
  server?.serve(plane);
  return () => {
    process.off('SIGHUP', onHangUp);
    plane.close();
    log.close();
  };
}

async function reload(plane: ControlPlane, lenient: boolean): Promise<void> {
  const { complaints, accepted } = await plane.reloadFile(lenient);
  process.stderr.write(`${complaints}postern: ${plane.file} ${accepted ? 'is in force' : 'was not accepted; nothing has changed'}\n`);
}
