/** What a service's rollout means for its resources, its shares aside. */
import type { Service } from '../fleet/fleet.js';
import type { MatchRule, Phase, Rollout } from '../fleet/rollout.js';
import { copiedTools } from '../rollout/copies.js';
import { isOpen } from '../rollout/open.js';
import { shareOfNew } from '../rollout/shares.js';
import { clusterOfVersion } from './names.js';

export const rolloutOf = ({ rollout }: Service): Rollout | undefined => rollout?.document.current;

/** The new version while its rollout is open: it has a cluster of its own, and is watched. */
export function versionApart(service: Service): string | undefined {
  const rollout = rolloutOf(service);
  if (!rollout || !isOpen(rollout)) return undefined;
  const isPresent = service.instances.some(({ version }) => version === rollout.to);
  return isPresent ? rollout.to : undefined;
}

export function isWatched(service: Service): boolean {
  const rollout = rolloutOf(service);
  return rollout !== undefined && isOpen(rollout);
}

/**
 * A version in a rollout that nobody was sent to yet: staged, or at 0 %, where it gets copies only.
 * It has no session to keep, so no session id, which may be forged, may lead to it.
 *
 * Who was there before the service's first rollout took calls by weight; who was in a rollout
 * took them by share; callers who are matched have their sessions in the service's own cluster.
 */
export function isSealed({ rollout }: Service, version: string): boolean {
  if (!rollout) return false;
  const { current, earlier } = rollout.document;
  if (!isOpen(current) || shareOfNew(current) > 0 || current.to !== version) return false;
  if (current.match.length > 0 || earlier.length === 0) return false;
  const hadShare = current.events.some(({ share }) => share > 0);
  return !hadShare && earlier.every(({ from, to }) => from !== version && to !== version);
}

/** What the gateway's script reads of a service in a rollout. */
export interface RouteRule {
  readonly cluster: string;
  readonly match: readonly MatchRule[];
  readonly mirror:
    { readonly share: number; readonly readOnlyTools: readonly string[] } | undefined;
}

/** At 100 % there is nobody left to match. */
const matching: ReadonlySet<Phase> = new Set(['running', 'paused', 'staged']);
const mirroring: ReadonlySet<Phase> = new Set(['running', 'staged']);

/** Undefined: the path alone says where its calls go. */
export function routeRule(service: Service): RouteRule | undefined {
  const rollout = rolloutOf(service);
  if (!rollout || !matching.has(rollout.phase)) return undefined;
  // Without an instance that passes, those who are matched are better served by the shares.
  if (!service.instances.some(({ version, passing }) => passing && version === rollout.to))
    return undefined;
  const match = rollout.match.map((rule) =>
    'header' in rule ? { header: rule.header.toLowerCase(), value: rule.value } : rule,
  );
  const mirror = mirroring.has(rollout.phase) ? mirrorOf(service, rollout) : undefined;
  if (match.length === 0 && !mirror) return undefined;
  return { cluster: clusterOfVersion(service.name, rollout.to), match, mirror };
}

function mirrorOf(service: Service, rollout: Rollout): RouteRule['mirror'] {
  const readOnlyTools = copiedTools(service, rollout);
  if (rollout.mirror <= 0 || readOnlyTools.length === 0) return undefined;
  return { share: rollout.mirror / 100, readOnlyTools };
}
