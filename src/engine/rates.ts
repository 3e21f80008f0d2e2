// What the counters say over time, from one sample a second: rates of the interfaces, when they last carried a frame, the
// most sessions at a time, and how fast sessions are made.
//
// Rates are those of IOS: an average that forgets with a time constant of five minutes.  Peaks are those of the samples;
// one that comes and goes between two of them is not seen.

import * as counters from '../telemetry/counters.ts';

/** Seconds. */
const LOAD_INTERVAL = 300;
const MINUTE = 60;
const BITS = 8;

export interface PortRates {
  /** Seconds ago, -1: never. */
  readonly lastInput: number;
  readonly lastOutput: number;
  readonly lastCleared: number;
  /** A second, rounded. */
  readonly inputBits: number;
  readonly inputFrames: number;
  readonly outputBits: number;
  readonly outputFrames: number;
}

/** One counter of an interface. */
class Flow {
  private before = 0;
  private average = 0;
  private lastMoved = -1;

  sample(value: number, seconds: number): void {
    const moved = value - this.before;
    this.before = value;
    if (moved !== 0) this.lastMoved = seconds;
    this.average += (moved - this.average) * (1 - Math.exp(-1 / LOAD_INTERVAL));
  }

  get rate(): number {
    return Math.round(this.average);
  }

  /** Seconds since it moved, -1: never. */
  idle(seconds: number): number {
    return this.lastMoved < 0 ? -1 : seconds - this.lastMoved;
  }
}

interface PortFlows {
  readonly inFrames: Flow;
  readonly inOctets: Flow;
  readonly outFrames: Flow;
  readonly outOctets: Flow;
}

export class Rates {
  /** Most sessions at one time. */
  readonly peaks: [established: number, halfOpen: number, terminating: number] = [0, 0, 0];
  /** Sessions made in the last minute, and the most in any. */
  creations = 0;
  maxCreations = 0;
  private readonly created = new Flow();
  private readonly values: Float64Array;
  private readonly ports: PortFlows[];
  /** The port blocks of the counters when they were last cleared, and when that was, seconds. */
  readonly baseline = new Float64Array(counters.MAX_PORTS * counters.PORT_SIZE);
  private readonly cleared = new Float64Array(counters.MAX_PORTS).fill(-1);
  private readonly opened = new Float64Array(MINUTE);
  private seconds = 0;

  constructor(values: Float64Array) {
    this.values = values;
    this.ports = Array.from({ length: counters.MAX_PORTS }, () => ({
      inFrames: new Flow(),
      inOctets: new Flow(),
      outFrames: new Flow(),
      outOctets: new Flow(),
    }));
  }

  /** To be called once a second. */
  sample(): void {
    this.seconds++;
    this.ports.forEach((port, i) => this.samplePort(port, counters.PORTS + i * counters.PORT_SIZE));
    this.samplePeaks();
    const at = this.seconds % MINUTE;
    const opened = this.values[counters.SESSIONS_OPENED]!;
    this.created.sample(opened, this.seconds);
    this.creations = opened - this.opened[at]!;
    this.opened[at] = opened;
    this.maxCreations = Math.max(this.maxCreations, this.creations);
  }

  /** Seconds since a session was made, -1: never. */
  get lastCreation(): number {
    return this.created.idle(this.seconds);
  }

  port(index: number): PortRates {
    const { inFrames, inOctets, outFrames, outOctets } = this.ports[index]!;
    return {
      lastInput: inFrames.idle(this.seconds),
      lastOutput: outFrames.idle(this.seconds),
      lastCleared: this.cleared[index]! < 0 ? -1 : this.seconds - this.cleared[index]!,
      inputBits: inOctets.rate * BITS,
      inputFrames: inFrames.rate,
      outputBits: outOctets.rate * BITS,
      outputFrames: outFrames.rate,
    };
  }

  /** `clear counters`: from now on the displays count from 0. */
  clearPort(index: number): void {
    const at = index * counters.PORT_SIZE;
    this.baseline.set(this.values.subarray(counters.PORTS + at, counters.PORTS + at + counters.PORT_SIZE), at);
    this.cleared[index] = this.seconds;
  }

  private samplePort(port: PortFlows, at: number): void {
    port.inFrames.sample(this.values[at + counters.PORT_RX_FRAMES]!, this.seconds);
    port.inOctets.sample(this.values[at + counters.PORT_RX_OCTETS]!, this.seconds);
    port.outFrames.sample(this.values[at + counters.PORT_TX_FRAMES]!, this.seconds);
    port.outOctets.sample(this.values[at + counters.PORT_TX_OCTETS]!, this.seconds);
  }

  private samplePeaks(): void {
    const halfOpen = this.values[counters.SESSIONS_HALF_OPEN]!;
    const terminating = this.values[counters.SESSIONS_TERMINATING]!;
    const established = this.values[counters.SESSIONS_CURRENT]! - halfOpen - terminating;
    [established, halfOpen, terminating].forEach((count, i) => {
      this.peaks[i] = Math.max(this.peaks[i]!, count);
    });
  }
}
