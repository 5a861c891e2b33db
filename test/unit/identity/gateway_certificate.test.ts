import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { readConfig } from '../../../src/config.js';
import { watchGatewayCertificate } from '../../../src/identity/gateway_certificate.js';
import { silentLog } from '../../../src/log.js';
import { createMetrics } from '../../../src/metrics.js';
import {
  cleanUp,
  closing,
  day,
  folder,
  givenRoot,
  StandingClock,
  start,
  valueOf,
} from '../certificates/stage.js';

interface Written {
  readonly chain: string;
  readonly key: string;
}

/** Of a life of 90 days, which ends then. */
const pair = async (expiresAt: number): Promise<Written> =>
  (await givenRoot({ expiresAt: start + 900 * day })).leaf({
    ...{ spiffeId: 'spiffe://mcpx/any', notBefore: expiresAt - 90 * day, expiresAt },
  });

function stage(mode: 'mutual' | 'off', first: Written | undefined) {
  const into = folder();
  const paths = { certificate: join(into, 'a.pem'), key: join(into, 'a-key.pem') };
  const write = ({ chain, key }: Written) => {
    writeFileSync(paths.certificate, chain);
    writeFileSync(paths.key, key);
  };
  if (first) write(first);
  const flags = { identity: { mode }, gateway: { tls: paths } };
  const config = valueOf(readConfig({ env: {}, cwd: into, flags }));
  const [clock, metrics] = [new StandingClock(), createMetrics()];
  const parts = { clock, metrics, log: silentLog, beat: clock.beat };
  const watched = closing(watchGatewayCertificate(config, parts)!);
  const told = () => watched.problems().map(({ code, message }) => `${code}: ${message}`);
  /** Looks again and again, until it is so. */
  const until = async (accept: () => boolean) => {
    for (let turn = 0; turn < 20_000 && !accept(); turn++) await clock.pass(0);
    expect(accept(), accept.toString()).to.equal(true);
  };
  const serves = ({ chain }: Written) =>
    JSON.stringify([watched.certificate.value]).includes(JSON.stringify(chain));
  return { ...{ paths, write, clock, metrics, watched, told, until, serves } };
}

describe('the certificate of the gateway', () => {
  afterEach(cleanUp);

  for (const mode of ['mutual', 'off'] as const) {
    it(`is told to be late, and then to have ended (identity ${mode})`, async () => {
      const expiresAt = start + 30 * day;
      const { watched, told, until, clock, metrics, paths } = stage(mode, await pair(expiresAt));
      await until(() => watched.held() !== undefined);
      expect(watched.held()).to.deep.equal({
        ...{ file: paths.certificate, notBefore: start - 60 * day, expiresAt },
      });
      expect(told()).to.deep.equal([]);
      const series = 'mcpx_certificate_expires_seconds{workload="gateway"}';
      expect(await metrics.text()).to.contain(`${series} ${expiresAt / 1_000}`);
      clock.at = start + 8 * day;
      expect(told()).to.have.length(1);
      expect(told()[0]).to.match(/^certificate_late: .*was not renewed in time and ends at/);
      expect(watched.problems()[0]?.severity).to.equal('warning');
      expect(told()[0]).to.contain(paths.certificate).and.contain('Renew it');
      clock.at = expiresAt;
      expect(told()).to.have.length(1);
      expect(told()[0]).to.match(/^certificate_unavailable: .* ended at .*Renew it now/);
      expect(watched.problems()[0]?.severity).to.equal('error');
    });

    it(`is well again when it was renewed (identity ${mode})`, async () => {
      const { write, watched, told, until } = stage(mode, await pair(start + day));
      await until(() => told().length === 1);
      write(await pair(start + 90 * day));
      await until(() => told().length === 0);
      expect(watched.held()?.expiresAt).to.equal(start + 90 * day);
    });
  }

  it('is not replaced by one that has ended, which is told', async () => {
    const [good, ended] = [await pair(start + 90 * day), await pair(start - day)];
    const { write, told, until, serves } = stage('mutual', good);
    await until(() => serves(good));
    write(ended);
    await until(() => told()[0]?.includes('has ended at') === true);
    expect(told()).to.have.length(1);
    expect(told()[0]).to.contain('before stays');
    expect(serves(good)).to.equal(true);
    write(good);
    await until(() => told().length === 0);
  });

  it('is served though it has ended where there is nothing better, and that is told', async () => {
    const ended = await pair(start - day);
    const { told, until, serves } = stage('mutual', ended);
    await until(() => serves(ended) && told().length === 1);
    expect(told()[0]).to.contain(' ended at ').and.contain('Renew it now');
  });

  it('is looked at without its key where Envoy reads it itself', async () => {
    const { paths, watched, until } = stage('off', await pair(start + 90 * day));
    rmSync(paths.key);
    writeFileSync(paths.certificate, (await pair(start + 80 * day)).chain);
    await until(() => watched.held()?.expiresAt === start + 80 * day);
    expect(watched.problems()).to.deep.equal([]);
    expect(watched.certificate.value?.key).to.deep.equal({ filename: paths.key });
  });

  it('is said to be unwatched where Envoy reads what cannot be read here', async () => {
    const { paths, watched, told, until } = stage('off', undefined);
    await until(() => told().length > 0);
    expect(told()[0]).to.match(/^certificate_late: Nobody is told before/);
    expect(told()[0]).to.contain(paths.certificate).and.contain('ENOENT');
    expect(watched.held()).to.equal(undefined);
  });
});
