/** Why a registry does not make a change it was asked for. */
import { problem } from '../errors.js';
import type { Problem, Subject } from '../errors.js';
import type { SourceName } from '../fleet/fleet.js';

/** One instance of a service, or all of them. */
interface Target {
  readonly source: SourceName;
  readonly service: string;
  readonly instance?: string | undefined;
}

/** The server keeps this entry itself: a write would be undone by it, or outlive it. */
export function selfRegistered(target: Target): Problem {
  return problem(
    'write_conflict',
    subjectOf(target),
    `${named(target)} registers itself in ${target.source}; change or stop the server instead.`,
  );
}

export function changedMeanwhile(target: Target): Problem {
  return problem(
    'write_conflict',
    subjectOf(target),
    `Somebody else changed ${named(target)} in between; look at it and try again.`,
  );
}

export function notFound(target: Target): Problem {
  return problem(
    'not_found',
    subjectOf(target),
    `${target.source} holds nothing of ${named(target)}.`,
  );
}

export function unreachable(
  { source, service }: Pick<Target, 'source'> & { readonly service: string | undefined },
  place: string,
  reason: string,
): Problem {
  const subject = { source, ...(service !== undefined && { service }) };
  const message =
    `${place} cannot be used: ${reason}. Nothing is known to have changed: try again when it ` +
    'is back.';
  return problem('registry_unreachable', subject, message);
}

function named({ service, instance }: Target): string {
  return instance === undefined ? `the service ${service}` : `${instance} of ${service}`;
}

function subjectOf({ source, service, instance }: Target): Subject {
  return { source, service, ...(instance === undefined ? {} : { instance }) };
}
