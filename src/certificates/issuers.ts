/** Who signs for workloads, as `identity.issuer` names it. */
import type { Config } from '../config.js';
import type { Log } from '../log.js';
import type { Authority } from './authority.js';
import { builtinIssuer } from './builtin_issuer.js';
import type { Issuer } from './certificate.js';
import { createConsulIssuer } from './consul_issuer.js';
import { createFilesIssuer } from './files_issuer.js';
import { createVaultIssuer } from './vault_issuer.js';

interface IssuerParts {
  readonly authority: Authority;
  readonly log: Log;
}

/** Where Consul is no registry but signs, it is the agent of this machine. */
const localConsul = { address: 'http://127.0.0.1:8500', token: '', datacenter: '' };

export function createIssuer(
  { identity, registry }: Pick<Config, 'identity' | 'registry'>,
  { authority, log }: IssuerParts,
): Issuer {
  const { issuer, trustDomain, life, files, vault } = identity;
  if (issuer === 'files') return createFilesIssuer({ ...files, trustDomain, log });
  if (issuer === 'consul') return createConsulIssuer({ ...(registry.consul ?? localConsul), log });
  if (issuer === 'vault') return createVaultIssuer({ ...vault, trustDomain, life, log });
  return builtinIssuer(authority);
}
