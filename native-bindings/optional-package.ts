// Loading of the optional native packages pcap, cap and raw-socket.
//
// All three are written against NAN and are not context-aware: the second thread of a process that loads one gets
// `Module did not self-register`.  Exactly one thread, the main thread, may load them; each is loaded when it is first needed,
// so that whoever does not need it does not notice that it is missing.

import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';

export type OptionalPackage = 'cap' | 'pcap' | 'raw-socket';

/** What has to be on the machine before npm can build the package (Debian's names). */
const BUILT_WITH: Readonly<Record<OptionalPackage, string>> = {
  cap: 'libpcap-dev',
  pcap: 'libpcap-dev',
  'raw-socket': 'build-essential python3',
};

/** The package is missing, was not built, or does not load.  The message is one line with the remedy. */
export class MissingPackageError extends Error {
  readonly packageName: OptionalPackage;

  constructor(name: OptionalPackage, why: string) {
    super(`needs the optional package ${name}, which ${why}: apt-get install ${BUILT_WITH[name]}, then npm run setup -- --again`);
    this.name = 'MissingPackageError';
    this.packageName = name;
  }
}

function explain(error: unknown): string {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  if (code !== 'MODULE_NOT_FOUND') return `does not load (${message.split('\n')[0]})`;
  return /build.Release/.test(message) ? 'was not built' : 'is not installed';
}

/** Loads a package.  Throws a MissingPackageError where that fails, and an Error in a thread other than the main one. */
export function loadOptional(name: OptionalPackage): unknown {
  if (!isMainThread) throw new Error(`${name} may be loaded by the main thread only`);
  try {
    return createRequire(import.meta.url)(name);
  } catch (error) {
    throw new MissingPackageError(name, explain(error));
  }
}
