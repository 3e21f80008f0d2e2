// Captures: readers against hand-made files of every form, the merge and its clock, the writer, and our readers against
// libpcap on every public capture.

import { existsSync, readFileSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { BATCH, TRUNCATED } from '../../src/frame/frames.ts';
import { CaptureFilePort } from '../../src/port/capture-file.ts';
import { CaptureFormatError, DAMAGED, END } from '../../src/port/capture-format.ts';
import { CaptureMerge } from '../../src/port/capture-merge.ts';
import { CaptureWriter, privateMemory } from '../../src/port/capture-writer.ts';
import { FilterError, filterCapture } from '../../src/port/libpcap-file.ts';
import { isSupported, linkHeaderLength } from '../../src/port/link-types.ts';
import {
  block,
  body,
  description,
  enhanced,
  folder,
  frame,
  type Got,
  hexOf,
  makeFrames,
  octets,
  pcap,
  read,
  type Rec,
  save,
  section,
  segment,
} from './capture-fixture.ts';

// Awaited before the first test: tap ends a file whose tests stop coming.
// By a variable: the compiler must not look for types of a package that may be absent.
const PCAP: string = 'pcap';
const LIBPCAP_MISSING = await import(PCAP).then(
  () => false as const,
  () => 'the optional package pcap is not installed',
);
t.test('pcap in both byte orders, in micro- and nanoseconds', (t) => {
  for (const littleEndian of [true, false]) {
    for (const [magic, nsec] of [
      [0xa1b2c3d4, 7000],
      [0xa1b23c4d, 7],
    ] as const) {
      const got = read(
        save(
          pcap(
            [
              { sec: 1_700_000_000, fraction: 7, data: octets('first') },
              { sec: 4_000_000_000, fraction: 999_999, data: octets(''), wire: 9 },
            ],
            { littleEndian, magic },
          ),
        ),
      );
      t.same(got.records[0], { sec: 1_700_000_000, nsec, linkType: 1, wire: 5, data: 'first' });
      t.same(got.records[1], { sec: 4_000_000_000, nsec: magic === 0xa1b2c3d4 ? 999_999_000 : 999_999, linkType: 1, wire: 9, data: '' });
      t.equal(got.records.length, 2);
      t.equal(got.answer, END);
    }
  }
  const carried = read(save(pcap([{ sec: 5, fraction: 3_000_001, data: octets('x') }]))).records[0]!;
  t.same([carried.sec, carried.nsec], [8, 1000], 'a fraction above a second is carried');
  const old = read(save(pcap([{ sec: 5, fraction: 0, data: octets('abc'), wire: 2 }], { minor: 2 }))).records[0]!;
  t.same([old.data, old.wire], ['ab', 3], 'version 2.2 had the two lengths the other way round');
  t.end();
});

t.test('what is not a capture, or not supported, says so at once', (t) => {
  const reason = (content: Uint8Array | string): string => {
    try {
      read(typeof content === 'string' ? content : save(content));
    } catch (error) {
      if (error instanceof CaptureFormatError) return error.message;
    }
    return 'accepted';
  };
  t.match(reason(octets('')), /not a capture/);
  t.match(reason(folder), /EISDIR/);
  t.match(reason(octets('GET / HTTP/1.1\r\n\r\n and more')), /neither pcap nor pcapng/);
  t.match(reason(pcap([], { magic: 0xa1b2cd34 })), /modified pcap formats are not supported/);
  t.match(reason(pcap([]).subarray(0, 20)), /within its header/);
  t.equal(reason(pcap([], { linkType: 9 })), 'link type 9 (PPP) is not supported');
  t.equal(reason(pcap([], { linkType: 4242 })), 'link type 4242 (unknown) is not supported');
  t.end();
});

t.test('a damaged file is read up to the damage', (t) => {
  const path = save(
    pcap([
      { sec: 1, fraction: 0, data: frame(60) },
      { sec: 2, fraction: 0, data: frame(60) },
    ]),
  );
  truncateSync(path, 24 + 16 + 60 + 16 + 59);
  const data = read(path);
  t.same([data.records.length, data.answer, data.damage], [1, DAMAGED, 'the file ends within the data of a record']);
  truncateSync(path, 24 + 16 + 60 + 15);
  t.same(read(path).damage, 'the file ends within the header of a record');
  const long = Buffer.from(pcap([{ sec: 1, fraction: 0, data: frame(60) }]));
  long.writeUInt32LE(262_145, 24 + 8);
  t.same([read(save(long)).answer, read(save(long)).damage], [DAMAGED, 'a record of 262145 octets']);
  t.end();
});

t.test('pcapng: byte orders, blocks, time resolutions, interfaces', (t) => {
  for (const le of [true, false]) {
    const nanoseconds = 1_700_000_001_123_456_789n;
    const offset = Buffer.alloc(8);
    new DataView(offset.buffer, offset.byteOffset).setBigInt64(0, 100n, le);
    const path = save(
      Buffer.concat([
        section(le),
        description(le, 1),
        description(le, 101, 0, [
          [9, octets('\x09')],
          [14, offset],
        ]),
        description(le, 113, 0, [[9, octets('\x8a')]]),
        description(le, 0, 0, [[9, octets('\x0c')]]),
        block(4, frame(2_000_000), le),
        enhanced(le, 0, 1_700_000_000_000_001n, octets('ether')),
        enhanced(le, 1, nanoseconds, octets('raw'), 77),
        enhanced(le, 2, (1_700_000_000n << 10n) + 512n, octets('cooked')),
        enhanced(le, 3, 1_700_000_000_000_000_000_001n % (1n << 64n), octets('fine')),
        block(
          2,
          body(
            le,
            [
              [16, 0],
              [16, 0],
              [32, 0],
              [32, 2_000_000],
              [32, 3],
              [32, 3],
            ],
            octets('old'),
          ),
          le,
        ),
        block(3, body(le, [[32, 6]], octets('simple')), le),
        section(!le),
        description(!le, 228),
        enhanced(!le, 0, 1n, octets('other order')),
      ]),
    );
    const { records, answer } = read(path);
    t.equal(answer, END);
    t.same(
      records.map((r) => r.data),
      ['ether', 'raw', 'cooked', 'fine', 'old', 'simple', 'other order'],
    );
    t.same(
      records.map((r) => r.linkType),
      [1, 101, 113, 0, 1, 1, 228],
    );
    t.same([records[0]!.sec, records[0]!.nsec], [1_700_000_000, 1000]);
    t.same([records[1]!.sec, records[1]!.nsec, records[1]!.wire], [1_700_000_101, 123_456_789, 77]);
    t.same([records[2]!.sec, records[2]!.nsec], [1_700_000_000, 500_000_000]);
    t.same([records[4]!.sec, records[4]!.nsec], [2, 0]);
    t.same([records[5]!.sec, records[5]!.nsec], [0, 0]);
  }
  const snapped = read(save(Buffer.concat([section(true), description(true, 1, 4), block(3, body(true, [[32, 9]], octets('cut ')), true)])))
    .records[0]!;
  t.same([snapped.data, snapped.wire], ['cut ', 9], 'a simple packet is as long as the snap length');
  const bad = [
    [enhanced(true, 5, 1n, octets('x')), /interface 5, which is not described/],
    [Buffer.concat([enhanced(true, 0, 1n, octets('x')).subarray(0, 30)]), /ends within a block/],
    [
      body(true, [
        [32, 6],
        [32, 13],
        [32, 0],
        [32, 0],
      ]),
      /a block of 13 octets/,
    ],
  ] as const;
  for (const [tail, message] of bad) t.match(read(save(Buffer.concat([section(true), description(true, 1), tail]))).damage, message);
  t.end();
});

t.test('records of other link types become Ethernet frames', (t) => {
  const ip4 = `45${'00'.repeat(19)}`;
  const ip6 = `60${'00'.repeat(39)}`;
  const head = (type: string, src = '020000000001'): string => `020000000002${src}${type}`;
  const cases: [number, string, string][] = [
    [1, head('0800') + ip4, head('0800') + ip4],
    [0, `02000000${ip4}`, head('0800') + ip4],
    [0, `0000001e${ip6}`, head('86dd') + ip6],
    [0, `07000000${ip4}`, head('88b5') + ip4],
    [108, `00000018${ip6}`, head('86dd') + ip6],
    [101, ip4, head('0800') + ip4],
    [12, ip6, head('86dd') + ip6],
    [14, ip4, head('0800') + ip4],
    [228, `55${ip4.slice(2)}`, `${head('0800')}55${ip4.slice(2)}`],
    [229, ip6, head('86dd') + ip6],
    [113, `00000001000600163e1e32410000${'0800'}${ip4}`, head('0800', '00163e1e3241') + ip4],
    [113, `0004000103040000000000000000${'0004'}${ip4}`, head('0014') + ip4],
    [276, `86dd000000000002000100060a0b0c0d0e0f0000${ip6}`, head('86dd', '0a0b0c0d0e0f') + ip6],
  ];
  for (const [linkType, record, expected] of cases) {
    const data = Buffer.from(record, 'hex');
    const frames = makeFrames(1);
    const port = new CaptureFilePort(
      'Ethernet0/0',
      3,
      save(
        pcap(
          [
            { sec: 1, fraction: 2, data, wire: data.length + 6 },
            { sec: 1, fraction: 2, data: data.subarray(0, 2) },
          ],
          { linkType },
        ),
      ),
      null,
      frames.region,
      0,
    );
    t.equal(port.receive(frames, 0, BATCH), 2);
    t.equal(hexOf(frames, 0), expected, `link type ${linkType}`);
    t.equal(frames.wireLength[0], expected.length / 2 + 6);
    t.equal(frames.flags[0], TRUNCATED);
    t.equal(frames.flags[1], linkHeaderLength(linkType) > 2 ? TRUNCATED : 0, 'shorter than its link header');
    port.close();
  }
  t.end();
});

t.test('frames in place across blocks; the window waits for the release', (t) => {
  const records: Rec[] = [];
  for (let i = 0; i < 4000; i++) records.push({ sec: i, fraction: 0, data: frame(60 + ((i * 37) % 1400), i & 0xff) });
  const frames = makeFrames(1);
  const port = new CaptureFilePort('Ethernet0/0', 0, save(pcap(records)), null, frames.region, 0);
  let seen = 0;
  for (let n = port.receive(frames, 0, BATCH); n > 0; n = port.receive(frames, 0, BATCH)) {
    for (let f = 0; f < n; f++, seen++) {
      const same =
        frames.length[f] === records[seen]!.data.length && Buffer.compare(Buffer.from(hexOf(frames, f), 'hex'), records[seen]!.data) === 0;
      if (!same) t.fail(`frame ${seen}`);
    }
    port.release();
  }
  t.equal(seen, 4000);
  t.equal(port.octetsRead, pcap(records).length);
  t.equal(port.failure, null);
  port.close();
  t.end();
});

/** Replays captures through a merge; returns what each batch held. */
function batches(paths: readonly string[], batchSize: number): { now: number; frames: string[] }[] {
  const frames = makeFrames(paths.length);
  const ports = paths.map((path, i) => new CaptureFilePort(`Ethernet0/${i}`, i, path, null, frames.region, frames.region.portStart[i]!));
  const merge = new CaptureMerge(ports, batchSize);
  const out: { now: number; frames: string[] }[] = [];
  for (let n = merge.fill(frames); n > 0; n = merge.fill(frames)) {
    const names: string[] = [];
    for (let f = 0; f < n; f++) names.push(`${frames.ingress[f]}${String.fromCharCode(frames.region.u8[frames.offset[f]!]!)}`);
    out.push({ now: merge.now, frames: names });
    for (const port of ports) port.release();
  }
  for (const port of ports) port.close();
  return out;
}

t.test('captures merge by time; a batch is one millisecond; time never goes back', (t) => {
  const at = (us: number, name: string): Rec => ({ sec: 1000 + Math.floor(us / 1e6), fraction: us % 1e6, data: octets(name.repeat(20)) });
  const a = save(pcap([at(0, 'a'), at(400, 'b'), at(1500, 'c'), at(900, 'd'), at(5000, 'e')]));
  const b = save(pcap([at(0, 'f'), at(999, 'g'), at(1000, 'h'), at(5000, 'i')]));
  t.same(batches([a, b], BATCH), [
    { now: 0, frames: ['0a', '1f', '0b', '1g'] },
    { now: 1, frames: ['1h', '0c', '0d'] },
    { now: 5, frames: ['0e', '1i'] },
  ]);
  const order = batches([a, b], BATCH).flatMap((batch) => batch.frames);
  for (const size of [1, 2, 7]) {
    const cut = batches([a, b], size);
    t.ok(cut.every((batch) => batch.frames.length <= size));
    t.same(
      cut.flatMap((batch) => batch.frames),
      order,
    );
  }
  const far = batches(
    [save(pcap([at(0, 'a'), { sec: 3_000_000_000, fraction: 0, data: frame(60) }, { sec: 3_000_000_001, fraction: 0, data: frame(60) }]))],
    BATCH,
  );
  t.same(
    far.map((batch) => batch.now),
    [0, 0x3fff_ffff, 0x3fff_ffff + 1000],
    'a gap of decades is cut to one that an int32 holds',
  );
  t.end();
});

t.test('what is transmitted reads back with its stamps', (t) => {
  const frames = makeFrames(1);
  const output = join(folder, 'out.pcap');
  const port = new CaptureFilePort(
    'Ethernet0/0',
    0,
    save(
      pcap([
        { sec: 9, fraction: 1, data: frame(70_000, 0x62) },
        { sec: 9, fraction: 2, data: frame(60) },
      ]),
    ),
    output,
    frames.region,
    0,
  );
  const count = port.receive(frames, 0, BATCH);
  frames.nsec[1] = 123_456_789;
  const result = new Int32Array(2).fill(-1);
  for (let i = 0; i < 40; i++) port.transmit(frames, Int32Array.of(1, 0), count, result);
  t.same([...result], [0, 0]);
  port.release();
  port.close();
  t.equal(port.writeFailure, null);
  const { records, answer } = read(output);
  t.same([records.length, answer], [80, END]);
  t.same([records[0]!.sec, records[0]!.nsec, records[0]!.data.length], [9, 123_456_789, 60]);
  t.same([records[79]!.nsec, records[79]!.data === 'b'.repeat(70_000)], [1000, true]);
  t.throws(() => new CaptureWriter(join(folder, 'none', 'x.pcap'), privateMemory(), 0), { code: 'ENOENT' });
  t.end();
});

t.test('a full disk is remembered, not thrown', { skip: existsSync('/dev/full') ? false : 'no /dev/full here' }, (t) => {
  const writer = new CaptureWriter('/dev/full', privateMemory(), 0);
  for (let i = 0; i < 40; i++) writer.addFrom(1, 2, frame(65_000), 65_000);
  writer.close();
  t.match(writer.failure, /ENOSPC/);
  t.end();
});

/** Folder of the public captures beside the repository. */
function capturesFolder(): string | null {
  for (let at = dirname(fileURLToPath(import.meta.url)); at !== dirname(at); at = dirname(at)) {
    const here = join(at, '..', 'shared', 'captures');
    if (existsSync(join(at, 'package.json')) && existsSync(join(here, 'INDEX.tsv'))) return here;
  }
  return null;
}

const captures = capturesFolder();
const skip = captures === null ? 'no ../shared/captures' : false;

/** Where the two readers differ on purpose. */
const KNOWN: Readonly<Record<string, string>> = {
  'other/linktype-format/gopacket__pcapgo__tests__le__test202.pcapng': 'libpcap stops at the second link type',
  'other/malformed-l3l4/PcapPlusPlus__Tests__Fuzzers__RegressionTests__clusterfuzz-testcase-minimized-FuzzTarget-6185045124251648.pcap':
    'libpcap refuses version 2.8224',
  'other/malformed-l3l4/tcpdump__mobility_opt_asan.pcap': 'libpcap cuts at the snap length of the file header',
};

interface Reading {
  records: Got[];
  stopped: boolean;
  refused: boolean;
}

async function readThroughLibpcap(path: string): Promise<Reading> {
  try {
    const filtered = await filterCapture(path, '');
    try {
      return { records: read(filtered.path).records, stopped: filtered.damaged, refused: false };
    } finally {
      filtered.remove();
    }
  } catch (error) {
    if (error instanceof CaptureFormatError) return { records: [], stopped: false, refused: true };
    throw error;
  }
}

function readOurselves(path: string): Reading {
  try {
    const { records, answer } = read(path);
    return { records, stopped: answer === DAMAGED, refused: false };
  } catch (error) {
    if (error instanceof CaptureFormatError) return { records: [], stopped: false, refused: true };
    throw error;
  }
}

t.test('both readers agree on every public capture, frame by frame', { skip: skip || LIBPCAP_MISSING }, async (t) => {
  const names = readFileSync(join(captures!, 'INDEX.tsv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t')[0]!);
  let compared = 0;
  for (const name of names) {
    if (name in KNOWN) continue;
    const ours = readOurselves(join(captures!, name));
    const theirs = await readThroughLibpcap(join(captures!, name));
    // An unsupported link type refuses ours at once; libpcap reads the file before we see its type.
    const same = ours.refused
      ? theirs.refused || theirs.stopped
      : JSON.stringify(ours.records.map(inMicroseconds)) === JSON.stringify(theirs.records) && ours.stopped === theirs.stopped;
    if (!same) t.fail(name);
    compared += ours.records.length;
  }
  t.ok(compared > 10_000, `${compared} frames of ${names.length} captures`);
});

/** What libpcap keeps of the time, and of link types that it renames. */
function inMicroseconds(r: Got): Got {
  return { ...r, sec: r.sec >>> 0, nsec: r.nsec - (r.nsec % 1000), linkType: r.linkType === 12 ? 101 : r.linkType };
}

t.test('a filter keeps what it says; its errors are those of libpcap', { skip: LIBPCAP_MISSING }, async (t) => {
  const path = save(
    pcap(
      [segment(1, 2, 4000, 25, 2), segment(1, 2, 4000, 80, 2), segment(2, 1, 25, 4000, 0x12)].map((data, sec) => ({
        sec,
        fraction: 5,
        data,
      })),
    ),
  );
  const filtered = await filterCapture(path, 'tcp port 25');
  t.same([filtered.frames, filtered.damaged], [2, false]);
  t.same(
    read(filtered.path).records.map((r) => [r.sec, r.nsec]),
    [
      [0, 5000],
      [2, 5000],
    ],
  );
  filtered.remove();
  t.notOk(existsSync(filtered.path));
  await t.rejects(filterCapture(path, 'tcp prt 25'), new FilterError("can't parse filter expression: syntax error"));
  await t.rejects(filterCapture(save(octets('no capture at all, whatever it says')), 'tcp'), new CaptureFormatError('unknown file format'));
});

t.test('link types: each that is carried has a name and a header length', (t) => {
  for (const linkType of [0, 1, 12, 14, 101, 108, 113, 228, 229, 276]) t.ok(isSupported(linkType), String(linkType));
  t.end();
});
