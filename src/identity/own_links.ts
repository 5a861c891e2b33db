/**
 * What the control plane's own links need where identity is on: the built-in
 * authority, its own certificate, the way in for parts on other machines, and
 * the certificate of the Envoy on this one.
 */
import { join } from 'node:path';
import { admissionReceivers } from '../admission/admission.js';
import { localFolder, writeIdentity } from '../admission/identity_files.js';
import { joinTokens, type MintJoinToken } from '../admission/join_tokens.js';
import { openAuthority, type Authority } from '../certificates/authority.js';
import { builtinIssuer } from '../certificates/builtin_issuer.js';
import { Certificates } from '../certificates/keeper.js';
import { revokedBy } from '../certificates/revoked.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config.js';
import { succeeded, type Outcome, type Problem } from '../errors.js';
import { identityIsOn } from '../identity_on.js';
import { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { parseDuration } from '../registry/duration.js';
import type { Registry } from '../registry/registry.js';
import type { IdentityPolicy } from '../xds/identity.js';
import { defaultLimits, type Limits } from '../xds/limits.js';
import type { TlsMaterial } from '../xds/listening.js';
import type { Receiver } from '../xds/receivers.js';
import { keepOwnTls, type OwnTls } from './own_certificate.js';

export interface OwnLinks {
  readonly authority: Authority;
  /** Of the admin API. */
  readonly tls: Latest<TlsMaterial>;
  readonly xds: {
    readonly tls: Latest<TlsMaterial>;
    readonly identity: IdentityPolicy;
    readonly limits: Partial<Limits>;
    readonly receivers: readonly Receiver[];
  };
  readonly mintJoinToken: MintJoinToken;
  problems(): readonly Problem[];
  close(): Promise<void>;
}

interface LinkParts {
  readonly config: Config;
  /** That of admin writes: all replicas share it. */
  readonly registry: Pick<Registry, 'spend'> | undefined;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Undefined where identity is off. Problems: `certificate_unavailable`. */
export async function openOwnLinks(parts: LinkParts): Promise<Outcome<OwnLinks | undefined>> {
  const { config, clock, log } = parts;
  if (!identityIsOn(config)) return succeeded(undefined);
  const { certificate, key } = config.identity.authority;
  const { trustDomain, life } = config.identity;
  const authority = await openAuthority({
    ...{ folder: join(config.data, 'authority'), trustDomain, clock, log },
    given: certificate === '' && key === '' ? undefined : { certificate, key },
    lifeMs: parseDuration(life) ?? 0,
  });
  if (!authority.ok) return authority;
  const hosts = [config.xds.host, config.admin.host];
  const own = await keepOwnTls({ ...parts, authority: authority.value, hosts, data: config.data });
  if (own.ok) return succeeded(linksOf(parts, authority.value, own.value));
  await authority.value.close();
  return own;
}

function linksOf(parts: LinkParts, authority: Authority, own: OwnTls): OwnLinks {
  const { config, registry, clock } = parts;
  const { trustDomain } = config.identity;
  const revoked = revokedBy(config.identity.revoked, trustDomain);
  const local = keepLocalNode(parts, authority);
  const spend = async (nonce: string, until: number): Promise<Outcome<boolean>> =>
    registry ? registry.spend(nonce, until) : succeeded(false);
  const close = async () => {
    await local.close();
    own.close();
    await authority.close();
  };
  return {
    ...{ authority, tls: own.material },
    xds: {
      tls: withRoots(own.material),
      identity: { trustDomain, revoked },
      limits: { ...config.xds.limits, connectionAgeMs: connectionAgeMs(config) },
      receivers: admissionReceivers({ ...parts, authority, revoked, spend }),
    },
    mintJoinToken: joinTokens(authority, clock),
    problems: () => [...authority.problems(), ...own.problems(), ...local.problems()],
    close,
  };
}

/**
 * A connection shows the certificate of when it was opened. Opened anew so often, one that is not
 * renewed is seen late (from 0.6 of its life on) with a quarter of its life left; and none that
 * was opened before a renewal (at 0.4) still stands by then, so nobody renewed is taken for late.
 */
const connectionAgeMs = ({ identity }: Config): number =>
  Math.min(defaultLimits.connectionAgeMs, (parseDuration(identity.life) ?? Infinity) / 8);

/** Whoever joins knows the root by its fingerprint, so it is shown too. */
function withRoots(material: Latest<TlsMaterial>): Latest<TlsMaterial> {
  const whole = (each: TlsMaterial) => ({ ...each, cert: `${each.cert}\n${each.ca}` });
  const shown = new Latest(whole(material.value));
  material.subscribe((each) => shown.set(whole(each)));
  return shown;
}

/** The Envoy beside us needs no token: whoever reads its files could read the authority's too. */
function keepLocalNode({ config, clock, metrics, log }: LinkParts, authority: Authority) {
  const issuer = builtinIssuer(authority);
  const keeper = new Certificates({ issuer, clock, metrics, log });
  const release = keeper.want('edge');
  let writing = Promise.resolve();
  const stop = keeper.material.subscribe(({ roots, certificates }) => {
    const held = certificates.get('edge');
    if (!held || roots === '') return;
    writing = writing.then(async () => {
      const written = await writeIdentity(localFolder(config.data), { ...held, roots });
      for (const { message } of written.ok ? [] : written.problems) log.error(message);
    });
  });
  return {
    problems: () => keeper.problems(),
    async close() {
      stop();
      release();
      keeper.close();
      await issuer.close();
      await writing;
    },
  };
}
