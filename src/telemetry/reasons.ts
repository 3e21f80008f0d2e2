// The one list of causes.  Every dropped frame has exactly one of them; every event of an inspector or normaliser is
// named by one of them.  The list feeds the counters, the texts of %FW-6-DROP_PKT, metric labels and documentation.
//
// A constant is the row number of its entry in REASONS (a test holds them together).  They are literals, not read
// from the table, so that V8 folds them inside a bundled module.  Add new ones at the end: numbers never leave the
// process, names do.
//
// Not here: what the reason did (counters.ts) and how it is printed (console/).

/** Row number in REASONS.  0 is "none": the frame lives. */
export type Reason = number;

/** `drop`: the frame does not leave.  `warning`: something was changed or refused.  `info`: worth a line, nothing changed. */
export type ReasonLevel = 'none' | 'info' | 'warning' | 'drop';

export interface ReasonEntry {
  /** Dotted name, as in logs, `--json` and metric labels. */
  readonly name: string;
  readonly level: ReasonLevel;
  /** What %FW-6-DROP_PKT prints behind `due to` (IOS words where IOS has them). */
  readonly text: string;
  /** One sentence for documentation. */
  readonly meaning: string;
}

export const OK = 0;
export const FRAME_TRUNCATED = 1;
export const FRAME_NOT_FOR_US = 2;
export const FRAME_NO_SLOT = 3;
export const FRAME_UNSUPPORTED_ETHERTYPE = 4;
export const VLAN_TOO_DEEP = 5;
export const VLAN_NO_SUBINTERFACE = 6;
export const ARP_MALFORMED = 7;
export const ARP_UNRESOLVED = 8;
export const ARP_SPOOFED = 9;
export const IP_BAD_VERSION = 10;
export const IP_BAD_HEADER_LENGTH = 11;
export const IP_BAD_LENGTH = 12;
export const IP_BAD_CHECKSUM = 13;
export const IP_OPTIONS = 14;
export const IP_LAND = 15;
export const IP_MARTIAN = 16;
export const IP_TTL_EXCEEDED = 17;
export const IP_FOR_US = 18;
export const IP_BROADCAST = 19;
export const IP_FRAG_OVERLAP = 20;
export const IP_FRAG_DUP = 21;
export const IP_FRAG_TINY = 22;
export const IP_FRAG_OVERSIZE = 23;
export const IP_FRAG_BADLEN = 24;
export const IP_FRAG_LIMIT = 25;
export const IP_FRAG_TIMEOUT = 26;
export const IP_FRAG_DENIED = 27;
export const IP6_NOT_ROUTED = 28;
export const IP6_NO_POLICY = 29;
export const IP6_EXT_ILLEGAL = 30;
export const IP6_BAD_LENGTH = 31;
export const ICMP_MALFORMED = 32;
export const ICMP_BAD_CHECKSUM = 33;
export const ICMP_UNSOLICITED = 34;
export const ICMP_BAD_INNER = 35;
export const ICMP_MTU_FLOOR = 36;
export const UDP_BAD_LENGTH = 37;
export const TCP_TRUNCATED = 38;
export const TCP_BAD_OFFSET = 39;
export const TCP_BAD_CHECKSUM = 40;
export const TCP_BAD_FLAGS = 41;
export const TCP_BAD_OPTION = 42;
export const TCP_OPTION_STRIPPED = 43;
export const TCP_RESERVED_BITS = 44;
export const TCP_URGENT = 45;
export const TCP_OVERLAP_MISMATCH = 46;
export const TCP_OLD_DATA = 47;
export const TCP_OUT_OF_WINDOW = 48;
export const TCP_ZERO_WINDOW_PROBE = 49;
export const TCP_RST_INVALID = 50;
export const TCP_DATA_AFTER_FIN = 51;
export const TCP_CLOSED = 52;
export const TCP_SYN_DATA = 53;
export const TCP_SYN_IN_ESTABLISHED = 54;
export const TCP_SYN_MISMATCH = 55;
export const TCP_SPLIT_HANDSHAKE = 56;
export const TCP_HANDSHAKE = 57;
export const TCP_MIDSTREAM = 58;
export const TCP_ACK_UNSEEN = 59;
export const TCP_PAWS = 60;
export const TCP_TS_MISSING = 61;
export const TCP_OOO_LIMIT = 62;
export const TCP_OOO_TIMEOUT = 63;
export const TCP_STORE_FULL = 64;
export const TCP_SYNC_LIMIT = 65;
export const TCP_WINDOW_SCALE = 66;
export const SESSION_TABLE_FULL = 67;
export const SESSION_MAX_SESSIONS = 68;
export const SESSION_ENDED = 69;
export const SESSION_BLOCKED_HOST = 70;
export const FLOOD_HALF_OPEN = 71;
export const FLOOD_PER_HOST = 72;
export const FLOOD_PER_SOURCE = 73;
export const FLOOD_RATE = 74;
export const ACL_DENIED = 75;
export const NAT_NO_ADDRESS = 76;
export const NAT_LIMIT = 77;
export const NAT_UNTRANSLATABLE = 78;
export const ROUTE_NONE = 79;
export const ROUTE_INTERFACE_DOWN = 80;
export const ROUTE_SAME_INTERFACE = 81;
export const TX_TOO_BIG = 82;
export const TX_NO_BUFFER = 83;
export const TX_LINK_DOWN = 84;
export const TX_ERROR = 85;
export const BRIDGE_NO_PAIR = 86;
export const BRIDGE_STRICT = 87;
export const BRIDGE_TYPE_LIST = 88;
export const INSPECT_RESET = 89;
export const INSPECT_MAX_DATA = 90;
export const HTTP_JAVA_BLOCK = 91;
export const CMD_ILLEGAL = 92;
export const CMD_SYNTAX = 93;
export const CMD_CONTROL_CHAR = 94;
export const CMD_BARE_NEWLINE = 95;
export const CMD_8BIT = 96;
export const CMD_TOO_LONG = 97;
export const CMD_EMPTY = 98;
export const CMD_NOT_OFFERED = 99;
export const CMD_LATE_MASK = 100;
export const ADDR_PIPE = 101;
export const ADDR_EXPANSION = 102;
export const ADDR_SYNTAX = 103;
export const ADDR_TOO_LONG = 104;
export const ADDR_SOURCE_ROUTE = 105;
export const ADDR_ROUTE_CHAR = 106;
export const ADDR_NO_BRACKETS = 107;
export const ADDR_UNQUALIFIED = 108;
export const PARAM_SYNTAX = 109;
export const PARAM_NOT_NEGOTIATED = 110;
export const RCPT_LIMIT = 111;
export const RCPT_INVALID_LIMIT = 112;
export const SYNC_EARLY = 113;
export const SYNC_VIOLATION = 114;
export const PIPELINE_NOT_OFFERED = 115;
export const DATA_EOD_LOOKALIKE = 116;
export const DATA_BARE_NEWLINE = 117;
export const DATA_NUL = 118;
export const DATA_LINE_TOO_LONG = 119;
export const SIG_3101 = 120;
export const SIG_3102 = 121;
export const SIG_3104 = 122;
export const SIG_3105 = 123;
export const SIG_3107 = 124;
export const HEADER_LINE_TOO_LONG = 125;
export const HEADER_HOP_COUNT = 126;
export const MIME_FILENAME_TOO_LONG = 127;
export const BDAT_SYNTAX = 128;
export const AUTH_SYNTAX = 129;
export const STARTTLS_INJECTION = 130;
export const TLS_NOT_HANDSHAKE = 131;
export const EHLO_MASKED = 132;
export const BANNER_MASKED = 133;
export const REPLY_SYNTAX = 134;
export const REPLY_UNSOLICITED = 135;
export const REPLY_DESYNC = 136;
export const REPLY_EARLY_DATA = 137;
export const REPLY_TOO_LONG = 138;
export const REPLY_BARE_NEWLINE = 139;
export const TIME_LINE = 140;
export const TIME_DATA_IDLE = 141;
export const ESMTP_POLICY_LOG = 142;
export const ESMTP_POLICY_RESET = 143;

function entry(name: string, level: ReasonLevel, text: string, meaning: string): ReasonEntry {
  return { name, level, text, meaning };
}

/** Indexed by Reason. */
export const REASONS: readonly ReasonEntry[] = [
  entry('none', 'none', '', 'the frame lives'),
  entry('frame.truncated', 'drop', 'Frame cut short', 'the frame is shorter than its headers say, or the capture cut it (snap length)'),
  entry(
    'frame.not-for-us',
    'drop',
    'Not addressed to this interface',
    'routed: the destination MAC is neither ours, broadcast nor multicast',
  ),
  entry('frame.no-slot', 'drop', 'Internal Error', 'no free slot in the region: the arena is full'),
  entry('frame.unsupported-ethertype', 'drop', 'Invalid Protocol', 'routed: neither ARP, IPv4 nor IPv6'),
  entry('vlan.too-deep', 'drop', 'Invalid Protocol', 'more than two tags in strict bridge mode, or IP under them'),
  entry('vlan.no-subinterface', 'drop', 'Invalid Protocol', 'routed: a tagged frame, and there are no subinterfaces'),
  entry('arp.malformed', 'drop', 'Invalid ARP', 'wrong hardware or protocol type, size or operation'),
  entry('arp.unresolved', 'drop', 'Next hop unresolved', 'no ARP reply within the time, or too many datagrams waiting for it'),
  entry('arp.spoofed', 'drop', 'Invalid ARP', 'an ARP message that claims one of our own addresses'),
  entry('ip.bad-version', 'drop', 'Invalid Header length', 'version is not the one that the EtherType says'),
  entry('ip.bad-header-length', 'drop', 'Invalid Header length', 'IHL below five or beyond the datagram'),
  entry('ip.bad-length', 'drop', 'Invalid Header length', 'total length below the header or beyond the frame'),
  entry('ip.bad-checksum', 'drop', 'Invalid Header checksum', 'IPv4 header checksum'),
  entry('ip.options', 'drop', 'IP options', 'IPv4 options'),
  entry('ip.land', 'drop', 'Land attack', 'source address equals destination address'),
  entry('ip.martian', 'drop', 'Martian source', 'a source address that cannot be a source, or is ours, or belongs on another interface'),
  entry('ip.ttl-exceeded', 'drop', 'TTL exceeded', 'TTL reached zero here'),
  entry('ip.for-us', 'drop', 'Unsupported service', 'a datagram for one of our addresses that nothing here answers'),
  entry('ip.broadcast', 'drop', 'Directed broadcast', 'a broadcast or multicast destination is not routed'),
  entry('ip.frag-overlap', 'drop', 'Overlapping fragments', 'two fragments of a datagram overlap with different ends or content'),
  entry('ip.frag-dup', 'drop', 'Duplicate fragment', 'an exact copy of a fragment that is held'),
  entry('ip.frag-tiny', 'drop', 'Tiny fragment', 'the first fragment does not hold the whole transport header, or one starts inside it'),
  entry('ip.frag-oversize', 'drop', 'Invalid fragment length', 'the fragments add up to more than 65,535 octets'),
  entry(
    'ip.frag-badlen',
    'drop',
    'Invalid fragment length',
    'a fragment of no octets, or one before the last whose length is not a multiple of eight',
  ),
  entry('ip.frag-limit', 'drop', 'Fragment table overflow', 'too many fragments of a datagram, or too many datagrams in reassembly'),
  entry('ip.frag-timeout', 'drop', 'Fragment timeout', 'the datagram was not complete in time'),
  entry('ip.frag-denied', 'drop', 'Fragments not allowed', '`ip virtual-reassembly drop-fragments`'),
  entry('ip6.not-routed', 'drop', 'IPv6 not routed', 'routed mode forwards IPv4 only'),
  entry('ip6.no-policy', 'drop', 'Policy not present', 'an IPv4 access group guards the interface and IPv6 has no list'),
  entry(
    'ip6.ext-illegal',
    'drop',
    'Invalid extension header',
    'routing header 0, repeated or unknown header, hop-by-hop not first, more than eight headers',
  ),
  entry('ip6.bad-length', 'drop', 'Invalid Header length', 'payload length beyond the frame'),
  entry('icmp.malformed', 'drop', 'Invalid ICMP', 'shorter than its header, or an error without an inner header'),
  entry('icmp.bad-checksum', 'drop', 'Invalid ICMP checksum', 'ICMP checksum'),
  entry('icmp.unsolicited', 'drop', 'Unsolicited ICMP', 'an error or reply that belongs to no session'),
  entry('icmp.bad-inner', 'drop', 'Unsolicited ICMP', 'the inner header does not fit the sequence space of its session'),
  entry('icmp.mtu-floor', 'drop', 'Invalid ICMP MTU', 'fragmentation needed with an MTU under the floor'),
  entry('udp.bad-length', 'drop', 'Invalid Header length', 'UDP length'),
  entry('tcp.truncated', 'drop', 'Invalid Header length', 'shorter than a TCP header'),
  entry('tcp.bad-offset', 'drop', 'Invalid Header length', 'data offset below five or beyond the segment'),
  entry('tcp.bad-checksum', 'drop', 'Invalid TCP checksum', 'TCP checksum'),
  entry('tcp.bad-flags', 'drop', 'Invalid Flags', 'a combination of control bits that no TCP sends'),
  entry('tcp.bad-option', 'drop', 'Invalid Option', 'an option with a length of 0 or 1, or beyond the header'),
  entry('tcp.option-stripped', 'warning', 'Option removed', 'an option that is not on the list was overwritten with NOP'),
  entry('tcp.reserved-bits', 'warning', 'Reserved bits cleared', 'reserved bits, or ECN bits that nobody negotiated'),
  entry('tcp.urgent', 'warning', 'Urgent pointer cleared', 'URG and the urgent pointer were cleared'),
  entry('tcp.overlap-mismatch', 'warning', 'Retransmitted Segment', 'a copy with other octets was overwritten with those sent first'),
  entry('tcp.old-data', 'warning', 'Retransmitted Segment', 'a copy of acknowledged data left without its payload'),
  entry('tcp.out-of-window', 'drop', 'Invalid Seq#', 'outside the advertised window'),
  entry('tcp.zero-window-probe', 'warning', 'Out of window', 'the payload of a zero-window probe was removed'),
  entry('tcp.rst-invalid', 'drop', 'RST inside current window', 'a reset whose number is not the next expected'),
  entry('tcp.data-after-fin', 'drop', 'Invalid Segment', 'octets behind the end of the stream'),
  entry('tcp.closed', 'drop', 'Stray Segment', 'the session was reset or is closed'),
  entry('tcp.syn-data', 'warning', 'SYN with data or with PSH/URG flags', 'payload or Fast Open option of a SYN was removed'),
  entry('tcp.syn-in-established', 'drop', 'SYN inside current window', 'a SYN within an established session'),
  entry('tcp.syn-mismatch', 'drop', 'Retransmitted Segment with Invalid Flags', 'a second SYN with another initial sequence number'),
  entry('tcp.split-handshake', 'drop', 'Invalid Flags', 'the responder answered a SYN with a SYN'),
  entry('tcp.handshake', 'drop', 'Invalid Segment', 'a segment that the handshake does not have at this point'),
  entry('tcp.midstream', 'drop', 'Stray Segment', 'a segment of no session that opens none'),
  entry('tcp.ack-unseen', 'drop', 'Invalid ACK number', 'acknowledges octets that were never sent'),
  entry('tcp.paws', 'drop', 'Retransmitted Segment', 'timestamp older than the last in order (RFC 7323)'),
  entry('tcp.ts-missing', 'drop', 'Invalid Option', 'a segment without the timestamp that was negotiated'),
  entry('tcp.ooo-limit', 'drop', 'Out-Of-Order Segment', 'too many octets or segments behind a hole'),
  entry('tcp.ooo-timeout', 'drop', 'Out-Of-Order Segment', 'the hole before them was not filled in time'),
  entry('tcp.store-full', 'drop', 'Out-Of-Order Segment', 'the store of emitted octets is full'),
  entry('tcp.sync-limit', 'drop', 'Session limit exceeding', 'more than 16 KiB, or for more than 120 s, waited for a reply'),
  entry('tcp.window-scale', 'drop', 'Invalid Window Scale option', 'a window scale in the answer to a SYN that offered none'),
  entry('session.table-full', 'drop', 'Session limit exceeding', 'no free session record'),
  entry('session.max-sessions', 'drop', 'Session limit exceeding', '`parameter max-sessions` of the inspection rule'),
  entry('session.ended', 'drop', 'Stray Segment', 'its session ended while the frame was held'),
  entry('session.blocked-host', 'drop', 'Half-open session limit exceeding', 'new connections to the host are blocked (block-time)'),
  entry('flood.half-open', 'warning', 'Half-open session limit exceeding', 'the oldest half-open session made room for a new one'),
  entry('flood.per-host', 'warning', 'Half-open session limit exceeding', 'half-open sessions to one host exceeded the limit'),
  entry('flood.per-source', 'drop', 'Session limit exceeding', 'too many sessions from one source'),
  entry('flood.rate', 'drop', 'Session limit exceeding', 'too many new sessions a minute from one source'),
  entry('acl.denied', 'drop', 'Policy not present', 'an access list denied it'),
  entry('nat.no-address', 'drop', 'NAT pool exhausted', 'no free address or port in the pool'),
  entry('nat.limit', 'drop', 'NAT entry limit', '`ip nat translation max-entries`'),
  entry('nat.untranslatable', 'drop', 'NAT not possible', 'a fragment or protocol that port translation cannot carry'),
  entry('route.none', 'drop', 'No route', 'no route to the destination'),
  entry('route.interface-down', 'drop', 'Interface down', 'the egress interface has no port or is shut'),
  entry('route.same-interface', 'drop', 'No route', 'the route leads back out of the ingress interface to its own sender'),
  entry('tx.too-big', 'drop', 'MTU exceeded', 'longer than the egress MTU and neither fragmented nor answered'),
  entry('tx.no-buffer', 'drop', 'Internal Error', 'the transmit queue is full'),
  entry('tx.link-down', 'drop', 'Interface down', 'the interface lost its carrier or is down'),
  entry('tx.error', 'drop', 'Internal Error', 'the kernel refused the frame'),
  entry('bridge.no-pair', 'drop', 'Interface down', 'the other port of the bridge group is missing'),
  entry('bridge.strict', 'drop', 'Invalid Protocol', 'an encapsulation that `bridge 1 strict` does not pass'),
  entry('bridge.type-list', 'drop', 'Policy not present', 'denied by the input type list'),
  entry('inspect.reset', 'drop', 'Reset by inspection', 'the inspector reset the session'),
  entry('inspect.max-data', 'drop', 'Session limit exceeding', '`max-data` of the mail session was exceeded'),
  entry('http.java-block', 'drop', 'JAVA applet is blocked', 'a Java applet from a site that the java-list denies'),
  entry('cmd.illegal', 'warning', 'Invalid SMTP command', 'the verb is not allowed'),
  entry('cmd.syntax', 'warning', 'Invalid SMTP command', 'leading or doubled blanks, a tab, or an argument that the verb does not take'),
  entry('cmd.control-char', 'warning', 'Invalid SMTP command', 'NUL or another control character in a command'),
  entry('cmd.bare-newline', 'warning', 'Invalid SMTP command', 'CR or LF alone in a command'),
  entry('cmd.8bit', 'warning', 'Invalid SMTP command', 'an octet above 127 in a command'),
  entry('cmd.too-long', 'warning', 'SMTP command too long', 'longer than the limit of the line; resets'),
  entry('cmd.empty', 'warning', 'Empty SMTP command', 'a line of no octets'),
  entry('cmd.not-offered', 'warning', 'SMTP command not offered', 'its EHLO keyword was not visible to the client'),
  entry('cmd.late-mask', 'warning', 'SMTP command masked late', 'the beginning of the line had been forwarded'),
  entry('addr.pipe', 'warning', 'SMTP address with a pipe', 'a pipe or back quote in an address became a blank'),
  entry('addr.expansion', 'warning', 'SMTP address with an expansion', '`${` in an address'),
  entry('addr.syntax', 'warning', 'Invalid SMTP address', 'not a path'),
  entry('addr.too-long', 'warning', 'SMTP address too long', 'sender above the limit; resets'),
  entry('addr.source-route', 'info', 'SMTP source route', 'the path has a source route'),
  entry('addr.route-char', 'info', 'SMTP route character', '`%` or `!` in a local part'),
  entry('addr.no-brackets', 'info', 'SMTP address without brackets', 'an address without `<` and `>`'),
  entry('addr.unqualified', 'info', 'SMTP address unqualified', 'an address without a domain'),
  entry('param.syntax', 'warning', 'Invalid SMTP parameter', 'value or form of a MAIL or RCPT parameter'),
  entry('param.not-negotiated', 'warning', 'SMTP parameter not negotiated', 'its EHLO keyword was not visible to the client'),
  entry('rcpt.limit', 'warning', 'Too many SMTP recipients', 'resets'),
  entry('rcpt.invalid-limit', 'warning', 'Too many invalid SMTP recipients', 'resets'),
  entry('sync.early', 'warning', 'SMTP client talks early', 'octets before the greeting'),
  entry('sync.violation', 'warning', 'SMTP client out of step', 'octets behind a command that must be last'),
  entry('pipeline.not-offered', 'warning', 'SMTP pipelining not offered', 'a command before the reply to the one before it'),
  entry(
    'data.eod-lookalike',
    'warning',
    'SMTP end-of-data lookalike',
    'a form of the end of mail data that some servers accept; its dot became x',
  ),
  entry('data.bare-newline', 'warning', 'Bare newline in mail data', 'CR or LF alone'),
  entry('data.nul', 'warning', 'NUL in mail data', 'an octet 0'),
  entry('data.line-too-long', 'warning', 'Mail data line too long', 'longer than 998 octets'),
  entry('sig.3101', 'warning', 'Sendmail Invalid Recipient', 'pipe in a recipient; resets'),
  entry('sig.3102', 'warning', 'Sendmail Invalid Sender', 'pipe in a sender; resets'),
  entry('sig.3104', 'warning', 'Archaic Sendmail Attacks', 'WIZ or DEBUG; resets'),
  entry('sig.3105', 'warning', 'Sendmail Decode Alias', '`decode@` in a header; resets'),
  entry('sig.3107', 'warning', 'Majordomo Execute Attack', 'back quote in Reply-To; resets'),
  entry('header.line-too-long', 'warning', 'Mail header line too long', 'resets'),
  entry('header.hop-count', 'warning', 'Too many Received fields', 'more than the limit'),
  entry('mime.filename-too-long', 'warning', 'MIME file name too long', 'resets'),
  entry('bdat.syntax', 'warning', 'Invalid BDAT command', 'size or marker'),
  entry('auth.syntax', 'warning', 'Invalid SASL response', 'not base64'),
  entry('starttls.injection', 'warning', 'STARTTLS command injection', 'octets behind STARTTLS before its reply; resets'),
  entry('tls.not-handshake', 'warning', 'TLS expected', 'the first octet after STARTTLS is no handshake record; resets'),
  entry('ehlo.masked', 'warning', 'EHLO keyword masked', 'a keyword outside the allowed set'),
  entry('banner.masked', 'warning', 'SMTP banner masked', '`mask-banner`'),
  entry('reply.syntax', 'warning', 'Invalid SMTP reply', 'a line without a usable code, or a code that changes'),
  entry('reply.unsolicited', 'warning', 'Unsolicited SMTP reply', 'a reply to no command; resets'),
  entry('reply.desync', 'warning', 'SMTP reply out of step', '354 or 334 to another command, or success inside mail data; resets'),
  entry('reply.early-data', 'warning', 'SMTP reply inside mail data', 'the server refuses before the end of data'),
  entry('reply.too-long', 'warning', 'SMTP reply too long', 'resets'),
  entry('reply.bare-newline', 'warning', 'Bare newline in an SMTP reply', 'LF without CR'),
  entry('time.line', 'warning', 'SMTP command line timeout', 'a line was not complete in time; resets'),
  entry('time.data-idle', 'warning', 'SMTP data timeout', 'no octet of mail data in time; resets'),
  entry('esmtp.policy-log', 'warning', 'ESMTP policy match', 'an action of the ESMTP policy map with `log`'),
  entry('esmtp.policy-reset', 'warning', 'ESMTP policy match', 'an action of the ESMTP policy map that resets'),
];

/** Rows of REASONS; counters are arrays of this length. */
export const REASON_COUNT = REASONS.length;
