// Mail through a firewall in a box, a command and its reply at a time, as a source of traffic that must not be disturbed.

import type { Box } from '../path/box.ts';
import { segment } from '../path/datagrams.ts';

const OUT = 'Ethernet2/0';
const IN = 'Ethernet2/1';
const CLIENT = '198.18.0.9';
const GLOBAL = '172.22.1.110';
const LOCAL = '10.10.10.2';

/** One session of a client outside with the mail server of the reference configuration. */
export class MailTraffic {
  /** Segments sent, and those that came out on the other side as they should. */
  sent = 0;
  arrived = 0;
  private readonly box: Box;
  private readonly port: number;
  private seq = 101;
  private ack = 501;

  constructor(box: Box, port: number) {
    this.box = box;
    this.port = port;
  }

  open(): void {
    this.fromClient('S', '', 100, 0);
    this.fromServer('SA', '', 500, 101);
    this.fromClient('A', '', 101, 501);
    this.reply('220 mx\r\n');
    this.exchange('HELO client.example\r\n', '250 mx\r\n');
  }

  exchange(command: string, reply: string): void {
    this.fromClient('PA', command, this.seq, this.ack);
    this.seq += command.length;
    this.reply(reply);
  }

  private reply(text: string): void {
    this.fromServer('PA', text, this.ack, this.seq);
    this.ack += text.length;
  }

  private fromClient(flags: string, data: string, seq: number, ack: number): void {
    this.count(
      this.box.send(OUT, segment({ from: CLIENT, to: GLOBAL, sport: this.port, dport: 25, flags, seq, ack, data })),
      `${IN} tcp ${CLIENT}:${this.port} ${LOCAL}:25 ${flags}`,
    );
  }

  private fromServer(flags: string, data: string, seq: number, ack: number): void {
    this.count(
      this.box.send(IN, segment({ from: LOCAL, to: CLIENT, sport: 25, dport: this.port, flags, seq, ack, data })),
      `${OUT} tcp ${GLOBAL}:25 ${CLIENT}:${this.port} ${flags}`,
    );
  }

  private count(left: readonly string[], wanted: string): void {
    this.sent++;
    if (left.length === 1 && left[0]!.startsWith(wanted)) this.arrived++;
  }
}
