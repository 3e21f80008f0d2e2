// A wish to stop that comes as several signals.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';

const MODULE = new URL('../../src/command/stop-signal.js', import.meta.url).href;

/** A program that takes `milliseconds` to stop, and was sent SIGINT at the given times after it was ready. */
async function signalled(milliseconds: number, times: readonly number[]): Promise<{ text: string; status: unknown; signal: unknown }> {
  const source = `
    import { untilSignal } from ${JSON.stringify(MODULE)};
    const alive = setInterval(() => {}, 1000);
    const stopped = untilSignal();
    console.log('ready');
    await stopped;
    await new Promise((resolve) => setTimeout(resolve, ${milliseconds}));
    console.log('stopped');
    clearInterval(alive);`;
  const env = { ...process.env };
  delete env['NODE_OPTIONS'];
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data) => (text += String(data)));
  while (!text.includes('ready')) await delay(10);
  const closed = once(child, 'close');
  let before = 0;
  for (const time of times) {
    await delay(time - before);
    before = time;
    child.kill('SIGINT');
  }
  const [status, signal] = (await closed) as [unknown, unknown];
  return { text, status, signal };
}

t.test('the second signal of one Ctrl-C does not interrupt the stop', async (t) => {
  t.same(await signalled(600, [0, 100, 200]), { text: 'ready\nstopped\n', status: 0, signal: null });
});

t.test('one that comes later ends a program that hangs', async (t) => {
  t.same(await signalled(60_000, [0, 1500]), { text: 'ready\n', status: null, signal: 'SIGINT' });
});
