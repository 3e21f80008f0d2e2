// The session behind the debug trace of the reference document: what can be read from its lengths, states and stamps.
// Texts are invented, with exactly the lengths of the trace (CR LF included); segments are those of the client's Telnet.

import type { Side } from './driver.ts';

/** Milliseconds since midnight of Oct 18. */
export interface TimedSegment {
  t: number;
  from: Side;
  data: string;
}

function at(minute: number, second: number, ms: number): number {
  return ((21 * 60 + minute) * 60 + second) * 1000 + ms;
}

/** One character or two a segment, at the stamps of the trace. */
function typed(times: readonly number[], parts: readonly string[]): TimedSegment[] {
  return parts.map((data, i): TimedSegment => ({ t: times[i]!, from: 'c', data }));
}

export const referenceSession: readonly TimedSegment[] = [
  {
    t: at(51, 35, 886),
    from: 's',
    data: `220 ${'ausnml-3600-02 mail service, nothing beyond this banner text '.slice(0, 58).padEnd(58, '.')}\r\n`,
  },
  ...typed(
    [
      at(51, 40, 810),
      at(51, 40, 994),
      at(51, 41, 190),
      at(51, 41, 390),
      at(51, 42, 46),
      at(51, 43, 462),
      at(51, 43, 594),
      at(51, 43, 794),
      at(51, 43, 994),
      at(51, 44, 194),
    ],
    ['H', 'E', 'L', 'O', ' ', 'c', 'i', 'sc', 'o', '\r\n'],
  ),
  { t: at(51, 44, 198), from: 's', data: '250 cisco\r\n' },
  ...typed(
    [
      at(51, 49, 482),
      at(51, 50, 222),
      at(51, 50, 618),
      at(51, 50, 954),
      at(51, 51, 642),
      at(51, 51, 914),
      at(51, 52, 106),
      at(51, 54, 754),
      at(51, 55, 98),
      at(51, 55, 322),
    ],
    ['V', 'R', 'F', 'Y', ' ', 'c', 'i', 's', 'o', '\r\n'],
  ),
  { t: at(51, 55, 326), from: 's', data: '550 User unknown.\r\n' },
  ...typed(
    [
      at(51, 57, 70),
      at(51, 57, 402),
      at(51, 58, 162),
      at(51, 58, 462),
      at(51, 58, 746),
      at(51, 59, 6),
      at(51, 59, 234),
      at(51, 59, 418),
      at(51, 59, 618),
      at(51, 59, 818),
    ],
    ['V', 'R', 'F', 'Y', ' ', 'c', 'i', 'sc', 'o', '\r\n'],
  ),
  { t: at(51, 59, 818), from: 's', data: '550 User unknown.\r\n' },
  ...typed([at(52, 4, 974), at(52, 5, 170), at(52, 5, 326), at(52, 5, 526), at(52, 5, 742)], ['H', 'E', 'L', 'P', '\r\n']),
  {
    t: at(52, 5, 746),
    from: 's',
    data: `${'These are the commands that this server understands:'.padEnd(52, '.').slice(0, 52)}\r\nHELO <domain>\r\nEHLO <domain>\r\nDATA\r\nMAIL FROM: <path>\r\nRCPT TO: <path>\r\nRSET\r\nNOOP\r\nQUIT\r\n.\r\n`,
  },
  ...typed([at(52, 15, 646), at(52, 15, 838), at(52, 16, 206), at(52, 18, 954)], ['Q', 'UI', 'T', '\r\n']),
  { t: at(52, 18, 958), from: 's', data: '221 Service closing\r\n' },
];
