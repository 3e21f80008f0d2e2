// What dynamic translation may give out: addresses of pools, and ports of the addresses that are overloaded.
//
// Made for one policy; what is in use is marked again when a policy is replaced.  Static translations are marked from
// the start, so nothing of theirs is ever given out.  An overloaded pool uses its first MAX_OVERLOADED addresses (each
// carries 65,535 flows a protocol).

import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';
import { ANY_PARITY, BitSet, EVEN, ODD } from './bit-set.ts';
import type { InterfacePolicy, NatPolicy, StaticBinding } from './snapshot.ts';

const MAX_OVERLOADED = 64;
const PORTS = 65_536;
const PROTOCOLS = 3;
/** Larger pools are cut here. */
const MAX_POOL = 65_536;

export class NatAddresses {
  /** Address of the port that takePort gave. */
  addr = 0;
  /** Overloaded addresses, and the first slot and number of those of each mapping. */
  private readonly slots: Int32Array;
  private readonly firstSlot: Int32Array;
  private readonly slotCount: Int32Array;
  /** Ports in use: slot * PROTOCOLS + class of protocol. */
  private readonly ports: BitSet[] = [];
  /** Ranges of pools of whole addresses: start and size, and what is in use of them. */
  private readonly poolStart: Int32Array;
  private readonly poolSize: Int32Array;
  private readonly poolInUse: BitSet[] = [];
  private readonly poolCursor: Int32Array;
  /** Pool of each mapping of whole addresses, -1: an interface's address. */
  private readonly poolOf: Int32Array;
  /** Pools that some mapping uses: start, end ... (top bit as it is). */
  private readonly aliases: Int32Array;

  constructor(policy: NatPolicy, interfaces: readonly InterfacePolicy[]) {
    const { mappings, pools } = policy;
    const slots: number[] = [];
    this.firstSlot = new Int32Array(mappings.length);
    this.slotCount = new Int32Array(mappings.length);
    mappings.forEach((mapping, m) => {
      if (!mapping.overload) return;
      const pool = pools[mapping.pool];
      const addrs = pool === undefined ? [interfaces[mapping.interface]?.addr ?? 0] : addresses(pool.start, pool.end, MAX_OVERLOADED);
      this.firstSlot[m] = placeOf(slots, addrs);
      this.slotCount[m] = addrs[0] === 0 ? 0 : addrs.length;
    });
    this.slots = Int32Array.from(slots);
    const distinct = new Map<number, BitSet[]>();
    for (const addr of slots) this.ports.push(...portSets(distinct, addr));
    this.poolStart = Int32Array.from(pools, (pool) => pool.start);
    this.poolSize = Int32Array.from(pools, (pool) => Math.min(((pool.end - pool.start) | 0) + 1, MAX_POOL));
    for (const size of this.poolSize) this.poolInUse.push(new BitSet(Math.max(size, 1)));
    this.poolCursor = new Int32Array(pools.length);
    this.poolOf = Int32Array.from(mappings, (mapping) => mapping.pool);
    this.aliases = Int32Array.from(new Set(mappings.map((mapping) => mapping.pool).filter((pool) => pool >= 0)));
    for (const addr of slots) this.markAddress(addr);
    for (const binding of policy.statics) this.reserve(binding);
  }

  /** Is `addr` in a pool that some mapping uses? */
  inPool(addr: number): boolean {
    for (let i = 0; i < this.aliases.length; i++) if (this.offset(this.aliases[i]!, addr) >= 0) return true;
    return false;
  }

  /** Takes a free address of the mapping's pool, round and round, so that a freed one rests; 0: none left. */
  takeAddress(mapping: number): number {
    const pool = this.poolOf[mapping]!;
    if (pool < 0 || this.poolSize[pool]! <= 0) return 0;
    const size = this.poolSize[pool]!;
    const found = this.poolInUse[pool]!.nextFree(this.poolCursor[pool]!, 0, size - 1, ANY_PARITY);
    if (found < 0) return 0;
    this.poolCursor[pool] = found + 1 < size ? found + 1 : 0;
    const addr = (this.poolStart[pool]! + found) | 0;
    this.markAddress(addr);
    return addr;
  }

  /** In every pool that has it: pools may overlap. */
  markAddress(addr: number): void {
    for (let pool = 0; pool < this.poolInUse.length; pool++) {
      const at = this.offset(pool, addr);
      if (at >= 0) this.poolInUse[pool]!.add(at);
    }
  }

  giveAddress(addr: number): void {
    if (this.slotOf(addr) >= 0) return;
    for (let pool = 0; pool < this.poolInUse.length; pool++) {
      const at = this.offset(pool, addr);
      if (at >= 0) this.poolInUse[pool]!.remove(at);
    }
  }

  /** Takes a port for `port` at the first of the mapping's addresses that has one; its address is left in `addr`; -1: none. */
  takePort(mapping: number, protocol: number, port: number): number {
    const from = this.firstSlot[mapping]!;
    const to = from + this.slotCount[mapping]!;
    for (let slot = from; slot < to; slot++) {
      const found = freePort(this.ports[slot * PROTOCOLS + protocolClass(protocol)]!, protocol, port);
      if (found < 0) continue;
      this.addr = this.slots[slot]!;
      this.ports[slot * PROTOCOLS + protocolClass(protocol)]!.add(found);
      return found;
    }
    return -1;
  }

  markPort(protocol: number, addr: number, port: number): void {
    const slot = this.slotOf(addr);
    if (slot >= 0) this.ports[slot * PROTOCOLS + protocolClass(protocol)]!.add(port);
  }

  givePort(protocol: number, addr: number, port: number): void {
    const slot = this.slotOf(addr);
    if (slot >= 0) this.ports[slot * PROTOCOLS + protocolClass(protocol)]!.remove(port);
  }

  private offset(pool: number, addr: number): number {
    const at = (addr - this.poolStart[pool]!) >>> 0;
    return at < this.poolSize[pool]! ? at : -1;
  }

  private slotOf(addr: number): number {
    return this.slots.indexOf(addr);
  }

  private reserve(binding: StaticBinding): void {
    if (binding.mask !== -1) {
      this.reserveNetwork(binding);
      return;
    }
    this.markAddress(binding.global);
    const slot = this.slotOf(binding.global);
    if (slot < 0) return;
    if (binding.protocol !== 0) this.ports[slot * PROTOCOLS + protocolClass(binding.protocol)]!.add(binding.globalPort);
    else this.reserveSlot(slot);
  }

  /** A network is walked no further than a pool is long. */
  private reserveNetwork(binding: StaticBinding): void {
    for (let pool = 0; pool < this.poolInUse.length; pool++) {
      for (let at = 0; at < this.poolSize[pool]!; at++) {
        if ((((this.poolStart[pool]! + at) ^ binding.global) & binding.mask) === 0) this.poolInUse[pool]!.add(at);
      }
    }
    for (let slot = 0; slot < this.slots.length; slot++)
      if (((this.slots[slot]! ^ binding.global) & binding.mask) === 0) this.reserveSlot(slot);
  }

  private reserveSlot(slot: number): void {
    for (let c = 0; c < PROTOCOLS; c++) for (let port = 0; port < PORTS; port++) this.ports[slot * PROTOCOLS + c]!.add(port);
  }
}

/** The port itself, else the next free one of its group, for UDP of its parity first (RFC 4787 REQ-3, REQ-4). */
function freePort(inUse: BitSet, protocol: number, port: number): number {
  if (protocol === PROTOCOL_ICMP) return inUse.nextFree(port, 0, PORTS - 1, ANY_PARITY);
  const low = groupLow(port);
  const high = groupHigh(port);
  const from = port < low ? low : port;
  if (protocol === PROTOCOL_UDP) {
    const found = inUse.nextFree(from, low, high, (port & 1) === 0 ? EVEN : ODD);
    if (found >= 0) return found;
  }
  return inUse.nextFree(from, low, high, ANY_PARITY);
}

function groupLow(port: number): number {
  if (port < 512) return 1;
  return port < 1024 ? 512 : 1024;
}

function groupHigh(port: number): number {
  if (port < 512) return 511;
  return port < 1024 ? 1023 : PORTS - 1;
}

function protocolClass(protocol: number): number {
  if (protocol === PROTOCOL_TCP) return 0;
  return protocol === PROTOCOL_UDP ? 1 : 2;
}

function addresses(start: number, end: number, limit: number): number[] {
  const count = Math.min(((end - start) | 0) + 1, limit);
  return Array.from({ length: Math.max(count, 0) }, (_, i) => (start + i) | 0);
}

/** Appends the addresses of a mapping; mappings over the same address share its ports by portSets(). */
function placeOf(slots: number[], addrs: readonly number[]): number {
  const at = slots.length;
  slots.push(...addrs);
  return at;
}

function portSets(distinct: Map<number, BitSet[]>, addr: number): BitSet[] {
  const known = distinct.get(addr);
  if (known !== undefined) return known;
  const made = [new BitSet(PORTS), new BitSet(PORTS), new BitSet(PORTS)];
  distinct.set(addr, made);
  return made;
}
