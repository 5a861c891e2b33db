/** What both faces of the filter service share. */
import type { Latest } from '../latest.js';
import type { CatalogueState } from './catalogue_fold.js';
import type { Sessions } from './session.js';
import type { UpstreamSessions } from './upstream_sessions.js';

export interface State {
  readonly catalogue: Latest<CatalogueState>;
  readonly sessions: Sessions;
  readonly upstreams: UpstreamSessions;
}
