/** MCPX's control plane over a registry in memory: the real pipeline and the real xDS server. */
import { systemClock } from '../../../src/clock.js';
import { readConfig, type Config } from '../../../src/config.js';
import type { Outcome } from '../../../src/errors.js';
import { createLog } from '../../../src/log.js';
import { createMetrics } from '../../../src/metrics.js';
import { Pipeline } from '../../../src/pipeline.js';
import type { Registry } from '../../../src/registry/registry.js';
import { startXdsServer, type XdsServer } from '../../../src/xds/server.js';

export interface ControlPlane {
  readonly config: Config;
  readonly pipeline: Pipeline;
  readonly xds: XdsServer;
}

export const log = createLog('control plane', 'error');

/** Kept for a restart; the reference keeps nothing, so neither do we here. */
const store = {
  read: () => undefined,
  keep: () => undefined,
  close: () => Promise.resolve(),
};

export async function startControlPlane(registry: Registry): Promise<ControlPlane> {
  const metrics = createMetrics();
  const config = valueOf(readConfig({ env: {}, cwd: '/nowhere' }));
  const parts = { registries: [registry], settings: config, store, log, metrics };
  const pipeline = new Pipeline(parts);
  pipeline.start();
  await pipeline.snapshot.when((snapshot) => snapshot !== undefined);
  const xds = await startXdsServer({
    ...{ ...config.xds, host: '127.0.0.1', port: 0 },
    ...{ snapshots: () => pipeline.snapshot, metrics, clock: systemClock, log },
  });
  return { config, pipeline, xds: valueOf(xds) };
}

function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(outcome.problems.map(({ message }) => message).join('\n'));
}
