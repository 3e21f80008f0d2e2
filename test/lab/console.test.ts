// The console of a firewall that carries live sessions: reload under load, and the commands by which users reach it.
//
// Three namespaces joined by two veth pairs, routed under the reference configuration.  Switched on by POSTERN_LAB=1; needs root.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ConsoleClient } from '../../src/console/client.ts';
import type { Report } from '../../src/console/report.ts';
import { Lab, labSkipReason, type Namespace } from './namespaces.ts';
import { POSTERN, Program, ROOT, startPeer, startPostern } from './programs.ts';

t.setTimeout(300_000);

const SESSIONS = 1000;
const RELOADS = 100;
/** ms between two commands of a session. */
const INTERVAL = 1000;
const SERVER = '172.22.1.110';

/** Thresholds that a thousand sessions in a minute do not reach. */
const CALM = ['one-minute high 100000', 'one-minute low 90000', 'max-incomplete high 10000', 'max-incomplete low 9000'];
const REFERENCE = readFileSync(join(ROOT, 'rules/3640.cfg'), 'latin1').replace(
  /^ip inspect name/m,
  `${CALM.map((words) => `ip inspect ${words}\n`).join('')}ip inspect name`,
);
/** The same for the sessions, but with other entries, rules, routes and translations. */
const OTHER = REFERENCE.replace(/^access-list 101/m, 'access-list 101 deny udp any any\naccess-list 101')
  .replace(/^ip route/m, 'ip route 192.0.2.0 255.255.255.0 172.22.1.9\nip route')
  .replace(/^ip nat inside source static/m, 'ip nat inside source static 10.10.10.9 172.22.1.119\nip nat inside source static')
  .replace(/^(ip inspect name OUT-IN smtp)/m, 'ip inspect name OUT-IN udp\n$1')
  .replace('hostname 3640-123', 'hostname other');

class ConsoleLab {
  readonly outside: Namespace;
  readonly firewall: Namespace;
  readonly inside: Namespace;
  readonly folder = mkdtempSync(join(tmpdir(), 'postern-lab-'));
  readonly config = join(this.folder, 'running.cfg');
  private readonly lab = new Lab();

  constructor() {
    this.outside = this.lab.namespace('outside');
    this.firewall = this.lab.namespace('firewall');
    this.inside = this.lab.namespace('inside');
    for (const host of [this.outside, this.firewall, this.inside]) host.disableIpv6();
    this.lab.link(this.outside, 'eth0', this.firewall, 'outside0');
    this.lab.link(this.inside, 'eth0', this.firewall, 'inside0');
    this.outside.address('eth0', '172.22.1.1/24');
    this.inside.address('eth0', '10.10.10.2/24');
    this.inside.route('default', '10.10.10.1');
    writeFileSync(this.config, REFERENCE);
  }

  async startPostern(...options: string[]): Promise<Program> {
    const ports = ['--port', 'Ethernet2/0=outside0', '--port', 'Ethernet2/1=inside0'];
    const postern = startPostern(this.firewall, ['run', '--config', this.config, ...ports, '--json', ...options]);
    await postern.until(() => /\bready$/m.test(postern.stderr), 'ready', 20);
    return postern;
  }

  async startLoad(): Promise<Program> {
    await startPeer(this.inside);
    const script = fileURLToPath(new URL('./mail-load.js', import.meta.url));
    const args = [SERVER, String(SESSIONS), String(INTERVAL)];
    const load = new Program('mail-load', this.outside.node(script, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
    await load.until(() => load.stdout.includes('open'), `${SESSIONS} sessions`, 60);
    return load;
  }

  /** A `postern` command as a user in the firewall's namespace gives it. */
  postern(...args: string[]): { status: number | null; stdout: string; stderr: string } {
    return this.firewall.run('env', ['-u', 'NODE_OPTIONS', process.execPath, POSTERN, ...args]);
  }

  remove(): void {
    this.lab.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

t.test('1,000 live sessions, 100 reloads: none lost, no frame dropped', { skip: labSkipReason() }, async (t) => {
  const lab = new ConsoleLab();
  t.teardown(() => lab.remove());
  const socket = join(lab.folder, 'console.sock');
  const postern = await lab.startPostern('--socket', socket);
  const load = await lab.startLoad();
  const client = await ConsoleClient.connect(socket, true);
  const enter = async (line: string): Promise<string> => (await client.ask({ enter: line })).output;
  const established = async (): Promise<string> => await enter('show ip inspect statistics | include Current session counts');
  t.equal(await established(), `Current session counts (estab/half-open/terminating) [${SESSIONS}:0:0]\n`);
  const took: number[] = [];
  for (let i = 1; i <= RELOADS; i++) {
    const began = performance.now();
    const reply = await client.ask({ reload: { text: i % 2 === 1 ? OTHER : REFERENCE, lenient: false } });
    took.push(performance.now() - began);
    if (reply.rejected) t.fail(reply.output);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  took.sort((a, b) => a - b);
  t.comment(`a reload took ${took[RELOADS / 2]!.toFixed(1)} ms in the middle, ${took.at(-1)!.toFixed(1)} ms at most`);
  t.match(await enter('show postern counters | include policy-reloads'), new RegExp(` ${RELOADS}\n`));
  t.equal(await established(), `Current session counts (estab/half-open/terminating) [${SESSIONS}:0:0]\n`);
  t.match(await enter('show ip access-lists 101'), new RegExp(`\\(${SESSIONS} matches\\)`), 'admitted again without a hit');
  const kernelDrops = await enter('show interfaces | include no buffer');
  t.equal(kernelDrops.match(/ 0 no buffer/g)?.length, 3, kernelDrops);
  await load.stop();
  const result = JSON.parse(load.stdout.split('\n')[1]!) as { lost: number; wrong: number; exchanges: number; slowest: number };
  t.comment(`${result.exchanges} commands, the slowest reply after ${result.slowest.toFixed(0)} ms`);
  t.match(result, { lost: 0, wrong: 0 });
  t.ok(result.exchanges > SESSIONS * 3, `${result.exchanges} commands`);
  await postern.stop();
  const report = JSON.parse(postern.stdout) as Report;
  t.same(report.drops, {});
  t.equal(report.sessions.opened, SESSIONS);
  client.close();
});

t.test('the socket of a namespace: found, refused to a second firewall, removed at the end', { skip: labSkipReason() }, async (t) => {
  const lab = new ConsoleLab();
  t.teardown(() => lab.remove());
  t.match(lab.postern('exec', 'show version'), { status: 1, stdout: '', stderr: /^postern: no firewall is running here/ });
  const postern = await lab.startPostern();
  t.match(postern.stderr, /%FW-6-INIT: Firewall inspection startup completed; beginning operation\.$/m);
  const inode = lab.firewall.run('stat', ['-Lc', '%i', '/proc/self/ns/net']).stdout.trim();
  const socket = `/run/postern/console-${inode}.sock`;
  t.equal(statSync(socket).mode & 0o777, 0o660);
  t.equal(statSync('/run/postern').mode & 0o777, 0o700);
  t.match(lab.postern('exec', 'show running-config | include hostname'), { status: 0, stdout: 'hostname 3640-123\n', stderr: '' });
  const second = lab.postern('run', '--config', lab.config, '--port', 'e2/0=outside0', '--port', 'e2/1=inside0');
  t.match(second, { status: 2, stdout: '', stderr: /^postern: another firewall listens at .*--socket PATH\n$/m });
  t.match(lab.postern('reload', join(ROOT, 'rules/esmtp.cfg')), { status: 0 });
  t.match(lab.postern('exec', 'show interfaces | include line protocol'), { status: 0 });
  // SIGHUP reads the file again that it was started with.
  const pids = spawnSync('ip', ['netns', 'pids', lab.firewall.name], { encoding: 'utf8' }).stdout.trim().split('\n');
  t.equal(pids.length, 1);
  process.kill(Number(pids[0]), 'SIGHUP');
  await postern.until(() => postern.stderr.includes('is in force'), 'reload', 10);
  t.match(lab.postern('exec', 'show running-config | include hostname'), { stdout: 'hostname 3640-123\n' });
  await postern.stop();
  t.notOk(existsSync(socket));
  t.equal(postern.ended, 0);
});
