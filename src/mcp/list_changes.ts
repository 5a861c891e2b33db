/**
 * Which lists changed, said once for each change and never for one that was
 * taken back at once: a service that flaps wakes nobody. The catalogue alone
 * decides; a server's own notice would come before our list has changed.
 */
import type { Era } from '../fleet/fleet.js';
import type { Latest } from '../latest.js';
import type { CatalogueState } from './catalogue_fold.js';
import { offerOf, type ListKind, type Offer } from './offer.js';

/** The word between `notifications/` and `/list_changed`. */
export type ChangedList = 'tools' | 'prompts' | 'resources';

const kindsOf: Readonly<Record<ChangedList, readonly ListKind[]>> = {
  tools: ['tools'],
  prompts: ['prompts'],
  resources: ['resources', 'resourceTemplates'],
};
export const changedListNames = Object.keys(kindsOf) as readonly ChangedList[];

export const listChangedMethod = (list: ChangedList): string =>
  `notifications/${list}/list_changed`;

/** Pure. */
export function changedLists(before: Offer, after: Offer, era: Era): readonly ChangedList[] {
  const differs = (kind: ListKind): boolean => {
    const [old, fresh] = [before.lists[era][kind], after.lists[era][kind]];
    if (old.length !== fresh.length) return true;
    return old.some((each, at) => each !== fresh[at] && each.text !== fresh[at]?.text);
  };
  return changedListNames.filter((list) => kindsOf[list].some(differs));
}

type Told = (lists: readonly ChangedList[]) => void;

interface Listener {
  readonly era: Era;
  readonly told: Told;
}

/** What comes together is told together. */
const gatherMs = 20;
/** At most so often, however the catalogue changes. */
const pauseMs = 1_000;

export class ListChanges {
  readonly #listeners = new Set<Listener>();
  /** What the listeners know; undefined while there are none, so that it costs nothing. */
  #told: Offer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #toldAt = -Infinity;
  readonly #unsubscribe: () => void;

  constructor(private readonly catalogue: Latest<CatalogueState>) {
    this.#unsubscribe = catalogue.subscribe(() => this.#changed());
  }

  listen(era: Era, told: Told, until: AbortSignal): void {
    if (until.aborted) return;
    const listener = { era, told };
    this.#told ??= offerOf(this.catalogue.value.services);
    this.#listeners.add(listener);
    const leave = () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#told = undefined;
    };
    until.addEventListener('abort', leave, { once: true });
  }

  close(): void {
    this.#unsubscribe();
    clearTimeout(this.#timer);
  }

  #changed(): void {
    if (this.#told === undefined || this.#timer !== undefined) return;
    const rest = this.#toldAt + pauseMs - performance.now();
    this.#timer = setTimeout(() => this.#tell(), Math.max(gatherMs, rest));
  }

  #tell(): void {
    this.#timer = undefined;
    const before = this.#told;
    if (before === undefined) return;
    const after = offerOf(this.catalogue.value.services);
    this.#told = after;
    const changed = {
      legacy: changedLists(before, after, 'legacy'),
      modern: changedLists(before, after, 'modern'),
    };
    if (changed.legacy.length + changed.modern.length === 0) return;
    this.#toldAt = performance.now();
    for (const { era, told } of [...this.#listeners])
      if (changed[era].length > 0) told(changed[era]);
  }
}
