// Access lists: numbered lines, `ip access-list` modes, sequence numbers, remarks; and EtherType lists.

import { compileFamily, mode, type Command, type Refusal } from '../command.ts';
import { ENTRY_ARGUMENTS, ENTRY_WORDS, EXTENDED_SYNTAX, readExtended, readStandard, STANDARD_SYNTAX } from '../access-list-entry.ts';
import type { Args } from '../language/args.ts';
import { either, line, number, oneOf, word, wordLike } from '../language/arguments.ts';
import type { AccessListConfig, Configuration, ConfiguredEntry, Remark } from '../model.ts';
import type { ConfigSession } from '../session.ts';

/** Step of automatic sequence numbers, and the first of them. */
export const SEQUENCE_STEP = 10;
const MAX_REMARK = 100;

const ARGUMENTS = {
  ...ENTRY_ARGUMENTS,
  STANDARD: either(number(1, 99, 'IP standard access list'), number(1300, 1999, 'IP standard access list (expanded range)')),
  EXTENDED: either(number(100, 199, 'IP extended access list'), number(2000, 2699, 'IP extended access list (expanded range)')),
  TYPE_LIST: number(200, 299, 'Protocol type-code access list'),
  CODE: wordLike('<0x0-0xFFFF>', /^0x[0-9a-f]{1,4}$/i, 'Protocol type-code'),
  CODE_WILD: wordLike('<0x0-0xFFFF>', /^0x[0-9a-f]{1,4}$/i, 'Protocol type-code mask'),
  TEXT: line('Comment up to 100 characters'),
  NAME: word('Access-list number or name'),
  SEQUENCE: number(1, 2_147_483_647, 'Sequence Number'),
  START: number(1, 2_147_483_647, 'Starting Sequence Number'),
  STEP: number(1, 2_147_483_647, 'Step to increment the sequence number'),
  KIND: oneOf({ extended: 'Extended Access List', standard: 'Standard Access List' }),
};

const WORDS = {
  ...ENTRY_WORDS,
  'access-list': 'Add an access list entry',
  remark: 'Access list entry comment',
  resequence: 'Resequence Access List',
};

const isEntry = (item: ConfiguredEntry | Remark): item is ConfiguredEntry => 'sequence' in item;

/** Entries of a list, without its remarks. */
export function entriesOf(list: AccessListConfig): ConfiguredEntry[] {
  return list.items.filter(isEntry);
}

function find(configuration: Configuration, name: string): AccessListConfig | undefined {
  return configuration.accessLists.find((list) => list.name === name);
}

function findOrMake(configuration: Configuration, name: string, standard: boolean, named: boolean): AccessListConfig {
  const present = find(configuration, name);
  if (present !== undefined) return present;
  const list: AccessListConfig = { name, standard, named, items: [] };
  configuration.accessLists.push(list);
  return list;
}

function nextSequence(list: AccessListConfig): number {
  const last = entriesOf(list).at(-1)?.sequence ?? 0;
  return (Math.floor(last / SEQUENCE_STEP) + 1) * SEQUENCE_STEP;
}

/** Puts an entry where its sequence number belongs; one that stands there already in the same words is ignored. */
function addEntry(list: AccessListConfig, entry: ConfiguredEntry): Refusal {
  if (entriesOf(list).some((other) => other.text === entry.text)) return undefined;
  if (entriesOf(list).some((other) => other.sequence === entry.sequence)) return '% Duplicate sequence number';
  let at = list.items.findIndex((item) => isEntry(item) && item.sequence > entry.sequence);
  if (at < 0) at = list.items.length;
  else while (at > 0 && !isEntry(list.items[at - 1]!)) at--;
  list.items.splice(at, 0, entry);
  return undefined;
}

function addRemark(list: AccessListConfig, args: Args): void {
  list.items.push({ remark: args.text('TEXT').slice(0, MAX_REMARK).trimEnd() });
}

type ReadEntry = (args: Args, sequence: number) => ConfiguredEntry | string;

/** `access-list N ACTION ...` of one kind of list. */
function numbered(number: string, syntax: string, standard: boolean, read: ReadEntry): Command<Configuration>[] {
  return [
    {
      syntax: `access-list ${number} ACTION ${syntax}`,
      set(configuration, args) {
        const name = args.text(number);
        const entry = read(args, nextSequence(find(configuration, name) ?? { name, standard, named: false, items: [] }));
        return typeof entry === 'string' ? entry : addEntry(findOrMake(configuration, name, standard, false), entry);
      },
    },
    {
      syntax: `access-list ${number} remark TEXT`,
      set: (configuration, args) => addRemark(findOrMake(configuration, args.text(number), standard, false), args),
    },
    {
      // IOS removes the whole list, whatever follows its number.
      no: `access-list ${number} [TEXT]`,
      unset: (configuration, args) => removeList(configuration, args.text(number)),
    },
  ];
}

function removeList(configuration: Configuration, name: string): void {
  configuration.accessLists = configuration.accessLists.filter((list) => list.name !== name);
}

/** Commands inside `ip access-list`. */
function entryCommands(syntax: string, read: ReadEntry): Command<AccessListConfig>[] {
  return [
    {
      syntax: `[SEQUENCE] ACTION ${syntax}`,
      set(list, args) {
        const entry = read(args, args.maybeNumber('SEQUENCE') ?? nextSequence(list));
        return typeof entry === 'string' ? entry : addEntry(list, entry);
      },
      no: `[SEQUENCE] ACTION ${syntax}`,
      unset(list, args) {
        const entry = read(args, 0);
        return removeItem(list, (item) => isEntry(item) && typeof entry !== 'string' && item.text === entry.text);
      },
    },
    { no: 'SEQUENCE', unset: (list, args) => removeItem(list, (item) => isEntry(item) && item.sequence === args.number('SEQUENCE')) },
    {
      syntax: 'remark TEXT',
      set: addRemark,
      no: 'remark TEXT',
      unset: (list, args) => removeItem(list, (item) => !isEntry(item) && item.remark === args.text('TEXT')),
    },
  ];
}

function removeItem(list: AccessListConfig, matches: (item: ConfiguredEntry | Remark) => boolean): Refusal {
  const at = list.items.findIndex(matches);
  if (at < 0) return '%Failed to delete the ace: it does not exist';
  list.items.splice(at, 1);
  return undefined;
}

export const extendedMode = mode<AccessListConfig>(
  'config-ext-nacl',
  compileFamily({ words: WORDS, arguments: ARGUMENTS, commands: entryCommands(EXTENDED_SYNTAX, readExtended) }),
);

export const standardMode = mode<AccessListConfig>(
  'config-std-nacl',
  compileFamily({ words: WORDS, arguments: ARGUMENTS, commands: entryCommands(STANDARD_SYNTAX, readStandard) }),
);

function numberKind(name: string): 'standard' | 'extended' | 'other' | undefined {
  if (!/^\d+$/.test(name)) return undefined;
  const number = Number(name);
  if ((number >= 1 && number <= 99) || (number >= 1300 && number <= 1999)) return 'standard';
  return (number >= 100 && number <= 199) || (number >= 2000 && number <= 2699) ? 'extended' : 'other';
}

function openList(configuration: Configuration, args: Args, session: ConfigSession): Refusal {
  const name = args.text('NAME');
  const standard = args.text('KIND') === 'standard';
  const kind = numberKind(name);
  const valid = kind === undefined ? /^[a-z]/i.test(name) : kind === args.text('KIND');
  if (!valid) return '% Invalid access list name.';
  const present = find(configuration, name);
  if (present !== undefined && present.standard !== standard) {
    return `% A named ${present.standard ? 'standard' : 'extended'} IP access list with this name already exists`;
  }
  session.enter(standard ? standardMode : extendedMode, findOrMake(configuration, name, standard, kind === undefined));
  return undefined;
}

function resequence(configuration: Configuration, args: Args): Refusal {
  const list = find(configuration, args.text('NAME'));
  if (list === undefined) return '% Access-list does not exist';
  let sequence = args.number('START') - args.number('STEP');
  list.items = list.items.map((item) => (isEntry(item) ? { ...item, sequence: (sequence += args.number('STEP')) } : item));
  return undefined;
}

export const accessLists = compileFamily<Configuration>({
  words: WORDS,
  arguments: ARGUMENTS,
  commands: [
    ...numbered('STANDARD', STANDARD_SYNTAX, true, readStandard),
    ...numbered('EXTENDED', EXTENDED_SYNTAX, false, readExtended),
    {
      syntax: 'access-list TYPE_LIST ACTION CODE CODE_WILD',
      set(configuration, args) {
        const permit = args.text('ACTION') === 'permit';
        const entry = { list: args.number('TYPE_LIST'), permit, type: Number(args.text('CODE')), wildcard: Number(args.text('CODE_WILD')) };
        configuration.typeLists.push(entry);
      },
      no: 'access-list TYPE_LIST [TEXT]',
      unset: (configuration, args) =>
        void (configuration.typeLists = configuration.typeLists.filter((entry) => entry.list !== args.number('TYPE_LIST'))),
    },
    {
      syntax: 'ip access-list KIND NAME',
      set: openList,
      no: 'ip access-list KIND NAME',
      unset: (configuration, args) => removeList(configuration, args.text('NAME')),
    },
    { syntax: 'ip access-list resequence NAME START STEP', set: resequence },
  ],
});
