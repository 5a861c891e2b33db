import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join as path } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { join, renew, type Address } from '../../src/admission/client.js';
import { readIdentity } from '../../src/admission/identity_files.js';
import { systemClock } from '../../src/clock.js';
import { silentLog } from '../../src/log.js';
import { join as keepJoined } from '../../src/admission/renewing.js';
import { joined, renewed } from '../../src/admission/joining.js';
import { issuerFieldsOf, leafCertificate, requestFor } from '../../src/certificates/x509.js';
import { failed, problem } from '../../src/errors.js';
import {
  makeAuthority,
  shownWith,
  startAdmitting,
  trustDomain,
  valueOf,
  wordsOf,
  type Admitting,
} from './admitting.js';
import { envoyNode, summary } from './client.js';

const now = Date.now();
const never = new AbortController().signal;
const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

describe('joining', () => {
  let admitting: Admitting;
  beforeEach(async () => (admitting = await startAdmitting()));
  afterEach(async () => admitting.stop());

  const addresses = () => admitting.replicas.map(({ address }) => address);
  const joinIn = (name: string, token = admitting.token(), xds = addresses()) =>
    joined({ token, xds, folder: admitting.folder(name) }, now);

  it('gives a certificate of what the token says, with which its Envoy is served', async () => {
    const wish = { role: 'sidecar', service: 'claims' } as const;
    const { held } = valueOf(await joinIn('node', admitting.token(wish)));
    expect(held.id).to.equal('spiffe://example.org/claims');
    expect(valueOf(await readIdentity(admitting.folder('node')))?.chain).to.equal(held.chain);
    const { stage } = admitting.replicas[0];
    const asItself = stage.connect({ as: shownWith(held) });
    asItself.begin('cluster', { node: envoyNode('claims-1', 'claims') });
    expect(summary(await asItself.next())).to.equal('cluster +a');
    const asEdge = stage.connect({ as: shownWith(held) });
    asEdge.begin('cluster', { node: envoyNode('edge-1') });
    expect((await asEdge.ended).code).to.equal(status.PERMISSION_DENIED);
  });

  it('takes nothing but the key from what is asked for', async () => {
    const key = newKey();
    const trust = { roots: admitting.authority.roots.value, trustDomain };
    const message = { token: admitting.token(), request: await requestFor(key) };
    const { chain } = valueOf(await join(addresses()[0]!, trust, message));
    const leaf = new X509Certificate(chain);
    expect(leaf.subjectAltName).to.equal('URI:spiffe://example.org/edge');
    expect(leaf.checkPrivateKey(key)).to.equal(true);
  });

  it('is for once: a replay is refused and counted, at the other replica too', async () => {
    const token = admitting.token();
    valueOf(await joinIn('first', token));
    for (const [at, replica] of admitting.replicas.entries()) {
      const again = await joinIn(`again-${at}`, token, [replica.address]);
      expect(wordsOf(again)).to.contain('has been used already');
      expect(await replica.admissions('replayed')).to.equal(1);
      expect(readdirSync(admitting.folder(`again-${at}`))).to.be.empty;
    }
  });

  it('is for one of two who come with the same token at once', async () => {
    const token = admitting.token();
    const both = admitting.replicas.map(({ address }, at) => joinIn(`${at}`, token, [address]));
    const outcomes = await Promise.all(both);
    expect(outcomes.filter(({ ok }) => ok)).to.have.length(1);
  });

  it('refuses a token of another authority, and one that was changed', async () => {
    const [replica] = admitting.replicas;
    const trust = { roots: admitting.authority.roots.value, trustDomain };
    const [head = '', said = '', mac = ''] = admitting.token().split('.');
    const claims = JSON.parse(Buffer.from(said, 'base64url').toString()) as object;
    const other = { ...claims, id: 'spiffe://example.org/billing' };
    const changed = Buffer.from(JSON.stringify(other)).toString('base64url');
    for (const token of [`${head}.${changed}.${mac}`, `${head}.${said}.${mac.slice(2)}`]) {
      const message = { token, request: await requestFor(newKey()) };
      const refused = await join(replica.address, trust, message);
      expect(wordsOf(refused)).to.contain('was not made by this control plane');
    }
    expect(await replica.admissions('forged')).to.equal(2);
  });

  it('does not use a token up where the request cannot be signed', async () => {
    const [replica] = admitting.replicas;
    const trust = { roots: admitting.authority.roots.value, trustDomain };
    const token = admitting.token();
    const refused = await join(replica.address, trust, { token, request: 'no request' });
    expect(wordsOf(refused)).to.contain('no certificate request');
    valueOf(await joinIn('node', token));
  });

  it('says so where it cannot be known whether a token was used, and keeps it good', async () => {
    const { spend } = admitting;
    const token = admitting.token();
    admitting.spend = () => failed(problem('registry_unreachable', {}, 'Consul is away.'));
    const refused = await joinIn('node', token);
    expect(wordsOf(refused)).to.contain('Consul is away');
    expect(await admitting.replicas[1].admissions('failed'), 'both were asked').to.equal(1);
    admitting.spend = spend;
    valueOf(await joinIn('node', token));
  });

  it('goes on with what the folder holds, also when told the used token again', async () => {
    const token = admitting.token();
    const first = valueOf(await joinIn('node', token));
    for (const again of [token, undefined]) {
      const { held, joined: isNew } = valueOf(
        await joined({ token: again, xds: [], folder: admitting.folder('node') }, now),
      );
      expect([held.chain, isNew]).to.deep.equal([first.held.chain, false]);
    }
  });

  it("never writes over another's identity", async () => {
    valueOf(await joinIn('node'));
    const token = admitting.token({ role: 'sidecar', service: 'claims' });
    expect(wordsOf(await joinIn('node', token))).to.contain('remove this one');
  });

  it('takes a new token once the certificate has ended, and none before says so', async () => {
    const { held } = valueOf(await joinIn('node'));
    const [xds, folder] = [addresses(), admitting.folder('node')];
    const without = await joined({ token: undefined, xds, folder }, held.expiresAt);
    expect(wordsOf(without)).to.contain('join again');
    const again = await joined({ token: admitting.token(), xds, folder }, held.expiresAt);
    expect(valueOf(again).joined).to.equal(true);
  });

  it('goes to the next replica where one is away', async () => {
    const away = { host: '127.0.0.1', port: 1 };
    expect(valueOf(await joinIn('node', undefined, [away, ...addresses()])).joined).to.equal(true);
  });

  describe('at somebody else', () => {
    /** A TLS server, and what it was told. */
    async function listening(cert: string, key: string) {
      const told: Buffer[] = [];
      const sockets: TLSSocket[] = [];
      const server = createServer({ cert, key, ALPNProtocols: ['h2'] }, (socket) => {
        sockets.push(socket);
        socket.on('data', (bytes: Buffer) => told.push(bytes));
        socket.on('error', () => undefined);
      }).listen(0, '127.0.0.1');
      server.on('tlsClientError', () => undefined);
      await once(server, 'listening');
      const address: Address = {
        host: '127.0.0.1',
        port: (server.address() as AddressInfo).port,
      };
      const close = () => {
        for (const socket of sockets) socket.destroy();
        server.close();
      };
      return { address, told: () => Buffer.concat(told).toString(), close };
    }

    const toldBy = async (cert: string, key: string): Promise<readonly [string, string]> => {
      const stranger = await listening(cert, key);
      const refused = await joinIn('node', undefined, [stranger.address]);
      stranger.close();
      expect(refused.ok).to.equal(false);
      expect(readdirSync(admitting.folder('node'))).to.be.empty;
      return [wordsOf(refused), stranger.told()];
    };

    it('under another root: it is not even begun, and says who it was not', async () => {
      const other = await makeAuthority(admitting.folder('other'));
      const { chain, key } = valueOf(await other.issue(other.spiffeIdOf('control-plane')));
      const [words, told] = await toldBy(chain + other.roots.value, key);
      expect(words).to.contain('is not the control plane that made this token');
      expect(words).to.contain('Nothing was sent to it');
      expect(told).to.equal('');
      await other.close();
    });

    it('who shows our root, and is not under it: no token is sent', async () => {
      const roots = admitting.authority.roots.value;
      const { subject, keyId } = issuerFieldsOf(new X509Certificate(roots).raw)!;
      const own = newKey();
      const wish = {
        ...{ notBefore: now - 60_000, expiresAt: now + 60_000, hosts: [] },
        spiffeId: admitting.authority.spiffeIdOf('control-plane'),
        publicKey: createPublicKey(own),
      };
      const imitated = await leafCertificate({ key: newKey(), subject, keyId }, wish);
      const [words, told] = await toldBy(imitated + roots, pemOf(own));
      expect(words).to.contain('gave no certificate');
      expect(told).not.to.contain('mcpx1.');
    });

    it('who has a certificate of ours, and is no control plane: no token is sent', async () => {
      const { chain, key } = await admitting.issue('claims');
      const [words, told] = await toldBy(chain + admitting.authority.roots.value, key);
      expect(words).to.contain('spiffe://example.org/claims').and.contain('control-plane');
      expect(told).not.to.contain('mcpx1.');
    });
  });

  describe('and renewing', () => {
    it('keeps who it is, with a new key', async () => {
      const { held } = valueOf(await joinIn('node'));
      const request = { xds: addresses(), folder: admitting.folder('node') };
      const next = valueOf(await renewed(request, held));
      expect(next.id).to.equal(held.id);
      expect(next.key).not.to.equal(held.key);
      expect(valueOf(await readIdentity(request.folder))?.key).to.equal(next.key);
      expect(await admitting.replicas[0].admissions('renewed')).to.equal(1);
    });

    const strangers = ['control-plane', 'admin/ana'];
    for (const workload of strangers)
      it(`is not for ${workload}`, async () => {
        const [replica] = admitting.replicas;
        const trust = { roots: admitting.authority.roots.value, trustDomain };
        const refused = await renew(
          replica.address,
          { ...trust, ...(await admitting.issue(workload)) },
          await requestFor(newKey()),
        );
        expect(wordsOf(refused)).to.contain('takes the certificate of an edge or a sidecar');
        expect(await replica.admissions('forged')).to.equal(1);
      });

    it('is not for who holds a revoked certificate: that is stolen, or joins anew', async () => {
      const { held } = valueOf(await joinIn('node'));
      admitting.revoked.set(held.id, Date.now() + 1_000);
      const folder = admitting.folder('node');
      const refused = await renewed({ xds: addresses(), folder }, held);
      expect(wordsOf(refused)).to.contain('identity.revoked').and.contain('join anew');
      expect(await admitting.replicas[0].admissions('revoked')).to.equal(1);
      admitting.revoked.set(held.id, Date.now() - 60_000);
      expect(valueOf(await renewed({ xds: addresses(), folder }, held)).id).to.equal(held.id);
    });

    it('is done once where it is due, and not before', async () => {
      const { held } = valueOf(await joinIn('node'));
      const request = { token: undefined, xds: addresses(), folder: admitting.folder('node') };
      const chainAt = async (at: number) => {
        const running = { clock: { now: () => at }, log: silentLog, signal: never };
        return valueOf(await keepJoined({ ...request, once: true }, running)).chain;
      };
      const life = held.expiresAt - held.notBefore;
      expect(await chainAt(held.notBefore + life * 0.3)).to.equal(held.chain);
      expect(await chainAt(held.notBefore + life * 0.45)).not.to.equal(held.chain);
    });

    it('goes on until it is told to end', async () => {
      valueOf(await joinIn('node'));
      const request = { token: undefined, xds: [], folder: admitting.folder('node') };
      const stop = new AbortController();
      const running = { clock: systemClock, log: silentLog, signal: stop.signal };
      const going = keepJoined({ ...request, once: false }, running);
      stop.abort();
      expect(valueOf(await going).id).to.equal('spiffe://example.org/edge');
    });

    it('that never came in time ends with words', async () => {
      const { held } = valueOf(await joinIn('node'));
      const xds = [{ host: '127.0.0.1', port: 1 }];
      const request = { token: undefined, xds, folder: admitting.folder('node') };
      let at = held.expiresAt - 1;
      // Time passes only by being asked for.
      const running = { clock: { now: () => at++ }, log: silentLog, signal: never };
      const ended = await keepJoined({ ...request, once: false }, running);
      expect(wordsOf(ended)).to.contain('before it could be renewed').and.contain('join again');
    });

    it('leaves what is there where it fails', async () => {
      const { held } = valueOf(await joinIn('node'));
      const folder = admitting.folder('node');
      const refused = await renewed({ xds: [{ host: '127.0.0.1', port: 1 }], folder }, held);
      expect(wordsOf(refused)).to.contain('gave no certificate');
      expect(valueOf(await readIdentity(folder))?.chain).to.equal(held.chain);
    });
  });

  it('says what is in the way before it asks for anything', async () => {
    const token = admitting.token();
    const folder = path(admitting.folder('authority'), 'authority.json', 'node');
    expect(wordsOf(await joined({ token, xds: addresses(), folder }, now))).to.contain('--folder');
    valueOf(await joinIn('node', token));
  });
});

const pemOf = (key: ReturnType<typeof newKey>): string =>
  key.export({ type: 'pkcs8', format: 'pem' }).toString();
