// Sequence number arithmetic modulo 2^32 on int32 values.  RFC 9293 section 3.4.
//
// A sequence number is the int32 that DataView.getInt32 reads; its sign means nothing.  Comparisons are right for
// distances below 2^31.  Print with `>>> 0`.

/** b - a as a signed distance. */
export function distance(a: number, b: number): number {
  return (b - a) | 0;
}

export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

export function after(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

export function atOrBefore(a: number, b: number): boolean {
  return ((a - b) | 0) <= 0;
}

/** The later of two sequence numbers. */
export function later(a: number, b: number): number {
  return ((a - b) | 0) >= 0 ? a : b;
}

/** The earlier of two sequence numbers. */
export function earlier(a: number, b: number): number {
  return ((a - b) | 0) <= 0 ? a : b;
}

/** first <= value < first + size, size below 2^31. */
export function inWindow(value: number, first: number, size: number): boolean {
  const d = (value - first) | 0;
  return d >= 0 && d < size;
}
