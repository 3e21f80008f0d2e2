// iperf3 through the firewall at a load far below its limit: nothing is dropped, so no sender has to repeat anything.
//
// Routed (inside to outside under the reference configuration, NAT and TCP inspection) and transparent, both directions, offloads
// on and off.  A machine that stops for a while makes a sender repeat what was only late; such a run is repeated, at most twice.

import { join } from 'node:path';
import t from 'tap';
import { Lab, labSkipReason, type Namespace } from './namespaces.ts';
import { type Program, ROOT, start, startPostern } from './programs.ts';

const skip = labSkipReason();
t.setTimeout(300_000);

const RATE = '50M';
const SECONDS = '2';
const ATTEMPTS = 3;

interface Topology {
  readonly name: string;
  readonly config: string;
  readonly interfaces: readonly [outside: string, inside: string];
  readonly addresses: readonly [outside: string, inside: string];
  readonly gateway: string | null;
}

const TOPOLOGIES: readonly Topology[] = [
  {
    name: 'routed',
    config: 'rules/3640.cfg',
    interfaces: ['Ethernet2/0', 'Ethernet2/1'],
    addresses: ['172.22.1.1', '10.10.10.2'],
    gateway: '10.10.10.1',
  },
  {
    name: 'transparent',
    config: 'rules/transparent.cfg',
    interfaces: ['Ethernet0', 'Ethernet1'],
    addresses: ['192.0.2.1', '192.0.2.2'],
    gateway: null,
  },
];

/**
 * Segments that a sender may repeat of some 8,700: it does so when this machine runs its processes late, without anything being lost.
 * That nothing is lost is what the counters of the firewall say.
 */
const SPURIOUS = 40;

interface Measured {
  readonly octets: number;
  readonly retransmits: number;
  readonly error: string;
}

/** The inside host is the client; `reverse`: the server sends. */
function measure(inside: Namespace, server: string, reverse: boolean): Measured {
  const args = ['-c', server, '-b', RATE, '-t', SECONDS, '-J', '--connect-timeout', '5000', ...(reverse ? ['-R'] : [])];
  const { stdout, stderr } = inside.run('iperf3', args, 30_000);
  const report = JSON.parse(stdout || '{}') as {
    error?: string;
    end?: { sum_sent: { bytes: number; retransmits: number }; sum_received: { bytes: number } };
  };
  return {
    octets: report.end?.sum_received.bytes ?? 0,
    retransmits: report.end?.sum_sent.retransmits ?? -1,
    error: report.error ?? stderr,
  };
}

/** Repeated while a sender had to repeat something. */
function measureCalmly(inside: Namespace, server: string, reverse: boolean): Measured {
  let measured = measure(inside, server, reverse);
  for (let attempt = 1; attempt < ATTEMPTS && measured.retransmits !== 0; attempt++) measured = measure(inside, server, reverse);
  return measured;
}

async function startFirewall(firewall: Namespace, { config, interfaces }: Topology): Promise<Program> {
  const [outside, inside] = interfaces;
  const ports = ['--port', `${outside}=outside0`, '--port', `${inside}=inside0`];
  const postern = startPostern(firewall, ['run', '--config', join(ROOT, config), ...ports, '--socket', 'none', '--json']);
  await postern.until(() => /\bready$/m.test(postern.stderr), 'ready', 20);
  return postern;
}

for (const topology of TOPOLOGIES) {
  for (const offloads of ['on', 'off'] as const) {
    t.test(`${topology.name}, offloads ${offloads}`, { skip }, async (t) => {
      const lab = new Lab();
      try {
        const [outside, firewall, inside] = [lab.namespace('outside'), lab.namespace('firewall'), lab.namespace('inside')];
        for (const namespace of [outside, firewall, inside]) namespace.disableIpv6();
        lab.link(outside, 'eth0', firewall, 'outside0');
        lab.link(inside, 'eth0', firewall, 'inside0');
        outside.address('eth0', `${topology.addresses[0]}/24`);
        inside.address('eth0', `${topology.addresses[1]}/24`);
        if (topology.gateway !== null) inside.route('default', topology.gateway);
        for (const host of [outside, inside]) host.offloads('eth0', offloads);
        const postern = await startFirewall(firewall, topology);
        const server = start('iperf3', outside, 'iperf3', ['-s', '--forceflush']);
        await server.until(() => server.stdout.includes('listening'), 'listening', 10);
        for (const reverse of [false, true]) {
          const measured = measureCalmly(inside, topology.addresses[0], reverse);
          const line = `${reverse ? 'to' : 'from'} the inside ${JSON.stringify(measured)}`;
          t.equal(measured.error, '', line);
          t.ok(measured.retransmits >= 0 && measured.retransmits <= SPURIOUS, `${line}: no more than a busy machine repeats by itself`);
          t.ok(measured.octets > 10_000_000, 'the whole load passes');
        }
        await postern.stop();
        const { frames, drops } = JSON.parse(postern.stdout) as { frames: Record<string, number>; drops: Record<string, number> };
        t.strictSame(drops, {}, `${frames.received} frames, none dropped`);
      } finally {
        lab.destroy();
      }
    });
  }
}
