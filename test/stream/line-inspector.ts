// A small inspector for tests of the stream.  Direction 0 is read as lines that end in CR LF:
//   BAD...    every octet but the line end becomes x, from the fourth octet on at once
//   SYNC...   what follows the line waits until the other side has sent a line
//   RST!...   resets; the line does not leave
//   OPEN...   opaque behind the line
//   TIME...   held until 100 ms later, or until the next line ends
// A CR is kept back until the next octet.  Direction 1 is passed on; each of its line ends wakes direction 0.
// expected() is the same on a whole string.

import {
  FORWARD,
  HOLD,
  IGNORE,
  type Inspector,
  type InspectorPolicy,
  type Outcome,
  RESET,
  type Verdict,
} from '../../src/inspect/inspector.ts';
import { CMD_ILLEGAL } from '../../src/telemetry/reasons.ts';

const CR = 13;
const LF = 10;
const X = 0x78;
const WORDS = ['BAD', 'SYNC', 'RST!', 'OPEN', 'TIME'];

interface State {
  head: string;
  kind: string;
  lineStart: number;
  heldFrom: number;
  cr: boolean;
  waiting: boolean;
}

export class LineInspector implements Inspector {
  readonly declare = { keywords: ['line'], ports: [] };
  calls = 0;
  opened = 0;
  private readonly states = new Map<number, State>();

  open(session: number, _policy: InspectorPolicy, _now: number): void {
    this.opened++;
    this.states.set(session, { head: '', kind: '', lineStart: 0, heldFrom: -1, cr: false, waiting: false });
  }

  scan(
    session: number,
    direction: number,
    octets: Uint8Array,
    from: number,
    to: number,
    position: number,
    now: number,
    out: Outcome,
  ): Verdict {
    this.calls++;
    const state = this.states.get(session)!;
    return direction === 0 ? scanLines(state, octets, from, to, position, now, out) : scanReplies(state, octets, from, to, position, out);
  }

  end(_session: number, _direction: number, position: number, _now: number, out: Outcome): Verdict {
    out.releaseTo = position;
    return FORWARD;
  }

  expire(session: number, _now: number, out: Outcome): Verdict {
    const state = this.states.get(session)!;
    out.releaseTo = state.lineStart;
    state.heldFrom = -1;
    return FORWARD;
  }

  close(session: number): void {
    this.opened--;
    this.states.delete(session);
  }
}

function scanReplies(state: State, octets: Uint8Array, from: number, to: number, position: number, out: Outcome): Verdict {
  for (let i = from; i < to; i++) {
    if (octets[i] !== LF || !state.waiting) continue;
    state.waiting = false;
    out.wakeOther = true;
    out.consumed = i + 1 - from;
    out.releaseTo = position + out.consumed;
    return FORWARD;
  }
  out.consumed = to - from;
  out.releaseTo = position + out.consumed;
  return FORWARD;
}

function scanLines(state: State, octets: Uint8Array, from: number, to: number, position: number, now: number, out: Outcome): Verdict {
  if (state.waiting) return HOLD;
  for (let i = from; i < to; i++) {
    const verdict = octet(state, octets[i]!, position + i - from, now, out);
    if (verdict === FORWARD) continue;
    out.consumed = i + 1 - from;
    out.releaseTo = verdict === RESET ? state.lineStart : position + out.consumed;
    return verdict;
  }
  out.consumed = to - from;
  const at = position + out.consumed;
  out.releaseTo = Math.min(state.heldFrom === -1 ? at : state.heldFrom, state.kind === '' ? state.lineStart : state.cr ? at - 1 : at);
  return out.releaseTo === at ? FORWARD : HOLD;
}

function octet(state: State, value: number, at: number, now: number, out: Outcome): Verdict {
  if (state.cr) {
    state.cr = false;
    if (value === LF) return endLine(state, at, now, out);
    if (state.kind === 'BAD') out.edit(at - 1, at, X);
  }
  if (value === CR) {
    state.cr = true;
    if (state.kind === '') state.kind = 'plain';
    return FORWARD;
  }
  if (state.kind === '') {
    state.head += String.fromCharCode(value);
    if (WORDS.includes(state.head)) {
      state.kind = state.head;
      if (state.kind === 'BAD') {
        out.edit(state.lineStart, at + 1, X);
        out.event(CMD_ILLEGAL, at, new Uint8Array(0), 0, 0);
      }
      if (state.kind === 'RST!') {
        out.reason = CMD_ILLEGAL;
        return RESET;
      }
    } else if (!WORDS.some((word) => word.startsWith(state.head))) {
      state.kind = 'plain';
    }
  } else if (state.kind === 'BAD') {
    out.edit(at, at + 1, X);
  }
  return FORWARD;
}

function endLine(state: State, at: number, now: number, out: Outcome): Verdict {
  const { kind } = state;
  state.heldFrom = -1;
  if (kind === 'TIME') {
    state.heldFrom = state.lineStart;
    out.hasDeadline = true;
    out.deadline = now + 100;
  }
  state.kind = '';
  state.head = '';
  state.lineStart = at + 1;
  if (kind === 'SYNC') {
    state.waiting = true;
    return HOLD;
  }
  return kind === 'OPEN' ? IGNORE : FORWARD;
}

/** What leaves of `sent` in the end, when every SYNC is answered; `reset` when a line resets. */
export function expected(sent: string): { readonly text: string; readonly reset: boolean } {
  let text = '';
  let rest = sent;
  while (rest !== '') {
    const end = rest.indexOf('\r\n');
    const line = end < 0 ? rest : rest.slice(0, end);
    const behind = end < 0 ? '' : '\r\n';
    if (line.startsWith('RST!')) return { text, reset: true };
    text += (line.startsWith('BAD') ? 'x'.repeat(line.length) : line) + behind;
    rest = end < 0 ? '' : rest.slice(end + 2);
    if (line.startsWith('OPEN') && end >= 0) return { text: text + rest, reset: false };
  }
  return { text, reset: false };
}
