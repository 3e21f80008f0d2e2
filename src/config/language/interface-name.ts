// Interface names: the type, which may be cut to a unique prefix, and the place.

const TYPES = ['BVI', 'Ethernet', 'FastEthernet', 'GigabitEthernet', 'Loopback', 'Null', 'Serial', 'TenGigabitEthernet'];

/** The name in full (`eth2/0` is Ethernet2/0), or undefined when it is no interface name or its type is ambiguous. */
export function matchInterfaceName(text: string): string | undefined {
  const parts = /^([a-z]+)(\d+(?:\/\d+){0,2}(?:\.\d+)?)$/i.exec(text);
  if (parts === null) return undefined;
  const prefix = parts[1]!.toLowerCase();
  const types = TYPES.filter((type) => type.toLowerCase().startsWith(prefix));
  return types.length === 1 ? types[0]! + parts[2]! : undefined;
}
