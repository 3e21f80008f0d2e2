// Reads a whole configuration, and opens sessions for `configure terminal`.

import { globalMode } from './global-mode.ts';
import { emptyConfiguration, type Configuration } from './model.ts';
import { warningsFor } from './references.ts';
import { ConfigSession, formatRejection, messageOf, type Rejection } from './session.ts';

/** A line that was not accepted. */
export interface Rejected {
  /** From 1. */
  readonly lineNumber: number;
  readonly text: string;
  /** Column of the marker in `text`, from 0; -1 where there is none. */
  readonly column: number;
  readonly message: string;
  /** The line, the marker and the message as IOS prints them; ends in a line feed. */
  readonly formatted: string;
}

export interface ParsedConfiguration {
  readonly configuration: Configuration;
  readonly rejected: Rejected[];
  /** What is accepted and probably not meant: names that do not exist, thresholds that contradict. */
  readonly warnings: string[];
}

/** Lines around a configuration that `show running-config` prints. */
const FRAME = /^(Building configuration\.\.\.|Current configuration : \d+ bytes|end)\s*$/;

/**
 * Parses a configuration file.  Every line that can be is accepted; one that is rejected changes nothing.  Lines indented
 * deeper than a rejected line before them belong to the mode that it did not open, and are rejected with it.
 */
export function parseConfiguration(text: string): ParsedConfiguration {
  const session = openSession(emptyConfiguration());
  const rejected: Rejected[] = [];
  let orphanedBelow = Number.POSITIVE_INFINITY;
  text.split('\n').forEach((raw, index) => {
    const line = raw.replace(/\r$/, '');
    const indent = line.search(/[^ \t]/);
    if (indent < 0 || line[indent] === '!' || FRAME.test(line)) return;
    const rejection = indent > orphanedBelow ? orphan(indent) : session.apply(line);
    if (indent <= orphanedBelow) orphanedBelow = rejection === undefined ? Number.POSITIVE_INFINITY : indent;
    if (rejection !== undefined) rejected.push(describe(index + 1, line, rejection));
  });
  return { configuration: session.configuration, rejected, warnings: [...session.notices, ...warningsFor(session.configuration)] };
}

function orphan(column: number): Rejection {
  return { kind: 'invalid', column };
}

function describe(lineNumber: number, text: string, rejection: Rejection): Rejected {
  return {
    lineNumber,
    text,
    column: rejection.kind === 'invalid' ? rejection.column : -1,
    message: messageOf(text, rejection),
    formatted: formatRejection(text, rejection),
  };
}

/** Opens `configure terminal` on a working copy: `configuration` itself does not change. */
export function openSession(configuration: Configuration): ConfigSession {
  return new ConfigSession(structuredClone(configuration), globalMode);
}

/** Carries out one line of `configure terminal`; a line that is rejected changes nothing. */
export function applyLine(session: ConfigSession, line: string): Rejection | undefined {
  return session.apply(line);
}

export { formatReason, formatRejection, type ConfigSession, type Rejection } from './session.ts';
