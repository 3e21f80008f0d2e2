// HTTP: Java applets from sites that are not on the java-list.
//
// What is recognised is what CBAC recognises: a class file (it begins with CA FE BA BE) that begins the body of a response, as it is
// or as the first chunk (RFC 9112 sections 6 and 7.1).  Its session is reset before the applet's first octet leaves.
// The path opens this inspector only for sites that the list does not permit.
// Not recognised, as in CBAC: applets in archives or with a content coding, and anything over TLS.
//
// State is one number a session, the place in the automaton; at most three octets are held.

import { HTTP_JAVA_BLOCK } from '../../telemetry/reasons.ts';
import { FORWARD, HOLD, type Inspector, type InspectorPolicy, type Outcome, RESET, type Verdict } from '../inspector.ts';
import { declaration } from './declare.ts';

const CR = 0x0d;
const LF = 0x0a;

// Places in the automaton.
const ANY = 0;
const SEEN_CR = 1;
const SEEN_CRLF = 2;
const SEEN_CRLF_CR = 3;
/** At the first octet of a body: the magic number, or the size of a chunk. */
const BODY = 4;
const CHUNK_SIZE = 5;
const CHUNK_CR = 6;
/** At the first octet of a chunk. */
const CHUNK = 7;
/** One octet of the magic number; 9 and 10: two and three. */
const MAGIC_1 = 8;
const APPLET = 11;

const MAGIC = [0xca, 0xfe, 0xba, 0xbe];

/** HTTP for up to `maxSessions` sessions. */
export function createHttp(maxSessions: number): Inspector {
  return new Http(maxSessions);
}

class Http implements Inspector {
  readonly declare = declaration;
  private readonly place: Uint8Array;

  constructor(maxSessions: number) {
    this.place = new Uint8Array(maxSessions);
  }

  open(session: number, _policy: InspectorPolicy, _now: number): void {
    this.place[session] = ANY;
  }

  scan(
    session: number,
    direction: number,
    octets: Uint8Array,
    from: number,
    to: number,
    position: number,
    _now: number,
    out: Outcome,
  ): Verdict {
    out.consumed = to - from;
    out.releaseTo = (position + to - from) | 0;
    if (direction === 0) return FORWARD;
    let place = this.place[session]!;
    for (let i = from; i < to; i++) {
      if (place === ANY) {
        while (i < to && octets[i] !== CR) i++;
        if (i === to) break;
      }
      place = next(place, octets[i]!);
      if (place !== APPLET) continue;
      out.releaseTo = (position + i - from - 3) | 0;
      out.reason = HTTP_JAVA_BLOCK;
      out.event(HTTP_JAVA_BLOCK, 0, octets, i, i);
      return RESET;
    }
    this.place[session] = place;
    if (place < MAGIC_1) return FORWARD;
    out.releaseTo = (out.releaseTo - (place - CHUNK)) | 0;
    return HOLD;
  }

  end(_session: number, _direction: number, position: number, _now: number, out: Outcome): Verdict {
    out.releaseTo = position;
    return FORWARD;
  }

  expire(_session: number, _now: number, _out: Outcome): Verdict {
    return FORWARD;
  }

  close(session: number): void {
    this.place[session] = ANY;
  }
}

/** Where octet `c` leads from `place`; a mismatch begins anew with the octet itself. */
function next(place: number, c: number): number {
  if (place >= MAGIC_1) return c === MAGIC[place - CHUNK] ? place + 1 : restart(c);
  if (place === BODY) return c === MAGIC[0] ? MAGIC_1 : isHex(c) ? CHUNK_SIZE : restart(c);
  if (place === CHUNK) return c === MAGIC[0] ? MAGIC_1 : restart(c);
  if (place === CHUNK_SIZE) return c === CR ? CHUNK_CR : c === LF ? ANY : CHUNK_SIZE;
  if (place === CHUNK_CR) return c === LF ? CHUNK : restart(c);
  if (c === CR) return place === SEEN_CRLF ? SEEN_CRLF_CR : SEEN_CR;
  if (c === LF && place === SEEN_CR) return SEEN_CRLF;
  if (c === LF && place === SEEN_CRLF_CR) return BODY;
  return ANY;
}

function restart(c: number): number {
  return c === CR ? SEEN_CR : ANY;
}

function isHex(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x46) || (c >= 0x61 && c <= 0x66);
}
