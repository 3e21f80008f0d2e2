// The rules of virtual reassembly said slowly, for one key: lists and whole comparisons, no list of pieces in order, no hashes.

export interface Piece {
  /** Range in the payload of the datagram, octets. */
  readonly from: number;
  readonly to: number;
  readonly more: boolean;
  /** Other octets than the datagram has there. */
  readonly forged?: boolean;
}

export const HELD = 'held';
export const MERGES = 'merged';

export class FragmentModel {
  /** The pieces of the datagram that became whole last, in order. */
  merged: Piece[] = [];
  readonly held: Piece[] = [];
  refused = '';

  /** What becomes of the next piece: HELD, MERGES, or the name of the reason for which it is dropped. */
  give(piece: Piece): string {
    if (this.refused !== '') return this.refused;
    if (piece.from === piece.to || (piece.more && (piece.to - piece.from) % 8 !== 0)) return this.refuse('ip.frag-badlen');
    if (this.held.some((other) => isCopy(piece, other))) return 'ip.frag-dup';
    if (this.clashes(piece)) return this.refuse('ip.frag-overlap');
    this.held.push(piece);
    const total = this.held.find((other) => !other.more)?.to;
    if (total === undefined || this.held.reduce((sum, other) => sum + other.to - other.from, 0) !== total) return HELD;
    this.merged = this.held.splice(0).sort((a, b) => a.from - b.from);
    return MERGES;
  }

  private clashes(piece: Piece): boolean {
    const last = this.held.find((other) => !other.more);
    return (
      this.held.some((other) => other.from < piece.to && piece.from < other.to) ||
      (last !== undefined && (!piece.more || piece.to > last.to)) ||
      (!piece.more && this.held.some((other) => other.to > piece.to))
    );
  }

  private refuse(reason: string): string {
    this.held.length = 0;
    this.refused = reason;
    return reason;
  }
}

function isCopy(a: Piece, b: Piece): boolean {
  return a.from === b.from && a.to === b.to && a.more === b.more && (a.forged ?? false) === (b.forged ?? false);
}

/** The octets of a piece of `whole`. */
export function payloadOf(piece: Piece, whole: Uint8Array): Uint8Array {
  const payload = whole.slice(piece.from, piece.to);
  if (piece.forged === true) payload[payload.length - 1]! ^= 0x55;
  return payload;
}
