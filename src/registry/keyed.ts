/**
 * Documents under keys, as Consul's KV and etcd hold them:
 * `…/instances/<service>/<id>` and `…/services/<name>`, each value JSON.
 */
import { failed, problem, reasonOf, succeeded } from '../errors.js';
import type { Outcome, Subject } from '../errors.js';
import type { PolicyOverride, Registration, SourceName } from '../fleet/fleet.js';
import type { Identity } from '../identity_on.js';
import { isServiceName } from '../service_name.js';
import { decodePolicy, decodeRegistration, identify } from './decode.js';
import type { Entry } from './last_good.js';
import type { Written } from './registry.js';

/** One key of the registry, without the prefix: `instances/claims/10.0.0.7:3000`. */
interface KeyedText {
  readonly key: string;
  readonly text: string;
}

interface KeyedContext {
  readonly source: SourceName;
  readonly allowedTargets: readonly string[];
  readonly identity?: Identity | undefined;
}

export function instanceKey(service: string, id: string): string {
  return `instances/${service}/${id}`;
}

/** The service and id of an instance's key; undefined when it is none. */
export function instanceOfKey(key: string): { service: string; id: string } | undefined {
  const match = /^instances\/([^/]+)\/(.+)$/s.exec(key);
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { service: match[1], id: match[2] };
}

export function instanceEntry(
  { key, text }: KeyedText,
  context: KeyedContext,
): Entry<Registration> {
  const { source } = context;
  return {
    key: key.slice('instances/'.length),
    fingerprint: text,
    decode() {
      const named = instanceOfKey(key);
      if (named === undefined)
        return wrong({ source, path: key }, `The key ${key} must be instances/<service>/<id>.`);
      const subject = { source, service: named.service, instance: named.id };
      const document = parsedJson(text, subject);
      if (!document.ok) return document;
      const { name } = identify(document.value);
      const decoded = decodeRegistration(document.value, { ...context, id: named.id });
      if (name === undefined || name === named.service) return decoded;
      const mismatch = problem(
        'registration_invalid',
        { ...subject, path: 'name' },
        `name must be ${named.service}, as in its key ${key}; it is ${JSON.stringify(name)}.`,
      );
      return failed(mismatch, ...(decoded.ok ? [] : decoded.problems));
    },
  };
}

export function policyEntry(
  { key, text }: KeyedText,
  { source }: KeyedContext,
): Entry<PolicyOverride> {
  const service = key.slice('services/'.length);
  return {
    key: service,
    fingerprint: text,
    decode() {
      if (!isServiceName(service))
        return wrong({ source, path: key }, `The key ${key} must end with a service's name.`);
      const document = parsedJson(text, { source, service });
      return document.ok ? decodePolicy(document.value, { source, service }) : document;
    },
  };
}

/** What a write would replace: the instance of this address, or else the one under its key. */
export function storedInstance<T extends KeyedText>(
  stored: readonly T[],
  { name, id }: Pick<Registration, 'name' | 'id'>,
): T | undefined {
  const atAddress = stored.find(({ text }) => {
    const document = parsedJson(text, {});
    return document.ok && identify(document.value).id === id;
  });
  return atAddress ?? stored.find(({ key }) => key === instanceKey(name, id));
}

/** What writing `text` over `present` does. */
export function changeOf(present: KeyedText | undefined, text: string): Written['change'] {
  if (present === undefined) return 'added';
  return present.text === text ? 'unchanged' : 'replaced';
}

function parsedJson(text: string, subject: Subject): Outcome<unknown> {
  try {
    return succeeded(JSON.parse(text) as unknown);
  } catch (error) {
    return wrong(subject, `The value must be a JSON document: ${reasonOf(error)}.`);
  }
}

function wrong(subject: Subject, message: string): Outcome<never> {
  return failed(problem('registration_invalid', subject, message));
}
