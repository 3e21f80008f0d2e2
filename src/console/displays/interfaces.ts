// show interfaces [INTERFACE].

import { formatAddress, prefixLengthOf } from '../../config/language/address.ts';
import type { Configuration, InterfaceConfig } from '../../config/model.ts';
import * as counters from '../../telemetry/counters.ts';
import { NO_PORT, type FirewallState, type PortRow } from '../state.ts';
import { ageText, lines } from './text.ts';

const ARP_TIMEOUT = 14_400;

/** Kilobits per second and microseconds of delay that IOS assumes for a type of interface. */
function speedOf(name: string): { bandwidth: number; delay: number } {
  if (name.startsWith('TenGigabit')) return { bandwidth: 10_000_000, delay: 10 };
  if (name.startsWith('Gigabit')) return { bandwidth: 1_000_000, delay: 10 };
  if (name.startsWith('Fast')) return { bandwidth: 100_000, delay: 100 };
  return name.startsWith('Ethernet') ? { bandwidth: 10_000, delay: 1000 } : { bandwidth: 1544, delay: 20_000 };
}

export function showInterfaces(configuration: Configuration, state: FirewallState, name?: string): string {
  return lines(
    configuration.interfaces.flatMap((port, index) =>
      name === undefined || port.name === name ? interfaceLines(port, state.ports[index] ?? NO_PORT, portCounters(state, index)) : [],
    ),
  );
}

type ReadCounter = (field: number) => number;

function portCounters(state: FirewallState, index: number): ReadCounter {
  return (field) => state.counters[counters.PORTS + index * counters.PORT_SIZE + field] ?? 0;
}

function stateLine(port: InterfaceConfig, row: PortRow): string {
  if (port.shutdown) return `${port.name} is administratively down, line protocol is down`;
  const word = row.up ? 'up' : 'down';
  return `${port.name} is ${word}, line protocol is ${word}`;
}

function interfaceLines(port: InterfaceConfig, row: PortRow, read: ReadCounter): string[] {
  const { bandwidth, delay } = speedOf(port.name);
  const mac = port.macAddress ?? (row.mac === '' ? '0000.0000.0000' : row.mac);
  return [
    stateLine(port, row),
    `  Hardware is ${row.device === '' ? 'not attached' : row.device}, address is ${mac} (bia ${row.mac === '' ? mac : row.mac})`,
    ...(port.description === undefined ? [] : [`  Description: ${port.description}`]),
    ...addressLines(port),
    `  MTU ${row.mtu} bytes, BW ${bandwidth} Kbit, DLY ${delay} usec,`,
    `     reliability 255/255, txload ${load(row.outputBits, bandwidth)}/255, rxload ${load(row.inputBits, bandwidth)}/255`,
    '  Encapsulation ARPA, loopback not set',
    '  Keepalive set (10 sec)',
    `  ARP type: ARPA, ARP Timeout ${ageText(port.arpTimeout ?? ARP_TIMEOUT)}`,
    `  Last input ${ageText(row.lastInput)}, output ${ageText(row.lastOutput)}, output hang never`,
    `  Last clearing of "show interface" counters ${ageText(row.lastCleared)}`,
    `  Input queue: 0/75/${read(counters.PORT_KERNEL_DROPS)}/0 (size/max/drops/flushes); Total output drops: ${read(counters.PORT_TX_ERRORS)}`,
    '  Queueing strategy: fifo',
    '  Output queue: 0/40 (size/max)',
    `  5 minute input rate ${row.inputBits} bits/sec, ${row.inputFrames} packets/sec`,
    `  5 minute output rate ${row.outputBits} bits/sec, ${row.outputFrames} packets/sec`,
    ...counterLines(read),
  ];
}

function counterLines(read: ReadCounter): string[] {
  return [
    `     ${read(counters.PORT_RX_FRAMES)} packets input, ${read(counters.PORT_RX_OCTETS)} bytes, ${read(counters.PORT_KERNEL_DROPS)} no buffer`,
    `     Received ${read(counters.PORT_RX_BROADCASTS)} broadcasts, 0 runts, 0 giants, 0 throttles`,
    '     0 input errors, 0 CRC, 0 frame, 0 overrun, 0 ignored',
    '     0 input packets with dribble condition detected',
    `     ${read(counters.PORT_TX_FRAMES)} packets output, ${read(counters.PORT_TX_OCTETS)} bytes, 0 underruns`,
    `     ${read(counters.PORT_TX_ERRORS)} output errors, 0 collisions, ${read(counters.PORT_RESETS)} interface resets`,
    '     0 babbles, 0 late collision, 0 deferred',
    `     ${read(counters.PORT_CARRIER_LOST)} lost carrier, 0 no carrier`,
    '     0 output buffer failures, 0 output buffers swapped out',
  ];
}

function addressLines({ ipAddress }: InterfaceConfig): string[] {
  return typeof ipAddress === 'object' ? [`  Internet address is ${formatAddress(ipAddress.addr)}/${prefixLengthOf(ipAddress.mask)}`] : [];
}

/** 1 to 255 parts of the bandwidth. */
function load(bits: number, kilobits: number): number {
  return Math.min(255, Math.max(1, Math.round((bits * 255) / (kilobits * 1000))));
}
