/** Every route there is, in the order the OpenAPI document shows them. */
import type { Log } from '../log.js';
import type { AuditLog } from './audit.js';
import { auditRoutes } from './audit_routes.js';
import { catalogueRoutes } from './catalogue.js';
import { certificateRoutes } from './certificates.js';
import { exposedRoutes } from './exposed.js';
import { healthRoutes } from './health.js';
import { joinTokenRoutes } from './join_tokens.js';
import { nodeRoutes } from './nodes.js';
import { openapiRoute } from './openapi.js';
import { pageRoute } from './page.js';
import { peopleRoutes } from './people.js';
import { planRoutes } from './plan.js';
import type { Readiness } from './readiness.js';
import { registryRoutes } from './registries.js';
import { rolloutRoutes } from './rollouts.js';
import type { Route } from './route.js';
import { serviceRoutes } from './services.js';
import type { AdminState } from './state.js';

interface TableInput {
  readonly state: AdminState;
  readonly readiness: Readiness;
  readonly audit: AuditLog;
  readonly log: Log;
  readonly closing: AbortSignal;
  readonly keepAliveMs: number;
}

export function routeTable({
  state,
  readiness,
  audit,
  log,
  ...rest
}: TableInput): readonly Route[] {
  const source = { fleet: state.fleet, complete: readiness.complete, ...rest };
  const table: readonly Route[] = [
    pageRoute(state, readiness),
    ...serviceRoutes(state, log),
    ...rolloutRoutes(state),
    ...catalogueRoutes(state),
    ...nodeRoutes(state),
    ...registryRoutes(state),
    ...planRoutes(state),
    ...certificateRoutes(state),
    ...peopleRoutes(state),
    ...auditRoutes(audit),
    ...joinTokenRoutes(state),
    ...exposedRoutes(source),
    ...healthRoutes(state, readiness),
    openapiRoute(state.version, () => table),
  ];
  return table;
}
