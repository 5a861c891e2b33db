/**
 * Which calls of a service in a rollout are copied to its new version: those of tools that both
 * versions say change nothing, since such a tool is called twice. Pure.
 */
import type { Catalogue, NamedDefinition, Service } from '../fleet/fleet.js';
import type { Rollout } from '../fleet/rollout.js';

type Between = Pick<Rollout, 'from' | 'to'>;

/** By name, sorted. */
export function copiedTools({ probe }: Service, { from, to }: Between): readonly string[] {
  const [old, fresh] = [probe?.versions?.[from], probe?.versions?.[to]].map(readOnlyTools);
  return [...(old ?? [])].filter((name) => fresh?.has(name)).sort();
}

/** Why no call could be copied, and what to do; undefined where some can. */
export function whyNoCopies(service: Service, between: Between): string | undefined {
  const { from, to } = between;
  const offers = [from, to].map(
    (version) => [version, service.probe?.versions?.[version]] as const,
  );
  for (const [version, offered] of offers) {
    if (!offered)
      return (
        `What ${service.name} ${version} offers is not known, so no call could be copied. ` +
        'Try again in a moment, or leave the mirror out.'
      );
    if (!offered.eras.includes('modern'))
      return (
        `A mirror copies calls of the modern era, and ${service.name} ${version} speaks only ` +
        'legacy: no call could be copied. Leave the mirror out.'
      );
  }
  if (copiedTools(service, between).length > 0) return undefined;
  return (
    `No tool is annotated read-only by both ${from} and ${to}, so no call could be copied. ` +
    'Annotate what changes nothing (readOnlyHint: true), or leave the mirror out.'
  );
}

function readOnlyTools(catalogue: Catalogue | undefined): ReadonlySet<string> {
  const tools = catalogue?.tools ?? [];
  return new Set(tools.filter(isReadOnly).map(({ name }) => name));
}

function isReadOnly({ annotations }: NamedDefinition): boolean {
  const isThere = typeof annotations === 'object' && annotations !== null;
  return isThere && Reflect.get(annotations, 'readOnlyHint') === true;
}
