// A firewall with a console and without privileges: the real path on loopback ports, its control plane, and the socket.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseConfiguration } from '../../src/config/parse.ts';
import { ConsoleClient } from '../../src/console/client.ts';
import { ConsoleServer } from '../../src/engine/console-server.ts';
import { ControlPlane } from '../../src/engine/control-plane.ts';
import type { Answer, Question } from '../../src/engine/control.ts';
import { EventPump } from '../../src/engine/event-pump.ts';
import { FirewallLog } from '../../src/engine/firewall-log.ts';
import { answer } from '../../src/engine/inquiry.ts';
import { Box } from '../path/box.ts';

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'rules'))) folder = dirname(folder);
  return folder;
}

export const ROOT = findRoot();
export const REFERENCE = readFileSync(join(ROOT, 'rules', '3640.cfg'), 'latin1');
export const OUT = 'Ethernet2/0';
export const IN = 'Ethernet2/1';

export interface TestFirewall {
  readonly box: Box;
  readonly plane: ControlPlane;
  /** To be drained: events become lines of the log. */
  readonly pump: EventPump;
  readonly server: ConsoleServer;
  readonly folder: string;
  readonly socket: string;
  readonly file: string;
  close(): Promise<void>;
}

/** `text` is the configuration; `file` where `write memory` goes. */
export async function startFirewall(text: string): Promise<TestFirewall> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-console-'));
  const box = new Box(text, { maxSessions: 1000 });
  const file = join(folder, 'startup.cfg');
  const { configuration } = parseConfiguration(text);
  const log = new FirewallLog(configuration, box.policy, null);
  const pump = new EventPump(box.engine.plane.events, box.engine.plane.counters);
  pump.add(log.sink);
  const plane = new ControlPlane({
    engine: inquire(box),
    configuration,
    policy: box.policy,
    file,
    log,
    devices: box.policy.interfaces.map(({ name }) => `loop-${name}`),
    version: '1.2.3',
  });
  const socket = join(folder, 'console.sock');
  const server = await ConsoleServer.listen(socket);
  server.serve(plane);
  const close = async (): Promise<void> => {
    plane.close();
    log.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { box, plane, pump, server, folder, socket, file, close };
}

/** Questions and answers cross as they do between threads: by structured clone. */
function inquire({ engine: { plane } }: Box) {
  return {
    counters: plane.counters,
    hits: plane.hits,
    ask: async (question: Question): Promise<Answer> => structuredClone(answer(plane, structuredClone(question))),
  };
}

/** What of a test these functions want. */
export interface Tap {
  teardown(what: () => unknown): unknown;
}

/** A firewall that is closed at the end of the test; without `text` under the reference configuration. */
export async function firewallFor(t: Tap, text = REFERENCE): Promise<TestFirewall> {
  const running = await startFirewall(text);
  t.teardown(() => running.close());
  return running;
}

/** Opens a session; lines entered return their output. */
export async function shellOf(
  t: Tap,
  { socket }: TestFirewall,
  privileged = true,
): Promise<{ client: ConsoleClient; enter: (line: string) => Promise<string> }> {
  const client = await ConsoleClient.connect(socket, privileged);
  t.teardown(() => client.close());
  return { client, enter: async (line) => (await client.ask({ enter: line })).output };
}
