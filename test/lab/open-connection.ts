// An SMTP client of the lab that holds one connection open: node open-connection.js ADDRESS PORT
//
//   { what: 'line', value: text }   sends a line                -> the lines of the answer (with the first: the greeting too)

import { connect } from 'node:net';

const [address = '', port = ''] = process.argv.slice(2);
const socket = connect(Number(port), address);
let text = '';
/** Lines to wait for before they are told. */
let wanted = 2;

socket.setEncoding('latin1').on('data', (data: string) => {
  text += data;
  const lines = text.split('\r\n').slice(0, -1);
  if (lines.length < wanted) return;
  text = '';
  wanted = 1;
  process.send!(lines);
});
socket.once('connect', () => process.send!({ ready: true }));
socket.on('close', () => process.exit(0));
process.on('message', ({ value }: { value: string }) => socket.write(`${value}\r\n`));
process.on('disconnect', () => process.exit(0));
