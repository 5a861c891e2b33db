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
import type { SourceName } from './fleet/fleet.js';
import { lastGoodStore } from './last_good.js';
import type { Log } from './log.js';
import type { Metrics } from './metrics.js';
import { Pipeline } from './pipeline.js';
import { Probe } from './probe/probe.js';
import { createConsulRegistry } from './registry/consul.js';
import { createEtcdRegistry } from './registry/etcd.js';
import { createFileRegistry } from './registry/file.js';
import type { Registry } from './registry/registry.js';
import { startXdsServer } from './xds/server.js';

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
  const write = writeTarget(config, registries);
  if (!write.ok) return write;
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
    ...{ metrics, version, write: write.value },
    nodes: () => nodes.list(),
    askedAt: (service: string) => probe.askedAt(service),
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

/** The registry that takes admin writes: the one named, or the only one. */
function writeTarget({ registry }: Config, registries: readonly Registry[]): Outcome<SourceName> {
  const names = registries.map(({ source }) => source);
  const named = registry.write ?? names[0];
  if (named !== undefined && names.includes(named)) return { ok: true, value: named };
  const message =
    `registry.write names ${registry.write ?? 'nothing'}, which is not configured. ` +
    `Configured: ${names.join(', ')}.`;
  return failed({
    code: 'config_invalid',
    severity: 'error',
    actor: 'operator',
    subject: { path: 'registry.write' },
    message,
  });
}
