import { expect } from 'chai';
import type { ExposedService } from '../../../src/fleet/exposed.js';
import { decideBody, decideHead, type Decision, type Known } from '../../../src/mcp/decide.js';
import type { OpenSession, UpstreamSession } from '../../../src/mcp/session.js';
import { service as serviceOf } from './stage.js';

const service = (name: string, more: Partial<ExposedService> = {}): ExposedService =>
  serviceOf(name, ['legacy', 'modern'], more);

const opened: OpenSession = {
  key: 'k',
  state: {
    protocolVersion: '2025-11-25',
    createdMs: 0,
    client: { name: 'agent', version: '1' },
    upstreams: {},
  },
};

const services = [
  service('claims'),
  service('down', { available: false, missing: 'no instance passes its checks' }),
  service('old', { eras: ['legacy'] }),
  service('naïve', {
    tools: [{ name: 'naive__run', tool: 'rün', definition: { name: 'rün' } }],
  }),
];
const upstreams: Readonly<Record<string, UpstreamSession>> = {
  claims: { id: 'ZW52;UV:aWQ=', protocolVersion: '2025-06-18' },
  down: { id: 'x', protocolVersion: '2025-11-25' },
  old: { id: null, protocolVersion: '2025-11-25' },
};
const known: Known = {
  catalogue: { heard: true, services: new Map(services.map((each) => [each.name, each])) },
  session: (id) => (id === 'sealed' ? opened : undefined),
  upstream: (_session, name) => upstreams[name],
};

const json = { 'content-type': 'application/json' };
const legacyHead = { verb: 'POST', headers: { ...json, 'mcp-session-id': 'sealed' } };
const modernHead = (name: string) => ({
  verb: 'POST',
  headers: {
    ...json,
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': name,
  },
});
const call = (name: string, meta?: object): Buffer =>
  Buffer.from(
    JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { arguments: { name }, name, ...(meta && { _meta: meta }) },
    }),
  );
const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
const legacyCall = (name: string) => decideBody(legacyHead, call(name), known);
const modernCall = (name: string) => decideBody(modernHead(name), call(name, modernMeta), known);

function routed(decision: Decision) {
  if (decision.kind !== 'route') throw new Error(`decided ${JSON.stringify(decision)}`);
  const { params } = JSON.parse(decision.body.toString()) as { params: Record<string, unknown> };
  return { ...decision, params };
}

function refusal(decision: Decision) {
  if (decision.kind !== 'answer') throw new Error(`decided ${decision.kind}`);
  const { error } = JSON.parse(decision.answer.body) as {
    error: { code: number; message: string };
  };
  return { status: decision.answer.status, ...error };
}

describe('deciding by headers alone', () => {
  it('asks for a body only where a call may be in it', () => {
    const modern = (method: string) => ({
      verb: 'POST',
      headers: { ...json, 'mcp-protocol-version': '2026-07-28', 'mcp-method': method },
    });
    for (const method of ['tools/call', 'prompts/get', 'resources/read'])
      expect(decideHead(modern(method), true).kind).to.equal('need_body');
    expect(decideHead(legacyHead, true).kind).to.equal('need_body');
    for (const method of ['tools/list', 'server/discover', 'ping'])
      expect(decideHead(modern(method), true).kind).to.equal('bridge');
    expect(decideHead({ verb: 'POST', headers: json }, true).kind).to.equal('bridge');
    expect(decideHead(legacyHead, false).kind).to.equal('bridge');
    expect(decideHead({ verb: 'DELETE', headers: {} }, false).kind).to.equal('bridge');
  });

  it('answers GET with 405 at once, but for the stream of a session', () => {
    const session = { 'mcp-session-id': 'sealed' };
    expect(refusal(decideHead({ verb: 'GET', headers: {} }, false)).status).to.equal(405);
    expect(decideHead({ verb: 'GET', headers: session }, false).kind).to.equal('bridge');
    const modern = { ...session, 'mcp-protocol-version': '2026-07-28' };
    expect(refusal(decideHead({ verb: 'GET', headers: modern }, false)).status).to.equal(405);
  });
});

describe('deciding a call', () => {
  it('sends a modern call straight to its service, under the name it has there', () => {
    const { set, remove, params } = routed(modernCall('claims__run'));
    expect(set).to.deep.equal({ 'x-mcpx-cluster': 'claims', 'mcp-name': 'run' });
    expect(remove).to.include('mcp-session-id');
    expect(params['name']).to.equal('run');
    expect(params['arguments']).to.deep.equal({ name: 'claims__run' });
  });

  it('wraps a name that a header cannot hold', () => {
    const { set } = routed(modernCall('naive__run'));
    const wrapped = `=?base64?${Buffer.from('rün').toString('base64')}?=`;
    expect(set['mcp-name']).to.equal(wrapped);
  });

  it('sends a legacy call into the session its service has, in the version it negotiated', () => {
    const { set, params } = routed(legacyCall('claims__run'));
    expect(set).to.deep.equal({
      'x-mcpx-cluster': 'claims',
      'mcp-session-id': 'ZW52;UV:aWQ=',
      'mcp-protocol-version': '2025-06-18',
    });
    expect(params['name']).to.equal('run');
  });

  it('takes the session id away before a server that keeps no sessions', () => {
    expect(routed(legacyCall('old__run')).remove).to.include('mcp-session-id');
  });

  it('never hands the client’s credentials to a server', () => {
    for (const decision of [modernCall('claims__run'), legacyCall('claims__run')])
      expect(routed(decision).remove).to.include.members(['authorization', 'cookie']);
  });

  it('leaves to the bridge what is not known or may be down', () => {
    expect(legacyCall('naive__run').kind).to.equal('bridge');
    expect(legacyCall('down__run').kind).to.equal('bridge');
    const list = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"tools/list"}');
    expect(decideBody(legacyHead, list, known).kind).to.equal('bridge');
    const unheard = { ...known, catalogue: { heard: false, services: new Map() } };
    expect(decideBody(legacyHead, call('claims__run'), unheard).kind).to.equal('bridge');
  });

  it('answers an unknown session with 404 and -32001', () => {
    const head = { verb: 'POST', headers: { ...json, 'mcp-session-id': 'forged' } };
    const decision = decideBody(head, call('claims__run'), known);
    expect(refusal(decision)).to.include({ status: 404, code: -32001 });
  });

  it('answers an unknown tool with -32602 and names near ones', () => {
    const unprefixed = refusal(legacyCall('run'));
    expect(unprefixed).to.include({ status: 200, code: -32602 });
    expect(unprefixed.message).to.match(/Did you mean claims__run or/);
    expect(refusal(legacyCall('clams__run')).message).to.match(/Did you mean claims__run\?/);
    expect(refusal(legacyCall('constructor')).code).to.equal(-32602);
  });

  it('says which era a service speaks when it is not the client’s', () => {
    const { code, message } = refusal(modernCall('old__run'));
    expect(code).to.equal(-31001);
    expect(message).to.match(/old: it speaks only MCP revisions before 2026-07-28/);
  });
});
