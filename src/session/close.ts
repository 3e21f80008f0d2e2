// The closed list: sessions that ended while the path worked on something else (a reset, both FINs acknowledged, an
// inspector's verdict).  path.ts takes them off after the frame at hand, frees their stream and inspector state and
// removes them from the table; nobody below the path removes a session himself.

export class ClosedList {
  readonly sessions: Int32Array;
  count = 0;
  private readonly listed: Uint8Array;

  constructor(capacity: number) {
    this.sessions = new Int32Array(capacity);
    this.listed = new Uint8Array(capacity);
  }

  /** Puts a session on the list once. */
  add(session: number): void {
    if (this.listed[session] !== 0) return;
    this.listed[session] = 1;
    this.sessions[this.count++] = session;
  }

  /** Takes the last one off, or -1. */
  take(): number {
    if (this.count === 0) return -1;
    const session = this.sessions[--this.count]!;
    this.listed[session] = 0;
    return session;
  }
}
