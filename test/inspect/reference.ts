// The same rules on whole strings: every line judged at its end by regular expressions, every message when it is
// complete.  Slow, without state inside a line, written from the rules and not from the engine.
//
// It expects client segments to end with whole lines and whole messages; how a line behaves when it is cut is another test.

import type { SmtpOptions } from '../../src/inspect/smtp/declare.ts';
import type { Result, Side } from './driver.ts';

const KNOWN = ['SIZE', '8BITMIME', 'PIPELINING', 'DSN', 'ETRN', 'AUTH', 'ENHANCEDSTATUSCODES', 'VRFY', 'CHECKPOINT'];
const CBAC = ['DATA', 'HELO', 'HELP', 'MAIL', 'NOOP', 'QUIT', 'RCPT', 'RSET', 'SAML', 'SEND', 'SOML', 'VRFY'];
const MAILGUARD = ['HELO', 'MAIL', 'RCPT', 'DATA', 'RSET', 'NOOP', 'QUIT'];
const SENDERS = ['MAIL', 'SEND', 'SOML', 'SAML'];
const STEERED = ['ehlo', 'data', 'auth', 'sasl', 'starttls'];
const NEEDS: Record<string, string> = { ETRN: 'ETRN', AUTH: 'AUTH', BDAT: 'CHUNKING', STARTTLS: 'STARTTLS' };

const ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_{}~|`\\x80-\\xff-]";
const LOCAL = `(?:${ATEXT}+(?:\\.+${ATEXT}+)*|"(?:[ !#-\\[\\]-~\\x80-\\xff]|\\\\[ -~])*")`;
const LABEL = '[A-Za-z0-9_\\x80-\\xff](?:[A-Za-z0-9_\\x80-\\xff-]*[A-Za-z0-9_\\x80-\\xff])?';
const DOMAIN = `${LABEL}(?:\\.${LABEL})*`;
const SNUM = '0{0,2}[0-9]|0?[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5]';
const LITERAL = `\\[(?:(?:${SNUM})(?:\\.(?:${SNUM})){3}|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?:[!-Z^-~]+)\\]`;
const ROUTE = `@${DOMAIN}(?:,@${DOMAIN})*:`;
const MAILBOX = `(?:${ROUTE})?${LOCAL}(?:@(?:${DOMAIN}|${LITERAL}))?`;
const BRACKETED = new RegExp(`^<(${MAILBOX})>(?=[ \\t]|$)`);
const NULL_PATH = /^<()>(?=[ \t]|$)/;
const BARE = new RegExp(`^(${MAILBOX})(?=[ \\t]|$)`);
const HELO = new RegExp(`^(?:${DOMAIN}|${LITERAL})$`);
const XTEXT = '(?:[!-*,-<>-~]|\\+[0-9A-Fa-f]{2})';
/** What a path may still become: one of these behind it makes a whole one. */
const COMPLETIONS = [
  '',
  'a',
  'a@a',
  '@a',
  '"',
  '"@a',
  'a"@a',
  'a:a',
  ':a',
  '@a:a',
  'a]',
  ']',
  '1]',
  '1.1]',
  '1.1.1]',
  '1.1.1.1]',
  '.1]',
  '.1.1]',
  '.1.1.1]',
  ':a]',
  'a:a]',
];

type Verdict = { kind: 'pass' | 'mask' | 'reset'; name: string; notes: string[]; piped?: string };

function mask(name: string): Verdict {
  return { kind: 'mask', name, notes: [] };
}

function reset(name: string): Verdict {
  return { kind: 'reset', name, notes: [] };
}

export class Reference {
  toServer = '';
  toClient = '';
  readonly log: string[] = [];
  /** Kinds of outstanding replies, oldest first. */
  readonly queue: string[] = ['greeting'];
  mode: 'command' | 'sasl' | 'data' | 'tls' | 'opaque' | 'closed' = 'command';
  visible: Set<string> = new Set();
  private readonly options: SmtpOptions;
  private client = '';
  private server = '';
  private chunk = 0;
  private garbled = false;
  private open = 0;
  private stray = false;
  private offered: Set<string> = new Set();
  private recipients = 0;
  private refused = 0;
  private masked = false;
  private readonly once = new Set<string>();

  constructor(options: SmtpOptions) {
    this.options = options;
  }

  feed(from: Side, data: string): void {
    if (this.mode === 'closed') return;
    if (from === 'c') {
      this.client += data;
      this.readClient();
      return;
    }
    this.server += data;
    this.readServer();
  }

  result(): Result {
    const verdict = this.mode === 'closed' ? 'reset' : this.masked ? 'mask' : 'pass';
    return { toServer: this.toServer, toClient: this.toClient, verdict, log: this.log, held: [0, 0], resetAt: -1 };
  }

  /** True when client octets wait for the newest outstanding reply. */
  waits(): boolean {
    return ['greeting', 'helo', ...STEERED].includes(this.queue.at(-1) ?? '');
  }

  /** True when the line would pass now; nothing changes. */
  accepts(line: string): boolean {
    return this.judge(line).kind === 'pass';
  }

  /** Octets that would complete what the client has begun, '' when it is complete or waits. */
  completion(): string {
    if (this.mode === 'closed' || this.mode === 'opaque' || this.mode === 'tls' || this.waits()) return '';
    if (this.chunk > 0) return 'b'.repeat(this.chunk);
    if (this.client === '') return '';
    return this.mode === 'data' ? '\r\n.\r\n' : '\r\n';
  }

  /** True while client octets are not judged: a reset may then cut them at another place than the engine does. */
  unfinished(): boolean {
    return this.client !== '';
  }

  private close(name: string): void {
    this.log.push(name);
    this.mode = 'closed';
  }

  private note(name: string, key = name): void {
    if (this.once.has(key)) return;
    this.once.add(key);
    this.log.push(name);
  }

  private readClient(): void {
    const before = this.toServer;
    while (this.client !== '' && this.mode !== 'closed') {
      if (this.mode === 'opaque') {
        this.toServer += this.client;
        this.client = '';
      } else if (this.waits()) {
        if (this.queue.at(-1) === 'starttls') {
          this.toServer = before;
          this.close('starttls.injection');
        } else if (this.queue.at(-1) === 'greeting') this.note('sync.early');
        else this.note('sync.violation', 'violation');
        return;
      } else if (this.mode === 'tls') {
        if (this.client[0] === '\x16') this.mode = 'opaque';
        else this.close('tls.not-handshake');
      } else if (this.mode === 'data') {
        if (!this.readMessage()) return;
      } else if (this.chunk > 0) {
        const part = this.client.slice(0, this.chunk);
        this.toServer += part;
        this.client = this.client.slice(part.length);
        this.chunk -= part.length;
      } else if (!this.readLine()) return;
    }
  }

  private readLine(): boolean {
    const end = this.client.indexOf('\r\n');
    if (end < 0) return false;
    const line = this.client.slice(0, end);
    if (this.queue.length - (this.garbled ? 1 : 0) > 0 && !this.visible.has('PIPELINING')) this.note('pipeline.not-offered');
    const verdict = this.mode === 'sasl' ? sasl(line) : this.judge(line);
    if (verdict.kind === 'reset') {
      this.close(verdict.name);
      return false;
    }
    this.client = this.client.slice(end + 2);
    this.log.push(...verdict.notes);
    if (verdict.kind === 'mask') {
      this.log.push(verdict.name);
      this.masked = true;
      this.toServer += `${'x'.repeat(line.length)}\r\n`;
      this.push(this.mode === 'sasl' ? 'sasl' : 'masked');
      return true;
    }
    if (verdict.piped !== undefined) this.masked = true;
    this.toServer += `${verdict.piped ?? line}\r\n`;
    this.answered(line);
    return true;
  }

  private push(kind: string): void {
    this.queue.push(kind);
    if (this.waits()) this.once.delete('violation');
  }

  private answered(line: string): void {
    if (this.mode === 'sasl') {
      this.push('sasl');
      return;
    }
    const verb = verbOf(line.replace(/[ \t]+$/, ''));
    if (SENDERS.includes(verb)) this.recipients = 0;
    if (verb === 'BDAT') {
      const [, size, last] = /^BDAT (\d+)(?: (LAST))?[ \t]*$/i.exec(line)!;
      this.chunk = Number(size);
      if (last !== undefined) this.recipients = 0;
    }
    this.push(['HELO', 'EHLO', 'DATA', 'AUTH', 'STARTTLS'].includes(verb) ? verb.toLowerCase() : verb === 'RCPT' ? 'rcpt' : 'other');
  }

  private verbs(): string[] {
    const { esmtp, profile, allowTls, extensions } = this.options;
    let verbs = esmtp ? [...CBAC, 'AUTH', 'EHLO', 'ETRN'] : CBAC;
    if (profile === 'mailguard') verbs = verbs.filter((verb) => MAILGUARD.includes(verb));
    if (esmtp && profile === 'cbac') {
      if (allowTls) verbs = [...verbs, 'STARTTLS'];
      if (extensions.includes('CHUNKING')) verbs = [...verbs, 'BDAT'];
    }
    return verbs;
  }

  private limit(verb: string): number {
    const has = (keyword: string, growth: number): number => (this.visible.has(keyword) ? growth : 0);
    if (verb === 'AUTH' && this.options.esmtp) return 12_288;
    if (verb === 'RCPT') return 512 + has('DSN', 500);
    if (!SENDERS.includes(verb)) return 512;
    return (
      512 +
      has('SIZE', 26) +
      has('8BITMIME', 17) +
      has('AUTH', 500) +
      has('SMTPUTF8', 10) +
      has('DELIVERBY', 17) +
      has('MT-PRIORITY', 15) +
      has('FUTURERELEASE', 34) +
      has('DSN', 100)
    );
  }

  private judge(line: string): Verdict {
    const trimmed = line.replace(/[ \t]+$/, '');
    const verb = verbOf(trimmed);
    const allowed = this.verbs();
    const usable = allowed.includes(verb) && (NEEDS[verb] === undefined || this.visible.has(NEEDS[verb]!));
    const early = this.earlyReset(line, verb, usable);
    if (early !== null) return early;
    if (line.length + 2 > this.limit(verbOf(line))) return reset('cmd.too-long');
    if (/[\r\n]/.test(line)) return mask('cmd.bare-newline');
    if (/[\x00-\x08\x0b-\x1f\x7f]/.test(line)) return mask('cmd.control-char');
    if (/[\x80-\xff]/.test(line) && !(['MAIL', 'RCPT', 'VRFY'].includes(verb) && usable && this.visible.has('SMTPUTF8') && isUtf8(line)))
      return mask('cmd.8bit');
    if (trimmed === '') return { kind: 'pass', name: '', notes: ['cmd.empty'] };
    if (/^[ \t]/.test(line)) return mask('cmd.syntax');
    if (!allowed.includes(verb)) return mask('cmd.illegal');
    if (!usable) return mask('cmd.not-offered');
    if (trimmed.includes('\t')) return mask('cmd.syntax');
    const argument = trimmed.slice(verb.length);
    if (SENDERS.includes(verb) || verb === 'RCPT') return this.envelope(verb, argument, line);
    return ARGUMENTS[verb]!.test(argument) &&
      (verb !== 'BDAT' || Number(/\d+/.exec(argument)![0]) <= this.options.maxChunk) &&
      (!['HELO', 'EHLO'].includes(verb) || argument.length <= 256)
      ? { kind: 'pass', name: '', notes: [] }
      : mask(verb === 'BDAT' ? 'bdat.syntax' : 'cmd.syntax');
  }

  /** What resets as soon as it is complete, whatever follows. */
  private earlyReset(line: string, verb: string, usable: boolean): Verdict | null {
    if (this.options.signatures && /^(?:WIZ|DEBUG)(?: |$)/i.test(line)) return reset('sig.3104');
    const found = /^(?:MAIL FROM|SEND FROM|SOML FROM|SAML FROM|RCPT TO): */i.exec(line);
    if (found === null || !usable) return null;
    const rest = line.slice(found[0].length);
    const at = this.pipeAt(rest);
    const limit = this.limit(verb) - 2;
    if (at >= 0) {
      const first = rest
        .slice(at)
        .split('')
        .findIndex((c) => c === '|');
      const behind = rest.slice(at, at + Math.max(first, 0));
      const before = rest.slice(0, at);
      const eight = /[\x80-\xff]/.test(before) && !(['MAIL', 'RCPT'].includes(verb) && this.visible.has('SMTPUTF8') && isUtf8(before));
      if (
        this.options.signatures &&
        first >= 0 &&
        !eight &&
        !/[\x00-\x08\x0a-\x1f\x7f]|\$\{/.test(behind) &&
        closing(rest, at) > at + first &&
        !/[\t]/.test(behind) &&
        found[0].length + at + first < limit &&
        utf8Fits(behind)
      ) {
        return reset(verb === 'RCPT' ? 'sig.3101' : 'sig.3102');
      }
      return null;
    }
    if (verb === 'RCPT') return null;
    const path = this.path(rest, true);
    if (path === null || path[1]!.length <= 320 || found[0].length + path[0].length > limit || path[0].includes('${')) return null;
    // a tab is no end of an address unless only blanks follow
    if (/^\t[ \t]*[^ \t]/.test(rest.slice(path[0].length))) return null;
    return /[\x80-\xff]/.test(path[0]) && !(verb === 'MAIL' && this.visible.has('SMTPUTF8') && isUtf8(path[0]))
      ? null
      : reset('addr.too-long');
  }

  private path(rest: string, sender: boolean): RegExpExecArray | null {
    return (sender ? NULL_PATH.exec(rest) : null) ?? BRACKETED.exec(rest) ?? BARE.exec(rest);
  }

  /** Index of the first pipe or back quote in an address that is a path up to it, else -1. */
  private pipeAt(rest: string): number {
    const at = rest.search(/[|`]/);
    if (at < 0) return -1;
    const before = rest.slice(0, at);
    if (before.includes('${') || /[\x00-\x1f\x7f]/.test(before)) return -1;
    const bracket = before.startsWith('<');
    const alive = COMPLETIONS.some((more) => {
      const whole = before + more + (bracket ? '>' : '');
      const found = bracket ? BRACKETED.exec(whole) : BARE.exec(whole);
      return found !== null && found[0].length === whole.length;
    });
    return alive ? at : -1;
  }

  private envelope(verb: string, argument: string, line: string): Verdict {
    const sender = verb !== 'RCPT';
    const found = (sender ? /^ FROM: */i : /^ TO: */i).exec(argument);
    if (found === null) return mask('cmd.syntax');
    const rest = argument.slice(found[0].length);
    if (rest.includes('${')) return mask('addr.expansion');
    const at = this.pipeAt(rest);
    if (at >= 0) {
      if (!sender) this.recipients++;
      const end = closing(rest, at);
      const blanked = rest.slice(0, end).replace(/[|`]/g, ' ') + rest.slice(end);
      return {
        kind: 'pass',
        name: '',
        notes: ['addr.pipe'],
        piped: line.slice(0, verb.length + found[0].length) + blanked + line.slice(verb.length + argument.length),
      };
    }
    const path = this.path(rest, sender);
    if (path === null) return mask('addr.syntax');
    const parameters = this.parameters(rest.slice(path[0].length), sender);
    if (parameters !== null) return mask(parameters);
    if (!sender && ++this.recipients > this.options.recipients.above) return reset('rcpt.limit');
    return { kind: 'pass', name: '', notes: notesOf(path[0], path[1]!, sender) };
  }

  private parameters(text: string, sender: boolean): string | null {
    if (text === '') return null;
    for (const parameter of text.slice(1).split(' ')) {
      const [, key = '', equals, value = ''] = /^([^=]*)(=?)(.*)$/s.exec(parameter)!;
      if (!/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(key)) return 'param.syntax';
      const name = key.toUpperCase();
      const needs = (sender ? SENDER_PARAMETERS : RECIPIENT_PARAMETERS)[name];
      if (needs === undefined || !needs.keywords.some((group) => group.every((keyword) => this.visible.has(keyword))))
        return 'param.not-negotiated';
      if (needs.value === null ? equals !== '' : equals === '' || !needs.value.test(value)) return 'param.syntax';
      if (name === 'BODY') {
        const binary = value.toUpperCase() === 'BINARYMIME';
        if (binary ? !(this.visible.has('CHUNKING') && this.visible.has('BINARYMIME')) : !this.visible.has('8BITMIME'))
          return 'param.not-negotiated';
      }
    }
    return null;
  }

  private readMessage(): boolean {
    const found = /(?:^|\r\n)\.\r\n/.exec(this.client);
    if (found === null) return false;
    const length = found.index + found[0].length;
    const message = this.client.slice(0, length - 3);
    const judged = judgeMessage(message, this.options);
    this.log.push(...judged.log);
    if (judged.reset !== '') {
      this.toServer += judged.text;
      this.close(judged.reset);
      return false;
    }
    if (judged.text !== message) this.masked = true;
    this.toServer += `${judged.text}.\r\n`;
    this.client = this.client.slice(length);
    this.mode = 'command';
    this.recipients = 0;
    this.push('other');
    return true;
  }

  private readServer(): void {
    for (let end = this.server.indexOf('\n'); end >= 0 && this.mode !== 'closed'; end = this.server.indexOf('\n')) {
      if (this.mode === 'opaque') break;
      if (this.mode === 'tls') {
        this.close('starttls.injection');
        return;
      }
      const line = this.server.slice(0, end + 1);
      if (line.length > 4096) {
        this.close('reply.too-long');
        return;
      }
      this.server = this.server.slice(end + 1);
      if (!line.endsWith('\r\n')) this.log.push('reply.bare-newline');
      if (line.length > 512) this.log.push('reply.too-long');
      this.readReply(line, line.replace(/\r?\n$/, ''));
      if (!this.closed() && !this.waits() && this.client !== '') this.readClient();
    }
    if (this.closed()) return;
    if (this.mode === 'opaque') {
      this.toClient += this.server;
      this.server = '';
    } else if (this.mode === 'tls' && this.server !== '') this.close('starttls.injection');
    else if (this.server.length > 4096) this.close('reply.too-long');
  }

  private closed(): boolean {
    return this.mode === 'closed';
  }

  private readReply(line: string, text: string): void {
    const found = /^([2-5][0-5][0-9])(?:[ -]|$)/.exec(text);
    if (found === null) {
      this.note('reply.syntax');
      if (this.open === 0 && this.queue.length > 0) this.garbled = true;
      this.toClient += this.queue[0] === 'greeting' ? this.banner(line, text) : line;
      return;
    }
    const code = Number(found[1]);
    const first = this.open === 0;
    if (first) {
      if (this.garbled && this.queue.length > 1) {
        this.queue.shift();
        this.garbled = false;
      }
      this.open = code;
      const head = this.queue[0];
      if (head === undefined) {
        this.stray = true;
        if (code !== 421) {
          if (this.mode !== 'data') return this.close('reply.unsolicited');
          if (code < 400) return this.close('reply.desync');
          this.log.push('reply.early-data');
        }
      } else if ((code === 354 && head !== 'data') || (code === 334 && head !== 'auth' && head !== 'sasl'))
        return this.close('reply.desync');
    } else if (code !== this.open) {
      if (!this.stray && STEERED.includes(this.queue[0]!)) return this.close('reply.syntax');
      this.note('reply.syntax');
    }
    const head = this.stray ? 'stray' : this.queue[0]!;
    let out = head === 'greeting' ? this.banner(line, text) : line;
    if (head === 'ehlo' && this.open === 250) {
      if (first) this.offered = new Set();
      else out = this.keyword(line, text);
    }
    this.toClient += out;
    if (text[3] !== '-') this.complete(head);
  }

  private banner(line: string, text: string): string {
    if (!this.options.maskBanner || text.length <= 4) return line;
    this.note('banner.masked');
    this.masked = true;
    return text.slice(0, 4) + '*'.repeat(text.length - 4) + line.slice(text.length);
  }

  private keyword(line: string, text: string): string {
    if (text.length <= 4) return line;
    const [word = ''] = text.slice(4).split(' ');
    const keyword = /^AUTH=/i.test(word) ? 'AUTH' : word.toUpperCase();
    const { extensions, allowTls } = this.options;
    const passes =
      (KNOWN.includes(keyword) ||
        (extensions.includes(keyword) && (keyword !== 'BINARYMIME' || extensions.includes('CHUNKING'))) ||
        (keyword === 'STARTTLS' && allowTls)) &&
      !/[\x00-\x08\x0a-\x1f\x7f]/.test(text);
    if (passes) {
      this.offered.add(keyword);
      return line;
    }
    this.log.push('ehlo.masked');
    this.masked = true;
    return text.slice(0, 4) + 'x'.repeat(text.length - 4) + line.slice(text.length);
  }

  private complete(kind: string): void {
    const code = this.open;
    this.open = 0;
    if (this.stray) {
      this.stray = false;
      return;
    }
    this.queue.shift();
    this.garbled = false;
    if (kind === 'helo') this.visible = new Set();
    if (kind === 'ehlo') this.visible = code === 250 ? this.offered : new Set();
    if (kind === 'data' && code === 354) this.mode = 'data';
    if (kind === 'auth' || kind === 'sasl') this.mode = code === 334 ? 'sasl' : 'command';
    if (kind === 'starttls' && code === 220) this.mode = 'tls';
    const { above, action } = this.options.invalidRecipients;
    if (kind === 'rcpt' && code >= 500 && action !== 0 && ++this.refused > above) this.close('rcpt.invalid-limit');
  }
}

function verbOf(line: string): string {
  return line.split(' ')[0]!.toUpperCase();
}

const TEXT = /^(?: (?! )[ -~\x80-\xff]*)?$/;
const ARGUMENTS: Record<string, RegExp> = {
  DATA: /^$/,
  RSET: /^$/,
  QUIT: /^$/,
  STARTTLS: /^$/,
  NOOP: TEXT,
  HELP: TEXT,
  VRFY: /^ [!-~\x80-\xff][ -~\x80-\xff]*$/,
  ETRN: /^ [!-~]+$/,
  HELO: new RegExp(`^ ${HELO.source.slice(1)}`),
  EHLO: new RegExp(`^ ${HELO.source.slice(1)}`),
  AUTH: /^ [A-Za-z0-9_-]{1,20}(?: (?:=|[A-Za-z0-9+/]+={0,2}))?$/,
  BDAT: /^ \d+(?: LAST)?$/i,
};

interface Parameter {
  keywords: string[][];
  value: RegExp | null;
}
const ANY = /^[!-<>-~]+$/;
const SENDER_PARAMETERS: Record<string, Parameter> = {
  SIZE: { keywords: [['SIZE']], value: /^\d{1,20}$/ },
  BODY: { keywords: [['8BITMIME'], ['CHUNKING', 'BINARYMIME']], value: /^(?:7BIT|8BITMIME|BINARYMIME)$/i },
  RET: { keywords: [['DSN']], value: /^(?:FULL|HDRS)$/i },
  ENVID: { keywords: [['DSN']], value: new RegExp(`^(?=.{1,100}$)${XTEXT}+$`) },
  AUTH: { keywords: [['AUTH']], value: new RegExp(`^${XTEXT}+$`) },
  SMTPUTF8: { keywords: [['SMTPUTF8']], value: null },
  BY: { keywords: [['DELIVERBY']], value: ANY },
  'MT-PRIORITY': { keywords: [['MT-PRIORITY']], value: ANY },
  HOLDFOR: { keywords: [['FUTURERELEASE']], value: ANY },
  HOLDUNTIL: { keywords: [['FUTURERELEASE']], value: ANY },
  REQUIRETLS: { keywords: [['REQUIRETLS']], value: null },
};
const RECIPIENT_PARAMETERS: Record<string, Parameter> = {
  NOTIFY: { keywords: [['DSN']], value: /^(?:NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*)$/i },
  ORCPT: { keywords: [['DSN']], value: new RegExp(`^[A-Za-z0-9-]+;${XTEXT}+$`) },
};

function isUtf8(text: string): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'));
    return true;
  } catch {
    return false;
  }
}

/** Nothing but ASCII: what stands between a back quote and a pipe in the differential test. */
function utf8Fits(text: string): boolean {
  return !/[\x80-\xff]/.test(text);
}

function sasl(line: string): Verdict {
  if (line.length + 2 > 12_288) return reset('cmd.too-long');
  return /^(?:\*|[A-Za-z0-9+/]*={0,2})$/.test(line) ? { kind: 'pass', name: '', notes: [] } : mask('auth.syntax');
}

/** Index behind the `>` that closes an address with a pipe at `from`, quotes respected; the end of the text where there is none. */
function closing(rest: string, from: number): number {
  if (!rest.startsWith('<')) return rest.length;
  let quoted = (rest.slice(0, from).replace(/\\./g, '').match(/"/g) ?? []).length % 2 === 1;
  for (let i = from; i < rest.length; i++) {
    if (rest[i] === '\\' && quoted) i++;
    else if (rest[i] === '"') quoted = !quoted;
    else if (rest[i] === '>' && !quoted) return i;
  }
  return rest.length;
}

function notesOf(whole: string, path: string, sender: boolean): string[] {
  const notes: string[] = [];
  const route = new RegExp(`^${ROUTE}`).exec(path);
  const mailbox = path.slice(route?.[0].length ?? 0);
  const local = new RegExp(`^${LOCAL}`).exec(mailbox)?.[0] ?? '';
  if (route !== null) notes.push('addr.source-route');
  if (/[%!]/.test(local)) notes.push('addr.route-char');
  if (!whole.startsWith('<')) notes.push('addr.no-brackets');
  if (mailbox !== '' && local === mailbox && (sender || mailbox.toLowerCase() !== 'postmaster')) notes.push('addr.unqualified');
  return notes;
}

/** A message without its end: the text as it leaves, or up to the field that resets. */
function judgeMessage(message: string, options: SmtpOptions): { text: string; log: string[]; reset: string } {
  // what follows the message is the dot of the true end, at a strict line start
  const dots = lookalikes(`${message}.\r\n`);
  const found = firstReset(message, dots, options);
  const end = found?.at ?? message.length;
  const seen = message.slice(0, end);
  const log: string[] = [];
  if (dots.some((dot) => dot.at < end && dot.known <= end)) log.push('data.eod-lookalike');
  if (/\r(?!\n)[^]|[^\r]\n|^\n/.test(seen) || /\r(?!\n|$)/.test(seen)) log.push('data.bare-newline');
  if (seen.includes('\0')) log.push('data.nul');
  const { lines, header } = split(seen, dots);
  if (lines.slice(header).some(({ text }) => text.length > 998)) log.push('data.line-too-long');
  const received = fieldsOf(lines.slice(0, header)).filter(({ text }) => /^received[ \t]*:/i.test(text)).length;
  if (received > options.maxReceived) log.push('header.hop-count');
  let text = message;
  for (const { at } of dots) text = `${text.slice(0, at)}x${text.slice(at + 1)}`;
  return { text: found === null ? text : text.slice(0, found.field), log, reset: found?.name ?? '' };
}

/** Dots that somebody could take for the end of the message; `known` is the index behind the octet that shows it. */
function lookalikes(text: string): { at: number; known: number }[] {
  const found: { at: number; known: number }[] = [];
  for (let at = text.indexOf('.'); at >= 0; at = text.indexOf('.', at + 1)) {
    const before = text.slice(0, at);
    const strict = before === '' || before.endsWith('\r\n');
    if (!/(?:^|[\r\n])[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$/.test(before)) continue;
    const behind = text.slice(at + 1);
    if (strict && behind.startsWith('\r\n')) break;
    if (strict && behind.startsWith('\r')) found.push({ at, known: at + 3 });
    else if (behind.startsWith('\0')) found.push({ at, known: at + 2 });
    else {
      const run = /^[\x00-\x09\x0b\x0c\x0e-\x20\x7f]*/.exec(behind)![0].length;
      if (run >= 64) found.push({ at, known: at + 65 });
      else if (/^[\r\n]/.test(behind.slice(run))) found.push({ at, known: at + run + 2 });
    }
  }
  return found;
}

interface Line {
  text: string;
  start: number;
  offset: number;
}

/** Lines that end with LF, without their line ends and dots of transparency; `header` is how many of them are the header. */
function split(message: string, dots: readonly { at: number }[]): { lines: Line[]; header: number } {
  const lines: Line[] = [];
  let start = 0;
  for (const part of message.split('\n')) {
    let text = part.endsWith('\r') && start + part.length < message.length ? part.slice(0, -1) : part;
    let offset = start;
    if (dots.some(({ at }) => at === start)) text = `x${text.slice(1)}`;
    else if (text.startsWith('.')) {
      text = text.slice(1);
      offset++;
    }
    lines.push({ text, start, offset });
    start += part.length + 1;
  }
  const empty = lines.findIndex(({ text, start: at, offset }) => text === '' && at === offset && at < message.length);
  return { lines, header: empty < 0 ? lines.length : empty };
}

interface Field {
  text: string;
  start: number;
  lines: Line[];
}

function fieldsOf(lines: readonly Line[]): Field[] {
  const fields: Field[] = [];
  for (const line of lines) {
    const last = fields.at(-1);
    if (/^[ \t]/.test(line.text) && last !== undefined) {
      last.text += line.text;
      last.lines.push(line);
    } else fields.push({ text: line.text, start: line.start, lines: [line] });
  }
  return fields;
}

/** The first octet (behind it: `at`) that resets, and where its field begins. */
function firstReset(
  message: string,
  dots: readonly { at: number }[],
  options: SmtpOptions,
): { at: number; field: number; name: string } | null {
  const { lines, header } = split(message, dots);
  const found: { at: number; field: number; name: string }[] = [];
  const fields = fieldsOf(lines.slice(0, header));
  for (const { text, start, lines: parts } of fields) {
    const place = (index: number): number => {
      let left = index;
      for (const part of parts) {
        if (left < part.text.length) return part.offset + left + 1;
        left -= part.text.length;
      }
      return message.length;
    };
    for (const part of parts) if (part.text.length > 998) found.push({ at: part.offset + 999, field: start, name: 'header.line-too-long' });
    if (options.signatures) {
      const decode = text.search(/decode@/i);
      if (decode >= 0) found.push({ at: place(decode + 6), field: start, name: 'sig.3105' });
      const quote = /^reply-to[ \t]*:[^`]*`/i.exec(text);
      if (quote !== null) found.push({ at: place(quote[0].length - 1), field: start, name: 'sig.3107' });
    }
    pushName(text, start, place, found);
  }
  for (const { text, start, lines: parts } of fieldsOf(lines.slice(header + 1))) {
    pushName(
      text,
      start,
      (index) => {
        let left = index;
        for (const part of parts) {
          if (left < part.text.length) return part.offset + left + 1;
          left -= part.text.length;
        }
        return message.length;
      },
      found,
    );
  }
  found.sort((a, b) => a.at - b.at);
  return found[0] ?? null;
}

function pushName(
  text: string,
  field: number,
  place: (index: number) => number,
  found: { at: number; field: number; name: string }[],
): void {
  if (!/^content-(?:type|disposition)[ \t]*:/i.test(text) || nameLength(text) <= 255) return;
  let length = 0;
  while (nameLength(text.slice(0, length)) <= 255) length++;
  found.push({ at: place(length - 1), field, name: 'mime.filename-too-long' });
}

/** Octets of all name and filename values of a content field. */
function nameLength(field: string): number {
  const body = field.slice(field.indexOf(':') + 1);
  let total = 0;
  for (const parameter of body.match(/(?:"(?:\\[^]|[^"\\])*"?|[^;"])+/g) ?? []) {
    const found = /^[ \t]*(?:file)?name[ \t]*(?:\*[0-9*]*)?[ \t]*=([^]*)$/i.exec(parameter);
    if (found === null) continue;
    for (const piece of found[1]!.match(/"(?:\\[^]|[^"\\])*\\?"?|[^"]+/g) ?? []) {
      total += piece.startsWith('"')
        ? piece
            .slice(1)
            .replace(/"$/, '')
            .replace(/\\([^])/g, '$1')
            .replace(/\\$/, '').length
        : piece.replace(/[ \t]/g, '').length;
    }
  }
  return total;
}
