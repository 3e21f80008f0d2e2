// A private Exim: its own configuration, spool, log and maildir below one folder.  It conflicts with Postfix as a package, so
// the program is one that was unpacked and not installed; POSTERN_EXIM names it.
//
// Mail arrives in the same maildir as that of postfix.ts.  It offers every extension that it has, AUTH for the same user, and
// STARTTLS with a certificate that it makes for itself.

import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PASSWORD, USER } from './postfix.ts';

const NOBODY = 65534;

const configuration = (program: string, folder: string) => `exim_path = ${program}
primary_hostname = mail.example
exim_user = ${NOBODY}
exim_group = ${NOBODY}
spool_directory = ${folder}/spool
log_file_path = ${folder}/log/%slog
pid_file_path = ${folder}/exim.pid
rfc1413_query_timeout = 0s
tls_advertise_hosts = *
dsn_advertise_hosts = *
disable_ipv6 = true
acl_smtp_rcpt = accept
acl_smtp_vrfy = accept
acl_smtp_expn = accept
acl_smtp_etrn = accept
smtp_etrn_command = /bin/true
begin acl
accept:
  accept
begin routers
all:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  directory = ${folder}/mail/box
  maildir_format
  user = ${NOBODY}
  group = ${NOBODY}
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{$auth2}{${USER}}}{eq{$auth3}{${PASSWORD}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = \${if and{{eq{$auth1}{${USER}}}{eq{$auth2}{${PASSWORD}}}}}
  server_set_id = $auth1
`;

/** Writes the folder and returns the command that serves port 25 from it in the foreground. */
export function prepareExim(program: string, folder: string): string[] {
  for (const name of ['spool', 'log', 'mail']) {
    mkdirSync(join(folder, name), { recursive: true });
    chownSync(join(folder, name), NOBODY, NOBODY);
  }
  const file = join(folder, 'exim.conf');
  writeFileSync(file, configuration(program, folder));
  return [program, '-C', file, '-bdf', '-oX', '25'];
}
