/** Requests as they come from the wire, checked before anything acts on them. */
import { reasonOf } from '../errors.js';
import { decode, type Output } from '../protos.js';
import { audienceOf } from '../snapshot/audience.js';
import { resourceKinds, typeUrls, type ResourceKind } from '../snapshot/snapshot.js';
import type { Verdict } from './delivery.js';
import type { Identity } from './nodes.js';
import type { Wish } from './subscription.js';

/** What is wrong with a request, for the client alone. */
export class InvalidRequest extends Error {}

export interface Request {
  readonly node: Node | undefined;
  /** Undefined: a type that is not delivered here. */
  readonly kind: ResourceKind | undefined;
  readonly typeUrl: string;
  readonly wish: Wish;
  readonly verdict: Verdict;
  /** Envoy's words about a refused response. */
  readonly complaint: string | undefined;
}

type Node = Output<'envoy.config.core.v3.Node'>;

const kindByUrl: ReadonlyMap<string, ResourceKind> = new Map(
  resourceKinds.map((kind) => [typeUrls[kind], kind]),
);

export function readIncremental(bytes: Buffer): Request {
  const message = decodeRequest(bytes);
  if (!message.type_url) throw new InvalidRequest('type_url is required on an aggregated stream');
  return {
    node: message.node,
    kind: kindByUrl.get(message.type_url),
    typeUrl: message.type_url,
    wish: {
      subscribe: message.resource_names_subscribe ?? [],
      unsubscribe: message.resource_names_unsubscribe ?? [],
      held: message.initial_resource_versions ?? {},
    },
    verdict: {
      nonce: message.response_nonce ?? '',
      refused: message.error_detail !== undefined,
    },
    complaint: message.error_detail?.message?.trim(),
  };
}

function decodeRequest(bytes: Buffer) {
  try {
    return decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', bytes);
  } catch (error) {
    throw new InvalidRequest(`this is no DeltaDiscoveryRequest: ${reasonOf(error)}`);
  }
}

/** Who speaks: the first request of a stream has to say it. */
export function identityOf(node: Node | undefined, address: string): Identity {
  if (!node?.id)
    throw new InvalidRequest('the first request must carry node.id: set node.id in the bootstrap');
  const said = node.metadata?.fields?.['role']?.stringValue;
  const role = audienceOf(said);
  if (!role)
    throw new InvalidRequest(`node.metadata.role "${said ?? ''}" is not served here; use "edge"`);
  return { id: node.id, cluster: node.cluster ?? '', version: versionOf(node), role, address };
}

function versionOf(node: Node): string {
  const version = node.user_agent_build_version?.version;
  if (!version) return node.user_agent_version ?? '';
  const { major_number = 0, minor_number = 0, patch = 0 } = version;
  return `${major_number}.${minor_number}.${patch}`;
}
