// node FLAGS child.js ORDER: measures one bench and prints the result as JSON; run.ts starts it.

import { measure, type Order } from './measure.ts';

process.stdout.write(`${JSON.stringify(measure(JSON.parse(process.argv[2] ?? '') as Order))}\n`);
