// Programs inside namespaces: each in a process group of its own, its output collected, stopped by group.

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the package, found upwards from this file. */
export const ROOT = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'bin/postern.mjs'))) folder = dirname(folder);
  return folder;
})();

export const PEER = join(ROOT, 'dist/test/lab/peer.js');
export const POSTERN = join(ROOT, 'bin/postern.mjs');

/** The environment without what tap adds for its own children: it would slow the program under test. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const env = { ...process.env };
  delete env['NODE_OPTIONS'];
  return env;
}

/** A long-running program. */
export class Program {
  readonly name: string;
  stdout = '';
  stderr = '';
  /** Exit status, the signal's name, or null while it runs. */
  ended: number | string | null = null;
  private readonly child: ChildProcess;
  private readonly closed: Promise<void>;
  private readonly stopCommand: readonly string[] | null;

  /** `stopCommand`, run in the namespace, ends a program that leaves its process group, as daemons do. */
  constructor(name: string, namespace: string, command: readonly string[], stopCommand: readonly string[] | null = null) {
    this.name = name;
    this.stopCommand = stopCommand && ['netns', 'exec', namespace, ...stopCommand];
    const args = ['netns', 'exec', namespace, ...command];
    this.child = spawn('ip', args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: cleanEnvironment() });
    this.child.stdout!.setEncoding('latin1').on('data', (text: string) => (this.stdout += text));
    this.child.stderr!.setEncoding('latin1').on('data', (text: string) => (this.stderr += text));
    this.closed = new Promise((resolve) => {
      this.child.on('error', (error) => {
        this.ended = error.message;
        resolve();
      });
      this.child.on('close', (status, signal) => {
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
      if (late || this.ended !== null) throw new Error(`${this.name}: ${late ? 'no' : `ended (${this.ended}) before`} ${what}\n${this.stdout}${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Signals the whole group and waits for its end; after `seconds` it is killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', seconds = 5): Promise<void> {
    if (this.ended !== null) return;
    if (this.stopCommand) execFileSync('ip', this.stopCommand, { stdio: 'ignore' });
    else this.signal(signal);
    const timer = setTimeout(() => this.signal('SIGKILL'), seconds * 1000);
    await this.closed;
    clearTimeout(timer);
  }

  private signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.child.pid!, signal);
    } catch {
      // It ended meanwhile.
    }
  }
}

export interface Finished {
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in a namespace to its end, at most `seconds`; never rejects. */
export function runIn(namespace: string, command: readonly string[], seconds = 30): Promise<Finished> {
  const options = { timeout: seconds * 1000, env: cleanEnvironment(), maxBuffer: 16 << 20, encoding: 'latin1' as const };
  return new Promise((resolve) => {
    execFile('ip', ['netns', 'exec', namespace, ...command], options, (error, stdout, stderr) => {
      resolve({ status: error ? (error.code ?? error.signal ?? 'failed') : 0, stdout, stderr });
    });
  });
}

/** Runs peer.js in a namespace and reads its line of JSON. */
export async function peer(namespace: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await runIn(namespace, [process.execPath, PEER, ...args]);
  if (!stdout.startsWith('{')) return { error: `no answer from peer.js: ${stderr}` };
  return JSON.parse(stdout) as Record<string, unknown>;
}
