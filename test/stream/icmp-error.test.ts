// ICMP errors: which session, whether it can be true, and what the other side sees.

import fc from 'fast-check';
import t from 'tap';
import * as record from '../../src/session/record.ts';
import { SessionTable } from '../../src/session/table.ts';
import { IcmpErrors } from '../../src/stream/icmp-error.ts';
import * as R from '../../src/telemetry/reasons.ts';
import * as build from '../../src/wire/build.ts';
import { sumOctets } from '../../src/wire/checksum.ts';
import * as icmp from '../../src/wire/icmp.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { type Fixture, checksumOf, frame4, frame6, makeFixture, octetsOfFrame, receive, tcpPayload } from './fragment-fixture.ts';

const INSIDE = 0;
const OUTSIDE = 2;
const HOST = 0x0a00_0005;
const GLOBAL = 0xcb00_7107 | 0;
const PEER = 0xc000_0219 | 0;
const ROUTER = 0xc633_6401 | 0;
const INNER_ROUTER = 0x0a00_00fe;
const PORTS_IN = (40_000 << 16) | 25;
/** The opener's port changes too. */
const PORTS_OUT = (25 << 16) | 1025;

interface Setup {
  readonly x: Fixture;
  readonly sessions: SessionTable;
  readonly errors: IcmpErrors;
  readonly asked: number[][];
}

function setUp(): Setup {
  const x = makeFixture();
  const sessions = new SessionTable(16, 99);
  const asked: number[][] = [];
  const inspected = {
    isPlausibleSeq(session: number, direction: number, seq: number): boolean {
      asked.push([session, direction, seq]);
      return seq === 1000;
    },
  };
  return { x, sessions, errors: new IcmpErrors(x.region, x.frames, sessions, inspected), asked };
}

/** A session that HOST opened to PEER, seen outside as GLOBAL with another port. */
function addSession(s: SessionTable, protocol: number, portsIn: number, portsOut: number, flags = 0, global = GLOBAL): number {
  const session = s.allocate();
  s.set(session, record.SRC, HOST);
  s.set(session, record.DST, PEER);
  s.set(session, record.PORTS, portsIn);
  s.set(session, record.REPLY_SRC, PEER);
  s.set(session, record.REPLY_DST, global);
  s.set(session, record.REPLY_PORTS, portsOut);
  s.set(session, record.KIND, protocol | (INSIDE << record.FORWARD_PORT_SHIFT) | (OUTSIDE << record.REPLY_PORT_SHIFT));
  s.set(session, record.STATE, record.OPEN | record.TRANSLATED | flags);
  s.set(session, record.SEQ_END_FORWARD, 1500);
  s.set(session, record.SEQ_END_REPLY, -100);
  s.set(session, record.SCALES, 0xffff);
  s.insert(session);
  return session;
}

interface Inner {
  readonly src: number;
  readonly dst: number;
  readonly protocol: number;
  readonly payload: Uint8Array;
  readonly offset?: number;
}

/** An ICMP error about `inner` quoted up to `quoted` octets of its transport. */
function errorFrame(from: number, to: number, type: number, code: number, rest: number, inner: Inner, quoted = 64): Uint8Array {
  const datagram = frame4({ ...inner, src: inner.src, dst: inner.dst }).slice(14, 34 + quoted);
  const message = new Uint8Array(8 + datagram.length);
  message.set([type, code, 0, 0, rest >>> 24, (rest >> 16) & 255, (rest >> 8) & 255, rest & 255]);
  message.set(datagram, 8);
  const sum = checksumOf(message, 0, message.length);
  message.set([sum >> 8, sum & 255], 2);
  return frame4({ protocol: 1, src: from, dst: to, payload: message });
}

function segmentOf(src: number, dst: number, ports: number, seq = 1000): Uint8Array {
  const payload = tcpPayload(44, 0x18, seq, src, dst);
  const v = new DataView(payload.buffer);
  v.setInt32(0, ports);
  v.setUint16(16, 0);
  v.setUint16(
    16,
    checksumOf(payload, 0, payload.length, (src >>> 16) + (src & 0xffff) + (dst >>> 16) + (dst & 0xffff) + 6 + payload.length),
  );
  return payload;
}

/** What left outside for a segment that HOST sent. */
const OUTGOING: Inner = { src: GLOBAL, dst: PEER, protocol: 6, payload: segmentOf(GLOBAL, PEER, (1025 << 16) | 25) };
/** What left inside for a segment that PEER sent. */
const INCOMING: Inner = { src: PEER, dst: HOST, protocol: 6, payload: segmentOf(PEER, HOST, (25 << 16) | 40_000, -200) };

t.test('an error from outside about a segment that left outside', async (t) => {
  const { x, sessions, errors } = setUp();
  const session = addSession(sessions, 6, PORTS_IN, PORTS_OUT);
  for (const quoted of [8, 17, 18, 20, 64]) {
    const f = receive(x, 0, errorFrame(ROUTER, GLOBAL, icmp.UNREACHABLE, 4, 1400, OUTGOING, quoted), OUTSIDE);
    t.equal(errors.lookupError(f), (session << 1) | 1, 'travels as a reply');
    errors.translateError(f, session, 1);
    const original: Inner = { src: HOST, dst: PEER, protocol: 6, payload: segmentOf(HOST, PEER, PORTS_IN) };
    const wanted = errorFrame(ROUTER, HOST, icmp.UNREACHABLE, 4, 1400, original, quoted);
    // What cannot be seen of the inner checksum cannot be changed.
    if (quoted === 17) wanted[34 + 8 + 20 + 16] = octetsOfFrame(x, f)[34 + 8 + 20 + 16]!;
    if (quoted === 17) t.equal(octetsOfFrame(x, f).length, wanted.length);
    else t.same(octetsOfFrame(x, f), wanted, `${quoted} octets quoted`);
    t.equal(ipv4.check(x.region.view, x.frames.l3[f]!, x.frames.end[f]!), R.OK);
    t.equal(sumOctets(x.region.u16, x.region.u8, x.frames.l4[f]!, x.frames.end[f]!), 0xffff, 'outer checksum');
  }
});

t.test('an error from inside about a segment that left inside', async (t) => {
  const { x, sessions, errors } = setUp();
  const session = addSession(sessions, 6, PORTS_IN, PORTS_OUT);
  const original: Inner = { src: PEER, dst: GLOBAL, protocol: 6, payload: segmentOf(PEER, GLOBAL, PORTS_OUT, -200) };
  for (const from of [HOST, INNER_ROUTER]) {
    const f = receive(x, 0, errorFrame(from, PEER, icmp.TIME_EXCEEDED, 0, 0, INCOMING), INSIDE);
    t.equal(errors.lookupError(f), session << 1, 'travels as the opener does');
    errors.translateError(f, session, 0);
    t.same(octetsOfFrame(x, f), errorFrame(GLOBAL, PEER, icmp.TIME_EXCEEDED, 0, 0, original), 'from the global address, whoever sent it');
  }
});

t.test('UDP, also without a checksum, and an echo by its identifier', async (t) => {
  const { x, sessions, errors } = setUp();
  const udp = addSession(sessions, 17, PORTS_IN, PORTS_OUT);
  const echo = addSession(sessions, 1, (7 << 16) | 7, (9 << 16) | 9);
  const udpOf = (src: number, ports: number, sum: boolean): Uint8Array => {
    const payload = new Uint8Array(20);
    const v = new DataView(payload.buffer);
    v.setInt32(0, ports);
    v.setUint16(4, 20);
    if (sum) v.setUint16(6, checksumOf(payload, 0, 20, (src >>> 16) + (src & 0xffff) + (PEER >>> 16) + (PEER & 0xffff) + 17 + 20));
    return payload;
  };
  for (const sum of [true, false]) {
    const inner: Inner = { src: GLOBAL, dst: PEER, protocol: 17, payload: udpOf(GLOBAL, (1025 << 16) | 25, sum) };
    const f = receive(x, 0, errorFrame(PEER, GLOBAL, icmp.UNREACHABLE, 3, 0, inner), OUTSIDE);
    t.equal(errors.lookupError(f), (udp << 1) | 1);
    errors.translateError(f, udp, 1);
    const wanted: Inner = { src: HOST, dst: PEER, protocol: 17, payload: udpOf(HOST, PORTS_IN, sum) };
    t.same(octetsOfFrame(x, f), errorFrame(PEER, HOST, icmp.UNREACHABLE, 3, 0, wanted));
  }
  const echoOf = (id: number): Uint8Array => {
    const payload = new Uint8Array([8, 0, 0, 0, 0, id, 0, 1, 1, 2, 3, 4]);
    const sum = checksumOf(payload, 0, 12);
    payload.set([sum >> 8, sum & 255], 2);
    return payload;
  };
  const f = receive(
    x,
    0,
    errorFrame(ROUTER, GLOBAL, icmp.TIME_EXCEEDED, 0, 0, { src: GLOBAL, dst: PEER, protocol: 1, payload: echoOf(9) }),
    OUTSIDE,
  );
  t.equal(errors.lookupError(f), (echo << 1) | 1);
  errors.translateError(f, echo, 1);
  t.same(
    octetsOfFrame(x, f),
    errorFrame(ROUTER, HOST, icmp.TIME_EXCEEDED, 0, 0, { src: HOST, dst: PEER, protocol: 1, payload: echoOf(7) }),
  );
});

t.test('what is refused, and why', async (t) => {
  const { x, sessions, errors } = setUp();
  addSession(sessions, 6, PORTS_IN, PORTS_OUT);
  const reasonOf = (octets: Uint8Array, ingress = OUTSIDE): string => {
    const found = errors.lookupError(receive(x, 0, octets, ingress));
    t.equal(found < 0, errors.reason !== R.OK);
    return R.REASONS[errors.reason]!.name;
  };
  const good = errorFrame(ROUTER, GLOBAL, icmp.UNREACHABLE, 4, 576, OUTGOING);
  t.equal(reasonOf(good), 'none', 'an MTU at the floor');
  t.equal(reasonOf(good, INSIDE), 'icmp.unsolicited', 'on the other side');
  for (const mtu of [0, 68, 575]) t.equal(reasonOf(errorFrame(ROUTER, GLOBAL, icmp.UNREACHABLE, 4, mtu, OUTGOING)), 'icmp.mtu-floor');
  t.equal(reasonOf(errorFrame(ROUTER, GLOBAL, icmp.UNREACHABLE, 3, 68, OUTGOING)), 'none', 'the floor is that of code 4');
  t.equal(reasonOf(errorFrame(ROUTER, GLOBAL, icmp.UNREACHABLE, 1, 0, OUTGOING, 7)), 'icmp.malformed');
  t.equal(reasonOf(errorFrame(ROUTER, GLOBAL, icmp.UNREACHABLE, 1, 0, { ...OUTGOING, offset: 8 })), 'icmp.bad-inner', 'a later fragment');
  t.equal(
    reasonOf(errorFrame(ROUTER, PEER, icmp.UNREACHABLE, 1, 0, OUTGOING)),
    'icmp.bad-inner',
    'not to the sender of the inner datagram',
  );
  t.equal(
    reasonOf(errorFrame(ROUTER, GLOBAL, icmp.UNREACHABLE, 1, 0, { ...OUTGOING, payload: segmentOf(GLOBAL, PEER, (1026 << 16) | 25) })),
    'icmp.unsolicited',
  );
  t.equal(reasonOf(errorFrame(ROUTER, GLOBAL, icmp.UNREACHABLE, 1, 0, { ...OUTGOING, protocol: 17 })), 'icmp.unsolicited');
  const aboutError: Inner = { src: GLOBAL, dst: PEER, protocol: 1, payload: new Uint8Array([3, 0, 0, 0, 0, 0, 0, 0]) };
  t.equal(reasonOf(errorFrame(ROUTER, GLOBAL, icmp.UNREACHABLE, 1, 0, aboutError)), 'icmp.bad-inner', 'an error about an error');
  const damaged = good.slice();
  damaged[50]! ^= 1;
  t.equal(reasonOf(damaged), 'icmp.bad-checksum');
});

t.test('the sequence number must be one that is under way', async (t) => {
  const { x, sessions, errors, asked } = setUp();
  const session = addSession(sessions, 6, PORTS_IN, PORTS_OUT);
  const reasonAt = (seq: number): string => {
    const inner = { ...OUTGOING, payload: segmentOf(GLOBAL, PEER, (1025 << 16) | 25, seq) };
    errors.lookupError(receive(x, 0, errorFrame(ROUTER, GLOBAL, icmp.UNREACHABLE, 1, 0, inner), OUTSIDE));
    return R.REASONS[errors.reason]!.name;
  };
  t.same([1500, 1501, 1500 - 65_535, 1500 - 65_536].map(reasonAt), ['none', 'icmp.bad-inner', 'none', 'icmp.bad-inner']);
  // The reply direction offered a shift of two: its windows bound what the opener has under way.
  sessions.set(session, record.SCALES, 7 | (2 << 8));
  t.same([1500 - 65_535 * 4, 1500 - 65_535 * 4 - 1].map(reasonAt), ['none', 'icmp.bad-inner']);
  t.same(asked, []);
  sessions.addFlag(session, record.INSPECTED);
  t.same([1000, 1001].map(reasonAt), ['none', 'icmp.bad-inner']);
  t.same(
    asked,
    [
      [session, 0, 1000],
      [session, 0, 1001],
    ],
    'the stream is asked about the direction of the inner segment',
  );
});

t.test('an error that this program writes comes home', async (t) => {
  const { x, sessions, errors } = setUp();
  const session = addSession(sessions, 6, PORTS_IN, (25 << 16) | 40_000, 0, HOST);
  const f = receive(x, 1, frame4({ protocol: 6, src: HOST, dst: PEER, payload: segmentOf(HOST, PEER, PORTS_IN) }), INSIDE);
  const { u8, u16, view } = x.region;
  const g = x.frames.allocate(build.MAX_ANSWER);
  const length = build.unreachable(
    view,
    u8,
    u16,
    x.frames.offset[g]!,
    x.frames.offset[f]!,
    x.frames.l3[f]!,
    x.frames.end[f]!,
    4,
    1400,
    ROUTER,
  );
  const answer = u8.slice(x.frames.offset[g]!, x.frames.offset[g]! + length);
  // Another firewall further out wrote it; addresses are the same on both sides of this one.
  t.equal(errors.lookupError(receive(x, 2, answer, OUTSIDE)), (session << 1) | 1);
  errors.translateError(2, session, 1);
  t.same(octetsOfFrame(x, 2), answer, 'nothing to translate, nothing changed');
  x.frames.free(g);
});

t.test('IPv6 packet too big', async (t) => {
  const { x, sessions, errors } = setUp();
  const session = sessions.allocate();
  const src = [0x2001_0db8, 0, 0, 5];
  const dst = [0x2001_0db8, 0x0001_0000, 0, 0x25];
  sessions.addrs6.set([...src, ...dst], session * 8);
  const folded = new Int32Array([...src, ...dst]);
  sessions.set(session, record.SRC, sessions.fold6(folded, 0));
  sessions.set(session, record.DST, sessions.fold6(folded, 4));
  sessions.set(session, record.PORTS, PORTS_IN);
  sessions.set(session, record.REPLY_SRC, sessions.fold6(folded, 4));
  sessions.set(session, record.REPLY_DST, sessions.fold6(folded, 0));
  sessions.set(session, record.REPLY_PORTS, (25 << 16) | 40_000);
  sessions.set(session, record.KIND, 6 | record.FAMILY_IPV6 | (INSIDE << record.FORWARD_PORT_SHIFT) | (OUTSIDE << record.REPLY_PORT_SHIFT));
  sessions.set(session, record.VLAN, 100 | (1 << 24));
  sessions.set(session, record.STATE, record.OPEN);
  sessions.set(session, record.SEQ_END_FORWARD, 1000);
  sessions.insert(session);
  const tooBig = (mtu: number, cut = 88, inner = frame6(6, tcpPayload(20)).slice(18)): Uint8Array => {
    const quoted = inner.slice(0, cut);
    const message = new Uint8Array(8 + quoted.length);
    message.set([2, 0, 0, 0, mtu >>> 24, (mtu >> 16) & 255, (mtu >> 8) & 255, mtu & 255]);
    message.set(quoted, 8);
    const router = frame6(58, message);
    // From a router to the sender of the inner datagram.
    router.set(frame6(6, new Uint8Array(0)).slice(26, 42), 42);
    router.set([0xfd, 0, 0, 1], 26);
    const sum = checksumOf(router, 58, router.length, ~checksumOf(router, 26, 58) & 0xffff);
    const total = checksumOf(new Uint8Array([0, 58, message.length >> 8, message.length & 255]), 0, 4, ~sum & 0xffff);
    router.set([total >> 8, total & 255], 60);
    return router;
  };
  const reasonOf = (octets: Uint8Array): string => {
    errors.lookupError(receive(x, 0, octets, OUTSIDE));
    return R.REASONS[errors.reason]!.name;
  };
  t.equal(errors.lookupError(receive(x, 0, tooBig(1280), OUTSIDE)), (session << 1) | 1);
  t.equal(reasonOf(tooBig(1279)), 'icmp.mtu-floor');
  t.equal(reasonOf(tooBig(68)), 'icmp.mtu-floor');
  t.equal(reasonOf(tooBig(0xffff_ffff)), 'none');
  t.equal(reasonOf(tooBig(1400, 47)), 'icmp.malformed');
  const damaged = tooBig(1400);
  damaged[70]! ^= 1;
  t.equal(reasonOf(damaged), 'icmp.bad-checksum');
  const other = frame6(6, tcpPayload(20)).slice(18);
  other[39]! ^= 1;
  t.equal(reasonOf(tooBig(1400, 88, other)), 'icmp.unsolicited');
  const mapped = frame6(6, tcpPayload(20)).slice(18);
  mapped[23]! ^= 1;
  t.equal(reasonOf(tooBig(1400, 88, mapped)), 'icmp.bad-inner', 'not to its sender');
  t.equal(reasonOf(tooBig(1400, 88, frame6(6, tcpPayload(20, 0x18, 1001)).slice(18))), 'icmp.bad-inner', 'a number that was never sent');
});

t.test('whatever is quoted, the outer checksum stays right', async (t) => {
  const { x, sessions, errors } = setUp();
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer(),
        fc.integer(),
        fc.uint8Array({ minLength: 8, maxLength: 64 }),
        (global, portsIn, portsOut, payload) => {
          const session = addSession(sessions, 6, portsIn, portsOut, 0, global);
          new DataView(payload.buffer).setInt32(0, (portsOut << 16) | (portsOut >>> 16));
          const octets = errorFrame(ROUTER, global, icmp.UNREACHABLE, 1, 0, { src: global, dst: PEER, protocol: 6, payload });
          const f = receive(x, 0, octets, OUTSIDE);
          errors.translateError(f, session, 1);
          sessions.remove(session);
          const { view } = x.region;
          const l4 = x.frames.l4[f]!;
          const inner = l4 + icmp.HEADER_LENGTH;
          return (
            sumOctets(x.region.u16, x.region.u8, l4, x.frames.end[f]!) === 0xffff &&
            ipv4.check(view, x.frames.l3[f]!, x.frames.end[f]!) === R.OK &&
            ipv4.srcAddr(view, inner) === HOST &&
            ipv4.headerSum(view, inner, 20) === 0xffff &&
            view.getInt32(inner + 20) === portsIn
          );
        },
      ),
      { seed: 3, numRuns: 300 },
    ),
  );
});
