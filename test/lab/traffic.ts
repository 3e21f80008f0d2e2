// Traffic for the lab by ordinary sockets of the kernel.
//
//   node traffic.js serve PORT                       TCP: answers each connection with the SHA-256 of what it sent; UDP: echo
//   node traffic.js send ADDRESS PORT OCTETS         sends pseudo-random octets; prints {"octets":n,"equal":bool,"seconds":s}
//   node traffic.js ping ADDRESS PORT COUNT OCTETS   UDP, one after another; prints {"sent":n,"received":n}
//   node traffic.js flood ADDRESS PORT COUNT OCTETS  UDP, as fast as it goes; prints {"sent":n}

import { createHash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const [what, ...args] = process.argv.slice(2);

function serve(port: number): void {
  createServer({ allowHalfOpen: true }, (socket) => {
    const hash = createHash('sha256');
    socket.on('data', (data) => hash.update(data));
    socket.on('end', () => socket.end(hash.digest('hex')));
    socket.on('error', () => socket.destroy());
  }).listen(port, () => console.log('ready'));
  const udp = createSocket('udp4');
  udp.on('message', (data, from) => udp.send(data, from.port, from.address));
  udp.bind(port);
}

/** The same octets in each run: a multiplicative generator. */
function fill(chunk: Buffer, seed: number): number {
  let state = seed;
  for (let i = 0; i + 4 <= chunk.length; i += 4) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223;
    chunk.writeInt32LE(state | 0, i);
  }
  return state;
}

async function send(address: string, port: number, octets: number): Promise<void> {
  const started = performance.now();
  const socket = connect(port, address);
  const hash = createHash('sha256');
  let answer = '';
  socket.setTimeout(20_000, () => socket.destroy(new Error('timeout')));
  socket.on('data', (data) => (answer += data.toString()));
  let seed = 1;
  for (let left = octets; left > 0; left -= 65_536) {
    const chunk = Buffer.alloc(Math.min(left, 65_536));
    seed = fill(chunk, seed);
    hash.update(chunk);
    if (!socket.write(chunk)) await once(socket, 'drain');
  }
  socket.end();
  await once(socket, 'close');
  console.log(JSON.stringify({ octets, equal: answer === hash.digest('hex'), seconds: (performance.now() - started) / 1000 }));
}

function echo(udp: Socket, address: string, port: number, data: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), 300);
    udp.once('message', (answer) => {
      clearTimeout(timer);
      resolve(answer.equals(data));
    });
    udp.send(data, port, address);
  });
}

async function ping(address: string, port: number, count: number, octets: number): Promise<void> {
  const udp = createSocket('udp4');
  let received = 0;
  for (let i = 0; i < count; i++) if (await echo(udp, address, port, Buffer.alloc(octets, i + 1))) received++;
  udp.close();
  console.log(JSON.stringify({ sent: count, received }));
}

async function flood(address: string, port: number, count: number, octets: number): Promise<void> {
  const udp = createSocket('udp4');
  const data = Buffer.alloc(octets);
  for (let sent = 0; sent < count; sent += 100) {
    const burst = Array.from(
      { length: Math.min(100, count - sent) },
      () => new Promise((resolve) => udp.send(data, port, address, resolve)),
    );
    await Promise.all(burst);
  }
  udp.close();
  console.log(JSON.stringify({ sent: count }));
}

if (what === 'serve') serve(Number(args[0]));
if (what === 'send') await send(args[0]!, Number(args[1]), Number(args[2]));
if (what === 'ping') await ping(args[0]!, Number(args[1]), Number(args[2]), Number(args[3]));
if (what === 'flood') await flood(args[0]!, Number(args[1]), Number(args[2]), Number(args[3]));
