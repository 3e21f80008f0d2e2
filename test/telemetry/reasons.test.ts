// The list of reasons: each constant is the row of its own name, names are unique, every reason that drops has a text.

import t from 'tap';
import * as reasons from '../../src/telemetry/reasons.ts';

t.test('constants and rows belong together', (t) => {
  const constants = Object.entries(reasons).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && entry[0] !== 'REASON_COUNT',
  );
  t.equal(constants.length, reasons.REASONS.length, 'a constant for each row');
  for (const [name, row] of constants) {
    const wanted = name === 'OK' ? 'none' : reasons.REASONS[row]!.name;
    const spelt = wanted.toUpperCase().replace(/[.-]/g, '_');
    if (name !== 'OK') t.equal(spelt, name);
  }
  t.end();
});

t.test('names are unique and dotted; what drops or warns says something', (t) => {
  t.equal(new Set(reasons.REASONS.map(({ name }) => name)).size, reasons.REASONS.length);
  for (const { name, level, text, meaning } of reasons.REASONS.slice(1)) {
    t.match(name, /^[a-z0-9]+\.[a-z0-9-]+$/);
    t.ok(level !== 'none' && text !== '' && meaning !== '', name);
  }
  t.end();
});
