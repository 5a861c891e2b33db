/** What both faces of the filter service share, made of what they are given. */
import type { Latest } from '../latest.js';
import type { Target } from '../mcp_client/streamable.js';
import type { CatalogueState } from './catalogue_fold.js';
import { ClientStreams } from './client_stream.js';
import { ListChanges } from './list_changes.js';
import { Sessions } from './session.js';
import { UpstreamSessions } from './upstream_sessions.js';

export type TargetOf = (service: string) => Target;

export interface State {
  readonly catalogue: Latest<CatalogueState>;
  readonly targetOf: TargetOf;
  readonly sessions: Sessions;
  readonly upstreams: UpstreamSessions;
  readonly changes: ListChanges;
  readonly streams: ClientStreams;
}

export function createState(
  catalogue: Latest<CatalogueState>,
  key: Buffer,
  targetOf: TargetOf,
): State {
  return {
    catalogue,
    targetOf,
    sessions: new Sessions(key),
    upstreams: new UpstreamSessions(targetOf),
    changes: new ListChanges(catalogue),
    streams: new ClientStreams(),
  };
}
