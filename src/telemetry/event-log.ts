// The event log as a sink of the event pump: records of the ring become messages of events.proto and go to a file.
//
// Kept: sessions (those that the audit trail has), alerts, masks, drops, links, thresholds, access list entries with `log`.  Left
// out: debug and trace, which are for people.  Drops are sampled: DROPS_A_SECOND of a reason, and how many were not recorded.
// All of it runs in the main thread.  A hand-written encoder was measured and not kept (bench/event-encoder.bench.ts).

import {
  EVENT_ACCESS_LOG,
  EVENT_AGGRESSIVE,
  EVENT_ALERT,
  EVENT_CALM,
  EVENT_DROP,
  EVENT_HOST_BLOCKED,
  EVENT_HOST_LIMIT,
  EVENT_HOST_UNBLOCKED,
  EVENT_PORT_STATE,
  EVENT_REASSEMBLY,
  EVENT_SESSION_START,
  EVENT_SESSION_STOP,
} from './event-ring.ts';
import { EventFile, type EventFileOptions } from './event-file.ts';
import type { EventRecord } from './event-record.ts';
import { type EventFlow, type EventSchema, type LoggedEvent, loadEventSchema, THRESHOLD_KINDS } from './event-schema.ts';
import {
  ADDR_EXPANSION,
  ADDR_PIPE,
  ADDR_SYNTAX,
  AUTH_SYNTAX,
  BANNER_MASKED,
  BDAT_SYNTAX,
  CMD_8BIT,
  CMD_BARE_NEWLINE,
  CMD_CONTROL_CHAR,
  CMD_ILLEGAL,
  CMD_LATE_MASK,
  CMD_NOT_OFFERED,
  CMD_SYNTAX,
  DATA_EOD_LOOKALIKE,
  EHLO_MASKED,
  PARAM_NOT_NEGOTIATED,
  PARAM_SYNTAX,
  REASON_COUNT,
  REASONS,
} from './reasons.ts';

/** Drops recorded of one reason in one second of the data plane's clock. */
export const DROPS_A_SECOND = 10;

/** Reasons whose event says that octets of the dialogue were overwritten. */
const MASKS = new Set([
  CMD_ILLEGAL,
  CMD_SYNTAX,
  CMD_CONTROL_CHAR,
  CMD_BARE_NEWLINE,
  CMD_8BIT,
  CMD_NOT_OFFERED,
  CMD_LATE_MASK,
  ADDR_PIPE,
  ADDR_EXPANSION,
  ADDR_SYNTAX,
  PARAM_SYNTAX,
  PARAM_NOT_NEGOTIATED,
  BDAT_SYNTAX,
  AUTH_SYNTAX,
  DATA_EOD_LOOKALIKE,
  EHLO_MASKED,
  BANNER_MASKED,
]);

/** Octets of IPv6 addresses that EVENT_REASSEMBLY carries as text. */
const ADDRESS_PAIR = 32;
const HIGH_WORD = 0x4000_0000;

/** What of a policy gives names to the numbers in a record. */
export interface EventNames {
  readonly interfaces: readonly { readonly name: string }[];
  readonly rules: readonly { readonly entries: readonly { readonly keyword: string }[] }[];
  readonly accessLists: readonly { readonly name: string }[];
}

function octetsOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

function wordOctets(words: readonly number[]): Uint8Array {
  const octets = Buffer.alloc(words.length * 4);
  words.forEach((word, i) => octets.writeInt32BE(word, i * 4));
  return octets;
}

function flowOf(event: EventRecord): EventFlow {
  const { addrs6, protocol, srcPort, dstPort } = event;
  const fromText = event.kind === EVENT_REASSEMBLY && event.text.length === ADDRESS_PAIR ? octetsOf(event.text) : null;
  const half = (index: 0 | 1): Uint8Array => {
    if (fromText !== null) return fromText.subarray(index * 16, index * 16 + 16);
    if (addrs6 !== null) return wordOctets(addrs6.slice(index * 4, index * 4 + 4));
    return wordOctets([index === 0 ? event.src : event.dst]);
  };
  return { protocol, initiator: half(0), initiatorPort: srcPort, responder: half(1), responderPort: dstPort };
}

function reasonName(event: EventRecord): string {
  return REASONS[event.reason]?.name ?? 'unknown';
}

type Member = Omit<LoggedEvent, 'seconds' | 'nanoseconds'>;

function sessionOf(event: EventRecord, names: EventNames) {
  const keyword = names.rules[event.rule]?.entries[event.entry]?.keyword ?? '';
  return { session: event.session, flow: flowOf(event), keyword };
}

function stopOf(event: EventRecord, names: EventNames): Member {
  const { value, value2, value3, value4 } = event;
  const octets = { initiatorOctets: value + value2 * HIGH_WORD, responderOctets: value3 + value4 * HIGH_WORD };
  return { sessionStop: { ...sessionOf(event, names), ...octets } };
}

function findingOf(event: EventRecord): Member {
  const isReassembly = event.kind === EVENT_REASSEMBLY;
  const text = isReassembly && event.text.length === ADDRESS_PAIR ? '' : event.text;
  const finding = { reason: reasonName(event), session: event.session, flow: flowOf(event), value: event.value, text: octetsOf(text) };
  return !isReassembly && MASKS.has(event.reason) ? { mask: finding } : { alert: finding };
}

function dropOf(event: EventRecord, names: EventNames, unrecorded: number): Member {
  const { value, value3, value4 } = event;
  return {
    drop: {
      reason: reasonName(event),
      interface: names.interfaces[event.interface]?.name ?? '',
      flow: flowOf(event),
      identification: value,
      sequence: value3 >>> 0,
      acknowledgement: value4 >>> 0,
      unrecorded,
    },
  };
}

function thresholdOf(event: EventRecord): Member {
  const kind = 1 + [EVENT_AGGRESSIVE, EVENT_CALM, EVENT_HOST_LIMIT, EVENT_HOST_BLOCKED, EVENT_HOST_UNBLOCKED].indexOf(event.kind);
  const isHost = kind >= THRESHOLD_KINDS.indexOf('host-limit');
  const isBlock = event.kind === EVENT_HOST_BLOCKED;
  return {
    threshold: {
      kind,
      host: isHost ? wordOctets([event.dst]) : new Uint8Array(0),
      count: isBlock ? 0 : event.value,
      limit: isBlock ? event.value : event.value2,
      rate: isHost ? 0 : event.value3,
      blockMinutes: isBlock ? event.value2 : 0,
    },
  };
}

/** The member of the message for a record, null for one that the log leaves out.  `unrecorded`: of a drop. */
export function memberOf(event: EventRecord, names: EventNames, unrecorded: number): Member | null {
  switch (event.kind) {
    case EVENT_SESSION_START:
      return { sessionStart: sessionOf(event, names) };
    case EVENT_SESSION_STOP:
      return stopOf(event, names);
    case EVENT_ALERT:
    case EVENT_REASSEMBLY:
      return findingOf(event);
    case EVENT_DROP:
      return dropOf(event, names, unrecorded);
    case EVENT_PORT_STATE:
      return { portState: { interface: names.interfaces[event.value]?.name ?? '', up: event.value2 === 1 } };
    case EVENT_AGGRESSIVE:
    case EVENT_CALM:
    case EVENT_HOST_LIMIT:
    case EVENT_HOST_BLOCKED:
    case EVENT_HOST_UNBLOCKED:
      return thresholdOf(event);
    case EVENT_ACCESS_LOG:
      return {
        access: { list: names.accessLists[event.value]?.name ?? '', entry: event.value2, flow: flowOf(event), packets: event.value3 },
      };
    default:
      return null;
  }
}

/** Which drops are recorded. */
class DropSampler {
  private readonly since = new Int32Array(REASON_COUNT);
  private readonly recorded = new Int32Array(REASON_COUNT);
  private readonly skipped = new Int32Array(REASON_COUNT);

  /** How many of the same reason were skipped since the last recorded one, or -1: this one is skipped too. */
  admit({ reason, time }: EventRecord): number {
    if (((time - this.since[reason]!) | 0) >= 1000) {
      this.since[reason] = time;
      this.recorded[reason] = 0;
    }
    if (this.recorded[reason]! >= DROPS_A_SECOND) {
      this.skipped[reason]!++;
      return -1;
    }
    this.recorded[reason]!++;
    const skipped = this.skipped[reason]!;
    this.skipped[reason] = 0;
    return skipped;
  }
}

/** Takes events from the pump (EventSink) and writes them to a file. */
export class EventLog {
  /** Names for the events to come; a new policy brings new ones. */
  names: EventNames;
  private readonly schema: EventSchema;
  private readonly file: EventFile;
  private readonly sampler = new DropSampler();
  /** Stamp of the last event, for what has none of its own. */
  private seconds = 0;
  private nanoseconds = 0;
  /** Of the losses of the file, those that a record tells of. */
  private toldLost = 0;

  private constructor(schema: EventSchema, file: EventFile, names: EventNames) {
    this.schema = schema;
    this.file = file;
    this.names = names;
  }

  /** Begins the file.  Throws what the system says of opening it. */
  static async open(path: string, names: EventNames, options: EventFileOptions): Promise<EventLog> {
    const schema = await loadEventSchema();
    return new EventLog(schema, EventFile.open(path, options), names);
  }

  take(event: EventRecord): void {
    const unrecorded = event.kind === EVENT_DROP ? this.sampler.admit(event) : 0;
    if (unrecorded < 0) return;
    const member = memberOf(event, this.names, unrecorded);
    if (member === null) return;
    this.seconds = event.sec >>> 0;
    this.nanoseconds = event.nsec;
    this.append(member);
  }

  /** `count` events did not get as far as here. */
  lost(count: number): void {
    this.append({ lost: { count } });
  }

  /** Events that were not written, because the disk was full or too slow. */
  get lostOfFile(): number {
    return this.file.lost;
  }

  /** Writes out what is left. */
  close(): Promise<void> {
    this.tellLost();
    return this.file.close();
  }

  private append(member: Member): void {
    this.tellLost();
    this.write(member);
  }

  /** A record of what the file lost, once it can take one. */
  private tellLost(): void {
    const missing = this.file.lost - this.toldLost;
    if (missing === 0 || !this.file.isWell) return;
    this.toldLost += missing;
    this.write({ lost: { count: missing } });
  }

  private write(member: Member): void {
    this.file.append(this.schema.encode({ seconds: this.seconds, nanoseconds: this.nanoseconds, ...member }));
  }
}
