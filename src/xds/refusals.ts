/**
 * Verdicts on single forms of resources: which are known to be refused, and so
 * are sent to nobody any more. One refusal is enough, because an Envoy that
 * starts must not meet what another has just refused; one acceptance outweighs
 * all refusals. So whoever is just being asked as well is heard first, or the
 * quickest to refuse would speak for all. A node that refuses more than it
 * holds is itself what is wrong, and convicts nothing.
 */
import { Latest } from '../latest.js';
import type { Audience } from '../snapshot/audience.js';
import type { FormOfKind, RefusedForm } from '../snapshot/refused.js';
import type { Resource, ResourceKind } from '../snapshot/snapshot.js';
import { isUnknown, type Content } from './subscription.js';

/** A form that is known to be refused, by whom and why. */
export interface Verdict extends RefusedForm {
  readonly audience: Audience;
  readonly nodes: readonly string[];
  /** The versions of Envoy that refused it; another may think otherwise. */
  readonly envoys: readonly string[];
  /** In Envoy's words. */
  readonly message: string;
  readonly at: number;
}

export type Form = Pick<Resource, 'name' | 'version'>;

/** A connected node, as a witness. */
export interface Witness {
  readonly identity: { readonly id: string; readonly version: string; readonly role: Audience };
  holding(kind: ResourceKind, name: string): Resource | undefined;
  /** Is it being sent this very form, or is it to be, and is it not late with an answer? */
  isAsked(kind: ResourceKind, form: Form): boolean;
  /** Does it hold as much as it refuses, at least? */
  readonly credible: boolean;
}

/** A response of one resource, refused. */
export interface Complaint {
  readonly kind: ResourceKind;
  readonly resource: Resource;
  readonly message: string;
  readonly at: number;
}

interface Entry {
  verdict: Verdict;
  /** Those who said so and are still connected. */
  readonly witnesses: Set<Witness>;
  /** Those whose answer the verdict waits for, when first they were looked for. */
  readonly asked: Set<Witness>;
  convicted: boolean;
}

/**
 * What was to be sent before a form, newest first. It stands in where nobody who is connected
 * holds a good one: whoever does may be connected to another replica.
 */
type Before = (audience: Audience, form: FormOfKind) => readonly Resource[];

/** So that nobody can fill the memory; far more than ever are refused at once. */
const mostEntries = 1_000;

/** Words that speak of Envoy's machine: other bytes would fare no better, these may elsewhere. */
const ofTheMachine = /cannot bind|address already in use|permission denied|no such file/i;

export class Refusals {
  /** What is convicted, for all audiences. */
  readonly convicted: Latest<readonly Verdict[]>;
  /** Keyed by what is refused, oldest first. */
  readonly #entries = new Map<string, Entry>();

  constructor(
    kept: readonly Verdict[] = [],
    private readonly before: Before = () => [],
  ) {
    for (const verdict of kept)
      this.#entries.set(keyOf(verdict.audience, verdict.kind, verdict), {
        ...{ verdict, witnesses: new Set(), asked: new Set(), convicted: true },
      });
    this.convicted = new Latest(kept);
  }

  /** An Envoy of a version that has not been asked may try it. */
  joining({ role, version }: Witness['identity']): void {
    this.#drop(({ verdict, convicted }) => {
      return convicted && verdict.audience === role && !verdict.envoys.includes(version);
    });
  }

  /**
   * What a client that comes back holds, of which only the names and versions
   * are known here. What it holds and nobody has a good form of must not be
   * left out: that would take it away.
   */
  returning(role: Audience, kind: ResourceKind, tell: () => ReadonlyMap<string, string>): void {
    if (this.#entries.size === 0) return;
    const held = tell();
    this.#drop(({ verdict }) => {
      if (verdict.audience !== role) return false;
      const version = held.get(verdict.name);
      if (version === undefined) return false;
      const isTaken = verdict.kind === kind && verdict.version === version;
      return isTaken || (!verdict.good && isOfService(verdict.kind) && isOfService(kind));
    });
  }

  left(witness: Witness): void {
    for (const { witnesses, asked } of this.#entries.values()) {
      witnesses.delete(witness);
      asked.delete(witness);
    }
    this.#drop(({ convicted, witnesses }) => !convicted && witnesses.size === 0);
    this.#judge(false);
  }

  /** To be called now and then: nobody is waited for who was to answer before `since`. */
  review(since: number): void {
    if (this.#entries.size === 0) return;
    for (const { verdict, asked } of this.#entries.values()) if (verdict.at <= since) asked.clear();
    this.#judge(false);
  }

  refused(witness: Witness, complaint: Complaint, connected: Iterable<Witness>): void {
    if (ofTheMachine.test(complaint.message)) return;
    const { kind, resource } = complaint;
    const { role } = witness.identity;
    const earlier = this.before(role, { kind, ...resource });
    let good: Resource | undefined;
    let isHeldUnknown = false;
    const key = keyOf(role, kind, resource);
    const before = this.#entries.get(key);
    const asked = new Set<Witness>();
    for (const node of connected) {
      if (node.identity.role !== role) continue;
      if (!before && node !== witness && node.isAsked(kind, resource)) asked.add(node);
      const held = node.holding(kind, resource.name);
      if (held?.version === resource.version) return;
      if (!held) continue;
      // Of what a client comes back with it tells no more than the version.
      const known = isUnknown(held)
        ? earlier.find(({ version }) => version === held.version)
        : held;
      if (!known) isHeldUnknown = true;
      else if (!good || node === witness) good = known;
    }
    good ??= earlier.find((form) => !this.#isConvicted(role, kind, form));
    // To leave it out would take it from those who hold a form that nobody here can send again.
    if (isHeldUnknown && !good) return;
    const entry: Entry = before ?? {
      ...{ verdict: verdictOf(role, complaint, good), convicted: false },
      ...{ witnesses: new Set(), asked },
    };
    const { verdict } = entry;
    entry.verdict = joinedBy(verdict, witness, good);
    entry.witnesses.add(witness);
    entry.asked.delete(witness);
    this.#entries.set(key, entry);
    // A thousand Envoys that say the same are no news, or each would cost all of them.
    const { envoys, good: kept } = entry.verdict;
    const news = envoys.length > verdict.envoys.length || kept !== verdict.good;
    this.#judge(entry.convicted && news);
  }

  accepted({ identity }: Witness, kind: ResourceKind, content: Content): void {
    if (this.#entries.size === 0) return;
    let news = false;
    for (const [key, entry] of this.#entries) {
      const { verdict, convicted } = entry;
      if (verdict.audience !== identity.role || verdict.kind !== kind) continue;
      const taken = content.get(verdict.name);
      if (!taken || taken.version === verdict.good?.version) continue;
      if (taken.version === verdict.version) this.#entries.delete(key);
      else entry.verdict = { ...verdict, good: taken };
      news ||= convicted;
    }
    this.#judge(news);
  }

  /** All that is convicted, with everybody who said so. */
  get verdicts(): readonly Verdict[] {
    return [...this.#entries.values()]
      .filter(({ convicted }) => convicted)
      .map(({ verdict }) => verdict);
  }

  #isConvicted(role: Audience, kind: ResourceKind, form: Form): boolean {
    return this.#entries.get(keyOf(role, kind, form))?.convicted === true;
  }

  /** Credibility grows with what a node holds, so that those not convicted are looked at again. */
  #judge(changed: boolean): void {
    let convicts = changed;
    for (const entry of this.#entries.values()) {
      if (entry.convicted || isAwaited(entry)) continue;
      if (![...entry.witnesses].some(({ credible }) => credible)) continue;
      entry.convicted = convicts = true;
    }
    this.#forgetSome();
    if (convicts) this.#publish();
  }

  #drop(which: (entry: Entry) => boolean): void {
    let convicted = false;
    for (const [key, entry] of this.#entries) {
      if (!which(entry)) continue;
      this.#entries.delete(key);
      convicted ||= entry.convicted;
    }
    if (convicted) this.#publish();
  }

  #forgetSome(): void {
    if (this.#entries.size <= mostEntries) return;
    const [oldest] = [...this.#entries].sort(byConviction);
    if (oldest) this.#entries.delete(oldest[0]);
  }

  #publish(): void {
    this.convicted.set(this.verdicts);
  }
}

/** Looks no further than the first who is still to answer: this is asked with every answer. */
function isAwaited({ asked, verdict }: Entry): boolean {
  for (const node of asked) {
    if (node.isAsked(verdict.kind, verdict)) return true;
    asked.delete(node);
  }
  return false;
}

/** A cluster and its endpoints are left out together. */
const isOfService = (kind: ResourceKind) => kind === 'cluster' || kind === 'endpoint';

const keyOf = (
  role: Audience,
  kind: ResourceKind,
  { name, version }: { readonly name: string; readonly version: string },
) => JSON.stringify([role, kind, name, version]);

/** Those that are not convicted go first; a stable sort keeps the oldest in front. */
const byConviction = ([, one]: [string, Entry], [, other]: [string, Entry]) =>
  Number(one.convicted) - Number(other.convicted);

const verdictOf = (
  audience: Audience,
  { kind, resource, message, at }: Complaint,
  good: Resource | undefined,
): Verdict => ({
  ...{ audience, kind, name: resource.name, version: resource.version },
  ...{ good, nodes: [], envoys: [], message, at },
});

const joinedBy = (verdict: Verdict, { identity }: Witness, good: Resource | undefined) => ({
  ...verdict,
  good: verdict.good ?? good,
  nodes: [...new Set([...verdict.nodes, identity.id])],
  envoys: [...new Set([...verdict.envoys, identity.version])],
});
