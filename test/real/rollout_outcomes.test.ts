/** What Envoy tells of the calls of a service in a rollout, by what became of them. */
import { once } from 'node:events';
import { connect, constants } from 'node:http2';
import { expect } from 'chai';
import { readCallLine, type CallEntry } from '../../src/call_log.js';
import { failureKinds } from '../../src/rollout/judge.js';
import { callLogReceiver } from '../../src/signals/export.js';
import { CallSignals } from '../../src/signals/signals.js';
import { ensureEnvoyVersion, pinnedEnvoy } from '../../src/up/envoy_binary.js';
import { rolloutIn } from '../unit/rollout/rollouts.js';
import { probabilityOf } from './parts/binomial.js';
import { postCall } from './parts/agent.js';
import { startEdge, type Edge } from './parts/edge.js';
import { eventually } from './parts/mcpx.js';
import { startVersion, type VersionServers } from './parts/version.js';

describe('what is told of calls in a rollout', () => {
  let old: VersionServers;
  let fresh: VersionServers;
  let edge: Edge;
  let signals: CallSignals;
  const told: CallEntry[] = [];
  before(async () => {
    [old, fresh] = await Promise.all([startVersion('1.0.0', 1), startVersion('2.0.0', 1)]);
    signals = new CallSignals({ now: () => Date.now() });
    const binary = process.env['ENVOY_BIN'] || (await ensureEnvoyVersion(pinnedEnvoy, process.env));
    const record = (lines: readonly string[]) => {
      told.push(...lines.flatMap((line) => readCallLine(line) ?? []));
      signals.record(lines);
    };
    const receivers = [callLogReceiver({ record })];
    edge = await startEdge({ binary, variant: 'incremental', receivers });
    edge.fleet.subscribe((fleet) => signals.follow(fleet));
  });
  after(async () => {
    await edge.stop();
    await Promise.all([old.stop(), fresh.stop()]);
  });

  const url = (path: string) => `${edge.gateway}/mcp/${path}`;

  const toldOf = (service: string) => told.filter(({ cluster }) => cluster === service);

  /** Of the old version. */
  const countedOf = (service: string) => {
    const counted = signals.of(service, '1.0.0', 0);
    const failures = Object.entries(counted?.failures ?? {}).filter(([, calls]) => calls > 0);
    return { calls: counted?.calls, failures };
  };

  /** Services of their own, staged: what is told of it is told of nothing else. */
  const apart = async (...services: readonly string[]): Promise<void> => {
    const rollouts = services.map((service) => rolloutIn('staged', { service }));
    const present = [old, fresh].flatMap(({ registrations }) => registrations);
    edge.register(
      services.flatMap((name) => present.map((one) => ({ ...one, name }))),
      { rollouts: rollouts.map((current) => ({ current, earlier: [] })) },
    );
    await edge.settled();
  };

  for (const [service, version, path] of [
    ['blue', '1.0.0', 'blue'],
    ['green', '2.0.0', 'green@2.0.0'],
  ] as const)
    it(`tells every outcome of ${version}, in JSON and in SSE`, async () => {
      await apart(service);
      const outcomes = ['well', ...failureKinds];
      for (const form of ['json', 'sse'])
        for (const tool of outcomes)
          await (await postCall(url(path), tool, { 'x-answer': form })).text();
      const counted = () => signals.of(service, version, 0);
      await eventually('all calls are told', () => counted()?.calls === 2 * outcomes.length);
      expect(counted()?.failures).to.deep.equal({ http: 2, rpc: 2, tool: 2, reset: 2, timeout: 2 });
      // Of 500 ms, by Envoy's timer, which may be some early.
      const slow = counted()?.latency.filter(({ upTo }) => upTo > 400) ?? [];
      expect(slow.reduce((sum, { calls }) => sum + calls, 0)).to.equal(2);
    });

  it('says nothing of an agent that left before its answer began', async () => {
    await apart('left');
    const leaving = AbortSignal.timeout(100);
    await fetch(url('left'), {
      ...{ method: 'POST', signal: leaving, headers: { 'content-type': 'application/json' } },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'timeout' }),
    }).catch(() => undefined);
    await postCall(url('left'), 'well');
    await eventually('the call that stayed is told', () => toldOf('left').length === 1);
    expect(countedOf('left')).to.deep.equal({ calls: 1, failures: [] });
  });

  /** Calls, and leaves when the first bytes are there: of the headers, or of the body. */
  const leavers: Readonly<Record<string, (service: string, tool: string) => Promise<void>>> = {
    async http1(service, tool) {
      const leaving = new AbortController();
      const headers = { 'x-answer': 'endless' };
      const { body } = await postCall(url(service), tool, headers, leaving.signal);
      if (tool !== 'hang') await body?.getReader().read();
      leaving.abort();
    },
    async http2(service, tool) {
      const session = connect(edge.gateway);
      const pseudo = { ':method': 'POST', ':path': `/mcp/${service}` };
      const stream = session.request({ ...pseudo, 'x-answer': 'endless' });
      stream.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method: tool }));
      await once(stream, tool === 'hang' ? 'response' : 'data');
      stream.close(constants.NGHTTP2_CANCEL);
      await once(stream, 'close');
      session.close();
    },
  };
  for (const [protocol, leave] of Object.entries(leavers)) {
    it(`counts calls that hung after their headers, by ${protocol}`, async () => {
      const service = `hanging-${protocol}`;
      await apart(service);
      for (let call = 0; call < 3; call++) await leave(service, 'hang');
      await eventually('all calls are told', () => toldOf(service).length === 3);
      expect(countedOf(service)).to.deep.equal({ calls: 3, failures: [['timeout', 3]] });
    });

    it(`counts answers on a stream that stays open, by ${protocol}`, async () => {
      const service = `endless-${protocol}`;
      await apart(service);
      for (const tool of ['well', 'tool', 'rpc']) await leave(service, tool);
      await eventually('all calls are told', () => toldOf(service).length === 3);
      const failures = ['rpc', 'tool'].map((kind) => [kind, 1]);
      expect(countedOf(service)).to.deep.equal({ calls: 3, failures });
    });
  }

  it('is told of a share of the calls when there are many, and of as many failures', async () => {
    await apart('busy');
    const tools = ['tool', 'reset', ...Array<string>(6).fill('well')];
    const drawn = () => told.filter((each) => each.cluster === 'busy' && Number(each.share) < 1);
    // How many are many is for Envoy to say, who draws above a rate.
    while (drawn().length < 100) {
      let left = 16 * tools.length;
      const caller = async () => {
        while (left-- > 0)
          await (await postCall(url('busy'), tools[left % tools.length] ?? '')).text();
      };
      await Promise.all(Array.from({ length: 16 }, caller));
    }
    const counted = () => signals.of('busy', '1.0.0', 0);
    const calls = () => counted()?.calls ?? 0;
    const { tool = 0, reset = 0 } = counted()?.failures ?? {};
    for (const [kind, failed] of Object.entries({ tool, reset })) {
      const odds = probabilityOf(failed, calls(), 1 / tools.length);
      expect(odds, `${kind} ${failed} of ${calls()}`).to.be.greaterThan(1e-6);
    }
  });

  it('is told of calls only, not of what listens or lists', async () => {
    await apart('listening');
    const { status } = await fetch(url('listening'), { method: 'GET' });
    expect(status, 'it failed, too').to.equal(504);
    for (const method of ['subscriptions/listen', 'tools/list', 'server/discover'])
      await postCall(url('listening'), 'tool', { 'mcp-method': method });
    await postCall(url('listening'), 'well');
    await eventually('the call is told', () => toldOf('listening').length > 0);
    expect(toldOf('listening').map(({ outcome }) => outcome ?? 'well')).to.deep.equal(['well']);
  });

  /** As a legacy agent, which does not name the method: the answer is this very text. */
  const rawCall = async (service: string, body: string, headers: Record<string, string>) => {
    const method = `raw ${Buffer.from(body).toString('base64')}`;
    const answer = await fetch(url(service), {
      ...{ method: 'POST', headers: { 'content-type': 'application/json', ...headers } },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method }),
    });
    expect(await answer.text()).to.equal(body);
  };

  const many = JSON.stringify(
    Array.from({ length: 3_000 }, () => ({ name: 'isError', error: {} })),
  );
  const handshake: readonly string[] = [
    '{"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}},"id":1}',
    '{"jsonrpc":"2.0","id":1,"result":{"_meta":{"a":[{}]},"nextCursor":"x","tools":[]}}',
    '{"jsonrpc":"2.0","id":"ping","result": {} }',
    '{"jsonrpc":"2.0","id":1,"result":{"completion":{"values":[]}}}',
    ...['tools', 'prompts', 'resources', 'resourceTemplates'].map(
      (list) => `{"jsonrpc":"2.0","id":1,"result":{"${list}":${many}}}`,
    ),
  ];
  for (const form of ['json', 'sse'] as const)
    it(`counts no handshake and no list of a legacy session, in ${form}`, async () => {
      const service = `lists-${form}`;
      await apart(service);
      const called = '{"result":{"structuredContent":{"tools":[]},"isError":true}}';
      const bodies = [...handshake, called];
      for (const body of bodies) {
        const text = form === 'sse' ? `event: message\ndata: ${body}\n\n` : body;
        await rawCall(service, text, { 'x-answer': form, 'x-pieces': 'whole' });
      }
      await eventually('all are told', () => toldOf(service).length === bodies.length);
      expect(countedOf(service)).to.deep.equal({ calls: 1, failures: [['tool', 1]] });
    });

  const bodies: readonly (readonly [string, string, string, string])[] = [
    ['spaces and lines', 'tool', 'json', '{ "result" :\n { "isError" :\n true } }'],
    ['an error of many fields', 'rpc', 'json', '{"id":1,"error":{"data":[{}],"code":-1}}'],
    ['the words in a text', 'well', 'json', '{"result":{"content":"\\"isError\\":true"}}'],
    ['the words deeper', 'well', 'json', '{"result":{"a":{"isError":true,"error":{}}}}'],
    ['an error that is null', 'well', 'json', '{"error":null,"result":{"isError":false}}'],
    ['a batch', 'tool', 'json', '[{"result":{}},{"result":{"isError":true}}]'],
    ['a long answer', 'tool', 'json', `{"result":{"a":"${'x'.repeat(2e5)}","isError":true}}`],
    ['a long text first', 'rpc', 'json', `{"a":"${'x'.repeat(5e4)}","error":{"code":1}}`],
    [
      'an event of several lines',
      'tool',
      'sse',
      'data: {"result":{\r\ndata: "isError":true}}\r\n\r\n',
    ],
    ['an event with a name', 'rpc', 'sse', 'event: message\ndata: {"error":{"code":1}}\n\n'],
    [
      'a long event',
      'tool',
      'sse',
      `data: {"result":{"a":"${'x'.repeat(2e5)}","isError":true}}\n\n`,
    ],
    ['a notification', 'well', 'sse', 'data: {"params":{"error":{},"isError":true}}\n\n'],
  ];
  for (const pieces of ['whole', 'byte by byte'] as const)
    it(`reads answers as they are, ${pieces}`, async () => {
      const cases = bodies
        .filter(([, , , body]) => pieces === 'whole' || body.length < 1_000)
        .map((each, index) => [`body-${pieces.length}-${index}`, ...each] as const);
      await apart(...cases.map(([service]) => service));
      for (const [service, , , form, body] of cases)
        await rawCall(service, body, {
          ...{ 'x-answer': form, 'accept-encoding': 'gzip', 'x-pieces': pieces },
        });
      for (const [service, what, expected] of cases) {
        await eventually(`${what} is told`, () => countedOf(service).calls === 1);
        expect(countedOf(service).failures[0]?.[0] ?? 'well', what).to.equal(expected);
      }
    });
});
