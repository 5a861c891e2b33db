import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { Latest } from '../../src/latest.js';
import { encode } from '../../src/protos.js';
import type { EncodedResource } from '../../src/snapshot/snapshot.js';
import type { TlsMaterial } from '../../src/xds/listening.js';
import { authority, issue } from './certificates.js';
import { RawClient, WireClient, type Response } from './client.js';
import { startStage, valueOf, type Stage } from './stage.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What is really in use, buffers outside the heap too. */
function bytesInUse(): number {
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const kib = 1024;
const filler = 'x'.repeat(16 * kib);

/** Of this size, so that keeping a thousand of them shows: 16 MiB. */
const large = (mark: number): EncodedResource => ({
  name: 'a',
  bytes: encode('envoy.config.cluster.v3.Cluster', {
    ...{ name: 'a', type: 'STATIC', alt_stat_name: `${filler} ${mark}` },
  }),
});

/** Far above what two measurements of the same differ by, far below what any queue would take. */
const most = 4 * kib * kib;

describe('what a client costs that takes, or gives, no end', () => {
  let stage: Stage;
  let mark = 0;
  let good: WireClient;
  beforeEach(async () => {
    stage = await startStage();
    stage.publish({ cluster: [large(mark)], endpoint: [], route: [], listener: [] });
    good = stage.connect();
    good.begin('cluster', {}, 'good');
    good.acknowledge(await good.next());
  });
  afterEach(async () => stage.stop());

  /** One after the other, each taken by a client as it should be. */
  async function changes(count: number): Promise<void> {
    for (let change = 0; change < count; change++) {
      stage.publish({ cluster: [large(++mark)], endpoint: [], route: [], listener: [] });
      good.acknowledge(await good.next());
    }
  }

  async function grownBy(work: (times: number) => Promise<void>): Promise<number> {
    await work(100);
    const before = bytesInUse();
    await work(1_000);
    return bytesInUse() - before;
  }

  /** Answers every response with a refusal, for ever. */
  async function refuseAll(client: WireClient): Promise<void> {
    for (;;) client.refuse(await client.next(), filler);
  }

  const hostile: readonly [string, (client: WireClient, first: Response) => void][] = [
    ['stops reading', (client) => client.stopReading()],
    ['never acknowledges', () => undefined],
    [
      'refuses everything, at length',
      (client, first) => {
        client.refuse(first, filler);
        void refuseAll(client);
      },
    ],
  ];
  for (const [what, turn] of hostile)
    it(`${what}: a thousand changes cost what a hundred do (point 31)`, async () => {
      const client = stage.connect();
      client.begin('cluster', {}, 'hostile');
      turn(client, await client.next());
      expect(await grownBy(changes)).to.be.lessThan(most);
    });

  it('stops reading on twenty streams: nothing waits for any (point 31)', async () => {
    const clients = Array.from({ length: 20 }, () => stage.connect());
    for (const [index, client] of clients.entries()) {
      client.begin('cluster', {}, `hostile-${index}`);
      client.acknowledge(await client.next());
      client.stopReading();
    }
    expect(await grownBy(changes)).to.be.lessThan(most);
  });

  it('reads nothing and acknowledges by guessing: it alone is ended (point 31)', async () => {
    const client = stage.connect({ 'grpc.use_local_subchannel_pool': 1 });
    client.begin('cluster', {}, 'hostile');
    const { nonce = '' } = await client.next();
    client.stopReading();
    const before = bytesInUse();
    const refused = () =>
      valueOf(stage.metrics, 'mcpx_xds_refused_streams_total{reason="too much"}');
    const nonces = [nonce];
    // A response is 16 KiB, and few of them fill the windows of a connection.
    while (nonces.length < 500 && (await refused()) === 0) {
      for (const guess of nonces) client.ask('cluster', { response_nonce: guess });
      nonces.push((parseInt(nonces.at(-1)!, 36) + 1).toString(36));
      client.ask('cluster', { resource_names_subscribe: ['*'] });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await refused()).to.equal(1);
    await stage.nodesAre(() => stage.server.nodes.list().every(({ id }) => id === 'good'));
    await changes(10);
    expect(bytesInUse() - before).to.be.lessThan(most);
  });

  it('takes a thousand responses one by one: none of them counts as unread', async () => {
    const sent = () => valueOf(stage.metrics, 'mcpx_xds_responses_total{type="cluster"}');
    const before = await sent();
    await changes(1_000);
    expect((await sent()) - before).to.equal(1_000);
  });

  it('asks for ever other names that do not exist: each set goes with the next', async () => {
    const client = stage.connect();
    client.begin('endpoint', {}, 'hostile');
    let round = 0;
    const names = (of: number) =>
      Array.from({ length: 50 }, (_, index) => `${of} ${index} ${filler.slice(0, 400)}`);
    const asks = async (times: number) => {
      for (let time = 0; time < times; time++) {
        const unsubscribe = names(round++);
        client.ask('endpoint', {
          resource_names_unsubscribe: unsubscribe,
          resource_names_subscribe: names(round),
        });
        client.acknowledge(await client.next());
      }
    };
    expect(await grownBy(asks)).to.be.lessThan(most);
  });

  it('sends garbage on stream after stream: nothing of it stays (point 43)', async () => {
    const streams = async (times: number) => {
      for (let time = 0; time < times; time++) {
        const client = new RawClient(stage.server.port, 'incremental');
        client.sendBytes(Buffer.alloc(16 * kib, 0xff));
        await client.ended;
        client.close();
      }
    };
    expect(await grownBy(streams)).to.be.lessThan(most);
    await changes(1);
  });
});

describe('connections of those who say nothing', () => {
  let stage: Stage;
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await stage.stop();
  });

  const open = async () => {
    const socket = connect(stage.server.port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  };

  const ca = authority();
  const material: TlsMaterial = { ...issue(ca), ca: ca.cert };
  for (const [how, options] of [
    ['plain', {}],
    ['with TLS', { tls: new Latest(material) }],
  ] as const)
    it(`are as many as an address may have, ${how} (point 40)`, async () => {
      stage = await startStage({ ...options, limits: { connectionsPerAddress: 3 } });
      for (let count = 1; count <= 3; count++) await open();
      await once(await open(), 'close');
      const refused = 'mcpx_xds_refused_streams_total{reason="too much"}';
      expect(await valueOf(stage.metrics, refused)).to.equal(1);
      expect(sockets.map(({ closed }) => closed)).to.deep.equal([false, false, false, true]);
    });

  it('make room when they end (point 40)', async () => {
    stage = await startStage({ limits: { connectionsPerAddress: 3 } });
    for (let count = 1; count <= 20; count++) {
      const client = stage.connect();
      client.begin('cluster');
      await client.next();
      client.close();
      await stage.nodesAre(() => stage.server.nodes.list().length === 0);
    }
  });

  it('end when nothing was asked on them for a while', async () => {
    stage = await startStage({ limits: { connectionIdleMs: 40 } });
    const socket = await open();
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    await once(socket, 'close');
  });
});
