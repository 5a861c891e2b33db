import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { openAuthority } from '../../../src/certificates/authority.js';
import { urisOf } from '../../../src/certificates/reading.js';
import { issuedAt } from '../../../src/certificates/renewal.js';
import { requestFor } from '../../../src/certificates/x509.js';
import { requestWithNames, weakRequest } from './requests.js';
import {
  authorityOptions,
  authorityWith,
  cleanUp,
  closing,
  day,
  handshake,
  hour,
  leafOf,
  messageOf,
  settled,
  StandingClock,
  start,
  valueOf,
} from './stage.js';

const claims = 'spiffe://mcpx/claims';
const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('the authority', () => {
  afterEach(cleanUp);

  it('keeps its key for its owner alone, in a folder of its own', async () => {
    const options = authorityOptions();
    closing(valueOf(await openAuthority(options)));
    expect(modeOf(options.folder)).to.equal(0o700);
    expect(modeOf(join(options.folder, 'authority.json'))).to.equal(0o600);
  });

  it('takes from others what they could read', async () => {
    const options = authorityOptions();
    await valueOf(await openAuthority(options)).close();
    chmodSync(options.folder, 0o755);
    chmodSync(join(options.folder, 'authority.json'), 0o644);
    closing(valueOf(await openAuthority(options)));
    expect(modeOf(options.folder)).to.equal(0o700);
    expect(modeOf(join(options.folder, 'authority.json'))).to.equal(0o600);
  });

  for (const lifeMs of [60_000, hour, day])
    it(`tells by its leaf when it was signed, where it lives for ${lifeMs} ms`, async () => {
      const authority = await authorityWith({ lifeMs });
      expect(issuedAt(valueOf(await authority.issue(claims)))).to.equal(start);
    });

  it('is the same one after a restart', async () => {
    const options = authorityOptions();
    const before = valueOf(await openAuthority(options));
    await before.close();
    const after = closing(valueOf(await openAuthority(options)));
    expect(after.roots.value).to.equal(before.roots.value);
  });

  it('is one, when two are opened on one folder at once', async () => {
    const options = authorityOptions();
    const opened = await Promise.all([openAuthority(options), openAuthority(options)]);
    const [one, other] = opened.map((each) => closing(valueOf(each)));
    expect(one?.roots.value).to.equal(other?.roots.value);
  });

  it('does not start on what it cannot read, and leaves it as it is', async () => {
    const options = authorityOptions();
    const path = join(options.folder, 'authority.json');
    await valueOf(await openAuthority(options)).close();
    const kept = readFileSync(path, 'utf8');
    const [, secret = ''] = /PRIVATE KEY-----\\n(.{20})/.exec(kept) ?? [];
    expect(secret).to.have.length(20);
    for (const broken of ['', kept.slice(0, -9), '{"format":2}', kept.replace(/MII/, 'AAA')]) {
      writeFileSync(path, broken);
      const message = messageOf(await openAuthority(options));
      expect(message).to.contain(path).and.to.contain('Put back a copy');
      expect(message).not.to.contain(secret);
      expect(readFileSync(path, 'utf8')).to.equal(broken);
    }
  });

  it('does not start where it cannot keep its key', async () => {
    const options = authorityOptions();
    mkdirSync(join(options.folder, 'authority.json'), { recursive: true });
    expect(messageOf(await openAuthority(options))).to.contain('cannot be used');
  });

  it('makes a root that says whose it is and signs no other authorities', async () => {
    const authority = await authorityWith({ trustDomain: 'example.org' });
    const root = new X509Certificate(authority.roots.value);
    expect(root.ca).to.equal(true);
    expect(root.subjectAltName).to.equal('URI:spiffe://example.org');
    expect(root.subject).to.match(/^O=MCPX\nCN=MCPX example\.org [0-9a-f]{8}$/);
    expect(Date.parse(root.validTo)).to.be.at.least(start + 3_000 * day);
  });

  it('signs a leaf for one SPIFFE ID, to serve with and to call with', async () => {
    const authority = await authorityWith();
    const certificate = valueOf(await authority.issue(claims));
    const leaf = leafOf(certificate);
    expect(leaf.subjectAltName).to.equal(`URI:${claims}`);
    expect(leaf.keyUsage).to.deep.equal(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    expect(leaf.ca).to.equal(false);
    expect(leaf.verify(new X509Certificate(authority.roots.value).publicKey)).to.equal(true);
    expect(certificate.spiffeId).to.equal(claims);
  });

  it('lets a leaf begin earlier, for clocks that are behind, and end in time', async () => {
    const authority = await authorityWith();
    const { chain, notBefore, expiresAt } = valueOf(await authority.issue(claims));
    expect([notBefore, expiresAt]).to.deep.equal([start - 300_000, start + day]);
    const leaf = leafOf({ chain });
    expect([Date.parse(leaf.validFrom), Date.parse(leaf.validTo)]).to.deep.equal([
      notBefore,
      expiresAt,
    ]);
  });

  it('gives a short life its share of the past', async () => {
    const authority = await authorityWith({ lifeMs: 10_000 });
    const { notBefore, expiresAt } = valueOf(await authority.issue(claims));
    expect([notBefore, expiresAt]).to.deep.equal([start - 1_000, start + 10_000]);
  });

  it('writes the names and addresses of a host where it is told them', async () => {
    const authority = await authorityWith();
    const hosts = ['mcpx.example.org', '10.0.0.7', '::1'];
    const leaf = leafOf(
      valueOf(await authority.issueForLink('spiffe://mcpx/control-plane', hosts)),
    );
    expect(hosts.map((each) => leaf.checkHost(each) ?? leaf.checkIP(each))).to.deep.equal(hosts);
    expect(urisOf(leaf)).to.deep.equal(['spiffe://mcpx/control-plane']);
  });

  it('lets two of its leaves meet over TLS 1.3, and nobody of another authority', async () => {
    const [ours, theirs] = [await authorityWith(), await authorityWith()];
    const sideOf = async (authority: typeof ours, roots = authority) => ({
      certificate: valueOf(await authority.issue(claims)),
      roots: roots.roots.value,
    });
    expect(await handshake(await sideOf(ours), await sideOf(ours))).to.equal('TLSv1.3');
    const stranger = await sideOf(theirs, ours);
    expect(await handshake(await sideOf(ours), stranger)).to.equal('refused');
    expect(await handshake(stranger, await sideOf(ours))).to.equal('refused');
  });

  describe('asked by a request', () => {
    it('signs the key in it for the one name it was told, whatever the request says', async () => {
      const authority = await authorityWith();
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const { chain } = valueOf(await authority.signRequest(await requestFor(privateKey), claims));
      expect(leafOf({ chain }).publicKey.equals(publicKey)).to.equal(true);
      const named = leafOf(valueOf(await authority.signRequest(requestWithNames, claims)));
      expect(named.subjectAltName).to.equal(`URI:${claims}`);
      expect(named.subject).to.equal('O=MCPX');
      expect(named.ca).to.equal(false);
    });

    it('gives no longer life than its own leaves have', async () => {
      const authority = await authorityWith();
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const request = await requestFor(privateKey);
      const longer = valueOf(await authority.signRequest(request, claims, 9 * day));
      const shorter = valueOf(await authority.signRequest(request, claims, hour));
      expect([longer.expiresAt, shorter.expiresAt]).to.deep.equal([start + day, start + hour]);
    });

    it('is not held up by what is made to be read for ever', async () => {
      const authority = await authorityWith();
      const headers = `a: b\n${' a: b\n'.repeat(60)}`;
      const slow = pemOf(`${headers}!`);
      for (const each of [slow, pemOf(Buffer.from(slow).toString('base64')), pemOf(nested)])
        expect(messageOf(await authority.signRequest(each, claims))).to.contain(
          'no certificate request',
        );
    });

    it('refuses what is no request, is signed by another key, or has a weak one', async () => {
      const authority = await authorityWith();
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const request = await requestFor(privateKey);
      const lines = request.trim().split('\n');
      const forged = lines.map((line, at) => (at === lines.length - 2 ? swapped(line) : line));
      const wrong = [
        ...['', 'hello', authority.roots.value, request + request],
        ...[request.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'), request.slice(0, 120)],
        ...[lines.toSpliced(2, 1).join('\n'), forged.join('\n'), weakRequest],
      ];
      for (const each of wrong)
        expect(messageOf(await authority.signRequest(each, claims)), each).to.contain(
          'no certificate request',
        );
      expect((await authority.signRequest(request, claims)).ok).to.equal(true);
    });
  });

  it('signs no key but that of the request, however its bytes are twisted', async () => {
    const authority = await authorityWith();
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const made = await requestFor(privateKey);
    const bytes = Buffer.from(made.replace(/-----.*-----/g, ''), 'base64');
    const twist = fc.record({ at: fc.nat(bytes.length - 1), to: fc.integer({ min: 0, max: 255 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(twist, { minLength: 1, maxLength: 4 }), async (twists) => {
        const twisted = Buffer.from(bytes);
        for (const { at, to } of twists) twisted[at] = to;
        const request = pemOf(twisted.toString('base64'));
        const signed = await authority.signRequest(request, claims);
        if (signed.ok) expect(leafOf(signed.value).publicKey.equals(publicKey)).to.equal(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('makes secrets that go with a root and a purpose, and with nothing else', async () => {
    const options = authorityOptions();
    const authority = closing(valueOf(await openAuthority(options)));
    const again = closing(valueOf(await openAuthority(options)));
    const root = authority.signer.value;
    const secret = authority.secretFor('join', root);
    expect(secret).to.have.length(32);
    expect(again.secretFor('join', root)).to.deep.equal(secret);
    expect(authority.secretFor('admin', root)).not.to.deep.equal(secret);
    expect(authority.secretFor('join', 'f'.repeat(64))).to.equal(undefined);
  });

  describe('rotating its root', () => {
    const stateOf = (authority: Awaited<ReturnType<typeof authorityWith>>) =>
      authority.list().map(({ state }) => state);

    it('trusts the new one, then signs with it, then drops the old one', async () => {
      const clock = new StandingClock();
      const authority = await authorityWith({ clock, beat: clock.beat });
      const first = authority.signer.value;
      const [, second] = valueOf(await authority.rotate('soon'));
      expect(stateOf(authority)).to.deep.equal(['signing', 'next']);
      expect(authority.roots.value.match(/BEGIN/g)).to.have.length(2);
      expect(authority.signer.value).to.equal(first);
      await clock.pass(day / 2);
      await authority.signer.when((signer) => signer === second?.fingerprint);
      expect(stateOf(authority)).to.deep.equal(['retiring', 'signing']);
      await clock.pass(day - 1);
      expect(stateOf(authority)).to.deep.equal(['retiring', 'signing']);
      await clock.pass(1);
      await authority.roots.when((roots) => roots === second?.certificate);
      expect(stateOf(authority)).to.deep.equal(['signing']);
    });

    it('trusts a leaf from before while the roots overlap, and refuses it after', async () => {
      const clock = new StandingClock();
      const authority = await authorityWith({ clock, beat: clock.beat });
      const before = valueOf(await authority.issue(claims));
      valueOf(await authority.rotate('now'));
      const after = () => authority.issue(claims).then(valueOf);
      const meet = async () => {
        const server = { certificate: await after(), roots: authority.roots.value };
        return handshake(server, { certificate: before, roots: server.roots });
      };
      expect(leafOf(await after()).issuer).not.to.equal(leafOf(before).issuer);
      expect(await meet()).to.equal('TLSv1.3');
      const [, current] = authority.list();
      await clock.pass(day);
      await authority.roots.when((roots) => roots === current?.certificate);
      clock.at = start;
      const server = { certificate: await after(), roots: current?.certificate ?? '' };
      const refused = await handshake(server, { certificate: before, roots: server.roots });
      expect(refused).to.equal('refused');
    });

    it('shows itself under a root that nodes know, until they know the new one', async () => {
      const clock = new StandingClock();
      const authority = await authorityWith({ clock, beat: clock.beat });
      const [old = ''] = authority.list().map(({ certificate }) => certificate);
      const [, next] = valueOf(await authority.rotate('now'));
      const shown = async () =>
        valueOf(await authority.issueForLink('spiffe://mcpx/control-plane', []));
      const isUnder = async (root: string) => leafOf(await shown()).verify(keyOf(root));
      const keyOf = (root: string) => new X509Certificate(root).publicKey;
      expect(await isUnder(old)).to.equal(true);
      await clock.pass(day / 2 - 1);
      expect(await isUnder(old)).to.equal(true);
      expect((await shown()).expiresAt, 'as long as the root was said to stay').to.be.at.most(
        start + day,
      );
      await clock.pass(1);
      expect(await isUnder(next?.certificate ?? '')).to.equal(true);
    });

    it('forgets the key of a root that is gone', async () => {
      const clock = new StandingClock();
      const options = authorityOptions({ clock, beat: clock.beat });
      const authority = closing(valueOf(await openAuthority(options)));
      const first = authority.signer.value;
      await authority.rotate('now');
      await clock.pass(day);
      await authority.close();
      const kept = JSON.parse(readFileSync(join(options.folder, 'authority.json'), 'utf8')) as {
        roots: unknown[];
      };
      expect(kept.roots).to.have.length(1);
      expect(authority.secretFor('join', first)).to.equal(undefined);
    });

    it('asked again, goes on with the one under way, and hastens it when told to', async () => {
      const clock = new StandingClock();
      const authority = await authorityWith({ clock });
      const once = valueOf(await authority.rotate('soon'));
      clock.at += hour;
      expect(valueOf(await authority.rotate('soon'))).to.deep.equal(once);
      const hastened = valueOf(await authority.rotate('now'));
      expect(hastened.map(({ state }) => state)).to.deep.equal(['retiring', 'signing']);
      expect(hastened[1]?.fingerprint).to.equal(once[1]?.fingerprint);
    });

    it('refuses one more when many are trusted already', async () => {
      const authority = await authorityWith();
      const asked: boolean[] = [];
      for (let time = 0; time < 6; time++) asked.push((await authority.rotate('now')).ok);
      expect(asked).to.deep.equal([true, true, true, true, true, false]);
      expect(messageOf(await authority.rotate('now'))).to.contain('wait until');
      expect(authority.list()).to.have.length(6);
    });

    it('goes on after a restart where it was, and remembers how long leaves may live', async () => {
      const clock = new StandingClock();
      const options = authorityOptions({ clock });
      const before = valueOf(await openAuthority(options));
      const old = valueOf(await before.issue(claims));
      valueOf(await before.rotate('now'));
      await before.close();
      clock.at = old.expiresAt - 1_000;
      const after = closing(valueOf(await openAuthority({ ...options, lifeMs: hour })));
      expect(after.list().map(({ state }) => state)).to.deep.equal(['retiring', 'signing']);
    });

    it('follows itself up before its own end comes', async () => {
      const clock = new StandingClock();
      const authority = await authorityWith({ clock, beat: clock.beat });
      const end = authority.list()[0]?.expiresAt ?? 0;
      await clock.pass((end - start) / 2 - day);
      expect(authority.list()).to.have.length(1);
      await clock.pass(2 * day);
      await authority.roots.when((roots) => roots.match(/BEGIN/g)?.length === 2);
      expect(stateOf(authority)).to.deep.equal(['signing', 'next']);
    });

    it('has one that signs at once where all have ended while it was away', async () => {
      const clock = new StandingClock();
      const options = authorityOptions({ clock });
      await valueOf(await openAuthority(options)).close();
      clock.at = start + 4_000 * day;
      const authority = closing(valueOf(await openAuthority(options)));
      expect((await authority.issue(claims)).ok).to.equal(true);
    });
  });

  it('looks no more once it is closed', async () => {
    const clock = new StandingClock();
    const authority = await authorityWith({ clock, beat: clock.beat });
    expect(clock.listeners).to.equal(1);
    await authority.close();
    await settled();
    expect(clock.listeners).to.equal(0);
  });
});

const swapped = (line: string): string =>
  line.replace(/[A-Za-z]/, (at) => (at === 'A' ? 'B' : 'A'));

const pemOf = (content: string): string =>
  `-----BEGIN CERTIFICATE REQUEST-----\n${content}\n-----END CERTIFICATE REQUEST-----\n`;

/** Sequences in sequences, as deep as a request may be long. */
const nested = Buffer.from('30820fff'.repeat(3_000), 'hex').toString('base64');
