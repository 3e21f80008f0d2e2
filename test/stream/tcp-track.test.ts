import t from 'tap';
import { CLOSED, CLOSING, FIN_FORWARD, OPEN, OPENING, STATE } from '../../src/session/record.ts';
import { mayOpen, mayReopen, trackTcp } from '../../src/session/tcp-track.ts';
import { REASONS } from '../../src/telemetry/reasons.ts';
import { ACK, FIN, PSH, Rig, RST, type Sent, SYN } from './harness.ts';

/** Tracks one segment of the rig's session; the name of the reason, `none` when it passes. */
function track(rig: Rig, direction: number, segment: Sent, isNew = false, looseScale = false): string {
  const f = rig.build(direction, segment);
  return REASONS[trackTcp(rig.sessions, rig.frames, rig.closed, f, rig.session, direction, isNew, looseScale)]!.name;
}

function established(scales: readonly [number[], number[]] = [[], []], isn: readonly [number, number] = [100, 200]): Rig {
  const rig = new Rig();
  rig.open();
  const [c, s] = isn;
  t.equal(track(rig, 0, { flags: SYN, seq: c, options: scales[0] }, true), 'none');
  t.equal(track(rig, 1, { flags: SYN | ACK, seq: s, ack: c + 1, options: scales[1] }), 'none');
  t.equal(rig.sessions.state(rig.session), OPENING);
  t.equal(track(rig, 0, { flags: ACK, seq: c + 1, ack: s + 1 }), 'none');
  t.equal(rig.sessions.state(rig.session), OPEN);
  return rig;
}

t.test('a window scale that the SYN did not offer', async (t) => {
  const rig = new Rig();
  for (const [offered, answered, loose, reason] of [
    [[], [3, 3, 7, 1], false, 'tcp.window-scale'],
    [[], [3, 3, 0, 1], false, 'tcp.window-scale'],
    [[], [3, 3, 7, 1], true, 'none'],
    [[3, 3, 2, 1], [3, 3, 7, 1], false, 'none'],
    [[3, 3, 2, 1], [], false, 'none'],
  ] as const) {
    rig.open();
    track(rig, 0, { flags: SYN, seq: 100, options: offered }, true);
    t.equal(
      track(rig, 1, { flags: SYN | ACK, seq: 200, ack: 101, options: answered }, false, loose),
      reason,
      `${offered} ${answered} ${loose}`,
    );
  }
  rig.open();
  track(rig, 0, { flags: SYN, seq: 100 }, true);
  track(rig, 1, { flags: SYN | ACK, seq: 200, ack: 101, options: [3, 3, 7, 1] }, false, true);
  t.equal(track(rig, 0, { flags: ACK, seq: 101, ack: 201, window: 1000 }), 'none');
  t.equal(track(rig, 1, { seq: 65_737, ack: 101, data: 'xx' }), 'tcp.out-of-window', 'one side alone does not scale');
  rig.close();
});

t.test('octets in a SYN/ACK', async (t) => {
  const rig = new Rig();
  rig.open();
  const answer = { flags: SYN | ACK, seq: 0xffff_ffff | 0, ack: 101 };
  track(rig, 0, { flags: SYN, seq: 100 }, true);
  t.equal(track(rig, 1, { ...answer, data: 'early' }), 'none');
  t.equal(track(rig, 1, answer), 'none', 'again, without them');
  t.equal(track(rig, 1, { ...answer, data: 'early' }), 'none', 'and with them');
  t.equal(track(rig, 1, { ...answer, seq: 0xffff_fffe | 0 }), 'tcp.syn-mismatch');
  t.equal(track(rig, 1, { ...answer, seq: 5 }), 'tcp.syn-mismatch');
  t.equal(track(rig, 0, { flags: ACK, seq: 101, ack: 6 }), 'tcp.ack-unseen');
  t.equal(track(rig, 0, { flags: ACK, seq: 101, ack: 5 }), 'none', 'they may be acknowledged');
  t.equal(track(rig, 1, { seq: 5, ack: 101, data: 'more' }), 'none');
  rig.close();
});

t.test('what may open a session', async (t) => {
  const rig = new Rig();
  rig.open();
  const name = (segment: Sent): string => REASONS[mayOpen(rig.frames, rig.build(0, segment))]!.name;
  t.equal(name({ flags: SYN, seq: 1 }), 'none');
  t.equal(name({ flags: SYN | 0xc0, seq: 1, data: 'fast open' }), 'none');
  t.equal(name({ flags: SYN | ACK, seq: 1 }), 'tcp.handshake');
  t.equal(name({ flags: ACK | PSH, seq: 1, data: 'x' }), 'tcp.midstream');
  t.equal(name({ flags: RST, seq: 1 }), 'tcp.midstream');
  t.equal(name({ flags: SYN | FIN, seq: 1 }), 'tcp.bad-flags');
  t.equal(name({ flags: SYN, seq: 1, badChecksum: true }), 'tcp.bad-checksum');
  t.equal(name({ flags: SYN, seq: 1, badChecksum: true, partial: true }), 'none', 'a partial checksum is completed later');
  t.equal(name({ flags: SYN, seq: 1, options: [2, 1, 0, 0] }), 'tcp.bad-option');
  rig.close();
});

t.test('handshake', async (t) => {
  const rig = new Rig();
  rig.open();
  t.equal(track(rig, 0, { flags: SYN, seq: 100 }, true), 'none');
  t.equal(track(rig, 0, { flags: SYN, seq: 100 }), 'none', 'again');
  t.equal(track(rig, 0, { flags: SYN, seq: 101 }), 'tcp.syn-mismatch');
  t.equal(track(rig, 0, { flags: ACK, seq: 101, ack: 5 }), 'tcp.handshake');
  t.equal(track(rig, 1, { flags: ACK, seq: 5, ack: 101 }), 'tcp.handshake');
  t.equal(track(rig, 1, { flags: SYN, seq: 5 }), 'tcp.split-handshake');
  t.equal(track(rig, 1, { flags: SYN | ACK, seq: 200, ack: 102 }), 'tcp.handshake');
  t.equal(track(rig, 1, { flags: RST, seq: 0 }), 'tcp.rst-invalid');
  t.equal(track(rig, 1, { flags: SYN | ACK, seq: 200, ack: 101 }), 'none');
  t.equal(track(rig, 1, { flags: SYN | ACK, seq: 200, ack: 101 }), 'none', 'again');
  t.equal(track(rig, 1, { flags: SYN | ACK, seq: 201, ack: 101 }), 'tcp.syn-mismatch');
  t.equal(track(rig, 0, { flags: SYN | ACK, seq: 100, ack: 201 }), 'tcp.handshake');
  t.equal(track(rig, 0, { flags: ACK, seq: 101, ack: 201 }), 'none');
  t.equal(track(rig, 0, { flags: SYN, seq: 100 }), 'tcp.syn-in-established');
  t.equal(track(rig, 1, { flags: SYN | ACK, seq: 200, ack: 101 }), 'none', 'the last acknowledgement was lost');
  rig.open();
  t.equal(track(rig, 0, { flags: SYN, seq: 100, data: 'fast' }, true), 'none');
  t.equal(track(rig, 1, { flags: SYN | ACK, seq: 200, ack: 105 }), 'none', 'Fast Open: octets of the SYN are acknowledged');
  rig.open();
  track(rig, 0, { flags: SYN, seq: 100 }, true);
  t.equal(track(rig, 1, { flags: RST | ACK, seq: 0, ack: 101 }), 'none', 'refused');
  t.equal(rig.closed.take(), rig.session);
  rig.close();
});

t.test('windows, at every wrap', async (t) => {
  for (const isn of [
    [100, 200],
    [0x7fff_ffff, -1],
    [0xffff_fff0, 0x7fff_fff0],
  ] as const) {
    const rig = established([[], []], isn);
    const [c, s] = isn;
    t.equal(track(rig, 0, { seq: c + 1, ack: s + 1, data: 'x'.repeat(1000) }), 'none');
    t.equal(track(rig, 0, { seq: c + 1, ack: s + 1, data: 'x'.repeat(1000) }), 'none', 'again');
    t.equal(track(rig, 1, { flags: ACK, seq: s + 1, ack: c + 1002 }), 'tcp.ack-unseen');
    t.equal(track(rig, 1, { flags: ACK, seq: s + 1, ack: c + 1001, window: 2000 }), 'none');
    t.equal(track(rig, 0, { flags: ACK, seq: c + 65_536, ack: s + 1 }), 'none', 'the edge that was offered first stays');
    t.equal(track(rig, 0, { seq: c + 65_537, ack: s + 1, data: 'ab' }), 'tcp.out-of-window');
    t.equal(track(rig, 0, { seq: c - 70_000, ack: s + 1, data: 'ab' }), 'tcp.out-of-window');
    rig.close();
  }
  const rig = established([
    [3, 3, 4, 1],
    [3, 3, 20, 1],
  ]);
  t.equal(track(rig, 1, { flags: ACK, seq: 201, ack: 101, window: 1000 }), 'none');
  t.equal(track(rig, 0, { seq: 101 + 1000 * 16_384 - 1, ack: 201, data: 'a' }), 'none', 'a shift above 14 counts as 14');
  t.equal(track(rig, 0, { seq: 101 + 1000 * 16_384 + 1, ack: 201, data: 'a' }), 'tcp.out-of-window');
  rig.close();
});

t.test('the end', async (t) => {
  let rig = established();
  t.equal(track(rig, 0, { flags: FIN | ACK, seq: 101, ack: 201, badChecksum: true }), 'tcp.bad-checksum');
  t.equal(track(rig, 0, { flags: FIN | ACK, seq: 101, ack: 201 }), 'none');
  t.ok((rig.sessions.get(rig.session, STATE) & FIN_FORWARD) !== 0);
  t.equal(track(rig, 0, { seq: 102, ack: 201, data: 'x' }), 'tcp.data-after-fin');
  t.equal(track(rig, 1, { seq: 201, ack: 102, data: 'still' }), 'none');
  t.equal(track(rig, 1, { flags: FIN | ACK, seq: 206, ack: 102 }), 'none');
  t.equal(rig.sessions.state(rig.session), CLOSING);
  t.equal(track(rig, 0, { flags: ACK, seq: 102, ack: 207 }), 'none');
  const reopens = (seq: number): boolean => mayReopen(rig.sessions, rig.frames, rig.build(0, { flags: SYN, seq }), rig.session, 0);
  t.equal(reopens(103), true);
  t.equal(reopens(50), false, 'an initial number of the past');
  t.equal(rig.closed.count, 0);
  rig.close();

  rig = established();
  t.equal(track(rig, 1, { flags: RST, seq: 50_000 }), 'none', 'inside the window: for its receiver to challenge');
  t.equal(track(rig, 1, { flags: RST, seq: 100_000 }), 'tcp.rst-invalid');
  t.equal(rig.sessions.state(rig.session), OPEN);
  t.equal(track(rig, 1, { flags: RST, seq: 201, badChecksum: true }), 'tcp.bad-checksum');
  t.equal(track(rig, 1, { flags: RST, seq: 201 }), 'none');
  t.equal(rig.sessions.state(rig.session), CLOSED);
  t.equal(rig.closed.take(), rig.session);
  t.equal(track(rig, 0, { seq: 101, ack: 201, data: 'x' }), 'tcp.closed');
  t.equal(reopens(1), true);
  rig.close();
});
