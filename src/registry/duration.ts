/** Durations as people write them (`500ms`, `30s`, `2m`, `1h`) and as programs count them. */

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds; undefined when `text` is no duration, as a number without a unit is not. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const unit = units[match?.[2] ?? ''];
  return match && unit !== undefined ? Math.round(Number(match[1]) * unit) : undefined;
}

/** The shortest text for `milliseconds` with one unit: 30000 → `30s`. */
export function formatDuration(milliseconds: number): string {
  const fitting = Object.entries(units).filter(([, size]) => milliseconds % size === 0);
  const [unit, size] = fitting.at(-1) ?? ['ms', 1];
  return milliseconds === 0 ? '0s' : `${milliseconds / size}${unit}`;
}
