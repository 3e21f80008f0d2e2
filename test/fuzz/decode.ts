// Fuzz target: decode, and everything that reads a decoded frame without a session: options of TCP and IPv6, answers, cutting.
//
// After decode accepted a frame, all columns lie within it in order; nothing in front of it or behind it is ever touched.

import { FRAGMENT, KIND_ARP, KIND_IPV4, KIND_IPV6 } from '../../src/frame/frames.ts';
import { normaliseOptions } from '../../src/stream/ipv6-options.ts';
import { OK } from '../../src/telemetry/reasons.ts';
import * as build from '../../src/wire/build.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as segment from '../../src/wire/segment.ts';
import * as tcp from '../../src/wire/tcp.ts';
import { fuzz, must, type Random } from '../fuzzing.ts';
import {
  drain,
  fragment6,
  frame4,
  frame6,
  isConserved,
  makeFixture,
  receiveAny,
  tcpPayload,
  transmitAll,
  udpPayload,
} from '../stream/fragment-fixture.ts';
import { GOLDEN, octetsOf } from '../wire/golden.ts';

const CANARY = 0xa5;
const MARGIN = 128;

const options = new Uint8Array([44, 0, 5, 2, 0, 0, 1, 0]);
const corpus = [
  ...Object.values(GOLDEN).map(octetsOf),
  frame4({ more: true, payload: udpPayload(64) }),
  frame4({ protocol: 6, payload: tcpPayload(30) }),
  frame6(44, fragment6(6, 7, 0, true, tcpPayload(44))),
  frame6(0, new Uint8Array([...options, ...fragment6(60, 7, 0, false, new Uint8Array([17, 0, 1, 4, 0, 0, 0, 0, ...udpPayload(20)]))])),
];
const x = makeFixture(64, 4);

/** The header checksum is made right in three inputs of four, so that more than the first check is reached. */
function repair(octets: Uint8Array, random: Random): void {
  const isIpv4 = octets.length >= 34 && octets[12] === 8 && octets[13] === 0;
  if (!isIpv4 || octets.length < 14 + ((octets[14]! & 15) << 2) || random.below(4) === 0) return;
  ipv4.fillChecksum(new DataView(octets.buffer), 14);
}

fuzz('decode', corpus, (input, random) => {
  const octets = input.slice(0, 2048);
  repair(octets, random);
  for (let ingress = 0; ingress < 2; ingress++) decodeOnce(octets, ingress);
});

function decodeOnce(octets: Uint8Array, ingress: number): void {
  const { u8 } = x.region;
  const at = 2048;
  u8.fill(CANARY, at - MARGIN, at + octets.length + MARGIN);
  const reason = receiveAny(x, 0, octets, ingress);
  if (reason !== OK) {
    x.ledger.drop(0, reason);
  } else {
    checkColumns(octets.length);
    const kind = x.frames.kind[0]!;
    if (kind === KIND_IPV4 || kind === KIND_IPV6) useDatagram(octets.length);
    else x.ledger.consume(0);
  }
  for (let i = 1; i <= MARGIN; i++)
    must(u8[at - i] === CANARY && u8[at + octets.length + i - 1] === CANARY, `octet ${i} outside of the frame was written`);
  must(isConserved(x), 'not conserved');
  must(x.frames.slotsInUse === 0, 'a slot is lost');
}

function checkColumns(length: number): void {
  const { frames, region } = x;
  const offset = frames.offset[0]!;
  const kind = frames.kind[0]!;
  must(frames.l3[0]! >= offset + 14 && frames.l3[0]! <= offset + length, 'l3');
  must(frames.end[0]! >= frames.l3[0]! && frames.end[0]! <= offset + length, 'end');
  if (kind === KIND_ARP) must(frames.end[0]! - frames.l3[0]! >= 28, 'ARP');
  if (kind !== KIND_IPV4 && kind !== KIND_IPV6) return;
  must(frames.l4[0]! >= frames.l3[0]! + 20 && frames.l4[0]! <= frames.end[0]!, 'l4');
  must(frames.payload[0]! >= frames.l4[0]! && frames.payload[0]! <= frames.end[0]!, 'payload');
  for (let i = frames.end[0]!; i < offset + length; i++) must(region.u8[i] === 0, 'a trailer was kept');
}

function useDatagram(length: number): void {
  const { frames, region } = x;
  const { u8, u16, view } = region;
  const l3 = frames.l3[0]!;
  const l4 = frames.l4[0]!;
  const end = frames.end[0]!;
  const isFragment = (frames.flags[0]! & FRAGMENT) !== 0;
  if (normaliseOptions(region, frames, 0) === OK) must(normaliseOptions(region, frames, 0) === OK, 'normalised options are refused');
  const answer = frames.allocate(build.MAX_ANSWER + length);
  const at = frames.offset[answer]!;
  if (frames.kind[0] === KIND_IPV4 && build.mayAnswerWithError(view, frames.offset[0]!, l3, end)) {
    const size = build.unreachable(view, u8, u16, at, frames.offset[0]!, l3, end, 4, 1400, 1);
    must(ipv4.check(view, at + l3 - frames.offset[0]!, at + size) === OK, 'an answer that is no datagram');
  }
  if (frames.protocol[0] === ipv4.PROTOCOL_TCP && !isFragment) {
    if (tcp.checkOptions(view, l4) === OK)
      for (let kind = 0; kind < 256; kind++) must(tcp.findOption(view, l4, kind) < frames.payload[0]!, 'an option outside');
    segment.isChecksumGood(view, u8, u16, l3, l4, end, ipv4.PROTOCOL_TCP);
    build.reset(view, u8, at, frames.offset[0]!, l3, l4, end);
  }
  frames.free(answer);
  const isCut = !isFragment && frames.kind[0] === KIND_IPV4 && x.cutter.cutDatagram(0, 68, x.out);
  must(isCut || x.out.count === 0, 'pieces of a frame that was not cut');
  if (isCut) transmitAll(x);
  else x.ledger.consume(0);
  drain(x);
}
