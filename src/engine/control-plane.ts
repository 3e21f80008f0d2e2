// The control plane of a running firewall: the configuration and the policy in force, how they are replaced, what the
// displays are made of, and what is sampled over time.
//
// A new configuration is compiled whole before the data plane hears of it; the data plane swaps it in between two batches.
// Nothing is written to disk unless `write memory` or `copy running-config` asks for it.
// Not here: the commands themselves (exec-acts.ts), the socket (console-server.ts), shells (console/shell-session.ts).

import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { compilePolicy } from '../config/compile.ts';
import type { Configuration } from '../config/model.ts';
import { parseConfiguration } from '../config/parse.ts';
import type { ExecCommand } from '../console/exec-commands.ts';
import type { Firewall, Outcome } from '../console/shell-session.ts';
import type { FirewallState, LogState } from '../console/state.ts';
import { MAX_ACCESS_ENTRIES } from '../path/data-plane.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import { MAX_PORTS } from '../telemetry/counters.ts';
import { actOn } from './exec-acts.ts';
import { type Inquirable, readState } from './firewall-state.ts';
import { Rates } from './rates.ts';

const SAMPLE_EVERY = 1000;

/** Where log lines go, as the control plane sees it. */
export interface LogView {
  readonly state: LogState;
  clear(): void;
  follow(listener: (line: string) => void): () => void;
  /** Another configuration is in force. */
  configure(configuration: Configuration, policy: PolicySnapshot): void;
  /** Somebody at the console, or a file (`memory`), configured the firewall. */
  noteConfigured?(from: string): void;
}

export interface ControlPlaneOptions {
  readonly engine: Inquirable;
  readonly configuration: Configuration;
  /** Compiled from it, and in force. */
  readonly policy: PolicySnapshot;
  /** What the program was started with; null: nothing to read again or to write to. */
  readonly file: string | null;
  /** What each interface is attached to, by interface index; null: nothing. */
  readonly devices: readonly (string | null)[];
  readonly version: string;
  readonly log?: LogView;
  /** Called with each policy that takes force. */
  readonly onInstalled?: (policy: PolicySnapshot) => void;
}

/** What became of a new configuration. */
export interface Reloaded {
  /** Lines that were not accepted, as IOS prints them, and what is doubtful. */
  readonly complaints: string;
  /** It is in force. */
  readonly accepted: boolean;
}

export class ControlPlane implements Firewall {
  configuration: Configuration;
  policy: PolicySnapshot;
  readonly engine: Inquirable;
  readonly file: string | null;
  readonly log: LogView;
  readonly rates: Rates;
  /** Lines of `show debugging`, by subject. */
  readonly debugging = new Map<string, string>();
  private readonly devices: readonly (string | null)[];
  private readonly version: string;
  private readonly onInstalled: (policy: PolicySnapshot) => void;
  private timer: NodeJS.Timeout | undefined;

  constructor(options: ControlPlaneOptions) {
    this.engine = options.engine;
    this.configuration = options.configuration;
    this.policy = options.policy;
    this.file = options.file;
    this.devices = options.devices;
    this.version = options.version;
    this.log = options.log ?? NO_LOG;
    this.onInstalled = options.onInstalled ?? (() => {});
    this.rates = new Rates(options.engine.counters);
  }

  /** Samples the rates from now on. */
  start(): void {
    this.timer = setInterval(() => this.rates.sample(), SAMPLE_EVERY).unref();
  }

  /** Stops sampling. */
  close(): void {
    clearInterval(this.timer);
  }

  /** The firewall as the displays want it. */
  state(): Promise<FirewallState> {
    const { configuration, policy, rates, version } = this;
    return readState(this.engine, {
      configuration,
      policy,
      version,
      log: this.log.state,
      debugging: [...this.debugging.values()],
      ports: policy.interfaces.map((_, i) => ({ ...rates.port(i), device: this.devices[i] ?? '' })),
      portBaseline: rates.baseline,
      sessionPeaks: rates.peaks,
      creationRate: rates.creations,
      maxCreationRate: rates.maxCreations,
      lastCreation: rates.lastCreation,
    });
  }

  /**
   * Puts a configuration in force: compiled whole, then swapped between two batches.  One that cannot be compiled changes
   * nothing; one that is the same as before neither.  Returns why not, as one line, or undefined.
   */
  async install(configuration: Configuration): Promise<string | undefined> {
    if (isDeepStrictEqual(configuration, this.configuration)) return undefined;
    const copy = structuredClone(configuration);
    const compiled = compileNext(copy, this.policy);
    if (typeof compiled === 'string') return compiled;
    this.configuration = copy;
    this.policy = compiled;
    this.log.configure(copy, compiled);
    this.onInstalled(compiled);
    await this.engine.ask({ kind: 'install', policy: compiled });
    return undefined;
  }

  /** Puts the configuration `text` in force; lines that are rejected keep it out unless `lenient`. */
  async reload(text: string, lenient: boolean): Promise<Reloaded> {
    const { configuration, rejected, warnings } = parseConfiguration(text);
    const complaints = [
      ...rejected.map((line) => `line ${line.lineNumber}:\n${line.formatted}`),
      ...warnings.map((warning) => `${warning}\n`),
    ];
    if (rejected.length > 0 && !lenient) return { complaints: complaints.join(''), accepted: false };
    const refusal = await this.install(configuration);
    if (refusal === undefined) this.log.noteConfigured?.('memory');
    else complaints.push(`${refusal}\n`);
    return { complaints: complaints.join(''), accepted: refusal === undefined };
  }

  /** The same from the file that the program was started with. */
  async reloadFile(lenient: boolean): Promise<Reloaded> {
    if (this.file === null) return { complaints: '% there is no configuration file to read again\n', accepted: false };
    try {
      return await this.reload(readFileSync(this.file, 'latin1'), lenient);
    } catch (error) {
      return { complaints: `% ${(error as Error).message}\n`, accepted: false };
    }
  }

  noteConfigured(): void {
    this.log.noteConfigured?.('console');
  }

  carryOut(command: ExecCommand): Promise<Outcome> {
    return actOn(this, command);
  }

  follow(listener: (line: string) => void): () => void {
    return this.log.follow(listener);
  }
}

/** The policy that follows `previous`, or why there is none. */
function compileNext(configuration: Configuration, previous: PolicySnapshot): PolicySnapshot | string {
  if (configuration.interfaces.length > MAX_PORTS) return `% At most ${MAX_PORTS} interfaces`;
  try {
    const policy = compilePolicy(configuration, { epoch: previous.epoch + 1, verifyChecksums: previous.verifyChecksums, previous });
    if (policy.interfaces.length > MAX_PORTS) return `% At most ${MAX_PORTS} interfaces, those that were removed included`;
    return policy.hitRows > MAX_ACCESS_ENTRIES ? `% At most ${MAX_ACCESS_ENTRIES} entries in all access lists together` : policy;
  } catch (error) {
    return `% ${(error as Error).message}`;
  }
}

const NO_LOG: LogView = {
  state: { lines: [], console: 0, monitor: 0, buffer: 0, trap: 0, dropped: 0, rateLimited: 0 },
  clear: () => {},
  follow: () => () => {},
  configure: () => {},
};
