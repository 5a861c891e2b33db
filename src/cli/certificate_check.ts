/** What `mcpx doctor` says of certificates: when the next one ends, and which ought to be newer. */
import type { z } from 'zod';
import { certificateList, type node } from './answers.js';
import type { AdminClient } from './client.js';

interface Found {
  readonly state: 'ok' | 'warning' | 'failed';
  readonly what: string;
  readonly found: string;
  readonly mend?: string;
}

const what = 'certificates';

type Held = z.infer<typeof certificateList>;

export async function certificateFindings(client: AdminClient): Promise<readonly Found[]> {
  const { value } = await client.get('/v1/certificates', certificateList);
  return [...ofWorkloads(value), ...ofGateway(value)];
}

function ofWorkloads({ identity, issuer = 'builtin', certificates }: Held): readonly Found[] {
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

function ofGateway({ gateway }: Held): readonly Found[] {
  if (!gateway) return [];
  const { file, expiresAt, late } = gateway;
  const about = { what: 'gateway.tls', mend: `Renew ${file}. See \`mcpx problems\`.` };
  if (Date.parse(expiresAt) <= Date.now())
    return [{ state: 'failed', ...about, found: `the certificate ended at ${expiresAt}` }];
  if (!late) return [{ state: 'ok', what: about.what, found: `${file} ends at ${expiresAt}` }];
  const found = `${file} was not renewed in time and ends at ${expiresAt}`;
  return [{ state: 'warning', ...about, found }];
}

/** Envoys that connected with a certificate which ought to have been renewed by then. */
export function lateNodes(nodes: readonly z.infer<typeof node>[]): readonly Found[] {
  const mend = 'Keep `mcpx join` running on its machine; `mcpx problems` says more.';
  return nodes.flatMap(({ id, certificate }) => {
    if (!certificate?.late) return [];
    const { expiresAt } = certificate;
    const found = `the certificate of ${id} was not renewed in time and ends at ${expiresAt}`;
    return [{ state: 'failed', what: 'Envoys', found, mend }];
  });
}
