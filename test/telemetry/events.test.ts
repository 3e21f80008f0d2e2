// The event log: records of the ring through file, reader and printer; cut and damaged tails; rotation; a full disk; sampling.

import { execFile } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  write,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { createCounters } from '../../src/telemetry/counters.ts';
import { EventFile, type EventFileOptions } from '../../src/telemetry/event-file.ts';
import { DROPS_A_SECOND, EventLog } from '../../src/telemetry/event-log.ts';
import { EventReader } from '../../src/telemetry/event-reader.ts';
import { readRecord } from '../../src/telemetry/event-record.ts';
import * as ring from '../../src/telemetry/event-ring.ts';
import { type EventSchema, type LoggedEvent, loadEventSchema } from '../../src/telemetry/event-schema.ts';
import { formatEventJson, formatEventText } from '../../src/telemetry/event-text.ts';
import {
  ACL_DENIED,
  CMD_ILLEGAL,
  FLOOD_PER_HOST,
  IP_FRAG_LIMIT,
  REASON_COUNT,
  REASONS,
  TCP_MIDSTREAM,
  TCP_URGENT,
} from '../../src/telemetry/reasons.ts';
import { ROOT } from '../lab/programs.ts';

/** A hundred thousand events and two dozen runs of the program. */
t.setTimeout(240_000);

const folder = mkdtempSync(join(tmpdir(), 'postern-events-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newPath = (): string => join(folder, `${++files}.events`);

const NAMES = {
  interfaces: [{ name: 'Ethernet2/0' }, { name: 'Ethernet2/1' }],
  rules: [{ entries: [{ keyword: 'smtp' }, { keyword: 'tcp' }] }],
  accessLists: [{ name: '102' }, { name: 'guests' }],
};
const OPTIONS: EventFileOptions = { limit: 1 << 30, keep: 2, blocking: true, onTrouble: () => {} };

const counters = createCounters();
const events = new ring.EventRing(8, counters);

/** One record through the ring, as the pump does it. */
function put(log: EventLog, kind: number, reason: number, words: Readonly<Record<number, number>>, text = ''): void {
  const at = events.claim(kind, reason);
  for (const [word, value] of Object.entries(words)) events.words[at + Number(word)] = value;
  if (text !== '') events.setText(at, Buffer.from(text, 'latin1'), 0, text.length);
  events.commit();
  log.take(readRecord(events, events.peek()));
  events.advance();
}

function readAll(path: string, schema: EventSchema): { events: LoggedEvent[]; reader: EventReader } {
  const reader = new EventReader(schema);
  const found: LoggedEvent[] = [];
  reader.push(readFileSync(path), (event) => found.push(event));
  return { events: found, reader };
}

interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `postern events ...` of the build that this test belongs to. */
function postern(...args: string[]): Promise<Finished> {
  const env = { ...process.env };
  delete env['NODE_OPTIONS'];
  const program = join(import.meta.dirname, '../../src/cli.js');
  return new Promise((resolve) => {
    execFile(process.execPath, [program, 'events', ...args], { env, cwd: ROOT, maxBuffer: 256 << 20 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

// ---- round trip ------------------------------------------------------------------------------------------------------

const int32 = (random: () => number): number => (random() * 2 ** 32) | 0;

/** mulberry32 */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

const dotted = (addr: number): string => [24, 16, 8, 0].map((shift) => (addr >>> shift) & 255).join('.');
const PROTOCOLS: Record<number, string> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp6' };

/** Writes one random event and returns what the printer must say of it, written down independently of the code under test. */
function putRandom(log: EventLog, random: () => number, number: number): object {
  const pick = (n: number): number => Math.floor(random() * n);
  const [src, dst, ports] = [int32(random), int32(random), int32(random)];
  const sec = pick(2 ** 32);
  const nsec = pick(1e9);
  const protocol = [1, 6, 17, 58, 89][pick(5)]!;
  const [session, value, value2] = [pick(100_000), int32(random), pick(2 ** 20)];
  const text = random() < 0.5 ? '' : String.fromCharCode(...Array.from({ length: pick(128) + 1 }, () => pick(256)));
  const words: Record<number, number> = {
    [ring.E_TIME]: number,
    [ring.E_SEC]: sec | 0,
    [ring.E_NSEC]: nsec,
    [ring.E_SESSION]: session,
    [ring.E_SRC]: src,
    [ring.E_DST]: dst,
    [ring.E_PORTS]: ports,
  };
  const flow = {
    protocol: PROTOCOLS[protocol] ?? String(protocol),
    initiator: dotted(src),
    initiatorPort: ports >>> 16,
    responder: dotted(dst),
    responderPort: ports & 0xffff,
  };
  const time = new Date(sec * 1000).toISOString().replace('.000Z', `.${String(nsec).padStart(9, '0')}Z`);
  const entry = pick(2);
  switch (pick(7)) {
    case 0:
      put(log, ring.EVENT_SESSION_START, 0, { ...words, [ring.E_PROTOCOL]: protocol, [ring.E_RULE]: entry });
      return { time, event: 'session-start', session, keyword: ['smtp', 'tcp'][entry], ...flow };
    case 1: {
      const [low, high, low2, high2] = [pick(2 ** 30), pick(2 ** 20), pick(2 ** 30), pick(4)];
      put(log, ring.EVENT_SESSION_STOP, 0, {
        ...words,
        [ring.E_PROTOCOL]: protocol,
        [ring.E_RULE]: entry,
        [ring.E_VALUE]: low,
        [ring.E_VALUE2]: high,
        [ring.E_VALUE3]: low2,
        [ring.E_VALUE4]: high2,
      });
      const octets = { initiatorOctets: low + high * 2 ** 30, responderOctets: low2 + high2 * 2 ** 30 };
      return { time, event: 'session-stop', session, keyword: ['smtp', 'tcp'][entry], ...octets, ...flow };
    }
    case 2: {
      const isMask = random() < 0.5;
      const reason = isMask ? CMD_ILLEGAL : TCP_URGENT;
      put(log, ring.EVENT_ALERT, reason, { ...words, [ring.E_PROTOCOL]: protocol, [ring.E_VALUE]: value }, text);
      return { time, event: isMask ? 'mask' : 'alert', reason: REASONS[reason]!.name, session, value, text, ...flow };
    }
    case 3: {
      // A second between two drops of a reason: none is left out.
      words[ring.E_TIME] = number * 1000;
      const reason = 1 + pick(REASON_COUNT - 1);
      const [identification, sequence, acknowledgement] = [pick(65_536), pick(2 ** 32), pick(2 ** 32)];
      put(log, ring.EVENT_DROP, reason, {
        ...words,
        [ring.E_PROTOCOL]: protocol | (entry << 8),
        [ring.E_VALUE]: identification,
        [ring.E_VALUE3]: sequence | 0,
        [ring.E_VALUE4]: acknowledgement | 0,
      });
      const facts = { interface: NAMES.interfaces[entry]!.name, identification, sequence, acknowledgement, unrecorded: 0 };
      return { time, event: 'drop', reason: REASONS[reason]!.name, ...facts, ...flow };
    }
    case 4:
      put(log, ring.EVENT_PORT_STATE, 0, { ...words, [ring.E_VALUE]: entry, [ring.E_VALUE2]: value2 & 1 });
      return { time, event: 'port-state', interface: NAMES.interfaces[entry]!.name, up: (value2 & 1) === 1 };
    case 5: {
      const [count, rate] = [pick(1000), pick(1000)];
      const isAggressive = random() < 0.5;
      put(log, isAggressive ? ring.EVENT_AGGRESSIVE : ring.EVENT_CALM, 0, {
        ...words,
        [ring.E_VALUE]: count,
        [ring.E_VALUE2]: value2,
        [ring.E_VALUE3]: rate,
      });
      return {
        time,
        event: 'threshold',
        kind: isAggressive ? 'aggressive' : 'calm',
        host: '',
        count,
        limit: value2,
        rate,
        blockMinutes: 0,
      };
    }
    default:
      put(log, ring.EVENT_ACCESS_LOG, 0, {
        ...words,
        [ring.E_PROTOCOL]: protocol,
        [ring.E_VALUE]: entry,
        [ring.E_VALUE2]: value2,
        [ring.E_VALUE3]: session,
      });
      return { time, event: 'access', list: NAMES.accessLists[entry]!.name, entry: value2, packets: session, ...flow };
  }
}

t.test('100,000 random events: into the file, and out of the printer what went in', async (t) => {
  const path = newPath();
  const log = await EventLog.open(path, NAMES, OPTIONS);
  const random = generator(20261125);
  const expected: object[] = [];
  for (let i = 0; i < 100_000; i++) expected.push(putRandom(log, random, i));
  await log.close();
  t.equal(log.lostOfFile, 0);
  const { status, stdout, stderr } = await postern(path, '--json');
  t.equal(status, 0);
  t.equal(stderr, '');
  const lines = stdout.split('\n');
  t.equal(lines.pop(), '', 'the last line ends');
  t.equal(lines.length, expected.length);
  const different = expected.findIndex((event, i) => {
    const printed = JSON.parse(lines[i]!) as Record<string, unknown>;
    const wanted = event as Record<string, unknown>;
    const names = Object.keys(printed);
    return names.length !== Object.keys(wanted).length || names.some((name) => printed[name] !== wanted[name]);
  });
  if (different >= 0) t.same(JSON.parse(lines[different]!), expected[different], `event ${different}`);
  t.equal(different, -1, 'all equal');
  t.notMatch(stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/, 'nothing that a terminal obeys');
  const text = await postern(path);
  t.equal(text.status, 0);
  t.equal(text.stdout.split('\n').length - 1, expected.length, 'as many lines of text');
  t.notMatch(text.stdout, /[\x00-\x09\x0b-\x1f\x7f-\uffff]/, 'printable ASCII');
});

t.test('lines of text', async (t) => {
  const path = newPath();
  const log = await EventLog.open(path, NAMES, OPTIONS);
  const flow = {
    [ring.E_SEC]: 1_700_000_000,
    [ring.E_NSEC]: 5_000_000,
    [ring.E_SRC]: 0x0a000001,
    [ring.E_DST]: 0x0a000002,
    [ring.E_PORTS]: (1025 << 16) | 25,
    [ring.E_PROTOCOL]: 6,
  };
  put(log, ring.EVENT_ALERT, CMD_ILLEGAL, { ...flow, [ring.E_SESSION]: 7, [ring.E_VALUE]: 9 }, 'EXPN "\x1b\\\xff');
  put(log, ring.EVENT_SESSION_STOP, 0, { ...flow, [ring.E_VALUE]: 3, [ring.E_VALUE3]: 4 });
  const v6 = Object.fromEntries([0x20010db8, 0, 0, 1, 0x20010db8, 0, 0, 2].map((word, i) => [ring.E_ADDRS6 + i, word]));
  put(log, ring.EVENT_SESSION_START, 0, { ...flow, ...v6 });
  put(
    log,
    ring.EVENT_REASSEMBLY,
    IP_FRAG_LIMIT,
    { ...flow, [ring.E_PORTS]: 0, [ring.E_VALUE]: 16 },
    `${'\0'.repeat(15)}\x01${'\0'.repeat(15)}\x02`,
  );
  put(log, ring.EVENT_HOST_BLOCKED, FLOOD_PER_HOST, { ...flow, [ring.E_VALUE]: 50, [ring.E_VALUE2]: 2 });
  put(log, ring.EVENT_DEBUG, 0, flow);
  put(log, ring.EVENT_TRACE, 0, flow);
  log.lost(12);
  await log.close();
  const { events: found } = readAll(path, await loadEventSchema());
  t.same(
    found.map(formatEventText),
    [
      '2023-11-14T22:13:20.005000000Z mask cmd.illegal tcp 10.0.0.1:1025 > 10.0.0.2:25 session 7 value 9 "EXPN \\x22\\x1b\\x5c\\xff"',
      '2023-11-14T22:13:20.005000000Z session-stop tcp 10.0.0.1:1025 > 10.0.0.2:25 smtp session 0 octets 3 4',
      '2023-11-14T22:13:20.005000000Z session-start tcp [2001:db8::1]:1025 > [2001:db8::2]:25 smtp session 0',
      '2023-11-14T22:13:20.005000000Z alert ip.frag-limit tcp [::1]:0 > [::2]:0 session 0 value 16',
      '2023-11-14T22:13:20.005000000Z threshold host-blocked host 10.0.0.2 count 0 limit 50 blocked for 2 min',
      '2023-11-14T22:13:20.005000000Z lost 12 events',
    ],
    'debug and trace are not in it',
  );
  t.equal(JSON.parse(formatEventJson(found[0]!)).text, 'EXPN "\x1b\\\xff');
});

// ---- cut and damaged -------------------------------------------------------------------------------------------------

/** A log of `count` alerts, and the offset of its last record. */
async function smallLog(count: number): Promise<{ path: string; last: number }> {
  const path = newPath();
  const log = await EventLog.open(path, NAMES, OPTIONS);
  for (let i = 0; i < count; i++)
    put(log, ring.EVENT_ALERT, CMD_ILLEGAL, { [ring.E_SEC]: i + 1, [ring.E_PROTOCOL]: 6 }, 'x'.repeat(i === count - 1 ? 128 : 5));
  await log.close();
  const { reader } = readAll(path, await loadEventSchema());
  const whole = readFileSync(path);
  const before = new EventReader(await loadEventSchema());
  before.push(whole.subarray(0, whole.length - 1), () => {});
  t.equal(reader.position, whole.length);
  return { path, last: before.position };
}

t.test('cut at every offset of the last record: the rest is read, and where it is cut is said', async (t) => {
  const { path, last } = await smallLog(3);
  const schema = await loadEventSchema();
  const whole = readFileSync(path);
  for (let end = last; end < whole.length; end++) {
    const cut = newPath();
    writeFileSync(cut, whole.subarray(0, end));
    const { events: found, reader } = readAll(cut, schema);
    if (found.length !== 2 || reader.position !== last || reader.pending !== end - last || reader.damage !== null) {
      t.fail(`cut at ${end}: ${found.length} events, position ${reader.position}, pending ${reader.pending}, ${reader.damage}`);
    }
  }
  for (const [end, status] of [
    [last, 0],
    [last + 1, 1],
    [last + 2, 1],
    [whole.length - 1, 1],
  ] as const) {
    truncateSync(path, end);
    const finished = await postern(path);
    writeFileSync(path, whole);
    t.equal(finished.status, status, `cut at ${end}`);
    t.equal(finished.stdout.split('\n').length, 3, 'the two whole records');
    const wanted = status === 0 ? '' : `postern: ${path}: cut off: the record at octet ${last} has only ${end - last} octets\n`;
    t.equal(finished.stderr, wanted);
  }
});

t.test('the reader gives the same however the octets come in', async (t) => {
  const { path } = await smallLog(20);
  const schema = await loadEventSchema();
  const whole = readFileSync(path);
  const { events: wanted } = readAll(path, schema);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (steps) => {
      const reader = new EventReader(schema);
      const found: LoggedEvent[] = [];
      for (let at = 0, i = 0; at < whole.length; at += steps[i++ % steps.length]!) {
        reader.push(whole.subarray(at, at + steps[i % steps.length]!), (event) => found.push(event));
      }
      return reader.position === whole.length && JSON.stringify(found) === JSON.stringify(wanted);
    }),
    { seed: 8, numRuns: 100 },
  );
  t.end();
});

t.test('what is no event log, what is damaged, what is missing', async (t) => {
  const { path, last } = await smallLog(2);
  const whole = readFileSync(path);
  writeFileSync(path, Buffer.concat([whole.subarray(0, last), Buffer.from([0, 1, 2])]));
  const damaged = await postern(path);
  t.equal(damaged.status, 1);
  t.equal(damaged.stderr, `postern: ${path}: damaged from octet ${last} on: no length of a record\n`);
  const other = newPath();
  writeFileSync(other, 'hostname postern\ninterface Ethernet2/0\n'.repeat(10));
  const refused = await postern(other);
  t.equal(refused.status, 2);
  t.match(refused.stderr, /not an event log/);
  t.match(await postern(join(folder, 'nothing')), { status: 2, stderr: /^postern: .*nothing: ENOENT/ });
  const empty = newPath();
  writeFileSync(empty, '');
  t.same(await postern(empty), { status: 0, stdout: '', stderr: '' });
});

// ---- the file --------------------------------------------------------------------------------------------------------

const RECORD = Buffer.alloc(1024, 0x41);

t.test('rotation keeps whole records and the number of files', async (t) => {
  for (const blocking of [true, false]) {
    const path = newPath();
    writeFileSync(path, 'of the run before');
    const file = EventFile.open(path, { ...OPTIONS, blocking, limit: 128 * 1024 });
    t.equal(readFileSync(`${path}.1`, 'utf8'), 'of the run before', 'what was there is put aside');
    for (let i = 0; i < 400; i++) {
      file.append(RECORD);
      if (!blocking) await delay(i % 64 === 63 ? 5 : 0);
    }
    await file.close();
    t.equal(file.lost, 0);
    const sizes = [path, `${path}.1`, `${path}.2`].map((name) => statSync(name).size);
    for (const size of sizes) t.ok(size > 0 && size % RECORD.length === 0 && size <= 128 * 1024, `${size} octets`);
    if (blocking) t.equal(sizes[1], 128 * 1024);
    t.notOk(existsSync(`${path}.3`));
  }
});

t.test('a full disk: counted, reported once, nothing half written, and on it goes when there is room', async (t) => {
  for (const blocking of [true, false]) {
    let isFull = false;
    const messages: string[] = [];
    const full = (): Error => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const calls = {
      // A full disk takes a part first.
      write: (fd: number, octets: Buffer, from: number, length: number, at: null, done: (error: Error | null, written: number) => void) => {
        if (!isFull) write(fd, octets, from, length, at, done);
        else if (length > 1000) write(fd, octets, from, 1000, at, done);
        else setImmediate(() => done(full(), 0));
      },
      writeSync: (fd: number, octets: Buffer, from: number, length: number) => {
        if (!isFull) return writeSync(fd, octets, from, length);
        if (length <= 1000) throw full();
        return writeSync(fd, octets, from, 1000);
      },
    } as unknown as NonNullable<EventFileOptions['calls']>;
    const path = newPath();
    const file = EventFile.open(path, { ...OPTIONS, blocking, calls, onTrouble: (message) => messages.push(message) });
    const append = async (count: number, isDone: () => boolean): Promise<void> => {
      for (let i = 0; i < count; i++) file.append(RECORD);
      for (let waited = 0; !isDone() && waited < 5000; waited += 10) await delay(10);
      t.ok(isDone());
    };
    await append(64, () => statSync(path).size === 64 * RECORD.length);
    isFull = true;
    await append(128, () => file.lost === 128);
    isFull = false;
    await append(64, () => statSync(path).size === 128 * RECORD.length);
    await file.close();
    t.same(messages, [`${path}: events are lost: ENOSPC: no space left on device, write`, `${path}: written again, 128 events were lost`]);
    t.equal(statSync(path).size, 128 * RECORD.length);
    t.ok(readFileSync(path).every((octet) => octet === 0x41));
  }
});

t.test('a full device', { skip: existsSync('/dev/full') ? false : 'needs /dev/full' }, async (t) => {
  const path = newPath();
  symlinkSync('/dev/full', path);
  const messages: string[] = [];
  const log = await EventLog.open(path, NAMES, { ...OPTIONS, blocking: false, onTrouble: (message) => messages.push(message) });
  for (let i = 0; i < 5; i++) put(log, ring.EVENT_ALERT, CMD_ILLEGAL, {}, 'x');
  await log.close();
  t.equal(log.lostOfFile, 5);
  t.equal(messages.length, 1);
  t.match(messages[0], /ENOSPC/);
});

t.test('a disk that is too slow costs events, never time; the log says how many', async (t) => {
  const pending: (() => void)[] = [];
  const calls = {
    write: (fd: number, octets: Buffer, from: number, length: number, at: null, done: (error: Error | null, written: number) => void) => {
      pending.push(() => write(fd, octets, from, length, at, done));
    },
    writeSync,
  } as unknown as NonNullable<EventFileOptions['calls']>;
  const path = newPath();
  const log = await EventLog.open(path, NAMES, { ...OPTIONS, blocking: false, calls });
  for (let i = 0; i < 10_000; i++) put(log, ring.EVENT_ALERT, CMD_ILLEGAL, { [ring.E_SEC]: 5 }, 'x'.repeat(100));
  t.equal(pending.length, 1, 'one block under way');
  const lost = log.lostOfFile;
  t.ok(lost > 0 && lost < 10_000, `${lost} lost`);
  while (pending.length > 0) {
    pending.shift()!();
    await delay(20);
  }
  put(log, ring.EVENT_ALERT, CMD_ILLEGAL, { [ring.E_SEC]: 6 }, 'after');
  const closing = log.close();
  while (pending.length > 0) {
    pending.shift()!();
    await delay(20);
  }
  await closing;
  const { events: found } = readAll(path, await loadEventSchema());
  t.equal(found.filter((event) => event.mask).length, 10_001 - lost);
  t.same(
    found.filter((event) => event.lost).map((event) => event.lost!.count),
    [lost],
  );
});

t.test('drops are sampled by reason, and what is left out is counted', async (t) => {
  const path = newPath();
  const log = await EventLog.open(path, NAMES, OPTIONS);
  for (let i = 0; i < 100; i++) put(log, ring.EVENT_DROP, ACL_DENIED, { [ring.E_TIME]: 5000 + i });
  put(log, ring.EVENT_DROP, TCP_MIDSTREAM, { [ring.E_TIME]: 5100 });
  put(log, ring.EVENT_DROP, ACL_DENIED, { [ring.E_TIME]: 6000 });
  put(log, ring.EVENT_DROP, ACL_DENIED, { [ring.E_TIME]: 6001 });
  await log.close();
  const drops = readAll(path, await loadEventSchema()).events.map((event) => event.drop!);
  t.equal(drops.filter(({ reason }) => reason === 'acl.denied').length, DROPS_A_SECOND + 2);
  t.same(
    drops.slice(-3).map(({ reason, unrecorded }) => [reason, unrecorded]),
    [
      ['tcp.midstream', 0],
      ['acl.denied', 100 - DROPS_A_SECOND],
      ['acl.denied', 0],
    ],
  );
});

t.test('--follow prints what is added, also in the next file', async (t) => {
  const { path } = await smallLog(1);
  const record = readFileSync(path);
  const env = { ...process.env };
  delete env['NODE_OPTIONS'];
  const child = execFile(process.execPath, [join(import.meta.dirname, '../../src/cli.js'), 'events', path, '--follow'], { env, cwd: ROOT });
  t.teardown(() => child.kill('SIGKILL'));
  let text = '';
  child.stdout!.on('data', (data: string) => (text += data));
  const until = async (lines: number): Promise<void> => {
    for (let i = 0; i < 100 && text.split('\n').length - 1 < lines; i++) await delay(50);
    t.equal(text.split('\n').length - 1, lines, `${lines} lines`);
  };
  await until(1);
  appendFileSync(path, record.subarray(0, 10));
  await delay(300);
  appendFileSync(path, record.subarray(10));
  await until(2);
  renameSync(path, `${path}.1`);
  appendFileSync(`${path}.1`, record);
  writeFileSync(path, record);
  await until(4);
  child.kill('SIGINT');
  const status = await new Promise((resolve) => child.once('close', resolve));
  t.equal(status, 0);
});
