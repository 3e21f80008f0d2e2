// One mail dialogue through the firewall, shown on one screen, and everything removed again.

import { holdLive } from './live.mjs';
import { makeNetwork } from './network.mjs';
import { holdReplay } from './replay.mjs';
import { screen } from './screen.mjs';

const LIVE = [
  'outside host           firewall: postern run --config rules/3640.cfg           inside host',
  '172.22.1.1  ────────── Ethernet2/0                       Ethernet2/1 ────────── 10.10.10.2',
  '             access list 101 in · 172.22.1.110 is 10.10.10.2 · inspection OUT-IN: smtp',
];

/** Runs `work(children)`; on any end, Ctrl-C and SIGTERM included, stops the children, last started first, and calls `remove`. */
async function withCleanUp(remove, work) {
  const children = [];
  let interrupt;
  const interrupted = new Promise((_, reject) => {
    interrupt = (signal) => reject(Object.assign(new Error(`ended by ${signal}`), { signal }));
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt);
  try {
    return await Promise.race([work(children), interrupted]);
  } finally {
    for (const child of children.reverse()) await child.stop();
    remove();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, interrupt);
  }
}

/** A network, or the reason why this machine gives us none. */
function tryNetwork() {
  if (process.getuid() !== 0) return { refusal: 'not root' };
  try {
    return { network: makeNetwork() };
  } catch (error) {
    return { refusal: error.message };
  }
}

/** Holds the dialogue and prints the screen; sets the exit status when a part of it failed. */
export async function demonstrate() {
  const { network, refusal } = tryNetwork();
  try {
    const result = network
      ? { how: LIVE, ...(await withCleanUp(network.remove, (children) => holdLive(network, children))) }
      : await holdReplay(refusal);
    process.stdout.write(screen({ title: 'Postern: one mail dialogue through the firewall', ...result }));
    const masked = result.exchanges.some(({ sent, received }) => sent === 'EXPN root\r\n' && received === 'xxxxxxxxx\r\n');
    if (!masked) throw new Error('EXPN root did not reach the server as xxxxxxxxx');
  } catch (error) {
    process.stderr.write(`\nThe demonstration failed: ${error.message}\n`);
    process.exitCode = error.signal === 'SIGINT' ? 130 : 1;
  }
}
