// `run --driver libpcap` between two hosts: frames whole and in order, none of our own taken for received, the link, the end.

import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { loadCap } from '../../native-bindings/cap.ts';
import { Lab, labSkipReason, type Namespace } from './namespaces.ts';
import { Program, ROOT } from './programs.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Why this cannot run, or false. */
function skipReason(): string | false {
  const lab = labSkipReason();
  if (lab !== false) return lab;
  try {
    loadCap();
    return false;
  } catch (error) {
    return (error as Error).message;
  }
}

const skip = skipReason();

interface Network {
  readonly client: Namespace;
  readonly firewall: Namespace;
  readonly server: Namespace;
}

/** c0 --- f0 postern f1 --- s0, offloads of the hosts off. */
function makeNetwork(lab: Lab): Network {
  const [client, firewall, server] = [lab.namespace('client'), lab.namespace('firewall'), lab.namespace('server')] as const;
  for (const host of [client, server]) host.disableIpv6();
  lab.link(client, 'c0', firewall, 'f0');
  lab.link(firewall, 'f1', server, 's0');
  client.offloads('c0', 'off');
  server.offloads('s0', 'off');
  return { client, firewall, server };
}

async function startPostern(firewall: Namespace): Promise<Program> {
  const args = [
    'run',
    '--config',
    join(ROOT, 'rules/transparent.cfg'),
    '--port',
    'e0=f0',
    '--port',
    'e1=f1',
    '--driver',
    'libpcap',
    '--socket',
    'none',
    '--json',
  ];
  const postern = new Program('postern', firewall.node(here('../../src/cli.js'), args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  await postern.until(() => /^postern: ready$/m.test(postern.stderr), 'ready', 20);
  return postern;
}

/** Of the one program in the namespace, seconds. */
function processorTime(firewall: Namespace): number {
  const pid = execFileSync('ip', ['netns', 'pids', firewall.name], { encoding: 'utf8' }).trim();
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

interface Report {
  readonly frames: Readonly<Record<'received' | 'transmitted' | 'dropped' | 'held' | 'consumed' | 'generated', number>>;
  readonly drops: Readonly<Record<string, number>>;
}

/** Ends it, looks at its status and returns what it counted. */
async function end(t: Test, postern: Program): Promise<Report> {
  await postern.stop();
  t.equal(postern.ended, 0, 'status 0');
  const report = JSON.parse(postern.stdout) as Report;
  const { received, generated, transmitted, dropped, held, consumed } = report.frames;
  t.equal(received + generated, transmitted + dropped + held + consumed, 'conservation');
  return report;
}

async function sniffer(namespace: Namespace, ...args: string[]): Promise<ChildProcess> {
  const child = namespace.node(here('./sniffer.js'), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await once(child, 'message', { signal: AbortSignal.timeout(15_000) });
  return child;
}

async function ask<T>(child: ChildProcess, what: string, value?: unknown): Promise<T> {
  child.send({ what, value });
  const [answer] = await once(child, 'message', { signal: AbortSignal.timeout(10_000) });
  return answer as T;
}

async function seen(child: ChildProcess): Promise<string[]> {
  return (await ask<{ frames: string[] }>(child, 'frames')).frames;
}

/** Frames of an experimental EtherType (RFC 5342), each with a number of its own. */
function numbered(from: string, count: number, first = 0): string[] {
  return Array.from(
    { length: count },
    (_, i) => `02000000ffff${from}88b5${(first + i).toString(16).padStart(8, '0')}${'5a'.repeat(42 + ((i * 37) % 1400))}`,
  );
}

/** What of `wanted` is not in `got` at its place, by number: short where it fails. */
function differing(got: readonly string[], wanted: readonly string[]): string[] {
  const short = (frame: string | undefined): string => frame?.slice(28, 36) ?? 'nothing';
  const missing = wanted.filter((frame) => !got.includes(frame)).map((frame) => `missing ${short(frame)}`);
  if (missing.length > 0 || got.length !== wanted.length) return [`${got.length} of ${wanted.length}`, ...missing];
  return wanted.flatMap((frame, i) => (got[i] === frame ? [] : [`${short(got[i])} for ${short(frame)}`]));
}

const CLIENT_MAC = '020000000c0c';
const SERVER_MAC = '020000000505';

t.test('what goes in comes out, octet for octet and in order; nothing else does', { skip, timeout: 90_000 }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.destroy());
  const { client, firewall, server } = makeNetwork(lab);
  const postern = await startPostern(firewall);
  t.match(postern.stderr, /warning: libpcap is for/, 'its limits are said');
  const [left, right] = [await sniffer(client, 'c0'), await sniffer(server, 's0')];
  // The first frame of a port is lost (libpcap.ts says why).
  await ask(left, 'inject', numbered(CLIENT_MAC, 1, 9000));
  await ask(right, 'inject', numbered(SERVER_MAC, 1, 9001));
  await delay(100);
  t.same([await seen(left), await seen(right)], [[], []]);
  const there = numbered(CLIENT_MAC, 300);
  const back = numbered(SERVER_MAC, 300, 1000);
  for (let i = 0; i < 300; i += 50) {
    await ask(left, 'inject', there.slice(i, i + 50));
    await ask(right, 'inject', back.slice(i, i + 50));
  }
  await delay(500);
  t.same(differing(await seen(right), there), [], 'there');
  t.same(differing(await seen(left), back), [], 'and back');
  const tagged = [
    `02000000ffff${CLIENT_MAC}8100706488b5${'5a'.repeat(60)}`,
    `02000000ffff${CLIENT_MAC}88a800c88100006488b5${'5a'.repeat(60)}`,
  ];
  await ask(left, 'inject', tagged);
  await delay(300);
  t.same(await seen(right), tagged, 'with their tags');

  // Sent by somebody else on our own interface: it is on its way out, and no frame of ours to forward.
  const beside = await sniffer(firewall, 'f1');
  const foreign = numbered('020000000909', 5, 5000);
  await ask(beside, 'inject', foreign);
  await delay(300);
  t.same(await seen(right), foreign);
  t.same(await seen(left), []);

  const { frames, drops } = await end(t, postern);
  t.same(drops, {});
  t.match(frames, { received: 602, transmitted: 602, generated: 0 }, 'no frame of our own was taken for received');
});

t.test('TCP, the mail dialogue, a link that goes and comes', { skip, timeout: 90_000 }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.destroy());
  const { client, firewall, server } = makeNetwork(lab);
  client.address('c0', '10.77.0.1/24');
  server.address('s0', '10.77.0.2/24');
  const postern = await startPostern(firewall);
  const traffic = new Program('traffic', server.node(here('./traffic.js'), ['serve', '7000'], { stdio: ['ignore', 'pipe', 'pipe'] }));
  const peer = new Program('peer', server.node(here('./peer.js'), ['serve'], { stdio: ['ignore', 'pipe', 'pipe'] }));
  await traffic.until(() => traffic.stdout.includes('ready'), 'ready', 10);
  await peer.until(() => peer.stdout.includes('ready'), 'ready', 10);
  const run = (script: string, ...args: string[]) =>
    JSON.parse(client.run(process.execPath, [here(script), ...args], 40_000).stdout || '{}') as object;
  t.match(run('./traffic.js', 'send', '10.77.0.2', '7000', '10000000'), { octets: 10_000_000, equal: true }, 'ten million octets');
  t.match(
    run('./peer.js', 'smtp', '10.77.0.2', 'EHLO a', 'EXPN root', 'NOOP'),
    { replies: ['220 peer', '250 got EHLO a', '250 got xxxxxxxxx', '250 got NOOP'] },
    'a mask',
  );
  server.down('s0');
  await delay(1500);
  const used = processorTime(firewall);
  client.run('ping', ['-c', '2', '-W', '1', '10.77.0.2']);
  await delay(1000);
  t.ok(processorTime(firewall) - used < 0.5, 'it does not spin on a dead link');
  server.up('s0');
  await delay(1500);
  t.match(run('./traffic.js', 'ping', '10.77.0.2', '7000', '5', '100'), { received: 5 }, 'it forwards again');
  const { drops } = await end(t, postern);
  t.ok(
    Object.keys(drops).every((reason) => ['tx.link-down', 'route.interface-down', 'bridge.no-pair', 'tx.error'].includes(reason)),
    JSON.stringify(drops),
  );
});

t.test('an interface of ours that is set down ends the program, and the next one starts', { skip, timeout: 60_000 }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.destroy());
  const { client, firewall } = makeNetwork(lab);
  const postern = await startPostern(firewall);
  firewall.down('f1');
  // An assertion of cap on the state of its socket; nothing is forwarded from then on.
  for (let waited = 0; postern.ended === null && waited < 5000; waited += 50) await delay(50);
  t.equal(postern.ended, 'SIGABRT');
  firewall.up('f1');
  const next = await startPostern(firewall);
  const left = await sniffer(client, 'c0');
  await ask(left, 'inject', numbered(CLIENT_MAC, 2));
  await delay(300);
  t.match((await end(t, next)).frames, { received: 1, transmitted: 1 });
});
