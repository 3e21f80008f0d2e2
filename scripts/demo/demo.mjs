// One mail dialogue through the firewall, shown on one screen, and everything removed again.

import { holdLive, liveProblem } from './live.mjs';
import { holdReplay } from './replay.mjs';
import { screen } from './screen.mjs';

const SHOWS = ['show ip inspect sessions', 'show ip nat translations', 'show ip access-lists'];
const ILLEGAL = 'EXPN root\r\n';
const MASKED = 'xxxxxxxxx\r\n';

/** Live where this machine allows it, else from captures. */
async function hold() {
  const problem = await liveProblem();
  return problem ? holdReplay(problem, SHOWS) : holdLive(SHOWS);
}

/** Holds the dialogue and prints the screen; sets the exit status when a part of it failed. */
export async function demonstrate() {
  try {
    const result = await hold();
    process.stdout.write(screen({ title: 'Postern: one mail dialogue through the firewall', ...result }));
    const isMasked = result.exchanges.some(({ sent, received }) => sent === ILLEGAL && received === MASKED);
    if (!isMasked) throw new Error('EXPN root did not reach the server as xxxxxxxxx');
  } catch (error) {
    process.stderr.write(`\nThe demonstration failed: ${error.message}\n`);
    process.exitCode = 1;
  }
}
