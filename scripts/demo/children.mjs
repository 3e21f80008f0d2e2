// Child processes of the demonstration: each in a process group of its own, so that Ctrl-C reaches only the demonstration,
// which then stops them in order; their JSON lines become events.

import { spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { createInterface } from 'node:readline';

/** A running child: `on(event, value)` for its JSON lines, `wait(event)`, `stop()`. */
export class Child extends EventEmitter {
  constructor(name, command, { ready = null } = {}) {
    super();
    this.name = name;
    this.stderr = '';
    this.ended = false;
    this.process = spawn(command[0], command.slice(1), { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    this.process.stdin.on('error', () => {});
    this.closed = new Promise((resolve) => {
      const end = (how) => {
        this.ended = true;
        this.emit('ended', how);
        resolve(how);
      };
      this.process.once('error', (error) => end(error.message));
      this.process.once('exit', (status, signal) => end(signal ? `signal ${signal}` : `exit status ${status}`));
    });
    createInterface({ input: this.process.stderr }).on('line', (line) => {
      this.stderr += `${line}\n`;
      if (ready?.test(line)) this.emit('ready', line);
    });
    createInterface({ input: this.process.stdout }).on('line', (line) => this.#read(line));
  }

  #read(line) {
    if (!line.startsWith('{"event":')) return;
    const { event, value } = JSON.parse(line);
    this.emit(event === 'error' ? 'failed' : event, value);
  }

  /** Resolves with the value of the next such event; rejects when the child fails, ends, or needs longer than `seconds`. */
  wait(event, seconds) {
    return new Promise((resolve, reject) => {
      const give = (settle) => (value) => {
        clearTimeout(timer);
        settle(value);
      };
      const refuse = (why) => reject(new Error(`${this.name}: ${why}${this.stderr ? `\n${this.stderr.trimEnd()}` : ''}`));
      const timer = setTimeout(() => refuse(`no ${event} within ${seconds} s`), seconds * 1000);
      if (this.ended) return give(refuse)('ended');
      this.once(event, give(resolve));
      this.once('failed', give(refuse));
      this.once('ended', give(refuse));
    });
  }

  /** Asks the group to end, and ends it after two seconds. */
  async stop() {
    if (this.ended) return;
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), 2000);
    await this.closed;
    clearTimeout(timer);
  }

  signal(name) {
    try {
      process.kill(-this.process.pid, name);
    } catch {
      // It ended meanwhile.
    }
  }
}
