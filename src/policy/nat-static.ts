// Static translations, compiled for search from either side.  The most exact one wins: port, then address, then network.
//
// Made when a policy is made or adopted; the search allocates nothing.

import type { StaticBinding } from './snapshot.ts';

/** A fixed table (address, word) -> number: open addressing, never more than half full. */
class TupleIndex {
  private readonly keys: Int32Array;
  private readonly values: Int32Array;
  private readonly mask: number;

  constructor(count: number) {
    let places = 16;
    while (places < count * 2) places *= 2;
    this.keys = new Int32Array(places * 2);
    this.values = new Int32Array(places).fill(-1);
    this.mask = places - 1;
  }

  /** The first value of a key stays. */
  add(addr: number, word: number, value: number): void {
    const i = this.place(addr, word);
    if (this.values[i]! >= 0) return;
    this.keys[i * 2] = addr;
    this.keys[i * 2 + 1] = word;
    this.values[i] = value;
  }

  find(addr: number, word: number): number {
    return this.values[this.place(addr, word)]!;
  }

  private place(addr: number, word: number): number {
    const { keys, values, mask } = this;
    let i = ((Math.imul(addr, 0x9e3779b1) ^ Math.imul(word, 0x85ebca6b)) >>> 8) & mask;
    while (values[i]! >= 0 && (keys[i * 2] !== addr || keys[i * 2 + 1] !== word)) i = (i + 1) & mask;
    return i;
  }
}

/** Protocol and port in one word; 0: the whole address. */
function portWord(protocol: number, port: number): number {
  return (protocol << 16) | port;
}

export class StaticTable {
  private readonly local: TupleIndex;
  private readonly global: TupleIndex;
  /** Global addresses that are answered for in ARP. */
  private readonly aliases: TupleIndex;
  private readonly networks: StaticBinding[] = [];
  private readonly bindings: readonly StaticBinding[];

  constructor(bindings: readonly StaticBinding[]) {
    this.bindings = bindings;
    this.local = new TupleIndex(bindings.length);
    this.global = new TupleIndex(bindings.length);
    this.aliases = new TupleIndex(bindings.length);
    bindings.forEach((binding, index) => this.addBinding(binding, index));
  }

  private addBinding(binding: StaticBinding, index: number): void {
    if (binding.mask !== -1) {
      this.networks.push(binding);
      return;
    }
    this.local.add(binding.local, portWord(binding.protocol, binding.localPort), index);
    this.global.add(binding.global, portWord(binding.protocol, binding.globalPort), index);
    if (binding.alias) this.aliases.add(binding.global, 0, index);
  }

  /** Index of the binding that an inside tuple has, NETWORK + n for one of a network, or -1. */
  byLocal(protocol: number, addr: number, port: number): number {
    const exact = this.local.find(addr, portWord(protocol, port));
    if (exact >= 0) return exact;
    const whole = this.local.find(addr, 0);
    return whole >= 0 ? whole : this.networkOfLocal(addr);
  }

  /** The same for a tuple as the outside sees it. */
  byGlobal(protocol: number, addr: number, port: number): number {
    const exact = this.global.find(addr, portWord(protocol, port));
    if (exact >= 0) return exact;
    const whole = this.global.find(addr, 0);
    return whole >= 0 ? whole : this.networkOfGlobal(addr);
  }

  /** Global address of what byLocal returned. */
  globalAddr(found: number, local: number): number {
    if (found < NETWORK) return this.bindings[found]!.global;
    const network = this.networks[found - NETWORK]!;
    return (network.global & network.mask) | (local & ~network.mask);
  }

  localAddr(found: number, global: number): number {
    if (found < NETWORK) return this.bindings[found]!.local;
    const network = this.networks[found - NETWORK]!;
    return (network.local & network.mask) | (global & ~network.mask);
  }

  globalPort(found: number, port: number): number {
    return found < NETWORK && this.bindings[found]!.protocol !== 0 ? this.bindings[found]!.globalPort : port;
  }

  localPort(found: number, port: number): number {
    return found < NETWORK && this.bindings[found]!.protocol !== 0 ? this.bindings[found]!.localPort : port;
  }

  /** Is `addr` a global address of some binding without `no-alias`? */
  isAlias(addr: number): boolean {
    if (this.aliases.find(addr, 0) >= 0) return true;
    const found = this.networkOfGlobal(addr);
    return found >= 0 && this.networks[found - NETWORK]!.alias;
  }

  private networkOfLocal(addr: number): number {
    const { networks } = this;
    for (let i = 0; i < networks.length; i++) if (((addr ^ networks[i]!.local) & networks[i]!.mask) === 0) return NETWORK + i;
    return -1;
  }

  private networkOfGlobal(addr: number): number {
    const { networks } = this;
    for (let i = 0; i < networks.length; i++) if (((addr ^ networks[i]!.global) & networks[i]!.mask) === 0) return NETWORK + i;
    return -1;
  }
}

/** Results at or above it name a network. */
const NETWORK = 1 << 24;
