// Reading an event log: records out of the octets as they come, and where a cut or damaged tail begins.

import { type EventSchema, type LoggedEvent, MAX_EVENT } from './event-schema.ts';

/** More octets than a length of MAX_EVENT needs. */
const LONGEST_LENGTH = 3;

export class EventReader {
  /** Octets of whole records so far: where the next record begins in the file. */
  position = 0;
  /** What is wrong with the record there, or null. */
  damage: string | null = null;
  private readonly schema: EventSchema;
  private rest: Uint8Array = new Uint8Array(0);

  constructor(schema: EventSchema) {
    this.schema = schema;
  }

  /** Gives every whole record in what was there and `octets` to `onEvent`; after damage none. */
  push(octets: Uint8Array, onEvent: (event: LoggedEvent) => void): void {
    if (this.damage !== null) return;
    this.rest = this.rest.length === 0 ? Buffer.from(octets) : Buffer.concat([this.rest, octets]);
    let at = 0;
    for (let length = this.lengthAt(at); length >= 0; length = this.lengthAt(at)) {
      const from = at + lengthOctets(length);
      if (from + length > this.rest.length) break;
      const event = this.decode(this.rest.subarray(from, from + length));
      if (event === null) break;
      onEvent(event);
      this.position += from + length - at;
      at = from + length;
    }
    this.rest = this.rest.subarray(at);
  }

  /** Octets of a record that is not whole: after the last octet of the file, a cut tail. */
  get pending(): number {
    return this.damage === null ? this.rest.length : 0;
  }

  /** Length of the record at `at` of what is left, -1: not all of it is there, or it is none. */
  private lengthAt(at: number): number {
    let length = 0;
    for (let i = 0; i < LONGEST_LENGTH; i++) {
      const octet = this.rest[at + i];
      if (octet === undefined) return -1;
      length |= (octet & 0x7f) << (7 * i);
      if (octet >= 0x80) continue;
      if (length > 0 && length <= MAX_EVENT && lengthOctets(length) === i + 1) return length;
      break;
    }
    this.damage = 'no length of a record';
    return -1;
  }

  private decode(octets: Uint8Array): LoggedEvent | null {
    try {
      return this.schema.decode(octets);
    } catch (error) {
      this.damage = `no event (${(error as Error).message})`;
      return null;
    }
  }
}

/** Octets of the length itself, a base 128 varint. */
function lengthOctets(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : 3;
}
