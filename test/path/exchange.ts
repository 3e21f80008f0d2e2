// One conversation through a transparent pair, for hostile scripts: a client with a text to send and a server that answers each
// line it gets, both played by random steps; and what must hold of every frame that leaves, checked as it does.

import * as counters from '../../src/telemetry/counters.ts';
import {
  ACK,
  datagramOf,
  ethernetFrame,
  FIN,
  flagBits,
  hex,
  ipv4Datagram,
  latin1,
  PSH,
  RST,
  type Segment,
  SYN,
  tcpSegment,
  textOf,
  URG,
} from '../cases/frames.ts';
import { Reassembly } from '../cases/receiver.ts';
import { Box } from './box.ts';
import { mailPair } from './conversation.ts';

/** So little of everything that a few segments come to the end of it. */
const NARROW = `ip inspect tcp reassembly queue length 2
ip inspect tcp reassembly timeout 1
ip inspect tcp store emitted 64
ip inspect tcp store out-of-order 20
ip inspect tcp store total 16384`;

const PORTS = ['Ethernet0', 'Ethernet1'] as const;
const LINKS = [hex('020000000002020000000001'), hex('020000000001020000000002')] as const;
const ADDRS = [Uint8Array.of(192, 0, 2, 1), Uint8Array.of(192, 0, 2, 2)] as const;
const TCP_PORTS = [4000, 25] as const;

const LINES = [
  'NOOP\r\n',
  'EXPN root\r\n',
  'HELO c\r\n',
  'EHLO c.d\r\n',
  'RSET\r\n',
  'VRFY someone\r\n',
  'MAIL FROM:<a@b>\r\n',
  'RCPT TO:<c@d>\r\n',
  'RCPT TO:<`e@f>\r\n',
  'MAIL FROM:<a@b> SIZE=1\r\n',
  'DATA\r\nSubject: x\r\n\r\n..dot\r\nline\r\n.\r\n',
  '\r\n',
  'NOOP \tx\r\n',
  'KILL\r\n',
  'noop\r\n',
  'HELP me\r\n',
];
const OPTIONS = [
  '1e04aabb',
  '22020101',
  '03030501',
  '02040010',
  '050a0000000100000009' + '0101',
  '04020101',
  '13120000000000000000000000000000000000' + '00' + '0101',
  '00ffffff',
];
const BAD_OPTIONS = ['0800', '1e00', '1e090101', '0101011e'];
const BAD_FLAGS = ['', 'SF', 'SR', 'F', 'FR', 'FSRPAU', 'P', 'U'];
const MINUTE = 60_000;

/** Numbers that play() makes one event of. */
export interface Step {
  readonly act: number;
  readonly from: number;
  readonly length: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly extra: number;
  readonly value: number;
}

interface Fields {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly data?: string;
  readonly window?: number;
  readonly options?: string;
  readonly reserved?: number;
  readonly urgent?: number;
  readonly badChecksum?: boolean;
}

/** Of one direction: what left, by position (0 is the first octet behind the SYN). */
class Side {
  readonly isn: number;
  readonly octets = new Map<number, number>();
  /** Values that its sender put at a position. */
  readonly sent = new Map<number, Set<number>>();
  /** Position of the FIN that left, -1: none. */
  finAt = -1;
  /** Right edge that its receiver has offered, of acknowledgements that left. */
  edge = 0;
  /** Highest acknowledgement of it that left towards its sender. */
  una = 0;
  /** Octets that were judged. */
  judged = 0;

  constructor(isn: number) {
    this.isn = isn;
  }

  /** Octets in order that its receiver has. */
  get received(): number {
    let end = 0;
    while (this.octets.has(end)) end++;
    return end;
  }

  /** What its receiver acknowledges: the FIN too. */
  get acknowledged(): number {
    const { received } = this;
    return this.finAt === received ? received + 1 : received;
  }
}

export class Exchange {
  readonly box: Box;
  readonly clientText: string;
  readonly judged: { readonly direction: number; readonly text: string }[] = [];
  wasReset = false;
  private readonly sides: readonly [Side, Side];
  private readonly lies: boolean;
  private readonly timestamps: boolean;
  private clock = 1000;
  private serverText = '220 mx\r\n';
  private linesSeen = 0;
  private inMessage = false;
  private readonly reassembly = [new Reassembly(), new Reassembly()] as const;
  private nextId = 1;

  /** `text`: the lines that the client sends.  `lies`: octets, ends and resets are not to be trusted.  `narrow`: the stores are small. */
  constructor(isn: readonly [number, number], timestamps: boolean, text: readonly number[], lies: boolean, narrow: boolean) {
    this.box = new Box(narrow ? mailPair(NARROW) : mailPair(), { maxSessions: 64 });
    this.sides = [new Side(isn[0]), new Side(isn[1])];
    this.timestamps = timestamps;
    this.clientText = text.map((line) => LINES[line % LINES.length]!).join('');
    this.lies = lies;
    this.listen();
    this.send(0, { seq: -1, ack: 0, flags: SYN });
    this.send(1, { seq: -1, ack: 0, flags: SYN | ACK });
    this.send(0, { seq: 0, ack: 0, flags: ACK });
  }

  received(direction: 0 | 1): string {
    const { octets, received } = this.sides[direction];
    return textOf(Uint8Array.from({ length: received }, (_, i) => octets.get(i)!));
  }

  play(step: Step): void {
    if (this.wasReset && step.act > 14) return;
    this.clock++;
    const direction = step.act < 14 ? (step.act < 9 ? 0 : 1) : step.extra & 1;
    if (step.act < 12) this.playOctets(direction, step);
    else if (step.act < 15) this.send(direction, { ...this.numbers(direction, step), flags: ACK });
    else if (step.act < 17) this.playBroken(direction, step);
    else if (step.act === 17) this.pass(step.value * (step.extra & 3));
    else if (step.act === 18) this.playFragments(direction, step);
    else if (this.lies) this.playEnd(direction, step);
  }

  /** Both ends behave: everything that is not acknowledged is sent again, everything that came is acknowledged. */
  finish(): void {
    for (let idle = 0, before = ''; idle < 4; ) {
      this.clock++;
      this.pass(50);
      for (const direction of [0, 1] as const) {
        const { una } = this.sides[direction];
        const ack = this.sides[1 - direction]!.acknowledged;
        this.send(direction, { seq: una, ack, flags: ACK });
        this.send(direction, { seq: una, ack, flags: ACK | PSH, data: this.textOf(direction).slice(una, una + 400) });
      }
      const now = `${this.sides[0].una} ${this.sides[1].una} ${this.sides[0].received} ${this.sides[1].received}`;
      idle = now === before ? idle + 1 : 0;
      before = now;
    }
  }

  /** The session ends by its timers; nothing of it may be left anywhere. */
  end(): void {
    for (let hour = 0; hour < 3; hour++) this.pass(60 * MINUTE);
    const { plane } = this.box.engine;
    const left = [
      counters.HELD_FRAMES,
      counters.SESSIONS_CURRENT,
      counters.OUT_OF_ORDER_OCTETS,
      counters.WAITING_OCTETS,
      counters.STORE_OCTETS,
      counters.FRAGMENT_OCTETS,
    ].map((gauge) => plane.counters[gauge]);
    if (plane.streams.pagesInUse !== 0 || left.some((value) => value !== 0)) throw new Error(`left behind: ${left.join(' ')}`);
  }

  private textOf(direction: number): string {
    return direction === 0 ? this.clientText : this.serverText;
  }

  private pass(ms: number): void {
    this.box.wait(ms);
    this.inspectLeft(-1);
  }

  /** Notes what the inspector is shown and takes. */
  private listen(): void {
    const { plane } = this.box.engine;
    for (const inspector of plane.inspectors) {
      const scan = inspector.scan.bind(inspector);
      inspector.scan = (session, direction, octets, from, to, position, now, out) => {
        const text = textOf(octets.slice(from, to));
        const verdict = scan(session, direction, octets, from, to, position, now, out);
        this.noteJudged(direction, position, text.slice(0, out.consumed));
        return verdict;
      };
    }
  }

  private noteJudged(direction: number, position: number, text: string): void {
    const side = this.sides[direction]!;
    if (position !== side.judged) throw new Error(`shown ${position}, judged up to ${side.judged}`);
    for (let i = 0; i < text.length; i++) {
      if (side.sent.get(position + i)?.has(text.charCodeAt(i)) !== true)
        throw new Error(`octet ${position + i} of direction ${direction} was never sent so`);
    }
    side.judged += text.length;
    this.judged.push({ direction, text });
  }

  private numbers(direction: number, { ack, window, value }: Step): { seq: number; ack: number; window: number } {
    const other = this.sides[1 - direction]!;
    const lie = ack > 240 ? value - 100 : ack > 200 ? -ack % 30 : 0;
    return { seq: this.sides[direction]!.una, ack: other.acknowledged + lie, window: window < 30 ? window : window * 200 };
  }

  /** Octets from somewhere around those that are not acknowledged. */
  private octetsAt(direction: number, { from, length, value }: Step): { seq: number; data: string } {
    const text = this.textOf(direction);
    const seq = this.sides[direction]!.una + (from % 60) - 8;
    const end = Math.min(seq + 1 + (length % 40), text.length + (this.lies && value > 250 ? 3 : 0));
    const octet = (at: number): string => (at < 0 || at >= text.length || (this.lies && value % 5 === 0 && at % 4 === 0) ? 'X' : text[at]!);
    return { seq, data: Array.from({ length: Math.max(0, end - seq) }, (_, i) => octet(seq + i)).join('') };
  }

  private playOctets(direction: number, step: Step): void {
    const { seq, data } = this.octetsAt(direction, step);
    if (data === '') return;
    const isUrgent = step.flags > 240;
    const flags = ACK | (step.flags & 1 ? PSH : 0) | (isUrgent ? URG : 0) | (this.ends(direction, step, seq + data.length) ? FIN : 0);
    this.send(direction, {
      ...this.numbers(direction, step),
      seq,
      data,
      flags,
      ...(isUrgent && { urgent: step.value }),
      ...(step.extra > 230 && { reserved: 1 + ((step.extra & 7) % 7) }),
      ...(step.extra > 150 && step.extra < 200 && { options: OPTIONS[step.extra % OPTIONS.length]! }),
    });
  }

  /** The client may end behind its text, who lies may end anywhere. */
  private ends(direction: number, { flags }: Step, end: number): boolean {
    if (this.lies) return flags % 50 === 0;
    return direction === 0 && end === this.clientText.length && flags % 4 === 0;
  }

  /** What must be dropped whatever is in it. */
  private playBroken(direction: number, step: Step): void {
    const { seq, data } = this.octetsAt(direction, step);
    const fields = { ...this.numbers(direction, step), seq, data: 'Z'.repeat(data.length), flags: ACK | PSH };
    const kind = step.extra % 5;
    if (kind === 0) this.send(direction, { ...fields, badChecksum: true });
    else if (kind === 1) this.send(direction, { ...fields, flags: flagBits(BAD_FLAGS[step.value % BAD_FLAGS.length]!) });
    else if (kind === 2) this.send(direction, { ...fields, options: BAD_OPTIONS[step.value % BAD_OPTIONS.length]! });
    else if (kind === 3) this.send(direction, { ...fields, seq: 200_000 + step.value });
    else this.send(direction, { ...fields, flags: step.value & 1 ? SYN : SYN | ACK });
  }

  private playEnd(direction: number, step: Step): void {
    const at = this.sides[direction]!.una + (step.from % 40) - 4;
    if (step.extra < 128) this.send(direction, { ...this.numbers(direction, step), seq: at, flags: FIN | ACK });
    else
      this.send(direction, {
        ...this.numbers(direction, step),
        seq: step.extra & 1 ? this.sides[direction]!.received : at,
        flags: RST | (step.flags & ACK),
        data: 'bye',
      });
  }

  private playFragments(direction: number, step: Step): void {
    const { seq, data } = this.octetsAt(direction, step);
    if (data.length < 8) return;
    const id = this.lies && step.ack > 128 ? this.nextId : ++this.nextId;
    const whole = this.segment(direction, { ...this.numbers(direction, step), seq, data, flags: ACK | PSH });
    const cut = 24 + ((step.value % Math.max(1, (whole.length - 24) >> 3)) << 3);
    const pieces = [
      [0, cut],
      [cut, whole.length],
    ] as const;
    const order = step.flags & 1 ? [0, 1] : [1, 0];
    if (step.flags & 2) order.push(0);
    if (step.flags & 4) order.unshift(order[0]!);
    this.noteSent(direction, seq, data);
    for (const i of order) {
      const [from, to] = pieces[i]!;
      const payload = whole.slice(this.lies && step.flags & 8 && from > 0 ? from - 8 : from, to);
      const flagsOffset = (to < whole.length ? 0x2000 : 0) | ((to - payload.length) >> 3);
      this.feed(
        direction,
        ethernetFrame(
          LINKS[direction]!,
          0x0800,
          ipv4Datagram({ src: ADDRS[direction]!, dst: ADDRS[1 - direction]!, protocol: 6, id, flagsOffset, payload }),
        ),
      );
    }
  }

  private noteSent(direction: number, seq: number, data: string): void {
    const { sent } = this.sides[direction]!;
    for (let i = 0; i < data.length; i++) sent.set(seq + i, (sent.get(seq + i) ?? new Set()).add(data.charCodeAt(i)));
  }

  private segment(direction: number, fields: Fields): Uint8Array {
    const own = this.sides[direction]!;
    const other = this.sides[1 - direction]!;
    const stamp = this.timestamps ? `0101080a${word(this.clock)}${word(0)}` : '';
    const syn = (fields.flags & SYN) !== 0 ? '04020101' : '';
    return tcpSegment(ADDRS[direction]!, ADDRS[1 - direction]!, {
      srcPort: TCP_PORTS[direction]!,
      dstPort: TCP_PORTS[1 - direction]!,
      seq: (own.isn + 1 + fields.seq) | 0,
      ack: (fields.flags & ACK) === 0 ? 0 : (other.isn + 1 + fields.ack) | 0,
      flags: fields.flags,
      window: fields.window ?? 65_535,
      urgent: fields.urgent ?? 0,
      options: hex(stamp + syn + (fields.options ?? '')),
      payload: latin1(fields.data ?? ''),
      reserved: fields.reserved ?? 0,
      badChecksum: fields.badChecksum ?? false,
    });
  }

  private send(direction: number, fields: Fields): void {
    if (fields.badChecksum !== true) this.noteSent(direction, fields.seq, fields.data ?? '');
    const payload = this.segment(direction, fields);
    this.feed(
      direction,
      ethernetFrame(
        LINKS[direction]!,
        0x0800,
        ipv4Datagram({ src: ADDRS[direction]!, dst: ADDRS[1 - direction]!, protocol: 6, id: 7, payload }),
      ),
    );
  }

  private feed(direction: number, frame: Uint8Array): void {
    this.box.send(PORTS[direction]!, frame);
    this.inspectLeft(direction);
  }

  /** `by`: the direction whose frame made it leave, -1: a timer. */
  private inspectLeft(by: number): void {
    const segments = this.box.left.flatMap((octets) => {
      const direction = datagramOf(octets)!.src[3] === 1 ? 0 : 1;
      const segment = this.reassembly[direction]!.take(octets);
      return segment === null ? [] : [{ direction, segment }];
    });
    this.box.left = [];
    this.box.handed = [];
    // What acknowledges comes first: the window that it offers holds for what leaves with it.
    for (const { direction, segment } of segments) this.noteAck(direction, segment);
    for (const { direction, segment } of segments) this.noteSegment(direction, segment);
    for (const { direction, segment } of segments) this.checkAck(direction, segment, direction === by);
    this.answerLines();
  }

  private noteAck(direction: number, { ack, flags, window }: Segment): void {
    if ((flags & ACK) === 0 || (flags & RST) !== 0) return;
    const other = this.sides[1 - direction]!;
    const at = (ack - other.isn - 1) | 0;
    other.una = Math.max(other.una, at);
    other.edge = Math.max(other.edge, at + window);
    if ((flags & SYN) !== 0) this.sides[direction]!.edge = Math.max(this.sides[direction]!.edge, 65_535);
  }

  private noteSegment(direction: number, segment: Segment): void {
    const side = this.sides[direction]!;
    const { flags, payload, urgent, reserved } = segment;
    const from = (segment.seq - side.isn - 1 + ((flags & SYN) !== 0 ? 1 : 0)) | 0;
    if ((flags & RST) !== 0) this.wasReset = true;
    if ((flags & URG) !== 0 || urgent !== 0 || reserved !== 0) throw new Error('urgent or reserved bits left');
    if ((flags & (RST | SYN)) !== 0 && payload.length > 0) throw new Error('octets in a SYN or RST left');
    this.checkOptions(direction, segment);
    if (payload.length > 0 && from + payload.length > side.edge)
      throw new Error(`octets up to ${from + payload.length} left, the window ends at ${side.edge}`);
    if (payload.length > 0 && from + payload.length > side.judged) throw new Error('octets left that were not judged');
    payload.forEach((octet, i) => {
      const before = side.octets.get(from + i);
      if (before !== undefined && before !== octet) throw new Error(`two values for octet ${from + i} of direction ${direction}`);
      side.octets.set(from + i, octet);
    });
    if ((flags & FIN) !== 0) {
      if (side.finAt >= 0 && side.finAt !== from + payload.length) throw new Error('two ends of one direction left');
      side.finAt = from + payload.length;
    }
    if (side.finAt >= 0 && [...side.octets.keys()].some((at) => at >= side.finAt)) throw new Error('octets behind the FIN left');
    if (side.finAt >= 0 && side.received < side.finAt) throw new Error('a FIN left before the octets in front of it');
  }

  /** Timestamps and SACK as negotiated, the usual ones on a SYN. */
  private checkOptions(direction: number, { flags, options }: Segment): void {
    const isSyn = (flags & SYN) !== 0;
    for (let at = 0; at < options.length; ) {
      const kind = options[at]!;
      if (kind === 0) {
        if (options.subarray(at).some((octet) => octet !== 0)) throw new Error('something behind the end of the options left');
        return;
      }
      if (kind !== 1 && kind !== 5 && kind !== (isSyn ? 4 : 8) && !(kind === 8 && this.timestamps)) throw new Error(`option ${kind} left`);
      if (kind === 8 && !this.timestamps) throw new Error('timestamps left');
      if (kind === 5) this.checkSack(direction, Buffer.from(options.subarray(at + 2, at + options[at + 1]!)));
      at += kind === 1 ? 1 : options[at + 1]!;
    }
  }

  private checkSack(direction: number, blocks: Buffer): void {
    const other = this.sides[1 - direction]!;
    for (let at = 0; at < blocks.length; at += 8) {
      const end = (blocks.readInt32BE(at + 4) - other.isn - 1) | 0;
      if (end > other.received + (other.finAt >= 0 ? 1 : 0)) throw new Error('a SACK block for what never left');
    }
  }

  /** An acknowledgement that its receiver made covers what left; one that the firewall made, what came. */
  private checkAck(direction: number, { ack, flags }: Segment, isForwarded: boolean): void {
    if ((flags & ACK) === 0 || (flags & RST) !== 0) return;
    const other = this.sides[1 - direction]!;
    const at = (ack - other.isn - 1) | 0;
    const fin = other.finAt >= 0 ? 1 : 0;
    if (isForwarded && at > other.received + fin) throw new Error(`an acknowledgement of ${at} left, ${other.received} have left`);
    for (let i = 0; i < at - 1; i++) if (!other.sent.has(i)) throw new Error(`octet ${i} is acknowledged and never came`);
  }

  /** The server answers each line that it gets. */
  private answerLines(): void {
    const lines = this.received(0).split('\n').slice(0, -1);
    for (; this.linesSeen < lines.length; this.linesSeen++) {
      const line = lines[this.linesSeen]!;
      if (this.inMessage && line !== '.\r') continue;
      if (this.inMessage) this.inMessage = false;
      else if (/^DATA/i.test(line)) this.inMessage = true;
      this.serverText += this.inMessage
        ? '354 go\r\n'
        : /^EHLO/i.test(line)
          ? '250-mx\r\n250 SIZE\r\n'
          : /x{3}/.test(line)
            ? '500 no\r\n'
            : '250 ok\r\n';
    }
  }
}

function word(value: number): string {
  return value.toString(16).padStart(8, '0');
}
