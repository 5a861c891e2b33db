/** Small real processes to start, and how to see what becomes of them. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChildSpec } from '../../../src/up/child.js';

/** A Node program as a child, with nothing of our environment. */
export function program(source: string, more: Partial<ChildSpec> = {}): ChildSpec {
  return { name: 'child', command: [process.execPath, '-e', source], env: {}, ...more };
}

/** Runs until it is ended; first it says its process id. */
export const staysAlive = 'console.log(process.pid); setInterval(() => {}, 1e6)';

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // A process that has ended and that nobody has asked about yet is not alive.
  const status = `/proc/${pid}/stat`;
  return !existsSync(status) || !/\) Z /.test(readFileSync(status, 'utf8'));
}

/** Resolves once it is true; the test's own time limit is the deadline. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

export function temporaryFolder() {
  const path = mkdtempSync(join(tmpdir(), 'mcpx-up-'));
  return {
    path,
    /** A shell script in it. */
    script(name: string, lines: string): string {
      const file = join(path, name);
      writeFileSync(file, `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
      return file;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}
