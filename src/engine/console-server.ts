// The console socket of a running firewall: one shell session a connection.
//
// Who may open the socket may do everything: its folder is 0700, the socket 0660.  The socket of a process that is gone is
// removed; where another firewall listens, this one does not start.  Connections that come before the firewall runs wait.
// Bounds: a message 16 MiB, one request of a connection at a time; log lines for a terminal that does not read are lost.

import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { type Outcome, ShellSession } from '../console/shell-session.ts';
import { checkSocketPath, RUN_FOLDER } from '../console/socket-path.ts';
import { encodeReply, ProtocolError, PROTOCOL_VERSION, readRequests, type Reply, type Request } from '../console/wire-protocol.ts';
import type { ControlPlane } from './control-plane.ts';

/** Octets that may wait for a terminal that follows the log. */
const MAX_UNREAD = 1 << 20;

/** The socket cannot be had; the message is one line. */
export class SocketRefused extends Error {}

export class ConsoleServer {
  readonly path: string;
  private readonly server: Server;
  private readonly connections = new Set<Socket>();
  private plane: ControlPlane | null = null;

  private constructor(path: string, server: Server) {
    this.path = path;
    this.server = server;
    server.on('connection', (socket) => this.accept(socket));
  }

  /** Takes the socket.  Throws SocketRefused when another firewall has it or it cannot be made. */
  static async listen(path: string): Promise<ConsoleServer> {
    try {
      checkSocketPath(path);
      makeFolder(dirname(path));
      await removeStale(path);
      return new ConsoleServer(path, await bind(path));
    } catch (error) {
      if (error instanceof SocketRefused) throw error;
      throw new SocketRefused(`console socket ${path}: ${(error as Error).message}`);
    }
  }

  /** Answers from now on. */
  serve(plane: ControlPlane): void {
    this.plane = plane;
    for (const socket of this.connections) void this.converse(socket, plane);
  }

  /** Ends all connections and removes the socket. */
  async close(): Promise<void> {
    for (const socket of this.connections) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.path, { force: true });
  }

  private accept(socket: Socket): void {
    this.connections.add(socket);
    socket.once('close', () => this.connections.delete(socket));
    socket.on('error', () => socket.destroy());
    if (this.plane !== null) void this.converse(socket, this.plane);
  }

  private async converse(socket: Socket, plane: ControlPlane): Promise<void> {
    const conversation = new Conversation(socket, plane);
    try {
      for await (const request of readRequests(socket)) {
        await conversation.answer(request);
        if (conversation.isOver) break;
      }
      socket.end();
    } catch (error) {
      // A peer that does not speak the protocol, or went away; anything else is a fault of ours and ends the session only.
      if (!(error instanceof ProtocolError) && !socket.destroyed) process.stderr.write(`postern: console: ${(error as Error).message}\n`);
      socket.destroy();
    } finally {
      conversation.close();
    }
  }
}

/** What one connection asks, and its shell. */
class Conversation {
  isOver = false;
  private readonly socket: Socket;
  private readonly plane: ControlPlane;
  private session: ShellSession | null = null;

  constructor(socket: Socket, plane: ControlPlane) {
    this.socket = socket;
    this.plane = plane;
  }

  /** Answers one request; a connection that does not begin with `open` is over. */
  async answer(request: Request): Promise<void> {
    const outcome = this.session === null ? this.open(request) : await this.ask(this.session, request);
    this.reply(request.id, outcome);
    this.isOver = this.session === null || this.session.left;
  }

  close(): void {
    this.session?.close();
  }

  private open({ open }: Request): Outcome {
    if (open === undefined) throw new ProtocolError('a connection begins with open');
    if (open.version !== PROTOCOL_VERSION) {
      return {
        output: `the running firewall speaks version ${PROTOCOL_VERSION} of the console protocol, not ${open.version}\n`,
        rejected: true,
      };
    }
    this.session = new ShellSession(this.plane, open.privileged);
    this.session.onLine = (line) => this.sendLine(line);
    return { output: '', rejected: false };
  }

  private async ask(session: ShellSession, request: Request): Promise<Outcome> {
    if (request.enter !== undefined) return session.enter(request.enter);
    if (request.help !== undefined) return { output: session.help(request.help), rejected: false };
    if (request.complete !== undefined) return { output: session.complete(request.complete), rejected: false };
    if (request.end !== undefined) return session.endConfiguration();
    if (request.reload === undefined) throw new ProtocolError('a request that asks nothing');
    const { text, lenient } = request.reload;
    const reloaded = await (text === undefined ? this.plane.reloadFile(lenient) : this.plane.reload(text, lenient));
    return { output: reloaded.complaints, rejected: !reloaded.accepted };
  }

  private reply(id: number, outcome: Outcome): void {
    const reply: Reply = {
      id,
      ...outcome,
      more: false,
      left: this.session?.left ?? true,
      prompt: this.session?.prompt ?? '',
      terminalLength: this.session?.terminalLength ?? 0,
    };
    for (const part of encodeReply(reply)) this.socket.write(part);
  }

  private sendLine(line: string): void {
    if (this.socket.writableLength > MAX_UNREAD) return;
    const reply: Reply = { id: 0, output: `${line}\n`, more: false, rejected: false, left: false, prompt: '', terminalLength: 0 };
    for (const part of encodeReply(reply)) this.socket.write(part);
  }
}

/** Our own folder is closed to others whoever made it; that of a path given by the user is his. */
function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (folder === RUN_FOLDER) chmodSync(folder, 0o700);
}

/** Removes the socket of a process that is gone. */
async function removeStale(path: string): Promise<void> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new SocketRefused(`console socket ${path}: there is a file of that name, and it is no socket`);
  if (await answers(path)) {
    throw new SocketRefused(`another firewall listens at ${path}; stop it, or give this one a socket of its own with --socket PATH`);
  }
  rmSync(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });
}

/** Binds with the mode already right, so that there is no moment in which others could connect. */
function bind(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    const before = process.umask(0o117);
    server.listen(path, () => {
      chmodSync(path, 0o660);
      server.off('error', reject);
      resolve(server);
    });
    process.umask(before);
  });
}
