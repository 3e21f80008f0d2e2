// Programs of the lab: their output collected, their beginning waited for, their end asked for.

import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { askToStop, type Namespace, PATIENCE, stop } from './namespaces.ts';

/** The folder of the package, found upwards from this file. */
export const ROOT = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'bin/postern.mjs'))) folder = dirname(folder);
  return folder;
})();

/** POSTERN_PROGRAM names another build of it. */
export const POSTERN = process.env.POSTERN_PROGRAM ?? join(ROOT, 'bin/postern.mjs');
const PEER = fileURLToPath(new URL('./peer.js', import.meta.url));

/** A long-running program in a namespace. */
export class Program {
  readonly name: string;
  stdout = '';
  stderr = '';
  /** Exit status or signal; null while it runs. */
  ended: number | string | null = null;
  private readonly child: ChildProcess;
  private readonly closed: Promise<void>;

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.child = child;
    child.stdout!.setEncoding('latin1').on('data', (text: string) => (this.stdout += text));
    child.stderr!.setEncoding('latin1').on('data', (text: string) => (this.stderr += text));
    this.closed = new Promise((resolve) => {
      child.on('close', (status, signal) => {
        this.ended = status ?? signal;
        resolve();
      });
    });
  }

  /** Waits until `condition` holds, looking every 50 ms; throws with the program's output when it ends or `seconds` pass. */
  async until(condition: () => boolean, what: string, seconds: number): Promise<void> {
    const end = performance.now() + seconds * 1000;
    while (!condition()) {
      const late = performance.now() > end;
      if (late || this.ended !== null)
        throw new Error(`${this.name}: ${late ? 'no' : `ended (${this.ended}) before`} ${what}\n${this.stdout}${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** SIGTERM, and after some patience SIGKILL; returns when its output is complete. */
  async stop(): Promise<void> {
    if (this.ended !== null) return;
    askToStop(this.child);
    // Its last lines are read meanwhile: a program that writes to a full pipe does not end.
    await Promise.race([this.closed, delay(PATIENCE, undefined, { ref: false })]);
    stop(this.child);
    await this.closed;
  }
}

/** Starts a program; `stdout` and `stderr` are collected. */
export function start(name: string, namespace: Namespace, command: string, args: readonly string[]): Program {
  return new Program(name, namespace.spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** Starts the firewall; the arguments are those of `postern`. */
export function startPostern(namespace: Namespace, args: readonly string[]): Program {
  return new Program('postern', namespace.node(POSTERN, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** Starts the servers of peer.ts and waits until they listen. */
export async function startPeer(namespace: Namespace): Promise<void> {
  const peers = new Program('peer', namespace.node(PEER, ['serve'], { stdio: ['ignore', 'pipe', 'pipe'] }));
  await peers.until(() => peers.stdout.includes('ready'), 'ready', 10);
}

/** Runs one probe of peer.ts and reads its line of JSON. */
export function probe(namespace: Namespace, ...args: string[]): Record<string, unknown> {
  // Without what a test runner wants loaded into every Node process.
  const { stdout, stderr } = namespace.run('env', ['-u', 'NODE_OPTIONS', process.execPath, PEER, ...args]);
  if (!stdout.startsWith('{')) return { error: `no answer from peer.js: ${stderr}` };
  return JSON.parse(stdout) as Record<string, unknown>;
}
