// node dist/bench/make-workload.js FOLDER [NAME...] [--scale F]: writes workloads as captures, or the sample dialogue as
// `sample`.  Each goes to FOLDER/NAME as outside.pcap and inside.pcap (workloads: and combined.pcap).

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeSample } from './sample-dialogue.ts';
import { WORKLOADS, type WorkloadName, writeWorkload } from './workloads.ts';

const { positionals, values } = parseArgs({ allowPositionals: true, options: { scale: { type: 'string', default: '1' } } });
const [folder, ...names] = positionals;
const scale = Number(values.scale);
const unknown = names.filter((name) => name !== 'sample' && !(WORKLOADS as readonly string[]).includes(name));
if (folder === undefined || unknown.length > 0 || !(scale > 0)) {
  process.stderr.write(`usage: make-workload FOLDER [${[...WORKLOADS, 'sample'].join(' | ')}]... [--scale F]\n`);
  process.exit(2);
}
for (const name of names.length > 0 ? names : WORKLOADS) {
  if (name === 'sample') {
    mkdirSync(join(folder, name), { recursive: true });
    writeSample(join(folder, name));
    continue;
  }
  const { packets, octets, sessions } = writeWorkload(name as WorkloadName, join(folder, name), { scale });
  process.stdout.write(`${name}: ${packets} packets, ${octets} octets, ${sessions} sessions\n`);
}
