// IPv4 addresses, masks and MAC addresses as the configuration writes them.  Addresses are int32 in host reading.

/** `10.0.0.1`, or undefined for anything else. */
export function parseAddress(text: string): number | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const octets = text.split('.').map(Number);
  if (octets.some((octet) => octet > 255)) return undefined;
  return octets.reduce((sum, octet) => (sum << 8) | octet, 0);
}

export function formatAddress(addr: number): string {
  return `${addr >>> 24}.${(addr >>> 16) & 255}.${(addr >>> 8) & 255}.${addr & 255}`;
}

/** Number of leading ones of a mask, or undefined when the ones are not contiguous. */
export function prefixLengthOf(mask: number): number | undefined {
  const length = Math.clz32(~mask);
  return maskOf(length) === (mask | 0) ? length : undefined;
}

/** Mask of a prefix of 0 to 32 bits. */
export function maskOf(length: number): number {
  return length === 0 ? 0 : (-1 << (32 - length)) | 0;
}

/** `0200.0000.0110` in lower case, or undefined. */
export function parseMac(text: string): string | undefined {
  return /^[0-9a-f]{1,4}(\.[0-9a-f]{1,4}){2}$/i.test(text)
    ? text
        .split('.')
        .map((part) => part.toLowerCase().padStart(4, '0'))
        .join('.')
    : undefined;
}
