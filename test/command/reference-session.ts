// The session of the reference debug trace as a capture: the segments of a Telnet client that sends what is typed, one or two
// characters at a time, and the replies of a small mail server.
//
// Lengths, cuts and times are those of the trace; the letters are invented (the trace has none), the replies too.

import { CaptureWriter, privateMemory } from '../../src/port/capture-writer.ts';
import { segment } from '../path/datagrams.ts';

interface Sent {
  readonly from: 'c' | 's';
  /** `21:51:35.886` */
  readonly time: string;
  readonly text: string;
}

const c = (time: string, text: string): Sent => ({ from: 'c', time, text });
const s = (time: string, text: string): Sent => ({ from: 's', time, text: `${text}\r\n` });

const SESSION: readonly Sent[] = [
  s('21:51:35.886', `220 ${'mail.example.net Simple Mail Transfer Service ready at noon'.slice(0, 58)}`),
  ...typed(
    ['21:51:40.810', '40.994', '41.190', '41.390', '42.046', '43.462', '43.594', '43.794', '43.994', '44.194'],
    ['H', 'E', 'L', 'O', ' ', 'c', 'i', 'sc', 'o', '\r\n'],
  ),
  s('21:51:44.198', '250 cisco'),
  ...typed(
    ['21:51:49.482', '50.222', '50.618', '50.954', '51.642', '51.914', '52.106', '54.754', '55.098', '55.322'],
    ['V', 'R', 'F', 'Y', ' ', 'c', 'i', 's', 'x', '\r\n'],
  ),
  s('21:51:55.326', '550 User unknown.'),
  ...typed(
    ['21:51:57.070', '57.402', '58.162', '58.462', '58.746', '59.006', '59.234', '59.418', '59.618', '59.818'],
    ['V', 'R', 'F', 'Y', ' ', 'c', 'i', 'sc', 'o', '\r\n'],
  ),
  s('21:51:59.818', '550 User unknown.'),
  ...typed(['21:52:04.974', '05.170', '05.326', '05.526', '05.742'], ['H', 'E', 'L', 'P', '\r\n']),
  s('21:52:05.746', 'The following commands are understood by this server'),
  s('21:52:05.746', 'HELO <domain>'),
  s('21:52:05.746', 'EHLO <domain>'),
  s('21:52:05.746', 'DATA'),
  s('21:52:05.750', 'MAIL FROM: <path>'),
  s('21:52:05.750', 'RCPT TO: <path>'),
  s('21:52:05.750', 'RSET'),
  s('21:52:05.754', 'NOOP'),
  s('21:52:05.754', 'QUIT'),
  s('21:52:05.754', '.'),
  ...typed(['21:52:15.646', '15.838', '16.206', '18.954'], ['Q', 'UI', 'T', '\r\n']),
  s('21:52:18.958', '221 Service closing'),
];

/** Times behind the first are in the same minute. */
function typed(times: readonly string[], texts: readonly string[]): Sent[] {
  return texts.map((text, i) => c(i === 0 ? times[0]! : `${times[0]!.slice(0, 6)}${times[i]}`, text));
}

/** Milliseconds of a time of day. */
export function milliseconds(time: string): number {
  const [hours, minutes, seconds] = time.split(':') as [string, string, string];
  return (Number(hours) * 60 + Number(minutes)) * 60_000 + Math.round(Number(seconds) * 1000);
}

const DAY = Date.UTC(2026, 9, 18);

/** Writes what each side sends to a capture of its own, or all to one. */
export function writeReferenceSession(outside: string, inside: string, client: string, server: string, local: string): void {
  const writers = {
    c: new CaptureWriter(outside, privateMemory(), 0),
    s: inside === outside ? null : new CaptureWriter(inside, privateMemory(), 0),
  };
  const next = { c: 1000, s: 5000 };
  const send = (from: 'c' | 's', ms: number, flags: string, text = ''): void => {
    const isClient = from === 'c';
    const frame = segment({
      ...(isClient
        ? { from: client, to: server, sport: 1025, dport: 25 }
        : { from: local, to: client, sport: 25, dport: 1025, src: [0x0200, 0x0110], dst: [0x0200, 0x0101] }),
      seq: next[from],
      ack: flags === 'S' ? 0 : isClient ? next.s : next.c,
      flags,
      data: text,
    });
    next[from] += text.length + (flags.includes('S') ? 1 : 0);
    const time = DAY + ms;
    (writers[from] ?? writers.c).addFrom(Math.floor(time / 1000), (time % 1000) * 1e6, frame, frame.length);
  };
  const start = milliseconds('21:51:35.800');
  send('c', start, 'S');
  send('s', start + 10, 'SA');
  send('c', start + 20, 'A');
  for (const { from, time, text } of SESSION) send(from, milliseconds(time), 'PA', text);
  writers.c.close();
  writers.s?.close();
}
