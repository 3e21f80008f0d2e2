// %LINK, %LINEPROTO, %SYS: interfaces and the configuration.

import { type LogMessage, message } from './message.ts';

/** An interface came up or went down; IOS says it of the link and of the line protocol. */
export function interfaceMessages(name: string, isUp: boolean): LogMessage[] {
  const state = `changed state to ${isUp ? 'up' : 'down'}`;
  return [message('LINK', 3, 'UPDOWN', `Interface ${name}, ${state}`), message('LINEPROTO', 5, 'UPDOWN', `Line protocol on Interface ${name}, ${state}`)];
}

/** `from` is who changed the configuration and `by` which line, for instance console and vty0. */
export function configuredMessage(from: string, by: string): LogMessage {
  return message('SYS', 5, 'CONFIG_I', `Configured from ${from} by ${by}`);
}
