/** The exact binomial test. */

/** How likely a count is that is as unlikely as this one, or more. */
export function probabilityOf(count: number, calls: number, share: number): number {
  const logs: number[] = [calls * Math.log(1 - share)];
  for (let k = 1; k <= calls; k++)
    logs.push((logs[k - 1] ?? 0) + Math.log(((calls - k + 1) / k) * (share / (1 - share))));
  const own = (logs[count] ?? -Infinity) + 1e-9;
  return logs.reduce((sum, log) => sum + (log <= own ? Math.exp(log) : 0), 0);
}
