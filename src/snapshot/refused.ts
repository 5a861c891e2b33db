/**
 * A snapshot without what Envoy is known to refuse: each such resource in its
 * last good form, or left out with what belongs to it. So one bad service
 * keeps back no other, and an Envoy that starts never meets the bad bytes.
 *
 * What others cannot do without, and has no last good form, stays as it is: to
 * leave it out would take from every Envoy what perhaps one of them refuses.
 */
import { inconsistencies } from './consistent.js';
import { referencesOf } from './references.js';
import { snapshotWith, type Resource, type ResourceKind, type Snapshot } from './snapshot.js';

/** One form that a resource may have. */
export interface FormOfKind {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly version: string;
}

/** One that is known to be refused. */
export interface RefusedForm extends FormOfKind {
  /** The last form that was accepted, or published before, if there was one. */
  readonly good: Resource | undefined;
}

/** `wanted` itself where nothing of it is refused. It must be consistent, and the result is. */
export function withoutRefused(wanted: Snapshot, refused: readonly RefusedForm[]): Snapshot {
  const present = refused.filter((form) => isIn(wanted, form)).map((form) => judged(form, refused));
  if (present.length === 0) return wanted;
  const together = exchanged(wanted, present);
  if (inconsistencies(together, wanted).length === 0) return together;
  return present.reduce((snapshot, form) => {
    const next = exchanged(snapshot, [form]);
    return inconsistencies(next, snapshot).length === 0 ? next : snapshot;
  }, wanted);
}

/** Is it this very form that the snapshot holds? */
export function isIn(snapshot: Snapshot, { kind, name, version }: FormOfKind): boolean {
  return snapshot.resources[kind].get(name)?.version === version;
}

/** What was good once and is refused by now is no good form; what stands in for it may be. */
function judged(form: RefusedForm, refused: readonly RefusedForm[]): RefusedForm {
  const alike = refused.filter(({ kind, name }) => kind === form.kind && name === form.name);
  const verdictOn = (good: Resource | undefined) =>
    alike.find(({ version }) => version === good?.version);
  const seen = new Set<RefusedForm>();
  let { good } = form;
  for (let verdict = verdictOn(good); verdict; verdict = verdictOn(good)) {
    // They may stand in for each other.
    good = seen.has(verdict) ? undefined : verdict.good;
    seen.add(verdict);
  }
  return { ...form, good };
}

type Exchanges = Record<ResourceKind, Map<string, Resource | undefined>>;

function exchanged(wanted: Snapshot, refused: readonly RefusedForm[]): Snapshot {
  const exchanges: Exchanges = {
    cluster: new Map(),
    endpoint: new Map(),
    listener: new Map(),
    secret: new Map(),
    route: new Map(),
  };
  const leftOut = new Set<string>();
  for (const { kind, name, good } of refused)
    if (good) exchanges[kind].set(name, good);
    else if (kind === 'cluster' || kind === 'endpoint') leftOut.add(name);
  for (const name of leftOut) leaveOut(name, wanted, exchanges);
  return snapshotWith(wanted, exchanges);
}

/** A cluster and its assignment, which bear the same name, go together. */
function leaveOut(name: string, { resources }: Snapshot, exchanges: Exchanges): void {
  const cluster = resources.cluster.get(name);
  exchanges.cluster.set(name, undefined);
  const assignment = cluster && referencesOf('cluster', cluster).assignment;
  exchanges.endpoint.set(assignment ?? name, undefined);
}
