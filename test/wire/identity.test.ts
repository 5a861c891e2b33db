import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { credentials, status, type ChannelCredentials } from '@grpc/grpc-js';
import { expect } from 'chai';
import { Latest } from '../../src/latest.js';
import type { Audience } from '../../src/snapshot/audience.js';
import type { EncodedResource, Snapshot } from '../../src/snapshot/snapshot.js';
import type { TlsMaterial } from '../../src/xds/listening.js';
import { secret, snapshotOf } from '../unit/snapshot/messages.js';
import { authority, issue, type Authority } from './certificates.js';
import { envoyNode, summary, type WireClient } from './client.js';
import { base, startStage, valueOf, type Stage } from './stage.js';

const hour = 3_600_000;
const identity = { trustDomain: 'example.org' };
const authorities = authority();
const sidecarOfClaims = 'sidecar/claims?inbound=127.0.0.1:3443&outbound=127.0.0.1:15001';

/** What the server shows, and whom it lets in. */
const material = (from: Authority, trusts: Authority = from): TlsMaterial => ({
  ...issue(from),
  ca: trusts.cert,
});

interface Showing {
  readonly from?: Authority;
  readonly trusts?: Authority;
  readonly notBefore?: number;
  readonly expiresAt?: number;
}

/** What a client shows: a certificate for `spiffe://example.org/<path>`. */
function shown(
  path: string,
  { from = authorities, trusts = from, ...times }: Showing = {},
): ChannelCredentials {
  const { cert, key } = issue(from, { uris: [`spiffe://example.org/${path}`], ...times });
  return credentials.createSsl(Buffer.from(trusts.cert), Buffer.from(key), Buffer.from(cert));
}

const withSecret = (each: EncodedResource, previous?: Snapshot) =>
  snapshotOf({ ...base, secret: [each] }, previous);

const refused = (reason: string) => `mcpx_xds_refused_streams_total{reason="${reason}"}`;

describe('with mutual TLS', () => {
  let stage: Stage;
  let tls: Latest<TlsMaterial>;
  let snapshots: Map<Audience, Latest<Snapshot | undefined>>;
  let now: number;

  beforeEach(async () => {
    now = Date.now();
    tls = new Latest(material(authorities));
    snapshots = new Map<Audience, Latest<Snapshot | undefined>>([
      ['edge', new Latest<Snapshot | undefined>(withSecret(secret('gateway', 'of the edge')))],
      [sidecarOfClaims, new Latest<Snapshot | undefined>(withSecret(secret('own', 'of claims')))],
    ]);
    stage = await startStage({
      ...{ tls, identity, snapshots: (audience: Audience) => snapshots.get(audience) },
      ...{ limits: { answerMs: 40 }, clock: { now: () => now } },
    });
  });
  afterEach(async () => stage.stop());

  const edge = () => {
    const client = stage.connect({ as: shown('edge') });
    client.begin('cluster', { node: envoyNode('edge-1') });
    return client;
  };
  const sidecarOf = (service: string, path = service) => {
    const client = stage.connect({ as: shown(path) });
    client.begin('cluster', { node: envoyNode(`${service}-1`, service) });
    return client;
  };
  /** Until it has what every stream begins with. */
  const served = async (client: WireClient) => {
    const first = await client.next();
    expect(summary(first)).to.equal('cluster +a');
    client.acknowledge(first);
    return client;
  };
  /** Asks for one secret, and hears about it. */
  const asked = async (client: WireClient, name: string) => {
    client.ask('secret', { resource_names_subscribe: [name] });
    return client.next();
  };

  it('serves whoever is what its certificate says (point 41)', async () => {
    for (const client of [edge(), sidecarOf('claims')]) await served(client);
    const roles = stage.server.nodes.list().map(({ id, role }) => `${id} ${role}`);
    expect(roles).to.deep.equal([`claims-1 ${sidecarOfClaims}`, 'edge-1 edge']);
  });

  it('refuses whoever says it is another, and nobody else (point 41)', async () => {
    const good = await served(edge());
    const wrong = [sidecarOf('claims', 'billing'), sidecarOf('claims', 'edge')];
    for (const client of wrong) {
      const { code, details } = await client.ended;
      expect(code).to.equal(status.PERMISSION_DENIED);
      expect(details).to.contain('spiffe://example.org/claims').and.contain('bootstrap');
    }
    expect(await valueOf(stage.metrics, refused('identity'))).to.equal(2);
    expect(summary(await asked(good, 'gateway'))).to.equal('secret +gateway');
  });

  it('gives a secret to its owner alone (point 41)', async () => {
    const [owner, other] = [await served(sidecarOf('claims')), await served(edge())];
    const given = await asked(owner, 'own');
    expect(summary(given)).to.equal('secret +own');
    expect(JSON.stringify(given)).to.contain('of claims');
    // Whoever else asks by the same name hears that there is none.
    expect(summary(await asked(other, 'own'))).to.equal('secret -own');
  });

  it('brings a new secret on the stream that stands, once (point 41)', async () => {
    const client = await served(sidecarOf('claims'));
    client.acknowledge(await asked(client, 'own'));
    const published = snapshots.get(sidecarOfClaims)!;
    published.set(withSecret(secret('own', 'renewed'), published.value));
    const renewed = await client.next();
    expect(summary(renewed)).to.equal('secret +own');
    expect(JSON.stringify(renewed)).to.contain('renewed');
    client.acknowledge(renewed);
    const isSettled = () => stage.server.nodes.list()[0]?.kinds.secret?.settled === true;
    await stage.nodesAre(isSettled);
    expect(client.unread).to.equal(0);
  });

  it('shows new material to new connections and keeps those that stand (point 41)', async () => {
    const standing = await served(edge());
    const next = authority('next CA');
    tls.set(material(next));
    const fresh = stage.connect({ as: shown('edge', { from: next }) });
    fresh.begin('cluster', { node: envoyNode('edge-2') });
    await served(fresh);
    expect(summary(await asked(standing, 'gateway'))).to.equal('secret +gateway');
  });

  it('keeps the old material where the new cannot be used', async () => {
    tls.set({ ...material(authorities), key: 'no key' });
    await served(edge());
  });

  it('does not start with material that cannot be used, and says why', async () => {
    const broken = new Latest({ ...material(authorities), cert: 'no certificate' });
    const started = startStage({ tls: broken }).then(
      () => 'it started',
      (error: unknown) => String(error),
    );
    expect(await started).to.contain('TLS material of xDS cannot be used');
  });

  it('ends the stream of a certificate that has ended (point 41)', async () => {
    const client = await served(edge());
    now += 2 * hour;
    const { code, details } = await client.ended;
    expect(code).to.equal(status.PERMISSION_DENIED);
    expect(details).to.contain('renewed');
    expect(await valueOf(stage.metrics, refused('identity'))).to.equal(1);
    expect(stage.server.nodes.list()).to.be.empty;
  });

  it('tells of an Envoy that comes with a certificate nobody renewed in time', async () => {
    const ends = 'mcpx_node_certificate_expires_seconds{node="edge-1"}';
    const late = stage.connect({ as: shown('edge', { notBefore: now - 24 * hour }) });
    late.begin('cluster', { node: envoyNode('edge-1') });
    await served(late);
    const [listed] = stage.server.nodes.list();
    expect(listed?.certificate?.late).to.equal(true);
    expect(await valueOf(stage.metrics, ends)).to.equal(listed!.certificate!.expiresAt / 1_000);
    const [problem, ...more] = stage.server.nodes.problems();
    expect(more).to.be.empty;
    expect(problem).to.deep.include({
      code: 'certificate_unavailable',
      subject: { node: 'edge-1' },
    });
    expect(problem?.message).to.contain(new Date(listed!.certificate!.expiresAt).toISOString());
    expect(problem?.message).to.contain('mcpx join');
    late.close();
    await stage.nodesAre(() => stage.server.nodes.list().length === 0);
    const renewed = stage.connect({ as: shown('edge', { expiresAt: now + 48 * hour }) });
    renewed.begin('cluster', { node: envoyNode('edge-1') });
    await served(renewed);
    expect(stage.server.nodes.list()[0]?.certificate?.late).to.equal(false);
    expect(stage.server.nodes.problems()).to.be.empty;
    now += 40 * hour;
    expect(stage.server.nodes.problems(), 'it may have a newer one by then').to.be.empty;
    renewed.close();
    await stage.nodesAre(() => stage.server.nodes.list().length === 0);
    expect(await stage.metrics.text()).not.to.contain(ends);
  });

  it('ends the streams of those who are not served any more', async () => {
    const [gone, stays] = [await served(sidecarOf('claims')), await served(edge())];
    snapshots.delete(sidecarOfClaims);
    expect((await gone.ended).details).to.contain('sidecar/claims');
    expect(summary(await asked(stays, 'gateway'))).to.equal('secret +gateway');
  });

  it('lets in nobody with a certificate of another authority, or with none', async () => {
    const stranger = authority('another CA');
    const uninvited = [
      shown('edge', { from: stranger, trusts: authorities }),
      credentials.createSsl(Buffer.from(authorities.cert)),
      credentials.createInsecure(),
    ];
    for (const as of uninvited) {
      const client = stage.connect({ as });
      client.begin('cluster', { node: envoyNode('edge-1') });
      expect((await client.ended).code).to.equal(status.UNAVAILABLE);
    }
    expect(await valueOf(stage.metrics, refused('tls'))).to.be.at.least(3);
    await served(edge());
  });

  it('speaks no TLS older than 1.3', async () => {
    const { cert, key } = issue(authorities);
    const { port } = stage.server;
    const older = { maxVersion: 'TLSv1.2', ca: authorities.cert, cert, key } as const;
    const socket = connectTls({ port, host: '127.0.0.1', ...older });
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).to.equal('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  });
});

describe('without TLS', () => {
  it('takes nobody at his word where identity is asked for (point 41)', async () => {
    const stage = await startStage({ identity });
    const client = stage.connect();
    client.begin('cluster');
    expect((await client.ended).code).to.equal(status.PERMISSION_DENIED);
    await stage.stop();
  });
});
