// An access list entry that matches every IPv4 datagram, for benches and tests to vary.

import type { AccessListEntry } from '../src/policy/access-list.ts';

export const ANY_ENTRY: AccessListEntry = {
  sequence: 10,
  permit: true,
  protocol: -1,
  src: 0,
  srcWildcard: -1,
  dst: 0,
  dstWildcard: -1,
  srcPorts: [],
  dstPorts: [],
  icmpType: -1,
  icmpCode: -1,
  established: false,
  flagsSet: 0,
  flagsClear: 0,
  flagsAny: false,
  fragments: false,
  dscp: -1,
  precedence: -1,
  tos: -1,
  log: false,
  logInput: false,
};
