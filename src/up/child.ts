/**
 * `mcpx up`: everything on this machine. A child process that cannot outlive
 * us: a small shell stands between, holding the read end of a lifeline pipe.
 * When we die, however we die, the pipe ends and the shell ends the child.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';

export interface ChildSpec {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Where it answers HTTP as long as it works. */
  readonly health?: string;
  /** Called with every line the child writes, on either stream. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
}

export interface Child {
  readonly pid: number | undefined;
  /** Resolves with the reason when it ends, by itself or by `end`. */
  readonly ended: Promise<string>;
  /** Asks the child to stop (TERM), makes it stop after the grace time (KILL). */
  end(): Promise<string>;
  /** Makes it stop at once. */
  kill(): void;
}

const graceSeconds = 5;

/**
 * fd 3 is the lifeline. The child gets neither it nor our stdin. The guard
 * waits for the lifeline's end, then ends the child; the shell itself waits
 * for the child and reports its status.
 */
const guard = `
"$@" 3<&- &
child=$!
(
  trap '' INT TERM HUP
  read -r _ <&3
  kill -TERM "$child" 2>/dev/null
  waited=0
  while kill -0 "$child" 2>/dev/null && [ "$waited" -lt ${graceSeconds * 20} ]; do
    sleep 0.05
    waited=$((waited + 1))
  done
  kill -KILL "$child" 2>/dev/null
) &
exec 3<&-
trap '' INT TERM HUP
wait "$child"
`;

export function startChild(spec: ChildSpec): Child {
  const shell = spawn('/bin/sh', ['-c', guard, spec.name, ...spec.command], {
    env: spec.env,
    cwd: spec.cwd,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    // A group of its own: Ctrl-C reaches only us, and we end our children in order.
    detached: true,
  });
  const lifeline = shell.stdio[3] as Writable;
  lifeline.on('error', () => undefined);
  readLines(shell, spec.onLine ?? (() => undefined));
  let reason = '';
  shell.once('error', (error) => (reason = error.message));
  shell.once('exit', (code, signal) => {
    reason = signal === null ? `exit code ${code ?? 0}` : `signal ${signal}`;
    // If the shell itself was killed, its guard is still there: let it do its work.
    lifeline.destroy();
  });
  // Not before the guard has ended too: it holds the same output.
  const ended = new Promise<string>((resolve) => shell.once('close', () => resolve(reason)));
  return {
    pid: shell.pid,
    ended,
    async end() {
      lifeline.destroy();
      return ended;
    },
    kill() {
      // The whole group: the shell and the guard have nothing left to do.
      if (shell.pid !== undefined) killGroup(shell.pid);
    },
  };
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // It has ended by itself meanwhile.
  }
}

function readLines(child: ChildProcess, onLine: NonNullable<ChildSpec['onLine']>): void {
  for (const stream of ['stdout', 'stderr'] as const) {
    let rest = '';
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line, stream);
    });
    // What it wrote last may lack its newline: often the reason why it died.
    child[stream]?.once('end', () => {
      if (rest !== '') onLine(rest, stream);
    });
  }
}
