// Fuzz target: inner headers of ICMP errors, against a model that compares tuples one session at a time.  A found error must
// name its session's tuple, stay within its frame, and have right checksums after translation.

import { KIND_IPV4 } from '../../src/frame/frames.ts';
import * as record from '../../src/session/record.ts';
import { SessionTable } from '../../src/session/table.ts';
import { IcmpErrors } from '../../src/stream/icmp-error.ts';
import { ICMP_UNSOLICITED, OK } from '../../src/telemetry/reasons.ts';
import { sumOctets } from '../../src/wire/checksum.ts';
import * as icmp from '../../src/wire/icmp.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { fuzz, must, type Random } from '../fuzzing.ts';
import { checksumOf, frame4, makeFixture, receiveAny } from '../stream/fragment-fixture.ts';

const CANARY = 0xa5;
const MARGIN = 128;
const HOST = 0x0a00_0005;
const GLOBAL = 0xcb00_7107 | 0;
const PEER = 0xc000_0219 | 0;

const x = makeFixture(16, 2);
const sessions = new SessionTable(16, 5);
const errors = new IcmpErrors(x.region, x.frames, sessions, { isPlausibleSeq: () => true });
for (const protocol of [ipv4.PROTOCOL_TCP, ipv4.PROTOCOL_UDP, ipv4.PROTOCOL_ICMP]) {
  const session = sessions.allocate();
  const isQuery = protocol === ipv4.PROTOCOL_ICMP;
  sessions.hot.set(
    [
      HOST,
      PEER,
      isQuery ? 0x0007_0007 : (1025 << 16) | 25,
      PEER,
      GLOBAL,
      isQuery ? 0x0009_0009 : (25 << 16) | 2025,
      protocol | (0 << record.FORWARD_PORT_SHIFT) | (2 << record.REPLY_PORT_SHIFT),
      0,
      record.OPEN | record.INSPECTED | record.TRANSLATED,
    ],
    session << record.RECORD_SHIFT,
  );
  sessions.insert(session);
}

function errorFrame(type: number, src: number, dst: number, protocol: number, payload: number[]): Uint8Array {
  const inner = frame4({ protocol, src, dst, payload: new Uint8Array(payload) }).slice(14);
  return frame4({ protocol: 1, src: PEER, dst: src, payload: new Uint8Array([type, type === 3 ? 4 : 0, 0, 0, 0, 0, 5, 0x78, ...inner]) });
}

const rest = [0, 0, 3, 232, 0, 0, 0, 1, 0x50, 16, 1, 0, 0x12, 0x34, 0, 0, 1, 2, 3, 4];
const corpus = [
  errorFrame(3, GLOBAL, PEER, 6, [2025 >> 8, 2025 & 255, 0, 25, ...rest]),
  errorFrame(11, GLOBAL, PEER, 17, [2025 >> 8, 2025 & 255, 0, 25, 0, 20, 0x11, 0x22, ...rest.slice(0, 12)]),
  errorFrame(3, GLOBAL, PEER, 1, [8, 0, 0x33, 0x44, 0, 9, 0, 1, 1, 2, 3]),
  errorFrame(12, PEER, HOST, 6, [0, 25, 4, 1, ...rest]),
  errorFrame(5, PEER, HOST, 17, [0, 25, 4, 1, 0, 8, 0, 0]),
];

/** Lengths and checksums are made right in most inputs, so that the inner header is reached. */
function repair(octets: Uint8Array, random: Random): void {
  if (octets.length < 42 || random.below(8) === 0) return;
  octets.set([0x45], 14);
  octets.set([(octets.length - 14) >> 8, (octets.length - 14) & 255], 16);
  ipv4.fillChecksum(new DataView(octets.buffer), 14);
  octets.set([0, 0], 36);
  const sum = checksumOf(octets, 34, octets.length);
  octets.set([sum >> 8, sum & 255], 36);
}

fuzz('icmp', corpus, (input, random) => {
  const octets = input.slice(0, 2048);
  repair(octets, random);
  for (const ingress of [0, 2]) once(octets, ingress);
});

function once(octets: Uint8Array, ingress: number): void {
  const { frames, region } = x;
  const { u8, u16, view } = region;
  u8.fill(CANARY, 2048 - MARGIN, 2048 + octets.length + MARGIN);
  if (receiveAny(x, 0, octets, ingress) !== OK || frames.kind[0] !== KIND_IPV4 || frames.protocol[0] !== ipv4.PROTOCOL_ICMP) return;
  const l3 = frames.l3[0]!;
  const l4 = frames.l4[0]!;
  const end = frames.end[0]!;
  if ((ipv4.flagsOffset(view, l3) & 0x3fff) !== 0 || !icmp.isError(icmp.type(view, l4))) return;
  const found = errors.lookupError(0);
  must(found >= 0 === (errors.reason === OK), 'an answer without its reason');
  const expected = modelOf(l4, ingress);
  if (errors.reason === ICMP_UNSOLICITED) must(expected < 0, 'a session was missed');
  if (found >= 0) {
    must(found === expected, `${found} instead of ${expected}`);
    errors.translateError(0, found >> 1, found & 1);
    must(ipv4.check(view, l3, end) === OK, 'outer header');
    must(sumOctets(u16, u8, l4, end) === 0xffff, 'outer checksum');
    must(ipv4.headerLength(view, l4 + 8) > 20 || ipv4.srcAddr(view, l4 + 8) === (ingress === 0 ? PEER : HOST), 'inner source');
  }
  for (let i = 1; i <= MARGIN; i++)
    must(u8[2048 - i] === CANARY && u8[2048 + octets.length + i - 1] === CANARY, 'an octet outside of the frame was written');
}

/** session << 1 | direction by comparing what the inner datagram says with what left by `ingress`, or -1. */
function modelOf(l4: number, ingress: number): number {
  const { view } = x.region;
  const inner = l4 + 8;
  const transport = inner + ((view.getUint8(inner) & 15) << 2);
  const protocol = view.getUint8(inner + 9);
  for (let session = 0; session < 3; session++) {
    const word = (field: number): number => sessions.get(session, field);
    if ((word(record.KIND) & 0xff) !== protocol) continue;
    const isReply = ingress === 2;
    const from = isReply ? word(record.REPLY_DST) : word(record.DST);
    const to = isReply ? word(record.REPLY_SRC) : word(record.SRC);
    if (view.getInt32(inner + 12) !== from || view.getInt32(inner + 16) !== to) continue;
    const ports = isReply ? word(record.REPLY_PORTS) : word(record.PORTS);
    const matches =
      protocol === ipv4.PROTOCOL_ICMP
        ? record.queryKind(view.getUint8(transport)) === word(record.VLAN) && view.getUint16(transport + 4) === (ports & 0xffff)
        : view.getUint16(transport) === (ports & 0xffff) && view.getUint16(transport + 2) === ports >>> 16;
    if (matches) return (session << 1) | (isReply ? 1 : 0);
  }
  return -1;
}
