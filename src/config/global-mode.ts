// The global mode: all command families.

import { mode } from './command.ts';
import { accessLists } from './commands/access-list.ts';
import { inspect } from './commands/inspect.ts';
import { interfaces } from './commands/interface.ts';
import { kept } from './commands/kept.ts';
import { nat } from './commands/nat.ts';
import { policyMaps } from './commands/policy-map.ts';
import { routing } from './commands/routing.ts';
import { system } from './commands/system.ts';
import { timeRanges } from './commands/time-range.ts';
import type { Configuration } from './model.ts';

export const globalMode = mode<Configuration>(
  'config',
  system,
  interfaces,
  inspect,
  accessLists,
  timeRanges,
  nat,
  routing,
  policyMaps,
  kept,
);
