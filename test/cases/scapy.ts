// The part of scapy's notation in which cases describe damaged headers, built around the TCP segment of the case:
// Ether, Dot1Q, LLC, SNAP, IP, IPv6 and its extension headers, TCP, with the arguments of ARGUMENTS.  What is not understood is an error.

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
/** What is honoured of each layer; addresses of IPv6 and of a routing header change nothing that a case asks for. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  Ether: [],
  Dot1Q: ['vlan', 'prio'],
  Dot1AD: ['vlan'],
  LLC: [],
  SNAP: [],
  IP: ['src', 'dst', 'chksum', 'ihl', 'version', 'ttl', 'len', 'id', 'flags', 'frag', 'options'],
  IPv6: ['src', 'dst', 'hlim'],
  IPv6ExtHdrHopByHop: ['options'],
  IPv6ExtHdrRouting: ['type', 'addresses', 'segleft'],
  IPv6ExtHdrFragment: ['m', 'offset', 'id', 'nh'],
  IPv6ExtHdrDestOpt: ['options', 'nh'],
  IPv6ExtHdrMobility: [],
  TCP: ['sport', 'dport', 'flags', 'dataofs', 'reserved', 'urgptr', 'window', 'chksum'],
  Raw: [],
};
const IPV6_SRC = Buffer.from('20010db8000000000000000000000007', 'hex');
const IPV6_DST = Buffer.from('20010db8000100000000000000000025', 'hex');

/** The frame that a recipe describes; throws on what is not known. */
export function buildRecipe(recipe: string, around: Around): Uint8Array {
  const layers = parseLayers(recipe);
  const isKnown = ({ name, args }: Layer): boolean => Object.keys(args).every((arg) => ARGUMENTS[name]?.includes(arg));
  if (layers.length === 0 || layers.some((layer) => !(layer.name in ARGUMENTS) || !isKnown(layer)))
    throw new Error(`recipe not understood: ${recipe}`);
  const tags = layers.filter(({ name }) => name === 'Dot1Q' || name === 'Dot1AD');
  const link = Uint8Array.from(Buffer.concat([around.link, ...tags.map((tag, i) => tagOctets(tag, i + 1))]));
  const tcp = overrideTcp(around.tcp, layers.find(({ name }) => name === 'TCP')?.args ?? {});
  const isIpv6 = layers.some(({ name }) => name === 'IPv6');
  const type = isIpv6 ? 0x86dd : 0x0800;
  const datagram = isIpv6 ? ipv6Of(layers, tcp) : ipv4Of(layers.find(({ name }) => name === 'IP')?.args ?? {}, around, tcp);
  if (!layers.some(({ name }) => name === 'LLC' || name === 'SNAP')) return ethernetFrame(link, type, datagram);
  const snap = Buffer.concat([Buffer.from('aaaa03000000', 'hex'), Uint8Array.of(type >> 8, type & 0xff), datagram]);
  return ethernetFrame(link, snap.length, Uint8Array.from(snap));
}

function tagOctets({ name, args }: Layer, fallback: number): Uint8Array {
  const vlan = Number(args['vlan'] ?? fallback);
  return Uint8Array.of(name === 'Dot1Q' ? 0x81 : 0x88, name === 'Dot1Q' ? 0 : 0xa8, vlan >> 8, vlan & 0xff);
}

function overrideTcp(tcp: TcpFields, args: Readonly<Record<string, string>>): TcpFields {
  const { sport, dport, flags, dataofs, reserved, urgptr, window, chksum } = args;
  return {
    ...tcp,
    ...(sport === undefined ? {} : { srcPort: Number(sport) }),
    ...(dport === undefined ? {} : { dstPort: Number(dport) }),
    ...(flags === undefined ? {} : { flags: flagBits(unquoted(flags)) }),
    ...(dataofs === undefined ? {} : { dataOffset: Number(dataofs) }),
    ...(reserved === undefined ? {} : { reserved: Number(reserved) }),
    ...(urgptr === undefined ? {} : { urgent: Number(urgptr) }),
    ...(window === undefined ? {} : { window: Number(window) }),
    ...(chksum === undefined ? {} : { badChecksum: true }),
  };
}

function unquoted(text: string): string {
  return text.replace(/['"]/g, '');
}

/** DF and MF by name, and the offset in units of eight octets. */
function flagsOffset(args: Readonly<Record<string, string>>): number {
  const names = unquoted(args['flags'] ?? '').split('+');
  return (names.includes('DF') ? 0x4000 : 0) | (names.includes('MF') ? 0x2000 : 0) | Number(args['frag'] ?? 0);
}

function ipv4Of(args: Readonly<Record<string, string>>, { src, dst }: Around, tcp: TcpFields): Uint8Array {
  const address = (text: string | undefined, own: Uint8Array): Uint8Array =>
    text === undefined ? own : text === 'dst' ? dst : text === 'src' ? src : Uint8Array.from(unquoted(text).split('.'), Number);
  const from = address(args['src'], src);
  const to = address(args['dst'], dst);
  const payload = tcpSegment(from, to, tcp);
  const options = optionOctets(args['options']);
  const real = 20 + ((options.length + 3) & ~3) + payload.length;
  const fields: Ipv4Fields = { src: from, dst: to, protocol: 6, payload, options, flagsOffset: flagsOffset(args) };
  const number = (name: string): number | undefined => (args[name] === undefined ? undefined : Number(args[name]));
  const length = args['len'];
  return ipv4Datagram({
    ...fields,
    ...(args['chksum'] === undefined ? {} : { checksum: number('chksum')! }),
    ...(args['ihl'] === undefined ? {} : { ihl: number('ihl')! }),
    ...(args['version'] === undefined ? {} : { version: number('version')! }),
    ...(args['id'] === undefined ? {} : { id: number('id')! }),
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
  const hasTcp = layers.at(-1)!.name === 'TCP' || layers.at(-1)!.name === 'Raw';
  const types = [...extensions.map(({ name }) => EXTENSIONS[name]!), hasTcp ? 6 : NO_NEXT];
  const headers = extensions.map((layer, i) => extensionOf(layer, Number(layer.args['nh'] ?? types[i + 1]!)));
  const payload = hasTcp ? [tcpSegment(IPV6_SRC, IPV6_DST, tcp)] : [];
  return ipv6Datagram(IPV6_SRC, IPV6_DST, types[0]!, Uint8Array.from(Buffer.concat([...headers, ...payload])));
}

const NO_NEXT = 59;

function extensionOf({ name, args }: Layer, next: number): Uint8Array {
  const header = new Uint8Array(8);
  header[0] = next;
  const v = new DataView(header.buffer);
  if (name === 'IPv6ExtHdrRouting') header[2] = Number(args['type'] ?? 0);
  else if (name === 'IPv6ExtHdrFragment') {
    v.setUint16(2, (Number(args['offset'] ?? 0) << 3) | Number(args['m'] ?? 0));
    v.setUint32(4, Number(args['id'] ?? 0));
  } else if (name !== 'IPv6ExtHdrMobility') {
    // One option that fills the header: PadN, or the one that the recipe names.
    const type = /otype\s*=\s*(\w+)/.exec(args['options'] ?? '')?.[1];
    if (args['options'] !== undefined && type === undefined) throw new Error(`IPv6 option not understood: ${args['options']}`);
    header.set([type === undefined ? 1 : Number(type), 4], 2);
  }
  return header;
}
