// Captures of everything but mail through a transparent pair: what each must lose, keep back or let pass, and why.
//
// Each runs twice.  `rules/transparent.cfg` with checksums verified judges frames and datagrams alone; the second run has
// TCP, UDP and ICMP inspected from both sides too and ignores checksums, and so shows what the session rules make of it.
// The general rule comes from the facts in INDEX.tsv: frames that the capture cut are dropped (frame.truncated=trunc), and wrong IP
// checksums (ip.bad-checksum=badipcsum) where they are verified; everything else leaves.  EXCEPTIONS names every capture
// that does otherwise.  In routed mode (the capture at the outside port of the reference configuration): status and conservation.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { CommandError } from '../../src/command/errors.ts';
import { runCaptures } from '../../src/command/replay-loop.ts';
import { portsByInterface, portsOnOneWire, type ReplayPorts } from '../../src/command/replay-ports.ts';
import { compilePolicy } from '../../src/config/compile.ts';
import { parseConfiguration } from '../../src/config/parse.ts';
import { makeReport, type Report } from '../../src/console/report.ts';
import { ReplayEngine } from '../../src/engine/replay-engine.ts';
import type { PolicySnapshot } from '../../src/policy/snapshot.ts';
import { CAPTURE_AREA } from '../../src/port/capture-file.ts';
import { framesOf, indexRows } from './mail-streams.ts';

type Drops = Readonly<Record<string, number>>;

interface Exception {
  readonly why: string;
  /** In both runs, beside the general rule. */
  readonly drops?: Drops;
  /** With sessions only. */
  readonly tracked?: Drops;
  /** Left when the capture ends. */
  readonly held?: number;
  /** Resets of half-open sessions that made room. */
  readonly resets?: number;
  /** Takes the place of badipcsum. */
  readonly badChecksums?: number;
  /** Dropped as fragments, judged as a datagram: with sessions the fragments are consumed, and the datagram is dropped. */
  readonly merged?: number;
  /** The port cannot be opened. */
  readonly linkType?: string;
  /** Frames that leave otherwise than they came. */
  readonly changed?: number;
}

const OVERLAP = 'fragments that overlap: all of the datagram (RFC 5722)';
const NO_SYN = 'no SYN was captured, and without one there is no session';
const LOST = 'the capture lost frames that their receiver acknowledges: octets that never passed cannot be acknowledged';
const ONE_SIDED = 'one side was captured: the handshake never completes';
const BAD_FLAGS = 'control bits that no TCP sends';
const SYN_ACK_ALONE = 'a SYN/ACK that answers nothing';
const ROUTING = 'a routing header (RFC 5095)';
const BAD_LENGTH = 'a fragment that is not the last and no multiple of eight octets: all of the datagram';
const EVASION = 'a reset and a FIN that the responder never sent end the session for a reader; the rest belongs to none';

const EXCEPTIONS: Readonly<Record<string, Exception>> = {
  // Datagrams and frames.
  'zeek__ipv6-reassembly-state-leak': {
    why: 'datagrams of more than 65,535 octets; the rest of each waits for its timer',
    drops: { 'ip.frag-timeout': 90, 'ip.frag-oversize': 2 },
  },
  'defrag-eth-vlan-ipv4-tcp-syn': { why: 'the first fragment ends within the TCP header (RFC 1858)', drops: { 'ip.frag-tiny': 3 } },
  'ipv4__fragmented-1': { why: BAD_LENGTH, drops: { 'ip.frag-badlen': 3 } },
  'ipv4__fragmented-2': { why: BAD_LENGTH, drops: { 'ip.frag-badlen': 3 } },
  'ipv4__fragmented-3': { why: 'the last fragment is missing, and the capture ends before the timer', held: 5 },
  'ipv4__fragmented-4': { why: `${OVERLAP}; ${BAD_FLAGS}`, drops: { 'ip.frag-overlap': 4 }, tracked: { 'tcp.bad-flags': 1 } },
  'fragments-6__': { why: OVERLAP, drops: { 'ip.frag-overlap': 3 } },
  'fragments-7__': { why: OVERLAP, drops: { 'ip.frag-overlap': 3 } },
  'fragments-12__': { why: 'a chain of fragment headers', drops: { 'ip6.ext-illegal': 1 } },
  'fragments-17__': { why: `${OVERLAP}; the exact copy alone would be harmless`, drops: { 'ip.frag-overlap': 4 } },
  'fragments-22__': { why: BAD_LENGTH, drops: { 'ip.frag-badlen': 3 } },
  'fragments-23__': { why: BAD_LENGTH, drops: { 'ip.frag-badlen': 3 } },
  'fragments-24__': { why: BAD_LENGTH, drops: { 'ip.frag-badlen': 3 } },
  'fragments-26__': { why: 'an atomic fragment of one octet of TCP', drops: { 'tcp.truncated': 1 } },
  'fragments-28__': {
    why: 'an atomic fragment of one octet of ICMPv6, which does not complete the datagram of its identification (RFC 6946)',
    drops: { 'ip.frag-timeout': 2, 'icmp.malformed': 1 },
  },
  'fragments-29__': { why: OVERLAP, drops: { 'ip.frag-overlap': 3 } },
  'fragments-33__': { why: 'more than 32 fragments of one datagram', drops: { 'ip.frag-limit': 48 } },
  'fragments-35__': {
    why: 'a fragment header behind another; the second datagram never becomes whole',
    drops: { 'ip6.ext-illegal': 1 },
    held: 3,
  },
  'fragments-36__': {
    why: 'three fragment headers in one datagram; the others never become whole',
    drops: { 'ip6.ext-illegal': 1 },
    held: 3,
  },
  IpV6ExtRoutingPacketTest: { why: ROUTING, drops: { 'ip6.ext-illegal': 1 } },
  'ipv6-routing-header': { why: ROUTING, drops: { 'ip6.ext-illegal': 4 } },
  ipv6_jumbogram_1: { why: 'a jumbogram (RFC 2675)', drops: { 'ip6.ext-illegal': 1 } },
  'icmp-rfc8335-missing-bytes': { why: "MACsec: what is inside is nobody else's business", badChecksums: 0 },
  'decode-too-small': { why: 'UDP and TCP without a whole header', drops: { 'udp.bad-length': 4, 'tcp.truncated': 2 } },
  LINKTYPE_IPV4_invalid: { why: 'IPv6 under the link type of IPv4', drops: { 'ip.bad-version': 1 } },
  LINKTYPE_IPV6_invalid: { why: 'IPv4 under the link type of IPv6', drops: { 'ip.bad-version': 1 } },
  ipv4_invalid_hdr_length: { why: 'a header longer than the datagram', drops: { 'ip.bad-header-length': 1 } },
  'ipv4_invalid_total_length.': { why: 'a datagram longer than the frame', drops: { 'ip.bad-length': 1 } },
  ipv4_invalid_total_length_2: { why: 'a datagram shorter than its header', drops: { 'ip.bad-length': 1 } },
  'ip6-ext-trunc': { why: 'a payload longer than the frame', drops: { 'ip6.bad-length': 1 } },
  'mpls-in-vlan': { why: 'two of the three are MPLS and pass unseen', badChecksums: 1, tracked: { 'tcp.midstream': 1 } },
  'mpls-6in6-broken': { why: 'MPLS passes; IPv6 under the EtherType of IPv4 does not', drops: { 'ip.bad-version': 22 } },
  ipv4_tso_frame: {
    why: 'a total length of 0, as a host with segmentation offload shows it to itself',
    drops: { 'ip.bad-length': 1 },
    badChecksums: 0,
  },
  'socks5-http-302-frag': {
    why: `more than 32 fragments of one datagram; ${LOST}`,
    drops: { 'ip.frag-limit': 40 },
    tracked: { 'tcp.ack-unseen': 5 },
  },
  'retransmit-fast009': { why: `18 have no whole frame and no checksum; ${LOST}`, badChecksums: 18, tracked: { 'tcp.ack-unseen': 14 } },
  'covert-dstopts': { why: 'options of IPv6 that tell nobody anything become padding', changed: 18 },
  'fragments-9__': { why: 'an atomic fragment goes on without its fragment header (RFC 8021)', changed: 1 },
  // TCP.
  'defrag-eth-vlan-ipv6-tcp': { why: `a datagram in three fragments; ${NO_SYN}`, merged: 3, tracked: { 'tcp.midstream': 1 } },
  'defrag-ipv6-tcp': { why: `a datagram in three fragments; ${NO_SYN}`, merged: 3, tracked: { 'tcp.midstream': 1 } },
  'cwd-navigation': { why: LOST, tracked: { 'tcp.ack-unseen': 4864, 'tcp.out-of-window': 2739 } },
  http_chunk: { why: NO_SYN, tracked: { 'tcp.midstream': 66 } },
  http_compressed: { why: NO_SYN, tracked: { 'tcp.midstream': 3 } },
  'http-gap-beyond-body': { why: LOST, tracked: { 'tcp.ack-unseen': 21 } },
  'http-gap-double': { why: LOST, tracked: { 'tcp.ack-unseen': 2 } },
  'http-gap-simple': { why: LOST, tracked: { 'tcp.ack-unseen': 1 } },
  'http-gap-whole-body': { why: LOST, tracked: { 'tcp.ack-unseen': 23 } },
  '206_example_b': {
    why: 'the server goes on beyond a window of 0, from frame 150 on; what was dropped of it is acknowledged later',
    tracked: { 'tcp.out-of-window': 743, 'tcp.ack-unseen': 406, 'tcp.rst-invalid': 1 },
  },
  'zero-length-bodies-with-drops': { why: LOST, tracked: { 'tcp.ack-unseen': 26 } },
  LinuxCookedCapturev2: { why: NO_SYN, tracked: { 'tcp.midstream': 1 } },
  'bug-4571-02': { why: BAD_FLAGS, tracked: { 'tcp.bad-flags': 1 } },
  'bug-4571-05': { why: BAD_FLAGS, tracked: { 'tcp.bad-flags': 1 } },
  tcp_eight_lowest_weight_flags_set: { why: BAD_FLAGS, tracked: { 'tcp.bad-flags': 1 } },
  synscan: {
    why: 'half-open sessions to one host make room for new ones (50 at a time); late answers to those',
    tracked: { 'tcp.handshake': 9 },
    resets: 1944,
  },
  tls_tcp_frag: { why: NO_SYN, tracked: { 'tcp.midstream': 4 } },
  'bug-3286-02-linux-evasion': { why: EVASION, tracked: { 'tcp.midstream': 7, 'tcp.handshake': 1 } },
  'bug-3286-03-windows-evasion': { why: EVASION, tracked: { 'tcp.midstream': 6, 'tcp.handshake': 1 } },
  'bug-8629-async-oneside': { why: ONE_SIDED, tracked: { 'tcp.handshake': 81, 'tcp.rst-invalid': 1 } },
  'tcp-session-stream-out-of-window': { why: 'octets 100,000 behind a window of 256', tracked: { 'tcp.out-of-window': 1 } },
  'tcp-session-syn-flood-drop-precedence': { why: 'half-open sessions to one host make room for new ones (50 at a time)', resets: 150 },
  'tcp-async-01': { why: ONE_SIDED, tracked: { 'tcp.midstream': 138, 'tcp.handshake': 1 } },
  'tcp-fastopen-09': { why: SYN_ACK_ALONE, tracked: { 'tcp.handshake': 1 } },
  'tcp-protodetect-bailout': { why: LOST, tracked: { 'tcp.ack-unseen': 1 } },
  'tcp-rst-unacked-stream-10': { why: 'SYN/ACK or SYN were cut by the capture', tracked: { 'tcp.handshake': 18, 'tcp.midstream': 10 } },
  'mptcp-aa-echo': { why: NO_SYN, tracked: { 'tcp.midstream': 2 } },
  'test1-out-of-order': { why: NO_SYN, tracked: { 'tcp.midstream': 2 } },
  'test1-part2': { why: 'the first session began before the capture; the second passes', tracked: { 'tcp.midstream': 7 } },
  'handshake-reorder': { why: 'the SYN/ACK stands in front of the SYN: no session yet', tracked: { 'tcp.handshake': 13 } },
  'http-on-irc-port-missing-syn': { why: NO_SYN, tracked: { 'tcp.midstream': 12, 'tcp.handshake': 1 } },
  'tcp__missing-syn': { why: NO_SYN, tracked: { 'tcp.midstream': 20, 'tcp.handshake': 1 } },
  'no-handshake': { why: NO_SYN, tracked: { 'tcp.midstream': 1 } },
  'one-sided-2745': { why: 'the responder alone was captured', tracked: { 'tcp.midstream': 4, 'tcp.handshake': 2 } },
  'option-27': { why: SYN_ACK_ALONE, tracked: { 'tcp.handshake': 1 } },
  'rst-inject-rae': {
    why: 'a reset that names no SYN does not end the session; the true one does',
    tracked: { 'tcp.midstream': 2, 'tcp.rst-invalid': 1 },
  },
  tcp__timestamp: {
    why: 'most octets were cut by the capture, and are acknowledged',
    tracked: { 'tcp.ack-unseen': 183, 'tcp.out-of-window': 1 },
  },
  // Link types.
  'icmp-rfc5837': { why: '', linkType: 'PPP' },
  'defrag-ppp-ipv6-tcp': { why: '', linkType: 'PPP' },
  tcpdump__HDLC: { why: '', linkType: 'C_HDLC' },
  LINKTYPE_PKTAP: { why: '', linkType: 'PKTAP' },
  'slip-sliplink_print': { why: '', linkType: 'SLIP' },
  'nflog-bad-tlv-len': { why: '', linkType: 'NFLOG' },
  'nflog-http': { why: '', linkType: 'NFLOG' },
  'FuzzTarget-5165927376355328': { why: '', linkType: 'BLUETOOTH_BREDR_BB' },
  hoobr_chdlc_print: { why: '', linkType: 'C_HDLC' },
  ppp_error_hexdump: { why: '', linkType: 'PPP_HDLC' },
  ppp_ip_udp_dns: { why: '', linkType: 'PPP_HDLC' },
  'decode-chdlc-01': { why: '', linkType: 'C_HDLC' },
};

/** Read as far as they go: the first ends in the middle of a record, the second goes on in another version of its format. */
const DAMAGED = ['FuzzTarget-5165538295939072', 'le__test901'];

function rootFolder(): string {
  let at = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(at, 'rules', 'transparent.cfg'))) at = dirname(at);
  return at;
}

const root = rootFolder();
const folder = join(root, '..', 'shared', 'captures');
const skip = existsSync(join(folder, 'INDEX.tsv')) ? false : 'no ../shared/captures';
const rows = skip === false ? indexRows(join(folder, 'INDEX.tsv')).filter(({ file = '' }) => file.startsWith('other/')) : [];
const scratch = mkdtempSync(join(tmpdir(), 'postern-other-'));
const output = join(scratch, 'out.pcap');
t.setTimeout(300_000);
t.teardown(() => rmSync(scratch, { recursive: true, force: true }));

function policyOf(file: string, verifyChecksums: boolean, everything: boolean): PolicySnapshot {
  let text = readFileSync(join(root, 'rules', file), 'utf8');
  if (everything) {
    text = text.replace(
      /^ip inspect name MAIL esmtp$/m,
      ['esmtp', 'tcp', 'udp', 'icmp'].map((keyword) => `ip inspect name MAIL ${keyword}`).join('\n'),
    );
    text = text.replace(/^ description inside$/m, ' description inside\n ip inspect MAIL in');
  }
  const { configuration } = parseConfiguration(text);
  configuration.inspect.maxSessions = 4096;
  return compilePolicy(configuration, { epoch: 1, verifyChecksums });
}

interface Run {
  readonly report: Report;
  readonly damaged: boolean;
}

/** Replays into `output`; a text when the port is refused.  Conservation and reasons are checked after each batch. */
function replay(makePorts: () => ReplayPorts, policy: PolicySnapshot): Run | string {
  let ports: ReplayPorts;
  try {
    ports = makePorts();
    const engine = new ReplayEngine({
      policy,
      ports: ports.make,
      portOctets: CAPTURE_AREA,
      syntheticArp: true,
      shape: { smallSlots: 1024, largeSlots: 64, storePages: 1024 },
    });
    engine.plane.macTable.learning = false;
    const { counters } = engine.plane;
    let unaccounted = 0;
    const onBatch = (): void => {
      if (!isAccountedFor(makeReport(counters, 1, 1))) unaccounted++;
    };
    runCaptures(engine, ports.sources, 64, { onBatch });
    if (unaccounted > 0) throw new Error(`frames are not accounted for after ${unaccounted} batches`);
    return { report: makeReport(counters, 1, 1), damaged: ports.sources.some((source) => source.failure !== null) };
  } catch (error) {
    if (error instanceof CommandError) return error.message;
    throw error;
  }
}

function isAccountedFor({ frames, drops }: Report): boolean {
  const dropped = Object.values(drops).reduce((a, b) => a + b, 0);
  return (
    frames.received + frames.generated === frames.transmitted + frames.dropped + frames.held + frames.consumed && dropped === frames.dropped
  );
}

/** A number among the facts of INDEX.tsv: `trunc=3`. */
function fact(dialogue: string, name: string): number {
  return Number(new RegExp(`(?:^|[ ;])${name}=(\\d+)`).exec(dialogue)?.[1] ?? 0);
}

function exceptionOf(file: string): Exception {
  const keys = Object.keys(EXCEPTIONS).filter((key) => file.includes(key));
  if (keys.length > 1) throw new Error(`${file}: two exceptions`);
  return EXCEPTIONS[keys[0] ?? ''] ?? { why: '' };
}

function expectedDrops(dialogue: string, { drops, tracked, badChecksums }: Exception, everything: boolean): Drops {
  const truncated = fact(dialogue, 'trunc');
  const bad = badChecksums ?? (truncated > 0 ? 0 : fact(dialogue, 'badipcsum'));
  return {
    ...(truncated > 0 && { 'frame.truncated': truncated }),
    ...(!everything && bad > 0 && { 'ip.bad-checksum': bad }),
    ...drops,
    ...(everything && tracked),
  };
}

const sorted = (drops: Drops): string => JSON.stringify(Object.entries(drops).sort(([a], [b]) => (a < b ? -1 : 1)));

for (const everything of [false, true]) {
  t.test(`each capture, ${everything ? 'with its sessions, checksums ignored' : 'frames and datagrams'}`, { skip }, async (t) => {
    const policy = policyOf('transparent.cfg', !everything, everything);
    let passed = 0;
    for (const { file = '', dialogue = '' } of rows) {
      const path = join(folder, file);
      const exception = exceptionOf(file);
      const run = replay(() => portsOnOneWire({ name: path, input: path, output }, policy, null), policy);
      if (typeof run === 'string') {
        if (exception.linkType === undefined || !run.includes(`(${exception.linkType}) is not supported`)) t.fail(`${file}: ${run}`);
        continue;
      }
      const { frames, drops } = run.report;
      const wanted = expectedDrops(dialogue, exception, everything);
      const held = exception.held ?? 0;
      const merged = everything ? (exception.merged ?? 0) : 0;
      const resets = everything ? (exception.resets ?? 0) : 0;
      const dropped = Object.values(wanted).reduce((a, b) => a + b, 0);
      if (sorted(drops) !== sorted(wanted)) t.fail(`${file}: ${sorted(drops)} instead of ${sorted(wanted)} (${exception.why})`);
      const generated = resets + (merged > 0 ? 1 : 0);
      const transmitted = frames.received + generated - dropped - held - merged;
      t.match(frames, { transmitted, held, consumed: merged, generated }, `${file} ${exception.why}`);
      if (run.damaged !== DAMAGED.some((name) => file.includes(name))) t.fail(`${file}: damaged ${run.damaged}`);
      if (everything || frames.transmitted === 0) continue;
      passed++;
      const changed = changedFrames(path);
      if (changed !== (exception.changed ?? 0)) t.fail(`${file}: ${changed} frames leave otherwise than they came`);
    }
    t.ok(everything || passed > 200, `frames of ${passed} captures left`);
  });
}

/** A frame whose octets behind the datagram are zero, as they leave: nobody may hide anything there. */
function withoutTrailer(octets: Uint8Array): Uint8Array {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  let at = 12;
  while (at + 4 < octets.length && [0x8100, 0x88a8, 0x9100].includes(view.getUint16(at))) at += 4;
  const type = octets.length < at + 10 ? 0 : view.getUint16(at);
  if (type === 0x0800) octets.fill(0, at + 2 + view.getUint16(at + 4));
  if (type === 0x86dd) octets.fill(0, at + 42 + view.getUint16(at + 6));
  return octets;
}

/** How many frames of `output` are none of the capture, which has them in the same order. */
function changedFrames(path: string): number {
  const came = framesOf(path).map((octets) => Buffer.from(withoutTrailer(octets)).toString('latin1'));
  let at = 0;
  let changed = 0;
  for (const left of framesOf(output)) {
    const found = came.indexOf(Buffer.from(left).toString('latin1'), at);
    if (found < 0) changed++;
    else if (found === at) at++;
  }
  return changed;
}

t.test('routed, at the outside port of the reference configuration', { skip }, async (t) => {
  const policy = policyOf('3640.cfg', true, false);
  let ran = 0;
  for (const { file = '' } of rows) {
    const path = join(folder, file);
    const run = replay(() => portsByInterface([{ interface: 'Ethernet2/0', name: path, input: path, output }]), policy);
    const { linkType } = exceptionOf(file);
    if (typeof run === 'string' ? linkType === undefined : linkType !== undefined)
      t.fail(`${file}: ${typeof run === 'string' ? run : 'opened'}`);
    if (typeof run === 'string') continue;
    ran++;
    if (run.damaged !== DAMAGED.some((name) => file.includes(name))) t.fail(`${file}: damaged ${run.damaged}`);
    if (run.report.frames.transmitted > run.report.frames.generated + run.report.frames.received) t.fail(file);
    if (run.report.sessions.opened > 0) t.fail(`${file}: nothing of it is for the mail server`);
  }
  t.ok(ran > 280, `${ran} of ${rows.length}`);
});
