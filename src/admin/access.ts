/** Who may do what with the admin API of this control plane, and what is kept of it. */
import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { adminHasTls, adminIsOpen } from '../admin_client/address.js';
import { localTokens } from '../admin_client/local_token.js';
import { revokedBy } from '../certificates/revoked.js';
import { systemClock } from '../clock.js';
import type { Config } from '../config.js';
import { failed, problem, succeeded, type Outcome } from '../errors.js';
import type { Latest } from '../latest.js';
import type { Log } from '../log.js';
import { isLoopback } from '../loopback.js';
import type { Proposal } from '../rollout/steering.js';
import type { TlsMaterial } from '../xds/listening.js';
import type { AdminOptions } from './admin.js';
import { AuditLog } from './audit.js';
import { changedBy } from './rollout_view.js';

interface AccessParts {
  readonly config: Config;
  /** Of this control plane; undefined: it has no certificate. */
  readonly tls: Latest<TlsMaterial> | undefined;
  readonly log: Log;
}

export const auditLogOf = (config: Config, log: Log): AuditLog =>
  new AuditLog(join(config.data, 'audit.jsonl'), systemClock, log);

/** Problems: `config_invalid`. */
export function adminOptionsOf(
  { config, tls, log }: AccessParts,
  audit: AuditLog,
): Outcome<AdminOptions> {
  const { admin, identity, data } = config;
  const hasTls = adminHasTls(config);
  if (hasTls && !tls)
    return failed(
      problem('config_invalid', { path: 'admin' }, 'The admin API has no certificate.'),
    );
  const tokenOf = localTokens(data);
  if (!tokenOf.ok) return tokenOf;
  if (!hasTls && !isLoopback(admin.host))
    log.warn({ host: admin.host }, 'tokens for the admin API come in clear: put TLS before it');
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const own = [
    { name: 'filter', role: 'node', sha256: sha256(tokenOf.value('filter')) } as const,
    { name: 'mcpx up', role: 'operator', sha256: sha256(tokenOf.value('up')) } as const,
    { name: 'local', role: 'admin', sha256: sha256(tokenOf.value('cli')) } as const,
  ];
  const access = {
    open: adminIsOpen(config),
    tokens: [...admin.tokens, ...own],
    trustDomain: identity.trustDomain,
    revoked: revokedBy(identity.revoked, identity.trustDomain),
  };
  return succeeded({ admin, access, audit, log, ...(hasTls && { tls }) });
}

/** What the control plane did by itself is not held up by a full disk: it may be a way back. */
export function auditStep(audit: AuditLog, proposal: Proposal): void {
  const what = `rollout ${proposal.after.current.events.at(-1)?.what ?? ''}`;
  const by = { id: randomUUID(), who: 'mcpx', role: 'mcpx', from: '' };
  void audit.write({ ...by, what, outcome: 'done', ...changedBy(proposal) });
}
