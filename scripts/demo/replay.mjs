// The demonstration without a network: the same dialogue as captures of the two interfaces, through the path that `postern
// replay` drives.  Here it is driven from this process, so that displays can be taken while the session is open.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../steps.mjs';
import { pair } from './live.mjs';

const PCAP_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET_HEADER = 14;
const SMTP = 25;

/** TCP payloads of a capture that this program wrote: towards the server, and from it, in order. */
function readPayloads(file) {
  const all = readFileSync(file);
  const payloads = { toServer: [], fromServer: [] };
  for (let at = PCAP_HEADER; at < all.length; ) {
    const length = all.readUInt32LE(at + 8);
    const frame = all.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length);
    at += RECORD_HEADER + length;
    if (frame.readUInt16BE(12) !== 0x0800) continue;
    const datagram = frame.subarray(ETHERNET_HEADER, ETHERNET_HEADER + frame.readUInt16BE(ETHERNET_HEADER + 2));
    const segment = datagram.subarray((datagram[0] & 15) * 4);
    const payload = segment.subarray((segment[12] >> 4) * 4).toString('latin1');
    if (payload !== '') (segment.readUInt16BE(2) === SMTP ? payloads.toServer : payloads.fromServer).push(payload);
  }
  return payloads;
}

/** Runs the two captures; `onQuit` is called before the frame in which the client takes its leave. */
async function run(folder, onQuit) {
  const source = (path) => import(`../../dist/src/${path}.js`);
  const [{ loadPolicy }, { ReplayEngine }, { CaptureMerge }, { CAPTURE_AREA }, { parsePortOption, portsByInterface }, { BATCH }] =
    await Promise.all(
      [
        'command/load-policy',
        'engine/replay-engine',
        'port/capture-merge',
        'port/capture-file',
        'command/replay-ports',
        'frame/frames',
      ].map(source),
    );
  const { configuration, policy } = loadPolicy(join(ROOT, 'rules/3640.cfg'), { lenient: false, verifyChecksums: true });
  const names = [
    ['Ethernet2/0', 'outside'],
    ['Ethernet2/1', 'inside'],
  ];
  const captures = names.map(([name, side]) =>
    parsePortOption(`${name}=${join(folder, `${side}.pcap`)}:${join(folder, `${side}-out.pcap`)}`, policy),
  );
  const ports = portsByInterface(captures);
  const engine = new ReplayEngine({ policy, ports: ports.make, portOctets: CAPTURE_AREA, syntheticArp: true });
  const { frames } = engine.plane;
  const merge = new CaptureMerge(ports.sources, BATCH);
  const octets = Buffer.from(engine.region.u8.buffer);
  let displays = [];
  for (let count = merge.fill(frames), isFirst = true; count > 0; count = merge.fill(frames), isFirst = false) {
    if (isFirst) engine.setBase(frames.sec[0], frames.nsec[0]);
    if (octets.subarray(frames.offset[0], frames.offset[0] + frames.length[0]).includes('QUIT\r\n'))
      displays = await onQuit(engine, configuration, policy);
    engine.breathe(count, merge.now);
  }
  engine.finish();
  return displays;
}

async function takeDisplays(shows, engine, configuration, policy) {
  const source = (path) => import(`../../dist/src/${path}.js`);
  const [{ readState }, { answer }, { executeShow }, { emptyState }] = await Promise.all(
    ['engine/firewall-state', 'engine/inquiry', 'console/exec', 'console/state'].map(source),
  );
  const { counters, hits } = engine.plane;
  const inquirable = { counters, hits, ask: async (question) => answer(engine.plane, question) };
  const { log } = emptyState();
  const around = {
    configuration,
    policy,
    log,
    debugging: [],
    version: '',
    ports: [],
    sessionPeaks: [1, 0, 0],
    creationRate: 0,
    maxCreationRate: 1,
  };
  const state = await readState(inquirable, around);
  return shows.map((command) => [command, executeShow(command, configuration, state).text ?? '']);
}

/** Holds the dialogue of the sample captures and returns what the screen shows; `why` says why there is no live network. */
export async function holdReplay(why, shows) {
  const { writeSample } = await import('../../dist/bench/sample-dialogue.js');
  const folder = mkdtempSync(join(tmpdir(), 'postern-demo-'));
  try {
    writeSample(folder);
    const displays = await run(folder, (engine, configuration, policy) => takeDisplays(shows, engine, configuration, policy));
    const sent = readPayloads(join(folder, 'outside.pcap')).toServer;
    const received = readPayloads(join(folder, 'inside-out.pcap')).toServer.join('');
    const replies = readPayloads(join(folder, 'outside-out.pcap')).fromServer.map((text) => text.trimEnd().split('\r\n'));
    const how = [
      `No live network here: ${why}.`,
      'So a recorded dialogue goes through the same path, as with `postern replay --config rules/3640.cfg --port ...`.',
    ];
    return { how, exchanges: pair(sent, received, replies), displays };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
