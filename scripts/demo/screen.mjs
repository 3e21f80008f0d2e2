// The one screen of the demonstration.

const COLOUR = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code, text) => (COLOUR ? `\x1b[${code}m${text}\x1b[0m` : text);
const bold = (text) => paint('1', text);
const dim = (text) => paint('2', text);
const red = (text) => paint('1;31', text);

const SENT = 33;
const RECEIVED = 33;

function lines(text) {
  return text.replace(/\r\n$/, '').split('\r\n');
}

/** Rows of one exchange: mail data over several lines, a reply under the last of them. */
function rows({ sent, received, reply }) {
  const left = lines(sent);
  const middle = lines(received);
  const blank = left.length - 1;
  const right = [...Array(Math.max(0, blank)).fill(''), ...reply];
  const count = Math.max(left.length, right.length);
  const out = [];
  for (let i = 0; i < count; i++) {
    const changed = (left[i] ?? '') !== (middle[i] ?? '');
    const cell = (middle[i] ?? '').padEnd(RECEIVED);
    out.push(`  ${(left[i] ?? '').padEnd(SENT)}${changed ? red(cell) : cell}${dim(right[i] ?? '')}`.trimEnd());
  }
  return out;
}

/** The whole screen as text.  `exchanges` as in demo.mjs, `displays` are [command, output] pairs. */
export function screen({ title, how, exchanges, displays, totals }) {
  const out = ['', bold(title), ''];
  out.push(...how.map((line) => `  ${line}`), '');
  out.push(`  ${bold('the client sent'.padEnd(SENT))}${bold('the server received'.padEnd(RECEIVED))}${bold('the reply')}`);
  for (const exchange of exchanges) out.push(...rows(exchange));
  for (const [command, output] of displays) out.push('', bold(`3640-123# ${command}`), output.trimEnd() || dim('(empty)'));
  if (totals) out.push('', dim(totals));
  return `${out.join('\n')}\n`;
}
