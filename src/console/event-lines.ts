// Which events become lines of the log, and how many: alert and audit-trail switches, rate limits, names for numbers.
//
// Takes records from the event pump.  Limits are those of IOS: one DROP_PKT in 30 s; of access list hits as many as a
// console can show, the rest summed up in IPACCESSLOGRL.  Debug messages are not limited: who asks for them gets them.

import { expandDefaults } from '../config/inspect-defaults.ts';
import type { Configuration } from '../config/model.ts';
import { debugText } from '../inspect/smtp/declare.ts';
import type { PolicySnapshot } from '../policy/snapshot.ts';
import type { EventRecord } from '../telemetry/event-record.ts';
import * as kinds from '../telemetry/event-ring.ts';
import type { Log } from './log.ts';
import { traceText } from './packet-trace.ts';
import { accessLogLimited, accessLogMessage } from './syslog/access-list.ts';
import { alertMessage, auditMessage, dropMessage, thresholdMessage } from './syslog/firewall.ts';
import type { LogMessage } from './syslog/message.ts';
import { datagramMessage, eventMessage, lostMessage } from './syslog/postern.ts';
import { interfaceMessages } from './syslog/system.ts';
import { reassemblyMessage } from './syslog/virtual-reassembly.ts';

/** ms between two DROP_PKT lines. */
const DROP_INTERVAL = 30_000;
/** Access list lines a second. */
const ACCESS_LINES = 100;
const SECOND = 1000;

export class EventLines {
  private readonly log: Log;
  private policy: PolicySnapshot;
  private alerts = true;
  private drops = false;
  private lastDrop: number | null = null;
  private accessSecond = 0;
  private accessLines = 0;
  private accessLimited = 0;
  private last: EventRecord | null = null;

  /** `policy` is compiled from `configuration`. */
  constructor(log: Log, configuration: Configuration, policy: PolicySnapshot) {
    this.log = log;
    this.policy = policy;
    this.configure(configuration, policy);
  }

  /** Another configuration is in force. */
  configure(configuration: Configuration, policy: PolicySnapshot): void {
    this.policy = policy;
    this.alerts = expandDefaults(configuration).alert;
    this.drops = configuration.inspect.logDropPkt === true;
  }

  /** One event. */
  take(event: EventRecord): void {
    this.last = event;
    this.endAccessSecond(event);
    switch (event.kind) {
      case kinds.EVENT_SESSION_START:
      case kinds.EVENT_SESSION_STOP:
        return this.write(event, auditMessage(event, this.protocolOf(event)));
      case kinds.EVENT_ALERT:
        return this.takeAlert(event);
      case kinds.EVENT_DROP:
        return this.takeDrop(event);
      case kinds.EVENT_ACCESS_LOG:
        return this.takeAccess(event);
      case kinds.EVENT_PORT_STATE:
        for (const message of interfaceMessages(this.policy.interfaces[event.value]?.name ?? '', event.value2)) this.write(event, message);
        return;
      case kinds.EVENT_DEBUG:
        return this.log.debug(debugText(event.value, event.value2, event.value3, event.value4), stampOf(event));
      case kinds.EVENT_TRACE:
        return this.log.debug(traceText(event, this.policy), stampOf(event));
      case kinds.EVENT_REASSEMBLY: {
        const where = this.interfaceOf(event);
        return this.alerts ? this.write(event, reassemblyMessage(event, where) ?? datagramMessage(event, where)) : undefined;
      }
      default:
        if (this.alerts) this.write(event, thresholdMessage(event));
    }
  }

  /** Nothing comes any more: writes what was kept back. */
  finish(): void {
    if (this.last !== null) this.sumUpAccess(this.last);
  }

  /** `count` events did not reach the pump. */
  lost(count: number): void {
    this.log.noteDropped(count);
    if (this.last !== null) this.write(this.last, lostMessage(count));
  }

  private takeAlert(event: EventRecord): void {
    if (this.entryOf(event)?.alert ?? this.alerts) this.write(event, alertMessage(event) ?? eventMessage(event, this.protocolOf(event)));
  }

  private takeDrop(event: EventRecord): void {
    if (!this.drops) return;
    if (this.lastDrop !== null && ((event.time - this.lastDrop) | 0) < DROP_INTERVAL) {
      this.log.noteLimited(1);
      return;
    }
    this.lastDrop = event.time;
    this.write(event, dropMessage(event));
  }

  private takeAccess(event: EventRecord): void {
    const list = this.policy.accessLists[event.value];
    // Of a list that was changed since.
    if (list?.entries[event.value2] === undefined) return;
    if (this.accessLines === ACCESS_LINES) {
      this.accessLimited++;
      this.log.noteLimited(1);
      return;
    }
    this.accessLines++;
    this.write(event, accessLogMessage(event, list, this.interfaceOf(event)));
  }

  private endAccessSecond(event: EventRecord): void {
    if (((event.time - this.accessSecond) | 0) < SECOND) return;
    this.accessSecond = event.time;
    this.accessLines = 0;
    this.sumUpAccess(event);
  }

  private sumUpAccess(event: EventRecord): void {
    if (this.accessLimited > 0) this.write(event, accessLogLimited(this.accessLimited));
    this.accessLimited = 0;
  }

  private write(event: EventRecord, message: LogMessage): void {
    this.log.write(message, stampOf(event));
  }

  private entryOf({ rule, entry }: EventRecord): PolicySnapshot['rules'][number]['entries'][number] | undefined {
    return this.policy.rules[rule]?.entries[entry];
  }

  private protocolOf(event: EventRecord): string {
    return this.entryOf(event)?.keyword ?? 'tcp';
  }

  private interfaceOf(event: EventRecord): string {
    return this.policy.interfaces[event.interface]?.name ?? '';
  }
}

function stampOf({ sec, nsec, time }: EventRecord): { sec: number; nsec: number; uptime: number } {
  return { sec, nsec, uptime: time };
}
