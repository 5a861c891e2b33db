/** Who runs on this machine, from /proc: what is left of a process tree after its root has gone. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

export interface Running {
  readonly pid: number;
  readonly parent: number;
  /** Ticks since boot: tells a process from a later one of the same pid. */
  readonly startedAt: string;
  readonly command: string;
}

export function processList(): readonly Running[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => readProcess(Number(entry)) ?? []);
}

function readProcess(pid: number): Running | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // After the command's name in brackets: state, parent, …; field 22 is the start.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended; only its entry waits for init.
    if (fields[0] === 'Z') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return { pid, parent: Number(fields[1]), startedAt: fields[19] ?? '', command };
  } catch {
    return undefined;
  }
}

/** Everything below `root`, root aside. */
export function descendantsOf(root: number): readonly Running[] {
  const all = processList();
  const below = (parent: number): Running[] =>
    all.filter((each) => each.parent === parent).flatMap((each) => [each, ...below(each.pid)]);
  return below(root);
}

/** Those of `before` that still run. */
export function stillRunning(before: readonly Running[]): readonly Running[] {
  const now = new Map(processList().map((each) => [each.pid, each.startedAt]));
  return before.filter(({ pid, startedAt }) => now.get(pid) === startedAt);
}

/** The process listening on the port of this URL, by the kernel's own table. */
export function listenerOf(url: string): number {
  const { port } = new URL(url);
  const table = execFileSync('ss', ['-Hltnp', `sport = :${port}`]).toString();
  return Number(/pid=(\d+)/.exec(table)?.[1]);
}
