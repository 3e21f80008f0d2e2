// Names that a configuration uses and does not define, and values that contradict one another.  IOS accepts them in silence
// (a missing access list permits everything), which is why they are worth a warning when a file is read.

import type { Configuration } from './model.ts';

/** Warnings for a configuration, each one line without a line feed. */
export function warningsFor(configuration: Configuration): string[] {
  return [
    ...missing('access list', accessListUses(configuration), configuration.accessLists),
    ...missing('inspection rule', ruleUses(configuration), configuration.rules),
    ...missing('policy-map', policyUses(configuration), configuration.policyMaps),
    ...missing(
      'regex',
      regexUses(configuration),
      [...configuration.regexes.keys()].map((name) => ({ name })),
    ),
    ...missing('time-range', timeRangeUses(configuration), configuration.timeRanges),
    ...missing('NAT pool', poolUses(configuration), configuration.pools),
    ...thresholdWarnings(configuration),
    ...routerTrafficWarnings(configuration),
  ];
}

/** A name, and where it is used. */
type Use = readonly [name: string | undefined, where: string];

function missing(what: string, uses: readonly Use[], defined: readonly { readonly name: string }[]): string[] {
  return uses
    .filter(([name]) => name !== undefined && !defined.some((candidate) => candidate.name === name))
    .map(([name, where]) => `% ${what} ${name} of ${where} does not exist`);
}

function accessListUses({ interfaces, dynamics, rules, portMaps }: Configuration): Use[] {
  return [
    ...interfaces.flatMap((port): Use[] => [
      [port.accessGroupIn, port.name],
      [port.accessGroupOut, port.name],
    ]),
    ...dynamics.map((entry): Use => [entry.list, 'ip nat inside source list']),
    ...rules.flatMap((rule) => rule.lines.map((line): Use => [line.javaList, `ip inspect name ${rule.name}`])),
    ...portMaps.map((entry): Use => [entry.list, `ip port-map ${entry.application}`]),
  ];
}

function ruleUses({ interfaces }: Configuration): Use[] {
  return interfaces.flatMap((port): Use[] => [
    [port.inspectIn, port.name],
    [port.inspectOut, port.name],
  ]);
}

function policyUses({ rules }: Configuration): Use[] {
  return rules.flatMap((rule) => rule.lines.map((line): Use => [line.policy, `ip inspect name ${rule.name}`]));
}

function regexUses({ policyMaps }: Configuration): Use[] {
  return policyMaps.flatMap((map) =>
    map.matches
      .filter(({ criterion }) => criterion.includes('regex'))
      .map(({ criterion }): Use => [criterion.at(-1), `policy-map ${map.name}`]),
  );
}

function timeRangeUses({ accessLists }: Configuration): Use[] {
  return accessLists.flatMap(({ name, items }) => {
    const used = new Set(items.flatMap((item) => ('text' in item && item.timeRange !== undefined ? [item.timeRange] : [])));
    return [...used].map((range): Use => [range, `access list ${name}`]);
  });
}

function poolUses({ dynamics }: Configuration): Use[] {
  return dynamics.map((entry): Use => [entry.pool, `ip nat inside source list ${entry.list}`]);
}

const DEFAULT_HIGH = 500;
const DEFAULT_LOW = 400;

function thresholdWarnings({ inspect }: Configuration): string[] {
  const pairs: [string, number | undefined, number | undefined][] = [
    ['max-incomplete', inspect.maxIncompleteHigh, inspect.maxIncompleteLow],
    ['one-minute', inspect.oneMinuteHigh, inspect.oneMinuteLow],
  ];
  return pairs
    .filter(([, high = DEFAULT_HIGH, low = DEFAULT_LOW]) => low > high)
    .map(([name, high = DEFAULT_HIGH, low = DEFAULT_LOW]) => `% ip inspect ${name}: low ${low} is above high ${high}`);
}

/** The firewall answers pings and ARP, and that is all that it says of itself: nothing that a session could be made of. */
function routerTrafficWarnings({ rules }: Configuration): string[] {
  return rules
    .filter((rule) => rule.lines.some((line) => line.routerTraffic))
    .map((rule) => `% inspection rule ${rule.name}: router-traffic has no effect, the firewall opens no sessions of its own`);
}
