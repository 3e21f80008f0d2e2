// A private Postfix: its own configuration, queue, log and maildir below one folder, started inside a network namespace.
//
// Every mail to any address at mail.example is delivered to one maildir, so that bodies can be compared octet by octet.
// Services are not chrooted, no name is looked up, nothing of the machine's own Postfix configuration is read.
// On request it offers every extension that it has: AUTH by Cyrus SASL with a password file, STARTTLS, ETRN for relayed.example,
// and XCLIENT to everybody, so that a command which reached it would be obeyed.  Each of its processes then needs a second to start.

import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const NOBODY = 65534;

/** Who may authenticate at the servers of the lab. */
export const USER = 'user@mail.example';
export const PASSWORD = 'open sesame';

const mainConfiguration = (folder: string) => `compatibility_level = 3.6
queue_directory = ${folder}/queue
data_directory = ${folder}/data
maillog_file = ${folder}/mail.log
maillog_file_prefixes = /
myhostname = mail.example
mydestination =
inet_protocols = ipv4
inet_interfaces = all
mynetworks = 127.0.0.0/8
alias_maps =
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtpd_relay_restrictions = reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
in_flow_delay = 0
message_size_limit = 50000000
virtual_mailbox_domains = mail.example
virtual_mailbox_base = ${folder}/mail
virtual_mailbox_maps = static:box/
virtual_mailbox_limit = 0
virtual_uid_maps = static:${NOBODY}
virtual_gid_maps = static:${NOBODY}
virtual_minimum_uid = 1
`;

const extensions = (folder: string) => `smtpd_sasl_auth_enable = yes
cyrus_sasl_config_path = ${folder}/etc/sasl
smtpd_tls_security_level = may
smtpd_tls_chain_files = ${folder}/etc/key.pem, ${folder}/etc/certificate.pem
fast_flush_domains = relayed.example
smtpd_authorized_xclient_hosts = 0.0.0.0/0
`;

const saslConfiguration = (folder: string) => `pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: ${folder}/etc/passwords
mech_list: PLAIN LOGIN
`;

const SERVICES = `smtp inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`;

function userId(name: string): number {
  return Number(execFileSync('id', ['-u', name], { encoding: 'utf8' }));
}

function makePasswords(folder: string): void {
  const [name = '', realm = ''] = USER.split('@');
  const file = join(folder, 'etc/passwords');
  execFileSync('saslpasswd2', ['-p', '-c', '-f', file, '-u', realm, name], { input: PASSWORD });
  chownSync(file, userId('postfix'), 0);
  mkdirSync(join(folder, 'etc/sasl'));
  writeFileSync(join(folder, 'etc/sasl/smtpd.conf'), saslConfiguration(folder));
}

function makeCertificate(folder: string): void {
  const files = ['-keyout', join(folder, 'etc/key.pem'), '-out', join(folder, 'etc/certificate.pem')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=mail.example'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...files], { stdio: 'pipe' });
}

/** Writes the folder that `postfix -c FOLDER/etc start-fg` runs from; `isExtended`: with every extension. */
export function preparePostfix(folder: string, isExtended: boolean): void {
  for (const name of ['etc', 'queue', 'data', 'mail']) mkdirSync(join(folder, name), { recursive: true, mode: 0o755 });
  chownSync(join(folder, 'data'), userId('postfix'), 0);
  chownSync(join(folder, 'mail'), NOBODY, NOBODY);
  writeFileSync(join(folder, 'etc/main.cf'), mainConfiguration(folder) + (isExtended ? extensions(folder) : ''));
  writeFileSync(join(folder, 'etc/master.cf'), SERVICES);
  if (!isExtended) return;
  makePasswords(folder);
  makeCertificate(folder);
}

/** Its log so far; '' before it started. */
export function readLog(folder: string): string {
  try {
    return readFileSync(join(folder, 'mail.log'), 'utf8');
  } catch {
    return '';
  }
}

function mailbox(folder: string): string[] {
  try {
    return readdirSync(join(folder, 'mail/box/new')).map((name) => join(folder, 'mail/box/new', name));
  } catch {
    return [];
  }
}

/** Waits until `count` mails are delivered, at most `seconds`, and returns as many as there are (latin1, line ends LF). */
export async function deliveredMails(folder: string, count: number, seconds: number): Promise<string[]> {
  const until = performance.now() + seconds * 1000;
  while (mailbox(folder).length < count && performance.now() < until) await delay(100);
  return mailbox(folder).map((path) => readFileSync(path, 'latin1'));
}

/** The bodies of deliveredMails(). */
export async function deliveredBodies(folder: string, count: number, seconds: number): Promise<string[]> {
  const mails = await deliveredMails(folder, count, seconds);
  return mails.map((mail) => mail.slice(mail.indexOf('\n\n') + 2));
}

/** Forgets the mails delivered so far. */
export function emptyMailbox(folder: string): void {
  for (const path of mailbox(folder)) rmSync(path);
}
