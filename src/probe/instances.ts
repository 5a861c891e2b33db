/** Which instances of a service are asked, and where. */
import { isIPv6 } from 'node:net';
import { compare } from 'semver';
import type { Instance, Service } from '../fleet/fleet.js';
import type { Target } from '../mcp_client/streamable.js';

const instancesTried = 3;

/** The first that answers speaks for the service; the newest version has the first word. */
export function spokesmen({ instances }: Service): readonly Instance[] {
  return instances
    .filter(({ passing }) => passing)
    .sort((a, b) => compare(b.version, a.version) || (a.id < b.id ? -1 : 1))
    .slice(0, instancesTried);
}

/** What decides whom we ask and how: anything else that changes needs no new question. */
export function askedUnder({ era, path, instances }: Service): string {
  const asked = instances.map(({ id, host, port, version, passing, tls }) =>
    [id, host, port, version, passing, tls.mode, tls.spiffe, tls.sni].join(' '),
  );
  return JSON.stringify([era, path, asked]);
}

/** How an instance of a service is asked. */
export type Reach = (instance: Instance, service: Pick<Service, 'name' | 'path'>) => Target;

/** Where it is; what asks for TLS is never asked in clear. */
export const targetOf: Reach = ({ host, port, tls }, { path }) => {
  const authority = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  return { url: `${tls.mode === 'off' ? 'http' : 'https'}://${authority}${path}` };
};
