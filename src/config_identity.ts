/** The settings of identity: who signs for workloads, and how long that lasts. */
import { z } from 'zod';

const duration = z.string().regex(/^\d+(ms|s|m|h)$/, 'must be a duration such as 30s or 24h');
/** Of a PEM file, or the empty text where there is none. */
export const pemFile = z.string().default('');

export const identitySchema = z.strictObject({
  mode: z
    .enum(['auto', 'mutual', 'off'])
    .default('auto')
    .describe('auto: mutual TLS where xds.host listens beyond this machine'),
  trustDomain: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/, 'must be a trust domain such as example.org')
    .default('mcpx'),
  life: duration.default('24h').describe('of a certificate; renewed before half of it is over'),
  authority: z
    .strictObject({ certificate: pemFile, key: pemFile })
    .prefault({})
    .describe('files of the built-in authority; empty: made in the data folder'),
  issuer: z
    .enum(['builtin', 'files', 'consul', 'vault'])
    .default('builtin')
    .describe('who signs for workloads'),
  files: z
    .strictObject({ folder: z.string().default('').describe('NAME.pem, NAME-key.pem, roots.pem') })
    .prefault({}),
  vault: z
    .strictObject({
      address: z.url({ protocol: /^https?$/ }).default('http://127.0.0.1:8200'),
      mount: z.string().min(1).default('pki'),
      role: z.string().min(1).default('mcpx'),
      token: z.string().default(''),
    })
    .prefault({}),
  clearLinks: z
    .array(z.enum(['gateway', 'consul', 'etcd', 'controlPlanes']))
    .default([])
    .describe('what may leave this machine in clear, where something else protects that way'),
  revoked: z
    .array(
      z.strictObject({
        workload: z
          .string()
          .regex(/^[a-z0-9-]+(\/[A-Za-z0-9._-]+)?$/, 'must be a service, edge, or as operator/ana'),
        before: z.iso.datetime({ offset: true, error: 'must be as 2026-02-03T16:05:00Z' }),
      }),
    )
    .default([])
    .describe('whose certificates from before when count no more; they join anew'),
  serverRoots: pemFile.describe(
    'PEM of who signs servers reached by tls.mode tls; empty: public CAs',
  ),
});
