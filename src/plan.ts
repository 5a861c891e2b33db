/**
 * What a set of changes would do to every Envoy, before any is made: the same
 * pure functions that the loop runs, on a fleet that is only thought of.
 */
import { planView } from './admin/plan.js';
import type { Plan } from './admin/state.js';
import type { Config } from './config.js';
import type { Problem } from './errors.js';
import { emptyFleet, type SourceName } from './fleet/fleet.js';
import { gatewayFiles } from './identity/gateway_certificate.js';
import { identityOf, type Identity } from './identity_on.js';
import { thoughtThrough, type Changes, type Standing } from './registry/planned.js';
import { credentialsOf } from './resources/credentials.js';
import type { EdgeSecrets } from './resources/render.js';
import type { ResourceSettings } from './resources/settings.js';
import { snapshotDifference } from './snapshot/difference.js';
import type { Snapshot } from './snapshot/snapshot.js';
import { translate } from './translate.js';

interface PlanInput {
  /** What the loop works from and has come to. */
  readonly present: Standing & {
    readonly snapshot: Snapshot | undefined;
    readonly secrets?: EdgeSecrets | undefined;
  };
  readonly settings: ResourceSettings;
  readonly source: SourceName;
  readonly allowedTargets: readonly string[];
  readonly identity?: Identity;
}

export function planOf({ present, settings, ...writing }: PlanInput, changes: Changes): Plan {
  const { reports, probes, fleet, snapshot, secrets } = present;
  const previous = { fleet, snapshot };
  const before = translate({ reports, probes, settings, secrets, previous });
  const planned = thoughtThrough(present, changes, writing);
  const standing = { probes, settings, secrets, previous: before };
  const after = translate({ reports: planned.reports, ...standing });
  return {
    steps: planned.steps,
    resources: snapshotDifference(before.snapshot, after.snapshot),
    appeared: without(after.problems, before.problems),
    mended: without(before.problems, after.problems),
  };
}

/** Where no control plane can be asked: nothing is registered, and no Envoy is connected. */
export function emptyFleetPlan(config: Config, changes: Changes): object {
  const { write = 'file', allowedTargets } = config.registry;
  const fleet = { reports: [], probes: new Map(), fleet: emptyFleet, snapshot: undefined };
  const present = { ...fleet, secrets: unmadeSecrets(config) };
  const identity = identityOf(config);
  const input = { present, settings: config, source: write, allowedTargets, identity };
  return planView(planOf(input, changes), []);
}

/** What names them is planned, and not what they hold. */
function unmadeSecrets(config: Config): EdgeSecrets {
  const spiffeIdOf = (workload: string) => `spiffe://${config.identity.trustDomain}/${workload}`;
  const own = { chain: '', key: '', spiffeId: spiffeIdOf('edge'), notBefore: 0, expiresAt: 0 };
  const certificates = new Map([['edge', own]]);
  const material = { roots: 'none yet', certificates, spiffeIdOf };
  return {
    credentials: identityOf(config) ? credentialsOf('edge', material, '') : undefined,
    gateway: gatewayFiles(config),
  };
}

function without(problems: readonly Problem[], others: readonly Problem[]): readonly Problem[] {
  const known = new Set(others.map(textOf));
  return problems.filter((each) => !known.has(textOf(each)));
}

const textOf = ({ code, subject, message }: Problem): string =>
  JSON.stringify([code, subject, message]);
