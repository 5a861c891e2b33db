/** Figures as sentences say them. */

/** 0.0123 → `1.2 %`. */
export const percent = (share: number): string =>
  `${Number((share * 100).toFixed(share < 0.1 ? 1 : 0))} %`;

/** 190000 → `3 min 10 s`; rounded up, so that nothing is said to be over before it is. */
export function spoken(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const;
  const said = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`);
  return said.length === 0 ? '0 s' : said.join(' ');
}

/** `a, b and c`. */
export function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? '';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}
