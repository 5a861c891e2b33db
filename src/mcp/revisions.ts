/** The protocol revisions the aggregate speaks, newest first. */
import type { Era } from '../fleet/fleet.js';
import { legacyRevision, modernRevision } from '../mcp_wire.js';

interface Revision {
  readonly version: string;
  readonly era: Era;
}

const revisions: readonly Revision[] = [
  { version: modernRevision, era: 'modern' },
  { version: legacyRevision, era: 'legacy' },
  { version: '2025-06-18', era: 'legacy' },
  { version: '2025-03-26', era: 'legacy' },
  { version: '2024-11-05', era: 'legacy' },
];

export function versionsOf(era: Era): readonly string[] {
  return revisions.filter((revision) => revision.era === era).map(({ version }) => version);
}

/** Revisions are dates, so text order is time order; an unknown one has an era too. */
export const eraOf = (version: string): Era => (version >= modernRevision ? 'modern' : 'legacy');

/** What `initialize` answers: the client's version if it is known here, else our newest. */
export function negotiated(requested: unknown): string {
  const known = versionsOf('legacy').find((version) => version === requested);
  return known ?? legacyRevision;
}
