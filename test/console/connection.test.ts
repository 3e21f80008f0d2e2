// The way to the console: messages, the socket and who may have it, the terminal, and the commands exec, console and reload.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import { ConsoleTerminal } from '../../src/command/console-terminal.ts';
import { ConsoleClient } from '../../src/console/client.ts';
import {
  encodeReply,
  encodeRequest,
  loadProtocol,
  readReplies,
  readRequests,
  type Reply,
  type Request,
} from '../../src/console/wire-protocol.ts';
import { ConsoleServer } from '../../src/engine/console-server.ts';
import { firewallFor, REFERENCE, shellOf } from './firewall.ts';

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

/** A socket on which `octets` come in, in pieces of `size`. */
function arriving(octets: Buffer, size: number): Socket {
  const pieces: Buffer[] = [];
  for (let from = 0; from < octets.length; from += size) pieces.push(octets.subarray(from, from + size));
  return Readable.from(pieces) as unknown as Socket;
}

const octetText = fc.uint8Array({ maxLength: 300 }).map((octets) => Buffer.from(octets).toString('latin1'));
const PLAIN = { noNullPrototype: true };
const anyRequest = fc.oneof(
  fc.record({ open: fc.record({ version: fc.nat(), privileged: fc.boolean() }, PLAIN) }, PLAIN),
  ...(['enter', 'help', 'complete'] as const).map((ask) => octetText.map((line) => ({ [ask]: line }))),
  fc.constant({ end: {} }),
  fc.record({ reload: fc.record({ text: octetText, lenient: fc.boolean() }, PLAIN) }, PLAIN),
  fc.record({ reload: fc.record({ lenient: fc.boolean() }, PLAIN) }, PLAIN),
) as fc.Arbitrary<Omit<Request, 'id'>>;

t.test('messages come out as they went in, however they are cut', async (t) => {
  await loadProtocol();
  await fc.assert(
    fc.asyncProperty(fc.array(anyRequest, { maxLength: 5 }), fc.integer({ min: 1, max: 400 }), async (asks, size) => {
      const requests = asks.map((ask, i): Request => ({ id: i + 1, ...ask }));
      const octets = Buffer.concat(requests.map(encodeRequest));
      const read: Request[] = [];
      for await (const request of readRequests(arriving(octets, size))) read.push(request);
      t.strictSame(read, requests);
    }),
    { numRuns: 100, seed: 20_261_125 },
  );
  const long = Array.from({ length: 200_000 }, (_, i) => String.fromCharCode(i & 255)).join('');
  const reply: Reply = { id: 7, output: long, more: false, rejected: true, left: true, prompt: 'fw#', terminalLength: 24 };
  let output = '';
  let last: Reply | undefined;
  for await (last of readReplies(arriving(Buffer.concat(encodeReply(reply)), 1000))) output += last.output;
  t.equal(output, long);
  t.match(last, { id: 7, more: false, rejected: true, left: true, prompt: 'fw#', terminalLength: 24 });
});

t.test('the socket: who may use it, who may have it', async (t) => {
  const running = await firewallFor(t);
  t.equal(statSync(running.socket).mode & 0o777, 0o660);
  await t.rejects(ConsoleServer.listen(running.socket), { message: /another firewall listens at .*--socket/ });
  const folder = join(running.folder, 'own');
  const path = join(folder, 'console.sock');
  const first = await ConsoleServer.listen(path);
  t.equal(statSync(folder).mode & 0o777, 0o700);
  await first.close();
  t.notOk(existsSync(path), 'removed at the end');
  // A socket of a process that was killed: bound, and nobody listens.
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await new Promise((resolve) => spawn(process.execPath, ['-e', script]).once('exit', resolve));
  t.ok(existsSync(path));
  const second = await ConsoleServer.listen(path);
  await second.close();
  writeFileSync(path, 'not a socket');
  await t.rejects(ConsoleServer.listen(path), { message: /there is a file of that name/ });
  await t.rejects(ConsoleServer.listen(join(folder, 'x'.repeat(200))), { message: /at most 107 octets/ });
  mkdirSync(join(folder, 'folder'));
  await t.rejects(ConsoleServer.listen(join(folder, 'folder')), { message: /it is no socket/ });
});

t.test('a peer that speaks something else ends its own connection only', async (t) => {
  const running = await firewallFor(t);
  const send = async (octets: string): Promise<string> => {
    const socket = connect(running.socket);
    socket.on('error', () => {});
    socket.end(Buffer.from(octets, 'latin1'));
    return text(socket);
  };
  t.equal(await send('GET / HTTP/1.1\r\n\r\n'), '');
  t.equal(await send('\xff\xff\xff\xff\xff\xff'), '');
  t.equal(await send('\x05\x08\x01\x1a\x01x'), '', 'a line before open');
  t.equal(await send('\x20\x08\x01'), '', 'cut');
  t.equal(await send(''), '');
  const { enter } = await shellOf(t, running);
  t.match(await enter('show version'), /1\.2\.3/);
});

t.test('connections that come before the firewall runs are answered when it does', async (t) => {
  const running = await firewallFor(t);
  const path = join(running.folder, 'early.sock');
  const server = await ConsoleServer.listen(path);
  t.teardown(() => server.close());
  const early = ConsoleClient.connect(path, true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  server.serve(running.plane);
  const client = await early;
  t.match((await client.ask({ enter: 'show version' })).output, /1\.2\.3/);
  client.close();
});

t.test('output of any length crosses whole, in order', async (t) => {
  const entries = Array.from({ length: 1500 }, (_, i) => `access-list 150 permit tcp host 10.${i >> 8}.${i & 255}.1 any eq smtp`);
  const running = await firewallFor(t, `${REFERENCE}\n${entries.join('\n')}\n`);
  const { client } = await shellOf(t, running);
  const [list, version] = await Promise.all([client.ask({ enter: 'show access-lists 150' }), client.ask({ enter: 'show version' })]);
  t.equal(list.output.split('\n').length, 1502);
  t.ok(list.output.length > 64 << 10);
  t.match(list.output, /\n {4}15000 permit tcp host 10\.5\.219\.1 any eq smtp\n$/);
  t.match(version.output, /1\.2\.3/);
});

t.test('the terminal: help without Enter, completion, pages, Ctrl-Z, history', async (t) => {
  const running = await firewallFor(t);
  const { client } = await shellOf(t, running, false);
  const input = new PassThrough();
  const output = new PassThrough();
  let seen = '';
  output.on('data', (chunk: Buffer) => {
    seen += chunk.toString('latin1');
  });
  const ended = new ConsoleTerminal(client, input, output).run();
  const type = async (keys: string, until: RegExp): Promise<void> => {
    seen = '';
    input.write(keys);
    for (let i = 0; i < 200 && !until.test(plain(seen)); i++) await new Promise((resolve) => setTimeout(resolve, 5));
    t.match(plain(seen), until, JSON.stringify(keys));
  };
  await type('sh ip insp?', /sh ip insp\?\ninspect\n3640-123>sh ip insp$/);
  await type('\t', /ect $/);
  await type('?', /all.*\n(.*\n)*3640-123>sh ip inspect $/);
  await type('stat\r', /Packet inspection statistics(.*\n)*3640-123>$/);
  await type('enable\r', /3640-123#$/);
  await type('show running-config\r', / --More-- $/);
  await type('\r', / --More-- $/);
  await type(' ', / --More-- $/);
  await type('q', /3640-123#$/);
  await type('conf t\rinterface e2/0\rdescription typed ahead\rip acc', /\(config-if\)#ip acc$/);
  t.equal(running.plane.configuration.interfaces[0]!.description, 'typed ahead');
  await type('\x1a', /\^Z\n3640-123#$/);
  await type('terminal length 0\r', /3640-123#$/);
  await type('show running-config\r', /\nend\n3640-123#$/);
  await type('\x1b[A\x1b[A', /terminal length 0$/);
  await type('\x03', /\^C\n3640-123#$/);
  input.write('exit\r');
  await ended;
  t.pass('exit ends it');
});

/** Without the control sequences of the terminal; a line that was cleared is shown as it was written over. */
function plain(output: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences of a terminal
  return output
    .replace(/\r\n/g, '\n')
    .replace(/[^\n]*\x1b\[1G\x1b\[(?:0J|2K)/g, '')
    .replace(/\x1b\[[0-9;]*[A-Za-z]/g, '');
}

async function postern(socket: string, args: readonly string[], input = ''): Promise<{ out: string; err: string; status: number }> {
  const child = spawn(process.execPath, [CLI, args[0]!, '--socket', socket, ...args.slice(1)]);
  child.stdin.end(input);
  const status = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? -1)));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { out, err, status: await status };
}

t.test('postern exec, console and reload', async (t) => {
  const running = await firewallFor(t);
  const { socket, plane } = running;
  t.same(await postern(socket, ['exec', 'show running-config | include hostname', 'show ip inspect sessions']), {
    out: 'hostname 3640-123\n',
    err: '',
    status: 0,
  });
  t.same(await postern(socket, ['exec', 'show ip inspct', 'show running-config | include hostname']), {
    out: 'hostname 3640-123\n',
    err: "3640-123#show ip inspct\n                 ^\n% Invalid input detected at '^' marker.\n\n",
    status: 2,
  });
  t.match(await postern(socket, ['exec', 'configure terminal', 'hostname fw', 'show ip ?']), { status: 0 });
  t.equal(plane.configuration.hostname, 'fw');
  const script = 'enable\nconf t\n hostname scripted\n ip inspct\nend\nshow running-config | include hostname\nexit\nshow version\n';
  t.same(await postern(socket, ['console'], script), {
    out: 'Enter configuration commands, one per line.  End with CNTL/Z.\nhostname scripted\n',
    err: "scripted(config)# ip inspct\n                     ^\n% Invalid input detected at '^' marker.\n\n",
    status: 2,
  });
  const file = join(running.folder, 'new.cfg');
  writeFileSync(file, REFERENCE);
  t.same(await postern(socket, ['reload', file]), { out: '', err: '', status: 0 });
  t.equal(plane.configuration.hostname, '3640-123');
  writeFileSync(file, `${REFERENCE}\nfoo\n`);
  t.match(await postern(socket, ['reload', file]), {
    out: '',
    err: /^line \d+:\nfoo\n\^\n% Invalid.*\n\npostern: the configuration was not accepted; nothing has changed\n$/s,
    status: 2,
  });
  t.match(await postern(socket, ['reload', '/nowhere']), { err: /^postern: cannot read the configuration: /, status: 2 });
  const nobody = join(running.folder, 'nobody.sock');
  for (const args of [['exec', 'show version'], ['console'], ['reload']]) {
    t.same(await postern(nobody, args), {
      out: '',
      err: `postern: no firewall is running here (nobody listens at ${nobody})\n`,
      status: 1,
    });
  }
  t.match(await postern(socket, ['exec']), { status: 2 });
});

t.test('a firewall that goes away, and one of another version', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-console-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'fake.sock');
  const fake = createServer((socket) => socket.once('data', () => socket.destroy()));
  await new Promise<void>((resolve) => fake.listen(path, resolve));
  t.teardown(() => fake.close());
  t.match(await postern(path, ['exec', 'show version']), {
    out: '',
    err: /^postern: the (firewall ended the connection|connection to the firewall broke.*)\n$/,
    status: 1,
  });
});
