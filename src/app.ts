/**
 * The control plane put together, in flow order: registries are watched, the
 * probe asks, the pipeline translates, xDS delivers, the admin API shows and
 * steers. It listens before the registries are heard, so that `/readyz` can
 * say what is missing; Envoy gets nothing until there is something true to say.
 */
import { startAdmin, type Admin } from './admin/admin.js';
import { systemClock } from './clock.js';
import type { Config } from './config.js';
import { failed, type Outcome, type Problem } from './errors.js';
import type { Removal } from './fleet/beliefs.js';
import type { Registration, SourceName } from './fleet/fleet.js';
import { firstOf } from './fleet/newcomer.js';
import { lastGoodStore } from './last_good.js';
import type { Log } from './log.js';
import type { Metrics } from './metrics.js';
import { Pipeline } from './pipeline.js';
import { planOf } from './plan.js';
import { askService } from './probe/ask.js';
import { Probe } from './probe/probe.js';
import { createConsulRegistry } from './registry/consul.js';
import { createEtcdRegistry } from './registry/etcd.js';
import { createFileRegistry } from './registry/file.js';
import type { Changes } from './registry/planned.js';
import type { Registry } from './registry/registry.js';
import type { Audience } from './snapshot/audience.js';
import { keptRefusals } from './xds/kept_refusals.js';
import { startXdsServer, type XdsServer } from './xds/server.js';

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
  const started: { admin?: Admin; xds?: XdsServer } = {};
  // Whoever asks for readiness is told before any Envoy is sent away, and until it is over.
  const close = async () => {
    started.admin?.drain();
    await started.xds?.stop();
    pipeline.close();
    probe.close();
    // Before the registries, into which a write may be on its way.
    await started.admin?.close();
    await Promise.all(registries.map((registry) => registry.close()));
    await store.close();
  };
  const snapshots = (audience: Audience) => (audience === 'edge' ? pipeline.snapshot : undefined);
  const xds = await startXdsServer({
    ...{ ...config.xds, snapshots, refusals: keptRefusals(config.data, log) },
    ...{ metrics, clock: systemClock, log },
  });
  if (!xds.ok) return closedWith(close, xds.problems);
  const { nodes } = (started.xds = xds.value);
  const state = {
    ...{ fleet: pipeline.fleet, hearing: pipeline.hearing, stale: pipeline.stale },
    ...{ metrics, version, write: config.registry.write ?? registries[0]?.source ?? 'file' },
    beliefs: () => pipeline.beliefs(),
    accept: (source: SourceName) => pipeline.accept(source),
    removing: (source: SourceName, removal: Removal) => pipeline.removing(source, removal),
    nodes: () => nodes.list(),
    askedAt: (service: string) => probe.askedAt(service),
    ask: async (newcomer: Registration) =>
      (await askService(firstOf(newcomer), AbortSignal.timeout(newcomerMs))).catalogue,
    plan: (changes: Changes) => {
      const present = pipeline.present();
      const { allowedTargets } = config.registry;
      const source = config.registry.write ?? registries[0]?.source ?? 'file';
      return present && planOf({ present, settings: config, source, allowedTargets }, changes);
    },
    problems: () => [...pipeline.problems.value, ...nodes.problems()],
    registries: new Map(registries.map((registry) => [registry.source, registry])),
  };
  const admin = await startAdmin(state, config.admin, log);
  if (!admin.ok) return closedWith(close, admin.problems);
  started.admin = admin.value;
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
