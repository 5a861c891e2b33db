/** What `mcpx doctor` says of certificates: when the next one ends, and which ought to be newer. */
import { certificateList } from './answers.js';
import type { AdminClient } from './client.js';

interface Found {
  readonly state: 'ok' | 'failed';
  readonly what: string;
  readonly found: string;
  readonly mend?: string;
}

const what = 'certificates';

export async function certificateFindings(client: AdminClient): Promise<readonly Found[]> {
  const { value } = await client.get('/v1/certificates', certificateList);
  const { identity, issuer = 'builtin', certificates } = value;
  if (identity === 'off') return [];
  const late = certificates.filter((each) => each.late);
  const mend = `See \`mcpx problems\`, and whether the issuer (${issuer}) answers.`;
  if (late.length > 0)
    return late.map(({ workload, expiresAt }) => ({
      ...{ state: 'failed', what, mend },
      found: `${workload} was not renewed in time and ends at ${expiresAt}`,
    }));
  const [next] = certificates.map(({ expiresAt }) => expiresAt).sort();
  const found = next === undefined ? 'nobody needs one yet' : `the next ends at ${next}`;
  return [{ state: 'ok', what, found: `${certificates.length} held (${issuer}), ${found}` }];
}
