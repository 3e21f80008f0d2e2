// The sample of `npm start` where live ports are out of reach: one mail dialogue under rules/3640.cfg in which the client also
// tries EXPN, as the captures of the two interfaces.

import { join } from 'node:path';
import { CaptureWriter, privateMemory } from '../src/port/capture-writer.ts';
import { ACK, FIN, PSH, SYN } from '../src/wire/tcp.ts';
import { FrameBuilder } from './workload-frames.ts';

/** 172.22.1.50, on the outside segment. */
const CLIENT = 0xac160132 | 0;
const CLIENT_PORT = 40_025;
const SMTP = 25;
const FIRST_SECOND = 1_700_000_000;
/** Between two packets, ns. */
const PACKET_TIME = 2_000_000;

/** c: the client, s: the server; a masked line is answered as the server answers it. */
const DIALOGUE: readonly (readonly ['c' | 's', string])[] = [
  ['s', '220 mx.example.net ESMTP\r\n'],
  ['c', 'HELO client.example.org\r\n'],
  ['s', '250 mx.example.net\r\n'],
  ['c', 'EXPN root\r\n'],
  ['s', '500 Error: command not recognized\r\n'],
  ['c', 'MAIL FROM:<alice@example.org>\r\n'],
  ['s', '250 Sender ok\r\n'],
  ['c', 'RCPT TO:<bob@example.net>\r\n'],
  ['s', '250 Recipient ok\r\n'],
  ['c', 'DATA\r\n'],
  ['s', '354 End data with <CRLF>.<CRLF>\r\n'],
  ['c', 'From: <alice@example.org>\r\nTo: <bob@example.net>\r\nSubject: hello\r\n\r\nHello Bob.\r\n.\r\n'],
  ['s', '250 Accepted\r\n'],
  ['c', 'QUIT\r\n'],
  ['s', '221 Bye\r\n'],
];

/** Writes outside.pcap and inside.pcap to the folder; both end with the connection open no more. */
export function writeSample(folder: string): void {
  const outside = new CaptureWriter(join(folder, 'outside.pcap'), privateMemory(), 0);
  const inside = new CaptureWriter(join(folder, 'inside.pcap'), privateMemory(), 0);
  const builder = new FrameBuilder();
  const next = { c: 0x1000, s: 0x2000 };
  let time = 0;
  const send = (from: 'c' | 's', bits: number, text = ''): void => {
    const isClient = from === 'c';
    const ack = (bits & ACK) === 0 ? 0 : isClient ? next.s : next.c;
    const [src, dst] = isClient ? [CLIENT_PORT, SMTP] : [SMTP, CLIENT_PORT];
    builder.nextPacket();
    const length = builder.tcp(
      isClient ? 'outside' : 'inside',
      isClient,
      CLIENT,
      src,
      dst,
      next[from],
      ack,
      bits,
      Buffer.from(text, 'latin1'),
    );
    (isClient ? outside : inside).addFrom(FIRST_SECOND + Math.floor(time / 1e9), time % 1e9, builder.octets.subarray(0, length), length);
    next[from] += text.length + ((bits & (SYN | FIN)) === 0 ? 0 : 1);
    time += PACKET_TIME;
  };
  send('c', SYN);
  send('s', SYN | ACK);
  send('c', ACK);
  for (const [from, text] of DIALOGUE) {
    send(from, ACK | PSH, text);
    send(from === 'c' ? 's' : 'c', ACK);
  }
  send('c', FIN | ACK);
  send('s', FIN | ACK);
  send('c', ACK);
  outside.close();
  inside.close();
}
