/** Replicas of the control plane that share an authority and what was used up. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { admissionReceivers } from '../../src/admission/admission.js';
import type { Address } from '../../src/admission/client.js';
import type { Identity } from '../../src/admission/identity_files.js';
import { joinTokens, type JoinWish } from '../../src/admission/join_tokens.js';
import { openAuthority, type Authority } from '../../src/certificates/authority.js';
import type { Certificate } from '../../src/certificates/certificate.js';
import { systemClock } from '../../src/clock.js';
import { succeeded, type Outcome } from '../../src/errors.js';
import { Latest } from '../../src/latest.js';
import { silentLog } from '../../src/log.js';
import { createMetrics } from '../../src/metrics.js';
import type { Receiver } from '../../src/xds/receivers.js';
import { startStage, type Stage } from './stage.js';

export const trustDomain = 'example.org';

export async function makeAuthority(folder: string): Promise<Authority> {
  const options = { folder, trustDomain, lifeMs: 3_600_000, clock: systemClock, log: silentLog };
  return valueOf(await openAuthority(options));
}

export function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(outcome.problems.map(({ message }) => message).join(' '));
}

export const wordsOf = (outcome: Outcome<unknown>): string =>
  outcome.ok ? '' : outcome.problems.map(({ message }) => message).join(' ');

export interface Replica {
  readonly stage: Stage;
  readonly address: Address;
  /** Requests to join or renew that ended so. */
  admissions(outcome: string): Promise<number>;
}

export interface Admitting {
  readonly authority: Authority;
  readonly replicas: readonly [Replica, Replica];
  /** Nothing, unless set. */
  readonly revoked: Map<string, number>;
  /** What the registry answers; the memory that both share, unless set. */
  spend: (nonce: string) => Outcome<boolean>;
  token(wish?: JoinWish): string;
  issue(workload: string): Promise<Certificate>;
  /** What the authority signed for a workload an hour ago, for a minute. */
  endedCertificate(workload: string): Promise<Certificate>;
  folder(name: string): string;
  stop(): Promise<void>;
}

export async function startAdmitting(receivers: readonly Receiver[] = []): Promise<Admitting> {
  const home = mkdtempSync(join(tmpdir(), 'mcpx-admission-'));
  const authority = await makeAuthority(join(home, 'authority'));
  const spent = new Set<string>();
  const revoked = new Map<string, number>();
  const issue = async (workload: string) =>
    valueOf(await authority.issue(authority.spiffeIdOf(workload)));
  const mint = joinTokens(authority, systemClock);
  const parts = { authority, revoked, clock: systemClock, log: silentLog };
  const start = async (): Promise<Replica> => {
    const { chain, key } = await issue('control-plane');
    const ca = authority.roots.value;
    const metrics = createMetrics();
    const spend = (nonce: string) => Promise.resolve(admitting.spend(nonce));
    const stage = await startStage({
      ...{ tls: new Latest({ cert: chain + ca, key, ca }), metrics },
      identity: { trustDomain, revoked },
      receivers: [...receivers, ...admissionReceivers({ ...parts, metrics, spend })],
    });
    const address = { host: '127.0.0.1', port: stage.server.port };
    const admissions = async (outcome: string): Promise<number> => {
      const { values } = await metrics.admissions.get();
      return values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0;
    };
    return { stage, address, admissions };
  };
  const admitting: Admitting = {
    ...{ authority, replicas: [await start(), await start()], revoked, issue },
    spend(nonce) {
      const first = !spent.has(nonce);
      spent.add(nonce);
      return succeeded(first);
    },
    token: (wish = { role: 'edge' }) => valueOf(mint(wish)).token,
    async endedCertificate(workload) {
      const clock = { now: () => Date.now() - 3_600_000 };
      const folder = join(home, 'authority');
      const options = { folder, trustDomain, lifeMs: 60_000, clock, log: silentLog };
      const earlier = valueOf(await openAuthority(options));
      const ended = valueOf(await earlier.issue(earlier.spiffeIdOf(workload)));
      await earlier.close();
      return ended;
    },
    folder: (name) => join(home, name),
    async stop() {
      for (const { stage } of admitting.replicas) await stage.stop();
      await authority.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
  return admitting;
}

/** What a client shows and whom it believes. */
export const shownWith = ({ roots, key, chain }: Identity): ChannelCredentials =>
  credentials.createSsl(Buffer.from(roots), Buffer.from(key), Buffer.from(chain), {
    // Who the server is, is not what is tested with it.
    checkServerIdentity: () => undefined,
  });
