// Units of the commands into those of the data plane.

const MOST = 0x7fffffff;

/** Seconds to milliseconds, at most what an int32 holds (24.8 days). */
export function milliseconds(seconds: number): number {
  return Math.min(seconds * 1000, MOST);
}

/** `aabb.ccdd.eeff` to its high 16 and low 32 bits (int32). */
export function macParts(mac: string): readonly [high: number, low: number] {
  const digits = mac.replaceAll(/[^0-9a-f]/gi, '').padStart(12, '0');
  return [Number.parseInt(digits.slice(0, 4), 16), Number.parseInt(digits.slice(4), 16) | 0];
}
