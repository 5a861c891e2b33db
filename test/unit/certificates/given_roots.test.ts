import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { openAuthority } from '../../../src/certificates/authority.js';
import { chained, rsaRoot } from './elsewhere.js';
import {
  authorityOptions,
  authorityWith,
  cleanUp,
  day,
  folder,
  givenRoot,
  handshake,
  hour,
  leafOf,
  messageOf,
  StandingClock,
  start,
  valueOf,
  written,
} from './stage.js';

const claims = 'spiffe://mcpx/claims';

/** Why files of such an authority are not taken. */
async function refusalOf(certificate: string, key: string): Promise<string> {
  return messageOf(await openAuthority(authorityOptions({ given: written(certificate, key) })));
}

describe('an authority that is given', () => {
  afterEach(cleanUp);

  it('signs for all replicas as if they were one', async () => {
    const root = await givenRoot();
    const given = written(root.certificate, root.key);
    const [one, other] = [await authorityWith({ given }), await authorityWith({ given })];
    expect(one.roots.value).to.equal(other.roots.value);
    expect(one.secretFor('join', one.signer.value)).to.deep.equal(
      other.secretFor('join', one.signer.value),
    );
    const sides = await Promise.all(
      [one, other].map(async (authority) => ({
        certificate: valueOf(await authority.issue(claims)),
        roots: authority.roots.value,
      })),
    );
    const [server, client] = sides;
    expect(server && client && (await handshake(server, client))).to.equal('TLSv1.3');
  });

  it('may be of RSA', async () => {
    const authority = await authorityWith({ given: written(rsaRoot.certificate, rsaRoot.key) });
    const side = {
      certificate: valueOf(await authority.issue(claims)),
      roots: authority.roots.value,
    };
    expect(await handshake(side, side)).to.equal('TLSv1.3');
  });

  it('may be signed by a root that is kept elsewhere', async () => {
    const { intermediate, root } = chained;
    const given = written(intermediate.certificate + root, intermediate.key);
    const authority = await authorityWith({ given });
    const certificate = valueOf(await authority.issue(claims));
    expect(certificate.chain.match(/BEGIN/g)).to.have.length(2);
    expect(authority.roots.value).to.equal(root);
    const side = { certificate, roots: root };
    expect(await handshake(side, side)).to.equal('TLSv1.3');
    expect(await refusalOf(intermediate.certificate, intermediate.key)).to.contain(
      'leads from its first certificate to a root',
    );
  });

  it('is refused when the key is another’s, garbage, or of a kind that is not taken', async () => {
    const [one, other] = [await givenRoot(), await givenRoot()];
    expect(await refusalOf(one.certificate, other.key)).to.contain('is not the one of the first');
    expect(await refusalOf(one.certificate, 'garbage')).to.contain('no private key');
    const { privateKey } = generateKeyPairSync('ed25519');
    const odd = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(await refusalOf(one.certificate, odd)).to.contain('is not of ECDSA');
  });

  it('is refused when the certificate is garbage, broken, missing, or no authority', async () => {
    const root = await givenRoot();
    const leaf = await root.leaf({ spiffeId: claims });
    const broken = root.certificate.replace(/\n[^\n]{64}\n/, '\n');
    expect(await refusalOf('garbage', root.key)).to.contain('holds no certificate');
    expect(await refusalOf(broken, root.key)).to.contain('holds no certificate');
    expect(await refusalOf(leaf.chain, leaf.key)).to.contain('is no authority');
    const given = { certificate: `${folder()}/none.pem`, key: `${folder()}/none.pem` };
    const outcome = await openAuthority(authorityOptions({ given }));
    expect(messageOf(outcome)).to.contain('cannot be read').and.to.contain('none.pem');
  });

  it('is refused when it has ended, or has not begun', async () => {
    const ended = await givenRoot({ notBefore: start - 9 * day, expiresAt: start - day });
    expect(await refusalOf(ended.certificate, ended.key)).to.contain('has ended');
    const early = await givenRoot({ notBefore: start + day });
    expect(await refusalOf(early.certificate, early.key)).to.contain('valid now');
  });

  it('shows no key where it says what is wrong', async () => {
    const [one, other] = [await givenRoot(), await givenRoot()];
    const said = [
      await refusalOf(one.certificate, other.key),
      await refusalOf(other.key, other.key),
      await refusalOf(one.certificate, other.key.slice(0, 90)),
    ].join(' ');
    for (const line of other.key.split('\n').filter((each) => /^[^-]/.test(each)))
      expect(said).not.to.contain(line);
  });

  it('lets no leaf outlive it', async () => {
    const root = await givenRoot({ expiresAt: start + hour });
    const authority = await authorityWith({ given: written(root.certificate, root.key) });
    expect(valueOf(await authority.issue(claims)).expiresAt).to.equal(start + hour);
  });

  it('is followed when its files change; the last good stays while they do not fit', async () => {
    const [before, after] = [await givenRoot(), await givenRoot()];
    const clock = new StandingClock();
    const given = written(before.certificate, before.key);
    const authority = await authorityWith({ given, clock, beat: clock.beat });
    const first = authority.signer.value;
    writeFileSync(given.certificate, after.certificate + before.certificate);
    await lookedAt(clock, () => authority.problems().length > 0);
    expect(authority.problems()[0]?.message).to.contain('is not the one of the first');
    expect(authority.signer.value).to.equal(first);
    expect((await authority.issue(claims)).ok).to.equal(true);
    writeFileSync(given.key, after.key);
    await lookedAt(clock, () => authority.signer.value !== first);
    expect(authority.problems()).to.deep.equal([]);
    expect(authority.list().map(({ state }) => state)).to.deep.equal(['signing', 'trusted']);
    const leaf = leafOf(valueOf(await authority.issue(claims)));
    expect(leaf.issuer).to.equal(leafOf({ chain: after.certificate }).subject);
  });

  it('is rotated by whoever writes its files, and says how', async () => {
    const root = await givenRoot();
    const authority = await authorityWith({ given: written(root.certificate, root.key) });
    expect(messageOf(await authority.rotate('soon'))).to.contain('add the new root to');
  });

  it('is spoken of long before it ends', async () => {
    const root = await givenRoot();
    const clock = new StandingClock();
    const authority = await authorityWith({ given: written(root.certificate, root.key), clock });
    clock.at = start + 334 * day;
    expect(authority.problems()).to.deep.equal([]);
    clock.at = start + 336 * day;
    expect(authority.problems()[0]?.message).to.contain('bring in its successor before');
  });
});

/** Beats until it is so. */
async function lookedAt(clock: StandingClock, isSo: () => boolean): Promise<void> {
  while (!isSo()) await clock.pass(2_000);
}
