// What `ip inspect` means where the configuration does not say: the defaults of IOS 12.3, in the units of the commands.
//
// compile.ts and the displays both read it, so that what is shown is what holds.

import type { Configuration, InspectLine } from './model.ts';

const ICMP_TIMEOUT = 10;
const MAX_DATA = 20_000_000;

/** Global timers and thresholds, every one with a value. */
export interface InspectSettings {
  readonly alert: boolean;
  readonly auditTrail: boolean;
  /** Seconds. */
  readonly synwaitTime: number;
  readonly finwaitTime: number;
  readonly tcpIdleTime: number;
  readonly udpIdleTime: number;
  readonly dnsTimeout: number;
  readonly maxIncompleteHigh: number;
  readonly maxIncompleteLow: number;
  readonly oneMinuteHigh: number;
  readonly oneMinuteLow: number;
  readonly maxIncompleteHost: number;
  /** Minutes. */
  readonly blockTime: number;
}

export function expandDefaults({ inspect }: Configuration): InspectSettings {
  return {
    alert: inspect.alertOff !== true,
    auditTrail: inspect.auditTrail === true,
    synwaitTime: inspect.synwaitTime ?? 30,
    finwaitTime: inspect.finwaitTime ?? 5,
    tcpIdleTime: inspect.tcpIdleTime ?? 3600,
    udpIdleTime: inspect.udpIdleTime ?? 30,
    dnsTimeout: inspect.dnsTimeout ?? 5,
    maxIncompleteHigh: inspect.maxIncompleteHigh ?? 500,
    maxIncompleteLow: inspect.maxIncompleteLow ?? 400,
    oneMinuteHigh: inspect.oneMinuteHigh ?? 500,
    oneMinuteLow: inspect.oneMinuteLow ?? 400,
    maxIncompleteHost: inspect.maxIncompleteHost ?? 50,
    blockTime: inspect.blockTime ?? 0,
  };
}

/** `ip inspect tcp reassembly`, every value of it. */
export interface ReassemblySettings {
  /** Segments of one direction. */
  readonly queueLength: number;
  /** Seconds. */
  readonly timeout: number;
  /** Kilobytes, all sessions together. */
  readonly memoryLimit: number;
}

/** What 12.4(11)T makes of the command when a part of it is configured; undefined when nothing is. */
export function expandReassembly({ inspect }: Configuration): ReassemblySettings | undefined {
  const { reassemblyQueueLength, reassemblyTimeout, reassemblyMemoryLimit, reassemblyAlarm } = inspect;
  const isSet = [reassemblyQueueLength, reassemblyTimeout, reassemblyMemoryLimit, reassemblyAlarm].some((value) => value !== undefined);
  if (!isSet) return undefined;
  return { queueLength: reassemblyQueueLength ?? 16, timeout: reassemblyTimeout ?? 5, memoryLimit: reassemblyMemoryLimit ?? 1024 };
}

/** One line of a rule, every option with a value. */
export interface InspectLineSettings {
  readonly alert: boolean;
  readonly auditTrail: boolean;
  /** Seconds. */
  readonly timeout: number;
  /** Octets; 0: no limit (only mail has one). */
  readonly maxData: number;
}

/** `udp`: the line's protocol runs over UDP. */
export function expandLine(line: InspectLine, settings: InspectSettings, udp: boolean): InspectLineSettings {
  const mail = line.keyword === 'smtp' || line.keyword === 'esmtp';
  return {
    alert: line.alert ?? settings.alert,
    auditTrail: line.auditTrail ?? settings.auditTrail,
    timeout: line.timeout ?? idleTime(line.keyword, settings, udp),
    maxData: line.maxData ?? (mail ? MAX_DATA : 0),
  };
}

function idleTime(keyword: string, settings: InspectSettings, udp: boolean): number {
  if (keyword === 'icmp') return ICMP_TIMEOUT;
  return udp ? settings.udpIdleTime : settings.tcpIdleTime;
}
