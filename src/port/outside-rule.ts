// Who is outside, as the user names it: `--outside MAC|CIDR`.

/** An outside sender: a MAC address, or an IPv4 or IPv6 prefix as words and its length in bits. */
export type OutsideRule =
  | { readonly kind: 'mac'; readonly high: number; readonly low: number }
  | { readonly kind: 'prefix'; readonly words: readonly number[]; readonly bits: number };

/** Parses `--outside MAC|CIDR` (0200.0000.0101, 02:00:00:00:01:01, 10.0.0.0/8, 2001:db8::/32); null when it is neither. */
export function parseOutside(text: string): OutsideRule | null {
  return parseMac(text) ?? parsePrefix(text);
}

function parseMac(text: string): OutsideRule | null {
  const isMac = /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text) || /^([0-9a-f]{4}\.){2}[0-9a-f]{4}$/i.test(text);
  if (!isMac) return null;
  const digits = text.replace(/[:.-]/g, '');
  return { kind: 'mac', high: Number.parseInt(digits.slice(0, 4), 16), low: Number.parseInt(digits.slice(4), 16) | 0 };
}

function parsePrefix(text: string): OutsideRule | null {
  const [address = '', length, rest] = text.split('/');
  const words = address.includes(':') ? ipv6Words(address) : ipv4Words(address);
  if (words === null || rest !== undefined) return null;
  const most = words.length * 32;
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : -1;
  return bits < 0 || bits > most ? null : { kind: 'prefix', words, bits };
}

function ipv4Words(text: string): number[] | null {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return null;
  const octets = text.split('.').map(Number);
  return octets.some((octet) => octet > 255) ? null : [octets.reduce((word, octet) => (word << 8) | octet, 0)];
}

function ipv6Words(text: string): number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const [head = [], tail] = groups;
  const zeros = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? zeros !== 0 : zeros < 1) return null;
  const all = [...head, ...Array<string>(zeros).fill('0'), ...(tail ?? [])];
  if (all.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return null;
  const numbers = all.map((group) => Number.parseInt(group, 16));
  return [0, 2, 4, 6].map((i) => (numbers[i]! << 16) | numbers[i + 1]!);
}
