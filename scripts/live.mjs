// npm run live -- [--seconds N] [--rounds N] [--json]: live traffic over a kernel bridge and over `postern run`, in network
// namespaces, as root.
//
// The same two hosts, with offloads and without, each way in turn (`--rounds`, default 3; the medians are printed):
//   TCP        iperf3, one connection, N seconds (default 4)
//   message    smtp-source to smtp-sink, messages of 15,000,000 octets one after another, SMTP inspected
//   dialogues  the same with messages of 500 octets, a connection each
//   half trip  half the round trip of pings, p50 and p99: one as soon as the last is answered, and alone, 2 ms apart (the firewall sleeps
//              in between)
// Needs iperf3, ethtool, ping, and Postfix's smtp-source and smtp-sink (without these no mail is measured).
// Not part of npm test.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { main, StepError } from './steps.mjs';
import { configure, connect, INSIDE, openLab, startPostern } from './transparent.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const MESSAGE = { count: 20, octets: 15_000_000 };
const DIALOGUE = { count: 2000, octets: 500 };
const PINGS = 1000;

/** Output of a program that must end well. */
function must(namespace, command, args, seconds) {
  const { status, stdout, stderr } = namespace.run(command, args, seconds * 1000);
  if (status !== 0) throw new StepError(`${command}: ${stderr.trim() || stdout.trim() || `status ${status}`}`);
  return stdout;
}

function tcp({ outside }) {
  const report = JSON.parse(must(outside, 'iperf3', ['-c', INSIDE, '-t', values.seconds, '-J'], Number(values.seconds) + 20));
  return report.end.sum_received.bits_per_second / 1e9;
}

/** Seconds that `count` messages take. */
function send({ outside }, { count, octets }) {
  const started = performance.now();
  must(
    outside,
    'smtp-source',
    ['-m', String(count), '-l', String(octets), '-f', 'a@example.net', '-t', 'b@example.org', `${INSIDE}:25`],
    120,
  );
  return (performance.now() - started) / 1000;
}

/** Microseconds; `pace` is how ping spaces its requests. */
function halfTrips({ outside }, ...pace) {
  const text = must(outside, 'ping', ['-n', ...pace, '-c', String(PINGS), INSIDE], 60);
  const times = [...text.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms) * 500).sort((a, b) => a - b);
  return { p50: times[times.length >> 1], p99: times[Math.floor(times.length * 0.99)] };
}

function measure(hosts, mail) {
  const busy = halfTrips(hosts, '-A');
  const alone = halfTrips(hosts, '-i', '0.002');
  const figures = {
    'half trip p50, us': busy.p50,
    'half trip p99, us': busy.p99,
    '  alone p50, us': alone.p50,
    '  alone p99, us': alone.p99,
    'TCP, Gbit/s': tcp(hosts),
  };
  if (!mail) return figures;
  return {
    ...figures,
    'messages, Gbit/s': (MESSAGE.count * MESSAGE.octets * 8) / send(hosts, MESSAGE) / 1e9,
    'dialogues a second': DIALOGUE.count / send(hosts, DIALOGUE),
  };
}

function overBridge(hosts, mail) {
  const { firewall } = hosts;
  firewall.ip('link', 'add', 'br0', 'type', 'bridge');
  for (const port of ['outside0', 'inside0']) firewall.ip('link', 'set', 'dev', port, 'master', 'br0');
  firewall.up('br0');
  try {
    return measure(hosts, mail);
  } finally {
    firewall.ip('link', 'delete', 'br0');
  }
}

async function overPostern(hosts, mail, programs, config) {
  const postern = await startPostern(hosts.firewall, programs, config);
  try {
    return measure(hosts, mail);
  } finally {
    await postern.stop();
  }
}

async function startServers({ inside }, { start }) {
  const iperf = start('iperf3', inside, 'iperf3', ['-s', '--forceflush']);
  await iperf.until(() => iperf.stdout.includes('listening'), 'listening', 10);
  const mail = inside.run('sh', ['-c', 'command -v smtp-source && command -v smtp-sink']).status === 0;
  if (mail) start('smtp-sink', inside, 'smtp-sink', ['-u', 'nobody', `${INSIDE}:25`, '100']);
  else process.stderr.write('live: smtp-source and smtp-sink of Postfix are missing: no mail is measured\n');
  return mail;
}

/** Median by name of figure. */
function medians(rounds) {
  const middle = (list) => list.sort((a, b) => a - b)[list.length >> 1];
  return Object.fromEntries(Object.keys(rounds[0]).map((name) => [name, middle(rounds.map((figures) => figures[name]))]));
}

function print(results) {
  if (values.json) return process.stdout.write(`${JSON.stringify(results)}\n`);
  for (const [offloads, { bridge, postern }] of Object.entries(results)) {
    process.stdout.write(`offloads ${offloads.padEnd(16)} ${'bridge'.padStart(10)} ${'postern'.padStart(10)}\n`);
    for (const [name, figure] of Object.entries(bridge))
      process.stdout.write(`  ${name.padEnd(22)} ${figure.toFixed(2).padStart(10)} ${postern[name].toFixed(2).padStart(10)}\n`);
  }
}

await main(async () => {
  const { Lab, programs } = await openLab();
  const lab = new Lab();
  const scratch = mkdtempSync(join(tmpdir(), 'postern-live-'));
  const config = configure(scratch);
  const results = {};
  try {
    const hosts = connect(lab);
    const mail = await startServers(hosts, programs);
    for (const offloads of ['off', 'on']) {
      for (const host of [hosts.outside, hosts.inside]) host.offloads('eth0', offloads);
      const rounds = { bridge: [], postern: [] };
      for (let round = 0; round < Number(values.rounds); round++) {
        rounds.bridge.push(overBridge(hosts, mail));
        rounds.postern.push(await overPostern(hosts, mail, programs, config));
        process.stderr.write(`  offloads ${offloads}, round ${round + 1} of ${values.rounds}\n`);
      }
      results[offloads] = { bridge: medians(rounds.bridge), postern: medians(rounds.postern) };
    }
    print(results);
  } finally {
    lab.destroy();
    rmSync(scratch, { recursive: true, force: true });
  }
});
