// Messages of the console socket: the schema of console.proto, each message preceded by its length.
//
// Text crosses as bytes and is a string of one character an octet (latin1) on both sides, as everywhere in the program: a
// configuration file comes back with the octets that it had.
// Not here: what the messages mean (shell-session.ts), who listens (engine/console-server.ts).

import { existsSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Type } from 'protobufjs';

export const PROTOCOL_VERSION = 1;
/** Octets of a message at most. */
export const MAX_MESSAGE = 16 << 20;
/** Octets of output in one part of a reply. */
const PART = 64 << 10;
const LENGTH_OCTETS = 5;

/** Exactly one of the fields beside `id`. */
export interface Request {
  readonly id: number;
  readonly open?: { readonly version: number; readonly privileged: boolean };
  readonly enter?: string;
  readonly help?: string;
  readonly complete?: string;
  readonly end?: Record<string, never>;
  readonly reload?: { readonly text?: string; readonly lenient: boolean };
}

export interface Reply {
  readonly id: number;
  readonly output: string;
  readonly more: boolean;
  readonly rejected: boolean;
  readonly left: boolean;
  readonly prompt: string;
  readonly terminalLength: number;
}

/** A peer that does not speak the protocol. */
export class ProtocolError extends Error {}

type Plain = Record<string, unknown>;

interface Schema {
  readonly request: Type;
  readonly reply: Type;
}

let loaded: Schema | undefined;

/** Loads protobufjs and the schema, before anything is encoded: 30 ms that only who speaks to the console pays. */
export async function loadProtocol(): Promise<void> {
  if (loaded !== undefined) return;
  const { default: protobuf } = await import('protobufjs');
  const root = protobuf.parse(readFileSync(schemaFile(), 'utf8'), new protobuf.Root()).root;
  loaded = { request: root.lookupType('postern.console.Request'), reply: root.lookupType('postern.console.Reply') };
}

function schema(): Schema {
  if (loaded === undefined) throw new Error('loadProtocol() was not called');
  return loaded;
}

/** In the installation, upwards from this file, wherever the program was built to. */
function schemaFile(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'src', 'console', 'console.proto');
    if (existsSync(file)) return file;
  }
  throw new Error('src/console/console.proto is missing from the installation');
}

/** A request with its length before it.  Wants loadProtocol(), as encodeReply(); readers call it themselves. */
export function encodeRequest(request: Request): Uint8Array {
  return encode(schema().request, request);
}

/** A reply with its length before it; one with much output becomes several parts. */
export function encodeReply(reply: Reply): Uint8Array[] {
  const { output } = reply;
  const parts: Uint8Array[] = [];
  let from = 0;
  for (; output.length - from > PART; from += PART) {
    parts.push(encode(schema().reply, { id: reply.id, output: output.slice(from, from + PART), more: true }));
  }
  parts.push(encode(schema().reply, { ...reply, output: output.slice(from), more: false }));
  return parts;
}

function encode(type: Type, message: object): Uint8Array {
  return type
    .encodeDelimited(type.fromObject(mapText(message, (value) => (typeof value === 'string' ? Buffer.from(value, 'latin1') : value))))
    .finish();
}

function decode(type: Type, octets: Uint8Array): Plain {
  try {
    const plain = type.toObject(type.decode(octets), { defaults: true });
    return mapText(plain, (value) =>
      value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1') : value,
    );
  } catch (error) {
    throw new ProtocolError(`not a message of the console protocol: ${(error as Error).message}`);
  }
}

/** `message` with each value that is no object changed by `change`, two levels deep. */
function mapText(message: object, change: (value: unknown) => unknown): Plain {
  const isNested = (value: unknown): value is object => typeof value === 'object' && value !== null && !(value instanceof Uint8Array);
  return Object.fromEntries(Object.entries(message).map(([key, value]) => [key, isNested(value) ? mapText(value, change) : change(value)]));
}

/** Requests that come in by a socket, until it ends.  Throws a ProtocolError; the next one is not read before it is asked for. */
export async function* readRequests(socket: Socket): AsyncGenerator<Request> {
  await loadProtocol();
  for await (const octets of readDelimited(socket)) yield decode(schema().request, octets) as unknown as Request;
}

/** Replies that come in by a socket, until it ends; parts are handed on as they come.  Throws a ProtocolError. */
export async function* readReplies(socket: Socket): AsyncGenerator<Reply> {
  await loadProtocol();
  for await (const octets of readDelimited(socket)) yield decode(schema().reply, octets) as unknown as Reply;
}

async function* readDelimited(socket: Socket): AsyncGenerator<Uint8Array> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    pending = pending.length === 0 ? (chunk as Buffer) : Buffer.concat([pending, chunk as Buffer]);
    for (;;) {
      const prefix = readLength(pending);
      if (prefix === null || pending.length < prefix.octets + prefix.length) break;
      yield pending.subarray(prefix.octets, prefix.octets + prefix.length);
      pending = pending.subarray(prefix.octets + prefix.length);
    }
  }
}

/** The varint at the beginning, or null while it is not complete. */
function readLength(octets: Uint8Array): { length: number; octets: number } | null {
  let length = 0;
  for (let i = 0; i < octets.length; i++) {
    length += (octets[i]! & 0x7f) * 2 ** (7 * i);
    if (length > MAX_MESSAGE || i >= LENGTH_OCTETS) throw new ProtocolError(`a message of more than ${MAX_MESSAGE} octets`);
    if (octets[i]! < 0x80) return { length, octets: i + 1 };
  }
  return null;
}
