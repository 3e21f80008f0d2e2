// The demonstration's network: three namespaces on one machine, joined by two veth pairs.
//
//   outside 172.22.1.1/24  eth0 ──── outside  firewall  inside ──── eth0  inside 10.10.10.2/24
//
// Names carry the process id, so that two demonstrations do not meet and what a killed one left behind can be recognised.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';

const PREFIX = 'postern-demo';
const NETNS = '/var/run/netns';

function ip(...args) {
  const child = spawnSync('ip', args, { encoding: 'utf8' });
  if (child.error) throw new Error(`ip: ${child.error.message}`);
  if (child.status !== 0) throw new Error(`ip ${args.join(' ')}: ${child.stderr.trim()}`);
  return child.stdout;
}

/** Ends what still runs in a namespace and removes it with its interfaces; silent where it is gone. */
function removeNamespace(name) {
  const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout ?? '';
  for (const pid of pids.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
  spawnSync('ip', ['netns', 'del', name]);
}

/** Removes the namespaces of demonstrations whose process is gone. */
function removeLeftovers() {
  if (!existsSync(NETNS)) return;
  for (const name of readdirSync(NETNS)) {
    const pid = new RegExp(`^${PREFIX}-(\\d+)-`).exec(name)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) removeNamespace(name);
  }
}

/** Makes the network.  Throws with the cause when the machine or the privilege does not allow it; nothing is left then. */
export function makeNetwork() {
  removeLeftovers();
  const names = ['outside', 'firewall', 'inside'].map((role) => `${PREFIX}-${process.pid}-${role}`);
  const [outside, firewall, inside] = names;
  const remove = () => names.forEach(removeNamespace);
  try {
    for (const name of names) {
      ip('netns', 'add', name);
      ip('-n', name, 'link', 'set', 'lo', 'up');
    }
    ip('link', 'add', 'eth0', 'netns', outside, 'type', 'veth', 'peer', 'name', 'outside', 'netns', firewall);
    ip('link', 'add', 'eth0', 'netns', inside, 'type', 'veth', 'peer', 'name', 'inside', 'netns', firewall);
    ip('-n', outside, 'address', 'add', '172.22.1.1/24', 'dev', 'eth0');
    ip('-n', inside, 'address', 'add', '10.10.10.2/24', 'dev', 'eth0');
    for (const [name, device] of [[outside, 'eth0'], [inside, 'eth0'], [firewall, 'outside'], [firewall, 'inside']]) {
      ip('-n', name, 'link', 'set', device, 'up');
    }
    ip('-n', inside, 'route', 'add', 'default', 'via', '10.10.10.1');
  } catch (error) {
    remove();
    throw error;
  }
  return { outside, firewall, inside, remove };
}
