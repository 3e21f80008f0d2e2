// The SMTP inspector alone: mail data through the skip loop, and short command lines through the automata.

import { type Inspector, Outcome } from '../src/inspect/inspector.ts';
import { createPolicy, defaultOptions, type SmtpPolicy } from '../src/inspect/smtp/declare.ts';
import { createSmtp } from '../src/inspect/smtp/smtp.ts';
import { createCounters } from '../src/telemetry/counters.ts';
import type { Bench, Running } from './bench.ts';

const TURNS = 16;
const MSS = 1460;
const BODY_OCTETS = 1 << 20;
const LINE = 'The quick brown fox jumps over the lazy dog, and then once more, again.\r\n';
const GREETING = '220 mx.example.net ESMTP\r\n';
const EHLO = 'EHLO client.example.org\r\n';
const OFFER = '250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250 DSN\r\n';

/** A session that has come so far, and the segments that one turn shows to it. */
class Scan implements Running {
  readonly turns = TURNS;
  readonly octets: number;
  private readonly inspector: Inspector = createSmtp(1, createCounters());
  private readonly policy: SmtpPolicy = createPolicy({ ...defaultOptions(true), signatures: true });
  private readonly out = new Outcome();
  private readonly setup: readonly Uint8Array[];
  private readonly parts: readonly Uint8Array[];
  private readonly directions: Uint8Array;
  private readonly segment: number;
  private readonly positions = new Int32Array(2);
  private unjudged = 0;

  /** Texts of `setup` and `parts` are the server's where they begin with a digit of a reply code. */
  constructor(setup: readonly string[], parts: readonly string[], segment: number) {
    this.setup = setup.map((text) => Buffer.from(text, 'latin1'));
    this.parts = parts.map((text) => Buffer.from(text, 'latin1'));
    this.directions = Uint8Array.from(parts, (text) => (/^[2-5]/.test(text) ? 1 : 0));
    this.segment = segment;
    this.octets = this.parts.reduce((sum, part) => sum + part.length, 0) * TURNS;
  }

  prepare(): void {
    this.positions.fill(0);
    this.inspector.open(0, this.policy, 0);
    for (let i = 0; i < this.setup.length; i++) this.show(this.setup[i]!, this.setup[i]![0]! >= 0x32 && this.setup[i]![0]! <= 0x35 ? 1 : 0);
  }

  run(): number {
    let segments = 0;
    for (let i = 0; i < this.parts.length; i++) segments += this.show(this.parts[i]!, this.directions[i]!);
    return segments;
  }

  private show(octets: Uint8Array, direction: number): number {
    const { out, inspector, positions, segment } = this;
    let shown = 0;
    for (let from = 0; from < octets.length; from += segment) {
      const to = Math.min(from + segment, octets.length);
      const position = positions[direction]!;
      out.begin(position);
      inspector.scan(0, direction, octets, from, to, position, 0, out);
      if (out.consumed !== to - from) this.unjudged++;
      positions[direction] = (position + to - from) | 0;
      shown++;
    }
    return shown;
  }

  verify(): string | null {
    return this.unjudged === 0 ? null : `${this.unjudged} segments were not judged whole`;
  }
}

function mailData(segment: number): Running {
  return new Scan(
    [GREETING, EHLO, OFFER, 'DATA\r\n', '354 go\r\n', 'Subject: bench\r\n\r\n'],
    [LINE.repeat(BODY_OCTETS / LINE.length)],
    segment,
  );
}

function shortLines(): Running {
  const transaction = [
    'MAIL FROM:<sender@client.example.org> SIZE=1000 BODY=8BITMIME\r\n',
    '250 2.1.0 Ok\r\n',
    'RCPT TO:<recipient@example.net>\r\n',
    '250 2.1.5 Ok\r\n',
    'RCPT TO:<another@example.net> NOTIFY=NEVER\r\n',
    '250 2.1.5 Ok\r\n',
    'NOOP\r\n',
    '250 2.0.0 Ok\r\n',
    'RSET\r\n',
    '250 2.0.0 Ok\r\n',
  ];
  return new Scan([GREETING, EHLO, OFFER], Array.from({ length: 100 }, () => transaction).flat(), MSS);
}

export const benches: readonly Bench[] = [
  { name: 'smtp/mail-data', about: 'mail data in segments of 1,460 octets', unit: 'segment', open: () => mailData(MSS) },
  { name: 'smtp/mail-data-64k', about: 'mail data in super-frames of 64 KiB', unit: 'segment', open: () => mailData(1 << 16) },
  { name: 'smtp/short-lines', about: 'commands and replies, a line a segment', unit: 'segment', open: shortLines },
];
