// Figures of `run --driver rings` and `run --driver libpcap` beside each other, in one network, in alternating rounds; prints a
// table.  Not a test: node dist/test/lab/drivers.js [ROUNDS]
//
// Two hosts and a transparent firewall between them, offloads of the hosts off, because libpcap can do without them only.
// TCP: iperf3 for three seconds.  Small frames: UDP of 18 octets as fast as the host sends; what arrives, and what of it is lost.
// Processor: what the program used a frame meanwhile, kernel's work for it included; unlike the others it hardly depends on what
// else the machine does.  The rings sleep instead of spinning (--spin 0), so that only work counts.
// Latency: half the round trip of lone pings, 10 ms apart.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lab, namespaceProblem, type Namespace, stop } from './namespaces.ts';
import { POSTERN, ROOT } from './programs.ts';

const program = POSTERN;
const SECONDS = 3;

interface Figures {
  readonly gigabits: number;
  /** Frames a second. */
  readonly offered: number;
  readonly delivered: number;
  /** Of the program, for a frame delivered. */
  readonly processorMicroseconds: number;
  readonly halfTripMicroseconds: number;
}

function rxPackets(host: Namespace, device: string): number {
  return Number(host.run('cat', [`/sys/class/net/${device}/statistics/rx_packets`]).stdout);
}

/** Processor time of a process so far, seconds; proc(5) stat counts in hundredths. */
function processorTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function ready(child: ReturnType<Namespace['node']>): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr!.on('data', (data) => {
      text += String(data);
      if (/^postern: ready/m.test(text)) resolve();
    });
    child.once('close', () => reject(new Error(text)));
  });
}

function json(host: Namespace, args: readonly string[]): Record<string, Record<string, Record<string, number>>> {
  return JSON.parse(host.run('iperf3', [...args, '--json'], 30_000).stdout);
}

async function measure(driver: string, client: Namespace, firewall: Namespace, server: Namespace): Promise<Figures> {
  const args = [
    'run',
    '--config',
    join(ROOT, 'rules/transparent.cfg'),
    '--port',
    'e0=f0',
    '--port',
    'e1=f1',
    '--driver',
    driver,
    '--spin',
    '0',
    '--socket',
    'none',
  ];
  const child = firewall.node(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  await ready(child);
  const times = client.run('ping', ['-c', '200', '-i', '0.01', '-q', '10.77.0.2']).stdout;
  const tcp = json(client, ['-c', '10.77.0.2', '-t', String(SECONDS)]);
  const before = rxPackets(server, 's0');
  const used = processorTime(child.pid!);
  const udp = json(client, ['-c', '10.77.0.2', '-u', '-b', '0', '-l', '18', '-t', String(SECONDS)]);
  const after = rxPackets(server, 's0');
  const processor = processorTime(child.pid!) - used;
  stop(child);
  return {
    gigabits: tcp['end']!['sum_received']!['bits_per_second']! / 1e9,
    offered: udp['end']!['sum']!['packets']! / SECONDS,
    delivered: (after - before) / SECONDS,
    processorMicroseconds: (processor * 1e6) / (after - before),
    halfTripMicroseconds: (Number(/= [\d.]+\/([\d.]+)/.exec(times)?.[1]) * 1000) / 2,
  };
}

function best(rounds: readonly Figures[]): string {
  const gigabits = Math.max(...rounds.map((round) => round.gigabits));
  const busiest = rounds.reduce((a, b) => (b.delivered > a.delivered ? b : a));
  const processor = Math.min(...rounds.map((round) => round.processorMicroseconds));
  const latency = Math.min(...rounds.map((round) => round.halfTripMicroseconds));
  const lost = 100 * (1 - busiest.delivered / busiest.offered);
  return `${gigabits.toFixed(2)} Gbit/s | ${(busiest.delivered / 1000).toFixed(0)} of ${(busiest.offered / 1000).toFixed(0)} k/s (${lost.toFixed(0)} % lost) | ${processor.toFixed(2)} us | ${latency.toFixed(0)} us`;
}

const problem = namespaceProblem();
if (problem !== false) throw new Error(problem);
const lab = new Lab();
try {
  const [client, firewall, server] = [lab.namespace('client'), lab.namespace('firewall'), lab.namespace('server')] as const;
  lab.link(client, 'c0', firewall, 'f0');
  lab.link(firewall, 'f1', server, 's0');
  client.address('c0', '10.77.0.1/24');
  server.address('s0', '10.77.0.2/24');
  client.offloads('c0', 'off');
  server.offloads('s0', 'off');
  server.spawn('iperf3', ['-s'], { stdio: 'ignore' });
  const figures: Record<string, Figures[]> = { rings: [], libpcap: [] };
  for (let round = 0; round < Number(process.argv[2] ?? 3); round++) {
    for (const driver of Object.keys(figures)) figures[driver]!.push(await measure(driver, client, firewall, server));
  }
  console.log(
    `load ${readFileSync('/proc/loadavg', 'utf8').trim()}; best of ${figures['rings']!.length} rounds: TCP | small frames | processor a frame | half a round trip`,
  );
  for (const [driver, rounds] of Object.entries(figures)) console.log(`${driver}: ${best(rounds)}`);
} finally {
  lab.destroy();
}
