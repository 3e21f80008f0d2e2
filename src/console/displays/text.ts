// Pieces that several displays share.

/** hh:mm:ss, days and weeks beyond a day as IOS writes them (1d02h, 3w4d); `never` for a negative age. */
export function ageText(seconds: number): string {
  if (seconds < 0) return 'never';
  const two = (value: number): string => String(value).padStart(2, '0');
  const days = Math.floor(seconds / 86_400);
  if (days >= 7) return `${Math.floor(days / 7)}w${days % 7}d`;
  if (days >= 1) return `${days}d${two(Math.floor((seconds % 86_400) / 3600))}h`;
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(Math.floor(seconds % 60))}`;
}

/** Lines with a line feed behind each; '' for none. */
export function lines(list: readonly string[]): string {
  return list.map((line) => `${line}\n`).join('');
}

/** `1 match`, `2 matches`. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
