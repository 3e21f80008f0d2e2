// Fuzz target: the SMTP scanner, both directions interleaved.  An input is a list of segments; the contract of the inspector
// is checked by the driver, and two cuts of the same input must come to the same, as far as they have to.

import { cutMismatch, modesOf, readCases, steeredLate } from '../inspect/cases.ts';
import { corpusPolicy, runTranscript, type Segment } from '../inspect/driver.ts';
import { fuzz, must, type Random } from '../fuzzing.ts';

/** Begins a segment: the octet behind it says whose, and under which policy the input runs is said by the first octet. */
const MARK = 0xfe;
const CLIENT = 0x63;
const SERVER = 0x73;
const CONFIGS: readonly [esmtp: boolean, config: Record<string, unknown>][] = [
  [true, {}],
  [false, {}],
  [true, { signatures: true, maskBanner: true, maxRcpt: 2 }],
  [true, { allowTls: true, extensions: ['CHUNKING', 'BINARYMIME', 'SMTPUTF8', 'DELIVERBY', 'X-OWN'], maxInvalidRcpt: 1 }],
  [true, { holdMs: 500 }],
];
const POLICIES = CONFIGS.map(([esmtp, config]) => corpusPolicy(esmtp, config));

function encode(segments: readonly Segment[], policy: number): Uint8Array {
  const parts = segments.map(({ from, data }) =>
    Buffer.concat([Buffer.from([MARK, from === 'c' ? CLIENT : SERVER]), Buffer.from(data, 'latin1')]),
  );
  return Uint8Array.from(Buffer.concat([Buffer.from([policy]), ...parts]));
}

function decode(input: Uint8Array): Segment[] {
  const segments: Segment[] = [];
  for (let i = 1; i < input.length; i++) {
    if (input[i] === MARK && i + 1 < input.length) {
      segments.push({ from: input[i + 1] === SERVER ? 's' : 'c', data: '' });
      i++;
    } else if (segments.length > 0) segments.at(-1)!.data += String.fromCharCode(input[i]!);
  }
  return segments.filter(({ data }) => data !== '');
}

const corpus = readCases()
  .filter(({ kind, server }) => kind === 'stream' && server.reduce((sum, { data }) => sum + data.length, 0) < 2000)
  .flatMap((one) =>
    modesOf(one).map((esmtp) =>
      encode(one.server, one.config?.['extensions'] !== undefined || one.config?.['allowTls'] === true ? 3 : esmtp ? 0 : 1),
    ),
  );

function cut(segments: readonly Segment[], random: Random): Segment[] {
  return segments.flatMap(({ from, data }) => {
    const pieces: Segment[] = [];
    for (let at = 0; at < data.length; ) {
      const length = 1 + random.below(1 + random.below(16));
      pieces.push({ from, data: data.slice(at, at + length) });
      at += length;
    }
    return pieces;
  });
}

fuzz('smtp-scan', corpus, (input, random) => {
  const segments = decode(input);
  const policy = POLICIES[(input[0] ?? 0) % POLICIES.length]!;
  const uncut = runTranscript(policy, segments);
  const other = runTranscript(policy, cut(segments, random));
  if (policy.holdMs > 0 || steeredLate(uncut, other) || steeredLate(other, uncut)) return;
  const client = segments.map(({ from, data }) => (from === 'c' ? data : '')).join('');
  const difference = cutMismatch(client, uncut, other);
  must(difference === '', difference);
});
