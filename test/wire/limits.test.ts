import { connect as connectSocket, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { pino } from 'pino';
import { assignment, edsCluster } from '../unit/snapshot/messages.js';
import { envoyNode, RawClient, summary, WireClient } from './client.js';
import { startStage, valueOf, type Stage } from './stage.js';

const refusedStreams = (reason: string) => `mcpx_xds_refused_streams_total{reason="${reason}"}`;

describe('a client that takes too much, or says too little', () => {
  let stage: Stage;
  afterEach(async () => stage.stop());

  async function heldBy(client: WireClient): Promise<void> {
    client.begin('cluster', {}, 'good');
    client.acknowledge(await client.next());
  }

  /** Whatever another client does, this one hears of a change. */
  async function otherHears(other: WireClient): Promise<void> {
    stage.publish({ cluster: [edsCluster('a', 7)] });
    expect(summary(await other.next())).to.equal('cluster +a');
  }

  it('opens no more streams as one node than a node may (point 40)', async () => {
    stage = await startStage({ limits: { streamsPerNode: 2 } });
    const [first, second, third] = [stage.connect(), stage.connect(), stage.connect()];
    for (const client of [first, second]) {
      client.begin('cluster');
      await client.next();
    }
    third.begin('cluster');
    const { code, details } = await third.ended;
    expect(code).to.equal(status.RESOURCE_EXHAUSTED);
    expect(details).to.contain('edge-1').and.contain('node.id');
    expect(await valueOf(stage.metrics, refusedStreams('too much'))).to.equal(1);
    // One that left makes room: who is counted is who is there.
    first.close();
    await stage.nodesAre(() => stage.server.nodes.list().length === 1);
    const next = stage.connect();
    next.begin('cluster');
    expect(summary(await next.next())).to.equal('cluster +a');
  });

  it('opens no more streams from one address than an address may (point 40)', async () => {
    stage = await startStage({ limits: { streamsPerAddress: 2 } });
    const clients = [stage.connect(), stage.connect()];
    for (const [index, client] of clients.entries()) {
      client.begin('cluster', {}, `edge-${index}`);
      await client.next();
    }
    const third = stage.connect();
    expect((await third.ended).code).to.equal(status.RESOURCE_EXHAUSTED);
    clients[0]!.close();
    await stage.nodesAre(() => stage.server.nodes.list().length === 1);
    const next = stage.connect();
    next.begin('cluster');
    expect(summary(await next.next())).to.equal('cluster +a');
  });

  it('asks for more names than a subscription may have', async () => {
    stage = await startStage({ limits: { namesPerSubscription: 100 } });
    const other = stage.connect();
    await heldBy(other);
    const client = stage.connect();
    const names = Array.from({ length: 101 }, (_, index) => `name-${index}`);
    client.begin('endpoint', { resource_names_subscribe: names });
    const { code, details } = await client.ended;
    expect(code).to.equal(status.RESOURCE_EXHAUSTED);
    expect(details).to.contain('100 names');
    await otherHears(other);
  });

  it('asks for a name longer than any', async () => {
    stage = await startStage();
    const client = stage.connect();
    client.begin('endpoint', { resource_names_subscribe: ['x'.repeat(600)] });
    expect((await client.ended).code).to.equal(status.RESOURCE_EXHAUSTED);
  });

  it('brings along more than a subscription may have', async () => {
    stage = await startStage({ limits: { namesPerSubscription: 100 } });
    const client = stage.connect();
    const names = Array.from({ length: 101 }, (_, index) => [`name-${index}`, 'v'] as const);
    client.begin('cluster', { initial_resource_versions: Object.fromEntries(names) });
    expect((await client.ended).code).to.equal(status.RESOURCE_EXHAUSTED);
  });

  it('says a cluster, a role or a service that is longer than any name', async () => {
    stage = await startStage();
    const long = 'x'.repeat(300);
    for (const node of [{ ...envoyNode('edge-1'), cluster: long }, envoyNode('edge-1', long)]) {
      const client = stage.connect();
      client.begin('cluster', { node });
      const { code, details } = await client.ended;
      expect(code).to.equal(status.INVALID_ARGUMENT);
      expect(details).to.contain('256 characters').and.not.contain(long);
    }
  });

  it('sends a request larger than a request may be', async () => {
    stage = await startStage({ limits: { requestBytes: 10_000 } });
    const other = stage.connect();
    await heldBy(other);
    const client = stage.connect();
    client.begin('cluster', {}, 'x'.repeat(20_000));
    expect((await client.ended).code).to.equal(status.RESOURCE_EXHAUSTED);
    await otherHears(other);
  });

  it('says an id that is longer than any name', async () => {
    stage = await startStage();
    const client = stage.connect();
    client.begin('cluster', {}, 'x'.repeat(20_000));
    expect((await client.ended).code).to.equal(status.INVALID_ARGUMENT);
  });

  it('says nothing at all: its stream is ended', async () => {
    stage = await startStage({ limits: { firstRequestMs: 40 } });
    const client = stage.keep(new RawClient(stage.server.port, 'incremental'));
    const { code, details } = await client.ended;
    expect(code).to.equal(status.INVALID_ARGUMENT);
    expect(details).to.contain('no request came');
  });

  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const noise = Buffer.alloc(5_000, 0xff);
  for (const [what, bytes] of [
    ['talks no HTTP/2', Buffer.from('GET / HTTP/1.1\r\nhost: here\r\n\r\n'.repeat(10))],
    ['sends garbage', noise],
    ['begins as HTTP/2 does, and goes on with garbage', Buffer.concat([preface, noise])],
  ] as const)
    it(`${what}: it is counted each time, and warned of once in a while`, async () => {
      let now = 0;
      const warnings: unknown[] = [];
      const write = (line: string) => void warnings.push(JSON.parse(line));
      stage = await startStage({
        ...{ log: pino({ level: 'warn' }, { write }), clock: { now: () => now } },
      });
      const other = stage.connect();
      await heldBy(other);
      for (const [at, count, lines] of [
        [0, 1, 1],
        [1_000, 2, 1],
        [60_000, 3, 2],
      ] as const) {
        now = at;
        await ended(stage.server.port, bytes);
        expect(await valueOf(stage.metrics, refusedStreams('protocol'))).to.equal(count);
        expect(warnings).to.have.length(lines);
      }
      expect(warnings[0])
        .to.include({ address: '127.0.0.1' })
        .and.to.have.property('msg')
        .that.includes('it must be the HTTP/2 of gRPC, without TLS');
      await otherHears(other);
    });

  it('just goes, in the middle of a word: that is no garbage', async () => {
    stage = await startStage();
    const socket = connectSocket(stage.server.port, '127.0.0.1');
    socket.end(preface.subarray(0, 8));
    socket.resume();
    await once(socket, 'close');
    expect(await valueOf(stage.metrics, refusedStreams('protocol'))).to.equal(0);
  });

  for (const [what, stop] of [
    ['never acknowledges', () => undefined],
    ['stops reading', (client: WireClient) => client.stopReading()],
  ] as const)
    it(`${what}: it gets one response of a type, whatever changes (points 31, 32)`, async () => {
      stage = await startStage();
      const lazy = stage.connect();
      lazy.begin('endpoint', { resource_names_subscribe: ['a'] }, 'lazy');
      await lazy.next();
      stop(lazy);
      const other = stage.connect();
      await heldBy(other);
      const good = () => stage.server.nodes.list().find(({ id }) => id === 'good');
      const goodIsSettled = () => good()?.kinds.cluster?.settled === true;
      await stage.nodesAre(goodIsSettled);
      for (let mark = 1; mark <= 300; mark++)
        stage.publish({ endpoint: [assignment('a', 1 + mark)], cluster: [edsCluster('a', mark)] });
      // The other one gets the first change at once and the rest in one.
      other.acknowledge(await other.next());
      other.acknowledge(await other.next());
      await stage.nodesAre(goodIsSettled);
      const sent = (type: string) =>
        valueOf(stage.metrics, `mcpx_xds_responses_total{type="${type}"}`);
      expect(await sent('endpoint')).to.equal(1);
      expect(await sent('cluster')).to.equal(3);
    });

  it('refuses everything: it is left alone until there is more (points 26, 31)', async () => {
    stage = await startStage();
    const names = ['a', 'b', 'c', 'd'];
    stage.publish({
      cluster: names.map((name) => edsCluster(name)),
      endpoint: names.map((name) => assignment(name)),
    });
    const client = stage.connect();
    client.begin('cluster');
    // All four, their halves, and each alone.
    for (let response = 0; response < 7; response++) client.refuse(await client.next(), 'never');
    await stage.nodesAre(() => stage.server.nodes.problems().length === 4);
    const other = stage.connect();
    other.begin('cluster', {}, 'good');
    other.acknowledge(await other.next());
    stage.publish({
      cluster: names.map((name) => edsCluster(name, name === 'c' ? 1 : 0)),
      endpoint: names.map((name) => assignment(name)),
    });
    expect(summary(await other.next())).to.equal('cluster +c');
    expect(summary(await client.next())).to.equal('cluster +c');
    expect(client.unread).to.equal(0);
  });

  it('does not answer in time: it is shown as overdue until it does (point 33)', async () => {
    stage = await startStage({ limits: { answerMs: 40 } });
    const client = stage.connect();
    client.begin('cluster');
    const response = await client.next();
    const overdue = () => stage.server.nodes.list()[0]?.kinds.cluster?.overdue;
    await stage.nodesAre(() => overdue() === true);
    const late = () => valueOf(stage.metrics, 'mcpx_xds_ack_timeouts_total{type="cluster"}');
    expect(await late()).to.equal(1);
    client.acknowledge(response);
    await stage.nodesAre(() => overdue() === false);
    expect(await late(), 'counted once').to.equal(1);
  });

  it('is gone without a word: keepalive finds it (point 33)', async () => {
    stage = await startStage({ limits: { keepaliveMs: 30, keepaliveAnswerMs: 30 } });
    const through = await halfOpenable(stage.server.port);
    const client = stage.keep(new WireClient(through.port));
    client.begin('cluster');
    await client.next();
    expect(stage.server.nodes.list()).to.have.length(1);
    through.fallSilent();
    await stage.nodesAre(() => stage.server.nodes.list().length === 0);
    through.close();
  });

  it('comes with a thousand others at once: they begin at a rate, in turn (point 35)', async () => {
    let now = 0;
    const limits = { admittedBurst: 2, admittedPerSecond: 1_000, admissionQueue: 2 };
    stage = await startStage({ limits, clock: { now: () => now } });
    const clients = Array.from({ length: 6 }, () => stage.connect());
    for (const [index, client] of clients.entries()) client.begin('cluster', {}, `edge-${index}`);
    const ended = clients.map(async (client) => (await client.ended).code);
    // Two begin, two wait, and two are told to come again.
    const codes = await Promise.all([Promise.race(ended), atLeast(2, ended)]);
    expect(codes[0]).to.equal(status.RESOURCE_EXHAUSTED);
    await stage.nodesAre(() => stage.server.nodes.list().length === 2);
    now = 10;
    await stage.nodesAre(() => stage.server.nodes.list().length === 4);
  });

  it('comes back with what it held: it has joined at once (points 15, 35)', async () => {
    stage = await startStage({ limits: { joiningAtOnce: 1, joiningMs: 3_600_000 } });
    const held = { a: stage.edge.value!.resources.cluster.get('a')!.version };
    for (let count = 1; count <= 3; count++) {
      const client = stage.connect();
      client.begin('cluster', { initial_resource_versions: held }, `edge-${count}`);
      await stage.nodesAre(() => stage.server.nodes.list().length === count);
      expect(client.unread).to.equal(0);
    }
  });

  it('connects and leaves a thousand times, and leaves nothing behind (point 43)', async () => {
    stage = await startStage({ limits: { streamsPerAddress: 20, streamsPerNode: 20 } });
    for (let round = 0; round < 100; round++) {
      const clients = Array.from({ length: 10 }, () => new WireClient(stage.server.port));
      for (const client of clients) client.begin('cluster');
      await Promise.all(clients.map((client) => client.next()));
      for (const client of clients) client.close();
      await stage.nodesAre(() => stage.server.nodes.list().length === 0);
    }
    expect(stage.server.nodes.streamsOf({ role: 'edge', id: 'edge-1' })).to.equal(0);
  });
});

/** Sends this, and waits until the server has ended the connection. */
async function ended(port: number, bytes: Buffer): Promise<void> {
  const socket = connectSocket(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(bytes);
  socket.resume();
  await once(socket, 'close');
}

/** Resolves once so many of them have. */
async function atLeast(count: number, promises: readonly Promise<unknown>[]): Promise<void> {
  let left = count;
  return new Promise((resolve) => {
    for (const promise of promises)
      void promise.then(() => {
        left -= 1;
        if (left === 0) resolve();
      });
  });
}

/** A way to the port on which a peer can vanish as with a cut cable. */
async function halfOpenable(port: number) {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connectSocket(port, '127.0.0.1');
    sockets.push(near, far);
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    fallSilent: () => {
      for (const socket of sockets) socket.unpipe();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
