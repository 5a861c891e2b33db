import { expect } from 'chai';
import { pinnedEnvoy, ensureEnvoyVersion } from '../../src/up/envoy_binary.js';
import { registration } from '../unit/fleet/registered.js';
import { postCall } from './parts/agent.js';
import { startBackend, startEdge, type Backend, type Edge } from './parts/edge.js';
import { eventually } from './parts/mcpx.js';

/** The newest of every minor version that is told to work. */
const versions = ['1.37.0', '1.38.3', '1.39.3', pinnedEnvoy];

describe('Envoy of every supported version, in both variants', () => {
  let backends: readonly Backend[];
  let edge: Edge | undefined;
  before(async function () {
    this.timeout(180_000);
    for (const version of versions) await ensureEnvoyVersion(version, process.env);
    backends = await Promise.all([startBackend(), startBackend()]);
  });
  afterEach(async () => edge?.stop());
  after(async () => {
    await Promise.all(backends.map((backend) => backend.stop()));
  });

  const at = (index: number, name = 'claims') =>
    registration({ name, host: '127.0.0.1', port: backends[index]!.port, path: '/served' });
  const answering = async (service: string) => {
    const answer = await postCall(`${edge!.gateway}/mcp/${service}`, 'whoami');
    if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
    return ((await answer.json()) as { result: { port: number } }).result.port;
  };

  for (const version of versions)
    for (const variant of ['incremental', 'state of the world'] as const)
      it(`${version}, ${variant}: calls, a change, a removal (points 8, 11, 22)`, async () => {
        edge = await startEdge({
          binary: await ensureEnvoyVersion(version, process.env),
          variant,
        });
        edge.register([at(0)]);
        await edge.settled();
        const info = (await (await fetch(`${edge.admin}/server_info`)).json()) as object;
        expect(info).to.have.property('version').that.includes(`/${version}/`);
        await eventually('the server is called', async () => (await answering('claims')) > 0);

        edge.register([at(1), at(0, 'policy')]);
        await edge.settled();
        await eventually('the other instance is called', async () => {
          return (await answering('claims')) === backends[1]!.port;
        });
        expect(await answering('policy')).to.equal(backends[0]!.port);

        edge.register([at(1)]);
        await edge.settled();
        await eventually('the removed service is not found', async () => {
          const answer = await postCall(`${edge!.gateway}/mcp/policy`, 'whoami');
          return answer.status === 404;
        });
        const held = await (await fetch(`${edge.admin}/config_dump`)).text();
        expect(held).to.not.include('error_state');
      });
});
