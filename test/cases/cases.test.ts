// The runner of cases: that it builds what a case describes, that it sees what went wrong, and that the whole collection
// passes.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type Case, modesOf, readCases } from './format.ts';
import { datagramOf, hexOf, segmentOf, type TcpFields } from './frames.ts';
import { Receiver } from './receiver.ts';
import { runCase } from './run-case.ts';
import { buildRecipe, parseLayers } from './scapy.ts';

const TCP: TcpFields = {
  srcPort: 40_000,
  dstPort: 25,
  seq: 1,
  ack: 2,
  flags: 0x18,
  window: 65_535,
  urgent: 0,
  options: new Uint8Array(),
  payload: Buffer.from('NOOP\r\n'),
};
const AROUND = { link: new Uint8Array(12), src: Uint8Array.of(198, 51, 100, 7), dst: Uint8Array.of(192, 0, 2, 25), tcp: TCP };
const build = (recipe: string): Buffer => Buffer.from(buildRecipe(recipe, AROUND));

t.test('recipes', (t) => {
  t.same(
    parseLayers("IPv6()/(IPv6ExtHdrDestOpt()*3)/TCP(sport=25,flags='S')").map(({ name }) => name),
    ['IPv6', ...Array<string>(3).fill('IPv6ExtHdrDestOpt'), 'TCP'],
  );
  t.equal(build('IP(chksum=0x1234)/TCP()/...').readUInt16BE(14 + 10), 0x1234);
  t.equal(build('IP(len=frame+40)').readUInt16BE(14 + 2), 46 + 40);
  const routed = build("IP(options=IPOption_LSRR(routers=['203.0.113.9']))");
  t.equal(routed[14]! & 15, 7);
  t.equal(routed.subarray(34, 42).toString('hex'), '830704cb00710900');
  const land = datagramOf(build("IP(src=dst,dst=dst)/TCP(sport=25,dport=25,flags='S')"))!;
  t.same([hexOf(land.src), hexOf(land.dst), segmentOf(land).flags], ['c0000219', 'c0000219', 2]);
  t.ok(segmentOf(land).isChecksumGood);
  t.equal(build('Ether()/Dot1Q()/Dot1Q()/Dot1Q()/IP()/TCP()').subarray(12, 26).toString('hex'), '8100000181000002810000030800');
  const chain = build('IPv6()/(IPv6ExtHdrDestOpt()*9)/TCP()');
  t.equal(chain.readUInt16BE(12), 0x86dd);
  t.same(
    [...Array(10).keys()].map((i) => chain[i === 0 ? 20 : 54 + (i - 1) * 8]),
    [...Array<number>(9).fill(60), 6],
  );
  t.equal(build('IPv6()/IPv6ExtHdrRouting(type=0)/TCP()')[54 + 2], 0);
  t.throws(() => build('GRE()/IP()'), /recipe not understood/);
  t.end();
});

t.test('a receiver', (t) => {
  const receiver = new Receiver(0xffff_fff0 | 0);
  const segment = (position: number, text: string) => ({
    ...segmentOf({ src: AROUND.src, dst: AROUND.dst, protocol: 6, payload: new Uint8Array(20), fragment: null }),
    seq: (0xffff_fff1 + position) | 0,
    payload: Buffer.from(text),
  });
  receiver.accept(segment(4, 'QUIT'));
  t.equal(receiver.stream.length, 0);
  receiver.accept(segment(0, 'NOOP'));
  t.equal(Buffer.from(receiver.stream).toString(), 'NOOPQUIT');
  t.equal(receiver.contradictions.size, 0);
  receiver.accept(segment(2, 'OPX'));
  t.same([...receiver.contradictions], [4]);
  t.end();
});

const HELLO = [
  { from: 's', data: '220 mx\r\n' },
  { from: 'c', data: 'HELO c.example\r\n' },
  { from: 's', data: '250 mx\r\n' },
] as const;

function streamCase(text: string, toServer: string, expect: Partial<Case['expect']>): Case {
  const base = { toServer: `HELO c.example\r\n${toServer}`, toClient: '220 mx\r\n250 mx\r\n', verdict: 'pass', log: [] } as const;
  return {
    id: 'own',
    title: '',
    mode: 'smtp',
    kind: 'stream',
    server: [...HELLO, { from: 'c', data: text }],
    expect: { ...base, ...expect },
  };
}

t.test('what differs from the expectation is said', (t) => {
  const masked = { verdict: 'mask', log: ['cmd.illegal'] } as const;
  t.same(runCase(streamCase('NOOP\r\n', 'NOOP\r\n', {}), 'smtp'), []);
  t.same(runCase(streamCase('EXPN\r\n', 'xxxx\r\n', masked), 'smtp'), []);
  t.match(runCase(streamCase('EXPN\r\n', 'EXPN\r\n', masked), 'smtp'), [/^toServer: expected .*EXPN.* got .*xxxx/]);
  t.match(runCase(streamCase('EXPN\r\n', 'xxxx\r\n', { ...masked, verdict: 'pass' }), 'smtp'), [/^verdict: expected "pass", got "mask"/]);
  t.match(runCase(streamCase('EXPN\r\n', 'xxxx\r\n', { ...masked, log: ['cmd.illegal', 'cmd.illegal'] }), 'smtp'), [
    /^log: missing cmd\.illegal/,
  ]);
  t.match(runCase(streamCase('EXPN\r\n', 'xxxx\r\n', { ...masked, log: [] }), 'smtp'), [/^log: not expected cmd\.illegal/]);
  const packets: Case = {
    ...streamCase('', '', {}),
    kind: 'packets',
    packets: [{ dir: 'c2s', flags: 'S', seq: 0 }],
    expect: { toServer: '', toClient: '', verdict: 'pass', log: [], perPacket: ['drop'] },
  };
  t.same(runCase(packets, 'smtp'), ['fate of packet 1: expected "drop", got "fwd"']);
  t.end();
});

/** A file by its path from the repository's root; null: it is not there. */
function fromRoot(path: string): string | null {
  for (let at = dirname(fileURLToPath(import.meta.url)); at !== dirname(at); at = dirname(at)) {
    const here = join(at, path);
    if (existsSync(join(at, 'package.json')) && existsSync(here)) return here;
  }
  return null;
}

t.test('what is not understood of a case fails it', (t) => {
  const one = streamCase('NOOP\r\n', 'NOOP\r\n', {});
  const strange = (part: object): string[] => runCase({ ...one, ...part } as Case, 'smtp');
  t.same(strange({ config: { maxLine: 5 } }), ['config.maxLine: not understood']);
  t.same(strange({ config: { holdMs: '500' } }), ['config.holdMs: "500" not understood']);
  t.same(strange({ expect: { ...one.expect, emitted: [] } }), ['expect.emitted: not understood']);
  t.same(strange({ kind: 'packets' }), ['packets is missing']);
  t.same(strange({ kind: 'packets', packets: [{ dir: 'c2s', flag: 'S' }] }), ['packets[0].flag: not understood']);
  t.same(strange({ kind: 'timing', recipe: { repeat: 2, rate: 3 } }), ['recipe.rate: not understood']);
  t.same(strange({ config: { maxInvalidRcpt: 'off', mssClamp: 'off' } }), []);
  t.throws(() => build('IP(tos=4)/TCP()'), /recipe not understood/);
  t.end();
});

/** Beside the collection: packets and times by every key of a configuration, with numbers of our own. */
t.test('cases of our own', (t) => {
  const own = readCases(fromRoot('test/inspect/fixtures/more-cases.jsonl')!);
  for (const one of own.filter(({ kind }) => kind !== 'stream')) {
    const lines = modesOf(one).flatMap((mode) => runCase(one, mode));
    if (lines.length > 0) t.fail(`${one.id} ${one.title}`, { differences: lines });
  }
  t.pass('all were run');
  t.end();
});

/** Nothing in them depends on the mode, so each is run in one, by turns. */
t.test('TCP and IP, rule by rule', (t) => {
  readCases(fromRoot('test/cases/fixtures/more-packets.jsonl')!).forEach((one, i) => {
    const modes = modesOf(one);
    const lines = runCase(one, modes[i % modes.length]!);
    if (lines.length > 0) t.fail(`${one.id} ${one.title}`, { differences: lines });
  });
  t.pass('all were run');
  t.end();
});

/** The collection beside the repository. */
const file = fromRoot('../shared/spec/smtp-cases.jsonl');

t.test('the collection of cases', { skip: file === null ? 'no ../shared/spec' : false }, (t) => {
  for (const one of readCases(file!)) {
    const lines = modesOf(one).flatMap((mode) => runCase(one, mode));
    if (lines.length > 0) t.fail(`${one.id} ${one.title}`, { differences: lines });
  }
  t.pass('all were run');
  t.end();
});
