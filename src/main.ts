/** argv → command. Each process loads only the rooms it needs. */
import { readFileSync } from 'node:fs';
import type { Actions } from './cli/command.js';
import { runCli } from './cli/cli.js';
import { systemClock } from './clock.js';
import type { Config } from './config.js';
import type { Outcome } from './errors.js';
import { packageFile } from './package_file.js';

const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
  version: string;
};

const actions: Actions = {
  async up(config, { demo, once }) {
    const { up } = await import('./up/up.js');
    return up(config, { demo, once, version });
  },
  async serve(config) {
    const { startApp } = await import('./app.js');
    return runProcess('control plane', config, (parts) => startApp({ ...parts, version }));
  },
  async filter(config) {
    const { startFilterService } = await import('./mcp/service.js');
    return runProcess('filter service', config, ({ log, metrics }) =>
      startFilterService(config, log, metrics),
    );
  },
  async bootstrap(settings) {
    const { bootstrapOf } = await import('./resources/bootstrap.js');
    return bootstrapOf(settings);
  },
  async join(request) {
    const { join } = await import('./admission/renewing.js');
    const { createLog } = await import('./log.js');
    const stop = new AbortController();
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
    const running = { clock: systemClock, log: createLog('join'), signal: stop.signal };
    return join(request, running);
  },
  async certificateRequest() {
    const { newKey } = await import('./admission/joining.js');
    return newKey();
  },
  async findEnvoy(search) {
    const { findEnvoy } = await import('./up/envoy_binary.js');
    return findEnvoy(search);
  },
  async plan(config, changes) {
    const { emptyFleetPlan } = await import('./plan.js');
    return emptyFleetPlan(config, changes);
  },
  async portProblems(config) {
    const { portProblems } = await import('./up/ports.js');
    return portProblems(config);
  },
};

type Parts = Parameters<typeof import('./app.js').startApp>[0];

/** Starts, waits for a signal, closes; the value is the exit code. */
async function runProcess(
  part: string,
  config: Config,
  start: (parts: Omit<Parts, 'version'>) => Promise<Outcome<{ close(): Promise<void> }>>,
): Promise<number> {
  const { createLog } = await import('./log.js');
  const { createMetrics } = await import('./metrics.js');
  const log = createLog(part, config.log.level);
  const started = await start({ config, log, metrics: createMetrics() });
  if (!started.ok) {
    for (const { code, message } of started.problems) log.error({ code }, message);
    return 1;
  }
  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve(name));
  });
  log.info({ signal }, 'ending');
  await started.value.close();
  return 0;
}

const exitCode = await runCli({ arguments: process.argv.slice(2), version, actions });
// A pipe takes what was written at its own pace, and exiting would cut it off.
for (const stream of [process.stdout, process.stderr])
  await new Promise((resolve) => stream.write('', resolve));
process.exit(exitCode);
