// The schema of the event log, events.proto, read once when it is first needed.
//
// protobufjs builds encoder and decoder from it at run time; a generated module is no faster and
// would be one file more to keep in step.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Type } from 'protobufjs';

/** Longest record that is written: three addresses, names and 128 octets of text stay far below. */
export const MAX_EVENT = 4096;

export interface EventFlow {
  readonly protocol: number;
  /** 4 or 16 octets in network order. */
  readonly initiator: Uint8Array;
  readonly initiatorPort: number;
  readonly responder: Uint8Array;
  readonly responderPort: number;
}

export interface EventFinding {
  readonly reason: string;
  readonly session: number;
  readonly flow: EventFlow | null;
  readonly value: number;
  readonly text: Uint8Array;
}

/** A message Event as a plain object; exactly one member beside the stamp.  `flow` is null where a reader finds none. */
export interface LoggedEvent {
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly sessionStart?: { readonly session: number; readonly flow: EventFlow | null; readonly keyword: string };
  readonly sessionStop?: {
    readonly session: number;
    readonly flow: EventFlow | null;
    readonly keyword: string;
    readonly initiatorOctets: number;
    readonly responderOctets: number;
  };
  readonly alert?: EventFinding;
  readonly mask?: EventFinding;
  readonly drop?: {
    readonly reason: string;
    readonly interface: string;
    readonly flow: EventFlow | null;
    readonly identification: number;
    readonly sequence: number;
    readonly acknowledgement: number;
    readonly unrecorded: number;
  };
  readonly portState?: { readonly interface: string; readonly up: boolean };
  readonly threshold?: {
    /** Threshold.Kind of the schema. */
    readonly kind: number;
    readonly host: Uint8Array;
    readonly count: number;
    readonly limit: number;
    readonly rate: number;
    readonly blockMinutes: number;
  };
  readonly access?: { readonly list: string; readonly entry: number; readonly flow: EventFlow | null; readonly packets: number };
  readonly lost?: { readonly count: number };
}

/** Names of the members, one of which an event has. */
export const EVENT_MEMBERS = [
  'sessionStart',
  'sessionStop',
  'alert',
  'mask',
  'drop',
  'portState',
  'threshold',
  'access',
  'lost',
] as const satisfies readonly (keyof LoggedEvent)[];

/** Threshold.Kind. */
export const THRESHOLD_KINDS = ['unknown', 'aggressive', 'calm', 'host-limit', 'host-blocked', 'host-unblocked'] as const;

export interface EventSchema {
  /** The record with its length in front; the octets are a new Uint8Array. */
  encode(event: LoggedEvent): Uint8Array;
  /** `octets` without the length; throws where they are no Event. */
  decode(octets: Uint8Array): LoggedEvent;
}

/** src/telemetry/events.proto of this installation, found upwards from this file. */
function schemaPath(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, 'src/telemetry/events.proto');
    if (existsSync(path)) return path;
  }
  throw new Error('src/telemetry/events.proto is missing from this installation');
}

/** Loads protobufjs, 50 ms that only who writes or reads an event log pays. */
export async function loadEventSchema(): Promise<EventSchema> {
  const { default: protobuf } = await import('protobufjs');
  const type: Type = protobuf.parse(readFileSync(schemaPath(), 'utf8')).root.lookupType('postern.Event');
  return {
    encode: (event) => type.encodeDelimited(event as never).finish(),
    decode: (octets) => type.toObject(type.decode(octets), { defaults: true, longs: Number }) as LoggedEvent,
  };
}
