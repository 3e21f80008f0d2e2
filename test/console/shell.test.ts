// The shell as a transcript: what is typed, what is printed, what is asked of the firewall.

import t from 'tap';
import { emptyConfiguration } from '../../src/config/model.ts';
import { completeFor, endConfiguration, enterLine, helpFor, openShell, promptOf, type Action } from '../../src/console/shell.ts';

/** Types lines into a shell; the transcript holds prompts, lines and output. */
function typed(lines: readonly string[], privileged = false): { transcript: string; actions: Action[] } {
  let shell = openShell('Router', privileged);
  let running = emptyConfiguration();
  let transcript = '';
  const actions: Action[] = [];
  for (const line of lines) {
    transcript += promptOf(shell) + line + '\n';
    if (line.endsWith('?')) {
      transcript += helpFor(shell, line.slice(0, -1));
      continue;
    }
    const entered = line === '^Z' ? endConfiguration(shell) : enterLine(shell, line, running);
    shell = entered.shell;
    transcript += entered.output;
    if (entered.action.kind !== 'none') actions.push(entered.action);
    if (entered.action.kind === 'configured') running = structuredClone(entered.action.configuration);
  }
  return { transcript: transcript + promptOf(shell), actions };
}

t.test('from user mode into configuration and back', (t) => {
  const { transcript, actions } = typed([
    'show ip insp?',
    'clear logging',
    'foo',
    'en',
    'clear l?',
    'conf t',
    'hostname fw',
    'ip inspct name X tcp',
    'ip inspect name X smtp',
    'ip inspect name X esmtp',
    'interface e0',
    'ip inspect X ?',
    'ip inspect X in',
    'do show ip inspct',
    'do sh ip insp int',
    'exit',
    '^Z',
    'show history',
    'exit',
  ]);
  t.equal(
    transcript,
    `Router>show ip insp?
inspect
Router>clear logging
% Unknown command or computer name, or unable to find computer address
Router>foo
% Unknown command or computer name, or unable to find computer address
Router>en
Router#clear l?
logging
Router#conf t
Enter configuration commands, one per line.  End with CNTL/Z.
Router(config)#hostname fw
fw(config)#ip inspct name X tcp
              ^
% Invalid input detected at '^' marker.

fw(config)#ip inspect name X smtp
fw(config)#ip inspect name X esmtp
ESMTP cannot coexist with SMTP, please unconfigure SMTP and try again
fw(config)#interface e0
fw(config-if)#ip inspect X ?
  in   inbound packets
  out  outbound packets
fw(config-if)#ip inspect X in
fw(config-if)#do show ip inspct
                         ^
% Invalid input detected at '^' marker.

fw(config-if)#do sh ip insp int
fw(config-if)#exit
fw(config)#^Z
fw#show history
  clear logging
  foo
  en
  conf t
  hostname fw
  ip inspct name X tcp
  ip inspect name X smtp
  ip inspect name X esmtp
  interface e0
  ip inspect X in
  do show ip inspct
  do sh ip insp int
  exit
  show history
fw#exit
fw#`,
  );
  const kinds = actions.map((action) =>
    action.kind === 'exec' ? action.command.command : action.kind === 'configured' ? `configured ${action.ended}` : action.kind,
  );
  t.same(kinds, [
    'configured false',
    'configured false',
    'configured false',
    'configured false',
    'show ip inspect interfaces',
    'configured false',
    'configured true',
    'leave',
  ]);
  const last = actions.findLast((action) => action.kind === 'configured');
  t.match(last, { configuration: { hostname: 'fw', interfaces: [{ name: 'Ethernet0', inspectIn: 'X' }] } });
  t.end();
});

t.test('the running configuration is not touched by the working copy', (t) => {
  const running = emptyConfiguration();
  const { shell } = enterLine(openShell('Router', true), 'configure terminal', running);
  enterLine(shell, 'hostname other', running);
  t.equal(running.hostname, 'Router');
  t.end();
});

t.test('completion by mode', (t) => {
  const user = openShell('Router');
  const enabled = openShell('Router', true);
  t.equal(completeFor(user, 'conf'), 'conf', 'not in user mode');
  t.equal(completeFor(enabled, 'conf'), 'configure ');
  const configuring = enterLine(enabled, 'configure terminal', emptyConfiguration()).shell;
  t.equal(completeFor(configuring, 'access-'), 'access-list ');
  t.equal(completeFor(configuring, 'do sh'), 'do show ');
  t.end();
});
