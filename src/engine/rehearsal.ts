// The rehearsal: mail, downloads, datagrams and pings of nobody through the path before the first real frame, so that V8 has compiled it by then.
// p99 of the first 3,000 frames, one way: 500 us without it, 16 to 37 with it (15 of 18 starts; 42 to 135 in the others).
//
// It plays on the plane that will forward, because its code is compiled for this one plane (scripts/specialise.mjs), under a policy of its
// own, in time that passes as fast as it can.  All sessions end by their timers, two silences later; then the real policy is installed
// and what was counted is forgotten.  Nothing leaves: the ports are muted meanwhile.
//
// Left out: super-frames, fragments, ICMP errors, IPv6; whatever is not rehearsed is compiled when it comes, as everything was before.

import { BATCH, type Frames, PARTIAL_CHECKSUM } from '../frame/frames.ts';
import type { DataPlane } from '../path/data-plane.ts';
import type { Path } from '../path/path.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { complement, sumOctets } from '../wire/checksum.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as icmp from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as segment from '../wire/segment.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import type { RehearsalPolicy } from './rehearsal-policy.ts';
import { CLIENT, INSIDE_GATEWAY, MAC_HIGH, OUTSIDE_GATEWAY, SERVER, SERVER_GLOBAL, WORKSTATION } from './rehearsal-stage.ts';

const { ACK, FIN, PSH, SYN } = tcp;
const WINDOW = 64_000;
/** Longer than any time-out of the rehearsal's policy, ms; a timer that fires too early goes back on the wheel, hence two. */
const SILENCE = 7_200_000;
/** How often each scene is played, a batch of conversations side by side, once V8 has seen all there is. */
const ROUNDS = 4;

/** o: the opener, r: the responder; control bits of a segment and its text. */
type Step = readonly ['o' | 'r', bits: number, text?: string];

const LINES = 'The quick brown fox jumps over the lazy dog, and then it does so again.\r\n'.repeat(19);

/** A command or reply. */
function say(from: 'o' | 'r', text: string): Step {
  return [from, PSH | ACK, text];
}

function repeat(times: number, ...steps: readonly Step[]): Step[] {
  return Array.from({ length: times }, () => steps).flat();
}

const HANDSHAKE: readonly Step[] = [
  ['o', SYN],
  ['r', SYN | ACK],
  ['o', ACK],
];
const MAIL: readonly Step[] = [
  ...HANDSHAKE,
  say('r', '220 mx.example.net ESMTP\r\n'),
  ['o', ACK],
  say('o', 'EHLO client.example.org\r\n'),
  say('r', '250-mx.example.net\r\n250-PIPELINING\r\n250 SIZE 20000000\r\n'),
  say('o', 'EXPN root\r\n'),
  say('r', '500 unknown command\r\n'),
  say('o', 'MAIL FROM:<alice@example.org> SIZE=20000\r\n'),
  say('r', '250 ok\r\n'),
  say('o', 'RCPT TO:<bob@example.net>\r\n'),
  say('r', '250 ok\r\n'),
  say('o', 'DATA\r\n'),
  say('r', '354 go ahead\r\n'),
  say('o', 'From: <alice@example.org>\r\nTo: <bob@example.net>\r\nSubject: rehearsal\r\n\r\n'),
  ...repeat(6, ['o', ACK, LINES], ['o', PSH | ACK, LINES], ['r', ACK]),
  say('o', '.\r\n'),
  say('r', '250 accepted\r\n'),
  say('o', 'QUIT\r\n'),
  say('r', '221 bye\r\n'),
  ['r', FIN | ACK],
  ['o', FIN | ACK],
  ['r', ACK],
];
const DOWNLOAD: readonly Step[] = [
  ...HANDSHAKE,
  say('o', 'GET / HTTP/1.0\r\n\r\n'),
  ...repeat(16, ['r', ACK, LINES], ['r', PSH | ACK, LINES], ['o', ACK]),
  ['r', FIN | ACK],
  ['o', FIN | ACK],
  ['r', ACK],
];
const DATAGRAMS: readonly Step[] = repeat(30, ['o', 0, 'question'], ['r', 0, 'answer']);
const PINGS: readonly Step[] = repeat(20, ['o', 0, 'are you there?'], ['r', 0, 'are you there?']);

interface Scene {
  readonly steps: readonly Step[];
  readonly protocol: number;
  /** Of the responder. */
  readonly port: number;
  /** The opener is outside. */
  readonly inward: boolean;
}

const SCENES: readonly Scene[] = [
  { steps: MAIL, protocol: ipv4.PROTOCOL_TCP, port: 25, inward: true },
  { steps: DOWNLOAD, protocol: ipv4.PROTOCOL_TCP, port: 80, inward: false },
  { steps: DATAGRAMS, protocol: ipv4.PROTOCOL_UDP, port: 5000, inward: false },
  { steps: PINGS, protocol: ipv4.PROTOCOL_ICMP, port: 0, inward: false },
];

/** What one end of a conversation puts on its wire: by whom, to whom as it sees it. */
interface End {
  readonly port: number;
  readonly mac: number;
  readonly gateway: number;
  readonly addr: number;
  readonly peer: number;
}

class Rehearsal {
  private readonly plane: DataPlane;
  private readonly path: Path;
  private readonly frames: Frames;
  private readonly stage: RehearsalPolicy;
  /** Slots that the batch is written to. */
  private readonly slots: number[] = [];
  /** Next number of either end of each conversation of the batch. */
  private readonly next = { o: new Int32Array(BATCH), r: new Int32Array(BATCH) };
  private firstPort = 10_000;
  now = 0;

  constructor(plane: DataPlane, path: Path, stage: RehearsalPolicy) {
    this.plane = plane;
    this.path = path;
    this.frames = plane.frames;
    this.stage = stage;
    for (let i = 0; i < BATCH; i++) this.slots.push(this.frames.allocate(1514));
  }

  /** A batch of conversations, step by step. */
  private play(scene: Scene): void {
    for (let i = 0; i < BATCH; i++) {
      this.next.o[i] = 1000 * i;
      this.next.r[i] = 5000 * i;
    }
    for (const step of scene.steps) {
      for (let i = 0; i < BATCH; i++) this.write(i, scene, step);
      this.now++;
      this.path.breathe(BATCH, this.now);
      this.frames.clear(BATCH);
      while (this.plane.events.peek() >= 0) this.plane.events.advance();
    }
    this.firstPort += BATCH;
  }

  /** Every scene, `rounds` times in turn, then silence until every session has ended by its timer. */
  playAll(rounds: number): void {
    for (let i = 0; i < rounds; i++) SCENES.forEach((scene) => this.play(scene));
    for (let i = 0; i < 2; i++) {
      this.now += SILENCE;
      this.path.advance(this.now);
    }
  }

  /** Puts `policy` in force as if it had been from the start. */
  install(policy: PolicySnapshot): void {
    this.plane.installPolicy(policy, this.now);
    this.plane.forget(this.now);
  }

  end(): void {
    for (const slot of this.slots) this.frames.free(slot);
  }

  /** Frame `i` of the batch: what conversation `i` says next. */
  private write(i: number, { protocol, port, inward }: Scene, [from, bits, text = '']: Step): void {
    const { frames, plane } = this;
    const end = this.endOf((from === 'o') === inward, inward || (i & 1) === 0);
    const at = frames.offset[this.slots[i]!]!;
    const { view } = plane;
    ethernet.setHeader(view, at, MAC_HIGH, end.gateway, MAC_HIGH, end.mac, ethernet.TYPE_IPV4);
    const l3 = at + ethernet.HEADER_LENGTH;
    const l4 = l3 + ipv4.MIN_HEADER_LENGTH;
    // The headers of UDP and of an echo are equally long.
    const payload = l4 + (protocol === ipv4.PROTOCOL_TCP ? tcp.MIN_HEADER_LENGTH : udp.HEADER_LENGTH);
    const octets = payload + text.length;
    ipv4.write(view, l3, 0, octets - l3, i, ipv4.DF, 64, protocol, end.addr, end.peer);
    const [source, destination] = from === 'o' ? [this.firstPort + i, port] : [port, this.firstPort + i];
    if (protocol === ipv4.PROTOCOL_TCP) this.writeSegment(l4, i, from, source, destination, bits, text.length);
    else if (protocol === ipv4.PROTOCOL_UDP) {
      udp.setPorts(view, l4, source, destination);
      view.setUint16(l4 + 4, octets - l4);
    } else {
      view.setUint16(l4, (from === 'o' ? icmp.ECHO : icmp.ECHO_REPLY) << 8);
      icmp.setIdentifier(view, l4, this.firstPort + i);
    }
    for (let k = 0; k < text.length; k++) plane.region.u8[payload + k] = text.charCodeAt(k);
    frames.offset[i] = at;
    frames.length[i] = octets - at;
    frames.wireLength[i] = octets - at;
    frames.arrive(i, end.port);
    this.sum(i, l3, l4, octets, protocol);
  }

  private writeSegment(l4: number, i: number, from: 'o' | 'r', source: number, destination: number, bits: number, octets: number): void {
    const mine = this.next[from];
    const ack = (bits & ACK) === 0 ? 0 : this.next[from === 'o' ? 'r' : 'o'][i]!;
    tcp.write(this.plane.view, l4, source, destination, mine[i]!, ack, bits, WINDOW);
    mine[i] = (mine[i]! + octets + ((bits & (SYN | FIN)) === 0 ? 0 : 1)) | 0;
  }

  /** Checksum of the transport; every fourth conversation as an interface with offload has it. */
  private sum(i: number, l3: number, l4: number, end: number, protocol: number): void {
    const { view, region } = this.plane;
    if (protocol === ipv4.PROTOCOL_ICMP) {
      view.setUint16(l4 + icmp.CHECKSUM, 0);
      view.setUint16(l4 + icmp.CHECKSUM, complement(sumOctets(region.u16, region.u8, l4, end)));
    } else if ((i & 3) === 3) {
      this.frames.flags[i] = PARTIAL_CHECKSUM;
      view.setUint16(l4 + segment.checksumOffset(protocol), segment.pseudoSum(view, l3, l4, end, protocol));
    } else segment.fillChecksum(view, region.u8, region.u16, l3, l4, end, protocol);
  }

  /** The client, outside, or one of the hosts inside; `server` says which, and with whom the client speaks. */
  private endOf(isClient: boolean, server: boolean): End {
    const { outside, inside, routed } = this.stage;
    const host = server ? SERVER : WORKSTATION;
    if (!isClient) {
      return { port: inside, mac: host.mac, gateway: routed ? INSIDE_GATEWAY.mac : CLIENT.mac, addr: host.addr, peer: CLIENT.addr };
    }
    const peer = server && routed ? SERVER_GLOBAL : host.addr;
    return { port: outside, mac: CLIENT.mac, gateway: routed ? OUTSIDE_GATEWAY.mac : host.mac, addr: CLIENT.addr, peer };
  }
}

/**
 * Plays before anything was received, from millisecond 0 on, with muted ports; then puts `policy` in force.  Returns the millisecond that the
 * plane goes on from.
 */
export function rehearse(plane: DataPlane, path: Path, stage: RehearsalPolicy, policy: PolicySnapshot): number {
  const rehearsal = new Rehearsal(plane, path, stage);
  // Before V8 compiles for good it has seen all kinds of traffic, and that policies are replaced.
  rehearsal.install(stage.policy);
  rehearsal.playAll(1);
  rehearsal.install(policy);
  rehearsal.install(stage.policy);
  rehearsal.playAll(ROUNDS);
  rehearsal.end();
  rehearsal.install(policy);
  return rehearsal.now;
}
