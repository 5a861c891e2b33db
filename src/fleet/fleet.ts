/**
 * The fleet: the middle language between what registries say and what Envoy
 * is told. Readonly types that import neither end (registry words stop at
 * `registry/decode`, Envoy words begin in `resources/`).
 */

import type { RolloutDocument } from './rollout.js';

/** `modern`: MCP 2026-07-28, stateless. `legacy`: 2025-11-25 and older, sessions. */
export type Era = 'modern' | 'legacy';

/** Every era, newest first. */
export const eras: readonly Era[] = ['modern', 'legacy'];

export type SourceName = 'file' | 'consul' | 'etcd';

export interface HealthPolicy {
  /** `none`: Envoy asks nothing; only failing calls take an instance out. */
  readonly kind: 'mcp' | 'http' | 'tcp' | 'none';
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
}

export interface TrafficPolicy {
  /** From the request sent to the first byte of its answer; a stream that began is never cut. */
  readonly timeoutMs: number;
  /** How often a request that no server has begun is tried elsewhere. */
  readonly retries: number;
  readonly balance: 'least_request' | 'round_robin' | 'random';
  readonly outlier: {
    readonly consecutiveErrors: number;
    readonly intervalMs: number;
    readonly ejectionMs: number;
  };
  readonly breaker: {
    readonly connections: number;
    readonly pending: number;
    readonly requests: number;
  };
}

export interface Expose {
  /** Tools are named `service__tool` (true) or keep their own names (false). */
  readonly prefix: boolean;
  /** Glob patterns (`*` only) of the tools agents may see; `!pattern` hides. Later wins. */
  readonly tools: readonly string[];
}

/** How an instance is reached. */
export interface Tls {
  /** `tls`: it shows a certificate. `mutual`: both sides do, and each is who it is said to be. */
  readonly mode: 'off' | 'tls' | 'mutual';
  /** Of whoever answers there, where it is not the service's own sidecar; `mutual` alone. */
  readonly spiffe?: string | undefined;
  /** The name it is asked by, which its certificate must bear; with `tls` its address else. */
  readonly sni?: string | undefined;
}

/** What all instances of a service share. */
export interface Policy {
  readonly era: Era | 'auto';
  readonly health: HealthPolicy;
  readonly traffic: TrafficPolicy;
  readonly expose: Expose;
  /** Workloads whose calls its sidecars take; undefined: the edge and whoever depends on it. */
  readonly allow?: readonly string[] | undefined;
}

/** Parts of a policy, as a registry's per-service document gives them. */
export type PolicyOverride = Partial<Policy>;

/** A service that another needs, in one of these versions. */
export interface Dependency {
  readonly service: string;
  /** A semver range: `^2`. */
  readonly range: string;
}

/** One instance of a service, as it registered itself; decoded and complete. */
export interface Registration extends Policy {
  /** Unique within the source while the instance lives: `host:port` or the registry's own id. */
  readonly id: string;
  readonly source: SourceName;
  /** DNS label. */
  readonly name: string;
  /** Semver. */
  readonly version: string;
  readonly host: string;
  readonly port: number;
  /** The server's own MCP path, `/mcp` by default. */
  readonly path: string;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly zone: string;
  /** 1 … 1000; relative to the other instances of the version. */
  readonly weight: number;
  /** 0 is tried first. */
  readonly priority: number;
  /** Who decides whether it may take traffic: the registry's checks, or Envoy's own. */
  readonly checkedBy: 'registry' | 'envoy';
  /** Always `true` when `checkedBy` is `envoy`. */
  readonly passing: boolean;
  /** The registry decides, and no check of it is there: it passes whatever becomes of it. */
  readonly unchecked?: true;
  readonly tls: Tls;
  readonly dependsOn: readonly Dependency[];
}

/** One instance in the fleet. */
export type Instance = Pick<
  Registration,
  | 'id'
  | 'source'
  | 'version'
  | 'host'
  | 'port'
  | 'tags'
  | 'metadata'
  | 'zone'
  | 'weight'
  | 'priority'
  | 'checkedBy'
  | 'passing'
  | 'unchecked'
  | 'tls'
  | 'dependsOn'
>;

/** A tool or prompt as its server defines it, word for word; only `name` is relied on. */
export interface NamedDefinition {
  readonly name: string;
  readonly [field: string]: unknown;
}

/** A resource, word for word; only `uri` is relied on. */
export interface ResourceDefinition {
  readonly uri: string;
  readonly [field: string]: unknown;
}

/** A resource template, word for word; only `uriTemplate` (RFC 6570) is relied on. */
export interface TemplateDefinition {
  readonly uriTemplate: string;
  readonly [field: string]: unknown;
}

/** What a service said of itself when the probe asked. */
export interface Catalogue {
  /** The eras it was seen to speak, newest first; never empty. */
  readonly eras: readonly Era[];
  /** From `server/discover` or `initialize`, for display only. */
  readonly serverInfo: Readonly<Record<string, unknown>>;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly instructions: string | undefined;
  /** All pages of each list, in the server's order. */
  readonly tools: readonly NamedDefinition[];
  readonly prompts: readonly NamedDefinition[];
  readonly resources: readonly ResourceDefinition[];
  readonly resourceTemplates: readonly TemplateDefinition[];
}

/** The latest the probe knows of one service. */
export interface ProbeResult {
  /** The last catalogue that was read, kept while the service is away. */
  readonly catalogue: Catalogue | undefined;
  /** Why the latest probe failed; undefined when it succeeded. */
  readonly failure:
    | { readonly code: 'server_unreachable' | 'server_not_mcp'; readonly message: string }
    | undefined;
  /** Version → what it offers, of those that told; absent while there is only one version. */
  readonly versions?: Readonly<Record<string, Catalogue>>;
  /** Ids of instances that do not answer while others do; absent when all do. */
  readonly silent?: readonly string[];
}

/** The probe's report: service name → what is known. A service it has not asked yet is absent. */
export type ProbeReport = ReadonlyMap<string, ProbeResult>;

/** A service's rollout, and the registry that keeps it. */
export interface KeptRollout {
  readonly source: SourceName;
  readonly document: RolloutDocument;
}

export interface Service extends Policy {
  readonly name: string;
  readonly path: string;
  /** Sorted by id; never empty. */
  readonly instances: readonly Instance[];
  readonly probe: ProbeResult | undefined;
  /** The newest rollout, open or ended: it says which version takes how much. */
  readonly rollout: KeptRollout | undefined;
}

/** All services, merged from every source, sorted by name. */
export interface Fleet {
  readonly services: readonly Service[];
}

export const emptyFleet: Fleet = { services: [] };
