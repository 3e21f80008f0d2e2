// SIGINT and SIGTERM as a wish to stop, for commands that run until they are told to end.
//
// One wish often comes twice: a terminal and `timeout` signal the whole process group, and npx passes on to its child what it gets itself.
// The second must not end the process in the middle of what the first began (interfaces put back, the report printed).

/** Signals that follow the first so closely belong to it, ms.  A later one ends the process at once, should stopping hang. */
const ECHO = 1000;

/** Resolves with null at the first SIGINT or SIGTERM from now on. */
export function untilSignal(): Promise<null> {
  return new Promise((resolve) => {
    const stop = (): void => {
      resolve(null);
      setTimeout(() => process.off('SIGINT', stop).off('SIGTERM', stop), ECHO).unref();
    };
    process.on('SIGINT', stop).on('SIGTERM', stop);
  });
}
