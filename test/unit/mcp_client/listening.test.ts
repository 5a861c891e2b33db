import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { expect } from 'chai';
import { listen, type ListenEnd, type ListenRequest } from '../../../src/mcp_client/listening.js';
import type { JsonObject } from '../../../src/mcp_wire.js';
import { freePorts } from '../../real/parts/child.js';
import { localServer, messageOf, sendJson, type LocalServer } from '../mcp/local_server.js';

const get: ListenRequest = { headers: { 'mcp-session-id': 's1' } };
const post: ListenRequest = {
  headers: {},
  message: { id: 7, method: 'subscriptions/listen', params: {} },
};

const event = (message: object, id?: string): string => {
  const data = `data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`;
  return id === undefined ? data : `id: ${id}\n${data}`;
};
const changed = { method: 'notifications/tools/list_changed' };

function begin(response: ServerResponse): ServerResponse {
  return response.writeHead(200, { 'content-type': 'text/event-stream' });
}

describe('listening to a server', () => {
  const open: LocalServer[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });

  async function at(handle: RequestListener): Promise<{ url: string }> {
    const server = await localServer(handle);
    open.push(server);
    return { url: server.url };
  }

  interface Heard {
    readonly end: ListenEnd;
    readonly messages: readonly JsonObject[];
    readonly ids: readonly (string | undefined)[];
  }

  /** Listens until it ends, or until `enough` messages came. */
  async function hear(
    target: { url: string },
    request: ListenRequest,
    { enough = Infinity, ...limits }: { enough?: number; eventLengthMax?: number; openMs?: number },
  ): Promise<Heard> {
    const messages: JsonObject[] = [];
    const ids: (string | undefined)[] = [];
    const calledOff = new AbortController();
    const message = (each: JsonObject, id: string | undefined) => {
      messages.push(each);
      ids.push(id);
      if (messages.length >= enough) calledOff.abort();
    };
    const all = { signal: calledOff.signal, ...limits };
    return { end: await listen(target, request, { message }, all), messages, ids };
  }

  it('hears a GET stream, and where to resume when it ends', async () => {
    const target = await at((request, response) => {
      expect([request.method, request.headers['mcp-session-id']]).to.deep.equal(['GET', 's1']);
      begin(response).end(
        `${event(changed, 'a')}: alive\n\n${event({ id: 1, method: 'ping' }, 'b')}`,
      );
    });
    const { end, messages, ids } = await hear(target, get, {});
    expect(messages.map(({ method }) => method)).to.deep.equal([changed.method, 'ping']);
    expect(ids).to.deep.equal(['a', 'b']);
    expect(end).to.include({ kind: 'closed', lastEventId: 'b' });
  });

  it('hears a stream that was asked for by a message, and its end by the answer', async () => {
    const target = await at((request, response) => {
      void messageOf(request).then(({ id, method }) => {
        expect(method).to.equal('subscriptions/listen');
        begin(response).write(event(changed) + event({ id, result: {} }));
      });
    });
    const { end, messages } = await hear(target, post, {});
    expect([messages.length, end.kind]).to.deep.equal([1, 'closed']);
  });

  it('ends when it is called off, and the server sees it', async () => {
    let gone: () => void;
    const seen = new Promise<void>((resolve) => (gone = resolve));
    const target = await at((_request, response) => {
      response.once('close', () => gone());
      begin(response).write(event(changed));
    });
    const { end } = await hear(target, get, { enough: 1 });
    expect(end.kind).to.equal('called_off');
    await seen;
  });

  it('is called off before it began', async () => {
    const target = await at(() => undefined);
    const signal = AbortSignal.abort();
    const end = await listen(target, get, { message: () => undefined }, { signal });
    expect(end.kind).to.equal('called_off');
  });

  const error = { code: -32601, message: 'Method not found' };
  const refusals: readonly [string, ListenRequest, RequestListener, number][] = [
    ['405 to the GET', get, (_request, response) => void response.writeHead(405).end(), 405],
    [
      'an error as JSON',
      post,
      (_request, response) => sendJson(response, { id: 7, error }, { status: 404 }),
      404,
    ],
    ['an error at 200', post, (_request, response) => sendJson(response, { id: 7, error }), 200],
    [
      'an error on a stream',
      post,
      (_request, response) => void begin(response).end(event({ id: 7, error })),
      200,
    ],
  ];
  for (const [what, request, handle, status] of refusals)
    it(`tells of a refusal: ${what}`, async () => {
      const { end } = await hear(await at(handle), request, {});
      expect(end).to.include({ kind: 'refused', status });
    });

  it('takes no page for a stream', async () => {
    const { end } = await hear(
      await at((_request, response) => void response.end('hello')),
      get,
      {},
    );
    expect(end.kind).to.equal('not_mcp');
  });

  it('tells that nobody is there, and that nobody answers', async () => {
    const [port] = await freePorts(1);
    const away = await hear({ url: `http://127.0.0.1:${port}/mcp` }, get, {});
    expect(away.end.kind).to.equal('unreachable');
    const silent = await hear(await at(() => undefined), get, { openMs: 50 });
    expect(silent.end).to.deep.equal({ kind: 'too_slow', deadlineMs: 50 });
  });

  it('passes over what is no message, and takes a batch apart', async () => {
    const target = await at((_request, response) => {
      const batch = JSON.stringify([changed, 5, changed]);
      begin(response).end(`data: no JSON\n\ndata: 5\n\ndata: ${batch}\n\n`);
    });
    expect((await hear(target, get, {})).messages).to.have.lengthOf(2);
  });

  it('holds no event without end', async () => {
    const target = await at((_request, response) => {
      begin(response).write(`data: ${'x'.repeat(5_000)}`);
    });
    const { end } = await hear(target, get, { eventLengthMax: 1_000 });
    expect(end).to.include({ kind: 'closed', reason: 'an event of more than 1000 characters' });
  });

  it('tells that a stream broke', async () => {
    const server = createServer((_request, response) => {
      begin(response).write(event(changed), () => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const { end } = await hear({ url: `http://127.0.0.1:${port}/mcp` }, get, {});
    expect(end.kind).to.equal('closed');
    server.close();
  });

  it('reads no faster than its listener hears', async () => {
    const target = await at((_request, response) => {
      begin(response).end(event(changed).repeat(3));
    });
    let hearing = 0;
    let most = 0;
    const message = async () => {
      most = Math.max(most, ++hearing);
      await new Promise((resolve) => setImmediate(resolve));
      hearing -= 1;
    };
    await listen(target, get, { message }, { signal: new AbortController().signal });
    expect(most).to.equal(1);
  });
});
