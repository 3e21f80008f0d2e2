// hostname, service, logging.

import { compileFamily } from '../command.ts';
import { address, either, number, oneOf, word } from '../language/arguments.ts';
import type { Configuration } from '../model.ts';

/** Names of the syslog severities, by number. */
export const SEVERITIES = [
  'emergencies',
  'alerts',
  'critical',
  'errors',
  'warnings',
  'notifications',
  'informational',
  'debugging',
] as const;

const SEVERITY_HELP: Record<string, string> = {
  emergencies: 'System is unusable                (severity=0)',
  alerts: 'Immediate action needed           (severity=1)',
  critical: 'Critical conditions               (severity=2)',
  errors: 'Error conditions                  (severity=3)',
  warnings: 'Warning conditions                (severity=4)',
  notifications: 'Normal but significant conditions (severity=5)',
  informational: 'Informational messages            (severity=6)',
  debugging: 'Debugging messages                (severity=7)',
};

const SEVERITY_VALUES = Object.fromEntries(SEVERITIES.map((name, severity) => [name, severity]));
const severity = either(number(0, 7, 'Logging severity level'), oneOf(SEVERITY_HELP, SEVERITY_VALUES));

/** Octets of the log buffer when `logging buffered` says nothing else. */
export const DEFAULT_LOG_BUFFER = 4096;
const DEBUGGING = 7;
const DEFAULT_HOSTNAME = 'Router';

export const system = compileFamily<Configuration>({
  words: {
    hostname: "Set system's network name",
    service: 'Modify use of network based services',
    timestamps: 'Timestamp debug/log messages',
    uptime: 'Timestamp with system uptime',
    datetime: 'Timestamp with date and time',
    msec: 'Include milliseconds in timestamp',
    localtime: 'Use local time zone for timestamps',
    'show-timezone': 'Add time zone information to timestamp',
    year: 'Include year in timestamp',
    'sequence-numbers': 'Stamp logger messages with a sequence number',
    logging: 'Modify message logging facilities',
    on: 'Enable logging to all enabled destinations',
    host: 'Set syslog server IP address and parameters',
    buffered: 'Set buffered logging parameters',
    console: 'Set console logging parameters',
    trap: 'Set syslog server logging level',
  },
  arguments: {
    NAME: word("This system's network name"),
    STREAM: oneOf({ debug: 'Timestamp debug messages', log: 'Timestamp log messages' }),
    HOST: address('IP address of the logging host'),
    SIZE: number(4096, 2_147_483_647, 'Logging buffer size'),
    LEVEL: severity,
  },
  commands: [
    {
      syntax: 'hostname NAME',
      set(configuration, args) {
        if (!/^[a-z0-9][a-z0-9._-]{0,62}$/i.test(args.text('NAME'))) return '% Hostname contains one or more illegal characters.';
        configuration.hostname = args.text('NAME');
        return undefined;
      },
      no: 'hostname [NAME]',
      unset: (configuration) => void (configuration.hostname = DEFAULT_HOSTNAME),
    },
    {
      syntax: 'service timestamps STREAM {uptime | datetime [msec || localtime || show-timezone || year]}',
      set(configuration, args) {
        const options = ['uptime', 'datetime', 'msec', 'localtime', 'show-timezone', 'year'].filter((option) => args.has(option));
        configuration.timestamps[args.text('STREAM') as 'debug' | 'log'] = options.join(' ');
      },
      no: 'service timestamps [STREAM [uptime | datetime [msec || localtime || show-timezone || year]]]',
      unset(configuration, args) {
        if (args.maybeText('STREAM') !== 'log') delete configuration.timestamps.debug;
        if (args.maybeText('STREAM') !== 'debug') delete configuration.timestamps.log;
      },
    },
    {
      syntax: 'service sequence-numbers',
      set: (configuration) => void (configuration.sequenceNumbers = true),
      no: 'service sequence-numbers',
      unset: (configuration) => void (configuration.sequenceNumbers = false),
    },
    {
      syntax: 'logging on',
      set: (configuration) => void (configuration.logging.on = true),
      no: 'logging on',
      unset: (configuration) => void (configuration.logging.on = false),
    },
    {
      syntax: 'logging [host] HOST',
      set({ logging }, args) {
        if (!logging.hosts.includes(args.number('HOST'))) logging.hosts.push(args.number('HOST'));
      },
      no: 'logging [host] HOST',
      unset({ logging }, args) {
        logging.hosts = logging.hosts.filter((host) => host !== args.number('HOST'));
      },
    },
    {
      syntax: 'logging buffered [SIZE] [LEVEL]',
      set({ logging }, args) {
        logging.buffered = args.maybeNumber('SIZE') ?? DEFAULT_LOG_BUFFER;
        logging.bufferedLevel = args.maybeNumber('LEVEL') ?? DEBUGGING;
      },
      no: 'logging buffered [SIZE] [LEVEL]',
      unset({ logging }) {
        delete logging.buffered;
        delete logging.bufferedLevel;
      },
    },
    {
      syntax: 'logging console [LEVEL]',
      set({ logging }, args) {
        const level = args.maybeNumber('LEVEL');
        if (level === undefined || level === DEBUGGING) delete logging.console;
        else logging.console = level;
      },
      no: 'logging console [LEVEL]',
      unset: ({ logging }) => void (logging.console = false),
    },
    {
      syntax: 'logging trap [LEVEL]',
      set: ({ logging }, args) => void (logging.trap = args.maybeNumber('LEVEL') ?? DEBUGGING),
      no: 'logging trap [LEVEL]',
      unset: ({ logging }) => void delete logging.trap,
    },
  ],
});
