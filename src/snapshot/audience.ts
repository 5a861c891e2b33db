/**
 * Who gets which snapshot. A node says in its metadata what it is: an edge, or
 * the sidecar of one service and where it listens; such sidecars are an audience by themselves.
 */
import { isIP } from 'node:net';
import { isLoopback } from '../loopback.js';
import { isServiceName } from '../service_name.js';

/** `edge`, or as `sidecar/claims?inbound=10.0.0.8:3443&outbound=127.0.0.1:15001`. */
export type Audience = 'edge' | `sidecar/${string}`;

/** Where something listens: an IP address, a v6 one without brackets. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface Sidecar {
  readonly service: string;
  /** Where others call its server. */
  readonly inbound: Place;
  /** Where its server calls others, as whom it is: on loopback. */
  readonly outbound: Place;
}

/** What a node says of itself in its metadata. */
export type Said = Readonly<
  Partial<Record<'role' | 'service' | 'inbound' | 'outbound', string | undefined>>
>;

/** A node without a role is an edge; of any other the complaint ends the sentence "it must …". */
export type SaidAudience = { readonly audience: Audience } | { readonly complaint: string };

export function audienceOf({ role = 'edge', service = '', inbound, outbound }: Said): SaidAudience {
  if (role === 'edge') return { audience: 'edge' };
  if (role !== 'sidecar')
    return { complaint: `say role "edge", or "sidecar" with a service, and not "${role}"` };
  if (!isServiceName(service))
    return { complaint: `name the service whose sidecar it is, as "claims", and not "${service}"` };
  const [from, to] = [placeIn(inbound), placeIn(outbound)];
  if (!from)
    return { complaint: `say inbound, an address as "10.0.0.8:3443", not "${inbound ?? ''}"` };
  if (!to || !isLoopback(to.host))
    return {
      complaint:
        'say outbound, an address on loopback as "127.0.0.1:15001", since whoever calls there ' +
        `calls as ${service}, and not "${outbound ?? ''}"`,
    };
  return { audience: audienceOfSidecar({ service, inbound: from, outbound: to }) };
}

export const audienceOfSidecar = ({ service, inbound, outbound }: Sidecar): Audience =>
  `sidecar/${service}?inbound=${textOf(inbound)}&outbound=${textOf(outbound)}`;

/** Undefined: it is no sidecar. */
export function sidecarIn(audience: Audience): Sidecar | undefined {
  const [, service = '', inbound, outbound] =
    /^sidecar\/([^?]*)\?inbound=([^&]*)&outbound=(.*)$/.exec(audience) ?? [];
  const [from, to] = [placeIn(inbound), placeIn(outbound)];
  return from && to && { service, inbound: from, outbound: to };
}

/** Whose certificate a node of this audience shows. */
export const workloadOf = (audience: Audience): string =>
  audience === 'edge' ? 'edge' : audience.slice('sidecar/'.length).replace(/\?.*$/s, '');

function placeIn(text: string | undefined): Place | undefined {
  const found = /^(?:\[([^\]]+)\]|([^:]+)):([1-9]\d{0,4})$/.exec(text ?? '');
  const host = (found?.[1] ?? found?.[2] ?? '').toLowerCase();
  const port = Number(found?.[3]);
  const family = found?.[1] === undefined ? 4 : 6;
  return isIP(host) === family && port <= 65_535 ? { host, port } : undefined;
}

const textOf = ({ host, port }: Place): string =>
  `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
