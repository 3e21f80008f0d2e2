// The inside host: a real SMTP server on port 25 that reports, as JSON lines on stdout, which octets reached it.

import { SMTPServer } from 'smtp-server';

const report = (event, value) => process.stdout.write(`${JSON.stringify({ event, value })}\n`);

const server = new SMTPServer({
  name: 'mail.example',
  authOptional: true,
  disabledCommands: ['AUTH', 'STARTTLS'],
  disableReverseLookup: true,
  onData(stream, _session, done) {
    stream.resume();
    stream.on('end', () => done(null, 'mail accepted'));
  },
});

// The octets as they arrive, beside the server's own reading of the same socket.
server.server.on('connection', (socket) => socket.on('data', (data) => report('received', data.toString('latin1'))));
server.on('error', (error) => report('error', error.message));
server.listen(25, () => report('listening', 25));

// The demonstration holds our stdin; when it goes, so do we.
process.stdin.on('end', () => process.exit(0)).resume();
