/** /mcp: prompts, resources, templates and completion of all services at one address. */
import { expect } from 'chai';
import type { Client } from '@modelcontextprotocol/client';
import { connectAgent } from './parts/agent.js';
import { eventually, startMcpx, type Mcpx } from './parts/mcpx.js';
import { registerBothEras } from './parts/registering.js';
import { stopServers } from './parts/servers.js';

describe('/mcp, prompts and resources', () => {
  let mcpx: Mcpx;

  before(async () => {
    mcpx = await startMcpx();
    await registerBothEras(mcpx);
  });

  after(async () => {
    await mcpx.stop();
    await stopServers();
  });

  for (const era of ['modern', 'legacy'] as const)
    describe(`for a ${era} agent`, () => {
      let agent: Client;
      const [a, b] = [`${era}-a`, `${era}-b`];

      before(async () => {
        await eventually('both services are offered', async () => {
          agent = await connectAgent(`${mcpx.gateway}/mcp`, era);
          const { completions, resources } = agent.getServerCapabilities() ?? {};
          const { prompts } = await agent.listPrompts();
          const ready = completions && resources?.subscribe && prompts.length === 2;
          if (!ready) await agent.close();
          return ready;
        });
      });

      after(() => agent.close());

      it('promises what its services have', () => {
        expect(agent.getServerCapabilities()).to.deep.equal({
          tools: { listChanged: true },
          prompts: { listChanged: true },
          resources: { listChanged: true, subscribe: true },
          completions: {},
          logging: {},
        });
      });

      it('lists prompts, resources and templates of all services of its era', async () => {
        const { prompts } = await agent.listPrompts();
        expect(prompts.map(({ name }) => name)).to.deep.equal([`${a}__greet`, `${b}__greet`]);
        const { resources } = await agent.listResources();
        expect(resources.map(({ uri }) => uri)).to.deep.equal([
          `note://${a}/one`,
          `note://${b}/one`,
        ]);
        const { resourceTemplates } = await agent.listResourceTemplates();
        expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).to.deep.equal([
          `note://${a}/numbered/{id}`,
          `note://${b}/numbered/{id}`,
        ]);
      });

      it('gets a prompt by its exposed name', async () => {
        const { messages } = await agent.getPrompt({
          name: `${b}__greet`,
          arguments: { who: 'Ann' },
        });
        expect(messages[0]?.content).to.deep.equal({ type: 'text', text: `${b} greets Ann` });
      });

      it('reads a resource by its URI and by a template that matches', async () => {
        const texts = await Promise.all(
          [`note://${a}/one`, `note://${b}/one`, `note://${b}/numbered/7`].map(async (uri) => {
            const { contents } = await agent.readResource({ uri });
            return (contents[0] as { text: string }).text;
          }),
        );
        expect(texts).to.deep.equal([`one of ${a}`, `one of ${b}`, `note 7 of ${b}`]);
      });

      it('says which resource is unknown', async () => {
        const uri = 'note://nobody/one';
        const failure = await agent.readResource({ uri }).catch((error: unknown) => error);
        // The legacy wire says -32002; the SDK's client makes one of both.
        expect(failure).to.have.property('code', -32602);
        expect(failure).to.have.nested.property('data.uri', uri);
      });

      it('completes an argument of a prompt and a variable of a template', async () => {
        const { completion: names } = await agent.complete({
          ref: { type: 'ref/prompt', name: `${a}__greet` },
          argument: { name: 'who', value: 'ann' },
        });
        expect(names.values).to.deep.equal([`${a}-ann`]);
        const { completion: ids } = await agent.complete({
          ref: { type: 'ref/resource', uri: `note://${b}/numbered/{id}` },
          argument: { name: 'id', value: '' },
        });
        expect(ids.values).to.deep.equal([`${b}-1`, `${b}-2`]);
      });

      it('says that a service of the other era cannot be reached yet', async () => {
        const other = era === 'modern' ? 'legacy' : 'modern';
        for (const asked of [
          agent.getPrompt({ name: `${other}-a__greet`, arguments: { who: 'x' } }),
          agent.readResource({ uri: `note://${other}-a/one` }),
        ]) {
          const failure = await asked.catch((error: unknown) => error);
          expect(failure).to.have.property('code', -31001);
          expect(String(failure)).to.include('Crossing eras');
        }
      });
    });
});
