// Words of the `ip inspect` commands: protocols and help texts.

import { PORT_MAP } from '../../policy/port-map.ts';

/** Help texts of protocols that take no keywords of their own; the others of the port map get a plain one. */
const PROTOCOL_HELP: Readonly<Record<string, string>> = {
  cuseeme: 'CUSeeMe Protocol',
  dns: 'Domain Name Server',
  ftp: 'File Transfer Protocol',
  https: 'Secure Hypertext Transfer Protocol',
  netshow: 'Microsoft NetShow Protocol',
  ntp: 'Network Time Protocol',
  rcmd: 'R commands (r-exec, r-login, r-sh)',
  realaudio: 'Real Audio Protocol',
  rtsp: 'Real Time Streaming Protocol',
  sip: 'SIP Protocol',
  skinny: 'Skinny Client Control Protocol',
  snmp: 'Simple Network Management Protocol',
  sqlnet: 'SQL Net Protocol',
  ssh: 'SSH Remote Login Protocol',
  streamworks: 'StreamWorks Protocol',
  syslog: 'Syslog',
  telnet: 'Telnet',
  tftp: 'TFTP Protocol',
  vdolive: 'VDOLive Protocol',
};

const OWN_SYNTAX = ['tcp', 'udp', 'icmp', 'h323', 'smtp', 'esmtp', 'imap', 'pop3', 'http', 'rpc'];

/** Protocols whose lines take the common options only. */
export const PLAIN_PROTOCOLS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(PORT_MAP)
    .filter((keyword) => !OWN_SYNTAX.includes(keyword))
    .map((keyword) => [keyword, PROTOCOL_HELP[keyword] ?? `${keyword} Protocol`]),
);

/** Protocols that also take `router-traffic`. */
export const ROUTER_PROTOCOLS = {
  h323: 'H.323 Protocol',
  icmp: 'ICMP Protocol',
  tcp: 'Transmission Control Protocol',
  udp: 'User Datagram Protocol',
};
export const MAIL_PROTOCOLS = { esmtp: 'Extended SMTP', smtp: 'Simple Mail Transfer Protocol' };
export const MAILBOX_PROTOCOLS = { imap: 'IMAP Protocol', pop3: 'POP3 Protocol' };

/** What `ip port-map` takes. */
export const MAPPED_APPLICATIONS = { ...PLAIN_PROTOCOLS, ...MAIL_PROTOCOLS, ...MAILBOX_PROTOCOLS, http: 'HTTP Protocol' };

export const WORDS: Readonly<Record<string, string>> = {
  inspect: 'Context-based Access Control Engine',
  name: 'Specify an inspection rule',
  parameter: 'Specify inspection parameters',
  'max-sessions': 'Maximum number of established sessions',
  http: 'HTTP Protocol',
  'java-list': 'Specify a standard access-list to apply the Java blocking',
  urlfilter: 'Specify URL filtering for HTTP traffic',
  rpc: 'Remote Procedure Call Protocol',
  'program-number': 'Specify a program number',
  'wait-time': 'Specify wait-time in minutes',
  fragment: 'IP fragment inspection',
  maximum: 'Maximum number of unassembled packets with state',
  reset: 'Reset the connection on an invalid command',
  'secure-login': 'Use secure login',
  alert: 'Turn on/off alert',
  'audit-trail': 'Enable the logging of session information (addresses and bytes)',
  'max-data': 'Maximum number of bytes of one mail session',
  timeout: 'Specify the inactivity timeout time',
  'router-traffic': 'Enable inspection of sessions to/from the router',
  policy: 'Apply a policy-map of type inspect esmtp',
  'alert-off': 'Disable alert',
  tcp: 'Config timeout values and options for tcp',
  udp: 'Config timeout values for udp flows',
  'synwait-time': 'Specify timeout for TCP connections after SYN and before it is established',
  'finwait-time': 'Specify timeout for TCP connections after a FIN',
  'idle-time': 'Specify idle timeout',
  'dns-timeout': 'Specify timeout for DNS',
  'max-incomplete': 'Specify maximum number of incomplete connections before clamping',
  high: 'Specify high-watermark for clamping',
  low: 'Specify low-watermark for clamping',
  'one-minute': 'Specify one-minute-sample watermarks for clamping',
  host: 'Specify per host clamping',
  'block-time': 'Specify blocking time in minutes',
  'hashtable-size': 'Specify size of hashtable',
  reassembly: 'Set TCP reassembly parameters',
  queue: 'Set reassembly queue parameters',
  length: 'Number of out-of-order segments in each queue',
  memory: 'Set memory parameters',
  limit: 'Memory limit of all queues in kilobytes',
  alarm: 'Turn on/off reassembly alarms',
  'window-scale-enforcement': 'Window scale enforcement',
  loose: 'Disable window scale enforcement',
  'block-non-session': 'Block TCP packets that do not belong to a session',
  log: 'Inspect packet logging',
  'drop-pkt': 'Enable the logging of dropped packets',
  'L2-transparent': 'Transparent mode commands',
  'dhcp-passthrough': 'Allow DHCP messages without inspection',
  source: 'Limits for each source address',
  rate: 'New sessions of one source in a minute',
  store: 'Limits of the stores',
  fragments: 'Octets that fragments may occupy, all interfaces together',
  emitted: 'Octets of one direction that were sent and are not acknowledged',
  total: 'Octets of all sessions together',
  'out-of-order': 'Octets of one direction that wait behind a hole',
  synchronising: 'Octets of one direction that wait for the other',
  'synchronising-timeout': 'Seconds for which octets may wait for the other direction',
  'port-map': 'Port to application mapping (PAM) configuration commands',
  port: 'Port number',
  list: 'Standard access-list of the hosts that the mapping is for',
};
