// A bad line on both sides of the firewall, and the kernels of Linux as the receivers: what their applications read must be
// exactly what was released, with loss, duplication, reordering, damage and copies with other octets, and offloads on and off.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Lab, labSkipReason, type Namespace } from './namespaces.ts';
import { Program, ROOT, startPostern } from './programs.ts';

const skip = labSkipReason();
t.setTimeout(400_000);

const here = dirname(fileURLToPath(import.meta.url));
const EXCHANGE = join(here, 'exchange.js');
const TRAFFIC = join(here, 'traffic.js');
/** Octets of each transfer: with what is lost, every one of some ten segments costs a time-out of its sender. */
const OCTETS = 250_000;
/** A segment dropped for want of room would come again, or its copy with other octets would: then that is what the receiver gets. */
const ROOM = 'ip inspect tcp reassembly queue length 1024\nip inspect tcp store out-of-order 1048576\n';
const SERVER = '192.0.2.2';
const CLIENT = '192.0.2.1';

const node = (namespace: Namespace, script: string, ...args: string[]): Program =>
  new Program(script, namespace.node(script, args, { stdio: ['ignore', 'pipe', 'pipe'] }));

async function result(program: Program, seconds: number): Promise<Record<string, unknown>> {
  await program.until(() => program.stdout.includes('\n') || program.ended !== null, 'a result', seconds);
  return JSON.parse(program.stdout || JSON.stringify({ error: program.stderr })) as Record<string, unknown>;
}

interface Report {
  readonly drops: Record<string, number>;
  readonly frames: Record<string, number>;
  readonly inspect: Record<string, number>;
}

/** Overlapping copies only where a session is inspected: the kernel of another receiver would take them for the first ones that are lost behind us. */
const GRID = [
  { spec: 'seed=1,loss=0.02', offloads: 'on' },
  { spec: 'seed=2,loss=0.01,duplicate=0.05,reorder=0.05', offloads: 'off' },
  { spec: 'seed=3,loss=0.01,reorder=0.03,corrupt=0.02,receive.overlap=0.1', offloads: 'off' },
  { spec: 'seed=4,loss=0.01,duplicate=0.02,reorder=0.03,receive.overlap=0.2', offloads: 'on' },
] as const;

for (const { spec, offloads } of GRID) {
  t.test(`${spec}, offloads ${offloads}`, { skip }, async (t) => {
    const lab = new Lab();
    const folder = mkdtempSync(join(tmpdir(), 'postern-fault-'));
    const config = join(folder, 'config');
    writeFileSync(config, ROOM + readFileSync(join(ROOT, 'rules/transparent.cfg'), 'latin1'));
    try {
      const [outside, firewall, inside] = [lab.namespace('outside'), lab.namespace('firewall'), lab.namespace('inside')];
      for (const namespace of [outside, firewall, inside]) namespace.disableIpv6();
      lab.link(outside, 'eth0', firewall, 'outside0');
      lab.link(inside, 'eth0', firewall, 'inside0');
      outside.address('eth0', `${CLIENT}/24`);
      inside.address('eth0', `${SERVER}/24`);
      for (const host of [outside, inside]) host.offloads('eth0', offloads);
      const ports = ['--port', 'Ethernet0=outside0', '--port', 'Ethernet1=inside0'];
      const postern = startPostern(firewall, ['run', '--config', config, ...ports, '--fault', spec, '--socket', 'none', '--json']);
      await postern.until(() => /\bready$/m.test(postern.stderr), 'ready', 20);
      const server = node(inside, EXCHANGE, 'serve', '25');
      const plain = [outside, inside].map((namespace) => node(namespace, TRAFFIC, 'serve', '7000'));
      await server.until(() => server.stdout.includes('ready'), 'ready', 10);
      for (const each of plain) await each.until(() => each.stdout.includes('ready'), 'ready', 10);

      const mail = await result(node(outside, EXCHANGE, 'mail', SERVER, '25', String(OCTETS)), 120);
      t.match(mail, { toServer: true, toClient: true }, `mail ${JSON.stringify(mail)}`);
      if (!spec.includes('overlap')) {
        const both = [
          node(outside, TRAFFIC, 'send', SERVER, '7000', String(OCTETS)),
          node(inside, TRAFFIC, 'send', CLIENT, '7000', String(OCTETS)),
        ];
        for (const each of both) t.match(await result(each, 90), { equal: true }, 'not inspected');
      }
      await postern.stop();
      t.equal(postern.ended, 0);
      const report = JSON.parse(postern.stdout) as Report;
      const { received, generated, transmitted, dropped, held, consumed } = report.frames as Record<string, number>;
      t.equal(received! + generated!, transmitted! + dropped! + held! + consumed!, 'every frame is accounted for');
      t.equal(report.inspect.maskedCommands, 40);
      if (spec.includes('corrupt')) t.ok(report.drops['tcp.bad-checksum']! > 0, 'damage was noticed');
    } finally {
      lab.destroy();
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
