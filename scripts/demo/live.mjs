// The demonstration on a live network: three namespaces joined by two veth pairs, `postern run` in the middle, a mail
// server inside, a client outside.
//
//   outside 172.22.1.1/24  eth0 ──── outside  firewall  inside ──── eth0  inside 10.10.10.2/24

import { join } from 'node:path';
import { ROOT } from '../steps.mjs';
import { Child } from './child.mjs';

const POSTERN = join(ROOT, 'bin/postern.mjs');
const SERVER = '172.22.1.110';
const PIPES = { stdio: ['pipe', 'pipe', 'pipe'] };

const HOW = [
  'outside host           firewall: postern run --config rules/3640.cfg           inside host',
  '172.22.1.1  ────────── Ethernet2/0                       Ethernet2/1 ────────── 10.10.10.2',
  '             access list 101 in · 172.22.1.110 is 10.10.10.2 · inspection OUT-IN: smtp',
];

/** Why there can be no such network here, or null. */
export async function liveProblem() {
  const { namespaceProblem } = await import('../../dist/test/lab/namespaces.js');
  return namespaceProblem() || null;
}

function makeNetwork(lab) {
  const [outside, firewall, inside] = ['outside', 'firewall', 'inside'].map((role) => lab.namespace(`demo${role}`));
  lab.link(outside, 'eth0', firewall, 'outside');
  lab.link(inside, 'eth0', firewall, 'inside');
  outside.address('eth0', '172.22.1.1/24');
  inside.address('eth0', '10.10.10.2/24');
  inside.route('default', '10.10.10.1');
  return { outside, firewall, inside };
}

/** Gives each text that was sent the octets that arrived in its place; inspection never changes a length. */
export function pair(sent, received, [greeting, ...replies]) {
  let at = 0;
  const exchanges = sent.map((text, i) => {
    const part = received.slice(at, at + text.length);
    at += text.length;
    return { sent: text, received: part, reply: replies[i] ?? [] };
  });
  return [{ sent: '', received: '', reply: greeting ?? [] }, ...exchanges];
}

/** A display of the firewall in its namespace. */
function show(firewall, command) {
  const { status, stdout, stderr } = firewall.run(process.execPath, [POSTERN, 'exec', command]);
  if (status !== 0) throw new Error(`postern exec '${command}': ${stderr.trim()}`);
  return [command, stdout];
}

async function hold({ outside, firewall, inside }, shows) {
  const script = (name) => join(ROOT, 'scripts/demo', name);
  const server = new Child('mail server', inside.node(script('server.mjs'), [], PIPES));
  const ports = ['--port', 'Ethernet2/0=outside', '--port', 'Ethernet2/1=inside'];
  const postern = new Child('postern run', firewall.node(POSTERN, ['run', '--config', join(ROOT, 'rules/3640.cfg'), ...ports], PIPES));
  await Promise.all([server.wait('listening', 10), postern.wait('ready', 15)]);

  const sent = [];
  const replies = [];
  let received = '';
  server.on('received', (text) => (received += text));
  const client = new Child('mail client', outside.node(script('client.mjs'), [SERVER, '25'], PIPES));
  client.on('sent', (text) => sent.push(text));
  client.on('reply', (reply) => replies.push(reply));
  await client.wait('open', 20);
  const displays = shows.map((command) => show(firewall, command));
  client.process.stdin.write('go on\n');
  await client.wait('done', 20);
  return { how: HOW, exchanges: pair(sent, received, replies), displays };
}

/** Holds the dialogue, takes the displays while it is open, removes everything, and returns what the screen shows. */
export async function holdLive(shows) {
  const { Lab } = await import('../../dist/test/lab/namespaces.js');
  const lab = new Lab();
  try {
    return await hold(makeNetwork(lab), shows);
  } finally {
    lab.destroy();
  }
}
