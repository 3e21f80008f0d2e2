// The clock of the live loop against a counter that runs over.

import t from 'tap';
import { Clock } from '../../src/engine/clock.ts';

t.test('milliseconds from an int32 counter of microseconds, over its end and without drift', (t) => {
  let us = 0x7fff_f000;
  const clock = new Clock(() => us);
  t.equal(clock.read(), 0);
  us = (us + 999) | 0;
  t.equal(clock.read(), 0);
  us = (us + 1) | 0;
  t.equal(clock.read(), 1);
  for (let i = 0; i < 10_000; i++) {
    us = (us + 1_333) | 0;
    clock.read();
  }
  t.equal(clock.now, 1 + 13_330);
  us = (us + 30 * 60_000_000) | 0;
  t.equal(clock.read(), 1 + 13_330 + 30 * 60_000, 'thirty minutes in one step');
  t.end();
});
