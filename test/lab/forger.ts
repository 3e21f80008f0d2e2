// The lab's forger: IPv4 datagrams that no well-behaved host sends, through the npm package raw-socket.
//
// A process of its own, because raw-socket and cap do not go together in one; told by messages, in the namespace of an outside host.
// The kernel routes by the destination address, adds the link header and fills in the header checksum; everything else is ours.
//
//   { what: 'send', value: [{ to, hex }, ...] }   -> { sent: n } or { error }
//   { what: 'end' }

import { loadRawSocket } from '../../native-bindings/raw-socket.ts';

/** IPPROTO_RAW: any protocol may be sent, nothing is received. */
const SEND_ONLY = 255;

interface Forged {
  readonly to: string;
  /** From the IPv4 header on. */
  readonly hex: string;
}

const { createSocket, SocketLevel, SocketOption } = loadRawSocket();
const socket = createSocket({ protocol: SEND_ONLY });
const includeHeader = (): void => socket.setOption(SocketLevel.IPPROTO_IP, SocketOption.IP_HDRINCL, 1);

/** One after another, so that they arrive in order. */
function send({ to, hex }: Forged): Promise<void> {
  const octets = Buffer.from(hex, 'hex');
  return new Promise((resolve, reject) => {
    socket.send(octets, 0, octets.length, to, includeHeader, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function sendAll(list: readonly Forged[]): Promise<object> {
  try {
    for (const forged of list) await send(forged);
    return { sent: list.length };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

process.on('message', ({ what, value }: { what: string; value?: unknown }) => {
  if (what === 'send') void sendAll(value as Forged[]).then((answer) => process.send!(answer));
  if (what === 'end') process.exit(0);
});
process.on('disconnect', () => process.exit(0));
socket.on('error', (error) => process.send!({ error: error.message }));
process.send!({ ready: true });
