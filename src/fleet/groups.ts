/**
 * A registry's registrations by service. Which of them are new or gone is seen by
 * identity, without reading those that stayed.
 */
import { PersistentMap } from '../persistent_map.js';
import type { Registration } from './fleet.js';
import { remembered } from './step.js';

export interface Groups {
  /** Sorted by id. */
  of(service: string): readonly Registration[];
  /** The services that differ from the groups before. */
  readonly touched: readonly string[];
  readonly registrations: readonly Registration[];
  readonly byService: PersistentMap<readonly Registration[]>;
}

const nothing: readonly Registration[] = [];

const groups = (
  registrations: readonly Registration[],
  byService: Groups['byService'],
  touched: readonly string[],
): Groups => ({
  ...{ registrations, byService, touched },
  of: (service) => byService.get(service) ?? nothing,
});

export const noGroups = groups(nothing, PersistentMap.of(), []);

export function regrouped(before: Groups, registrations: readonly Registration[]): Groups {
  const { gone, added } = replaced(before.registrations, registrations);
  const changed = new Map<string, readonly Registration[]>();
  const present = (name: string) => changed.get(name) ?? before.of(name);
  for (const each of gone)
    changed.set(
      each.name,
      present(each.name).filter((other) => other !== each),
    );
  for (const each of added) changed.set(each.name, [...present(each.name), each]);
  const sorted = [...changed].map(
    ([name, group]) => [name, group.length > 0 ? [...group].sort(byId) : undefined] as const,
  );
  return groups(registrations, before.byService.with(sorted), [...changed.keys()]);
}

const byId = ({ id: one }: Registration, { id: other }: Registration) =>
  one < other ? -1 : one > other ? 1 : 0;

type Registrations = readonly Registration[];

/** What one list has and the other has not, between what both begin and end with. */
function difference(before: Registrations, after: Registrations) {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  let end = 0;
  const [last, newLast] = [before.length - 1, after.length - 1];
  while (end < shorter - start && before[last - end] === after[newLast - end]) end++;
  const gone = new Set(before.slice(start, before.length - end));
  const added = after.slice(start, after.length - end).filter((each) => !gone.delete(each));
  return { gone: [...gone], added };
}

const replaced = remembered(difference);
