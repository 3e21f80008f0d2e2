// EtherType lists (`access-list 200-299`): what `bridge-group N input-type-list` lets into a bridge group.
//
// Frames with an LLC length instead of a type are judged as type 0.

/** Words an entry: permit, type, mask of the bits that matter. */
const ENTRY_WORDS = 3;

/** `entries` as entered; a one in the wildcard is a bit that does not matter. */
export function compileTypeList(
  entries: readonly { readonly permit: boolean; readonly type: number; readonly wildcard: number }[],
): Int32Array {
  return Int32Array.from(entries.flatMap(({ permit, type, wildcard }) => [permit ? 1 : 0, type & ~wildcard, ~wildcard & 0xffff]));
}

/** First match; a list without entries permits everything, else its end denies. */
export function permitsType(list: Int32Array, etherType: number): boolean {
  for (let at = 0; at < list.length; at += ENTRY_WORDS) {
    if (((etherType ^ list[at + 1]!) & list[at + 2]!) === 0) return list[at] === 1;
  }
  return list.length === 0;
}
