/** A rollout for those whom certificates name, at a gateway that asks agents for theirs. */
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { expect } from 'chai';
import { ensureEnvoyVersion, pinnedEnvoy } from '../../src/up/envoy_binary.js';
import { rolloutIn } from '../unit/rollout/rollouts.js';
import { authority, issue, type Issued } from '../wire/certificates.js';
import { temporaryFolder, type Folder } from './parts/child.js';
import { startEdge, type Edge } from './parts/edge.js';
import { startVersion, type VersionServers } from './parts/version.js';

const [servers, agents] = [authority('servers'), authority('agents')];
const agent = (name: string): Issued => issue(agents, { uris: [`spiffe://mcpx/${name}`] });

describe('a rollout for some principals', function () {
  this.timeout(60_000);
  let folder: Folder;
  let versions: readonly VersionServers[];
  let edge: Edge;

  before(async () => {
    folder = await temporaryFolder('principal');
    const file = async (name: string, text: string) => {
      const path = join(folder.path, name);
      await writeFile(path, text);
      return path;
    };
    const own = issue(servers);
    const tls = {
      certificate: await file('gateway.pem', own.cert),
      key: await file('gateway-key.pem', own.key),
      clients: await file('agents.pem', agents.cert),
    };
    const binary = process.env['ENVOY_BIN'] || (await ensureEnvoyVersion(pinnedEnvoy, process.env));
    edge = await startEdge({ binary, variant: 'incremental', tls });
    versions = await Promise.all([startVersion('1.0.0', 1), startVersion('2.0.0', 1)]);
    const match = [{ principal: 'spiffe://mcpx/qa' }];
    const current = rolloutIn('running', { steps: [1, 100], stepSince: 0, match });
    const registrations = versions.flatMap((each) => each.registrations);
    edge.register(
      registrations.map((each) => ({ ...each, name: current.service })),
      { rollouts: [{ current, earlier: [] }] },
    );
    await edge.settled();
  });
  after(async () => {
    await edge.stop();
    await Promise.all(versions.map((each) => each.stop()));
    await folder.remove();
  });

  /** The version that answered. */
  const called = async (as: Issued, headers: Record<string, string> = {}): Promise<string> =>
    new Promise((resolve, reject) => {
      const { port } = new URL(edge.gateway);
      const where = { host: '127.0.0.1', port, path: '/mcp/claims', method: 'POST' };
      const type = { 'content-type': 'application/json', ...headers };
      const trusting = { ...as, ca: servers.cert, checkServerIdentity: () => undefined };
      const call = request({ ...where, headers: type, ...trusting, agent: false }, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('end', () => {
          const [version = 'nobody'] = /\d\.0\.0/.exec(Buffer.concat(parts).toString()) ?? [];
          resolve(version);
        });
      });
      call.on('error', reject);
      call.end(
        JSON.stringify({
          ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
          params: { name: 'whoami', arguments: {} },
        }),
      );
    });

  const versionsOf = async (as: Issued, headers?: Record<string, string>) => {
    const answers = [];
    for (let call = 0; call < 40; call++) answers.push(await called(as, headers));
    return answers.filter((version) => version === '2.0.0').length;
  };

  it('brings whoever is named to the new version, and nobody who only says so', async () => {
    expect(await versionsOf(agent('qa'))).to.equal(40);
    expect(await versionsOf(agent('qa2'))).to.be.below(10);
    const said = { 'x-forwarded-client-cert': 'URI=spiffe://mcpx/qa' };
    expect(await versionsOf(agent('other'), said)).to.be.below(10);
  });
});
