// A child process of the demonstration whose lines of JSON become events.

import { EventEmitter } from 'node:events';
import { createInterface } from 'node:readline';

/** Wraps a running process: emits each `{"event": name, "value": ...}` of its stdout, and `ready` for the line on stderr. */
export class Child extends EventEmitter {
  constructor(name, process) {
    super();
    this.name = name;
    this.process = process;
    this.stderr = '';
    this.ended = false;
    process.stdin.on('error', () => {});
    process.once('error', (error) => this.#end(error.message));
    process.once('exit', (status, signal) => this.#end(signal ? `ended by ${signal}` : `exit status ${status}`));
    createInterface({ input: process.stderr }).on('line', (line) => {
      this.stderr += `${line}\n`;
      if (/\bready$/.test(line)) this.emit('ready', line);
    });
    createInterface({ input: process.stdout }).on('line', (line) => {
      if (!line.startsWith('{"event":')) return;
      const { event, value } = JSON.parse(line);
      this.emit(event === 'error' ? 'failed' : event, value);
    });
  }

  #end(how) {
    this.ended = true;
    this.emit('failed', how);
  }

  /** Resolves with the value of the next such event; rejects when the child fails, ends, or needs longer than `seconds`. */
  wait(event, seconds) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.emit('failed', `no ${event} within ${seconds} s`), seconds * 1000);
      this.once(event, (value) => {
        clearTimeout(timer);
        resolve(value);
      });
      this.once('failed', (why) => {
        clearTimeout(timer);
        reject(new Error(`${this.name}: ${why}\n${this.stderr}`.trimEnd()));
      });
      if (this.ended) this.emit('failed', 'has ended');
    });
  }
}
