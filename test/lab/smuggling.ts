// SMTP smuggling: mails whose text holds a form that some server takes for the end of mail data, and behind it a second mail.

import type { Session, Step } from './dialogue.ts';
import { EHLO, GREETING, QUIT, RECIPIENT } from './mail-lab.ts';

/** Forms that some server takes for the end of mail data (SMTP smuggling, CVE-2023-51764 to 51766 and their kin). */
export const LOOKALIKES = [
  '\n.\n',
  '\n.\r\n',
  '\r\n.\n',
  '\r.\r',
  '\r.\r\n',
  '\r.\n',
  '\n.\r',
  '\r\n.\r',
  '\r\n\0.\r\n',
  '\r\n.\0\r\n',
  '\r\n.\0text\r\n',
  '\r\n.\r\0\n',
  '\r\0\n.\r\n',
  '\r\n.\r\r\n',
  '\r\r\n.\r\r\n',
  '\r\n. \r\n',
  '\r\n.\t\r\n',
  '\r\n.\x0b\r\n',
];
/** Forms that contain the true end; what follows the NUL of the last is no longer mail data. */
const TRUE_ENDS = ['\r\r\n.\r\n', '\0\r\n.\r\n', '\r\n.\r\n\0'];

/** `name` ends with the mark that both mails carry. */
export interface Attempt {
  readonly name: string;
  readonly isTrueEnd: boolean;
  readonly session: Session;
}

/** A mail whose text holds the form and, behind it, a second mail; the form in one segment or an octet a segment. */
function attempt(form: string, isTrueEnd: boolean, isCut: boolean): Attempt {
  const name = `${JSON.stringify(form)}${isCut ? ' octet by octet' : ''}`;
  const mark = `[${Buffer.from(form, 'latin1').toString('hex')}${isCut ? 'cut' : 'whole'}]`;
  const text = `From: a@client.example\r\nSubject: outer ${mark}\r\n\r\nbefore`;
  const second = `MAIL FROM:<evil@client.example>\r\n${RECIPIENT}\r\nDATA\r\nSubject: inner ${mark}\r\n\r\nsmuggled\r\n.\r\n`;
  const pieces = isCut ? [text, ...form] : [text + form];
  const last = pieces.pop()!;
  const end: Step[] = isTrueEnd
    ? [
        [last, 1],
        ['NOOP\r\n', 1],
      ]
    : [
        [last, 0],
        [second, 1],
      ];
  const mail: Step = [`MAIL FROM:<a@client.example>\r\n${RECIPIENT}\r\nDATA\r\n`, 3];
  return {
    name: `${name} ${mark}`,
    isTrueEnd,
    session: { steps: [GREETING, EHLO, mail, ...pieces.map((piece): Step => [piece, 0]), ...end, QUIT] },
  };
}

/** First each lookalike whole, then the true ends, then the same octet by octet. */
export const ATTEMPTS = [false, true].flatMap((isCut) => [
  ...LOOKALIKES.map((form) => attempt(form, false, isCut)),
  ...TRUE_ENDS.map((form) => attempt(form, true, isCut)),
]);

/** Delivered mails that hold a text of that attempt, the mail or the one inside it. */
export const mailsOf = (mails: readonly string[], { name }: Attempt): string[] =>
  mails.filter((mail) => mail.includes(name.slice(name.lastIndexOf('['))));
