// The part of scapy's notation in which cases describe damaged headers, built around the TCP segment of the case:
// Ether, Dot1Q, IP(chksum, len, ihl, version, ttl, src=dst, options), IPv6 and its extension headers, TCP(sport, dport, flags).

import { ethernetFrame, flagBits, ipv4Datagram, type Ipv4Fields, ipv6Datagram, tcpSegment, type TcpFields } from './frames.ts';

interface Layer {
  readonly name: string;
  readonly args: Readonly<Record<string, string>>;
}

/** Layers of `A()/B(x=1)/(C()*9)/D()`, repeated ones written out; what is no layer (`...`) is left out. */
export function parseLayers(recipe: string): Layer[] {
  return splitTop(recipe, '/').flatMap((text) => {
    const [, inner, times] = /^\((.*)\*\s*(\d+)\)$/.exec(text.trim()) ?? [];
    if (inner !== undefined) return Array.from({ length: Number(times) }, () => parseLayers(inner)).flat();
    const [, name, args] = /^(\w+)\((.*)\)$/s.exec(text.trim()) ?? [];
    return name === undefined ? [] : [{ name, args: Object.fromEntries(splitTop(args!, ',').map((arg) => pair(arg))) }];
  });
}

function pair(text: string): [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text.trim(), ''] : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

/** Splits where no bracket is open. */
function splitTop(text: string, separator: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const c of text) {
    if (c === '(' || c === '[') depth++;
    if (c === ')' || c === ']') depth--;
    if (c === separator && depth === 0) {
      parts.push(part);
      part = '';
    } else part += c;
  }
  return part.trim() === '' ? parts : [...parts, part];
}

/** What the recipe is laid around. */
export interface Around {
  readonly link: Uint8Array;
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly tcp: TcpFields;
}

const EXTENSIONS: Readonly<Record<string, number>> = {
  IPv6ExtHdrHopByHop: 0,
  IPv6ExtHdrRouting: 43,
  IPv6ExtHdrFragment: 44,
  IPv6ExtHdrDestOpt: 60,
  IPv6ExtHdrMobility: 135,
};
const IPV6_SRC = Buffer.from('20010db8000000000000000000000007', 'hex');
const IPV6_DST = Buffer.from('20010db8000100000000000000000025', 'hex');

/** The frame that a recipe describes; throws on what is not known. */
export function buildRecipe(recipe: string, around: Around): Uint8Array {
  const layers = parseLayers(recipe);
  const unknown = layers.find(
    ({ name }) => !['Ether', 'Dot1Q', 'Dot1AD', 'IP', 'IPv6', 'TCP', 'Raw'].includes(name) && !(name in EXTENSIONS),
  );
  if (unknown !== undefined || layers.length === 0) throw new Error(`recipe not understood: ${recipe}`);
  const tags = layers.filter(({ name }) => name === 'Dot1Q' || name === 'Dot1AD');
  const link = Uint8Array.from(Buffer.concat([around.link, ...tags.map((tag, i) => tagOctets(tag, i + 1))]));
  const tcp = overrideTcp(around.tcp, layers.find(({ name }) => name === 'TCP')?.args ?? {});
  if (layers.some(({ name }) => name === 'IPv6')) return ethernetFrame(link, 0x86dd, ipv6Of(layers, tcp));
  return ethernetFrame(link, 0x0800, ipv4Of(layers.find(({ name }) => name === 'IP')?.args ?? {}, around, tcp));
}

function tagOctets({ name, args }: Layer, fallback: number): Uint8Array {
  const vlan = Number(args['vlan'] ?? fallback);
  return Uint8Array.of(name === 'Dot1Q' ? 0x81 : 0x88, name === 'Dot1Q' ? 0 : 0xa8, vlan >> 8, vlan & 0xff);
}

function overrideTcp(tcp: TcpFields, args: Readonly<Record<string, string>>): TcpFields {
  const { sport, dport, flags } = args;
  return {
    ...tcp,
    ...(sport === undefined ? {} : { srcPort: Number(sport) }),
    ...(dport === undefined ? {} : { dstPort: Number(dport) }),
    ...(flags === undefined ? {} : { flags: flagBits(flags.replace(/['"]/g, '')) }),
  };
}

function ipv4Of(args: Readonly<Record<string, string>>, { src, dst }: Around, tcp: TcpFields): Uint8Array {
  const from = args['src'] === 'dst' ? dst : src;
  const payload = tcpSegment(from, dst, tcp);
  const options = optionOctets(args['options']);
  const real = 20 + ((options.length + 3) & ~3) + payload.length;
  const fields: Ipv4Fields = { src: from, dst, protocol: 6, payload, options };
  const number = (name: string): number | undefined => (args[name] === undefined ? undefined : Number(args[name]));
  const length = args['len'];
  return ipv4Datagram({
    ...fields,
    ...(args['chksum'] === undefined ? {} : { checksum: number('chksum')! }),
    ...(args['ihl'] === undefined ? {} : { ihl: number('ihl')! }),
    ...(args['version'] === undefined ? {} : { version: number('version')! }),
    ...(args['ttl'] === undefined ? {} : { ttl: number('ttl')! }),
    ...(length === undefined ? {} : { totalLength: length.startsWith('frame') ? real + Number(length.slice(5)) : Number(length) }),
  });
}

/** IPOption_LSRR, SSRR, RR, Timestamp, Router_Alert with three octets of room or one address. */
function optionOctets(text: string | undefined): Uint8Array {
  if (text === undefined) return new Uint8Array();
  const kinds: Readonly<Record<string, number>> = { LSRR: 0x83, SSRR: 0x89, RR: 0x07, Timestamp: 0x44, Router_Alert: 0x94 };
  const kind = kinds[/IPOption_(\w+)/.exec(text)?.[1] ?? ''];
  if (kind === undefined) throw new Error(`IP option not understood: ${text}`);
  if (kind === 0x94) return Uint8Array.of(kind, 4, 0, 0);
  if (kind === 0x44) return Uint8Array.of(kind, 8, 5, 0, 0, 0, 0, 0);
  const addr = /(\d+)\.(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number) ?? [0, 0, 0, 0];
  return Uint8Array.of(kind, 7, 4, ...addr);
}

/** Extension headers of eight octets in the order given; a routing header 0 where none says otherwise. */
function ipv6Of(layers: readonly Layer[], tcp: TcpFields): Uint8Array {
  const extensions = layers.filter(({ name }) => name in EXTENSIONS);
  const types = [...extensions.map(({ name }) => EXTENSIONS[name]!), 6];
  const headers = extensions.map(({ name, args }, i) => {
    const header = new Uint8Array(8);
    header[0] = types[i + 1]!;
    if (name === 'IPv6ExtHdrRouting') header[2] = Number(args['type'] ?? 0);
    else if (name !== 'IPv6ExtHdrFragment') header.set([1, 4], 2);
    return header;
  });
  return ipv6Datagram(IPV6_SRC, IPV6_DST, types[0]!, Uint8Array.from(Buffer.concat([...headers, tcpSegment(IPV6_SRC, IPV6_DST, tcp)])));
}
