// Names that access lists use for numbers: protocols, ports, ICMP messages, precedence, type of service, DSCP.
//
// A number that has a name is printed by its name.

type Names = Readonly<Record<string, number>>;

export const PROTOCOLS: Names = {
  ahp: 51,
  eigrp: 88,
  esp: 50,
  gre: 47,
  icmp: 1,
  igmp: 2,
  igrp: 9,
  ip: -1,
  ipinip: 4,
  nos: 94,
  ospf: 89,
  pcp: 108,
  pim: 103,
  tcp: 6,
  udp: 17,
};

/** `cmd` stands before `syslog`: port 514 prints as cmd. */
export const TCP_PORTS: Names = {
  bgp: 179,
  chargen: 19,
  cmd: 514,
  daytime: 13,
  discard: 9,
  domain: 53,
  drip: 3949,
  echo: 7,
  exec: 512,
  finger: 79,
  ftp: 21,
  'ftp-data': 20,
  gopher: 70,
  hostname: 101,
  ident: 113,
  irc: 194,
  klogin: 543,
  kshell: 544,
  login: 513,
  lpd: 515,
  nntp: 119,
  'pim-auto-rp': 496,
  pop2: 109,
  pop3: 110,
  smtp: 25,
  sunrpc: 111,
  syslog: 514,
  tacacs: 49,
  talk: 517,
  telnet: 23,
  time: 37,
  uucp: 540,
  whois: 43,
  www: 80,
};

export const UDP_PORTS: Names = {
  biff: 512,
  bootpc: 68,
  bootps: 67,
  discard: 9,
  dnsix: 195,
  domain: 53,
  echo: 7,
  isakmp: 500,
  'mobile-ip': 434,
  nameserver: 42,
  'netbios-dgm': 138,
  'netbios-ns': 137,
  'netbios-ss': 139,
  'non500-isakmp': 4500,
  ntp: 123,
  'pim-auto-rp': 496,
  rip: 520,
  snmp: 161,
  snmptrap: 162,
  sunrpc: 111,
  syslog: 514,
  tacacs: 49,
  talk: 517,
  tftp: 69,
  time: 37,
  who: 513,
  xdmcp: 177,
};

/** Type << 8 | code, code 255: any. */
const ANY_CODE = 255;
const message = (type: number, code = ANY_CODE): number => (type << 8) | code;

export const ICMP_MESSAGES: Names = {
  'administratively-prohibited': message(3, 13),
  'alternate-address': message(6),
  'conversion-error': message(31),
  'dod-host-prohibited': message(3, 10),
  'dod-net-prohibited': message(3, 9),
  echo: message(8),
  'echo-reply': message(0),
  'general-parameter-problem': message(12, 0),
  'host-isolated': message(3, 8),
  'host-precedence-unreachable': message(3, 14),
  'host-redirect': message(5, 1),
  'host-tos-redirect': message(5, 3),
  'host-tos-unreachable': message(3, 12),
  'host-unknown': message(3, 7),
  'host-unreachable': message(3, 1),
  'information-reply': message(16),
  'information-request': message(15),
  'mask-reply': message(18),
  'mask-request': message(17),
  'mobile-redirect': message(32),
  'net-redirect': message(5, 0),
  'net-tos-redirect': message(5, 2),
  'net-tos-unreachable': message(3, 11),
  'net-unreachable': message(3, 0),
  'network-unknown': message(3, 6),
  'no-room-for-option': message(12, 2),
  'option-missing': message(12, 1),
  'packet-too-big': message(3, 4),
  'parameter-problem': message(12),
  'port-unreachable': message(3, 3),
  'precedence-unreachable': message(3, 15),
  'protocol-unreachable': message(3, 2),
  'reassembly-timeout': message(11, 1),
  redirect: message(5),
  'router-advertisement': message(9),
  'router-solicitation': message(10),
  'source-quench': message(4),
  'source-route-failed': message(3, 5),
  'time-exceeded': message(11),
  'timestamp-reply': message(14),
  'timestamp-request': message(13),
  traceroute: message(30),
  'ttl-exceeded': message(11, 0),
  unreachable: message(3),
};

export const PRECEDENCES: Names = {
  routine: 0,
  priority: 1,
  immediate: 2,
  flash: 3,
  'flash-override': 4,
  critical: 5,
  internet: 6,
  network: 7,
};

export const TYPES_OF_SERVICE: Names = { normal: 0, 'min-monetary-cost': 1, 'max-reliability': 2, 'max-throughput': 4, 'min-delay': 8 };

export const DSCPS: Names = {
  default: 0,
  ef: 46,
  af11: 10,
  af12: 12,
  af13: 14,
  af21: 18,
  af22: 20,
  af23: 22,
  af31: 26,
  af32: 28,
  af33: 30,
  af41: 34,
  af42: 36,
  af43: 38,
  cs1: 8,
  cs2: 16,
  cs3: 24,
  cs4: 32,
  cs5: 40,
  cs6: 48,
  cs7: 56,
};

export const TCP_FLAGS: Names = { ack: 0x10, fin: 0x01, psh: 0x08, rst: 0x04, syn: 0x02, urg: 0x20 };

/** The first name of a number, else its digits. */
export function nameOf(names: Names, value: number): string {
  return Object.keys(names).find((name) => names[name] === value) ?? String(value);
}

/** Text of an ICMP type and code, -1: any code; by name where there is one. */
export function icmpText(type: number, code: number): string {
  const value = message(type, code < 0 ? ANY_CODE : code);
  const name = Object.keys(ICMP_MESSAGES).find((candidate) => ICMP_MESSAGES[candidate] === value);
  return name ?? (code < 0 ? String(type) : `${type} ${code}`);
}

/** Type and code of a value of ICMP_MESSAGES; code -1: any. */
export function icmpOf(value: number): { type: number; code: number } {
  const code = value & 255;
  return { type: value >>> 8, code: code === ANY_CODE ? -1 : code };
}
