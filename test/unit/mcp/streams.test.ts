import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { expect } from 'chai';
import { EventStream } from '../../../src/mcp_client/event_stream.js';
import { sendJson } from './local_server.js';
import { modernMeta, service, stage, until, type Heard, type Stage } from './stage.js';

const speaks = { capabilities: { logging: {}, resources: { subscribe: true } } };
const updated = 'notifications/resources/updated';

interface Opened {
  readonly response: IncomingMessage;
  readonly messages: Record<string, unknown>[];
}

/** A stream and what has come on it so far. */
async function open(url: string, headers: Record<string, string>, body?: object): Promise<Opened> {
  const method = body === undefined ? 'GET' : 'POST';
  const all = { accept: 'text/event-stream', 'content-type': 'application/json', ...headers };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = http.request(url, { method, headers: all }, resolve).on('error', reject);
    request.end(body && JSON.stringify(body));
  });
  const [events, messages] = [new EventStream(), [] as Record<string, unknown>[]];
  response.setEncoding('utf8').on('data', (chunk: string) => {
    for (const data of events.push(chunk))
      messages.push(JSON.parse(data) as Record<string, unknown>);
  });
  response.on('error', () => undefined);
  return { response, messages };
}

function begin(response: ServerResponse): (message: object) => void {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  return (message) =>
    void response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`);
}

describe('the stream of a legacy session', () => {
  let on: Stage;
  beforeEach(async () => {
    on = await stage();
  });
  afterEach(async () => on.close());

  it('merges what its servers say, and swallows what the catalogue says better', async () => {
    on.offer(service('a', ['legacy'], speaks), service('b', ['legacy'], speaks));
    const session = { 'mcp-session-id': await on.initialize() };
    on.servers.onStream = (heard, response) => {
      const say = begin(response);
      say({ method: 'notifications/tools/list_changed' });
      say({ method: 'notifications/message', params: { level: 'info', data: heard.service } });
    };
    const { messages, response } = await open(on.url, session);
    await until(() => messages.length === 2);
    const said = messages.map(({ params }) => (params as { data: string }).data);
    expect(said.sort()).to.deep.equal(['a', 'b']);
    response.destroy();
  });

  it('asks only servers that have something to say, and a late one once it is open', async () => {
    on.offer(service('quiet'));
    const session = { 'mcp-session-id': await on.initialize() };
    const asked: string[] = [];
    on.servers.onStream = (heard, response) => {
      asked.push(heard.service);
      begin(response);
    };
    const { response } = await open(on.url, session);
    on.offer(service('quiet'), service('late', ['legacy'], speaks));
    await on.post('tools/call', { name: 'late__run' }, session);
    await until(() => asked.length === 1);
    expect(asked).to.deep.equal(['late']);
    response.destroy();
  });

  it('opens a forgotten session anew, with its level and its subscriptions', async () => {
    on.offer(service('a', ['legacy'], { ...speaks, resources: [{ uri: 'x://1' }] }));
    const session = { 'mcp-session-id': await on.initialize() };
    await on.post('logging/setLevel', { level: 'error' }, session);
    await on.post('resources/subscribe', { uri: 'x://1' }, session);
    on.servers.onStream = (heard, response) => {
      if (heard.session === 's1') response.writeHead(404).end();
      else begin(response);
    };
    const { response } = await open(on.url, session);
    await until(() =>
      on.servers.heard.some(({ verb, session: s }) => verb === 'GET' && s === 's2'),
    );
    const retold = on.servers.heard.filter(({ session: upstream }) => upstream === 's2');
    const methods = retold.map(({ method }) => method);
    expect(methods).to.include.members(['logging/setLevel', 'resources/subscribe']);
    response.destroy();
  });

  it('comes again when a server breaks off, and says what may have been missed', async () => {
    on.offer(service('a', ['legacy'], { ...speaks, resources: [{ uri: 'x://1' }] }));
    const session = { 'mcp-session-id': await on.initialize() };
    await on.post('resources/subscribe', { uri: 'x://1' }, session);
    let times = 0;
    on.servers.onStream = (_heard, response) => {
      begin(response);
      if (++times === 1) response.end();
    };
    const { messages, response } = await open(on.url, session);
    await until(() => messages.length === 1);
    expect(messages[0]).to.deep.include({ method: updated, params: { uri: 'x://1' } });
    response.destroy();
  });

  it('answers what a server asks there: alive, and nobody to be asked', async () => {
    on.offer(service('a', ['legacy'], speaks));
    const session = { 'mcp-session-id': await on.initialize() };
    on.servers.onStream = (_heard, response) => {
      const say = begin(response);
      say({ id: 'p', method: 'ping' });
      say({ id: 'q', method: 'sampling/createMessage', params: {} });
    };
    const { messages, response } = await open(on.url, session);
    const answers = () => on.servers.heard.filter(({ id }) => id === 'p' || id === 'q');
    await until(() => answers().length === 2);
    const [alive, nobody] = answers().sort((x, y) => (String(x.id) < String(y.id) ? -1 : 1));
    expect(alive).to.deep.include({ result: {} });
    expect(nobody).to.have.nested.property('error.code', -32601);
    expect(messages).to.deep.equal([]);
    response.destroy();
  });

  it('is one a session: the newest; and leaves its servers with its client', async () => {
    on.offer(service('a', ['legacy'], speaks));
    const session = { 'mcp-session-id': await on.initialize() };
    let left = 0;
    on.servers.onStream = (_heard, response) => {
      begin(response);
      response.once('close', () => left++);
    };
    const first = await open(on.url, session);
    const second = await open(on.url, session);
    await until(() => first.response.complete);
    second.response.destroy();
    await until(() => left === 2);
  });

  it('tells every open upstream session what the client takes back', async () => {
    on.offer(service('a'), service('b'));
    const session = { 'mcp-session-id': await on.initialize() };
    const headers = { 'content-type': 'application/json', ...session };
    // An id that a number of JavaScript cannot hold.
    const params = '{"requestId":12345678901234567890}';
    const body = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":${params}}`;
    const { status } = await fetch(on.url, { method: 'POST', headers, body });
    expect(status).to.equal(202);
    const cancelled = () => on.servers.of('notifications/cancelled');
    await until(() => cancelled().length === 2);
    expect(
      cancelled()
        .map(({ service: name }) => name)
        .sort(),
    ).to.deep.equal(['a', 'b']);
    expect(cancelled()[0]?.text).to.equal(body);
  });

  it('refuses a log level that is none, and does not wait for a server that hangs', async () => {
    on.offer(service('a', ['legacy'], speaks), service('b', ['legacy'], speaks));
    const session = { 'mcp-session-id': await on.initialize() };
    const wrong = await on.post('logging/setLevel', { level: 'loud' }, session);
    expect(wrong).to.have.nested.property('response.error.code', -32602);
    on.servers.hanging.add('a');
    const right = await on.post('logging/setLevel', { level: 'error' }, session);
    expect(right).to.have.deep.nested.property('response.result', {});
  }).timeout(10_000);
});

describe('subscriptions/listen', () => {
  let on: Stage;
  beforeEach(async () => {
    on = await stage();
  });
  afterEach(async () => on.close());

  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' };
  const asking = (notifications: object) => ({
    jsonrpc: '2.0',
    id: 'mine',
    method: 'subscriptions/listen',
    params: { notifications, _meta: modernMeta },
  });
  const offering = (name: string) =>
    service(name, ['modern'], { ...speaks, resources: [{ uri: `${name}://1` }] });
  const subscription = 'io.modelcontextprotocol/subscriptionId';

  /** Acknowledges what was asked, and says more as told. */
  function acknowledge({ id, params }: Heard, response: ServerResponse) {
    const say = begin(response);
    const meta = { [subscription]: id };
    const notify = (method: string, about: object) =>
      say({ method, params: { ...about, _meta: meta } });
    notify('notifications/subscriptions/acknowledged', {
      notifications: params?.['notifications'],
    });
    return notify;
  }

  it('acknowledges first, all at once, and puts the client’s id on what servers say', async () => {
    on.offer(offering('a'), offering('b'));
    on.servers.onCall = (heard, response) =>
      acknowledge(heard, response)(updated, { uri: `${heard.service}://1` });
    const wanted = { toolsListChanged: true, resourceSubscriptions: ['a://1', 'b://1', 'c://1'] };
    const { messages, response } = await open(on.url, headers, asking(wanted));
    await until(() => messages.length === 3);
    const [first, ...rest] = messages as { params: Record<string, unknown> }[];
    expect(first?.params).to.deep.equal({
      _meta: { [subscription]: 'mine' },
      notifications: { toolsListChanged: true, resourceSubscriptions: ['a://1', 'b://1'] },
    });
    for (const { params } of rest)
      expect(params['_meta']).to.deep.equal({ [subscription]: 'mine' });
    on.offer(offering('a'));
    await until(() => messages.length === 4);
    expect(messages[3]).to.have.property('method', 'notifications/tools/list_changed');
    response.destroy();
  });

  it('leaves out a server that hangs or refuses, and goes on with the others', async () => {
    on.offer(offering('a'), offering('hangs'), offering('refuses'));
    on.servers.onCall = (heard, response) => {
      if (heard.service === 'a') acknowledge(heard, response);
      const error = { code: -32601, message: 'Method not found' };
      if (heard.service === 'refuses') sendJson(response, { id: heard.id, error }, { status: 404 });
    };
    const uris = ['a://1', 'hangs://1', 'refuses://1'];
    const wanted = asking({ resourceSubscriptions: uris });
    const { messages, response } = await open(on.url, headers, wanted);
    await until(() => messages.length === 1);
    expect(messages[0]).to.have.deep.nested.property('params.notifications', {
      resourceSubscriptions: ['a://1'],
    });
    response.destroy();
  }).timeout(10_000);

  it('comes again when a server breaks off, and ends with its client', async () => {
    on.offer(offering('a'));
    let [times, left] = [0, 0];
    on.servers.onCall = (heard, response) => {
      acknowledge(heard, response);
      response.once('close', () => left++);
      if (++times === 1) setTimeout(() => response.destroy(), 20);
    };
    const wanted = asking({ resourceSubscriptions: ['a://1'] });
    const { messages, response } = await open(on.url, headers, wanted);
    await until(() => messages.length === 2);
    expect(messages[1]).to.have.nested.property('params.uri', 'a://1');
    response.destroy();
    await until(() => left === 2);
  });

  it('ends in good order when nothing of it can be told', async () => {
    on.offer();
    const { messages, response } = await open(on.url, headers, asking({}));
    await until(() => response.complete && messages.length === 2);
    expect(messages.map(({ method }) => method)).to.deep.equal([
      'notifications/subscriptions/acknowledged',
      undefined,
    ]);
    expect(messages[1]).to.have.nested.property('result.resultType', 'complete');
  });

  it('refuses what is no filter with -32602', async () => {
    on.offer();
    const wrong = [undefined, [], { resourceSubscriptions: 'x' }, { resourceSubscriptions: [1] }];
    for (const notifications of wrong) {
      const answer = await on.post(
        'subscriptions/listen',
        { notifications, _meta: modernMeta },
        headers,
      );
      expect(answer).to.have.nested.property('response.error.code', -32602);
    }
  });
});
