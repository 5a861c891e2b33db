/** The machine a figure was measured on, in one line: no figure without it. */
import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';

/** `others`: what took part besides Node, each with its version. */
export function machine(others: readonly string[] = [envoy()]): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const programs = [`Node ${process.versions.node}`, ...others].join(', ');
  return (
    `${cpus().length} × ${cpu?.model.trim() ?? 'unknown CPU'}, ${memory} GiB, ` +
    `${programs}; everything on this machine`
  );
}

function envoy(): string {
  const told = execFileSync(process.env['ENVOY_BIN'] ?? 'envoy', ['--version']).toString();
  return `Envoy ${/\/(\d+\.\d+\.\d+)\//.exec(told)?.[1] ?? 'unknown'}`;
}
