/**
 * While several versions of a service are registered each is asked for itself, so
 * that they can be held side by side. The newest goes on speaking for the service.
 */
import { rcompare } from 'semver';
import type { Catalogue, ProbeResult, Service } from '../fleet/fleet.js';
import { askInTurn } from './ask.js';
import { spokesmen, type Reach } from './instances.js';

type Versions = NonNullable<ProbeResult['versions']>;

/** A service of more versions than this has forgotten some rather than rolls them out. */
const askedMax = 8;

/** Newest first. */
function versionsIn({ instances }: Service): readonly string[] {
  return [...new Set(instances.map(({ version }) => version))].sort(rcompare);
}

export const hasSeveralVersions = (service: Service): boolean => versionsIn(service).length > 1;

/** Asks those that did not speak yet; `tell` hears each as it answers. */
export async function askOtherVersions(
  service: Service,
  spoken: string,
  tell: (version: string, catalogue: Catalogue) => void,
  { signal, reach }: { readonly signal: AbortSignal; readonly reach: Reach },
): Promise<void> {
  const others = versionsIn(service).filter((version) => version !== spoken);
  const asking = others.slice(0, askedMax).map(async (version) => {
    const instances = service.instances.filter((instance) => instance.version === version);
    const asked = spokesmen({ ...service, instances });
    const { catalogue } = await askInTurn(service, asked, signal, reach);
    if (catalogue) tell(version, catalogue);
  });
  await Promise.all(asking);
}

/** What is known of the versions present, with what one told; undefined of a single one. */
export function versionsWith(
  service: Service,
  known: Versions | undefined,
  told: Versions,
): Versions | undefined {
  const present = versionsIn(service);
  if (present.length < 2) return undefined;
  const all: Versions = { ...known, ...told };
  const kept = present.flatMap((version) => {
    const catalogue = all[version];
    return catalogue ? [[version, catalogue] as const] : [];
  });
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}
