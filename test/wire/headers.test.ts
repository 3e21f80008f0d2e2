// Every header file of src/wire: golden octets, every truncation, set then get, and checksums as properties.

import fc from 'fast-check';
import t from 'tap';
import * as R from '../../src/telemetry/reasons.ts';
import * as arp from '../../src/wire/arp.ts';
import * as checksum from '../../src/wire/checksum.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import * as icmp from '../../src/wire/icmp.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import * as segment from '../../src/wire/segment.ts';
import * as seq from '../../src/wire/seq.ts';
import * as tcp from '../../src/wire/tcp.ts';
import * as udp from '../../src/wire/udp.ts';
import { GOLDEN, octetsOf } from './golden.ts';

type Test = Pick<typeof t, 'ok'>;

const SEED = { seed: 20_260_101, numRuns: 300 };
const L3 = 14;
const L4 = 34;

function viewOf(octets: Uint8Array): DataView {
  return new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
}

function golden(name: keyof typeof GOLDEN): { v: DataView; end: number; u8: Uint8Array; u16: Uint16Array } {
  const octets = octetsOf(GOLDEN[name]);
  const buffer = new ArrayBuffer(2048);
  const u8 = new Uint8Array(buffer);
  u8.set(octets);
  return { v: new DataView(buffer), end: octets.length, u8, u16: new Uint16Array(buffer) };
}

/** Checks with `end` moved to every earlier place: the reason must be one of `reasons`, and no read may leave the octets present. */
function everyTruncation(
  t: Test,
  u8: Uint8Array,
  at: number,
  end: number,
  check: (v: DataView, at: number, end: number) => number,
  reasons: number[],
): void {
  for (let cut = at; cut < end; cut++) {
    // A view of exactly the octets that are there: a read beyond them throws.
    const reason = check(viewOf(u8.slice(0, cut)), at, cut);
    t.ok(reasons.includes(reason), `cut at ${cut - at}: ${R.REASONS[reason]!.name}`);
  }
}

t.test('ethernet', async (t) => {
  const { v } = golden('tcp6');
  t.equal(ethernet.macHigh(v, ethernet.DST_MAC), 0x0200);
  t.equal(ethernet.macLow(v, ethernet.DST_MAC), 10);
  t.equal(ethernet.macLow(v, ethernet.SRC_MAC), 11);
  t.equal(ethernet.etherType(v, ethernet.ETHER_TYPE), ethernet.TYPE_VLAN);
  t.ok(ethernet.isTag(ethernet.TYPE_VLAN) && ethernet.isTag(ethernet.TYPE_QINQ));
  t.notOk(ethernet.isTag(ethernet.TYPE_IPV4) || ethernet.isTag(0x9100));
  t.equal(ethernet.vlanId(v, ethernet.ETHER_TYPE), 100);
  t.notOk(ethernet.isGroup(v, 0));
  const request = golden('arpRequest').v;
  t.ok(ethernet.isGroup(request, 0));
  ethernet.setHeader(v, 100, 0x0a0b, 0x0c0d_0e0f, 0xfffe, -2, ethernet.TYPE_ARP);
  t.same(
    [ethernet.macHigh(v, 100), ethernet.macLow(v, 100), ethernet.macHigh(v, 106), ethernet.macLow(v, 106)],
    [0x0a0b, 0x0c0d_0e0f, 0xfffe, -2],
  );
});

t.test('arp', async (t) => {
  const { v, u8, end } = golden('arpRequest');
  t.equal(arp.check(v, L3, end), R.OK);
  t.equal(arp.operation(v, L3), arp.REQUEST);
  t.equal(arp.senderAddr(v, L3), 0x0a00_0001);
  t.equal(arp.targetAddr(v, L3), 0x0a00_0005);
  everyTruncation(t, u8, L3, end, arp.check, [R.ARP_MALFORMED]);
  for (const octet of [0, 1, 2, 3, 4, 5, 6]) {
    const broken = u8.slice(0, end);
    broken[L3 + octet]! ^= 0x10;
    t.equal(arp.check(viewOf(broken), L3, end), R.ARP_MALFORMED, `octet ${octet} changed`);
  }
  arp.write(v, 200, arp.REPLY, 1, 2, 3, 4, 5, -6);
  t.same([arp.operation(v, 200), arp.senderAddr(v, 200), arp.targetAddr(v, 200)], [arp.REPLY, 3, -6]);
  t.same([ethernet.macHigh(v, 200 + arp.TARGET_MAC), ethernet.macLow(v, 200 + arp.TARGET_MAC)], [4, 5]);
});

t.test('ipv4', async (t) => {
  const { v, u8, end } = golden('tcp4');
  t.equal(ipv4.check(v, L3, end), R.OK);
  t.same(
    [
      ipv4.headerLength(v, L3),
      ipv4.tos(v, L3),
      ipv4.totalLength(v, L3),
      ipv4.identification(v, L3),
      ipv4.flagsOffset(v, L3),
      ipv4.ttl(v, L3),
    ],
    [20, 0, 48, 0x1234, 0x4000, 64],
  );
  t.same([ipv4.protocol(v, L3), ipv4.srcAddr(v, L3), ipv4.dstAddr(v, L3)], [6, 0x0a00_0005, 0xc000_0219 | 0]);
  t.equal(ipv4.checksum(v, L3), 0x5c76);
  t.ok(ipv4.dontFragment(v, L3));
  t.notOk(ipv4.moreFragments(v, L3));
  everyTruncation(t, u8, L3, end, ipv4.check, [R.IP_BAD_LENGTH, R.IP_BAD_HEADER_LENGTH]);
  const wrong = (octet: number, value: number): number => {
    const broken = u8.slice(0, end);
    broken[L3 + octet] = value;
    return ipv4.check(viewOf(broken), L3, end);
  };
  t.equal(wrong(0, 0x65), R.IP_BAD_VERSION);
  t.equal(wrong(0, 0x44), R.IP_BAD_HEADER_LENGTH);
  t.equal(wrong(0, 0x4f), R.IP_BAD_HEADER_LENGTH);
  t.equal(wrong(3, 19), R.IP_BAD_LENGTH);
  t.equal(wrong(3, 49), R.IP_BAD_LENGTH);
  t.equal(wrong(10, 0x12), R.IP_BAD_CHECKSUM);
  // The example of the article on the IPv4 header checksum that everybody computes.
  const known = octetsOf('450000730000400040110000c0a80001c0a800c7');
  ipv4.fillChecksum(viewOf(known), 0);
  t.equal(ipv4.checksum(viewOf(known), 0), 0xb861);
});

t.test('ipv4 setters keep the checksum right', async (t) => {
  const word = fc.integer({ min: 0, max: 0xffff });
  const addr = fc.integer();
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(word, word, addr, addr, fc.integer({ min: 1, max: 255 }), (length, id, src, dst, ttl) => {
        const v = viewOf(new Uint8Array(20));
        ipv4.write(v, 0, 3, 1000, 1, 0, ttl, 17, 0x0102_0304, 0x0506_0708);
        ipv4.setTotalLengthUpdatingChecksum(v, 0, length);
        ipv4.setIdentificationUpdatingChecksum(v, 0, id);
        ipv4.decrementTtl(v, 0);
        const delta = checksum.delta32(ipv4.srcAddr(v, 0), src) + checksum.delta32(ipv4.dstAddr(v, 0), dst);
        ipv4.setAddrs(v, 0, src, dst, checksum.fold(delta));
        return (
          ipv4.headerSum(v, 0, 20) === 0xffff &&
          ipv4.totalLength(v, 0) === length &&
          ipv4.identification(v, 0) === id &&
          ipv4.ttl(v, 0) === ttl - 1 &&
          ipv4.srcAddr(v, 0) === src &&
          ipv4.dstAddr(v, 0) === dst
        );
      }),
      SEED,
    ),
  );
});

t.test('ipv6', async (t) => {
  const at = 18;
  const { v, u8, end } = golden('tcp6');
  t.equal(ipv6.check(v, at, end), R.OK);
  t.same([ipv6.payloadLength(v, at), ipv6.nextHeader(v, at), ipv6.hopLimit(v, at)], [36, 60, 64]);
  t.same([ipv6.addrWord(v, at + ipv6.SRC_ADDR, 0), ipv6.addrWord(v, at + ipv6.DST_ADDR, 3)], [0x2001_0db8, 0x25]);
  t.equal(ipv6.walk(v, at, end), R.OK);
  t.same({ ...ipv6.chain }, { protocol: 6, at: at + 48, fragmentAt: -1, fragmentLink: -1 });
  everyTruncation(t, u8, at, end, ipv6.check, [R.IP6_BAD_LENGTH]);
  for (let cut = at + 41; cut < at + 48; cut++)
    t.equal(ipv6.walk(viewOf(u8.slice(0, cut)), at, cut), R.IP6_EXT_ILLEGAL, `chain cut at ${cut - at}`);
  u8[at] = 0x40;
  t.equal(ipv6.check(v, at, end), R.IP_BAD_VERSION);
  ipv6.write(v, at, 1234, 17, 7);
  t.same([ipv6.payloadLength(v, at), ipv6.nextHeader(v, at), ipv6.hopLimit(v, at)], [1234, 17, 7]);
});

t.test('ipv6 extension chains', async (t) => {
  const walk = (first: number, ...headers: string[]): number => {
    const body = octetsOf(headers.join(''));
    const octets = new Uint8Array(40 + body.length);
    octets.set([0x60, 0, 0, 0, 0, body.length, first, 64]);
    octets.set(body, 40);
    return ipv6.walk(viewOf(octets), 0, octets.length);
  };
  const header = (next: number, type = 0): string =>
    `${next.toString(16).padStart(2, '0')}00${type.toString(16).padStart(2, '0')}0000000000`;
  const tcpHeader = '00'.repeat(20);
  t.equal(walk(60, header(60), header(6), tcpHeader), R.OK, 'destination options twice');
  t.equal(ipv6.chain.protocol, 6);
  t.equal(walk(60, header(0), header(6), tcpHeader), R.IP6_EXT_ILLEGAL, 'hop-by-hop not first');
  t.equal(walk(0, header(0), header(6), tcpHeader), R.IP6_EXT_ILLEGAL, 'hop-by-hop twice');
  t.equal(walk(43, header(6, 0), tcpHeader), R.IP6_EXT_ILLEGAL, 'routing header 0');
  t.equal(walk(43, header(6, 2), tcpHeader), R.OK, 'routing header 2');
  const nine = Array.from({ length: 9 }, (_, i) => header(i < 8 ? 60 : 6));
  t.equal(walk(60, ...nine, tcpHeader), R.IP6_EXT_ILLEGAL, 'nine headers');
  t.equal(walk(60, ...nine.slice(1), tcpHeader), R.OK, 'eight headers');
  // A later fragment: whatever its first octets look like, they are no header.
  t.equal(walk(44, '3c00005100000007', '0606060606060606'), R.OK);
  t.same([ipv6.chain.fragmentAt, ipv6.chain.fragmentLink, ipv6.chain.at, ipv6.chain.protocol], [40, 6, 48, 60]);
  // The first one: the chain goes on behind it.
  t.equal(walk(44, '3c00000100000007', header(17), '0000000000000000'), R.OK);
  t.same([ipv6.chain.fragmentAt, ipv6.chain.at, ipv6.chain.protocol], [40, 56, 17]);
  t.equal(walk(44, '2c00000100000007', header(17), '0000000000000000'), R.IP6_EXT_ILLEGAL, 'two fragment headers');
  t.equal(walk(51, '0604000000000000', '00'.repeat(16), tcpHeader), R.OK, 'AH counts in words of four octets');
  t.equal(ipv6.chain.at, 64);
});

t.test('tcp', async (t) => {
  const { v, u8, end } = golden('syn4');
  t.equal(tcp.check(v, L4, end), R.OK);
  t.same([tcp.srcPort(v, L4), tcp.dstPort(v, L4), tcp.seqNum(v, L4), tcp.ackNum(v, L4)], [40_000, 25, -16, 0]);
  t.same(
    [tcp.headerLength(v, L4), tcp.flags(v, L4), tcp.window(v, L4), tcp.checksum(v, L4), tcp.reserved(v, L4)],
    [40, tcp.SYN, 64_240, 0xe4a5, 0],
  );
  t.equal(tcp.checkOptions(v, L4), R.OK);
  t.equal(tcp.findOption(v, L4, tcp.OPTION_MSS), L4 + 20);
  t.equal(tcp.findOption(v, L4, tcp.OPTION_WINDOW_SCALE), L4 + 37);
  t.equal(tcp.findOption(v, L4, tcp.OPTION_SACK), -1);
  everyTruncation(t, u8, L4, end, tcp.check, [R.TCP_TRUNCATED, R.TCP_BAD_OFFSET]);
  for (const [octets, reason] of [
    ['0300', R.TCP_BAD_OPTION],
    ['0301', R.TCP_BAD_OPTION],
    ['0303', R.OK],
    ['0304', R.OK],
    ['0305', R.TCP_BAD_OPTION],
    ['0101', R.OK],
    ['0003', R.OK],
  ] as const) {
    const segmentOctets = new Uint8Array(24);
    segmentOctets[12] = 0x60;
    segmentOctets.set(octetsOf(octets), 20);
    t.equal(tcp.checkOptions(viewOf(segmentOctets), 0), reason, `option ${octets}`);
    segmentOctets.set([1, 1, 1, 3], 20);
    t.equal(tcp.checkOptions(viewOf(segmentOctets), 0), R.TCP_BAD_OPTION, 'kind without a length');
  }
  const w = viewOf(new Uint8Array(60));
  tcp.write(w, 0, 1, 65_535, -5, 0x7fff_ffff, tcp.ACK | tcp.FIN, 65_535);
  t.same([tcp.headerLength(w, 0), tcp.flags(w, 0), tcp.seqNum(w, 0), tcp.ackNum(w, 0)], [20, 0x11, -5, 0x7fff_ffff]);
  tcp.setPorts(w, 0, 7, 8);
  tcp.setSeqNum(w, 0, 9);
  tcp.setAckNum(w, 0, -10);
  tcp.setHeaderLength(w, 0, 60);
  tcp.setFlags(w, 0, 0xff);
  tcp.setWindow(w, 0, 11);
  tcp.setChecksum(w, 0, 12);
  tcp.setUrgentPointer(w, 0, 13);
  t.same(
    [tcp.srcPort(w, 0), tcp.dstPort(w, 0), tcp.seqNum(w, 0), tcp.ackNum(w, 0), tcp.headerLength(w, 0), tcp.flags(w, 0), tcp.window(w, 0)],
    [7, 8, 9, -10, 60, 0xff, 11],
  );
  t.same([tcp.checksum(w, 0), tcp.urgentPointer(w, 0)], [12, 13]);
});

t.test('udp and icmp', async (t) => {
  const u = golden('udp4');
  t.equal(udp.check(u.v, L4, u.end), R.OK);
  t.same([udp.srcPort(u.v, L4), udp.dstPort(u.v, L4), udp.length(u.v, L4), udp.checksum(u.v, L4)], [5353, 53, 11, 0x5a39]);
  everyTruncation(t, u.u8, L4, u.end, udp.check, [R.UDP_BAD_LENGTH]);
  u.v.setUint16(L4 + 4, 7);
  t.equal(udp.check(u.v, L4, u.end), R.UDP_BAD_LENGTH);
  udp.setChecksum(u.v, L4, 0);
  t.equal(udp.checksum(u.v, L4), 0xffff, 'a sum of zero is sent as ones');
  udp.setPorts(u.v, L4, 1, 2);
  t.same([udp.srcPort(u.v, L4), udp.dstPort(u.v, L4)], [1, 2]);

  const e = golden('echo4');
  t.equal(icmp.check(e.v, L4, e.end), R.OK);
  t.same([icmp.type(e.v, L4), icmp.code(e.v, L4), icmp.identifier(e.v, L4)], [icmp.ECHO, 0, 1]);
  everyTruncation(t, e.u8, L4, L4 + 8, icmp.check, [R.ICMP_MALFORMED]);
  icmp.setIdentifier(e.v, L4, 0xabcd);
  t.equal(icmp.identifier(e.v, L4), 0xabcd);
  const errors = Array.from({ length: 256 }, (_, type) => type).filter((type) => icmp.isError(type));
  t.same(errors, [3, 4, 5, 11, 12]);
  t.same([icmp.replyType(8), icmp.replyType(13), icmp.replyType(0), icmp.replyType(3)], [0, 14, -1, -1]);

  const x = golden('unreachable4');
  t.equal(icmp.innerCheck(x.v, L4, x.end), R.OK);
  t.equal(icmp.nextHopMtu(x.v, L4), 1400);
  everyTruncation(t, x.u8, L4, L4 + 8 + 28, icmp.innerCheck, [R.ICMP_MALFORMED]);
  x.u8[L4 + 8] = 0x46;
  everyTruncation(t, x.u8, L4, L4 + 8 + 32, icmp.innerCheck, [R.ICMP_MALFORMED]);
  x.u8[L4 + 8] = 0x44;
  t.equal(icmp.innerCheck(x.v, L4, x.end), R.ICMP_MALFORMED);
});

/** RFC 1071 as it is written: pairs of octets, carries added at the end. */
function naiveSum(octets: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) sum += (octets[i]! << 8) | (octets[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  return sum;
}

/** Zero has two forms in one's complement. */
function same(a: number, b: number): boolean {
  return a % 0xffff === b % 0xffff;
}

t.test('checksum arithmetic', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 9 }), (octets, from) => {
      const u8 = new Uint8Array(256);
      u8.fill(0xee);
      u8.set(octets, from);
      return checksum.sumOctets(new Uint16Array(u8.buffer), u8, from, from + octets.length) === naiveSum(octets);
    }),
    SEED,
  );
  const long = new Uint8Array(65_536).fill(0xff);
  for (const from of [0, 1])
    t.equal(checksum.sumOctets(new Uint16Array(long.buffer), long, from, from + 65_535), naiveSum(long.subarray(0, 65_535)));
  const word = fc.integer({ min: 0, max: 0xffff });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 60 }), fc.nat(), fc.integer(), word, (octets, place, value, half) => {
      const even = octets.length & ~1;
      const at = (place % ((even - 4) / 2)) * 2;
      const v = new DataView(octets.buffer, octets.byteOffset);
      let sum = checksum.complement(naiveSum(octets));
      sum = checksum.updateChecksum(sum, checksum.delta32(v.getInt32(at), value));
      v.setInt32(at, value);
      sum = checksum.updateChecksum(sum, checksum.delta16(v.getUint16(at), half));
      v.setUint16(at, half);
      return same(~sum & 0xffff, naiveSum(octets)) && (sum === checksum.complement(naiveSum(octets)) || naiveSum(octets) === 0);
    }),
    SEED,
  );
  fc.assert(
    fc.property(word, word, (a, b) => checksum.addSums(a, b) === naiveSum([a >> 8, a & 255, b >> 8, b & 255])),
    SEED,
  );
  fc.assert(
    fc.property(fc.integer(), (a) => checksum.sum32(a) === naiveSum([a >>> 24, (a >>> 16) & 255, (a >>> 8) & 255, a & 255])),
    SEED,
  );
  t.equal(checksum.swap16(0x1234), 0x3412);
  // RFC 1624 section 4: the example on which the older equation fails.
  t.equal(checksum.updateChecksum(0xdd2f, checksum.delta16(0x5555, 0x3285)), 0x0000);
});

t.test('segments of both families', async (t) => {
  for (const [name, l3, l4, proto] of [
    ['tcp4', 14, 34, 6],
    ['syn4', 14, 34, 6],
    ['udp4', 14, 34, 17],
    ['tcp6', 18, 66, 6],
  ] as const) {
    const { v, u8, u16, end } = golden(name);
    t.ok(segment.isChecksumGood(v, u8, u16, l3, l4, end, proto), name);
    const field = l4 + segment.checksumOffset(proto);
    const right = v.getUint16(field);
    v.setUint16(field, segment.pseudoSum(v, l3, l4, end, proto));
    // What a network card does with a partial checksum gives the whole one.
    t.equal(checksum.complement(checksum.sumOctets(u16, u8, l4, end)), right, `${name}: completed`);
    segment.fillChecksum(v, u8, u16, l3, l4, end, proto);
    t.equal(v.getUint16(field), right, `${name}: filled`);
    u8[end - 1]! ^= 1;
    t.notOk(segment.isChecksumGood(v, u8, u16, l3, l4, end, proto));
    segment.setDatagramEnd(v, l3, end - 1);
    if (name === 'tcp6') t.equal(ipv6.payloadLength(v, l3), 35);
    else t.equal(ipv4.check(v, l3, end), R.OK);
  }
  const { v, u8, u16, end } = golden('udp4');
  v.setUint16(L4 + udp.CHECKSUM, 0);
  t.ok(segment.isChecksumGood(v, u8, u16, L3, L4, end, 17), 'UDP without a checksum');
});

t.test('sequence numbers', async (t) => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 0x7fff_ffff }), (a, d) => {
      const b = (a + d) | 0;
      return (
        seq.before(a, b) &&
        !seq.before(b, a) &&
        seq.atOrBefore(a, b) &&
        seq.atOrBefore(a, a) &&
        !seq.before(a, a) &&
        seq.later(a, b) === b &&
        seq.earlier(a, b) === a &&
        seq.distance(a, b) === d
      );
    }),
    SEED,
  );
  t.ok(seq.inWindow(-1, -2, 2) && seq.inWindow(0x8000_0000 | 0, 0x7fff_ffff, 2));
  t.notOk(seq.inWindow(0, -2, 2) || seq.inWindow(-3, -2, 2) || seq.inWindow(5, 5, 0));
});
