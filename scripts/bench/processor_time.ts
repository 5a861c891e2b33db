/** The processor time that a process has used, from /proc: Linux only, elsewhere undefined. */
import { readFileSync } from 'node:fs';

/** The kernel tells times in ticks of USER_HZ, which is 100 on every Linux that Node runs on. */
const tickMs = 10;

/** User and system time, ms. */
export function processorMs(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // After the command's name in brackets; utime and stime are fields 14 and 15 of the whole.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * tickMs;
  } catch {
    return undefined;
  }
}
