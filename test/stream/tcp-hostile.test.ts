import fc from 'fast-check';
import { CLOSED, CLOSING, FIN_FORWARD, OPEN, OPENING, STATE, SYN_ACKED } from '../../src/session/record.ts';
import { Dialogue, everyIsn, pageOctets, show, timestamps } from './dialogue.ts';
import { ACK, type Emitted, FIN, PSH, Rig, RST, SYN } from './harness.ts';

const URG = 0x20;
const ECE = 0x40;
const CWR = 0x80;
const MSS = [2, 4, 5, 180];

function opened(options: ConstructorParameters<typeof Rig>[0] = {}, isn?: readonly [number, number]): { rig: Rig; d: Dialogue } {
  const rig = new Rig(options);
  rig.open();
  return { rig, d: new Dialogue(rig, isn) };
}

/** Counters that every accepted frame moves. */
const ONE = { received: 1, 'tcp-packets': 1, 'inspected-packets': 1 };

everyIsn('segments that no TCP sends, and broken ones, are dropped under their reason', async (t) => {
  const cases: readonly (readonly [string, Parameters<Dialogue['send']>[1]])[] = [
    ['tcp.bad-checksum', { seq: 1, data: 'x', badChecksum: true }],
    ['tcp.bad-flags', { flags: 0, seq: 1, data: 'x' }],
    ['tcp.bad-flags', { flags: PSH, seq: 1, data: 'x' }],
    ['tcp.bad-flags', { flags: FIN, seq: 1 }],
    ['tcp.bad-flags', { flags: SYN | FIN, seq: 1 }],
    ['tcp.bad-flags', { flags: SYN | RST, seq: 1 }],
    ['tcp.bad-flags', { flags: RST | FIN | ACK, seq: 1 }],
    ['tcp.bad-flags', { flags: FIN | SYN | RST | PSH | ACK | URG, seq: 1, data: 'x' }],
    ['tcp.bad-option', { seq: 1, data: 'x', options: [8, 0, 1, 1] }],
    ['tcp.bad-option', { seq: 1, data: 'x', options: [1, 1, 1, 30] }],
    ['tcp.bad-option', { seq: 1, data: 'x', options: [30, 9, 0, 0] }],
    ['tcp.bad-option', { seq: 1, data: 'x', options: [2, 3, 0, 0] }],
    ['tcp.syn-in-established', { flags: SYN, seq: 4000 }],
    ['tcp.syn-in-established', { flags: SYN, seq: 0 }],
    ['tcp.syn-in-established', { flags: SYN | ACK, seq: 4000 }],
    ['tcp.out-of-window', { seq: 70_001, data: 'x' }],
    ['tcp.out-of-window', { flags: ACK, seq: 65_537 }],
    ['tcp.out-of-window', { flags: ACK, seq: -1_100_000 }],
    ['tcp.ack-unseen', { flags: ACK, seq: 1, ack: 2 }],
    ['tcp.ack-unseen', { seq: 1, ack: 500, data: 'x' }],
    ['tcp.ack-unseen', { flags: ACK, seq: 1, ack: -0x7000_0000 }],
    ['tcp.rst-invalid', { flags: RST, seq: 2 }],
    ['tcp.rst-invalid', { flags: RST | ACK, seq: 0 }],
  ];
  for (const [reason, segment] of cases) {
    const { rig, d } = opened();
    const moved = rig.deltas(() => t.strictSame(show(d.send(0, segment)), [], reason));
    t.strictSame(moved, { ...ONE, dropped: 1, [`drop ${reason}`]: 1, [`event ${reason}`]: 1 });
    const again = rig.deltas(() => d.send(0, segment));
    t.strictSame(again, { ...ONE, dropped: 1, [`drop ${reason}`]: 1 }, 'reported once, counted always');
    t.strictSame(show(d.send(0, { seq: 1, data: 'NOOP\r\n' })), ['> PA 1 1 "NOOP\\r\\n"'], 'the session goes on');
    rig.close();
  }
});

everyIsn('what is cleared: options, reserved bits, ECN, urgent data', async (t) => {
  const timestampsOption = timestamps(5, 6);
  const cases: readonly (readonly [string, Parameters<Dialogue['send']>[1], readonly number[]])[] = [
    ['tcp.option-stripped', { seq: 1, data: 'x', options: [30, 6, 0, 0, 0, 0, 1, 1] }, Array.from({ length: 8 }, () => 1)],
    [
      'tcp.option-stripped',
      { seq: 1, data: 'x', options: [19, 18, ...Array.from({ length: 16 }, () => 7), 1, 1] },
      Array.from({ length: 20 }, () => 1),
    ],
    ['tcp.option-stripped', { seq: 1, data: 'x', options: timestampsOption }, Array.from({ length: 12 }, () => 1)],
    ['tcp.option-stripped', { seq: 1, data: 'x', options: [3, 3, 7, 1] }, [1, 1, 1, 1]],
    ['tcp.option-stripped', { seq: 1, data: 'x', options: MSS }, [1, 1, 1, 1]],
    ['tcp.reserved-bits', { seq: 1, data: 'x', reserved: 4 }, []],
    ['tcp.reserved-bits', { flags: ACK | ECE | CWR, seq: 1, data: 'x' }, []],
    ['tcp.urgent', { flags: ACK | URG, seq: 1, data: 'x', urgent: 1 }, []],
  ];
  for (const [reason, segment, options] of cases) {
    const { rig, d } = opened();
    let out: Emitted[] = [];
    const moved = rig.deltas(() => {
      out = d.send(0, segment);
    });
    t.strictSame(moved, { ...ONE, transmitted: 1, 'store-octets': 4096, [`event ${reason}`]: 1 }, reason);
    t.strictSame([...out[0]!.options], options);
    t.equal(out[0]!.flags & (URG | ECE | CWR), 0);
    rig.close();
  }
  const { rig, d } = opened();
  const [zeroed] = d.send(0, { seq: 1, data: 'y', options: [0, 9, 9, 9], urgent: 7 });
  t.strictSame([...zeroed!.options], [0, 0, 0, 0], 'nothing behind the end of the list');
  t.strictSame(rig.log, []);
  rig.close();
});

everyIsn('handshake', async (t) => {
  const rig = new Rig();
  const first = { flags: SYN, seq: 100 };
  const answer = { flags: SYN | ACK, seq: 200, ack: 101 };
  const dropped = (what: string, reason: string, direction: number, segment: Parameters<Rig['send']>[1]): void => {
    const moved = rig.deltas(() => t.strictSame(show(rig.send(direction, segment)), [], what));
    t.equal(moved[`drop ${reason}`], 1, `${what}: ${reason}`);
  };
  rig.open();
  t.strictSame(show(rig.send(0, { ...first, data: 'EXPN root\r\n' })), ['> S 100 0 ""'], 'octets of a SYN are removed');
  t.strictSame(rig.log, ['tcp.syn-data']);
  dropped('another initial number', 'tcp.syn-mismatch', 0, { flags: SYN, seq: 900 });
  dropped('the answer to a SYN is a SYN', 'tcp.split-handshake', 1, { flags: SYN, seq: 200 });
  dropped('the opener answers itself', 'tcp.handshake', 0, { flags: SYN | ACK, seq: 100, ack: 1 });
  dropped('wrong acknowledgement', 'tcp.handshake', 1, { ...answer, ack: 177 });
  dropped('an acknowledgement alone', 'tcp.handshake', 1, { flags: ACK, seq: 200, ack: 101 });
  dropped('octets before the answer', 'tcp.handshake', 0, { seq: 101, ack: 0, data: 'x' });
  dropped('a reset that names nothing', 'tcp.rst-invalid', 1, { flags: RST, seq: 0 });
  t.strictSame(show(rig.send(0, first)), ['> S 100 0 ""'], 'the SYN again');
  t.strictSame(show(rig.send(1, { ...answer, data: 'evil' })), ['< SA 200 101 ""']);
  t.strictSame(show(rig.send(1, answer)), ['< SA 200 101 ""'], 'its answer again');
  dropped('another initial number of the answer', 'tcp.syn-mismatch', 1, { ...answer, seq: 201 });
  dropped('octets of the responder before the handshake is over', 'tcp.handshake', 1, { seq: 201, ack: 101, data: 'x' });
  t.equal(rig.sessions.state(rig.session), OPENING);
  t.ok((rig.sessions.get(rig.session, STATE) & SYN_ACKED) !== 0);
  t.strictSame(show(rig.send(0, { flags: ACK, seq: 101, ack: 201 })), ['> A 101 201 ""']);
  t.equal(rig.sessions.state(rig.session), OPEN);
  t.strictSame(show(rig.send(1, answer)), ['< SA 200 101 ""'], 'the last acknowledgement was lost');
  rig.send(1, { seq: 201, ack: 101, data: 'hi' });
  dropped('the answer once more', 'tcp.syn-in-established', 1, answer);

  rig.open();
  rig.send(0, first);
  t.strictSame(show(rig.send(1, { flags: RST | ACK, seq: 0, ack: 101 })), ['< RA 0 101 ""'], 'refused');
  t.equal(rig.sessions.state(rig.session), CLOSED);

  rig.open();
  const [fastOpen] = rig.send(0, { ...first, options: [34, 2, 1, 1, 3, 3, 15, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 4, 2] });
  t.strictSame([...fastOpen!.options], [1, 1, 1, 1, 3, 3, 14, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 4, 2]);
  t.strictSame(rig.log, ['tcp.syn-data', 'tcp.bad-option']);
  dropped('another scale', 'tcp.syn-mismatch', 0, { ...first, options: [3, 3, 2, 1] });

  rig.open();
  rig.send(0, first);
  const [plain] = rig.send(1, { ...answer, options: [...timestamps(1, 1), 3, 3, 2, 1, 4, 2, 1, 1] });
  t.strictSame(
    [...plain!.options],
    Array.from({ length: 20 }, () => 1),
    'what the SYN did not offer is no answer',
  );

  rig.open();
  rig.send(0, { ...first, options: [3, 3, 2, 1] });
  rig.send(1, { ...answer, options: [3, 3, 4, 1] });
  dropped('another scale of the answer', 'tcp.syn-mismatch', 1, { ...answer, options: [3, 3, 5, 1] });
  rig.close();
});

everyIsn('an acknowledgement of the opener that overtook the SYN/ACK', async (t) => {
  const rig = new Rig();
  const syn = { flags: SYN, seq: -1 };
  const answer = { flags: SYN | ACK, seq: -1, ack: 0 };
  const greeting = { seq: 0, ack: 0, data: '220 mx\r\n' };
  /** SYN, what the opener sends then, SYN/ACK, and what becomes of the responder's first octets. */
  const greetAfter = (early: readonly Parameters<Rig['send']>[1][]): string[] => {
    rig.open();
    rig.send(0, syn);
    for (const segment of early) {
      const moved = rig.deltas(() =>
        t.strictSame(show(rig.send(0, segment)), segment.flags === SYN ? ['> S -1 0 ""'] : [], 'nothing leaves'),
      );
      if (segment.flags !== SYN) t.equal(moved['drop tcp.handshake'], 1);
    }
    t.strictSame(show(rig.send(1, answer)), ['< SA -1 0 ""']);
    return show(rig.send(1, greeting));
  };
  const early = { flags: ACK, seq: 0, ack: 0 };
  const passes = ['< PA 0 0 "220 mx\\r\\n"'];
  t.strictSame(greetAfter([early]), passes, 'the handshake is complete');
  t.equal(rig.sessions.state(rig.session), OPEN);
  t.strictSame(show(rig.send(0, { flags: ACK, seq: 0, ack: 8 })), ['> A 0 8 ""']);
  t.strictSame(show(rig.send(0, { seq: 0, ack: 8, data: 'NOOP\r\n' })), ['> PA 0 8 "NOOP\\r\\n"']);
  t.strictSame(greetAfter([{ ...early, ack: 5 }, early]), passes, 'the newest one counts');

  t.strictSame(greetAfter([]), [], 'none came');
  t.strictSame(greetAfter([{ ...early, ack: 1 }]), [], 'another number');
  t.strictSame(greetAfter([{ ...early, ack: -1 }]), []);
  t.strictSame(greetAfter([early, { ...early, ack: 0x4000_0000 }]), [], 'a later one with another number');
  t.strictSame(greetAfter([{ ...early, seq: 1 }]), [], 'not the number behind the SYN');
  t.strictSame(greetAfter([{ ...early, flags: ACK | PSH, data: 'EXPN\r\n' }]), [], 'with octets');
  t.strictSame(greetAfter([{ ...early, flags: ACK | FIN }]), [], 'with a FIN');
  t.strictSame(greetAfter([early, syn]), [], 'before the SYN was sent again');
  t.equal(rig.sessions.state(rig.session), OPENING);
  t.strictSame(show(rig.send(0, early)), ['> A 0 0 ""'], 'the third segment as ever');
  t.strictSame(show(rig.send(1, greeting)), passes);
  t.strictSame(greetAfter([early]), passes);
  t.strictSame(show(rig.send(1, answer)), [], 'no SYN/ACK behind the first octets');

  rig.open();
  rig.send(0, syn);
  rig.send(0, early);
  rig.send(1, { ...answer, seq: 99 });
  t.equal(rig.sessions.state(rig.session), OPENING, 'the SYN/ACK of somebody else');
  rig.close();
});

everyIsn('window: scale, edge, probes, clamp', async (t) => {
  const rig = new Rig({ emitted: 100_000 });
  rig.open();
  const scaled = [3, 3, 4, 1];
  let d = new Dialogue(rig, [0xffff_ff00, 0x7fff_ff00], [scaled, scaled], 1000);
  t.strictSame(show(d.send(0, { seq: 1000, data: 'xy' })), [], 'cut at the edge and held: the windows of SYNs are not scaled');
  t.strictSame(show(d.send(1, { seq: 9000, data: 'xy' })), [], 'that of the third segment is');
  t.strictSame(rig.log, ['tcp.out-of-window']);
  rig.open();
  d = new Dialogue(rig, [0, 0], [scaled, scaled], 1000);
  t.strictSame(
    d.send(1, { flags: ACK, seq: 1, ack: 1, window: 60_000 })[0]!.window,
    100_000 >> 4,
    'no more is offered than the store holds',
  );
  t.strictSame(d.send(0, { flags: ACK, seq: 1, ack: 1, window: 10 })[0]!.window, 10);
  rig.open();
  d = new Dialogue(rig, [0, 0], [[], []], 6);
  t.strictSame(show(d.send(0, { seq: 1, data: 'NOOP\r\nEX' })), ['> A 1 1 "NOOP\\r\\n"'], 'cut at the edge');
  t.strictSame(show(d.send(0, { seq: 7, data: 'EX' })), [], 'beyond it');
  t.strictSame(show(d.send(0, { seq: 7, data: 'E' })), ['> A 6 1 ""'], 'a probe goes on without its octet, and asks for an answer');
  t.strictSame(show(d.send(1, { flags: ACK, seq: 1, ack: 7, window: 0 })), ['< A 1 7 ""']);
  t.strictSame(show(d.send(0, { seq: 7, data: 'E' })), ['> A 6 1 ""']);
  t.strictSame(show(d.send(1, { flags: ACK, seq: 1, ack: 7, window: 6 })), ['< A 1 7 ""']);
  t.strictSame(show(d.send(1, { flags: ACK, seq: 1, ack: 7, window: 0 })), ['< A 1 7 ""'], 'an edge never moves back');
  t.strictSame(show(d.send(0, { seq: 7, data: 'NOOP\r\n' })), ['> PA 7 1 "NOOP\\r\\n"']);
  t.strictSame(show(d.send(0, { flags: ACK | FIN, seq: 13 })), ['> FA 13 1 ""'], 'a FIN needs no window');
  t.strictSame(show(d.send(0, { flags: ACK, seq: 14 })), ['> A 14 1 ""'], 'and what follows it neither');
  t.strictSame(rig.log, ['tcp.out-of-window', 'tcp.zero-window-probe']);
  rig.close();
});

everyIsn('copies of acknowledged octets, keep-alives', async (t) => {
  const { rig, d } = opened();
  d.send(0, { seq: 1, data: 'NOOP\r\n' });
  d.send(1, { flags: ACK, seq: 1, ack: 7 });
  t.strictSame(show(d.send(0, { seq: 1, data: 'EXPN\r\n' })), ['> A 1 1 ""']);
  t.strictSame(show(d.send(0, { flags: ACK, seq: 6, data: 'Z' })), ['> A 6 1 ""']);
  t.strictSame(show(d.send(0, { flags: ACK, seq: 6 })), ['> A 6 1 ""']);
  t.strictSame(rig.log, ['tcp.old-data']);
  t.strictSame(show(d.send(0, { seq: 5, data: 'zzQUIT\r\n' })), ['> PA 7 1 "QUIT\\r\\n"'], 'in part');
  d.send(0, { flags: ACK | FIN, seq: 13 });
  t.equal(rig.sessions.get(rig.session, STATE) & FIN_FORWARD, FIN_FORWARD);
  d.send(1, { flags: ACK, seq: 1, ack: 13 });
  t.strictSame(show(d.send(0, { flags: ACK | FIN, seq: 7, data: 'QUIT\r\n' })), ['> FA 13 1 ""'], 'its FIN is not acknowledged yet');
  d.send(1, { flags: ACK | FIN, seq: 1, ack: 14 });
  t.equal(rig.sessions.state(rig.session), CLOSING);
  t.strictSame(show(d.send(0, { flags: ACK | FIN, seq: 7, ack: 2, data: 'QUIT\r\n' })), ['> A 7 2 ""']);
  rig.close();
});

everyIsn('an acknowledgement counts when it leaves, and only for what has left', async (t) => {
  const { rig, d } = opened();
  d.send(0, { seq: 1, data: 'SYNC\r\nQUIT\r\n' });
  t.strictSame(show(d.send(1, { flags: ACK, seq: 1, ack: 13 })), []);
  t.strictSame(rig.log, ['tcp.ack-unseen']);
  d.send(1, { seq: 10, ack: 7, data: 'late\r\n' });
  t.strictSame(
    show(d.send(0, { seq: 1, data: 'SYNC\r\n' })),
    ['> PA 1 1 "SYNC\\r\\n"'],
    'the acknowledgement is behind a hole, the client has not seen it',
  );
  d.send(1, { seq: 1, ack: 7, data: '250 okay\n' });
  t.strictSame(show(d.send(0, { seq: 1, ack: 16, data: 'SYNC\r\n' })), ['> A 1 16 ""'], 'now it has');
  rig.close();
});

everyIsn('timestamps', async (t) => {
  const rig = new Rig();
  rig.open();
  const d = new Dialogue(rig, [5, 6], [timestamps(1, 0), timestamps(9000, 1)]);
  d.send(0, { flags: ACK, seq: 1, options: timestamps(1002, 9000) });
  t.strictSame(show(d.send(0, { seq: 1, data: 'NOOP\r\n', options: timestamps(400, 9000) })), []);
  t.strictSame(show(d.send(0, { seq: 1, data: 'NOOP\r\n' })), []);
  t.strictSame(rig.log, ['tcp.paws', 'tcp.ts-missing']);
  t.strictSame(show(d.send(0, { seq: 1, data: 'NOOP\r\n', options: timestamps(1003, 9000) })), ['> PA 1 1 "NOOP\\r\\n"']);
  t.strictSame(show(d.send(0, { seq: 10, data: 'ahead', options: timestamps(2000, 9000) })), []);
  t.strictSame(
    show(d.send(0, { seq: 7, data: 'BAD', options: timestamps(1004, 9000) })).length,
    2,
    'one that came out of order is not the newest',
  );
  t.strictSame(show(d.send(0, { flags: RST, seq: 15 })), ['> R 15 0 ""'], 'a reset needs none');
  rig.close();
});

everyIsn('SACK blocks outside what was released', async (t) => {
  const sack = [4, 2, 1, 1];
  const rig = new Rig();
  rig.open();
  const d = new Dialogue(rig, [0, 0], [sack, sack]);
  d.send(0, { seq: 1, data: 'SYNC\r\nQUIT\r\n' });
  const block = (from: number, to: number): number[] => [0, 0, from >> 8, from & 255, 0, 0, to >> 8, to & 255];
  const [both] = d.send(1, { flags: ACK, seq: 1, ack: 1, options: [1, 1, 5, 18, ...block(9, 13), ...block(3, 7)] });
  t.strictSame([...both!.options], [1, 1, 5, 10, ...block(3, 7), 1, 1, 1, 1, 1, 1, 1, 1]);
  const [none] = d.send(1, { flags: ACK, seq: 1, ack: 1, options: [1, 1, 5, 10, ...block(9, 13)] });
  t.strictSame(
    [...none!.options],
    Array.from({ length: 12 }, () => 1),
  );
  t.strictSame(rig.log, ['tcp.option-stripped']);
  rig.close();
});

everyIsn('FINs that contradict each other', async (t) => {
  const { rig, d } = opened();
  d.send(0, { seq: 10, data: 'late' });
  t.strictSame(show(d.send(0, { flags: ACK | FIN, seq: 5 })), [], 'in front of octets that came');
  d.send(0, { flags: ACK | FIN, seq: 14 });
  t.strictSame(show(d.send(0, { seq: 12, data: 'teXX' })), [], 'the end stays where it was');
  t.strictSame(show(d.send(0, { flags: ACK | FIN, seq: 13 })), []);
  d.send(0, { seq: 1, data: 'abcdefghi' });
  t.equal(rig.received(0), 'abcdefghilate');
  t.equal(rig.receivers[0].finAt, 13);
  t.strictSame(rig.log, ['tcp.data-after-fin']);
  rig.close();
});

everyIsn('a FIN that is forgotten with its hole comes again', async (t) => {
  const { rig, d } = opened();
  d.send(0, { flags: ACK | FIN, seq: 7, data: '' });
  d.send(0, { seq: 5, data: 'x\n' });
  t.strictSame(
    rig.deltas(() => d.wait(4000)),
    { held: -2, dropped: 2, 'drop tcp.ooo-timeout': 2, 'event tcp.ooo-timeout': 1, 'store-octets': -4096, 'out-of-order-octets': -2 },
  );
  d.send(0, { seq: 1, data: 'NOOP\r\n' });
  t.strictSame(show(d.send(0, { flags: ACK | FIN, seq: 7 })), ['> FA 7 1 ""']);
  rig.close();
});

everyIsn('a full store drops what is new and keeps the session', async (t) => {
  const { rig, d } = opened({ totalOctets: 8192 });
  const filled = [0, 1].map((i) => d.send(0, { seq: 1 + i * 1700, data: 'y'.repeat(1700) }));
  t.strictSame(
    filled.map((out) => out.length),
    [1, 1],
  );
  for (let i = 2; i < 6; i++) d.send(0, { seq: 1 + i * 1700, data: 'y'.repeat(1700) });
  t.ok(rig.log.includes('tcp.store-full'));
  const received = rig.received(0).length;
  t.ok(rig.streams.pagesInUse <= 2);
  d.send(1, { flags: ACK, seq: 1, ack: 1 + received });
  t.equal(d.send(0, { seq: 1 + received, data: 'z'.repeat(100) }).length, 1, 'after an acknowledgement it goes on');
  rig.close();
});

everyIsn('I3 when the store has no page for originals: the octets stay those that left', async (t) => {
  const { rig, d } = opened({ totalOctets: 4096 });
  d.send(0, { seq: 1, data: 'BADLY\r\n' });
  t.strictSame(show(d.send(0, { seq: 1, data: 'NOOPS\r\n' })), ['> PA 1 1 "xxxxx\\r\\n"']);
  t.equal(rig.streams.pagesInUse, 1);
  rig.close();
});

everyIsn('a retransmission that completes a line whose beginning is held is masked as a whole', async (t) => {
  const { rig, d } = opened();
  t.strictSame(show(d.send(0, { seq: 1, data: 'BA' })), []);
  t.strictSame(show(d.send(0, { seq: 1, data: 'BAD one\r\n' })), ['> PA 1 1 "xxxxxxx\\r\\n"']);
  t.strictSame(show(d.send(0, { seq: 1, data: 'BAD one\r\n' })), ['> PA 1 1 "xxxxxxx\\r\\n"']);
  t.strictSame(rig.log, ['cmd.illegal']);
  rig.close();
});

everyIsn('resets from outside, at every stage', async (t) => {
  const rig = new Rig();
  rig.open();
  rig.send(0, { flags: SYN, seq: 100 });
  t.strictSame(show(rig.reset()), ['> R 101 0 "" made'], 'the opener has seen no answer and is not told');
  rig.open();
  rig.send(0, { flags: SYN, seq: 100 });
  rig.send(1, { flags: SYN | ACK, seq: 200, ack: 101 });
  t.strictSame(show(rig.reset()), ['> RA 101 201 "" made', '< RA 201 101 "" made']);
  t.strictSame(show(rig.reset()), [], 'once');
  rig.open();
  const d = new Dialogue(rig);
  d.send(0, { seq: 1, data: 'SYNC\r\nheld' });
  d.send(0, { seq: 20, data: 'late' });
  d.send(1, { flags: ACK | FIN, seq: 1, ack: 7 });
  const moved = rig.deltas(() => {
    t.strictSame(
      rig.reset().map((e) => [e.direction, (e.seq - d.isn[e.direction]!) | 0, (e.ack - d.isn[1 - e.direction]!) | 0]),
      [
        [0, 7, 2],
        [1, 2, 11],
      ],
    );
  });
  t.strictSame(moved, {
    generated: 2,
    transmitted: 2,
    'resets-sent': 2,
    held: -1,
    dropped: 1,
    'drop session.ended': 1,
    'store-octets': -pageOctets(d, 0, 1, 24),
    'out-of-order-octets': -4,
    'waiting-octets': -4,
  });
  rig.close();
});

everyIsn('the largest session that gets nowhere makes room for others', async (t) => {
  const rig = new Rig({ totalOctets: 2 * 4096 });
  rig.open();
  const stalled = rig.session;
  new Dialogue(rig, [2000, 9]).send(0, { seq: 1, data: 'y'.repeat(1700) });
  rig.session = -1;
  rig.open();
  const busy = rig.session;
  const d = new Dialogue(rig, [2000, 9]);
  rig.wait(9_999);
  d.send(0, { seq: 1, data: 'z'.repeat(1700) });
  t.strictSame(show(d.send(0, { seq: 1701, data: 'z'.repeat(1700) })).length, 0, 'no page is free');
  t.equal(rig.closed.count, 0, 'not yet');
  rig.wait(1);
  const out = d.send(0, { seq: 1701, data: 'z'.repeat(1700) });
  t.strictSame(
    out.map((e) => e.flags),
    [RST | ACK, RST | ACK],
  );
  t.equal(rig.closed.take(), stalled);
  t.equal(d.send(0, { seq: 1701, data: 'z'.repeat(1700) }).length, 1);
  rig.streams.close(stalled, 0);
  rig.sessions.remove(stalled, false);
  t.equal(rig.session, busy);
  rig.close();
});

everyIsn('datagrams merged from fragments: held, consumed, dropped, none is counted as received', async (t) => {
  const { rig, d } = opened();
  t.strictSame(
    rig.deltas(() => d.send(0, { seq: 1, data: 'BA', merged: true })),
    { 'tcp-packets': 1, 'inspected-packets': 1, 'store-octets': 4096 },
  );
  t.strictSame(show(d.send(0, { seq: 1, data: 'BA', merged: true })), ['< A 1 3 "" made']);
  t.strictSame(show(d.send(0, { seq: 20, data: 'late', merged: true })), []);
  t.strictSame(show(d.send(0, { seq: 3, data: 'D\r\nNOOP\r', merged: true })), ['> PA 1 1 "xx" made', '> A 3 1 "x\\r\\nNOOP" made']);
  t.strictSame(
    rig.deltas(() => d.send(0, { seq: 70_000, data: 'x', merged: true })),
    {
      generated: 1,
      dropped: 1,
      'tcp-packets': 1,
      'inspected-packets': 1,
      'drop tcp.out-of-window': 1,
      'event tcp.out-of-window': 1,
    },
  );
  t.strictSame(show(d.send(0, { seq: 11, data: '\nRST!', merged: true })), [
    '> PA 10 1 "\\r" made',
    '> A 11 1 "\\n" made',
    '> RA 12 1 "" made',
    '< RA 1 16 "" made',
  ]);
  rig.close();
});

everyIsn('anything at all: one value an octet, nothing outside the window, nothing lost', async () => {
  const rig = new Rig({ emitted: 20_000, outOfOrderOctets: 3000, outOfOrderSegments: 6, syncOctets: 400, totalOctets: 12 * 4096 });
  const near = fc.oneof(fc.integer({ min: -3, max: 60 }), fc.constantFrom(-70_000, 19_990, 65_530, 65_536, 70_000, 0x7fff_ffff));
  const segment = fc.record({
    direction: fc.nat(1),
    flags: fc.oneof(fc.constantFrom(ACK, ACK | PSH, ACK | PSH, ACK | PSH, ACK | FIN, RST, RST | ACK, SYN, SYN | ACK), fc.nat(255)),
    seq: near,
    ack: near,
    data: fc.oneof(
      fc.constantFrom('', 'NOOP\r\n', 'BAD', '\r', '\n', 'SYNC\r\n', 'RST!', 'OPEN\r\n', 'TIME\r\n', 'y'.repeat(1500)),
      fc.string({ maxLength: 12 }),
    ),
    window: fc.constantFrom(0, 1, 10, 1000, 65_535),
    options: fc.oneof(
      fc.constantFrom([], timestamps(1, 1), [3, 3, 15, 1], [1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9], [34, 2, 0, 7]),
      fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }),
    ),
    reserved: fc.constantFrom(0, 0, 0, 15),
    urgent: fc.constantFrom(0, 0, 0, 3),
    wait: fc.constantFrom(0, 0, 0, 0, 50, 5000),
    partial: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 40 }), fc.boolean(), fc.boolean(), (segments, isIpv6, withTimestamps) => {
      rig.open(5000, isIpv6);
      const syn = withTimestamps ? timestamps(1, 0) : [];
      const d = new Dialogue(rig, [0xffff_ffe0, 0x7fff_ffe0], [syn, syn]);
      for (const { direction, wait, ...rest } of segments) {
        d.send(direction, rest);
        if (wait > 0) d.wait(wait);
        rig.received(0);
        rig.received(1);
      }
      if (rig.receivers[0].octets > 65_535 || rig.received(0).length < rig.receivers[0].octets)
        throw new Error('octets out of order were sent');
    }),
    { seed: 5, numRuns: 1500 },
  );
  rig.close();
});
