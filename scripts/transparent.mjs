// What the measurements with live traffic share: two hosts and a firewall between them in network namespaces, the configuration of
// a transparent pair, and the program in between.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, isBuilt } from './build.mjs';
import { ROOT, step, StepError } from './steps.mjs';

export const OUTSIDE = '192.0.2.1';
export const INSIDE = '192.0.2.2';
const PORTS = ['--port', 'Ethernet0=outside0', '--port', 'Ethernet1=inside0'];

/** More than 500 sessions a minute are an attack by default, and the oldest half-open one is reset. */
const THRESHOLDS = `
ip inspect max-incomplete high 100000
ip inspect max-incomplete low 90000
ip inspect one-minute high 100000
ip inspect one-minute low 90000
`;

/** Modules of the lab, built if need be: `{ folder, Lab, programs }`.  Throws a StepError without the privilege for namespaces. */
export async function openLab() {
  if (!isBuilt()) await step('program', 'TypeScript to dist/, bundle to dist/postern/', build);
  const folder = join(process.env.POSTERN_TESTS ?? join(ROOT, 'dist/test'), 'lab');
  const { Lab, namespaceProblem } = await import(join(folder, 'namespaces.js'));
  const problem = namespaceProblem();
  if (problem !== false) throw new StepError(problem);
  return { folder, Lab, programs: await import(join(folder, 'programs.js')) };
}

/** Three namespaces of the lab: the hosts with `eth0`, the firewall with `outside0` and `inside0`. */
export function connect(lab) {
  const [outside, firewall, inside] = ['outside', 'firewall', 'inside'].map((label) => lab.namespace(label));
  for (const namespace of [outside, firewall, inside]) namespace.disableIpv6();
  lab.link(outside, 'eth0', firewall, 'outside0');
  lab.link(inside, 'eth0', firewall, 'inside0');
  outside.address('eth0', `${OUTSIDE}/24`);
  inside.address('eth0', `${INSIDE}/24`);
  return { outside, firewall, inside };
}

/** The configuration of a transparent pair, with thresholds that a load does not reach; a file in `folder`. */
export function configure(folder) {
  const path = join(folder, 'transparent.cfg');
  writeFileSync(path, readFileSync(join(ROOT, 'rules/transparent.cfg'), 'utf8').replace(/^end$/m, `${THRESHOLDS}end`));
  return path;
}

/** Starts `postern run` in namespace `firewall` and waits until it forwards; `pid` is its own. */
export async function startPostern(firewall, { POSTERN, Program }, config, nodeFlags = []) {
  const args = [...nodeFlags, POSTERN, 'run', '--config', config, ...PORTS, '--socket', 'none', '--json'];
  const child = firewall.spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const postern = new Program('postern', child);
  await postern.until(() => /\bready$/m.test(postern.stderr), 'ready', 20);
  // `ip netns exec` becomes the program.
  postern.pid = child.pid;
  return postern;
}
