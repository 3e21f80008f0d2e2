// The errors that a command reports to its user, and the exit statuses of the program.

export const EXIT_OK = 0;
/** Something failed while running: a damaged capture, a port that broke. */
export const EXIT_RUNTIME = 1;
/** The command line or the configuration is wrong; nothing was done. */
export const EXIT_USAGE = 2;

/**
 * Ends the program with `status` after printing `postern: <message>` on stderr.  The message is one line, begins with a
 * lower-case letter or a name, and says what to do when the user can do something.
 */
export class CommandError extends Error {
  readonly status: number;

  constructor(message: string, status: number = EXIT_USAGE) {
    super(message);
    this.name = 'CommandError';
    this.status = status;
  }
}
