// The mail dialogue of the workloads: what the client and the server say, turn by turn.

export interface Turn {
  readonly fromOpener: boolean;
  readonly data: Uint8Array;
}

const GREETING = '220 mx.example.net ESMTP\r\n';
const KEYWORDS = ['mx.example.net greets you', 'SIZE 52428800', 'PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES', 'DSN'];
/** Lines that the inspector masks: not in the list, not offered, private. */
const ILLEGAL = ['EXPN root\r\n', 'BDAT 5 LAST\r\n', 'XEXCH50 2 2\r\n'];

const client = (text: string): Turn => ({ fromOpener: true, data: Buffer.from(text, 'latin1') });
const server = (text: string): Turn => ({ fromOpener: false, data: Buffer.from(text, 'latin1') });

/** Session `n`: one mail of about `size` octets to `recipients` mailboxes. */
export function* dialogue(n: number, size: number, recipients: number, isIllegal: boolean, random: () => number): Generator<Turn> {
  yield server(GREETING);
  yield client(`EHLO host-${n}.example.org\r\n`);
  yield server(KEYWORDS.map((keyword, i) => `250${i === KEYWORDS.length - 1 ? ' ' : '-'}${keyword}\r\n`).join(''));
  if (isIllegal) {
    yield client(ILLEGAL[((n / 10) % ILLEGAL.length) | 0]!);
    yield server('500 5.5.1 Command unrecognized\r\n');
  }
  yield client(`MAIL FROM:<author${n}@example.org> SIZE=${size}\r\n`);
  yield server('250 2.1.0 Sender ok\r\n');
  for (let i = 0; i < recipients; i++) {
    yield client(`RCPT TO:<reader${i}@example.net>\r\n`);
    yield server('250 2.1.5 Recipient ok\r\n');
  }
  yield client('DATA\r\n');
  yield server('354 Start mail input; end with <CRLF>.<CRLF>\r\n');
  yield client(message(n, size, random));
  yield server(`250 2.0.0 Accepted as ${n.toString(36)}\r\n`);
  yield client('QUIT\r\n');
  yield server('221 2.0.0 Closing\r\n');
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz     ';
const LINE = 76;

function message(n: number, size: number, random: () => number): string {
  const head = `From: <author${n}@example.org>\r\nTo: <reader0@example.net>\r\nSubject: number ${n}\r\nMessage-ID: <${n}@example.org>\r\n\r\n`;
  let line = '';
  while (line.length < LINE - 2) line += LETTERS[Math.floor(random() * LETTERS.length)];
  const count = Math.max(1, Math.floor((size - head.length - 3) / LINE));
  // A line that begins with a dot would have to be stuffed; these begin with a letter or a blank.
  return `${head}${`${line}\r\n`.repeat(count)}.\r\n`;
}
