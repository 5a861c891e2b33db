/** Bodies of requests and answers about who is who: join tokens, roots, certificates. */
import { z } from 'zod';
import { named } from './schemas.js';

export const joinWish = named(
  'JoinWish',
  z.discriminatedUnion('role', [
    z.strictObject({ role: z.literal('edge') }),
    z.strictObject({ role: z.literal('sidecar'), service: z.string() }),
  ]),
);

export const joinToken = named(
  'JoinToken',
  z.object({
    token: z.string().describe('a secret: whoever has it first becomes what it says'),
    id: z.string().describe('the SPIFFE ID that its holder gets'),
    until: z.string(),
  }),
);

const root = z.object({
  fingerprint: z.string().describe('SHA-256 of the certificate'),
  state: z
    .enum(['next', 'signing', 'retiring', 'trusted'])
    .describe(
      'next: trusted, signs nothing yet; retiring: signs nothing any more, and is trusted until ' +
        'the last it signed has ended; trusted: given beside the one that signs',
    ),
  since: z.iso.datetime(),
  until: z.iso.datetime().optional().describe('when it leaves this state, where that is known'),
  expiresAt: z.iso.datetime(),
  certificate: z.string().describe('PEM'),
});

export const rootList = named('RootList', z.object({ roots: z.array(root) }));

export const certificateList = named(
  'CertificateList',
  z.object({
    identity: z.enum(['off', 'mutual']),
    issuer: z
      .enum(['builtin', 'files', 'consul', 'vault'])
      .optional()
      .describe('who signs for workloads'),
    roots: z.array(root).describe('of our own authority; the issuer may have others'),
    certificates: z.array(
      z.object({
        workload: z.string(),
        spiffeId: z.string(),
        notBefore: z.iso.datetime(),
        expiresAt: z.iso.datetime(),
        late: z.boolean().describe('whether it ought to have been renewed by now'),
      }),
    ),
    gateway: z
      .object({
        file: z.string(),
        notBefore: z.iso.datetime(),
        expiresAt: z.iso.datetime().describe('after that agents refuse it; it is served on'),
        late: z.boolean().describe('whether it ought to have been renewed by now'),
      })
      .optional()
      .describe('what agents are shown (gateway.tls); absent where they are served in clear'),
  }),
);

export const personWish = named(
  'PersonWish',
  z.strictObject({
    role: z.enum(['viewer', 'operator', 'admin']),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be letters, digits, dots, _ and -')
      .describe('whose it is: `ana`, `ci`'),
    request: z.string().max(8_192).describe('PKCS#10, PEM; only its key counts'),
  }),
);

export const personCertificate = named(
  'PersonCertificate',
  z.object({
    id: z.string().describe('the SPIFFE ID in it'),
    chain: z.string().describe('PEM, the leaf first'),
    roots: z.string().describe('PEM of every root that is trusted now'),
    until: z.iso.datetime(),
  }),
);

export const rotation = named(
  'Rotation',
  z.strictObject({
    now: z
      .boolean()
      .default(false)
      .describe('signs at once, rather than when everybody had time to trust it'),
  }),
);
