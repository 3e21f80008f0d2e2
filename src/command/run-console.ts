// The console of `postern run`: its socket, and SIGHUP, which reads the configuration again.

import { defaultSocketPath } from '../console/socket-path.ts';
import { ConsoleServer, SocketRefused } from '../engine/console-server.ts';
import { ControlPlane, type ControlPlaneOptions } from '../engine/control-plane.ts';
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

/** Answers the console from now on; returns how to stop. */
export function serveConsole(server: ConsoleServer | null, options: Omit<ControlPlaneOptions, 'version'>, lenient: boolean): () => void {
  const plane = new ControlPlane({ ...options, version: version() });
  plane.start();
  const onHangUp = (): void => void reload(plane, lenient);
  process.on('SIGHUP', onHangUp);
  server?.serve(plane);
  return () => {
    process.off('SIGHUP', onHangUp);
    plane.close();
  };
}

async function reload(plane: ControlPlane, lenient: boolean): Promise<void> {
  const { complaints, accepted } = await plane.reloadFile(lenient);
  process.stderr.write(`${complaints}postern: ${plane.file} ${accepted ? 'is in force' : 'was not accepted; nothing has changed'}\n`);
}
