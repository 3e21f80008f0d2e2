// %LINK, %LINEPROTO, %SYS: interfaces and the configuration.

import { PORT_SHUT, PORT_UP } from '../../telemetry/event-ring.ts';
import { type LogMessage, message } from './message.ts';

/** An interface came up or went down; IOS says it of the link and of the line protocol.  `state` is PORT_... of the event ring. */
export function interfaceMessages(name: string, state: number): LogMessage[] {
  const protocol = message(
    'LINEPROTO',
    5,
    'UPDOWN',
    `Line protocol on Interface ${name}, changed state to ${state === PORT_UP ? 'up' : 'down'}`,
  );
  const link =
    state === PORT_SHUT
      ? message('LINK', 5, 'CHANGED', `Interface ${name}, changed state to administratively down`)
      : message('LINK', 3, 'UPDOWN', `Interface ${name}, changed state to ${state === PORT_UP ? 'up' : 'down'}`);
  return [link, protocol];
}

/** `from` is who changed the configuration and `by` which line, for instance console and vty0. */
export function configuredMessage(from: string, by: string): LogMessage {
  return message('SYS', 5, 'CONFIG_I', `Configured from ${from} by ${by}`);
}
