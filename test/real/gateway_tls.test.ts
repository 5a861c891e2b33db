import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { expect } from 'chai';
import { systemClock } from '../../src/clock.js';
import { readConfig } from '../../src/config.js';
import { watchGatewayCertificate } from '../../src/identity/gateway_certificate.js';
import { Latest } from '../../src/latest.js';
import { silentLog } from '../../src/log.js';
import { createMetrics } from '../../src/metrics.js';
import type { GatewayCertificate } from '../../src/resources/credentials.js';
import { ensureEnvoyVersion, pinnedEnvoy } from '../../src/up/envoy_binary.js';
import { authority, issue, type Issued } from '../wire/certificates.js';
import { temporaryFolder } from './parts/child.js';
import { eventually } from './parts/mcpx.js';
import { startMesh, type Mesh } from './parts/mesh.js';

const everybodys = authority('public');
const agents = authority('agents');

const shown = ({ cert, key }: Issued): GatewayCertificate => ({
  ...{ certificate: { inline_string: cert }, key: { inline_string: key } },
  clients: { inline_string: agents.cert },
});

describe('the gateway by TLS', () => {
  let mesh: Mesh;
  let served: Latest<GatewayCertificate | undefined>;
  before(async function () {
    this.timeout(180_000);
    const binary = process.env['ENVOY_BIN'] || (await ensureEnvoyVersion(pinnedEnvoy, process.env));
    served = new Latest<GatewayCertificate | undefined>(shown(issue(everybodys)));
    mesh = await startMesh(binary, served);
    await mesh.settled();
  });
  after(async () => mesh.stop());

  /** The status; or why there is none. */
  const health = async (ca: string, as: Partial<Issued>, maxVersion?: 'TLSv1.2') =>
    new Promise<number | string>((resolve) => {
      const { port } = new URL(mesh.gateway);
      const how = { ca, ...as, agent: false, ...(maxVersion && { maxVersion }) } as const;
      const call = request({ host: '127.0.0.1', port, path: '/healthz', ...how }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      call.on('error', (error) => resolve(error.message));
      call.end();
    });

  it('serves agents whose certificates are signed by whom it was told', async () => {
    expect(await health(everybodys.cert, issue(agents))).to.equal(200);
  });

  it('refuses agents without one, with one of others, and old TLS', async () => {
    for (const as of [{}, issue(everybodys)])
      expect(await health(everybodys.cert, as)).to.be.a('string');
    expect(await health(everybodys.cert, issue(agents), 'TLSv1.2')).to.be.a('string');
  });

  it('shows a new certificate to new connections', async () => {
    const next = authority('next');
    served.set(shown(issue(next)));
    await eventually('it is shown', async () => (await health(next.cert, issue(agents))) === 200);
    expect(await health(everybodys.cert, issue(agents))).to.be.a('string');
  });

  it('is read again when its files change, and stays while they are wrong', async () => {
    const folder = await temporaryFolder('gateway');
    const path = (name: string) => join(folder.path, name);
    const write = async ({ cert, key }: Issued) => {
      await writeFile(path('a.pem'), cert);
      await writeFile(path('a-key.pem'), key);
    };
    const [first, second] = [issue(everybodys), issue(everybodys)];
    await write(first);
    const tls = { certificate: path('a.pem'), key: path('a-key.pem') };
    const flags = { identity: { mode: 'mutual' }, gateway: { tls } };
    const config = readConfig({ env: {}, cwd: folder.path, flags });
    if (!config.ok) throw new Error(config.problems[0]?.message);
    const watched = watchGatewayCertificate(config.value, {
      ...{ clock: systemClock, metrics: createMetrics(), log: silentLog },
    })!;
    const holds = async (cert: string) =>
      watched.certificate.when((each) => JSON.stringify([each]).includes(JSON.stringify(cert)));
    await holds(first.cert);
    await write({ cert: second.cert, key: first.key });
    await eventually('it is said', () => watched.problems().length === 1);
    expect(watched.problems()[0]?.message).to.contain('not that of the certificate');
    await holds(first.cert);
    await write(second);
    await holds(second.cert);
    await eventually('all is well', () => watched.problems().length === 0);
    watched.close();
    await folder.remove();
  });
});
