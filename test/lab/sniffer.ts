// Sniffer and injector of the lab, through the npm package cap: a process of its own in a namespace, told by messages.
//
//   node sniffer.js DEVICE [FILTER]      FILTER: pcap-filter(7); without one, all but what it injects itself is seen
//
//   { what: 'inject', value: [hex, ...] }   sends frames, link header included          -> { injected: n }
//   { what: 'frames' }                      what was seen since the last time, as hex   -> { frames: [...] }
//   { what: 'end' }

import { loadCap } from '../../native-bindings/cap.ts';

const LONGEST = 65_536;
const RING_OCTETS = 32 << 20;

const [device = '', filter = ''] = process.argv.slice(2);
const { Cap } = loadCap();
const session = new Cap();
/** Lives as long as the session: cap writes to it. */
const buffer = Buffer.alloc(LONGEST);
const frames: string[] = [];

session.on('packet', (length) => frames.push(buffer.toString('hex', 0, length)));
session.open(device, filter, RING_OCTETS, buffer);

function inject(list: readonly string[]): number {
  for (const hex of list) session.send(Buffer.from(hex, 'hex'), hex.length / 2);
  return list.length;
}

function end(): void {
  session.close();
  process.exit(0);
}

process.on('message', ({ what, value }: { what: string; value?: unknown }) => {
  if (what === 'inject') process.send!({ injected: inject(value as string[]) });
  if (what === 'frames') process.send!({ frames: frames.splice(0) });
  if (what === 'end') end();
});
process.on('disconnect', end);
process.send!({ ready: true });
