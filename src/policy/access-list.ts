// Access lists, compiled.  (Evaluation: evaluate(); syntax: config/.)

/** One entry as parsed; -1 where the entry does not say. */
export interface AccessListEntry {
  readonly sequence: number;
  readonly permit: boolean;
  /** IP protocol, -1: ip. */
  readonly protocol: number;
  readonly src: number;
  readonly srcWildcard: number;
  readonly dst: number;
  readonly dstWildcard: number;
  /** Inclusive ranges of ports [low, high, low, high ...]; empty: any. `neq` becomes two ranges. */
  readonly srcPorts: readonly number[];
  readonly dstPorts: readonly number[];
  readonly icmpType: number;
  readonly icmpCode: number;
  readonly established: boolean;
  /** TCP control bits that must be set / clear (match-all), or any of them (match-any when flagsAny). */
  readonly flagsSet: number;
  readonly flagsClear: number;
  readonly flagsAny: boolean;
  readonly fragments: boolean;
  readonly dscp: number;
  readonly precedence: number;
  readonly tos: number;
  readonly log: boolean;
  readonly logInput: boolean;
}

export interface CompiledAccessList {
  /** Number or name. */
  readonly name: string;
  readonly standard: boolean;
  readonly entries: readonly AccessListEntry[];
  /** First row of its hit counters; one an entry. */
  readonly firstHit: number;
}
