/**
 * The control plane put together, in flow order: registries are watched, the
 * probe asks, the pipeline translates, xDS delivers, the admin API shows and
 * steers. It listens before the registries are heard, so that `/readyz` can
 * say what is missing; Envoy gets nothing until there is something true to say.
 */
import { startAdmin } from './admin/admin.js';
import { systemClock } from './clock.js';
import type { Config } from './config.js';
import { failed, type Outcome, type Problem } from './errors.js';
import type { Registration } from './fleet/fleet.js';
import { firstOf } from './fleet/newcomer.js';
import { lastGoodStore } from './last_good.js';
import type { Log } from './log.js';
import type { Metrics } from './metrics.js';
import { Pipeline } from './pipeline.js';
import { askService } from './probe/ask.js';
import { Probe } from './probe/probe.js';
import { createConsulRegistry } from './registry/consul.js';
import { createEtcdRegistry } from './registry/etcd.js';
import { createFileRegistry } from './registry/file.js';
import type { Registry } from './registry/registry.js';
import { startXdsServer } from './xds/server.js';

/** How long a registration may wait for its server to say what it offers. */
const newcomerMs = 3_000;

export interface App {
  close(): Promise<void>;
}

export interface AppParts {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly version: string;
}

/** Problems: `port_in_use`, `config_invalid`. */
export async function startApp(parts: AppParts): Promise<Outcome<App>> {
  const { config, log, metrics, version } = parts;
  const registries = createRegistries(config, log);
  const store = lastGoodStore(config.data, log);
  const pipeline = new Pipeline({ registries, settings: config, store, log, metrics });
  const probe = new Probe(pipeline.fleet, log);
  const closers: (() => Promise<void> | void)[] = [
    () => pipeline.close(),
    () => probe.close(),
    async () => {
      await Promise.all(registries.map((registry) => registry.close()));
    },
    () => store.close(),
  ];
  const close = async () => {
    for (const end of closers) await end();
  };
  const snapshots = { edge: pipeline.snapshot };
  const xds = await startXdsServer({ ...config.xds, snapshots, metrics, clock: systemClock, log });
  if (!xds.ok) return closedWith(close, xds.problems);
  const { nodes } = xds.value;
  closers.unshift(() => xds.value.stop());
  const state = {
    ...{ fleet: pipeline.fleet, hearing: pipeline.hearing, stale: pipeline.stale },
    ...{ metrics, version, write: config.registry.write ?? registries[0]?.source ?? 'file' },
    nodes: () => nodes.list(),
    askedAt: (service: string) => probe.askedAt(service),
    ask: async (newcomer: Registration) =>
      (await askService(firstOf(newcomer), AbortSignal.timeout(newcomerMs))).catalogue,
    problems: () => [...pipeline.problems.value, ...nodes.problems()],
    registries: new Map(registries.map((registry) => [registry.source, registry])),
  };
  const admin = await startAdmin(state, config.admin, log);
  if (!admin.ok) return closedWith(close, admin.problems);
  closers.unshift(() => admin.value.close());
  probe.report.subscribe((report) => pipeline.probed(report));
  pipeline.start();
  return { ok: true, value: { close } };
}

async function closedWith(
  close: () => Promise<void>,
  problems: readonly Problem[],
): Promise<Outcome<never>> {
  await close();
  return failed(...problems);
}

function createRegistries({ registry }: Config, log: Log): readonly Registry[] {
  const { file, consul, etcd, allowedTargets } = registry;
  const common = { allowedTargets, log };
  return [
    ...(file === undefined ? [] : [createFileRegistry({ path: file, ...common })]),
    ...(consul === undefined ? [] : [createConsulRegistry({ ...consul, ...common })]),
    ...(etcd === undefined ? [] : [createEtcdRegistry({ ...etcd, ...common })]),
  ];
}
