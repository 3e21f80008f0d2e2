// The cases as they stand in a file: one JSON object a line.  Octet strings are ISO-8859-1.

import { readFileSync } from 'node:fs';

export type Mode = 'smtp' | 'esmtp';
export type Fate = 'fwd' | 'fix' | 'hold' | 'drop' | 'reset';
export type Strongest = 'pass' | 'drop' | 'mask' | 'reset';

/** One segment of a transcript. */
export interface Turn {
  readonly from: 'c' | 's';
  readonly data: string;
}

/** A piece of the IP payload of the packet `full`. */
export interface Fragment {
  readonly id: number;
  readonly off: number;
  readonly len: number;
  readonly mf: number;
  readonly override?: { readonly at: number; readonly data: string };
}

export interface Packet {
  readonly dir: 'c2s' | 's2c';
  readonly flags?: string;
  /** Relative to the initial sequence number of the sender: SYN 0, first octet 1. */
  readonly seq?: number;
  readonly ack?: number;
  readonly data?: string;
  readonly win?: number;
  readonly ttl?: number;
  readonly urg?: number;
  readonly ts?: readonly [number, number];
  readonly wscale?: number;
  readonly mss?: number;
  /** Initial sequence number of the sender of this packet alone. */
  readonly isn?: number;
  /** Initial sequence number of its sender for the whole case. */
  readonly isnAbs?: number;
  readonly badCsum?: boolean;
  /** Data offset as written, in words. */
  readonly doff?: number;
  /** Hex. */
  readonly opts?: string;
  /** An option of length 0, an option of kind 30, where `opts` does not say which. */
  readonly badOptLen?: boolean;
  readonly stripOpts?: boolean;
  readonly md5?: boolean;
  readonly tfo?: boolean;
  readonly rsv?: number;
  /** Blocks, relative like `ack`. */
  readonly sack?: readonly (readonly [number, number])[];
  readonly frag?: Fragment;
  readonly full?: Omit<Packet, 'dir'>;
  /** Damage of the link or IP header in the notation of scapy. */
  readonly recipe?: string;
  readonly l2drop?: string;
}

/** A step of a timing case: a turn, a packet, or a state to bring the conversation to. */
export interface TimedEvent extends Partial<Packet> {
  readonly t: number;
  readonly from?: 'c' | 's';
  readonly handshake?: boolean;
  readonly greeting?: boolean;
  readonly state?: 'DATA';
  readonly tick?: boolean;
}

export interface Recipe {
  readonly events?: readonly TimedEvent[];
  readonly repeat?: number;
  readonly packet?: Packet;
  readonly conversation?: string;
  /** First and last time, ms. */
  readonly t?: readonly [number, number];
  readonly src?: string;
  readonly srcFrom?: string;
}

export interface Emit {
  readonly t: number;
  readonly to: 'c' | 's';
  readonly data: string;
}

export interface Expectation {
  readonly toServer: string;
  readonly toClient: string;
  readonly verdict: Strongest;
  readonly log: readonly string[];
  readonly perPacket?: readonly Fate[];
  readonly perPacketLast?: Fate;
  readonly emits?: readonly Emit[];
  readonly halfOpenAfter?: number;
  readonly dropped?: number;
  readonly resetAt?: number;
  readonly tcpChecksumIn?: string;
  readonly tcpChecksumOut?: string;
}

export interface CaseConfig {
  readonly profile?: 'cbac' | 'mailguard';
  readonly allowTls?: boolean;
  readonly extensions?: readonly string[];
  readonly maskBanner?: boolean;
  readonly maxRcpt?: number;
  readonly maxInvalidRcpt?: number | 'off';
  readonly maxChunk?: number;
  readonly maxReceived?: number;
  readonly signatures?: boolean;
  readonly holdMs?: number;
  readonly oooBytes?: number;
  readonly oooSegments?: number;
  readonly oooTimeoutMs?: number;
  readonly fragMax?: number;
  readonly fragTimeoutMs?: number;
  readonly mssClamp?: number | 'off';
  readonly synTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  readonly lineTimeoutMs?: number;
  readonly dataIdleMs?: number;
  readonly maxHalfOpenHigh?: number;
  readonly maxHalfOpenLow?: number;
  readonly maxConnPerSource?: number;
  readonly maxRatePerSource?: number;
  readonly rateWindowMs?: number;
}

export interface Case {
  readonly id: string;
  readonly title: string;
  readonly mode: Mode | 'both';
  readonly kind: 'stream' | 'packets' | 'frame' | 'timing';
  readonly config?: CaseConfig;
  readonly server: readonly Turn[];
  readonly packets?: readonly Packet[];
  readonly frameIn?: string;
  readonly frameOut?: string;
  readonly events?: readonly TimedEvent[];
  readonly recipe?: Recipe;
  readonly expect: Expectation;
}

/** Reads a file of cases; throws with the line number where one is no case. */
export function readCases(path: string): Case[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.flatMap((line, i) => {
    if (line.trim() === '') return [];
    let parsed: Case;
    try {
      parsed = JSON.parse(line) as Case;
    } catch (error) {
      throw new Error(`${path}:${i + 1}: ${(error as Error).message}`, { cause: error });
    }
    if (!['stream', 'packets', 'frame', 'timing'].includes(parsed.kind)) throw new Error(`${path}:${i + 1}: no case: kind ${parsed.kind}`);
    return [parsed];
  });
}

export function modesOf(one: Case): Mode[] {
  return one.mode === 'both' ? ['smtp', 'esmtp'] : [one.mode];
}
