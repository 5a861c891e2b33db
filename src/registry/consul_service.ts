/**
 * A service of Consul's catalogue as a registration: its flat `mcp-…` Meta
 * keys become the fields of a document, and Consul's checks its health.
 */
import { z } from 'zod';
import { nearest } from '../config.js';
import { failed, problem } from '../errors.js';
import type { Outcome, Problem } from '../errors.js';
import type { Registration } from '../fleet/fleet.js';
import type { Identity } from '../identity_on.js';
import { hostAndPort } from './address.js';
import { decodeRegistration, type Decoded } from './decode.js';
import type { Entry } from './last_good.js';

/** Which services of a Consul are ours. */
export interface OurServices {
  /** Marks one as an MCP server: `mcp`, or `mcp-staging` in that environment. */
  readonly tag: string;
  readonly allowedTargets: readonly string[];
  readonly identity?: Identity | undefined;
}

const serviceHealthSchema = z.object({
  Node: z.object({ Node: z.string(), Address: z.string() }),
  Service: z.object({
    ID: z.string(),
    Service: z.string(),
    Address: z.string(),
    // Consul leaves out what is empty; a service without a port is a problem of its own.
    Port: z.number().default(0),
    Tags: z.array(z.string()).nullish(),
    Meta: z.record(z.string(), z.string()).nullish(),
  }),
  Checks: z.array(z.object({ Status: z.string(), ServiceID: z.string().nullish() })).nullish(),
});

/** What `/v1/health/service/<name>` answers. */
export const serviceHealthsSchema = z.array(serviceHealthSchema);

export type ServiceHealth = z.output<typeof serviceHealthSchema>;

type Reading = (text: string) => unknown;

const asText: Reading = (text) => text;
const asNumber: Reading = (text) => (/^\d+$/.test(text) ? Number(text) : text);
const asFlag: Reading = (text) => (['true', 'false'].includes(text) ? text === 'true' : text);
const asList: Reading = (text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** Meta key → the field it sets and how its text is read. Consul allows no dots in keys. */
const metaFields: ReadonlyMap<string, readonly [field: string, read: Reading]> = new Map([
  ['mcp-version', ['version', asText]],
  ['mcp-era', ['era', asText]],
  ['mcp-zone', ['zone', asText]],
  ['mcp-weight', ['weight', asNumber]],
  ['mcp-priority', ['priority', asNumber]],
  ['mcp-prefix', ['expose.prefix', asFlag]],
  ['mcp-tools', ['expose.tools', asList]],
  ['mcp-timeout', ['traffic.timeout', asText]],
  ['mcp-retries', ['traffic.retries', asNumber]],
  ['mcp-balance', ['traffic.balance', asText]],
  ['mcp-outlier-errors', ['traffic.outlier.consecutiveErrors', asNumber]],
  ['mcp-outlier-interval', ['traffic.outlier.interval', asText]],
  ['mcp-outlier-ejection', ['traffic.outlier.ejection', asText]],
  ['mcp-breaker-connections', ['traffic.breaker.connections', asNumber]],
  ['mcp-breaker-pending', ['traffic.breaker.pending', asNumber]],
  ['mcp-breaker-requests', ['traffic.breaker.requests', asNumber]],
  ['mcp-tls', ['tls.mode', asText]],
  ['mcp-spiffe', ['tls.spiffe', asText]],
  ['mcp-sni', ['tls.sni', asText]],
  ['mcp-allow', ['allow', asList]],
  ['mcp-depends-on', ['dependsOn', asList]],
]);

const pathKey = 'mcp-path';

const fieldNames: ReadonlyMap<string, string> = new Map([
  ['name', 'Service'],
  ['url', 'Address:Port'],
  ...[...metaFields].map(([key, [field]]) => [field, `Meta.${key}`] as const),
]);

/** All instances of a service; of an id that nodes share, only the first node's stays bare. */
export function serviceEntries(
  healths: readonly ServiceHealth[],
  ours: OurServices,
): Entry<Registration>[] {
  const byNode = [...healths].sort((one, other) => (one.Node.Node < other.Node.Node ? -1 : 1));
  const seen = new Set<string>();
  return byNode.map((health) => {
    const { ID } = health.Service;
    const id = seen.has(ID) ? `${ID}@${health.Node.Node}` : ID;
    seen.add(ID);
    return serviceEntry(health, id, ours);
  });
}

function serviceEntry(health: ServiceHealth, id: string, ours: OurServices): Entry<Registration> {
  const checks = health.Checks ?? [];
  const passing = !checks.some(({ Status }) => Status === 'critical');
  // Those of its node tell only whether that one lives.
  const unchecked = !checks.some(({ ServiceID }) => ServiceID);
  return {
    key: `${health.Service.Service}/${health.Node.Node}/${health.Service.ID}`,
    fingerprint: JSON.stringify([id, passing, unchecked, health.Service, health.Node.Address]),
    decode: () => decodeService(health, { id, passing, unchecked, ...ours }),
    refresh: (good) => (good.passing === passing ? good : { ...good, passing }),
  };
}

interface ServiceContext extends OurServices {
  readonly id: string;
  readonly passing: boolean;
  readonly unchecked: boolean;
}

function decodeService(
  health: ServiceHealth,
  { id, passing, unchecked, allowedTargets, identity, tag }: ServiceContext,
): Outcome<Decoded<Registration>> {
  const { Service: name, Meta } = health.Service;
  const meta = Object.entries(Meta ?? {});
  const subject = { source: 'consul', service: name, instance: id };
  const complain = (path: string, message: string): Problem =>
    problem('registration_invalid', { ...subject, path }, `${path} ${message}.`);
  const problems = meta
    .filter(([key]) => key.startsWith('mcp-') && key !== pathKey && !metaFields.has(key))
    .map(([key]) => complain(`Meta.${key}`, `is not a known key; ${hintFor(key)}`));
  if (health.Service.Port === 0)
    problems.push(complain('Port', 'is missing: register the port that the server listens on'));
  const path = Meta?.[pathKey] ?? '/mcp';
  const pathIsRight = /^\/[^?#\s]*$/.test(path);
  if (!pathIsRight)
    problems.push(complain(`Meta.${pathKey}`, 'must be a path such as /mcp, without ? and #'));
  const document = documentOf(health, pathIsRight ? path : '/mcp', tag);
  const decoded = decodeRegistration(document, {
    source: 'consul',
    allowedTargets,
    identity,
    id,
    checkedBy: 'registry',
    passing,
    unchecked,
    fieldNames,
  });
  if (problems.length === 0) return decoded;
  return failed(...problems, ...(decoded.ok ? [] : decoded.problems));
}

function documentOf(
  { Service, Node }: ServiceHealth,
  path: string,
  tag: string,
): Record<string, unknown> {
  const host = Service.Address === '' ? Node.Address : Service.Address;
  const meta = Object.entries(Service.Meta ?? {});
  const document: Record<string, unknown> = {
    name: Service.Service,
    url: `http://${hostAndPort({ host, port: Service.Port || 1 })}${path}`,
    tags: (Service.Tags ?? []).filter((each) => each !== tag),
    metadata: Object.fromEntries(meta.filter(([key]) => !key.startsWith('mcp-'))),
  };
  for (const [key, text] of meta) {
    const known = metaFields.get(key);
    if (known !== undefined) setField(document, known[0].split('.'), known[1](text));
  }
  return document;
}

function setField(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const inner = (target[key] ?? {}) as Record<string, unknown>;
  target[key] = inner;
  setField(inner, rest, value);
}

function hintFor(key: string): string {
  const known = [pathKey, ...metaFields.keys()];
  const near = nearest(key, known);
  return near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`;
}
