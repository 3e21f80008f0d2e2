// What the firewall sends by itself, octet for octet.

import t from 'tap';
import * as build from '../../src/wire/build.ts';
import { sumOctets } from '../../src/wire/checksum.ts';
import * as icmp from '../../src/wire/icmp.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as segment from '../../src/wire/segment.ts';
import * as tcp from '../../src/wire/tcp.ts';
import { GOLDEN, hexOf, octetsOf } from './golden.ts';

type Test = Pick<typeof t, 'equal'>;

const AT = 4096;
const ROUTER = 0x0a00_0001;
const HOST_A = 0x0a00_0005;
const HOST_B = 0xc000_0219 | 0;

const buffer = new ArrayBuffer(16_384);
const u8 = new Uint8Array(buffer);
const u16 = new Uint16Array(buffer);
const v = new DataView(buffer);

/** Puts a frame at 0 and returns its length; the place of the answer is full of other octets. */
function put(hex: string): number {
  const octets = octetsOf(hex);
  u8.fill(0xee);
  u8.set(octets);
  return octets.length;
}

function written(t: Test, length: number): string {
  t.equal(u8[AT + length], 0xee, 'nothing is written behind the answer');
  t.equal(u8[AT - 1], 0xee, 'nor in front of it');
  return hexOf(u8.subarray(AT, AT + length));
}

t.test('arp', async (t) => {
  u8.fill(0xee);
  t.equal(written(t, build.arpRequest(v, AT, 0x0200, 11, ROUTER, HOST_A)), GOLDEN.arpRequest);
  put(GOLDEN.arpRequest);
  t.equal(written(t, build.arpReply(v, AT, 0x0200, 10, 14)), GOLDEN.arpReply);
});

t.test('icmp errors', async (t) => {
  let end = put(GOLDEN.tcp4);
  t.equal(written(t, build.unreachable(v, u8, u16, AT, 0, 14, end, icmp.CODE_FRAGMENTATION_NEEDED, 1400, ROUTER)), GOLDEN.unreachable4);
  t.equal(hexOf(u8.subarray(0, end)), GOLDEN.tcp4, 'the frame itself is left alone');
  end = put(GOLDEN.tcp4);
  t.equal(written(t, build.timeExceeded(v, u8, u16, AT, 0, 14, end, ROUTER)), GOLDEN.timeExceeded4);
  // Long datagrams are quoted up to 576 octets in all, whatever the parity of the place.
  for (const at of [AT, AT + 1]) {
    put(GOLDEN.tcp4);
    ipv4.setTotalLengthUpdatingChecksum(v, 14, 1500);
    const length = build.unreachable(v, u8, u16, at, 0, 14, 14 + 1500, icmp.CODE_ADMIN_PROHIBITED, 0, ROUTER);
    t.equal(length, 14 + build.MAX_ERROR_DATAGRAM);
    t.equal(ipv4.check(v, at + 14, at + length), 0);
    t.equal(sumOctets(u16, u8, at + 34, at + length), 0xffff);
  }
});

t.test('what is answered with an error', async (t) => {
  const may = (change: (at: number) => void, hex: string = GOLDEN.udp4): boolean => {
    const end = put(hex);
    change(14);
    return build.mayAnswerWithError(v, 0, 14, end);
  };
  const keep = (): void => {};
  t.ok(may(keep));
  t.ok(may(keep, GOLDEN.tcp4));
  t.ok(may(keep, GOLDEN.echo4));
  t.notOk(may(keep, GOLDEN.unreachable4), 'an error');
  t.notOk(may(keep, GOLDEN.timeExceeded4), 'an error');
  t.notOk(
    may(() => v.setUint8(34, icmp.REDIRECT), GOLDEN.echo4),
    'a redirect',
  );
  t.notOk(
    may(() => v.setUint8(34, 200), GOLDEN.echo4),
    'an unknown type',
  );
  t.notOk(
    may((at) => ipv4.setFlagsOffset(v, at, 1)),
    'a later fragment',
  );
  t.ok(
    may((at) => ipv4.setFlagsOffset(v, at, ipv4.MF)),
    'the first fragment',
  );
  t.notOk(
    may(() => v.setUint8(0, 1)),
    'a group MAC',
  );
  for (const dst of [0xe000_0001, 0xff_ff_ff_ff, 0xf000_0001])
    t.notOk(
      may((at) => v.setUint32(at + 16, dst)),
      'a group address',
    );
  for (const src of [0, 0x7f00_0001, 0xe000_0001, 0xffff_ffff])
    t.notOk(
      may((at) => v.setUint32(at + 12, src)),
      'a source that is no host',
    );
});

t.test('echo reply', async (t) => {
  const end = put(GOLDEN.echo4);
  t.equal(written(t, build.echoReply(v, u8, AT, 0, 14, 34, end)), GOLDEN.echoReply4);
});

t.test('resets', async (t) => {
  let end = put(GOLDEN.tcp4);
  t.equal(written(t, build.reset(v, u8, AT, 0, 14, 34, end)), GOLDEN.reset4, 'with ACK: at its acknowledgement number');
  end = put(GOLDEN.syn4);
  t.equal(written(t, build.reset(v, u8, AT, 0, 14, 34, end)), GOLDEN.resetOfSyn4, 'without: acknowledges it');
  end = put(GOLDEN.tcp6);
  t.equal(written(t, build.reset(v, u8, AT, 0, 18, 66, end)), GOLDEN.reset6, 'IPv6 with a tag, without its extension headers');
  end = put(GOLDEN.tcp4);
  tcp.setFlags(v, 34, tcp.FIN | tcp.PSH);
  build.reset(v, u8, AT, 0, 14, 34, end);
  t.equal(tcp.ackNum(v, AT + 34), (0xffff_fff1 + 8 + 1) | 0, 'payload and FIN are counted');
  const length = build.segment4(v, AT, HOST_A, HOST_B, 1, 2, -1, -2, tcp.RST | tcp.ACK, 7);
  t.equal(length, 40);
  t.equal(ipv4.check(v, AT, AT + 40), 0);
  t.ok(segment.isChecksumGood(v, u8, u16, AT, AT + 20, AT + 40, 6));
  const addrs = new Int32Array([1, 2, 3, 4, -5, -6, -7, -8]);
  t.equal(build.segment6(v, AT, addrs, 4, 0, 1, 2, -1, -2, tcp.ACK, 7), 60);
  t.ok(segment.isChecksumGood(v, u8, u16, AT, AT + 40, AT + 60, 6));
  t.equal(v.getInt32(AT + 8), -5);
  t.equal(v.getInt32(AT + 36), 4);
});
