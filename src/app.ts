/**
 * The control plane put together, in flow order: registries are watched, the
 * probe asks, the pipeline translates, xDS delivers, the admin API shows and
 * steers. It listens before the registries are heard, so that `/readyz` can
 * say what is missing; Envoy gets nothing until there is something true to say.
 */
import { adminOptionsOf, auditLogOf, auditStep } from './admin/access.js';
import { startAdmin, type Admin } from './admin/admin.js';
import { audienceSnapshots, type AudienceSnapshots } from './audience_snapshots.js';
import type { Issuer } from './certificates/certificate.js';
import { systemClock } from './clock.js';
import type { Config } from './config.js';
import { failed, type Outcome, type Problem } from './errors.js';
import type { Removal } from './fleet/beliefs.js';
import { serviceNamed } from './fleet/changes.js';
import type { Registration, SourceName } from './fleet/fleet.js';
import { firstOf } from './fleet/newcomer.js';
import { openIdentity, type IdentityParts } from './identity/identity.js';
import { reachBy } from './identity/probe_reach.js';
import { identityOf } from './identity_on.js';
import { lastGoodStore, type LastGoodStore } from './last_good.js';
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
import { clusterOfVersion } from './resources/names.js';
import type { LaggingNode } from './rollout/due.js';
import { Rollouts } from './rollouts.js';
import { callLogReceiver } from './signals/export.js';
import { CallSignals } from './signals/signals.js';
import type { Audience } from './snapshot/audience.js';
import { emptySnapshot } from './snapshot/snapshot.js';
import { keptRefusals } from './xds/kept_refusals.js';
import type { Nodes } from './xds/nodes.js';
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
  const write = config.registry.write ?? registries[0]?.source ?? 'file';
  const registry = registries.find(({ source }) => source === write);
  const opened = await openIdentity({ config, registry, clock: systemClock, metrics, log });
  if (!opened.ok) return opened;
  const { links, workloads, secrets } = opened.value;
  const store = lastGoodStore(config.data, log);
  const pipeline = new Pipeline({ registries, settings: config, secrets, store, log, metrics });
  const { snapshot: edge, fleet } = pipeline;
  const audiences = audienceSnapshots({ edge, fleet, workloads, log });
  const probe = new Probe(fleet, log, reachBy(workloads));
  const started: Started = {};
  const close = async () => {
    const closing = { pipeline, probe, registries, audiences, identity: opened.value, store };
    await closeAll(started, closing);
  };
  const signals = new CallSignals(systemClock);
  pipeline.fleet.subscribe((fleet) => signals.follow(fleet));
  const xds = await startXdsServer({
    ...{ ...config.xds, refusals: keptRefusals(config.data, log) },
    snapshots: (audience: Audience) => audiences.of(audience),
    ...links?.xds,
    receivers: [callLogReceiver(signals), ...(links?.xds.receivers ?? [])],
    ...{ metrics, clock: systemClock, log },
  });
  if (!xds.ok) return closedWith(close, xds.problems);
  const { nodes } = (started.xds = xds.value);
  const writing = {
    registries: new Map(registries.map((registry) => [registry.source, registry])),
    ...{ write, allowedTargets: config.registry.allowedTargets },
  };
  const audit = auditLogOf(config, log);
  const rollouts = (started.rollouts = new Rollouts({
    ...{ fleet: pipeline.fleet, hearing: pipeline.hearing, ...writing, settings: config },
    lagging: (service) => lagging(pipeline, nodes, service),
    signals: (...asked) => signals.of(...asked),
    counts: (...asked) => signals.countsOf(...asked),
    stepped: (proposal) => auditStep(audit, proposal),
    ...{ clock: systemClock, log },
  }));
  const state = {
    ...{ fleet: pipeline.fleet, hearing: pipeline.hearing, stale: pipeline.stale },
    ...{ metrics, version, ...writing, rollouts, mintJoinToken: links?.mintJoinToken },
    ...certificatesOf(opened.value, config.identity.issuer),
    beliefs: () => pipeline.beliefs(),
    accept: (source: SourceName) => pipeline.accept(source),
    removing: (source: SourceName, removal: Removal) => pipeline.removing(source, removal),
    nodes: () => nodes.list(),
    askedAt: (service: string) => probe.askedAt(service),
    ask: async (newcomer: Registration) =>
      (await askService(firstOf(newcomer), AbortSignal.timeout(newcomerMs), probe.reach)).catalogue,
    plan: plannedBy(pipeline, config, write),
    problems: () => [
      ...[...opened.value.problems(), ...pipeline.problems.value, ...nodes.problems()],
    ],
  };
  const options = adminOptionsOf({ config, tls: links?.tls, log }, audit);
  if (!options.ok) return closedWith(close, options.problems);
  const admin = await startAdmin(state, options.value);
  if (!admin.ok) return closedWith(close, admin.problems);
  started.admin = admin.value;
  probe.report.subscribe((report) => pipeline.probed(report));
  pipeline.start();
  return { ok: true, value: { close } };
}

interface Started {
  admin?: Admin;
  xds?: XdsServer;
  rollouts?: Rollouts;
}

interface Closing {
  readonly pipeline: Pipeline;
  readonly probe: Probe;
  readonly registries: readonly Registry[];
  readonly audiences: AudienceSnapshots;
  readonly identity: IdentityParts;
  readonly store: LastGoodStore;
}

async function closeAll({ admin, xds, rollouts }: Started, parts: Closing): Promise<void> {
  // Whoever asks for readiness is told before any Envoy is sent away, and until it is over.
  admin?.drain();
  await xds?.stop();
  parts.pipeline.close();
  parts.probe.close();
  // Before the registries, into which a write may be on its way.
  await admin?.close();
  await rollouts?.close();
  await Promise.all(parts.registries.map((registry) => registry.close()));
  parts.audiences.close();
  await parts.identity.close();
  await parts.store.close();
}

/** For the admin API. */
function certificatesOf({ links, workloads, gateway }: IdentityParts, issuer: Issuer['kind']) {
  return {
    certificates: links &&
      workloads && { authority: links.authority, issuer, material: workloads.material },
    gatewayCertificate: () => gateway?.held(),
  };
}

/** What the changes would do; undefined until something is known. */
function plannedBy(pipeline: Pipeline, config: Config, source: SourceName) {
  const { allowedTargets } = config.registry;
  const identity = identityOf(config);
  return (changes: Changes) => {
    const present = pipeline.present();
    const input = { settings: config, source, allowedTargets, identity };
    return present && planOf({ present, ...input }, changes);
  };
}

/** Envoys that do not hold what bears a service's shares: its own, and its new version's. */
function lagging({ fleet, snapshot }: Pipeline, nodes: Nodes, name: string): LaggingNode[] {
  const { resources } = snapshot.value ?? emptySnapshot;
  const rollout = serviceNamed(fleet.value, name)?.rollout?.document.current;
  const names = [name, ...(rollout ? [clusterOfVersion(name, rollout.to)] : [])];
  const found = new Map<string, LaggingNode>();
  for (const kind of ['cluster', 'endpoint'] as const)
    for (const each of names) {
      const resource = resources[kind].get(each);
      const lacking = resource ? nodes.lacking('edge', kind, resource) : [];
      for (const node of lacking) if (!found.get(node.node)?.refused) found.set(node.node, node);
    }
  return [...found.values()];
}

async function closedWith(
  close: () => Promise<void>,
  problems: readonly Problem[],
): Promise<Outcome<never>> {
  await close();
  return failed(...problems);
}

function createRegistries(config: Config, log: Log): readonly Registry[] {
  const { registry, environment } = config;
  const { file, consul, etcd, allowedTargets } = registry;
  const common = { allowedTargets, identity: identityOf(config), log };
  return [
    ...(file === undefined ? [] : [createFileRegistry({ path: file, ...common })]),
    ...(consul === undefined ? [] : [createConsulRegistry({ ...consul, environment, ...common })]),
    ...(etcd === undefined ? [] : [createEtcdRegistry({ ...etcd, ...common })]),
  ];
}
