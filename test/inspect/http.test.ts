// HTTP with a java-list: applets of sites that it does not permit, at every cut; through the inspector and through the path.

import t, { type Test } from 'tap';
import { createHttp } from '../../src/inspect/http/http.ts';
import { FORWARD, Outcome, RESET } from '../../src/inspect/inspector.ts';
import { HTTP_JAVA_BLOCK } from '../../src/telemetry/reasons.ts';
import { Box } from '../path/box.ts';
import { segment } from '../path/datagrams.ts';

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n';
const APPLET = '\xca\xfe\xba\xbe\0\0\0\x34';

/** What is released of `reply`, cut at `cuts`; `!` at the end when the session was reset. */
function released(reply: string, cuts: readonly number[]): string {
  const http = createHttp(1);
  const out = new Outcome();
  const octets = Buffer.from(reply, 'latin1');
  http.open(0, {}, 0);
  let position = 0;
  let end = 0;
  for (const to of [...cuts, octets.length]) {
    out.begin(end);
    const verdict = http.scan(0, 1, octets, position, to, position, 0, out);
    end = out.releaseTo;
    if (verdict === RESET) {
      t.equal(out.reason, HTTP_JAVA_BLOCK);
      return `${octets.subarray(0, end).toString('latin1')}!`;
    }
    position = to;
  }
  out.begin(end);
  t.equal(http.end(0, 1, position, 0, out), FORWARD);
  return octets.subarray(0, out.releaseTo).toString('latin1');
}

function atEveryCut(t: Test, reply: string, wanted: string): void {
  t.equal(released(reply, []), wanted);
  for (let i = 1; i < reply.length; i++)
    if (released(reply, [i]) !== wanted) t.fail(`cut at ${i}: ${JSON.stringify(released(reply, [i]))}`);
  t.equal(
    released(
      reply,
      Array.from({ length: reply.length - 1 }, (_, i) => i + 1),
    ),
    wanted,
    'octet by octet',
  );
}

t.test('an applet that begins a body, whole or in chunks, resets before its first octet', (t) => {
  atEveryCut(t, HEAD + APPLET, `${HEAD}!`);
  atEveryCut(t, `${HEAD}1f4;x=y\r\n${APPLET}`, `${HEAD}1f4;x=y\r\n!`);
  atEveryCut(t, `${HEAD}hello${HEAD}${APPLET}`, `${HEAD}hello${HEAD}!`);
  t.end();
});

t.test('anything else passes whole', (t) => {
  for (const reply of [
    `${HEAD}hello`,
    `${HEAD}\xca\xfe\xba`,
    `${HEAD}\xca\xfe\xca\xfe\xba\xbe`,
    `${HEAD}x${APPLET}`,
    `${HEAD}ff\n${APPLET}`,
    APPLET,
  ]) {
    atEveryCut(t, reply, reply);
  }
  t.end();
});

const CONFIG = `
hostname box
ip inspect name WEB http java-list 10
ip inspect name WEB tcp
interface Ethernet0
 ip address 10.0.0.1 255.255.255.0
 ip inspect WEB in
interface Ethernet1
 ip address 192.0.2.1 255.255.255.0
access-list 10 permit 192.0.2.80
`;

/** Opens a connection to `server`, which answers with an applet; returns the state of the session after it. */
function fetchApplet(config: string, server: string): Record<string, number> {
  const box = new Box(config);
  const client = { from: '10.0.0.9', to: server, sport: 3000, dport: 80 };
  const answer = { from: server, to: '10.0.0.9', sport: 80, dport: 3000 };
  box.send('Ethernet0', segment({ ...client, flags: 'S', seq: 0 }));
  box.send('Ethernet1', segment({ ...answer, flags: 'SA', seq: 0, ack: 1 }));
  box.send('Ethernet0', segment({ ...client, flags: 'PA', seq: 1, ack: 1, data: 'GET /a.class HTTP/1.1\r\n\r\n' }));
  box.delta();
  box.send('Ethernet1', segment({ ...answer, flags: 'PA', seq: 1, ack: 26, data: HEAD + APPLET }));
  return box.delta();
}

t.test('through the path: blocked from strangers, let through from sites on the list', (t) => {
  const stranger = fetchApplet(CONFIG, '192.0.2.66');
  t.equal(stranger['inspect-resets'], 1);
  t.equal(stranger['event http.java-block'], 1);
  t.equal(stranger['resets-sent'], 2);
  const friend = fetchApplet(CONFIG, '192.0.2.80');
  t.same(friend, { received: 1, transmitted: 1, 'tcp-packets': 1 });
  const without = fetchApplet(CONFIG.replace(' java-list 10', ''), '192.0.2.66');
  t.same(without, { received: 1, transmitted: 1, 'tcp-packets': 1 });
  const missing = fetchApplet(CONFIG.replace('java-list 10', 'java-list 11'), '192.0.2.80');
  t.equal(missing['inspect-resets'], 1, 'a list that does not exist blocks every applet');
  t.end();
});
