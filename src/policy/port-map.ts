// The system-defined port map: ports by keyword of `ip inspect name`, as `show ip port-map` lists them.
//
// Pure data, from the IANA registry of service names and ports; user-defined ports come from `ip port-map`.

import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';

export interface PortMapping {
  /** IP protocols, the main one first. */
  readonly protocols: readonly number[];
  /** Empty: every port (the generic lines). */
  readonly ports: readonly number[];
  /** Name that `ip port-map` knows it by, where it differs from the keyword. */
  readonly application?: string;
}

const TCP: readonly number[] = [PROTOCOL_TCP];
const UDP: readonly number[] = [PROTOCOL_UDP];
const BOTH: readonly number[] = [PROTOCOL_TCP, PROTOCOL_UDP];

function tcp(...ports: number[]): PortMapping {
  return { protocols: TCP, ports };
}

function udp(...ports: number[]): PortMapping {
  return { protocols: UDP, ports };
}

function both(...ports: number[]): PortMapping {
  return { protocols: BOTH, ports };
}

export const PORT_MAP: Readonly<Record<string, PortMapping>> = {
  tcp: tcp(),
  udp: udp(),
  icmp: { protocols: [PROTOCOL_ICMP], ports: [] },
  smtp: tcp(25),
  esmtp: { protocols: TCP, ports: [25], application: 'smtp' },
  ftp: tcp(21),
  http: tcp(80),
  https: tcp(443),
  pop3: tcp(110),
  pop3s: tcp(995),
  imap: tcp(143),
  imaps: tcp(993),
  imap3: tcp(220),
  nntp: tcp(119),
  ssh: tcp(22),
  telnet: tcp(23),
  telnets: tcp(992),
  login: tcp(513),
  shell: tcp(514),
  exec: tcp(512),
  rcmd: tcp(514),
  finger: tcp(79),
  gopher: tcp(70),
  ident: tcp(113),
  irc: tcp(194),
  ircs: tcp(994),
  ftps: tcp(990),
  bgp: tcp(179),
  ldap: tcp(389),
  ldaps: tcp(636),
  kerberos: both(88),
  dns: both(53),
  'netbios-ns': udp(137),
  'netbios-dgm': udp(138),
  'netbios-ssn': tcp(139),
  'microsoft-ds': tcp(445),
  lotusnote: tcp(1352),
  'ms-sql': tcp(1433),
  mysql: tcp(3306),
  oracle: tcp(1521),
  sqlnet: tcp(1521),
  sqlserv: tcp(118),
  h323: tcp(1720),
  sip: both(5060),
  skinny: tcp(2000),
  rtsp: tcp(554),
  cuseeme: udp(7648),
  netshow: tcp(1755),
  realaudio: tcp(7070),
  streamworks: udp(1558),
  vdolive: tcp(7000),
  rpc: both(111),
  tftp: udp(69),
  ntp: udp(123),
  snmp: udp(161),
  snmptrap: udp(162),
  syslog: udp(514),
  bootpc: udp(68),
  bootps: udp(67),
  isakmp: udp(500),
  l2tp: udp(1701),
  pptp: tcp(1723),
  radius: udp(1812, 1813),
  tacacs: both(49),
  time: both(37),
  echo: both(7),
  discard: both(9),
  daytime: both(13),
  chargen: both(19),
  whois: tcp(43),
  x11: tcp(6000),
  vnc: tcp(5900),
};
