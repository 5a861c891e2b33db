import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Issuer } from '../../../src/certificates/certificate.js';
import { createFilesIssuer } from '../../../src/certificates/files_issuer.js';
import { Certificates } from '../../../src/certificates/keeper.js';
import { systemClock } from '../../../src/clock.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { createMetrics } from '../../../src/metrics.js';
import { chained } from './elsewhere.js';
import {
  cleanUp,
  closing,
  day,
  folder,
  givenRoot,
  handshake,
  hour,
  messageOf,
  start,
  valueOf,
} from './stage.js';

const claims = 'spiffe://mcpx/claims';

interface Files {
  readonly chain: string;
  readonly key: string;
}

async function stage(given?: Awaited<ReturnType<typeof givenRoot>>) {
  const root = given ?? (await givenRoot());
  const into = folder();
  const write = ({ chain, key }: Files, name = 'claims') => {
    writeFileSync(join(into, `${name}-key.pem`), key, { mode: 0o600 });
    writeFileSync(join(into, `${name}.pem`), chain);
  };
  const writeRoots = (text: string) => writeFileSync(join(into, 'roots.pem'), text);
  writeRoots(root.certificate);
  write(await root.leaf({ spiffeId: claims }));
  const opened = () =>
    closing(createFilesIssuer({ folder: into, trustDomain: 'mcpx', log: silentLog }));
  const refusal = async (files: Files) => {
    write(files);
    const issuer = opened();
    const message = messageOf(await issuer.issue('claims'));
    await issuer.close();
    return message;
  };
  return { root, into, write, writeRoots, opened, refusal };
}

/** Roots as they are told. */
function rootsOf(issuer: Issuer): Latest<string> {
  const roots = new Latest('');
  issuer.watchRoots((seen) => roots.set(seen));
  return roots;
}

describe('certificates in files', () => {
  afterEach(cleanUp);

  it('are read by name, with their key and the roots, and serve', async () => {
    const { opened, root } = await stage();
    const issuer = opened();
    const certificate = valueOf(await issuer.issue('claims'));
    expect(certificate).to.deep.include({ spiffeId: claims, expiresAt: start + day });
    expect(await rootsOf(issuer).when((roots) => roots !== '')).to.equal(root.certificate);
    const side = { certificate, roots: root.certificate };
    expect(await handshake(side, side)).to.equal('TLSv1.3');
  });

  it('are refused when the key is not theirs', async () => {
    const { root, refusal } = await stage();
    const [{ chain }, { key }] = [
      await root.leaf({ spiffeId: claims }),
      await root.leaf({ spiffeId: claims }),
    ];
    expect(await refusal({ chain, key })).to.match(
      /claims-key\.pem is not the one of .*claims\.pem/,
    );
  });

  it('are refused when they name anybody else', async () => {
    const { root, refusal } = await stage();
    for (const spiffeId of ['spiffe://mcpx/quotes', 'spiffe://other/claims', `${claims}/more`])
      expect(await refusal(await root.leaf({ spiffeId }))).to.contain(
        `must name the URI ${claims}`,
      );
  });

  it('are refused when they have ended, or have not begun', async () => {
    const { root, refusal } = await stage();
    const ended = await root.leaf({
      spiffeId: claims,
      notBefore: start - day,
      expiresAt: start - hour,
    });
    expect(await refusal(ended)).to.contain('has ended at');
    const early = await root.leaf({ spiffeId: claims, notBefore: start + hour });
    expect(await refusal(early)).to.contain('holds only from');
  });

  it('are refused when no root of theirs is trusted, or they are an authority', async () => {
    const { refusal } = await stage();
    expect(await refusal(await (await givenRoot()).leaf({ spiffeId: claims }))).to.contain(
      'leads to a root',
    );
    const { intermediate } = chained;
    const authority = { chain: intermediate.certificate, key: intermediate.key };
    expect(await refusal(authority)).to.contain('must name the URI');
  });

  it('are refused when they are garbage, or not there', async () => {
    const { root, refusal, opened } = await stage();
    const { chain, key } = await root.leaf({ spiffeId: claims });
    expect(await refusal({ chain: 'garbage', key })).to.contain('holds no certificate');
    expect(await refusal({ chain: chain.replace('MII', 'AAA'), key })).to.contain('no certificate');
    const secret = key.split('\n')[1] ?? '';
    const broken = await refusal({ chain, key: key.slice(0, 100) });
    expect(broken).to.contain('holds no private key').and.not.to.contain(secret.slice(0, 20));
    expect(messageOf(await opened().issue('quotes'))).to.contain('cannot be read');
  });

  it('are never looked for outside the folder', async () => {
    const { opened } = await stage();
    const issuer = opened();
    for (const name of ['../claims', 'a/b', '', '.', 'Claims'])
      expect(messageOf(await issuer.issue(name)), name).to.contain('is no name of a file');
  });

  it('are told to be renewed when a file of theirs changes', async () => {
    const { root, write, opened } = await stage();
    const issuer = opened();
    const renewals = new Latest<readonly (string | undefined)[]>([]);
    issuer.watchRenewals((workload) => renewals.set([...renewals.value, workload]));
    const before = valueOf(await issuer.issue('claims'));
    const next = await root.leaf({ spiffeId: claims, expiresAt: start + 2 * day });
    write(next);
    await renewals.when((seen) => seen.includes('claims'));
    const after = valueOf(await issuer.issue('claims'));
    expect([before.expiresAt, after.expiresAt]).to.deep.equal([start + day, start + 2 * day]);
  }).timeout(10_000);

  it('follow the roots, and the last good ones stay while the file is no good', async () => {
    const { root, writeRoots, opened } = await stage();
    const other = await givenRoot();
    const issuer = opened();
    const roots = rootsOf(issuer);
    await roots.when((seen) => seen !== '');
    writeRoots('garbage');
    await hasProblems(issuer);
    expect(issuer.problems?.()[0]?.message).to.contain('the last good ones stay');
    expect(roots.value).to.equal(root.certificate);
    writeRoots(root.certificate + other.certificate + root.certificate);
    await roots.when((seen) => seen === root.certificate + other.certificate);
    expect(issuer.problems?.()).to.deep.equal([]);
  }).timeout(10_000);

  it('wait for a folder that is not there yet, and say what is missing', async () => {
    const root = await givenRoot();
    const into = join(folder(), 'later');
    const issuer = closing(
      createFilesIssuer({ folder: into, trustDomain: 'mcpx', log: silentLog }),
    );
    expect((await issuer.issue('claims')).ok).to.equal(false);
    expect(issuer.problems?.()[0]?.message).to.contain('nobody is trusted yet');
    const roots = rootsOf(issuer);
    mkdirSync(into);
    writeFileSync(join(into, 'roots.pem'), root.certificate);
    expect(await roots.when((seen) => seen !== '')).to.equal(root.certificate);
  }).timeout(10_000);

  it('stay with whoever holds them while what is written does not fit together', async () => {
    const { root, into, write, opened } = await stage();
    const issuer = opened();
    const options = { issuer, clock: systemClock, metrics: createMetrics(), log: silentLog };
    const kept = closing(new Certificates(options));
    kept.want('claims');
    const held = () => kept.material.value.certificates.get('claims');
    await kept.material.when(({ certificates }) => certificates.has('claims'));
    const before = held();
    const next = await root.leaf({ spiffeId: claims, expiresAt: start + 2 * day });
    rmSync(join(into, 'claims-key.pem'));
    writeFileSync(join(into, 'claims.pem'), next.chain);
    await hasProblems(kept);
    expect(kept.problems()[0]?.message).to.contain('The one there is holds until');
    expect(held()).to.equal(before);
    write(next);
    await kept.material.when(({ certificates }) => certificates.get('claims') !== before);
    expect(held()?.expiresAt).to.equal(start + 2 * day);
    expect(kept.problems()).to.deep.equal([]);
  }).timeout(10_000);
});

/** The file system is what tells, so it is asked until it has. */
async function hasProblems(told: Pick<Issuer, 'problems'>): Promise<void> {
  while ((told.problems?.() ?? []).length === 0) await new Promise((next) => setImmediate(next));
}
