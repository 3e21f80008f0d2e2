// Who plays in a rehearsal (rehearsal.ts).  Addresses are int32 of 198.18.0.0/15, which no network routes (RFC 2544); MAC addresses are
// 0200.5245.xxxx and given by their low 32 bits.

export const MAC_HIGH = 0x0200;
export const OUTSIDE_GATEWAY = { addr: 0xc612_0001 | 0, mac: 0x5245_0001 } as const;
export const INSIDE_GATEWAY = { addr: 0xc612_0101 | 0, mac: 0x5245_0101 } as const;
export const CLIENT = { addr: 0xc612_0009 | 0, mac: 0x5245_0009 } as const;
export const SERVER = { addr: 0xc612_0102 | 0, mac: 0x5245_0102 } as const;
/** The server as the outside sees it in a routed rehearsal. */
export const SERVER_GLOBAL = 0xc612_0002 | 0;
/** Inside, and never translated. */
export const WORKSTATION = { addr: 0xc612_0103 | 0, mac: 0x5245_0103 } as const;
