// The demonstration without a network: the same dialogue as captures of the two interfaces, through `postern replay`.
//
// For the displays the captures are cut before the client takes its leave, so that the session is still open.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../steps.mjs';
import { pair } from './live.mjs';

const PCAP_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET_HEADER = 14;
const SMTP = 25;

/** Records of a capture that this program wrote: little-endian, Ethernet; `time` orders them. */
function readRecords(file) {
  const octets = readFileSync(file);
  const records = [];
  for (let at = PCAP_HEADER; at < octets.length; ) {
    const end = at + RECORD_HEADER + octets.readUInt32LE(at + 8);
    const time = octets.readUInt32LE(at) * 1e9 + octets.readUInt32LE(at + 4);
    records.push({ time, whole: octets.subarray(at, end), ...readSegment(octets.subarray(at + RECORD_HEADER, end)) });
    at = end;
  }
  return { header: octets.subarray(0, PCAP_HEADER), records };
}

/** Text and direction of a TCP segment; frames of other kinds have no text. */
function readSegment(frame) {
  if (frame.readUInt16BE(12) !== 0x0800) return { text: '', toServer: false };
  const datagram = frame.subarray(ETHERNET_HEADER, ETHERNET_HEADER + frame.readUInt16BE(ETHERNET_HEADER + 2));
  const segment = datagram.subarray((datagram[0] & 15) * 4);
  return { text: segment.subarray((segment[12] >> 4) * 4).toString('latin1'), toServer: segment.readUInt16BE(2) === SMTP };
}

function texts(file, toServer) {
  return readRecords(file)
    .records.filter((record) => record.toServer === toServer && record.text !== '')
    .map((record) => record.text);
}

/** Copies a capture as far as it was before `time`. */
function cut(from, to, time) {
  const { header, records } = readRecords(from);
  writeFileSync(to, Buffer.concat([header, ...records.filter((record) => record.time < time).map((record) => record.whole)]));
}

/** Runs `postern replay` on outside.pcap and inside.pcap of a folder and returns what it printed. */
function replay(folder, more) {
  const ports = ['Ethernet2/0=outside.pcap:outside-out.pcap', 'Ethernet2/1=inside.pcap:inside-out.pcap'].flatMap((port) => [
    '--port',
    port,
  ]);
  const args = [join(ROOT, 'bin/postern.mjs'), 'replay', '--config', join(ROOT, 'rules/3640.cfg'), ...ports, '--json', ...more];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`postern replay: ${stderr.trim()}`);
  return stdout;
}

function takeDisplays(folder, shows) {
  const open = mkdtempSync(join(folder, 'open-'));
  const quit = readRecords(join(folder, 'outside.pcap')).records.find((record) => record.text === 'QUIT\r\n');
  for (const name of ['outside.pcap', 'inside.pcap']) cut(join(folder, name), join(open, name), quit.time);
  // The report is the last line.
  return shows.map((command) => [command, replay(open, ['--exec', command]).replace(/\{.*\}\n$/, '')]);
}

/** Holds the dialogue of the sample captures and returns what the screen shows; `why` says why there is no live network. */
export async function holdReplay(why, shows) {
  const { writeSample } = await import('../../dist/bench/sample-dialogue.js');
  const folder = mkdtempSync(join(tmpdir(), 'postern-demo-'));
  try {
    writeSample(folder);
    replay(folder, []);
    const sent = texts(join(folder, 'outside.pcap'), true);
    const received = texts(join(folder, 'inside-out.pcap'), true).join('');
    const replies = texts(join(folder, 'outside-out.pcap'), false).map((text) => text.trimEnd().split('\r\n'));
    const how = [
      `No live network here: ${why}.`,
      'So a recorded dialogue goes through `postern replay --config rules/3640.cfg`, the same code as `run`.',
    ];
    return { how, exchanges: pair(sent, received, replies), displays: takeDisplays(folder, shows) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
