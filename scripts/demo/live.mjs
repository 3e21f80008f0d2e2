// The demonstration on a live network: `postern run` between two veth pairs, one mail dialogue through it.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../steps.mjs';
import { Child } from './children.mjs';

const POSTERN = [process.execPath, join(ROOT, 'bin/postern.mjs')];
const CONFIG = join(ROOT, 'rules/3640.cfg');
export const SHOWS = ['show ip inspect sessions', 'show ip nat translations', 'show ip access-lists'];

/** Gives each text that was sent the octets that arrived in its place; inspection never changes a length. */
export function pair(sent, received, replies) {
  let at = 0;
  return sent.map((text, i) => {
    const part = received.slice(at, at + text.length);
    at += text.length;
    return { sent: text, received: part, reply: replies[i] };
  });
}

async function show(command) {
  const { stdout } = await promisify(execFile)(POSTERN[0], [POSTERN[1], 'exec', command], { timeout: 10_000 });
  return [command, stdout];
}

/** Makes the network, holds the dialogue, and returns what the screen shows.  `network` is a made one; it is removed by the caller. */
export async function holdLive(network, children) {
  const inside = (namespace, command) => ['ip', 'netns', 'exec', namespace, ...command];
  const start = (name, namespace, command, options) => {
    const child = new Child(name, inside(namespace, command), options);
    children.push(child);
    return child;
  };
  const script = (name) => [process.execPath, join(ROOT, 'scripts/demo', name)];

  const server = start('mail server', network.inside, script('server.mjs'));
  const ports = ['--port', 'Ethernet2/0=outside', '--port', 'Ethernet2/1=inside'];
  const postern = start('postern run', network.firewall, [...POSTERN, 'run', '--config', CONFIG, ...ports], { ready: /\bready\b/ });
  await Promise.all([server.wait('listening', 10), postern.wait('ready', 15)]);

  const sent = [];
  const replies = [];
  let received = '';
  server.on('received', (text) => (received += text));
  const client = start('mail client', network.outside, [...script('client.mjs'), '172.22.1.110', '25']);
  client.on('sent', (text) => sent.push(text));
  client.on('reply', (reply) => replies.push(reply));
  await client.wait('open', 20);
  const displays = [];
  for (const command of SHOWS) displays.push(await show(command));
  client.process.stdin.write('go on\n');
  await client.wait('done', 20);

  const [greeting, ...answers] = replies;
  return { exchanges: [{ sent: '', received: '', reply: greeting }, ...pair(sent, received, answers)], displays };
}

