// Dynamic translations: a fixed number of bindings in columns, found from either side by two chained hash tables.
//
// A binding joins a local tuple to a global tuple for every peer (endpoint-independent mapping, RFC 4787 REQ-1, RFC 5382
// REQ-1).  A binding of a whole address has protocol 0 and ports 0.
// Not here: which addresses and ports are given out, and time-outs (nat.ts).

const NONE = -1;

/** A binding whose mapping is gone or that was cleared: kept while sessions use it, not found from the inside. */
export const STALE = -1;

export class NatBindings {
  readonly capacity: number;
  count = 0;
  /** 0: a whole address. */
  readonly protocol: Uint8Array;
  readonly localAddr: Int32Array;
  readonly localPort: Uint16Array;
  readonly globalAddr: Int32Array;
  readonly globalPort: Uint16Array;
  /** Index of the dynamic mapping that it comes from, or STALE. */
  readonly mapping: Int32Array;
  /** Sessions that use it. */
  readonly uses: Int32Array;
  /** ms. */
  readonly created: Int32Array;
  readonly lastUsed: Int32Array;
  /** Port at the outside that it was made for (some have a time-out of their own). */
  readonly service: Uint16Array;
  /** ENDED_...: how far its flows got. */
  readonly ended: Uint8Array;
  private readonly live: Uint8Array;
  private readonly nextLocal: Int32Array;
  private readonly nextGlobal: Int32Array;
  private readonly localHeads: Int32Array;
  private readonly globalHeads: Int32Array;
  private readonly mask: number;
  private readonly seed: number;
  private readonly freeList: Int32Array;
  private freeCount = 0;
  private unused = 0;

  /** `seed` is any int32: a sender must not be able to choose collisions. */
  constructor(capacity: number, seed: number) {
    let heads = 64;
    while (heads < capacity) heads *= 2;
    this.capacity = capacity;
    this.seed = seed;
    this.mask = heads - 1;
    this.localHeads = new Int32Array(heads).fill(NONE);
    this.globalHeads = new Int32Array(heads).fill(NONE);
    this.protocol = new Uint8Array(capacity);
    this.localAddr = new Int32Array(capacity);
    this.localPort = new Uint16Array(capacity);
    this.globalAddr = new Int32Array(capacity);
    this.globalPort = new Uint16Array(capacity);
    this.mapping = new Int32Array(capacity);
    this.uses = new Int32Array(capacity);
    this.created = new Int32Array(capacity);
    this.lastUsed = new Int32Array(capacity);
    this.service = new Uint16Array(capacity);
    this.ended = new Uint8Array(capacity);
    this.live = new Uint8Array(capacity);
    this.nextLocal = new Int32Array(capacity);
    this.nextGlobal = new Int32Array(capacity);
    this.freeList = new Int32Array(capacity);
  }

  /** Highest number ever used + 1: the bound of a walk (console pages); see isLive. */
  get highest(): number {
    return this.unused;
  }

  isLive(binding: number): boolean {
    return this.live[binding] === 1;
  }

  /** The binding of an inside tuple under one mapping, or -1. */
  findLocal(mapping: number, protocol: number, addr: number, port: number): number {
    for (let b = this.localHeads[this.hash(mapping, protocol, addr, port)]!; b !== NONE; b = this.nextLocal[b]!) {
      if (this.localAddr[b] === addr && this.localPort[b] === port && this.protocol[b] === protocol && this.mapping[b] === mapping)
        return b;
    }
    return NONE;
  }

  /** The binding of a tuple as the outside sees it, stale or not, or -1. */
  findGlobal(protocol: number, addr: number, port: number): number {
    for (let b = this.globalHeads[this.hash(0, protocol, addr, port)]!; b !== NONE; b = this.nextGlobal[b]!) {
      if (this.globalAddr[b] === addr && this.globalPort[b] === port && this.protocol[b] === protocol) return b;
    }
    return NONE;
  }

  /** A new binding without users; the caller has seen that count < capacity. */
  insert(
    mapping: number,
    protocol: number,
    localAddr: number,
    localPort: number,
    globalAddr: number,
    globalPort: number,
    now: number,
  ): number {
    const b = this.freeCount > 0 ? this.freeList[--this.freeCount]! : this.unused++;
    this.mapping[b] = mapping;
    this.protocol[b] = protocol;
    this.localAddr[b] = localAddr;
    this.localPort[b] = localPort;
    this.globalAddr[b] = globalAddr;
    this.globalPort[b] = globalPort;
    this.uses[b] = 0;
    this.service[b] = 0;
    this.created[b] = now;
    this.lastUsed[b] = now;
    this.live[b] = 1;
    this.count++;
    this.linkLocal(b);
    const slot = this.hash(0, protocol, globalAddr, globalPort);
    this.nextGlobal[b] = this.globalHeads[slot]!;
    this.globalHeads[slot] = b;
    return b;
  }

  remove(b: number): void {
    if (this.mapping[b] !== STALE) this.unlinkLocal(b);
    this.unlinkGlobal(b);
    this.live[b] = 0;
    this.freeList[this.freeCount++] = b;
    this.count--;
  }

  /** No new flow uses it; its global tuple stays taken. */
  makeStale(b: number): void {
    if (this.mapping[b] === STALE) return;
    this.unlinkLocal(b);
    this.mapping[b] = STALE;
  }

  /** The same binding under another number of its mapping (after a new policy). */
  setMapping(b: number, mapping: number): void {
    this.unlinkLocal(b);
    this.mapping[b] = mapping;
    this.linkLocal(b);
  }

  private linkLocal(b: number): void {
    const slot = this.localSlot(b);
    this.nextLocal[b] = this.localHeads[slot]!;
    this.localHeads[slot] = b;
  }

  private unlinkLocal(b: number): void {
    unlink(this.localHeads, this.nextLocal, this.localSlot(b), b);
  }

  private unlinkGlobal(b: number): void {
    unlink(this.globalHeads, this.nextGlobal, this.hash(0, this.protocol[b]!, this.globalAddr[b]!, this.globalPort[b]!), b);
  }

  private localSlot(b: number): number {
    return this.hash(this.mapping[b]!, this.protocol[b]!, this.localAddr[b]!, this.localPort[b]!);
  }

  private hash(mapping: number, protocol: number, addr: number, port: number): number {
    let h = Math.imul(addr ^ this.seed, 0x45d9f3b) ^ ((mapping << 24) | (protocol << 16) | port);
    h = Math.imul(h ^ (h >>> 16), 0x119de1f3);
    return (h ^ (h >>> 13)) & this.mask;
  }
}

function unlink(heads: Int32Array, next: Int32Array, slot: number, b: number): void {
  if (heads[slot] === b) {
    heads[slot] = next[b]!;
    return;
  }
  let before = heads[slot]!;
  while (next[before] !== b) before = next[before]!;
  next[before] = next[b]!;
}
