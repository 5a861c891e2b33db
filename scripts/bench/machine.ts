/** The machine a figure was measured on, in one line: no figure without it. */
import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';

export function machine(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const envoy = execFileSync(process.env['ENVOY_BIN'] ?? 'envoy', ['--version']).toString();
  const version = /\/(\d+\.\d+\.\d+)\//.exec(envoy)?.[1] ?? 'unknown';
  return (
    `${cpus().length} × ${cpu?.model.trim() ?? 'unknown CPU'}, ${memory} GiB, ` +
    `Node ${process.versions.node}, Envoy ${version}; everything on this machine`
  );
}
