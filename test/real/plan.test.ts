/** What a plan says comes true, on a real Envoy; and an environment keeps to itself. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { postCall } from './parts/agent.js';
import { eventually, startMcpx, type Mcpx } from './parts/mcpx.js';
import { startServer, stopServers } from './parts/servers.js';

interface Planned {
  readonly steps: readonly { readonly change: string }[];
  readonly resources: readonly { readonly kind: string; readonly change: string }[];
  readonly nodes: readonly { readonly id: string; readonly bytes: number }[];
}

interface Nodes {
  readonly nodes: readonly {
    readonly id: string;
    readonly inSync: boolean;
    readonly kinds: Readonly<Record<string, { readonly held: number }>>;
  }[];
}

describe('a plan of changes', () => {
  let mcpx: Mcpx;
  before(async () => {
    mcpx = await startMcpx({ arguments: ['--env', 'staging'] });
  });
  after(async () => {
    await mcpx.stop();
    await stopServers();
  });

  const sent = async (path: string, body: unknown) =>
    fetch(mcpx.admin + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const planned = async (body: unknown) => (await (await sent('/v1/plan', body)).json()) as Planned;
  const edge = async () => {
    const { nodes } = (await (await fetch(`${mcpx.admin}/v1/nodes`)).json()) as Nodes;
    return nodes[0];
  };
  const held = async () => (await edge())?.kinds['endpoint']?.held ?? 0;

  it('names the Envoy, what it would be sent, and then nothing more', async () => {
    const { url } = await startServer({ name: 'claims' });
    const claims = { name: 'claims', version: '1.0.0', url };
    await eventually('the Envoy in step', async () => (await edge())?.inSync);
    const before = await held();
    const plan = await planned({ services: [claims] });
    expect(plan.steps.map(({ change }) => change)).to.deep.equal(['added']);
    expect(plan.nodes.map(({ id }) => id)).to.deep.equal([(await edge())?.id]);
    expect(plan.nodes[0]?.bytes).to.be.greaterThan(0);
    expect(await held(), 'a plan changes nothing').to.equal(before);
    expect((await sent('/v1/services', claims)).status).to.equal(201);
    const added = plan.resources.filter(
      ({ kind, change }) => kind === 'endpoint' && change === 'added',
    );
    await eventually('what was planned', async () => (await held()) === before + added.length);
    await eventually('a plan of nothing', async () => {
      const { steps, resources } = await planned({ services: [claims] });
      return steps[0]?.change === 'unchanged' && resources.length === 0;
    });
    await eventually('a call', async () => {
      return (await postCall(`${mcpx.gateway}/mcp/claims`, 'whoami')).status === 200;
    });
  });

  it('is kept in files of its environment, by every process of it', () => {
    const folder = join(mcpx.data, 'staging');
    expect(existsSync(join(folder, 'services.staging.yaml'))).to.equal(true);
    expect(existsSync(join(mcpx.data, 'services.yaml'))).to.equal(false);
    expect(existsSync(join(folder, 'staging'))).to.equal(false);
  });
});
